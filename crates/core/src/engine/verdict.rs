//! The verdict on a control: what its status, metrics and reports say.

use std::{fmt, sync::Arc};

use jiff::Timestamp;

use super::memory::VerdictCounts;
use crate::{
    api::{Occurrence, Severity, State},
    checks::Finding,
    inventory::records::AttestationFacts,
};

/// How many findings a status shows.
pub const SHOWN_FINDINGS: usize = 20;

/// How many findings the evidence log names, the worst ones. The counts are of all.
pub const RECORDED_FINDINGS: usize = 10_000;

/// Why a control is in its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Every item passes.
    NoFindings,
    /// An item fails.
    FindingsOpen,
    /// Items fail, and exceptions allow all of it.
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
    /// An expression needs something that exists only during admission, such as the user of a request.
    UnsupportedExpression,
}

impl Reason {
    /// Whether what the control judges can't be read.
    pub fn is_blind(self) -> bool {
        matches!(self, Self::KindNotServed | Self::Forbidden | Self::WatchStale)
    }

    /// The name in conditions, metrics and reports.
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

/// A finding with what the engine knows about it: when it was found, and what allows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedFinding {
    /// The finding as the check describes it.
    pub finding: Finding,
    /// The severity of its rule, or else of the control.
    pub severity: Severity,
    /// When it was first found.
    pub since: Timestamp,
    /// The name of the exception that allows it. None if it fails, or could not be judged.
    pub exception: Option<String>,
}

/// The result of evaluating a control, as of a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The generation of the control that was judged.
    pub generation: i64,
    /// Whether it passes, fails, or can't be judged.
    pub state: State,
    /// Why it is in this state, as one word.
    pub reason: Reason,
    /// Why it is in this state, for a person: one sentence, with the remedy if there is one.
    pub message: String,
    /// When it entered this state.
    pub since: Timestamp,
    /// How many items were judged.
    pub population: usize,
    /// How many items fail, not counting those whose findings are all excepted.
    pub failing: usize,
    /// How many items fail with findings that are all excepted.
    pub excepted: usize,
    /// How many items could not be judged.
    pub unknown: usize,
    /// How many findings fail, shown here or not.
    pub open_findings: usize,
    /// The worst findings, at most [`SHOWN_FINDINGS`], by severity, then since, then name.
    pub findings: Vec<ObservedFinding>,
    /// What could not be judged, at most [`SHOWN_FINDINGS`].
    pub unknown_items: Vec<ObservedFinding>,
    /// A digest of all findings and their states, which shows that something changed beyond what is
    /// shown here. Only comparable within one process.
    pub digest: u64,
    /// The occurrences of a control with an attestation test, oldest first. Empty for others.
    pub occurrences: Vec<Occurrence>,
    /// The records that its occurrences name.
    pub records: Vec<Arc<AttestationFacts>>,
}

impl Verdict {
    /// A verdict without items, for a control that could not be evaluated.
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

/// `1 finding`, `2 findings`.
pub(super) fn counted_findings(count: usize) -> String {
    format!("{count} finding{}", if count == 1 { "" } else { "s" })
}

/// One sentence on the result. `undecided` is the first item that could not be judged, if any.
pub fn summary(
    state: State,
    counts: &VerdictCounts,
    undecided: Option<&ObservedFinding>,
) -> String {
    // All counts are named here, so that a new one is not left out of the sentence.
    let VerdictCounts { population, failing, excepted, unknown, findings } = counts;
    match state {
        State::Failing => {
            format!("{failing} of {population} fail, with {}", counted_findings(*findings))
        }
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
