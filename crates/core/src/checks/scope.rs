//! Which namespaces and objects a control asks about.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    api::{self, Exclusion, Selector, control::NAME_LABEL, selector::SelectorError},
    inventory::{Facts, Inventory, Object, ObjectSource},
};

/// A control's scope, compiled: where it looks, and what it leaves to another. The default admits
/// everything.
#[derive(Clone, Debug, Default)]
pub struct ScopeFilter {
    namespaces: Option<Selector>,
    excluded: BTreeSet<String>,
    /// Objects and namespaces that somebody else answers for.
    exclusions: Vec<Exclusion>,
    /// The control that says who holds cluster-admin, where this one leaves that to another. Set by the
    /// engine, since it depends on the other controls.
    pub cluster_admin: Option<Arc<str>>,
}

/// Whether a namespace is in scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    In,
    Out,
    /// Its labels are not known, so the selector can't decide.
    Unknown,
}

impl ScopeFilter {
    /// Compiles a scope; absent means the whole cluster.
    pub fn compile(scope: Option<&api::ControlScope>) -> Result<Self, SelectorError> {
        let Some(scope) = scope else {
            return Ok(Self::default());
        };
        Ok(Self {
            namespaces: scope.namespaces.as_ref().map(Selector::compile).transpose()?,
            excluded: scope.exclude_namespaces.iter().cloned().collect(),
            exclusions: scope.exclude.clone(),
            cluster_admin: None,
        })
    }

    /// Whether the labels of namespaces decide, so that a change of them may change what is in scope.
    pub fn selects(&self) -> bool {
        self.namespaces.is_some()
    }

    /// Whether an object is left out by `exclude`: it, or the namespace that it is or lies in.
    pub fn leaves_out(&self, inventory: &Inventory, object: &Object) -> bool {
        if self.exclusions.is_empty() {
            return false;
        }
        let kind = inventory.kind_state(object.kind).map_or("", |state| &state.resource.kind);
        let place = match &object.facts {
            Facts::Namespace(_) => &object.name,
            _ => &object.namespace,
        };
        self.leaves_out_resource(kind, &object.namespace, &object.name, place)
    }

    /// The same for a resource that need not be known; `place` is the namespace that it lies in, or is.
    pub fn leaves_out_resource(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        place: &str,
    ) -> bool {
        let is = |given: &Option<String>, own: &str| given.as_deref() == Some(own);
        self.exclusions.iter().any(|entry| {
            // Without a kind the entry names a namespace, and all that is in it.
            if entry.kind.is_none() {
                return is(&entry.namespace, place);
            }
            is(&entry.kind, kind)
                && is(&entry.name, name)
                && entry.namespace.as_deref().unwrap_or_default() == namespace
        })
    }

    /// Whether a namespace is in scope. What is cluster-scoped (an empty name) always is: leaving
    /// it out by a namespace filter would hide the worst findings.
    pub fn admits(&self, inventory: &Inventory, namespace: &str) -> Admission {
        if namespace.is_empty() {
            return Admission::In;
        }
        // By name first: it needs no labels, so it decides even where those are not known.
        if self.excluded.contains(namespace) {
            return Admission::Out;
        }
        let Some(selector) = &self.namespaces else {
            return Admission::In;
        };
        let Some(facts) = inventory.namespace(namespace) else {
            return admits_unlabelled(selector, inventory.source, namespace);
        };
        let fits = selector.matches(|key| match key {
            // The API server sets this one itself, whatever the manifest says.
            NAME_LABEL => Some(namespace),
            _ => facts.labels.get(key),
        });
        if fits { Admission::In } else { Admission::Out }
    }
}

/// Whether a namespace whose labels are not known is in scope. A chart never renders its Namespace: in
/// manifests such a namespace counts as in scope, so that nothing is skipped unseen.
fn admits_unlabelled(selector: &Selector, source: ObjectSource, namespace: &str) -> Admission {
    if !selector.matches_key(NAME_LABEL, Some(namespace)) {
        return Admission::Out;
    }
    // A name alone can be matched without labels.
    match source {
        ObjectSource::Cluster if selector.keys().any(|key| key != NAME_LABEL) => Admission::Unknown,
        ObjectSource::Cluster | ObjectSource::Manifests => Admission::In,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope(namespaces: serde_json::Value) -> ScopeFilter {
        let scope = serde_json::from_value(json!({"namespaces": namespaces})).unwrap();
        ScopeFilter::compile(Some(&scope)).unwrap()
    }

    #[test]
    fn a_namespace_that_no_file_describes_is_in_scope_unless_its_name_is_not() {
        let by_label = scope(json!({"matchLabels": {"env": "prod"}}));
        let by_name = scope(json!({"matchLabels": {NAME_LABEL: "a"}}));
        let both = scope(json!({"matchLabels": {NAME_LABEL: "a", "env": "prod"}}));
        let cluster = Inventory::default();
        let mut files = Inventory::default();
        files.source = ObjectSource::Manifests;
        for (scope, namespace, in_cluster, in_files) in [
            (&by_label, "a", Admission::Unknown, Admission::In),
            (&by_name, "a", Admission::In, Admission::In),
            (&by_name, "b", Admission::Out, Admission::Out),
            (&both, "a", Admission::Unknown, Admission::In),
            (&both, "b", Admission::Out, Admission::Out),
            (&both, "", Admission::In, Admission::In),
        ] {
            assert_eq!(scope.admits(&cluster, namespace), in_cluster, "{namespace}");
            assert_eq!(scope.admits(&files, namespace), in_files, "{namespace}");
        }
    }
}
