//! Which resources a test is about, as an admission rule names them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::invalid::{FieldPath, Problems};

/// Kinds of resources, as an admission rule names them.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRule {
    /// The API groups; "" is the core group, * matches any.
    #[schemars(
        length(min = 1, max = 16),
        inner(length(max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub api_groups: Vec<String>,
    /// The API versions, such as v1; * matches any.
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 63)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub api_versions: Vec<String>,
    /// The resources in plural, such as deployments.
    #[schemars(
        length(min = 1, max = 32),
        inner(length(min = 1, max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub resources: Vec<String>,
    /// Whether a cluster that does not serve their API group, such as the group of a CRD, counts as one
    /// that has none of them. Otherwise the control is Unknown in such a cluster.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub when_served: bool,
}

impl ResourceRule {
    /// Refuses what has no object that may be read. `instead` says what to name instead of Secrets.
    pub(crate) fn validate(&self, at: &FieldPath, problems: &mut Problems, instead: &str) {
        let at = at.field("resources");
        for (position, resource) in self.resources.iter().enumerate() {
            // Also for other groups: their Secrets are as secret.
            if resource == "secrets" {
                problems.push(
                    &at.index(position),
                    "selects Secrets, which are never read, not even their metadata",
                    instead,
                );
            } else if resource.contains('/') {
                problems.push(
                    &at.index(position),
                    format!("{resource:?} is a subresource, which has no object of its own"),
                    "write the plural of a resource, such as pods; to check rights to a subresource, use an rbac test",
                );
            }
        }
    }
}
