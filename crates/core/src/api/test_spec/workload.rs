//! `workload`: how workloads are confined, and where their images come from.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube_derive::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    Glob,
    invalid::{FieldPath, Problems},
    registry, selector,
};
use comptroller_vocabulary::closed_enum;

closed_enum! {
    /// What each container or pod of a workload must do.
    pub enum Requirement {
        /// Runs as a user other than root.
        RunAsNonRoot = "RunAsNonRoot",
        /// Has no privileged container.
        NoPrivileged = "NoPrivileged",
        /// Cannot gain privileges after it has started.
        NoPrivilegeEscalation = "NoPrivilegeEscalation",
        /// Does not share the network, the processes, the IPC or a path of its node.
        NoHostAccess = "NoHostAccess",
        /// Cannot write to its own image.
        ReadOnlyRootFilesystem = "ReadOnlyRootFilesystem",
        /// Drops every Linux capability, except the one for binding low ports.
        DropAllCapabilities = "DropAllCapabilities",
        /// Runs under the default system call filter of its runtime, not under one of its own.
        SeccompRuntimeDefault = "SeccompRuntimeDefault",
        /// Has limits for CPU and memory.
        ResourceLimits = "ResourceLimits",
        /// Has requests for CPU and memory.
        ResourceRequests = "ResourceRequests",
        /// Has a readiness probe, unless it runs to completion.
        Probes = "Probes",
        /// Names its image by digest.
        ImageDigest = "ImageDigest",
        /// Has an image tag, and not the tag latest.
        NoLatestTag = "NoLatestTag",
        /// Runs as a service account of its own, not as default.
        NoDefaultServiceAccount = "NoDefaultServiceAccount",
        /// Is not given a token of its service account for the API server.
        NoTokenAutomount = "NoTokenAutomount",
    }
}

/// How workloads are confined. At least one of require and registries is needed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = Rule::new("has(self.require) || has(self.registries)")
    .message("must have require or registries: name what workloads must do, or where their images may come from"))]
#[serde(rename_all = "camelCase")]
pub struct WorkloadTest {
    /// What each container or pod must do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub require: Vec<Requirement>,
    /// Where images may come from: patterns for a registry, or for an image name with its registry,
    /// where * matches any text, such as registry.example.com/*. Without scheme and digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub registries: Vec<Glob>,
    /// Only workloads with these labels. If omitted, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "selector::schema")]
    pub selector: Option<LabelSelector>,
}

impl WorkloadTest {
    pub(crate) fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        // Such a control would pass whatever runs.
        if self.require.is_empty() && self.registries.is_empty() {
            problems.push(
                at,
                "has neither require nor registries",
                "name what workloads must do, or where their images may come from",
            );
        }
        for (position, registry) in self.registries.iter().enumerate() {
            let at = at.field("registries").index(position);
            registry.validate(&at, problems);
            // A pattern that matches no image would let every image fail.
            registry::validate(registry.as_str(), &at, problems);
        }
        if let Some(selector) = &self.selector {
            selector::validate(selector, &at.field("selector"), problems);
        }
    }
}
