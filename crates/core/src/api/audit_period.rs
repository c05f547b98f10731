//! `AuditPeriod`: the time that an auditor reports on, and what the evidence log says about it.
// Each printcolumn repeats the same keys.
#![allow(clippy::duplicated_attributes)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::system::{
    Boundary, ComplementaryControl, OutOfBoundary, PointsOfFocus, SubserviceMethod,
    SubserviceOrganization, System, SystemDescription,
};
use super::{
    condition,
    criteria::Category,
    frozen::{immutable, unchanging},
    invalid::{FieldPath, InvalidSpec, Problems},
    lenient::lenient,
    structural, time,
};
use comptroller_vocabulary::closed_enum;

mod system;

/// The share of a period, in percent, in which a control must have been observed before anything is
/// concluded about it, unless its `AuditPeriod` says otherwise.
pub const MINIMUM_OBSERVATION: u8 = 95;

/// The longest period, in days: two years of 366 days.
pub const MAX_PERIOD_DAYS: i64 = 732;

closed_enum! {
    /// What kind of report the period is for.
    pub enum ReportType {
        /// Design and implementation at a point in time.
        TypeI = "TypeI",
        /// Operation over a period of time.
        TypeII = "TypeII",
    }
}

closed_enum! {
    /// The phase of an audit period.
    #[derive(Default)]
    pub enum PeriodPhase {
        /// The period is not over, or the log does not yet reach beyond its end.
        #[default]
        Open = "Open",
        /// The period is over, and what the status says about it is final.
        Closed = "Closed",
    }
}

/// The time that a report is about, for whom, and by which criteria.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    crates(kube_core = "::kube_core"),
    group = "comptroller.dev",
    version = "v1alpha1",
    kind = "AuditPeriod",
    plural = "auditperiods",
    singular = "auditperiod",
    shortname = "ap",
    category = "comptroller",
    status = "AuditPeriodStatus",
    derive = "PartialEq",
    doc = "A period that an auditor reports on. Its status summarizes what the evidence log says \
           about it; the command report writes all of it. Its times, categories and \
           minimumObservation never change; each change of the rest is recorded. For another period, \
           write another AuditPeriod.",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "From", type_ = "string", json_path = ".spec.from"),
    printcolumn(name = "To", type_ = "string", json_path = ".spec.to"),
    printcolumn(name = "As-Of", type_ = "string", json_path = ".spec.asOf", priority = 1),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Coverage", type_ = "string", json_path = ".status.coverage"),
    printcolumn(
        name = "No-Deviation",
        type_ = "integer",
        json_path = ".status.controls.noDeviationObserved"
    ),
    printcolumn(
        name = "Deviation",
        type_ = "integer",
        json_path = ".status.controls.deviationObserved"
    ),
    printcolumn(
        name = "Not-Determinable",
        type_ = "integer",
        json_path = ".status.controls.notDeterminable"
    ),
    printcolumn(
        name = "Not-Due",
        type_ = "integer",
        json_path = ".status.controls.notDue",
        priority = 1
    ),
    printcolumn(
        name = "Accepted-Risk",
        type_ = "integer",
        json_path = ".status.controls.acceptedRisk",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("self.type != 'TypeI' || has(self.asOf)")
        .message("a TypeI period needs asOf; write the point in time that the report is about")
        .reason(Reason::FieldValueRequired)
        .field_path(".asOf"),
    validation = Rule::new("self.type != 'TypeI' || !has(self.from)")
        .message("from is for TypeII; a TypeI period has only asOf")
        .reason(Reason::FieldValueForbidden)
        .field_path(".from"),
    validation = Rule::new("self.type != 'TypeI' || !has(self.to)")
        .message("to is for TypeII; a TypeI period has only asOf")
        .reason(Reason::FieldValueForbidden)
        .field_path(".to"),
    validation = Rule::new("self.type != 'TypeII' || has(self.from)")
        .message("a TypeII period needs from; write its first moment")
        .reason(Reason::FieldValueRequired)
        .field_path(".from"),
    validation = Rule::new("self.type != 'TypeII' || has(self.to)")
        .message("a TypeII period needs to; write the first moment after it")
        .reason(Reason::FieldValueRequired)
        .field_path(".to"),
    validation = Rule::new("self.type != 'TypeII' || !has(self.asOf)")
        .message("asOf is for TypeI; a TypeII period has from and to")
        .reason(Reason::FieldValueForbidden)
        .field_path(".asOf"),
    validation = Rule::new("!has(self.from) || !has(self.to) || self.from < self.to")
        .message("to must be after from")
        .reason(Reason::FieldValueInvalid)
        .field_path(".to"),
    validation = Rule::new("!has(self.from) || !has(self.to) || self.to - self.from <= duration('17568h')")
        .message("a period is at most two years long; write several periods for a longer time")
        .reason(Reason::FieldValueInvalid)
        .field_path(".to"),
    validation = unchanging("asOf", INSTEAD),
    validation = unchanging("from", INSTEAD),
    validation = unchanging("to", INSTEAD),
    validation = unchanging("categories", INSTEAD),
    validation = unchanging("minimumObservation", INSTEAD)
)]
#[serde(rename_all = "camelCase")]
pub struct AuditPeriodSpec {
    /// `TypeI` for a report as of a point in time, `TypeII` for one over a period.
    #[serde(rename = "type")]
    #[x_kube(validation = immutable("type", INSTEAD))]
    pub type_: ReportType,
    /// The point in time that a `TypeI` report is about.
    #[serde(default, deserialize_with = "time::optional", skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Time>,
    /// The first moment of a `TypeII` period.
    #[serde(default, deserialize_with = "time::optional", skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// The first moment after a `TypeII` period.
    #[serde(default, deserialize_with = "time::optional", skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
    /// The categories in scope. Security is always one of them, and the only one if this is omitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 5), extend("x-kubernetes-list-type" = "set"))]
    pub categories: Vec<Category>,
    /// Who the report is for: the names of people, groups or firms, for the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub auditors: Vec<String>,
    /// The share of the period, in percent, in which a control must have been observed before
    /// anything is concluded about it. Default 95.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub minimum_observation: Option<i32>,
    #[serde(flatten)]
    pub description: SystemDescription,
}

/// What the evidence log says about the period.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default, remote = "Self")]
pub struct AuditPeriodStatus {
    /// The generation of the spec that was last summarized.
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// Open until an entry of the log says that the period is closed, and with which numbers.
    pub phase: PeriodPhase,
    /// The share of the time of all controls for which there is evidence, such as 99.2%.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub coverage: Option<String>,
    /// Of how many controls the log says what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controls: Option<PeriodControls>,
    /// How many deviations there were, over all controls.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub deviations: Option<i64>,
    /// How many deviations were still open at the end, or are open now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub open_deviations: Option<i64>,
    /// How many entries the log had when this was summarized.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub log_size: Option<i64>,
    /// The signed checkpoint that this summary is based on, as text (C2SP tlog-checkpoint). Keep a copy
    /// elsewhere: the log must begin with what the checkpoint covers on any later day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub checkpoint: Option<String>,
    /// The digest of the report, set when the period is closed. The command report prints the same
    /// digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71), regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub report_digest: Option<String>,
    /// Ready says whether the log could be summarized, and if not, why. `StatusPutBack` says that
    /// somebody wrote a status that the log does not bear, and what it said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "condition::schema")]
    pub conditions: Vec<Condition>,
}

lenient!(AuditPeriodStatus);

/// Of how many controls the log says what.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct PeriodControls {
    /// Controls of which no deviation was observed, and enough was observed to say so.
    #[schemars(range(min = 0))]
    pub no_deviation_observed: i64,
    /// Controls that deviated at least once.
    #[schemars(range(min = 0))]
    pub deviation_observed: i64,
    /// Controls that were not observed enough to conclude anything.
    #[schemars(range(min = 0))]
    pub not_determinable: i64,
    /// Controls that had nothing to judge, or that fell due at another time.
    #[schemars(range(min = 0))]
    pub not_due: i64,
    /// Controls without a deviation only because exceptions accept what was found.
    #[schemars(range(min = 0))]
    pub accepted_risk: i64,
    /// The number of `noDeviationObserved`, under the name that it had before.
    #[schemars(range(min = 0))]
    pub effective: i64,
    /// The number of `deviationObserved`, under the name that it had before.
    #[schemars(range(min = 0))]
    pub deviations: i64,
    /// The number of `notDeterminable`, under the name that it had before.
    #[schemars(range(min = 0))]
    pub unknown: i64,
    /// The number of `notDue`, under the name that it had before.
    #[schemars(range(min = 0))]
    pub not_applicable: i64,
}

/// What to do instead of changing a spec.
const INSTEAD: &str = "write another AuditPeriod";

impl AuditPeriodSpec {
    /// The categories in scope, Security first.
    pub fn categories(&self) -> Vec<Category> {
        let mut categories = self.categories.clone();
        // The common criteria are part of every SOC 2 report.
        categories.push(Category::Security);
        categories.sort_unstable();
        categories.dedup();
        categories
    }

    /// The share of the period, in percent, below which nothing is concluded.
    pub fn minimum_observation(&self) -> u8 {
        self.minimum_observation
            .and_then(|percent| u8::try_from(percent).ok())
            .unwrap_or(MINIMUM_OBSERVATION)
    }

    /// Checks everything that the API server would refuse, for files that no API server has seen.
    pub fn validate(&self) -> Result<(), InvalidSpec> {
        let mut problems = Problems::default();
        structural::check_spec::<AuditPeriod>(self, &mut problems);
        let at = FieldPath::new("spec");
        let times = [
            ("asOf", self.as_of.is_some(), self.type_ == ReportType::TypeI),
            ("from", self.from.is_some(), self.type_ == ReportType::TypeII),
            ("to", self.to.is_some(), self.type_ == ReportType::TypeII),
        ];
        for (field, is_given, is_wanted) in times {
            let (problem, remedy) = match (is_given, is_wanted) {
                (false, true) => ("is missing", "write a time such as 2027-01-01T00:00:00Z"),
                (true, false) => {
                    ("does not belong", "write asOf for TypeI, from and to for TypeII")
                }
                // Given where it is wanted, or neither: as it should be.
                _ => continue,
            };
            let problem = format!("{problem} for {}", self.type_);
            problems.push(&at.field(field), problem, remedy);
        }
        if let (Some(from), Some(to)) = (&self.from, &self.to) {
            let length = to.0.duration_since(from.0);
            // An empty period has no coverage that could be computed.
            if !length.is_positive() {
                problems.push(
                    &at.field("to"),
                    "is not after from",
                    "write the first moment after the period",
                );
            } else if length.as_hours() > MAX_PERIOD_DAYS * 24 {
                problems.push(
                    &at.field("to"),
                    "is more than two years after from",
                    "write several periods",
                );
            }
        }
        problems.into_result()
    }
}
