//! What a report over a period says. Every format writes this model and adds nothing to it.

mod control;
mod criterion;
mod deviation;
mod exception;
mod gap;
mod human;
mod list;
mod log;
mod register;
mod system;

use jiff::Timestamp;
use serde::Serialize;

use comptroller_core::api::criteria::Category;
use comptroller_vocabulary::closed_enum;

pub use comptroller_evidence::time_check::{TimeAnomaly, TimeFault};

pub use self::{
    control::{
        Accepted, ControlReport, Interval, OutOfScope, PopulationMove, ReportedItem,
        ReportedPopulation, SpecChange, SpecVersion, Suspension, Wildcard, WindowPopulation,
    },
    criterion::{CriterionReport, MappingInterval},
    deviation::{
        DEVIATION_RULE, Deviation, DeviationPattern, DeviationRule, Ending, ResponseReport,
    },
    exception::{CoveredFinding, ExceptedFinding, ExceptionReport, WaivedOccurrence},
    gap::GapReport,
    human::{AttestationReport, BACKDATED_AFTER_DAYS, OccurrenceReport},
    list::ListReport,
    log::{
        ContradictedCheckpoint, Cosignature, IdentityFact, LogReport, OperatorReport, PolicySource,
    },
    register::{RegisterFaultReport, RegisterGapReport, RegisterReport},
    system::{
        ComplementaryControlReport, ExcludedFromSystem, FocusReport, ReportedSystem,
        SubserviceReport, SystemBoundary, SystemName,
    },
};

/// A Type I or Type II report.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PeriodReport {
    /// The period, by name and span.
    pub period: ReportPeriod,
    /// The system that the report is about, in the company's words; empty where the `AuditPeriod` of
    /// this name says nothing, or is not in the log.
    pub system_description: ReportedSystem,
    /// Where the report comes from, and how to make it again.
    pub provenance: Provenance,
    /// What the log says of itself: whether it continues what was published, who vouches for it,
    /// and where its clocks disagree.
    pub log: LogReport,
    /// The whole in a few numbers.
    pub summary: PeriodSummary,
    /// The rule by which deviations are told apart as isolated, recurring and systematic.
    pub deviation_rule: DeviationRule,
    /// The controls in force in the period, by name.
    pub controls: Vec<ControlReport>,
    /// The criteria of the categories in scope, in their order.
    pub criteria: Vec<CriterionReport>,
    /// The exceptions that were asked for or in force in the period, by name.
    pub exceptions: Vec<ExceptionReport>,
    /// When nobody looked, by time; gaps of one cause and one time are one.
    pub gaps: Vec<GapReport>,
    /// What bears on who could have written the evidence: guards that were not in force, lists that
    /// changed, who could impersonate or edit controls.
    pub identity: Vec<IdentityFact>,
    /// The registers that the log has by the end of the period, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub registers: Vec<RegisterReport>,
    /// What became of the audit period of this name, and of others about a part of its time: whoever
    /// chooses a period chooses what is told. By time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub period_changes: Vec<PeriodChange>,
}

/// That an audit period was declared, edited, closed or deleted.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PeriodChange {
    /// When it was seen.
    pub at: Timestamp,
    /// The name of the `AuditPeriod`.
    pub name: String,
    /// Created, Updated, Deleted or Phase.
    pub change: String,
    /// What was declared or done, in a few words.
    pub what: String,
    /// The entry that says so.
    pub entry: u64,
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
    /// Who wrote the log in the period: each start of an operator, by time. The fold fills it.
    pub operators: Vec<OperatorReport>,
    /// What witnesses signed of the log, as found beside the checkpoint. The days that they vouch for
    /// follow from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cosignatures: Vec<Cosignature>,
    /// Where the policy comes from that says which witnesses count. [`LogReport`] has it in the JSON.
    #[serde(skip)]
    pub policy: PolicySource,
    /// Checkpoints that were signed for this log and that it does not continue.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contradictions: Vec<ContradictedCheckpoint>,
    /// Where the facts come from that were judged: each kind of the newest inventory up to its end.
    /// The fold fills it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<ListReport>,
}

/// The whole in a few numbers.
#[derive(Serialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PeriodSummary {
    /// Controls in force in the period.
    pub controls: usize,
    /// Controls of which no deviation was observed, and enough was observed to say so.
    pub no_deviation_observed: usize,
    /// Controls with at least one deviation.
    pub deviation_observed: usize,
    /// Controls that were not observed enough to conclude.
    pub not_determinable: usize,
    /// Controls that had nothing to do in the period: no item to judge, no occurrence due.
    pub not_due: usize,
    /// Controls without a deviation only because exceptions or wildcards accept one.
    pub accepted_risk: usize,
    /// Deviations of all controls.
    pub deviations: usize,
    /// Deviations that nobody saw mended by the end.
    pub open_deviations: usize,
    /// The share of the time of the controls that the cluster answers for which there is evidence.
    /// Controls that people attest don't count: nobody observes them all the time.
    pub coverage: Coverage,
    /// The share of the period, in percent, that must be observed before anything is concluded.
    pub minimum_observation: u8,
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

    /// From 0 to 1, in ten-thousandths, rounded down; 1 when nothing was expected. So few digits have
    /// one text in every language, which the digest of a report needs.
    #[allow(clippy::cast_precision_loss, reason = "at most 10,000 of both")]
    pub fn share(self) -> f64 {
        let parts = if self.expected_seconds > 0 {
            self.observed_seconds.saturating_mul(10_000) / self.expected_seconds
        } else {
            10_000
        };
        parts.clamp(0, 10_000) as f64 / 10_000.0
    }

    /// Whether at least this many percent were observed; true when nothing was expected.
    pub fn reaches(self, percent: u8) -> bool {
        self.observed_seconds.saturating_mul(100)
            >= self.expected_seconds.saturating_mul(i64::from(percent))
    }
}

closed_enum! {
    /// What a report concludes of a control or a criterion: what was observed, and not an opinion.
    pub enum Conclusion {
        /// Enough was observed, and nothing in it was a deviation.
        NoDeviationObserved = "NoDeviationObserved",
        /// At least one deviation was observed.
        DeviationObserved = "DeviationObserved",
        /// Too little was observed, or by nobody who could tell.
        NotDeterminable = "NotDeterminable",
        /// It had nothing to do in the period: no item to judge, no occurrence due.
        NotDue = "NotDue",
        /// What would be a deviation was accepted: by exceptions, or by a wildcard in the control.
        AcceptedRisk = "AcceptedRisk",
    }
}

impl Conclusion {
    /// As sentences and tables have it.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoDeviationObserved => "no deviation observed",
            Self::DeviationObserved => "deviation observed",
            Self::NotDeterminable => "not determinable",
            Self::NotDue => "not due in the period",
            Self::AcceptedRisk => "no deviation only by accepted risk",
        }
    }
}
