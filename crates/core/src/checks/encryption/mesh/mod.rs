//! `mesh`: pods of the mesh talk to each other over mutual TLS only.
//!
//! Of a namespace, the check asks whether it is in a mesh and whether its proxies refuse plain
//! text. Pods that opt out by their own labels are not seen here.

mod istio;
mod linkerd;

use super::{
    Check, CheckContext, Dependency, Item, Judgement, both_sides, finding, is_kind, malformed,
    object_of, reference,
};
use crate::{
    api::ResourceRef,
    checks::{visit_changed, visit_kinds},
    inventory::{Change, Facts, Inventory, Object, network::MeshMembership},
};

const NAMESPACE: (&str, &str) = ("", "Namespace");

/// Whether there is a mesh at all. `atRest` numbers its items from 0, so the last number is free.
const ANY_MESH: Item = Item::Cluster(u32::MAX);

/// The `mesh` part of an `encryption` test, compiled.
#[derive(Debug)]
pub struct MeshCheck;

impl Check for MeshCheck {
    fn reads(&self) -> Vec<Dependency> {
        [istio::POLICY, istio::DESTINATION]
            .into_iter()
            .chain(linkerd::POLICIES)
            .map(|(group, kind)| Dependency::optional(group, kind))
            .chain([Dependency::optional(NAMESPACE.0, NAMESPACE.1)])
            .collect()
    }

    fn items(&self, context: &CheckContext<'_>, visit: &mut dyn FnMut(Item)) {
        visit(ANY_MESH);
        visit_kinds(context.inventory, &[NAMESPACE, istio::DESTINATION], visit);
    }

    fn affected(&self, context: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        visit_changed(change, visit);
        let inventory = context.inventory;
        // The first namespace in a mesh, or the last to leave it, decides whether there is one at all.
        if membership_changed(inventory, change) {
            self.items(context, visit);
            return;
        }
        for object in both_sides(inventory, change) {
            if !is_policy(inventory, object) {
                continue;
            }
            // A policy of the root namespace may hold for every namespace without one of its own.
            if &*object.namespace == istio::ROOT {
                visit_kinds(inventory, &[NAMESPACE], visit);
            } else if let Some(slot) = inventory
                .find_kind(NAMESPACE.0, NAMESPACE.1)
                .and_then(|kind| inventory.find(kind, "", &object.namespace))
            {
                visit(Item::Object(slot));
            }
        }
    }

    fn judges_manifests(&self) -> bool {
        false
    }

    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        let meshed = context.inventory.network.meshed() > 0;
        if item == ANY_MESH {
            return (!meshed).then(no_mesh);
        }
        let (group, kind) = istio::DESTINATION;
        if let Some((slot, object)) = object_of(context, item, group, kind) {
            return istio::judge_destination(context.inventory, slot, object);
        }
        let (slot, object) = object_of(context, item, NAMESPACE.0, NAMESPACE.1)?;
        // Without any mesh, one finding for the cluster says it; one for each namespace would drown it.
        if !meshed {
            return None;
        }
        let resource = reference(context.inventory, slot)?;
        match &object.facts {
            Facts::Malformed(text) => Some(malformed(resource, text)),
            Facts::Namespace(facts) => Some(match facts.mesh {
                None => outside(resource),
                Some(MeshMembership::IstioSidecar | MeshMembership::IstioAmbient) => {
                    istio::judge_namespace(context.inventory, &object.name, resource)
                }
                Some(MeshMembership::Linkerd(default)) => {
                    linkerd::judge_namespace(context.inventory, &object.name, default, resource)
                }
            }),
            _ => None,
        }
    }
}

/// Whether an object decides what the proxies of its namespace accept.
fn is_policy(inventory: &Inventory, object: &Object) -> bool {
    linkerd::POLICIES
        .iter()
        .chain([&istio::POLICY])
        .any(|(group, kind)| is_kind(inventory, object, group, kind))
}

fn membership_changed(inventory: &Inventory, change: &Change) -> bool {
    let Change::Object { slot, before } = change else {
        return false;
    };
    let of = |object: Option<&Object>| match object.map(|object| &object.facts) {
        Some(Facts::Namespace(facts)) => facts.mesh,
        _ => None,
    };
    of(before.as_ref()) != of(inventory.get(*slot))
}

fn outside(resource: ResourceRef) -> Judgement {
    Judgement {
        failing: vec![finding(
            "OutsideMesh",
            resource,
            "the pods of this namespace are not in the mesh, so their traffic is not encrypted by it: label the namespace as the mesh requires (istio-injection: enabled, istio.io/dataplane-mode: ambient; for Linkerd the annotation linkerd.io/inject: enabled), or leave it out of spec.scope".to_owned(),
        )],
        ..Judgement::default()
    }
}

fn no_mesh() -> Judgement {
    let cluster = ResourceRef {
        api_version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        namespace: None,
        name: "*".to_owned(),
    };
    Judgement {
        unknown: vec![finding(
            "NoMesh",
            cluster,
            "no namespace is in a mesh that is known here (Istio, Linkerd). Where the network plugin encrypts instead (Cilium with WireGuard or IPsec), or another mesh does, attest it".to_owned(),
        )],
        ..Judgement::default()
    }
}
