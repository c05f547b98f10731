//! Which namespaces and objects a control asks about.

use std::collections::BTreeSet;

use crate::{
    api::{self, Exclusion, Selector, selector::SelectorError},
    inventory::{Facts, Inventory, Object},
};

/// A control's scope, compiled. The default admits everything.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    namespaces: Option<Selector>,
    excluded: BTreeSet<String>,
    /// What somebody else answers for.
    left_out: Vec<Exclusion>,
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
            left_out: scope.exclude.clone(),
        })
    }

    /// Whether the labels of namespaces matter.
    pub fn selects(&self) -> bool {
        self.namespaces.is_some()
    }

    /// Whether an object is left out by `exclude`: it, or the namespace that it is or lies in.
    pub fn leaves_out(&self, inventory: &Inventory, object: &Object) -> bool {
        if self.left_out.is_empty() {
            return false;
        }
        let kind = inventory.kind_state(object.kind).map_or("", |state| &state.resource.kind);
        let place = match &object.facts {
            Facts::Namespace(_) => &object.name,
            _ => &object.namespace,
        };
        let is = |given: &Option<String>, own: &str| given.as_deref() == Some(own);
        self.left_out.iter().any(|entry| {
            if entry.kind.is_none() {
                return is(&entry.namespace, place);
            }
            is(&entry.kind, kind)
                && is(&entry.name, &object.name)
                && entry.namespace.as_deref().unwrap_or_default() == object.namespace.as_str()
        })
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
