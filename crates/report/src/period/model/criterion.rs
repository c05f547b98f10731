//! A criterion in the period.

use jiff::Timestamp;
use serde::Serialize;

use super::Conclusion;
use comptroller_core::api::criteria::Category;

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
    /// The controls that served it at some time of the period, by name.
    pub controls: Vec<String>,
    /// Which control served it when, by name and time.
    pub mapping: Vec<MappingInterval>,
    /// Whether a control began or ceased to serve it within the period.
    pub mapping_changed: bool,
    /// What the report concludes of the controls that serve it. Not determinable where none does.
    pub conclusion: Conclusion,
    /// Why, in one sentence.
    pub basis: String,
}

impl CriterionReport {
    /// Whether a control served it at some time of the period.
    pub fn is_covered(&self) -> bool {
        !self.mapping.is_empty()
    }
}

/// A time in which a control served a criterion.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MappingInterval {
    /// The name of the control.
    pub control: String,
    /// From when, not before the period.
    pub from: Timestamp,
    /// Until when, at most the end of the period.
    pub to: Timestamp,
    /// What the report concludes of the control in that time.
    pub conclusion: Conclusion,
}
