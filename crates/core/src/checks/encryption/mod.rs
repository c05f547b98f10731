//! `encryption`: at rest, in volumes and on the wire.
//!
//! A control names the parts it asks for; each is a check of its own over its own kinds.
//!
//! | part | without these kinds the control is unknown | where these are not served, there are none |
//! |---|---|---|
//! | `atRest` | | Pod |
//! | `storageClasses` | `PersistentVolume` | `StorageClass` |
//! | `ingress` | Ingress | `IngressClass`, Certificate (with `minValidity`) |
//! | `gateways` | Gateway, unless `whenServed` | `ListenerSet`, `HTTPRoute`, `GRPCRoute` |
//! | `mesh` | | Namespace, and the policies of Istio and Linkerd |
//! | `certificates` | Certificate, unless `whenServed` | |
//!
//! What must not pass for want of objects (`atRest`, `mesh`) is an item of the cluster, and unknown.

mod at_rest;
mod certificates;
mod gateways;
mod ingress;
mod mesh;
mod storage_classes;
#[cfg(test)]
mod tests;

use super::{
    BuildError, Built, Check, CheckContext, Dependency, Finding, Item, Judgement, reference,
};
use crate::{
    api::{ResourceRef, test_spec::EncryptionTest},
    inventory::{Change, Facts, Inventory, Object, Slot, network::NetworkFacts},
};

/// Compiles an `encryption` test.
pub fn build(spec: &EncryptionTest) -> Result<Built, BuildError> {
    let check = EncryptionCheck::new(spec);
    // A test without a part would pass for want of items.
    if check.parts.is_empty() {
        return Err(BuildError::Invalid(
            "spec.test.encryption checks nothing: write at least one of atRest, storageClasses, \
             ingress, gateways, mesh or certificates"
                .to_owned(),
        ));
    }
    Ok(check.into())
}

/// An `encryption` test, compiled: a check for each part that it asks for.
#[derive(Debug)]
struct EncryptionCheck {
    parts: Vec<Box<dyn Check>>,
}

impl EncryptionCheck {
    fn new(spec: &EncryptionTest) -> Self {
        let mut parts: Vec<Box<dyn Check>> = Vec::new();
        if let Some(at_rest) = &spec.at_rest {
            parts.push(Box::new(at_rest::AtRestCheck::new(&at_rest.resources)));
        }
        if spec.storage_classes.is_some() {
            parts.push(Box::new(storage_classes::StorageClassesCheck));
        }
        if let Some(ingress) = spec.ingress {
            parts.push(Box::new(ingress::IngressCheck::new(ingress.min_validity)));
        }
        if let Some(gateways) = spec.gateways {
            parts.push(Box::new(gateways::GatewaysCheck::new(gateways.when_served)));
        }
        if spec.mesh.is_some() {
            parts.push(Box::new(mesh::MeshCheck));
        }
        if let Some(certificates) = spec.certificates {
            parts.push(Box::new(certificates::CertificatesCheck::new(
                certificates.min_validity,
                certificates.when_served,
            )));
        }
        Self { parts }
    }
}

impl Check for EncryptionCheck {
    fn reads(&self) -> Vec<Dependency> {
        self.parts.iter().flat_map(|part| part.reads()).collect()
    }

    fn items(&self, context: &CheckContext<'_>, visit: &mut dyn FnMut(Item)) {
        for part in &self.parts {
            part.items(context, visit);
        }
    }

    fn affected(&self, context: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        for part in &self.parts {
            part.affected(context, change, visit);
        }
    }

    fn judges_manifests(&self) -> bool {
        self.parts.iter().all(|part| part.judges_manifests())
    }

    /// No two parts judge the same item: their kinds differ, and so do their numbers of
    /// [`Item::Cluster`].
    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        self.parts.iter().find_map(|part| part.judge(context, item))
    }
}

/// The object behind an item; None when it is of another kind, or gone.
fn object_of<'a>(
    context: &CheckContext<'a>,
    item: Item,
    group: &str,
    kind: &str,
) -> Option<(Slot, &'a Object)> {
    let Item::Object(slot) = item else {
        return None;
    };
    let object = context.inventory.get(slot)?;
    is_kind(context.inventory, object, group, kind).then_some((slot, object))
}

/// Whether an object, as it is or was, is of this kind.
fn is_kind(inventory: &Inventory, object: &Object, group: &str, kind: &str) -> bool {
    inventory.find_kind(group, kind) == Some(object.kind)
}

/// The object of a change as it was and as it is, where it was or is at all. What it bore on before and
/// what it bears on now are both affected.
fn both_sides<'a>(
    inventory: &'a Inventory,
    change: &'a Change,
) -> impl Iterator<Item = &'a Object> {
    let sides = match change {
        Change::Object { slot, before } => [before.as_ref(), inventory.get(*slot)],
        Change::ApiServer => [None, None],
    };
    sides.into_iter().flatten()
}

fn network(object: &Object) -> Option<&NetworkFacts> {
    match &object.facts {
        Facts::Network(facts) => Some(facts),
        _ => None,
    }
}

fn finding(rule: &'static str, resource: ResourceRef, message: String) -> Finding {
    Finding { rule: rule.into(), severity: None, resource, subject: None, message }
}

/// The judgement on an object that does not have the shape of its kind: nothing is known of it.
fn malformed(resource: ResourceRef, text: &str) -> Judgement {
    Judgement {
        unknown: vec![finding("Malformed", resource, format!("the object can't be read: {text}"))],
        ..Judgement::default()
    }
}

/// The earlier of two times, where either may be never.
fn earlier(
    one: Option<jiff::Timestamp>,
    other: Option<jiff::Timestamp>,
) -> Option<jiff::Timestamp> {
    one.into_iter().chain(other).min()
}

/// A list for a sentence, cut after a few: an Ingress may have thousands of hosts.
fn some_of<T: AsRef<str>>(names: &[T]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    let text = shown.join(", ");
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{text} and {more} more"),
        _ => text,
    }
}
