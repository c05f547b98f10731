//! What the company says of the system that the report is about, as its `AuditPeriod` has it in the
//! log. It is read field by field rather than as the type of today: a report of three years ago is
//! to be made again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The description of the system: nothing in it was observed.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ReportedSystem {
    /// The company that the report is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// The system that the report is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<SystemName>,
    /// What belongs to the system, and what does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boundary: Option<SystemBoundary>,
    /// Other organizations that the system relies on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subservice_organizations: Vec<SubserviceReport>,
    /// Controls that the users of the system must have for the criteria to be met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub complementary_user_entity_controls: Vec<ComplementaryControlReport>,
    /// What the company looks at for a criterion.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub points_of_focus: Vec<FocusReport>,
    /// When it was written like this, as first seen; None where nothing is described.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub written_at: Option<Timestamp>,
    /// The entry that has it; None where nothing is described.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
}

impl ReportedSystem {
    /// The description in the spec of an `AuditPeriod`, as an entry has it. One that says nothing is empty,
    /// whatever else is in the spec.
    pub fn read(spec: &Value, at: Timestamp, entry: u64) -> Option<Self> {
        let described = Self::deserialize(spec).ok()?;
        let says_something = described != Self::default();
        Some(Self {
            written_at: says_something.then_some(at),
            entry: says_something.then_some(entry),
            ..described
        })
    }
}

impl SubserviceReport {
    /// How the report treats its controls, in a few words.
    pub fn method_words(&self) -> &'static str {
        if self.method == "Inclusive" {
            "its controls are part of this report"
        } else {
            "its controls are left out of this report"
        }
    }
}

/// What the system is called, and what it does.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default)]
pub struct SystemName {
    pub name: String,
    /// What it does, for whom, and of what it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What belongs to the system, and what does not.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default)]
pub struct SystemBoundary {
    pub clusters: Vec<String>,
    /// By name or pattern; empty for all.
    pub namespaces: Vec<String>,
    pub excluded: Vec<ExcludedFromSystem>,
}

/// Something that does not belong to the system.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default)]
pub struct ExcludedFromSystem {
    /// A cluster, a namespace, a service or a location.
    pub what: String,
    pub why: String,
}

/// Another organization that the system relies on.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct SubserviceReport {
    pub name: String,
    /// What it does for the system.
    pub services: String,
    /// `CarveOut` when its controls are left out of the report, `Inclusive` when they are part of it.
    pub method: String,
    /// Its own report, and where that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// Controls that it must have for the criteria to be met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub complementary_controls: Vec<ComplementaryControlReport>,
}

/// A control that somebody else must have.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default)]
pub struct ComplementaryControlReport {
    /// What they must do.
    pub control: String,
    /// The criteria that rely on it, such as `CC6.1`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub criteria: Vec<String>,
}

/// What the company looks at for a criterion.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default)]
pub struct FocusReport {
    /// The criterion, such as `CC6.1`.
    pub criterion: String,
    /// What is looked at, each in a sentence.
    pub points: Vec<String>,
}
