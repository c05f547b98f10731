//! What the evidence log says, as far as pages show it. Bounded by whoever reads the log.

use std::collections::{BTreeMap, VecDeque};

use comptroller_core::api::{OccurrencePhase, ResourceRef, State};
use comptroller_evidence::data::{ChangeKind, FieldChange, GapCause};
use jiff::{Timestamp, civil::Date};

/// The evidence log: its size and proofs, and what it recorded of each control.
#[derive(Clone, Debug, Default)]
pub struct LogView {
    /// Where it lies, as the commands take it: a directory or a URL without credentials.
    pub location: String,
    /// How many entries it has.
    pub size: u64,
    /// When its newest entry was written; None if it has none.
    pub last_at: Option<Timestamp>,
    /// The signed checkpoint, byte for byte as it lies there (a C2SP signed note, several lines); None if
    /// it has none yet.
    pub checkpoint: Option<String>,
    /// The key that verifies it, in note format; None if it is not known.
    pub verifier_key: Option<String>,
    /// Whether whoever serves the pages has verified it.
    pub verification: Verification,
    /// Who vouches for it from outside.
    pub witnesses: Witnesses,
    /// Who wrote it, oldest first; the newest some dozens.
    pub operators: Vec<LogOperator>,
    /// Times of which nobody can vouch for any control, oldest first; the newest some hundreds. Those
    /// of a single control are in its timeline.
    pub gaps: Vec<LogGap>,
    /// How many earlier gaps were left out of `gaps`.
    pub earlier_gaps: u64,
    /// What was recorded of each control, by name. A control that is missing here has no entry, or its
    /// entries were not read; `controls_from` tells the two apart.
    pub controls: BTreeMap<String, ControlHistory>,
    /// The first entry that was read for `controls`; 0 if all of them were.
    pub controls_from: u64,
}

/// Whether the log was verified, by whom and how far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// Nobody verified it here: the pages say how to.
    #[default]
    NotTried,
    /// Every entry up to a size is as it was signed.
    Verified {
        /// When it was.
        at: Timestamp,
        /// How many entries that covers, from the first.
        size: u64,
        /// Whether the key was given by whoever reads; otherwise the one beside the log was believed,
        /// which proves only that the log is whole.
        key_given: bool,
    },
    /// The log is wrong.
    Bad {
        /// When that was found.
        at: Timestamp,
        /// The first entry that is affected; None if the log as a whole is.
        index: Option<u64>,
        /// What is wrong, in one sentence.
        reason: String,
    },
    /// It could not be read, which says nothing of whether it is right.
    Unreadable {
        /// When it was tried.
        at: Timestamp,
        /// Why, in one sentence.
        reason: String,
    },
}

/// Who vouches for the log from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witnesses {
    /// The names of the witnesses of the policy; empty without one.
    pub names: Vec<String>,
    /// The days on which enough of them saw the log, oldest first; the newest some dozens.
    pub days: Vec<VouchedBy>,
    /// Checkpoints that were published or cosigned and that the log does not continue, each in one
    /// sentence. Any at all is an alarm.
    pub contradictions: Vec<String>,
}

/// A day on which witnesses saw the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VouchedBy {
    /// The day in UTC.
    pub day: Date,
    /// How many entries they saw.
    pub size: u64,
    /// The names of those who did.
    pub witnesses: Vec<String>,
}

/// An operator that wrote the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOperator {
    /// The name of the pod or process.
    pub instance: String,
    /// The version of the program.
    pub version: String,
    /// The image with its digest; None outside a pod.
    pub image: Option<String>,
    /// When it began to write.
    pub from: Timestamp,
    /// The entry that says so.
    pub entry: u64,
}

/// A time that nobody can vouch for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogGap {
    /// The last time before it that somebody looked.
    pub from: Timestamp,
    /// The first time after it.
    pub to: Timestamp,
    /// What kind of gap it is; None in entries of older versions.
    pub cause: Option<GapCause>,
    /// Why, in one sentence.
    pub reason: String,
    /// The entry that says so.
    pub entry: u64,
}

/// What was recorded of one control.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ControlHistory {
    /// What happened, oldest first; the newest some hundreds.
    pub events: VecDeque<TimelineEvent>,
    /// How many earlier events were left out of `events`.
    pub earlier: u64,
    /// When the newest verdict or heartbeat was written; None if there is none.
    pub last_at: Option<Timestamp>,
    /// The newest list of what was judged, by its digest; None if the log has none.
    pub population: Option<ListedPopulation>,
}

/// One thing that was recorded of a control.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineEvent {
    /// When it was observed; of a gap, when it began.
    pub at: Timestamp,
    /// The entry that says so.
    pub entry: u64,
    /// What happened.
    pub fact: TimelineFact,
}

/// What happened to a control.
#[derive(Clone, Debug, PartialEq)]
pub enum TimelineFact {
    /// A verdict: the state changed, or the set of findings.
    State {
        /// What it came to.
        state: State,
        /// Why, in one CamelCase word.
        reason: String,
        /// Why, in one sentence; may be empty.
        message: String,
        /// How many items were judged.
        population: u64,
        /// How many of them fail.
        failing: u64,
        /// How many of them fail only in what exceptions allow.
        excepted: u64,
        /// How many of them could not be judged.
        unknown: u64,
    },
    /// Nobody can vouch for this control for a time, which begins with the event.
    Gap {
        /// The first time after it.
        to: Timestamp,
        /// What kind of gap it is; None in entries of older versions.
        cause: Option<GapCause>,
        /// Why, in one sentence.
        reason: String,
    },
    /// The rule itself was declared, edited or deleted.
    Rule {
        /// What happened to it.
        change: ChangeKind,
        /// What changed in it; empty when it was declared or deleted.
        fields: Vec<FieldChange>,
        /// Who did, as far as it is recorded. None where it is not: an API server tells only its audit
        /// stream.
        by: Option<String>,
    },
    /// An exception from the control was asked for, approved, used, or ended.
    Exception {
        /// The name of the `ControlException`.
        name: String,
        /// What happened to it.
        change: ChangeKind,
        /// The phase after it, where the entry says so.
        phase: Option<String>,
    },
    /// An occurrence of what people perform changed phase, or was attested.
    Occurrence {
        /// Its name within the control, such as `2026-Q4`.
        period: String,
        /// The phase after it.
        phase: OccurrencePhase,
        /// The name of the `Attestation` that answered; None where it is time that decided.
        record: Option<String>,
        /// Why, in one sentence; may be empty.
        message: String,
    },
    /// Management responded to a deviation.
    Response {
        /// The name of the `DeviationResponse`.
        name: String,
    },
    /// An entry about the control whose data lies beside the log and was not read.
    Unread,
}

/// A list of the items that were judged, which lies beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPopulation {
    /// When the list was written.
    pub at: Timestamp,
    /// The entry that names it.
    pub entry: u64,
    /// Its SHA-256, by which it lies beside the log.
    pub digest: String,
    /// How many items it has.
    pub count: u64,
}

/// A list that was read, for the page that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPopulation {
    /// The control whose newest list it is.
    pub control: String,
    /// The digest of the list, as the log names it.
    pub digest: String,
    /// Its items in its order; or why it could not be read, in one sentence.
    pub items: Result<Vec<PopulationItem>, String>,
}

/// An item that was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PopulationItem {
    /// The object.
    pub resource: ResourceRef,
    /// Its uid; None where it has none, and in lists of older versions.
    pub uid: Option<String>,
}

impl PopulationItem {
    /// The items of a list, as it lies beside the log: a line for each, its columns parted by tabs.
    pub fn of_list(text: &str) -> Vec<Self> {
        text.lines().filter(|line| !line.is_empty()).map(Self::of_line).collect()
    }

    fn of_line(line: &str) -> Self {
        let mut columns = line.split('\t').map(str::to_owned);
        let mut next = || columns.next().filter(|column| !column.is_empty());
        let (api_version, kind, namespace, name, uid) = (next(), next(), next(), next(), next());
        let resource = ResourceRef {
            api_version: api_version.unwrap_or_default(),
            kind: kind.unwrap_or_default(),
            namespace,
            name: name.unwrap_or_default(),
        };
        Self { resource, uid }
    }
}
