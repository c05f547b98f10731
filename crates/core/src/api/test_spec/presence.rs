//! `presence`: what must exist and be healthy, in the cluster or in each namespace.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use super::resource_rule::ResourceRule;
use crate::api::{
    Duration, Glob,
    invalid::{FieldPath, Problems},
    selector,
};
use comptroller_vocabulary::closed_enum;

closed_enum! {
    /// In what there must be enough of them.
    #[derive(Default)]
    pub enum PresencePlace {
        /// In the cluster as a whole, as far as the scope of the control reaches.
        #[default]
        Cluster = "Cluster",
        /// In each namespace in scope.
        Namespace = "Namespace",
    }
}

closed_enum! {
    /// What follows from a resource that matches and is not healthy, or too old.
    #[derive(Default)]
    pub enum WhenUnhealthy {
        /// It is a finding of its own.
        #[default]
        Fail = "Fail",
        /// It only does not count, as with runs of which one must have succeeded.
        Ignore = "Ignore",
    }
}

/// Resources that must exist and be healthy, such as the log collector of the cluster or a network
/// policy in each namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = Rule::new("!has(self.timestamp) || has(self.maxAge)")
    .message("timestamp needs maxAge: the time of a resource is only compared with it"))]
#[serde(rename_all = "camelCase")]
pub struct PresenceTest {
    /// The kinds that count; a resource of any of them will do. Secrets are never read.
    #[schemars(length(min = 1, max = 16))]
    pub resources: Vec<ResourceRule>,
    /// Patterns for names, of which one must match: * matches any text. If omitted, any name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub names: Vec<Glob>,
    /// Only resources with these labels. If omitted, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "selector::schema")]
    pub selector: Option<LabelSelector>,
    /// Where there must be enough of them: Cluster (the default) or Namespace, which means in each
    /// namespace in scope.
    #[serde(default, skip_serializing_if = "is_default")]
    pub per: PresencePlace,
    /// How many there must be at least. Defaults to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub min: Option<i32>,
    /// A CEL expression about the resource, object, that is true if it is healthy. If omitted, that
    /// depends on the kind: a `DaemonSet` is ready on all its nodes, a Deployment is available, all
    /// replicas of a `StatefulSet` are, a Job succeeded, a `CronJob` is not suspended and has
    /// succeeded, and what has conditions is Ready. Others need only exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub healthy: Option<String>,
    /// How old a resource may be, by its timestamp. If omitted, of any age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// The field with the time that maxAge is about, such as report.updateTimestamp. If omitted, when a
    /// Job or `CronJob` last succeeded, and when anything else was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*$")
    )]
    pub timestamp: Option<String>,
    /// What follows from a resource that matches and is not healthy, or too old: Fail (the default)
    /// makes it a finding. Ignore only does not count it, as for runs of which one must have succeeded.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unhealthy: WhenUnhealthy,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl PresenceTest {
    pub(crate) fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        for (position, rule) in self.resources.iter().enumerate() {
            let instead =
                "name what makes or uses them, such as an ExternalSecret or a Certificate";
            rule.validate(&at.field("resources").index(position), problems, instead);
        }
        for (position, name) in self.names.iter().enumerate() {
            name.validate(&at.field("names").index(position), problems);
        }
        if let Some(selector) = &self.selector {
            selector::validate(selector, &at.field("selector"), problems);
        }
        if let Some(max_age) = self.max_age {
            max_age.validate(&at.field("maxAge"), problems);
        }
        if self.timestamp.is_some() && self.max_age.is_none() {
            problems.push(
                &at.field("timestamp"),
                "has no maxAge to be compared with",
                "add maxAge, or leave timestamp out",
            );
        }
    }
}
