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

/// Who may do what, judged by effective rights: the union over all bindings of a subject, including
/// aggregated roles and implied groups.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(
    validation = Rule::new("has(self.forbid) || has(self.rules) || has(self.subjects)")
        .message("must have forbid, rules or subjects: name the risks to forbid, the rights to restrict, or who subjects must be"),
    validation = Rule::new("!has(self.maxSubjects) || has(self.forbid) || has(self.rules)")
        .message("maxSubjects counts who holds what forbid or rules name, and there is neither; leave it out")
        .field_path(".maxSubjects")
)]
#[serde(rename_all = "camelCase")]
pub struct RbacTest {
    /// Risks that no subject may pose, except the subjects in allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub forbid: Vec<Risk>,
    /// Rights that no subject may hold, except the subjects in allow. Any other subject that holds one
    /// of them is a finding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 32))]
    pub rules: Vec<AccessRule>,
    /// The subjects to which forbid, rules and subjects do not apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub allow: Vec<AllowedSubject>,
    /// The maximum number of subjects, including those in allow. If omitted, only the subjects in allow
    /// are permitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_subjects: Option<i32>,
    /// Who subjects must be. Known: every User that a binding names must be the identity of exactly one
    /// Person who works here now, except the subjects in allow. Parts of Kubernetes, service accounts
    /// and groups are not asked about: who is in a group is known to the identity provider alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<SubjectRequirement>,
}

closed_enum! {
    /// Who subjects must be.
    pub enum SubjectRequirement {
        /// Every User must be the identity of exactly one Person who works here now.
        Known = "Known",
    }
}

/// A right, as a rule of a role describes it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AccessRule {
    /// The API groups; "" is the core group, * matches any.
    #[schemars(
        length(min = 1, max = 32),
        inner(length(max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub api_groups: Vec<String>,
    /// The plural names of the resources, with a subresource after a slash; * matches any.
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub resources: Vec<String>,
    /// The verbs, such as get or create; * matches any.
    #[schemars(
        length(min = 1, max = 32),
        inner(length(min = 1, max = 63)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub verbs: Vec<String>,
    /// Only objects with these names. If omitted, any object.
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
        /// A user, by the name that the API server knows.
        User = "User",
        /// A group of users.
        Group = "Group",
        /// A service account of some namespace.
        ServiceAccount = "ServiceAccount",
    }
}

/// Subjects to which the test does not apply.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = Rule::new("!has(self.namespace) || self.kind == 'ServiceAccount'")
    .message("namespace is only for kind ServiceAccount: users and groups have none")
    .field_path(".namespace"))]
#[serde(rename_all = "camelCase")]
pub struct AllowedSubject {
    /// The kind of the subjects.
    pub kind: SubjectKind,
    /// Their names, where * matches any text and ? one character.
    pub name: Glob,
    /// The namespaces of service accounts, where * matches any text and ? one character. If omitted,
    /// any namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Glob>,
    /// Why the test does not apply to them, for the auditor to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub reason: Option<String>,
}

impl RbacTest {
    pub(crate) fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        // Such a control would pass whoever may do what.
        let asks_about_rights = !self.forbid.is_empty() || !self.rules.is_empty();
        if !asks_about_rights && self.subjects.is_none() {
            problems.push(
                at,
                "has neither forbid nor rules nor subjects",
                "name the risks to forbid, the rights to restrict, or who subjects must be",
            );
        }
        if self.max_subjects.is_some() && !asks_about_rights && self.subjects.is_some() {
            problems.push(
                &at.field("maxSubjects"),
                "counts who holds what forbid or rules name, and there is neither",
                "leave it out",
            );
        }
        for (position, rule) in self.rules.iter().enumerate() {
            rule.validate(&at.field("rules").index(position), problems);
        }
        for (position, subject) in self.allow.iter().enumerate() {
            let at = at.field("allow").index(position);
            subject.name.validate(&at.field("name"), problems);
            // Without a namespace there is nothing to compare with the kind.
            let Some(namespace) = &subject.namespace else {
                continue;
            };
            namespace.validate(&at.field("namespace"), problems);
            if subject.kind != SubjectKind::ServiceAccount {
                problems.push(
                    &at.field("namespace"),
                    format!("a {} has no namespace", subject.kind),
                    "leave namespace out, or write kind: ServiceAccount",
                );
            }
        }
    }
}
