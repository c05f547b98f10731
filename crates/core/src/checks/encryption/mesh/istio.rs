//! Istio: which mode the proxies of a namespace demand, and which rules switch TLS off.

use jiff::Timestamp;

use crate::{
    api::ResourceRef,
    checks::{
        Finding, Judgement,
        encryption::{finding, malformed, network, some_of},
        reference,
    },
    inventory::{
        Facts, Inventory, Object, Slot, Symbol,
        network::{
            DestinationRuleFacts, ISTIO_NETWORKING, ISTIO_SECURITY, MtlsMode, NetworkFacts,
            PeerAuthenticationFacts,
        },
    },
};

/// The kind that decides what proxies accept.
pub const POLICY: (&str, &str) = (ISTIO_SECURITY, "PeerAuthentication");
/// The kind that decides how proxies talk to a host.
pub const DESTINATION: (&str, &str) = (ISTIO_NETWORKING, "DestinationRule");

/// The namespace whose policies without a selector hold for the whole mesh. Istio can be told
/// another (`rootNamespace`), which no object shows; a policy in each namespace is seen anyway.
pub const ROOT: &str = "istio-system";

/// A policy in force, with its name.
struct PeerPolicy<'a> {
    object: &'a Object,
    slot: Slot,
    facts: &'a PeerAuthenticationFacts,
}

/// The policies of one namespace: the one for all its pods, and those for some.
#[derive(Default)]
struct PeerPolicies<'a> {
    general: Option<PeerPolicy<'a>>,
    selecting: Vec<PeerPolicy<'a>>,
    malformed: Vec<String>,
}

impl<'a> PeerPolicies<'a> {
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
                        policies.add(PeerPolicy { object, slot, facts });
                    }
                }
            }
        }
        policies.selecting.sort_by(|a, b| a.object.name.cmp(&b.object.name));
        policies.malformed.sort_unstable();
        policies
    }

    /// Of several policies for the same pods, Istio takes the oldest.
    fn add(&mut self, policy: PeerPolicy<'a>) {
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

impl PeerPolicy<'_> {
    fn age(&self) -> (Timestamp, &Symbol) {
        (self.facts.created.unwrap_or(Timestamp::MAX), &self.object.name)
    }
}

/// Judges a namespace by its mode (that of its own policy, else of the mesh's, else Istio's default), and
/// by the policies for some of its pods.
pub fn judge_namespace(
    inventory: &Inventory,
    namespace: &Symbol,
    resource: ResourceRef,
) -> Judgement {
    let mesh = PeerPolicies::of(inventory, ROOT);
    let own = PeerPolicies::of(inventory, namespace);
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
    // What selecting policies let in is known all the same, so it stands beside the unknown.
    if undecided {
        let malformed: Vec<&str> =
            own.malformed.iter().chain(&mesh.malformed).map(String::as_str).collect();
        judgement.unknown.push(finding(
            "PolicyNotReadable",
            resource,
            format!("the mode is not known: {}", some_of(&malformed)),
        ));
    }
    judgement
}

/// The finding that a policy for some pods lets plain text in; None when it does not. One that only
/// inherits its mode is not at fault.
fn weakened(inventory: &Inventory, policy: &PeerPolicy<'_>) -> Option<Finding> {
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
            some_of(&fields)
        ),
    ))
}

/// Judges a `DestinationRule`; None when it says nothing about TLS inside of the cluster.
pub fn judge_destination(inventory: &Inventory, slot: Slot, object: &Object) -> Option<Judgement> {
    let resource = reference(inventory, slot)?;
    if let Facts::Malformed(text) = &object.facts {
        return Some(malformed(resource, text));
    }
    let Some(NetworkFacts::DestinationRule(facts)) = network(object) else {
        return None;
    };
    // Not of the population: the rule leaves TLS to the mesh, or is about a host outside.
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
                some_of(&facts.disables_tls)
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
