//! What a report over a period says. Every format writes this model and adds nothing to it.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use comptroller_core::api::{ResourceRef, Severity, State, TestKind, criteria::Category};
use comptroller_evidence::data::{FieldChange, OccurrencePhase, PopulationList};
use comptroller_vocabulary::closed_enum;

/// A Type I or Type II report.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PeriodReport {
    /// The period, by name and span.
    pub period: ReportPeriod,
    /// Where the report comes from, and how to make it again.
    pub provenance: Provenance,
    /// The whole in a few numbers.
    pub summary: PeriodSummary,
    /// The controls in force in the period, by name.
    pub controls: Vec<ControlReport>,
    /// The criteria of the categories in scope, in their order.
    pub criteria: Vec<CriterionReport>,
    /// The exceptions in force in the period, by name.
    pub exceptions: Vec<ExceptionReport>,
    /// When nobody looked, by time.
    pub gaps: Vec<GapReport>,
}

/// The period of a report.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ReportPeriod {
    /// The name of the `AuditPeriod`.
    pub name: String,
    /// The time or the period that the report is about.
    #[serde(flatten)]
    pub span: Span,
    /// The categories in scope.
    pub categories: Vec<Category>,
}

/// The time or the period that a report is about.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Span {
    /// Design and implementation at a time.
    TypeI {
        /// The time that the report describes.
        as_of: Timestamp,
    },
    /// Operation over a period.
    TypeII {
        /// The first moment of the period.
        from: Timestamp,
        /// The first moment after it.
        to: Timestamp,
    },
}

/// What an auditor asks of information produced by the entity (AT-C 205): source, query, run
/// time, run by, completeness.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// The uid of the namespace kube-system of the cluster.
    pub cluster: String,
    /// The origin line of the log.
    pub origin: String,
    /// Where the log was read.
    pub source: String,
    /// The signed checkpoint that the report rests on, as text.
    pub checkpoint: String,
    /// The verifier key, in note format.
    pub verifier_key: String,
    /// How many entries the log had.
    pub log_size: u64,
    /// The number of the first entry that was read.
    pub first_entry: u64,
    /// What was verified, in one sentence; the report says so when nothing was.
    pub verification: String,
    /// When the report was made.
    pub run_at: Timestamp,
    /// Who made it: the user of the machine or of the cluster.
    pub run_by: String,
    /// The version of the program.
    pub version: String,
    /// The command that makes the report again.
    pub command: String,
    /// The command that verifies the log.
    pub verify_command: String,
    /// Whether everything in the period was read, in one sentence.
    pub completeness: String,
}

/// The whole in a few numbers.
#[derive(Serialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PeriodSummary {
    /// Controls in force in the period.
    pub controls: usize,
    /// Controls that held throughout what was observed, with no deviation.
    pub effective: usize,
    /// Controls with at least one deviation.
    pub with_deviations: usize,
    /// Controls that were not observed enough to say.
    pub unknown: usize,
    /// Deviations of all controls.
    pub deviations: usize,
    /// Deviations that were still open at the end.
    pub open_deviations: usize,
    /// The share of the time of all controls for which there is evidence.
    pub coverage: Coverage,
}

/// A share of time for which there is evidence.
#[derive(Serialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Seconds in which somebody looked and could tell.
    pub observed_seconds: i64,
    /// Seconds that there should be evidence for: those of the period.
    pub expected_seconds: i64,
}

impl Coverage {
    /// In tenths of a percent, rounded down: 100 % is said only when nothing is missing. None when
    /// nothing was expected.
    pub fn per_mille(self) -> Option<i64> {
        (self.expected_seconds > 0)
            .then(|| self.observed_seconds.saturating_mul(1000) / self.expected_seconds)
    }

    /// Such as `99.2%`, or a dash when nothing was expected.
    pub fn text(self) -> String {
        self.per_mille()
            .map_or_else(|| "–".to_owned(), |share| format!("{}.{}%", share / 10, share % 10))
    }
}

closed_enum! {
    /// What a report says of a control in a period. It is a fact, not an opinion.
    pub enum Conclusion {
        /// It held throughout what was observed.
        Effective = "Effective",
        /// It deviated at least once.
        Deviations = "Deviations",
        /// Nothing, or not enough, was observed to say.
        Unknown = "Unknown",
        /// There was nothing for it to govern.
        NotApplicable = "NotApplicable",
    }
}

/// A control in the period.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ControlReport {
    /// The name of the Control.
    pub name: String,
    /// Its title at the end of the period.
    pub title: String,
    /// What it is for, as its spec says at the end of the period; None when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
    /// The ids of the criteria that it serves, such as `CC6.1`.
    pub criteria: Vec<String>,
    /// The team or person that its spec names as its owner.
    pub owner: String,
    /// How bad a failure is, by its spec.
    pub severity: Severity,
    /// The kind of its test, such as `rbac`.
    pub test: String,
    /// The digest of its spec at the end of the period.
    pub spec_digest: String,
    /// What that spec accepts or leaves out, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<Accepted>,
    /// What the report says of it.
    pub conclusion: Conclusion,
    /// Its states, without overlaps, by time; they fill the period from its first entry on.
    pub intervals: Vec<Interval>,
    /// The share of the period with evidence.
    pub coverage: Coverage,
    /// Every finding that was open in the period, by time.
    pub deviations: Vec<Deviation>,
    /// The population when the period began, or the control did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub population_start: Option<ReportedPopulation>,
    /// The population when the period ended, or the control did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub population_end: Option<ReportedPopulation>,
    /// Every change of the spec in the period, by time.
    pub changes: Vec<SpecChange>,
    /// The occurrences of a human control that touch the period, by time.
    pub occurrences: Vec<OccurrenceReport>,
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

impl ControlReport {
    /// Whether people attest it.
    pub fn is_attested(&self) -> bool {
        self.test == TestKind::Attestation.as_str()
    }
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
    /// Why, in one CamelCase word; of a gap, why nobody looked.
    pub reason: String,
}

impl Interval {
    /// How long it lasted.
    pub fn length(&self) -> SignedDuration {
        self.to.duration_since(self.from)
    }
}

closed_enum! {
    /// How a deviation ended.
    pub enum Ending {
        /// A later evaluation no longer found it.
        Resolved = "Resolved",
        /// An exception was approved for it.
        Excepted = "Excepted",
        /// The control was deleted.
        ControlDeleted = "ControlDeleted",
        /// It was still so at the end of the period.
        Open = "Open",
    }
}

/// A finding that was open in the period.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Deviation {
    /// What was found, in one CamelCase word.
    pub rule: String,
    /// The object that was judged.
    pub resource: ResourceRef,
    /// The subject whose rights were judged; None for findings that are about an object alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What is wrong, in one sentence.
    pub message: String,
    /// How bad it is.
    pub severity: Severity,
    /// Since when; it may lie before the period.
    pub since: Timestamp,
    /// Until when, if it ended in the period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How it ended, or that it was still open.
    pub ending: Ending,
    /// The exception that ended it; None if it ended otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
    /// The entry that opened it.
    pub opened_entry: u64,
    /// The entry that closed it; None while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_entry: Option<u64>,
}

/// How many items a control judged at a time.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReportedPopulation {
    /// When they were judged.
    pub at: Timestamp,
    /// How many items there were.
    pub count: u64,
    /// The newest stored list of them up to then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<PopulationList>,
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

/// An occurrence of a human control.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OccurrenceReport {
    /// Its name within the control.
    pub period: String,
    /// From when it could be attested.
    pub opens: Timestamp,
    /// Until when it was on time.
    pub due: Timestamp,
    /// Until when it was late rather than missed.
    pub grace_until: Timestamp,
    /// The phase at the end of the period.
    pub phase: OccurrencePhase,
    /// Who attested, as pseudonyms.
    pub attested_by: Vec<String>,
    /// When it was performed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performed_at: Option<Timestamp>,
    /// The digests of the artifacts.
    pub artifacts: Vec<String>,
    /// The newest entry that says so.
    pub entry: u64,
}

closed_enum! {
    /// How a criterion is covered.
    pub enum CriterionStanding {
        /// Every control that serves it held.
        Passing = "Passing",
        /// A control that serves it deviated.
        Failing = "Failing",
        /// A control serves it, and too little is known to say.
        Unknown = "Unknown",
        /// No control serves it.
        NotCovered = "NotCovered",
    }
}

/// A criterion in the period.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CriterionReport {
    /// Its id, such as `CC6.1`.
    pub id: String,
    /// What it asks, in our words.
    pub title: String,
    /// The category that it belongs to.
    pub category: Category,
    /// The controls that serve it.
    pub controls: Vec<String>,
    /// How it is covered.
    pub standing: CriterionStanding,
}

/// An exception in the period.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ExceptionReport {
    /// The name of the `ControlException`.
    pub name: String,
    /// The controls it is for.
    pub controls: Vec<String>,
    /// Why it was asked for.
    pub reason: String,
    /// Who asked, as a pseudonym.
    pub requested_by: String,
    /// Who approved, as a pseudonym.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// When it ends, as asked for.
    pub expires: Timestamp,
    /// When it was in force within the period, by time.
    pub active: Vec<Interval>,
    /// The entries that say so.
    pub entries: Vec<u64>,
}

/// A time when nobody looked.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GapReport {
    /// The control; None for the whole cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// The first moment of it.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// Why, in one sentence.
    pub reason: String,
    /// The entry that says so; None where the absence of entries does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
}
