//! The names of the items that were judged: the population from which an auditor draws samples.

use crate::{
    api::ResourceRef,
    checks::{self, Item},
    inventory::{Inventory, rbac::SubjectNode},
};

/// The names of items, without those that are gone. A subject is named as a binding names it.
pub fn names(inventory: &Inventory, items: impl Iterator<Item = Item>) -> Vec<ResourceRef> {
    items
        .filter_map(|item| match item {
            Item::Object(slot) => checks::reference(inventory, slot),
            Item::Subject(id) => inventory.rights.subject(id).map(subject),
            Item::Cluster(part) => Some(cluster(part)),
        })
        .collect()
}

fn subject(node: &SubjectNode) -> ResourceRef {
    let subject = &node.subject;
    let namespace = subject.namespace().map(ToString::to_string);
    let api_version = if namespace.is_some() { "v1" } else { "rbac.authorization.k8s.io/v1" };
    ResourceRef {
        api_version: api_version.to_owned(),
        kind: subject.kind().to_owned(),
        namespace,
        name: subject.name().to_string(),
    }
}

/// An item of the cluster as a whole, by its number within the check.
fn cluster(part: u32) -> ResourceRef {
    ResourceRef {
        api_version: "v1".to_owned(),
        kind: "Cluster".to_owned(),
        namespace: None,
        name: format!("cluster/{part}"),
    }
}
