//! A reference to an object of the cluster.

use serde::{Deserialize, Serialize};

/// The object that a finding is about.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ResourceRef {
    /// The API group and version of the object.
    #[cfg_attr(feature = "schema", schemars(length(max = 317)))]
    pub api_version: String,
    /// The kind of the object.
    #[cfg_attr(feature = "schema", schemars(length(max = 63)))]
    pub kind: String,
    /// The namespace of the object, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 63)))]
    pub namespace: Option<String>,
    /// The name of the object.
    #[cfg_attr(feature = "schema", schemars(length(max = 512)))]
    pub name: String,
}
