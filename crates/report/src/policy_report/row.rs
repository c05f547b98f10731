//! The rows of reports: what one control says in which of them.

use std::{borrow::Cow, collections::BTreeMap};

use jiff::Timestamp;
use serde::Serialize;

use super::{ReportedControl, Withheld};
use crate::visible;
use comptroller_core::{
    api::{Criterion, time::whole_seconds},
    engine::ObservedFinding,
};
use comptroller_vocabulary::{ResourceRef, Severity, State};

/// The longest message of a row, in characters.
const MAX_MESSAGE: usize = 1024;

/// The longest subject of a row, in characters.
const MAX_SUBJECT: usize = 512;

/// The rule of a row for findings that are not listed.
pub(super) const NOT_LISTED: &str = "FindingsNotListed";

/// What is said of a control that passes.
const PASSES: &str = "every item that the control judges passes";

/// What is written in place of texts that the API server rejects.
const LEFT_OUT: &str =
    "the API server rejected the report with its texts: see the status of the control";

/// How a row came out. From the worst on, which is the order in which rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A requirement is not met.
    Fail,
    /// It could not be judged.
    Error,
    /// An exception allows it, or there is nothing to judge.
    Skip,
    /// The control passes.
    Pass,
}

/// A row of a report.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    pub outcome: Outcome,
    pub severity: Severity,
    pub control: &'a ReportedControl<'a>,
    pub rule: Cow<'a, str>,
    /// None for a row about the control as a whole.
    pub resource: Option<&'a ResourceRef>,
    pub message: Cow<'a, str>,
    pub since: Timestamp,
    pub subject: Option<&'a str>,
    /// The exception that allows it.
    pub exception: Option<&'a str>,
    /// How many findings it stands for that are not listed. None for a finding.
    pub unlisted: Option<usize>,
}

impl<'a> Row<'a> {
    fn of_finding(
        control: &'a ReportedControl<'a>,
        observed: &'a ObservedFinding,
        outcome: Outcome,
    ) -> Self {
        let finding = &observed.finding;
        Self {
            outcome,
            severity: observed.severity,
            control,
            rule: Cow::Borrowed(&finding.rule),
            resource: Some(&finding.resource),
            message: Cow::Borrowed(&finding.message),
            since: observed.since,
            subject: finding.subject.as_deref(),
            exception: observed.exception.as_deref(),
            unlisted: None,
        }
    }

    fn of_control(control: &'a ReportedControl<'a>, outcome: Outcome) -> Self {
        // How many pass is left out: it changes with every object of the cluster.
        let message = if outcome == Outcome::Pass { PASSES } else { &control.verdict.message };
        Self {
            outcome,
            severity: control.severity,
            control,
            rule: Cow::Borrowed(control.verdict.reason.as_str()),
            resource: None,
            message: Cow::Borrowed(message),
            since: control.verdict.since,
            subject: None,
            exception: None,
            unlisted: None,
        }
    }

    /// A row for findings of one control and outcome that are not listed.
    pub(super) fn unlisted(
        control: &'a ReportedControl<'a>,
        outcome: Outcome,
        severity: Severity,
        count: usize,
    ) -> Self {
        let what = match outcome {
            Outcome::Fail => "fail",
            Outcome::Error => "could not be judged",
            Outcome::Skip => "are allowed by exceptions",
            Outcome::Pass => "pass",
        };
        Self {
            severity,
            rule: Cow::Borrowed(NOT_LISTED),
            message: Cow::Owned(format!(
                "{count} more that {what} are not listed here: see the evidence log, or run comptroller scan --cluster"
            )),
            unlisted: Some(count),
            ..Self::of_control(control, outcome)
        }
    }

    /// The namespace of the report that it belongs to; None for the cluster's.
    pub(super) fn namespace(&self) -> Option<&'a str> {
        let namespace = self.resource?.namespace.as_deref()?;
        // No object is in a namespace that can't exist.
        is_namespace(namespace).then_some(namespace)
    }
}

/// Whether the API server could have a namespace of this name.
pub(crate) fn is_namespace(name: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty()
        && name.len() <= 63
        && name.chars().all(is_inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// The rows of a control, at least one. Only a control that passes, as of its record, has a `pass`.
pub(super) fn rows<'a>(
    control: &'a ReportedControl<'a>,
    withheld: Option<&Withheld<'a>>,
) -> Vec<Row<'a>> {
    let verdict = control.verdict;
    let mut rows: Vec<Row<'a>> = Vec::new();
    for observed in control.findings {
        let outcome = if observed.exception.is_some() { Outcome::Skip } else { Outcome::Fail };
        rows.push(Row::of_finding(control, observed, outcome));
    }
    let undecided = control.undecided.iter();
    rows.extend(undecided.map(|observed| Row::of_finding(control, observed, Outcome::Error)));
    let failing = rows.iter().filter(|row| row.outcome == Outcome::Fail).count();
    for (outcome, all, listed) in [
        (Outcome::Fail, verdict.open_findings, failing),
        (Outcome::Error, verdict.unknown, control.undecided.len()),
    ] {
        if let Some(more) = all.checked_sub(listed).filter(|more| *more > 0) {
            rows.push(Row::unlisted(control, outcome, control.severity, more));
        }
    }
    let whole = match verdict.state {
        State::Passing => Outcome::Pass,
        State::Failing => Outcome::Fail,
        State::Excepted | State::NotApplicable => Outcome::Skip,
        State::Unknown => Outcome::Error,
    };
    if let Some(withheld) =
        withheld.filter(|_| matches!(verdict.state, State::Passing | State::Excepted))
    {
        rows.push(Row {
            rule: Cow::Borrowed(withheld.reason),
            message: Cow::Borrowed(withheld.why),
            since: withheld.since,
            ..Row::of_control(control, Outcome::Error)
        });
    } else if rows.iter().all(|row| row.outcome != whole) {
        rows.push(Row::of_control(control, whole));
    }
    rows
}

/// How much of a row is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// All of it.
    Full,
    /// Without what each heartbeat moves: the entry, and when it was written.
    Lasting,
    /// Without texts from the cluster.
    Bare,
}

/// A row as both APIs have it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResultBody<'a> {
    source: &'static str,
    policy: &'a str,
    rule: Cow<'a, str>,
    category: String,
    severity: String,
    result: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<TimestampBody>,
    resources: [ReferenceBody<'a>; 1],
    message: Cow<'a, str>,
    properties: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct TimestampBody {
    seconds: i64,
    nanos: i32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReferenceBody<'a> {
    api_version: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    name: &'a str,
}

impl<'a> Row<'a> {
    pub(super) fn body(&self, detail: Detail) -> ResultBody<'a> {
        let control = self.control;
        let mut properties = BTreeMap::from([
            ("criteria", control.criteria.join(", ")),
            ("since", whole_seconds(self.since).0.to_string()),
        ]);
        if let (Some(entry), true) = (control.entry, detail != Detail::Lasting) {
            properties.insert("evidence", entry.to_string());
        }
        if let (Some(subject), true) = (self.subject, detail != Detail::Bare) {
            properties.insert("subject", shown(subject, MAX_SUBJECT).into_owned());
        }
        if let Some(exception) = self.exception {
            properties.insert("exception", exception.to_owned());
        }
        if let Some(count) = self.unlisted {
            properties.insert("notListed", count.to_string());
        }
        let resource = match self.resource {
            Some(resource) => ReferenceBody {
                api_version: &resource.api_version,
                kind: &resource.kind,
                namespace: resource.namespace.as_deref(),
                name: &resource.name,
            },
            None => ReferenceBody {
                api_version: "comptroller.dev/v1alpha1",
                kind: "Control",
                namespace: None,
                name: control.name,
            },
        };
        ResultBody {
            source: super::PRODUCER,
            policy: control.name,
            rule: self.rule.clone(),
            category: category(control.criteria),
            severity: self.severity.as_str().to_ascii_lowercase(),
            result: self.outcome,
            timestamp: (detail != Detail::Lasting).then(|| TimestampBody {
                seconds: control.at.as_second(),
                // Before 1970 the parts of a second count backwards, and no entry is that old.
                nanos: control.at.subsec_nanosecond().max(0),
            }),
            resources: [resource],
            message: match detail {
                Detail::Bare => Cow::Borrowed(LEFT_OUT),
                Detail::Full | Detail::Lasting => shorten(&self.message),
            },
            properties,
        }
    }
}

fn shorten<'a>(message: &Cow<'a, str>) -> Cow<'a, str> {
    match message {
        Cow::Borrowed(text) => shown(text, MAX_MESSAGE),
        Cow::Owned(text) => Cow::Owned(shown(text, MAX_MESSAGE).into_owned()),
    }
}

/// A text from outside as pages and terminals may show it, cut to a number of characters.
pub(crate) fn shown(text: &str, longest: usize) -> Cow<'_, str> {
    let text = visible(text);
    match text.char_indices().nth(longest) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => text,
    }
}

/// The heading under which dashboards group: framework and group of the first criterion.
pub(crate) fn category(criteria: &[String]) -> String {
    let Some(first) = criteria.first() else { return "Uncategorized".to_owned() };
    if Criterion::new(first.as_str()).soc2().is_some() {
        let group = first.split('.').next().unwrap_or(first);
        return format!("SOC 2 / {group}");
    }
    first.split(':').next().unwrap_or(first).to_owned()
}
