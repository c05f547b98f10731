//! `rbac`: who may do what.

mod words;

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    Glob, Risk,
    invalid::{FieldPath, Problems},
};
use comptroller_vocabulary::closed_enum;

/// Who may do what, judged on effective rights: the union over all bindings of a subject,
/// aggregated roles and implied groups included.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = Rule::new("has(self.forbid) || has(self.rules)")
    .message("must have forbid or rules: name the risks to forbid, or the rights to watch"))]
#[serde(rename_all = "camelCase")]
pub struct RbacTest {
    /// Risks that no subject may carry, except those in allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub forbid: Vec<Risk>,
    /// Rights that no subject may hold, except those in allow. Who holds any of them is a
    /// finding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32))]
    pub rules: Vec<AccessRule>,
    /// The subjects that may, in spite of forbid and rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub allow: Vec<AllowedSubject>,
    /// How many subjects may at most, those in allow included. Without it, only those in allow
    /// may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_subjects: Option<i32>,
}

/// A right, in the words of a role.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AccessRule {
    /// The API groups; "" is the core group, * is any.
    #[schemars(
        length(min = 1, max = 32),
        inner(length(max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub api_groups: Vec<String>,
    /// The resources in plural, with a subresource after a slash; * is any.
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub resources: Vec<String>,
    /// The verbs, such as get or create; * is any.
    #[schemars(
        length(min = 1, max = 32),
        inner(length(min = 1, max = 63)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub verbs: Vec<String>,
    /// Only objects of these names. Any object when it is absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub resource_names: Vec<String>,
}

closed_enum! {
    /// The kind of a subject.
    pub enum SubjectKind {
        /// A user, by the name the API server knows.
        User = "User",
        /// A group of users.
        Group = "Group",
        /// A service account.
        ServiceAccount = "ServiceAccount",
    }
}

/// Subjects that may.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = Rule::new("!has(self.namespace) || self.kind == 'ServiceAccount'")
    .message("namespace is only for kind ServiceAccount: users and groups have none")
    .field_path(".namespace"))]
#[serde(rename_all = "camelCase")]
pub struct AllowedSubject {
    /// The kind of the subjects.
    pub kind: SubjectKind,
    /// Their names, where * is any text and ? one character.
    pub name: Glob,
    /// The namespaces of service accounts, where * is any text and ? one character. Any when it
    /// is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Glob>,
    /// Why they may, for the auditor to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub reason: Option<String>,
}

impl RbacTest {
    pub(crate) fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        if self.forbid.is_empty() && self.rules.is_empty() {
            problems.push(
                at,
                "has neither forbid nor rules",
                "name the risks to forbid, or the rights to watch",
            );
        }
        for (position, rule) in self.rules.iter().enumerate() {
            rule.validate(&at.field("rules").index(position), problems);
        }
        for (position, subject) in self.allow.iter().enumerate() {
            let at = at.field("allow").index(position);
            subject.name.validate(&at.field("name"), problems);
            let Some(namespace) = &subject.namespace else {
                continue;
            };
            namespace.validate(&at.field("namespace"), problems);
            if subject.kind != SubjectKind::ServiceAccount {
                problems.push(
                    &at.field("namespace"),
                    format!("a {} has no namespace", subject.kind),
                    "leave namespace away, or write kind: ServiceAccount",
                );
            }
        }
    }
}
