//! `cel`: expressions about resources, in the form of a `ValidatingAdmissionPolicy`.

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resource_rule::ResourceRule;
use crate::api::invalid::{FieldPath, Problems};

/// Expressions that must be true for each resource. `object` is the resource, `request` the CREATE
/// request that would create it, without a user, and `variables` what is defined here.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CelTest {
    /// The resources to judge.
    #[schemars(length(min = 1, max = 16))]
    pub resources: Vec<ResourceRule>,
    /// Only resources for which all of these are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub match_conditions: Vec<NamedExpression>,
    /// Values that later expressions use as variables.NAME. Each is computed when it is first used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub variables: Vec<NamedExpression>,
    /// What must be true; each one that is not is a finding.
    #[schemars(length(min = 1, max = 64))]
    pub validations: Vec<CelValidation>,
}

/// An expression with a name.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NamedExpression {
    /// The name, unique in its list. The name of a variable must be a CEL identifier.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The CEL expression. A match condition must yield true or false, a variable any value.
    #[schemars(length(min = 1, max = 4096))]
    pub expression: String,
}

/// Something that must be true of each resource.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct CelValidation {
    /// The CEL expression, which is true for a resource that passes.
    #[schemars(length(min = 1, max = 4096))]
    pub expression: String,
    /// The message of the finding when the expression is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub message: Option<String>,
    /// A CEL expression that yields the message of the finding. Takes precedence over message if it
    /// yields a string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub message_expression: Option<String>,
    /// The rule that the finding names, in one CamelCase word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    )]
    pub reason: Option<String>,
}

impl CelTest {
    pub(crate) fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        for (position, rule) in self.resources.iter().enumerate() {
            let instead = "judge what refers to them instead, such as an Ingress or a Certificate";
            rule.validate(&at.field("resources").index(position), problems, instead);
        }
        for (position, variable) in self.variables.iter().enumerate() {
            // `variables.NAME` would not parse, in each expression that uses it.
            if !is_identifier(&variable.name) {
                problems.push(
                    &at.field("variables").index(position).field("name"),
                    format!("{:?} is not a CEL identifier", variable.name),
                    "write letters, digits and _, with a letter or _ first",
                );
            }
        }
    }
}

fn is_identifier(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
