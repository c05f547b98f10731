//! Whether the resource types that a rule of rights names exist: a rule that names nothing would pass
//! for ever.

use std::collections::BTreeSet;

use super::{readiness::Readiness, verdict::Reason};
use crate::{
    inventory::{Catalog, Inventory, ObjectSource, kinds},
    nearest::write_instead,
};

/// Every subresource that API servers and kubelets ask authorizers about.
const SUBRESOURCES: &[&str] = &[
    "approval",
    "attach",
    "binding",
    "checkpoint",
    "configz",
    "ephemeralcontainers",
    "eviction",
    "exec",
    "finalize",
    "finalizers",
    "healthz",
    "log",
    "metrics",
    "nodeclient",
    "pods",
    "portforward",
    "proxy",
    "resize",
    "scale",
    "selfnodeclient",
    "selfnodeserver",
    "spec",
    "stats",
    "status",
    "statusz",
    "token",
];

/// Blocks a control with a rule that names a group or a resource that does not exist; `at` is the path of
/// the rule, for the message.
pub(super) fn check_rule_types(
    at: &str,
    groups: &[String],
    resources: &[String],
    inventory: &Inventory,
    catalog: &Catalog,
) -> Readiness {
    let types = KnownTypes { catalog, excerpt: inventory.source == ObjectSource::Manifests };
    let missing = groups
        .iter()
        .find_map(|group| types.missing_group(group))
        .or_else(|| resources.iter().find_map(|resource| types.missing(groups, resource)));
    match missing {
        Some(problem) => Readiness::Blocked(Reason::KindNotServed, format!("{at}{problem}")),
        None => Readiness::Ready,
    }
}

struct KnownTypes<'a> {
    catalog: &'a Catalog,
    /// Whether only manifests are known, which say nothing about the CRDs that a cluster has besides.
    excerpt: bool,
}

impl KnownTypes<'_> {
    /// Group and plural of everything that is served, and of what only authorizers know, such as signers.
    fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let served = self.catalog.iter().map(|row| &row.resource);
        let served = served.map(|resource| (resource.group.as_str(), resource.plural.as_str()));
        served.chain(kinds::builtin().map(|builtin| (builtin.group, builtin.plural)))
    }

    fn has_group(&self, group: &str) -> bool {
        group == "*"
            || self.catalog.unreachable_groups.iter().any(|unreachable| unreachable == group)
            || self.all().any(|(known, _)| known == group)
    }

    fn missing_group(&self, group: &str) -> Option<String> {
        let foreign = group.contains('.') && !group.ends_with(".k8s.io");
        if self.has_group(group) || (self.excerpt && foreign) {
            return None;
        }
        let known: BTreeSet<&str> = self.all().map(|(group, _)| group).collect();
        let remedy = write_instead(group, known, "install its CRDs, or correct the name");
        Some(format!(".apiGroups: the cluster serves no API group {group:?}; {remedy}"))
    }

    fn missing(&self, groups: &[String], resource: &str) -> Option<String> {
        let (parent, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let among = |group: &str| groups.iter().any(|listed| listed == "*" || listed == group);
        let unknown = |group: &&String| !self.all().any(|(known, _)| known == group.as_str());
        // A group of which nothing is known may have any resource.
        if groups.iter().any(|group| group != "*" && unknown(&group)) {
            return None;
        }
        if parent != "*" && !self.all().any(|(group, known)| known == parent && among(group)) {
            // The right word with the wrong group: the group is what has to be corrected.
            if let Some(elsewhere) = self.all().find(|(_, known)| *known == parent) {
                return Some(format!(
                    ".resources: {parent:?} is not in these API groups; write {:?} in apiGroups",
                    elsewhere.0
                ));
            }
            let known: BTreeSet<&str> =
                self.all().filter(|(group, _)| among(group)).map(|(_, plural)| plural).collect();
            let remedy = write_instead(parent, known, "write its plural, or install its CRD");
            return Some(format!(
                ".resources: the cluster serves no {parent:?} in these API groups; {remedy}"
            ));
        }
        let builtin =
            kinds::builtin().any(|builtin| builtin.plural == parent && among(builtin.group));
        if subresource.is_empty()
            || !builtin
            || parent == "userextras"
            || SUBRESOURCES.contains(&subresource)
        {
            return None;
        }
        let remedy = write_instead(
            subresource,
            SUBRESOURCES.iter().copied(),
            "write one that the API server serves, such as pods/exec",
        );
        Some(format!(
            ".resources: {parent:?} has no subresource {subresource:?}; {remedy} after the slash"
        ))
    }
}
