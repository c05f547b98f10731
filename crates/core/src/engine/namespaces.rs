//! The namespaces by whose labels scopes select: who labels one moves what is in it into a control or
//! out of it, so their labels are recorded like a change of the control.

use std::collections::BTreeMap;

use super::{Engine, tracked::TrackedControl};
use crate::inventory::{Availability, Change, Facts, Inventory, Object};

/// A namespace as scopes see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedNamespace {
    pub name: String,
    /// None where it passed no API server.
    pub uid: Option<String>,
    pub labels: BTreeMap<String, String>,
}

impl Engine {
    /// All namespaces, by name, while a scope selects by their labels. None while none does, and until
    /// all are known.
    pub fn namespaces(&self) -> Option<Vec<ObservedNamespace>> {
        let inventory = &self.inventory;
        if !self.controls.values().any(TrackedControl::selects_namespaces)
            || inventory.availability("", "Namespace") != Availability::Complete
        {
            return None;
        }
        let objects = inventory.objects_of("", "Namespace");
        let mut all: Vec<_> = objects.filter_map(|(_, object)| observed(object)).collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Some(all)
    }

    /// The version of the namespaces: the same means that none came, changed or went.
    pub fn namespaces_version(&self) -> u64 {
        self.namespaces_version
    }
}

/// Whether a change is one of a namespace.
pub(super) fn concerns(inventory: &Inventory, change: &Change) -> bool {
    let Change::Object { slot, before } = change else { return false };
    let is_namespace = |object: &Object| matches!(object.facts, Facts::Namespace(_));
    before.as_ref().or_else(|| inventory.get(*slot)).is_some_and(is_namespace)
}

fn observed(object: &Object) -> Option<ObservedNamespace> {
    let Facts::Namespace(facts) = &object.facts else { return None };
    Some(ObservedNamespace {
        name: object.name.to_string(),
        uid: object.uid.as_deref().map(str::to_owned),
        labels: (facts.labels.iter())
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect(),
    })
}
