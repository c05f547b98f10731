//! Which namespaces a control asks about.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    api::{self, Selector, selector::SelectorError},
    inventory::Inventory,
};

/// A control's scope, compiled: where it looks, and what it leaves to another. The default admits
/// everything.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    namespaces: Option<Selector>,
    excluded: BTreeSet<String>,
    /// The control that says who holds cluster-admin, where this one leaves that to another.
    pub cluster_admin: Option<Arc<str>>,
}

/// Whether a namespace is in scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is.
    In,
    /// It is not.
    Out,
    /// Its labels are not known, so a selector can't decide.
    Unknown,
}

/// The label that every API server sets on every namespace (KEP-2161).
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

impl Scope {
    /// Compiles a scope; absent means the whole cluster.
    pub fn compile(scope: Option<&api::Scope>) -> Result<Self, SelectorError> {
        let Some(scope) = scope else {
            return Ok(Self::default());
        };
        Ok(Self {
            namespaces: scope.namespaces.as_ref().map(Selector::compile).transpose()?,
            excluded: scope.exclude_namespaces.iter().cloned().collect(),
            cluster_admin: None,
        })
    }

    /// Whether the labels of namespaces matter.
    pub fn selects(&self) -> bool {
        self.namespaces.is_some()
    }

    /// Whether a namespace is in scope. What is cluster-scoped (an empty name) always is: leaving
    /// it out by a namespace filter would hide the worst findings.
    pub fn admits(&self, inventory: &Inventory, namespace: &str) -> Admission {
        if namespace.is_empty() {
            return Admission::In;
        }
        if self.excluded.contains(namespace) {
            return Admission::Out;
        }
        let Some(selector) = &self.namespaces else {
            return Admission::In;
        };
        let known = inventory.namespace(namespace);
        if known.is_none() && !selector.keys().all(|key| key == NAME_LABEL) {
            return Admission::Unknown;
        }
        let matches = selector.matches(|key| match known.and_then(|facts| facts.labels.get(key)) {
            Some(value) => Some(value),
            None if key == NAME_LABEL => Some(namespace),
            None => None,
        });
        if matches { Admission::In } else { Admission::Out }
    }
}
