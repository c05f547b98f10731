//! Management's responses, and the deviations that they are about.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::authors::{Lapses, RecordKind};
use crate::period::model::{Deviation, ResponseReport};
use comptroller_core::api::ResourceRef;
use comptroller_evidence::{
    data::{ChangeKind, ObjectChange},
    entry::EntrySubject,
};

/// The responses, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct ResponsesFold(BTreeMap<String, Response>);

#[derive(Clone, Debug)]
struct Response {
    control: String,
    /// Whom it is about; empty for all deviations of the control.
    items: Vec<RespondedItem>,
    /// Of deviations since then; None for all.
    from: Option<Timestamp>,
    /// When the API server created it; None in entries of older versions.
    created: Option<Timestamp>,
    report: ResponseReport,
}

/// An item as a response names it.
#[derive(Clone, Debug)]
struct RespondedItem {
    api_version: Option<String>,
    kind: String,
    namespace: Option<String>,
    name: String,
}

impl ResponsesFold {
    pub(super) fn change(
        &mut self,
        index: u64,
        at: Timestamp,
        subject: &EntrySubject,
        data: &ObjectChange,
    ) {
        // That its author was not bound may turn out after it was recorded.
        if let (Some(bound), Some(known)) = (data.author_bound, self.0.get_mut(&subject.name)) {
            known.report.author_bound = Some(bound);
        }
        // It can't change, and one that is deleted was given all the same.
        let Some(spec) = data.spec.as_ref().filter(|_| data.change != ChangeKind::Deleted) else {
            return;
        };
        let text = |field: &str| spec.get(field).and_then(Value::as_str).map(str::to_owned);
        let Some(control) = text("control") else { return };
        let items = spec.get("items").and_then(Value::as_array);
        let report = ResponseReport {
            name: subject.name.clone(),
            at,
            cause: text("cause").unwrap_or_default(),
            response: text("response").unwrap_or_default(),
            owner: text("owner").unwrap_or_default(),
            responded_by: text("respondedBy").unwrap_or_default(),
            corrective_action_by: text("correctiveActionBy"),
            author_bound: data
                .author_bound
                .or_else(|| spec.get("authorBound").and_then(Value::as_bool)),
            entry: index,
        };
        let response = Response {
            control,
            items: items.into_iter().flatten().filter_map(RespondedItem::read).collect(),
            from: text("from").and_then(|from| from.parse().ok()),
            created: data.created_at,
            report,
        };
        self.0.entry(subject.name.clone()).or_insert(response);
    }

    /// Joins each deviation of a control with the newest response about it, and its cause.
    pub(super) fn join(&self, control: &str, lapses: &Lapses, deviations: &mut [Deviation]) {
        for deviation in deviations {
            let newest = self
                .0
                .values()
                .filter(|response| response.control == control && response.is_about(deviation))
                .max_by_key(|response| response.report.entry);
            if let Some(Response { report, created, .. }) = newest {
                if !report.cause.is_empty() {
                    deviation.cause = Some(report.cause.clone());
                }
                let kind = RecordKind::Response;
                let shown = match created {
                    Some(created) => lapses.at(kind, *created),
                    None => lapses.seen_at(kind, report.at),
                };
                let author_bound = if shown.is_some() { Some(false) } else { report.author_bound };
                deviation.response = Some(ResponseReport { author_bound, ..report.clone() });
            }
        }
    }
}

impl Response {
    fn is_about(&self, deviation: &Deviation) -> bool {
        // What was opened after the response can't have been meant by it.
        deviation.from <= self.report.at
            && self.from.is_none_or(|from| deviation.from >= from)
            && (self.items.is_empty()
                || self.items.iter().any(|item| item.is(&deviation.item.resource)))
    }
}

impl RespondedItem {
    fn read(item: &Value) -> Option<Self> {
        let text = |field: &str| item.get(field).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            api_version: text("apiVersion"),
            kind: text("kind")?,
            namespace: text("namespace"),
            name: text("name")?,
        })
    }

    fn is(&self, resource: &ResourceRef) -> bool {
        self.api_version.as_ref().is_none_or(|version| *version == resource.api_version)
            && self.kind == resource.kind
            && self.namespace == resource.namespace
            && self.name == resource.name
    }
}
