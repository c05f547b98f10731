//! What a report says of the system that it is about, in the words of the company.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use comptroller_vocabulary::closed_enum;

/// The description of the system: what a log can't know, and a report needs.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SystemDescription {
    /// The company that the report is about, by its legal name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub company: Option<String>,
    /// The system that the report is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
    /// What belongs to the system, and what does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<Boundary>,
    /// Other organizations that the system relies on, such as a cloud provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub subservice_organizations: Vec<SubserviceOrganization>,
    /// Controls that the users of the system must have for the criteria to be met.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub complementary_user_entity_controls: Vec<ComplementaryControl>,
    /// What the company looks at for a criterion, in its own words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["criterion"]))]
    pub points_of_focus: Vec<PointsOfFocus>,
}

/// The system that a report is about.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct System {
    /// What it is called.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// What it does, for whom, and of what it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub description: Option<String>,
}

/// What belongs to the system, and what does not.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Boundary {
    /// The clusters that belong to it, by the names that the company uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub clusters: Vec<String>,
    /// The namespaces that belong to it, by name or pattern. All of them if this is omitted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        inner(length(min = 1, max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub namespaces: Vec<String>,
    /// What does not belong to it, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub excluded: Vec<OutOfBoundary>,
}

/// Something that does not belong to the system.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OutOfBoundary {
    /// A cluster, a namespace, a service or a location.
    #[schemars(length(min = 1, max = 253))]
    pub what: String,
    /// Why it does not belong to the system.
    #[schemars(length(min = 1, max = 4096))]
    pub why: String,
}

closed_enum! {
    /// How a report treats a subservice organization.
    #[derive(Default)]
    pub enum SubserviceMethod {
        /// Its controls are left out: its own report covers them.
        #[default]
        CarveOut = "CarveOut",
        /// Its controls are part of this report.
        Inclusive = "Inclusive",
    }
}

/// Another organization that the system relies on.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SubserviceOrganization {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// What it does for the system.
    #[schemars(length(min = 1, max = 4096))]
    pub services: String,
    /// Whether its controls are left out of the report or part of it. Default `CarveOut`.
    #[serde(default)]
    pub method: SubserviceMethod,
    /// Its own report, and where that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub report: Option<String>,
    /// Controls that it must have for the criteria to be met.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub complementary_controls: Vec<ComplementaryControl>,
}

/// A control that somebody else must have.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ComplementaryControl {
    /// What they must do.
    #[schemars(length(min = 1, max = 4096))]
    pub control: String,
    /// The criteria that rely on it, such as `CC6.1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 63)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub criteria: Vec<String>,
}

/// What the company looks at for a criterion.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PointsOfFocus {
    /// The criterion, such as `CC6.1`.
    #[schemars(length(min = 1, max = 63))]
    pub criterion: String,
    /// What is looked at, each in a sentence.
    #[schemars(
        length(min = 1, max = 32),
        inner(length(min = 1, max = 1024)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub points: Vec<String>,
}
