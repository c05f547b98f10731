//! The verdict of a control: what its status, metrics and reports say.

use std::{fmt, sync::Arc};

use jiff::Timestamp;

use super::memory::ItemCounts;
use crate::{
    api::{Occurrence, Severity, State},
    checks::Finding,
    inventory::records::AttestationFacts,
};

/// How many findings a status shows.
pub const SHOWN_FINDINGS: usize = 20;

/// How many findings the evidence log names, the worst; the counts are of all.
pub const RECORDED_FINDINGS: usize = 10_000;

/// Why a control is in its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nothing is wrong.
    NoFindings,
    /// Something is wrong.
    FindingsOpen,
    /// What is wrong is allowed by exceptions.
    FindingsExcepted,
    /// There is nothing to judge.
    NoPopulation,
    /// Some items could not be judged.
    ItemsUnknown,
    /// A kind that the control needs is not installed.
    KindNotServed,
    /// A kind that the control needs may not be read.
    Forbidden,
    /// Changes of a kind stopped arriving.
    WatchStale,
    /// The control is suspended.
    Suspended,
    /// The spec can't be evaluated.
    InvalidSpec,
    /// An expression needs what background evaluation does not have.
    UnsupportedExpression,
}

impl Reason {
    /// As conditions write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoFindings => "NoFindings",
            Self::FindingsOpen => "FindingsOpen",
            Self::FindingsExcepted => "FindingsExcepted",
            Self::NoPopulation => "NoPopulation",
            Self::ItemsUnknown => "ItemsUnknown",
            Self::KindNotServed => "KindNotServed",
            Self::Forbidden => "Forbidden",
            Self::WatchStale => "WatchStale",
            Self::Suspended => "Suspended",
            Self::InvalidSpec => "InvalidSpec",
            Self::UnsupportedExpression => "UnsupportedExpression",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A finding as a verdict shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedFinding {
    /// What was found.
    pub finding: Finding,
    /// The rule's severity, or the control's.
    pub severity: Severity,
    /// When it was first found.
    pub since: Timestamp,
    /// The exception that allows it.
    pub exception: Option<String>,
}

/// What holds of a control at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The generation of the control that was judged.
    pub generation: i64,
    /// The state.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// Why, for a person: one sentence, with the remedy where there is one.
    pub message: String,
    /// When it entered the state.
    pub since: Timestamp,
    /// How many items were judged.
    pub population: usize,
    /// Items that fail.
    pub failing: usize,
    /// Items of which all that fails is excepted.
    pub excepted: usize,
    /// Items that could not be judged.
    pub unknown: usize,
    /// How many findings fail, shown or not.
    pub open_findings: usize,
    /// The worst findings, at most [`SHOWN_FINDINGS`], by severity, then since, then name.
    pub findings: Vec<ObservedFinding>,
    /// What could not be judged, at most [`SHOWN_FINDINGS`].
    pub unknown_items: Vec<ObservedFinding>,
    /// The digest of all findings and how each counts: it tells that the set changed beyond what
    /// is shown. Within one process only.
    pub digest: u64,
    /// The occurrences of a human control, the oldest first.
    pub occurrences: Vec<Occurrence>,
    /// The records that its occurrences name.
    pub records: Vec<Arc<AttestationFacts>>,
}

impl Verdict {
    /// A verdict without items: the control could not be evaluated, and why.
    pub fn blocked(generation: i64, reason: Reason, message: String, since: Timestamp) -> Self {
        Self {
            generation,
            state: State::Unknown,
            reason,
            message,
            since,
            population: 0,
            failing: 0,
            excepted: 0,
            unknown: 0,
            open_findings: 0,
            findings: Vec::new(),
            unknown_items: Vec::new(),
            digest: 0,
            occurrences: Vec::new(),
            records: Vec::new(),
        }
    }
}

/// One sentence on how a control stands.
pub fn summary(state: State, counts: &ItemCounts, undecided: Option<&ObservedFinding>) -> String {
    let ItemCounts { population, failing, excepted, unknown, findings } = counts;
    match state {
        State::Failing => format!("{failing} of {population} fail, with {findings} finding(s)"),
        State::Excepted => format!("{excepted} of {population} fail and are excepted"),
        State::NotApplicable => "there is nothing to judge".to_owned(),
        State::Passing => format!("all {population} pass"),
        State::Unknown => match undecided {
            Some(first) => format!(
                "{unknown} of {population} could not be judged, first {} {}: {}",
                first.finding.resource.kind, first.finding.resource.name, first.finding.message
            ),
            None => format!("{unknown} of {population} could not be judged"),
        },
    }
}
