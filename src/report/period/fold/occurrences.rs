//! The occurrences of a human control.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Window, spec::Spec};
use crate::{
    api::ResourceRef,
    evidence::data::{AttestationData, OccurrencePhase},
    report::period::model::{Deviation, Ending, OccurrenceReport},
};

/// What a deviation says was found when nobody attested.
const MISSED: &str = "OccurrenceMissed";

/// The occurrences of one control.
#[derive(Clone, Debug, Default)]
pub(super) struct Occurrences(BTreeMap<String, Occurrence>);

#[derive(Clone, Debug)]
struct Occurrence {
    report: OccurrenceReport,
    /// When it was found to be missed, and by which entry.
    missed: Option<(Timestamp, u64)>,
}

impl Occurrences {
    pub(super) fn step(&mut self, index: u64, at: Timestamp, data: &AttestationData) {
        let dates = &data.occurrence;
        let Occurrence { report, missed } =
            self.0.entry(dates.period.clone()).or_insert_with(|| Occurrence {
                report: OccurrenceReport {
                    period: dates.period.clone(),
                    opens: dates.opens,
                    due: dates.due,
                    grace_until: dates.grace_until,
                    phase: data.phase,
                    attested_by: Vec::new(),
                    performed_at: None,
                    artifacts: Vec::new(),
                    entry: index,
                },
                missed: None,
            });
        // A missed occurrence stays missed, whatever comes later.
        if missed.is_none() {
            report.phase = data.phase;
            (report.opens, report.due) = (dates.opens, dates.due);
            report.grace_until = dates.grace_until;
            if data.phase == OccurrencePhase::Missed {
                *missed = Some((dates.grace_until.min(at), index));
            }
        }
        report.entry = index;
        if let Some(record) = &data.record {
            insert(&mut report.attested_by, &record.attested_by);
            for artifact in &record.artifacts {
                insert(&mut report.artifacts, &artifact.digest);
            }
            report.performed_at = report.performed_at.max(Some(record.performed_at));
        }
    }

    fn touching(&self, window: Window) -> impl Iterator<Item = &Occurrence> {
        self.0.values().filter(move |Occurrence { report, .. }| {
            window.touches(report.opens, Some(report.grace_until))
        })
    }

    /// Those that touch the window, by time.
    pub(super) fn report(&self, window: Window) -> Vec<OccurrenceReport> {
        let mut all: Vec<_> =
            self.touching(window).map(|occurrence| occurrence.report.clone()).collect();
        all.sort_by(|a, b| (a.opens, &a.period).cmp(&(b.opens, &b.period)));
        all
    }

    /// A missed occurrence is a deviation, which nothing ends.
    pub(super) fn deviations(
        &self,
        control: &str,
        spec: &Spec,
        window: Window,
    ) -> impl Iterator<Item = Deviation> {
        self.touching(window).filter_map(move |Occurrence { report, missed }| {
            let (since, entry) = (*missed)?;
            Some(Deviation {
                rule: MISSED.to_owned(),
                resource: ResourceRef {
                    api_version: format!("{}/{}", crate::api::GROUP, crate::api::VERSION),
                    kind: "Control".to_owned(),
                    namespace: None,
                    name: control.to_owned(),
                },
                subject: None,
                message: format!(
                    "{} was due on {} and nobody attested it until {}",
                    report.period, report.due, report.grace_until
                ),
                severity: spec.severity,
                since,
                until: None,
                ending: Ending::Open,
                exception: None,
                opened_entry: entry,
                closed_entry: None,
            })
        })
    }

    /// Whether the time of an occurrence ran out without an entry that says how it ended.
    pub(super) fn has_unfinished(&self, window: Window) -> bool {
        self.touching(window).any(|Occurrence { report, .. }| {
            matches!(report.phase, OccurrencePhase::Scheduled | OccurrencePhase::Open)
                && report.grace_until < window.to
        })
    }
}

fn insert(sorted: &mut Vec<String>, text: &str) {
    if let Err(place) = sorted.binary_search_by(|known| known.as_str().cmp(text)) {
        sorted.insert(place, text.to_owned());
    }
}
