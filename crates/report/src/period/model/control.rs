//! A control in the period.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::{Conclusion, Coverage, Deviation, DeviationPattern, ExceptedFinding, OccurrenceReport};
use comptroller_core::api::{ResourceRef, Severity, State, TestKind};
use comptroller_evidence::data::{FieldChange, PopulationCause, PopulationList};

/// A control in the period.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ControlReport {
    /// The name of the Control.
    pub name: String,
    /// Its title at the end of the period; `specs` has those before.
    pub title: String,
    /// What it is for, as its spec says at the end of the period; None when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
    /// The ids of the criteria that it serves at the end of the period, such as `CC6.1`.
    pub criteria: Vec<String>,
    /// The team or person that its spec names as its owner.
    pub owner: String,
    /// How bad a failure is, by its spec at the end of the period.
    pub severity: Severity,
    /// The kind of its test, such as `rbac`.
    pub test: String,
    /// The digest of its spec at the end of the period.
    pub spec_digest: String,
    /// What that spec accepts or leaves out, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<Accepted>,
    /// The specs in force in the period, by time.
    pub specs: Vec<SpecVersion>,
    /// Patterns of a spec in the period that accept or leave out everything.
    pub wildcards: Vec<Wildcard>,
    /// What the report concludes.
    pub conclusion: Conclusion,
    /// Why, in one sentence.
    pub basis: String,
    /// The share of the period with evidence, from 0 to 1.
    pub observed_share: f64,
    /// The same in seconds.
    pub coverage: Coverage,
    /// Whether people ever performed it up to the end of the period; None of what the cluster answers
    /// for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performed: Option<bool>,
    /// Its states, without overlaps, by time; they fill the period from its first entry on.
    pub intervals: Vec<Interval>,
    /// Every finding that was open in the period, by time.
    pub deviations: Vec<Deviation>,
    /// What the deviations amount to, by the report's rule; None without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviation_pattern: Option<DeviationPattern>,
    /// Findings that an exception allowed in the period, by time.
    pub excepted_findings: Vec<ExceptedFinding>,
    /// Items that left the population in the period though they exist, by time.
    pub out_of_scope: Vec<OutOfScope>,
    /// When its evaluation was suspended, by time.
    pub suspensions: Vec<Suspension>,
    /// The population when the period began, or the control did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub population_start: Option<ReportedPopulation>,
    /// The population when the period ended, or the control did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub population_end: Option<ReportedPopulation>,
    /// All that was in the population at some time of the period: what is sampled.
    pub population_window: WindowPopulation,
    /// Every change of the spec in the period, by time.
    pub changes: Vec<SpecChange>,
    /// The occurrences of a human control that touch the period, by time.
    pub occurrences: Vec<OccurrenceReport>,
}

impl ControlReport {
    /// Whether people attest it.
    pub fn is_attested(&self) -> bool {
        self.test == TestKind::Attestation.as_str()
    }
}

/// What a control accepts though its test forbids it, or does not look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// A subject, an object or a namespace, such as `ServiceAccount velero/velero`.
    pub what: String,
    /// Why, as the spec says it; None when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A spec of a control while it was in force.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SpecVersion {
    /// From when, not before the period.
    pub from: Timestamp,
    /// Until when, at most the end of the period.
    pub to: Timestamp,
    /// The entry that has it.
    pub entry: u64,
    /// The spec, with people as pseudonyms.
    pub spec: Value,
    /// Its digest.
    pub spec_digest: String,
    /// The title then.
    pub title: String,
    /// The severity then.
    pub severity: Severity,
    /// The criteria that it served then.
    pub criteria: Vec<String>,
    /// What was done by this spec, in one sentence.
    pub what_was_done: String,
    /// What it accepts or leaves out, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<Accepted>,
}

/// A pattern that accepts or leaves out everything.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Wildcard {
    /// From when, not before the period.
    pub from: Timestamp,
    /// Until when, at most the end of the period.
    pub to: Timestamp,
    /// Where in the spec, as a JSON Pointer.
    pub field: String,
    /// The pattern, such as `*`.
    pub pattern: String,
    /// The entry that has the spec.
    pub entry: u64,
}

/// A state of a control over a time.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    /// The first moment of it.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// The state; None when nobody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Why, in one CamelCase word; of a gap, its cause.
    pub reason: String,
}

impl Interval {
    /// How long it lasted.
    pub fn length(&self) -> SignedDuration {
        self.to.duration_since(self.from)
    }
}

/// An object that was judged, or would have been.
#[derive(Serialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct ReportedItem {
    /// The object.
    #[serde(flatten)]
    pub resource: ResourceRef,
    /// Its uid; None where no entry has it.
    pub uid: Option<String>,
}

/// An item that left the population though it exists.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OutOfScope {
    /// The item.
    pub item: ReportedItem,
    /// Since when; it may lie before the period.
    pub from: Timestamp,
    /// When it was back; None when it was not by the end of the period.
    pub to: Option<Timestamp>,
    /// Why, in one sentence: the labels of its namespace before and after, or the field that was edited.
    pub why: String,
    /// The same in one word.
    pub cause: PopulationCause,
    /// The entry that says that it left.
    pub entry: u64,
    /// The entry that says that it came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub return_entry: Option<u64>,
}

/// A time in which the evaluation of a control was suspended.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Suspension {
    /// The first moment of it, not before the period.
    pub from: Timestamp,
    /// The first moment after it, at most the end of the period.
    pub to: Timestamp,
    /// Who approved it, as a pseudonym; None when nobody did, and then nothing is concluded.
    pub approved_by: Option<String>,
    /// The exception by which it was approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
    /// Whether the policies that bind an approval to its author were in force when it was given; None where
    /// that is not known, or nobody approved.
    pub author_bound: Option<bool>,
    /// The entry that has the spec that suspends.
    pub entry: u64,
}

/// How many items a control judged at a time.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReportedPopulation {
    /// When they were judged.
    pub at: Timestamp,
    /// How many items there were.
    pub count: u64,
    /// The digest of the list of exactly these items; None in the oldest entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The newest stored list of them up to then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<PopulationList>,
    /// The entry that says so.
    pub entry: u64,
}

/// All that was in a population at some time of the period.
#[derive(Serialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WindowPopulation {
    /// The stored lists of the period, and the newest before it, each once, by time.
    pub lists: Vec<ReportedPopulation>,
    /// What came and left in the period, by time. What came between two lists, and left again, is in
    /// none of them.
    pub moves: Vec<PopulationMove>,
}

/// An item that came into a population, or left it.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PopulationMove {
    /// When it was seen.
    pub at: Timestamp,
    /// The item.
    pub item: ReportedItem,
    /// Whether it came; otherwise it left.
    pub entered: bool,
    /// Why.
    pub why: PopulationCause,
    /// What decided it, in one sentence. Empty where the cause says it all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The entry that says so.
    pub entry: u64,
}

/// A change of a spec.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SpecChange {
    /// When it was seen.
    pub at: Timestamp,
    /// Created, Updated or Deleted.
    pub change: String,
    /// The digest of the spec after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_digest: Option<String>,
    /// The fields that differ; empty for a control that was declared or deleted.
    pub fields: Vec<FieldChange>,
    /// The entry that says so.
    pub entry: u64,
}
