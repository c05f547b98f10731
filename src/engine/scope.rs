//! Which namespaces a control asks about.

use std::collections::BTreeSet;

use crate::{
    api::{self, Selector, control::NAME_LABEL, selector::SelectorError},
    inventory::Inventory,
};

/// A control's scope, compiled. The default admits everything.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    namespaces: Option<Selector>,
    excluded: BTreeSet<String>,
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

impl Scope {
    /// Compiles a scope; absent means the whole cluster.
    pub fn compile(scope: Option<&api::Scope>) -> Result<Self, SelectorError> {
        let Some(scope) = scope else {
            return Ok(Self::default());
        };
        Ok(Self {
            namespaces: scope.namespaces.as_ref().map(Selector::compile).transpose()?,
            excluded: scope.exclude_namespaces.iter().cloned().collect(),
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
