//! The data of each type of entry: shapes, and nothing else.
//!
//! No person's name is in them: people appear as pseudonyms, so that erasing a person leaves the
//! log whole.

mod attestation;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::attestation::{
    ArtifactRef, AttestationData, AttestationRecord, OccurrenceDates, OccurrenceEvent,
};

pub use comptroller_vocabulary::{FindingEnding, OccurrencePhase, PopulationCause};
use comptroller_vocabulary::{ResourceRef, Severity, State, closed_enum, whole_seconds};

/// What a control came to, and what changed since its last entry.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct VerdictData {
    /// The generation of the control that was judged.
    pub generation: i64,
    /// What the evaluation came to.
    pub state: State,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// Why, in one sentence.
    pub message: String,
    /// When the control entered the state.
    pub since: Timestamp,
    /// How many items were judged.
    pub population: u64,
    /// How many of them fail.
    pub failing: u64,
    /// How many of them fail only in what exceptions allow.
    pub excepted: u64,
    /// How many of them could not be judged.
    pub unknown: u64,
    /// The digest of the whole set of findings, excepted ones included: the canonical JSON of the
    /// sorted list of `[rule, apiVersion, kind, namespace, name, subject, exception]`.
    pub findings: String,
    /// The digest of who is in the population ([`Members`](crate::population::Members)): the list of
    /// the items that were judged, without the digests of their facts, so that a list with what came
    /// and left after it gives it again. Absent in the oldest entries, and while nothing is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub population_digest: Option<String>,
    /// The list of the items that were judged, where this entry has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub population_list: Option<PopulationList>,
    /// Items that came into the population since the control's last entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entered: Vec<PopulationChange>,
    /// Items that left the population since the control's last entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<PopulationChange>,
    /// Findings that are new, or whose exception changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<EntryFinding>,
    /// Findings that are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<EntryFinding>,
}

impl VerdictData {
    /// All but the lists of findings.
    #[must_use]
    pub fn without_findings(&self) -> Self {
        Self {
            generation: self.generation,
            state: self.state,
            reason: self.reason.clone(),
            message: self.message.clone(),
            since: self.since,
            population: self.population,
            failing: self.failing,
            excepted: self.excepted,
            unknown: self.unknown,
            findings: self.findings.clone(),
            population_digest: self.population_digest.clone(),
            population_list: self.population_list.clone(),
            entered: self.entered.clone(),
            left: self.left.clone(),
            added: Vec::new(),
            removed: Vec::new(),
        }
    }
}

/// That a control is still so.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// The generation of the control that was judged.
    pub generation: i64,
    /// The state that it is still in.
    pub state: State,
    /// How many items were judged.
    pub population: u64,
    /// How many of them fail.
    pub failing: u64,
    /// How many of them fail only in what exceptions allow.
    pub excepted: u64,
    /// How many of them could not be judged.
    pub unknown: u64,
    /// The digest of the whole set of findings, as in [`VerdictData::findings`].
    pub findings: String,
    /// The digest of who is in the population ([`Members`](crate::population::Members)): the list of
    /// the items that were judged, without the digests of their facts, so that a list with what came
    /// and left after it gives it again. Absent in the oldest entries, and while nothing is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub population_digest: Option<String>,
    /// The list of the items that were judged, where this entry has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub population_list: Option<PopulationList>,
    /// Items that came into the population since the control's last entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entered: Vec<PopulationChange>,
    /// Items that left the population since the control's last entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<PopulationChange>,
}

/// The items that were judged: a text with a line for each, sorted, of `apiVersion`, `kind`,
/// `namespace`, `name`, `uid` and the digest of the facts that it was judged on, parted by tabs,
/// stored beside the log under its digest. Lists of older versions have the first four alone.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PopulationList {
    /// The SHA-256 of the text, and its name beside the log.
    pub digest: String,
    /// How many lines it has.
    pub count: u64,
}

/// An item that came into a population or left it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PopulationChange {
    /// The item.
    pub item: ResourceRef,
    /// The uid of the object; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// When it was seen.
    pub at: Timestamp,
    /// Why it came or left.
    pub why: PopulationCause,
    /// What decided it, in one sentence: a namespace's labels before and after, or the field of the
    /// control that was edited. Empty where the cause says it all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// A finding as the log keeps it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EntryFinding {
    /// What was found, in one CamelCase word.
    pub rule: String,
    /// The object that was judged.
    pub resource: ResourceRef,
    /// The subject whose rights were judged; a person is a pseudonym.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What is wrong, in one sentence; a person is a pseudonym.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// How bad it is.
    pub severity: Severity,
    /// When it was found first.
    pub since: Timestamp,
    /// The exception that allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
    /// Of a finding that is gone, why. Absent in entries of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<FindingEnding>,
    /// What the ending rests on, in one sentence, such as a namespace's labels before and after.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ending_detail: String,
}

closed_enum! {
    /// What happened to an object that the operator is governed by.
    pub enum ChangeKind {
        /// It was first seen.
        Created = "Created",
        /// Its spec is another than before.
        Updated = "Updated",
        /// It was deleted, or recreated under another uid.
        Deleted = "Deleted",
        /// Its spec is as it was, and it entered another phase.
        Phase = "Phase",
    }
}

/// A change of a control, an exception, a policy or a review: what recertification asks for.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ObjectChange {
    /// What happened to the object.
    pub change: ChangeKind,
    /// The uid of the object: a recreated one has another. Absent where it is not known, as in the
    /// oldest entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The generation after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The phase after it, for kinds that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// The digest of the spec after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec_digest: Option<String>,
    /// The digest of the spec before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_digest: Option<String>,
    /// The spec after it, with people as pseudonyms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<Value>,
    /// When the API server created the object. Absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Of an exception or a response, whether the policies that bind it to its author were in force
    /// when this was written. Absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author_bound: Option<bool>,
    /// What changed in the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// A field that changed.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// Where, as a JSON Pointer (RFC 6901) into the spec.
    pub path: String,
    /// What was there; absent when the field is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// What is there; absent when the field is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

closed_enum! {
    /// What happened to the operator.
    pub enum OperatorEvent {
        /// It began to write this log, as the only writer of its epoch.
        Started = "Started",
        /// It stopped in an orderly way, having recorded all that it knew.
        Stopped = "Stopped",
        /// Its clock and the API server's differ by more than a minute: nothing is claimed.
        ClockDiffers = "ClockDiffers",
        /// Its clock and the API server's agree again.
        ClockAgrees = "ClockAgrees",
        /// The log is signed with another key from the next entry on; `rotation` says which.
        KeyRotated = "KeyRotated",
        /// A witness saw another log, or more of this one: `detail` says who and what.
        LogDiscontinued = "LogDiscontinued",
    }
}

/// The operator started, stopped, or met something that bears on what the log can prove.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OperatorData {
    /// What happened.
    pub event: OperatorEvent,
    /// The version of the program.
    pub version: String,
    /// The image that it runs, with its digest. None outside a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The node that it runs on. None outside a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The user that the API server knows it as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The command line, without the program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// What was found published of the log before it was written; in the entry of a start alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedState>,
    /// The keys of a rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<KeyRotation>,
    /// More of what happened, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What others knew of the log when a writer opened it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PublishedState {
    /// The checkpoint that was published; None when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Whether the log continues it.
    pub continues: bool,
}

/// That another key signs the log from an entry on. Both keys sign the rotation.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct KeyRotation {
    /// The verifier key until then, in note format.
    pub from: String,
    /// The verifier key from then on, in note format.
    pub to: String,
    /// A signed note of both keys whose text names the origin, both keys and the size of the log.
    pub note: String,
}

/// Evaluation, or its record, was not possible for a time. The subject is the cluster, or the
/// control that could not be evaluated.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GapData {
    /// The last time before it that somebody looked.
    pub from: Timestamp,
    /// The first time after it.
    pub to: Timestamp,
    /// Why, in one sentence.
    pub reason: String,
    /// What kind of gap it is. Absent in entries of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<GapCause>,
}

closed_enum! {
    /// Why nobody could look for a time.
    pub enum GapCause {
        /// The operator was stopped in order, and no other ran.
        Stopped = "Stopped",
        /// The operator ended without a word, or lost its node.
        Crashed = "Crashed",
        /// The process did not run: stopped by a signal, a suspended machine, a starved CPU.
        Paused = "Paused",
        /// No replica led.
        LeadershipLost = "LeadershipLost",
        /// The API server did not answer.
        ApiServerUnreachable = "ApiServerUnreachable",
        /// What the control judges could not be listed or watched.
        InputsUnreadable = "InputsUnreadable",
        /// The log could not be written.
        LogUnwritable = "LogUnwritable",
        /// The operator's clock and the API server's differed.
        ClockDiffers = "ClockDiffers",
        /// There was no control of the name.
        NoControl = "NoControl",
        /// The control was suspended.
        Suspended = "Suspended",
        /// Nothing vouches for the time: no entry was written when one was due.
        NotObserved = "NotObserved",
        /// Events of the audit stream may have been missed. Controls were judged all the same.
        AuditStreamInterrupted = "AuditStreamInterrupted",
    }
}

/// Data that lies beside the log, since the entry would be longer than the format allows.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct StoredData {
    /// The SHA-256 of the canonical JSON of the data, and its name beside the log.
    pub stored: String,
    /// How long that text is.
    pub bytes: u64,
}

impl OperatorData {
    /// What happened, to a program of a version, with nothing else said.
    pub fn new(event: OperatorEvent, version: String) -> Self {
        let (image, node, user, flags) = (None, None, None, Vec::new());
        let (published, rotation, detail) = (None, None, None);
        Self { event, version, image, node, user, flags, published, rotation, detail }
    }
}

impl GapData {
    /// A gap in whole seconds, which never ends before it begins: the clock may have been set back.
    pub fn between(from: Timestamp, to: Timestamp, cause: GapCause, reason: String) -> Self {
        let (from, to) = (whole_seconds(from), whole_seconds(to.max(from)));
        Self { from, to, reason, cause: Some(cause) }
    }

    /// Whether it is about all of the time of another one.
    pub fn covers(&self, other: &Self) -> bool {
        self.from <= other.from && other.to <= self.to
    }
}

impl StoredData {
    /// Reads it from an entry's data; None if that is data of another form.
    pub fn recognise(data: &Value) -> Option<Self> {
        data.get("stored")?;
        serde_json::from_value(data.clone()).ok()
    }
}
