//! `mesh`: pods of the mesh talk to each other over mutual TLS only.
//!
//! Of a namespace, the check asks whether it is in the mesh and which mode its proxies demand.
//! Pods that opt out by their own labels are not seen here.

use jiff::Timestamp;

use super::{
    Check, Context, Finding, Item, Judgement, Read, both_sides, finding, is_kind, malformed,
    network, object_of, reference,
};
use crate::{
    api::ResourceRef,
    checks::{visit_changed, visit_kinds},
    inventory::{
        Change, Facts, Inventory, Object, Slot, Symbol,
        network::{
            DestinationRuleFacts, ISTIO_NETWORKING, ISTIO_SECURITY, MtlsMode, NetworkFacts,
            PeerAuthenticationFacts, membership,
        },
    },
};

const NAMESPACE: (&str, &str) = ("", "Namespace");
const POLICY: (&str, &str) = (ISTIO_SECURITY, "PeerAuthentication");
const DESTINATION: (&str, &str) = (ISTIO_NETWORKING, "DestinationRule");

/// The namespace whose policies without a selector hold for the whole mesh. Istio can be told
/// another (`rootNamespace`), which no object shows; a policy in each namespace is seen anyway.
const ROOT: &str = "istio-system";

/// The cluster as such: whether there is a mesh at all. Far from the numbers of other parts.
const ANY_MESH: Item = Item::Cluster(u32::MAX);

/// The check.
#[derive(Debug)]
pub struct Mesh;

impl Check for Mesh {
    fn reads(&self) -> Vec<Read> {
        vec![
            Read::required(NAMESPACE.0, NAMESPACE.1),
            Read::optional(POLICY.0, POLICY.1),
            Read::optional(DESTINATION.0, DESTINATION.1),
        ]
    }

    fn items(&self, context: &Context<'_>, visit: &mut dyn FnMut(Item)) {
        visit(ANY_MESH);
        visit_kinds(context.inventory, &[NAMESPACE, DESTINATION], visit);
    }

    fn affected(&self, context: &Context<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        visit_changed(change, visit);
        let inventory = context.inventory;
        if membership_changed(inventory, change) {
            self.items(context, visit);
            return;
        }
        for object in both_sides(inventory, change) {
            if !is_kind(inventory, object, POLICY.0, POLICY.1) {
                continue;
            }
            if &*object.namespace == ROOT {
                visit_kinds(inventory, &[NAMESPACE], visit);
            } else if let Some(slot) = inventory
                .find_kind(NAMESPACE.0, NAMESPACE.1)
                .and_then(|kind| inventory.find(kind, "", &object.namespace))
            {
                visit(Item::Object(slot));
            }
        }
    }

    fn judge(&self, context: &Context<'_>, item: Item) -> Option<Judgement> {
        let meshed = context.inventory.network.meshed() > 0;
        if item == ANY_MESH {
            return (!meshed).then(no_mesh);
        }
        if let Some((slot, object)) = object_of(context, item, DESTINATION.0, DESTINATION.1) {
            return judge_destination(context.inventory, slot, object);
        }
        let (slot, object) = object_of(context, item, NAMESPACE.0, NAMESPACE.1)?;
        if !meshed {
            return None;
        }
        let resource = reference(context.inventory, slot)?;
        match &object.facts {
            Facts::Malformed(text) => Some(malformed(resource, text)),
            Facts::Namespace(facts) if membership(&facts.labels).is_none() => Some(Judgement {
                failing: vec![finding(
                    "OutsideMesh",
                    resource,
                    "the pods of this namespace are not in the mesh, so their traffic is not encrypted by it: label it istio-injection: enabled or istio.io/dataplane-mode: ambient, or leave it out of spec.scope".to_owned(),
                )],
                ..Judgement::default()
            }),
            Facts::Namespace(_) => Some(judge_namespace(context.inventory, &object.name, resource)),
            _ => None,
        }
    }
}

fn membership_changed(inventory: &Inventory, change: &Change) -> bool {
    let Change::Object { slot, before } = change else {
        return false;
    };
    let of = |object: Option<&Object>| match object.map(|object| &object.facts) {
        Some(Facts::Namespace(facts)) => membership(&facts.labels),
        _ => None,
    };
    of(before.as_ref()) != of(inventory.get(*slot))
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
            "no namespace is in a mesh that is known here (Istio). Where the network plugin encrypts instead (Cilium with WireGuard or IPsec), or another mesh does, attest it".to_owned(),
        )],
        ..Judgement::default()
    }
}

/// A policy in force, with its name.
struct Policy<'a> {
    object: &'a Object,
    slot: Slot,
    facts: &'a PeerAuthenticationFacts,
}

/// The policies of one namespace: the one for all its pods, and those for some.
#[derive(Default)]
struct Policies<'a> {
    general: Option<Policy<'a>>,
    selecting: Vec<Policy<'a>>,
    malformed: Vec<String>,
}

impl<'a> Policies<'a> {
    fn of(inventory: &'a Inventory, namespace: &str) -> Self {
        let mut policies = Self::default();
        for (slot, object) in inventory.objects_of(POLICY.0, POLICY.1) {
            if &*object.namespace != namespace {
                continue;
            }
            match &object.facts {
                Facts::Malformed(text) => policies.malformed.push(format!(
                    "PeerAuthentication {namespace}/{} can't be read: {text}",
                    object.name
                )),
                _ => {
                    if let Some(NetworkFacts::PeerAuthentication(facts)) = network(object) {
                        policies.add(Policy { object, slot, facts });
                    }
                }
            }
        }
        policies.selecting.sort_by(|a, b| a.object.name.cmp(&b.object.name));
        policies.malformed.sort_unstable();
        policies
    }

    /// Of several policies for the same pods, Istio takes the oldest.
    fn add(&mut self, policy: Policy<'a>) {
        if policy.facts.selects {
            self.selecting.push(policy);
        } else if self.general.as_ref().is_none_or(|known| policy.age() < known.age()) {
            self.general = Some(policy);
        }
    }

    fn mode(&self) -> Option<(MtlsMode, String)> {
        let policy = self.general.as_ref()?;
        let Object { namespace, name, .. } = policy.object;
        let mode = policy.facts.mode?;
        Some((mode, format!("PeerAuthentication {namespace}/{name}")))
    }
}

impl Policy<'_> {
    fn age(&self) -> (Timestamp, &Symbol) {
        (self.facts.created.unwrap_or(Timestamp::MAX), &self.object.name)
    }
}

/// Mode of a namespace: its own policy, else that of the mesh, else what Istio does by itself;
/// then what policies for some pods make of it.
fn judge_namespace(inventory: &Inventory, namespace: &Symbol, resource: ResourceRef) -> Judgement {
    let mesh = Policies::of(inventory, ROOT);
    let own = Policies::of(inventory, namespace);
    let (mode, source) = own
        .mode()
        .or_else(|| mesh.mode())
        .unwrap_or((MtlsMode::Permissive, "no PeerAuthentication".to_owned()));
    // A policy that can't be read may decide otherwise.
    let undecided =
        !own.malformed.is_empty() || (own.mode().is_none() && !mesh.malformed.is_empty());
    let mut judgement = Judgement::default();
    if mode != MtlsMode::Strict && !undecided {
        judgement.failing.push(finding(
            "PlaintextAllowed",
            resource.clone(),
            format!(
                "pods of this namespace accept plain text: the mode is {} ({source}). Set spec.mtls.mode: STRICT in a PeerAuthentication without a selector, here or in {ROOT}",
                mode.as_str()
            ),
        ));
    }
    // Istio ignores selectors in the root namespace.
    if &**namespace != ROOT {
        for policy in &own.selecting {
            judgement.failing.extend(weakened(inventory, policy));
        }
    }
    if undecided {
        let malformed: Vec<&str> =
            own.malformed.iter().chain(&mesh.malformed).map(String::as_str).collect();
        judgement.unknown.push(finding(
            "PolicyNotReadable",
            resource,
            format!("the mode is not known: {}", super::some_of(&malformed)),
        ));
    }
    judgement
}

/// What a policy for some pods lets in. One that only inherits is not at fault.
fn weakened(inventory: &Inventory, policy: &Policy<'_>) -> Option<Finding> {
    let weak = |mode: MtlsMode| mode != MtlsMode::Strict;
    let mut fields: Vec<String> = policy
        .facts
        .mode
        .filter(|mode| weak(*mode))
        .map(|mode| format!("spec.mtls.mode is {}", mode.as_str()))
        .into_iter()
        .collect();
    for (port, mode) in &policy.facts.ports {
        if let Some(mode) = mode.filter(|mode| weak(*mode)) {
            fields.push(format!("spec.portLevelMtls.{port}.mode is {}", mode.as_str()));
        }
    }
    if fields.is_empty() {
        return None;
    }
    Some(finding(
        "PlaintextAllowed",
        reference(inventory, policy.slot)?,
        format!(
            "the pods that it selects accept plain text: {}. Set STRICT, or remove it",
            super::some_of(&fields)
        ),
    ))
}

fn judge_destination(inventory: &Inventory, slot: Slot, object: &Object) -> Option<Judgement> {
    let resource = reference(inventory, slot)?;
    if let Facts::Malformed(text) = &object.facts {
        return Some(malformed(resource, text));
    }
    let Some(NetworkFacts::DestinationRule(facts)) = network(object) else {
        return None;
    };
    if !facts.has_tls || !in_cluster(facts) {
        return None;
    }
    let mut judgement = Judgement::default();
    if !facts.disables_tls.is_empty() {
        judgement.failing.push(finding(
            "PlaintextDestination",
            resource,
            format!(
                "proxies send plain text to {}: {} is DISABLE; remove it, or set ISTIO_MUTUAL",
                facts.host,
                super::some_of(&facts.disables_tls)
            ),
        ));
    }
    Some(judgement)
}

/// Whether the host is a service of the cluster. For one outside, the pod itself may speak TLS.
fn in_cluster(facts: &DestinationRuleFacts) -> bool {
    let host = &*facts.host;
    !host.contains('.') || host == "*.local" || host.split('.').any(|label| label == "svc")
}
