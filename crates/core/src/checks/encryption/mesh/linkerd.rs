//! Linkerd: whether a namespace lets in plain text from outside the mesh. Inside, its proxies
//! encrypt by themselves.

use crate::{
    api::ResourceRef,
    checks::{
        Judgement,
        encryption::{finding, network, some_of},
        reference,
    },
    inventory::{
        Facts, Inventory,
        network::{InboundPolicy, LINKERD_POLICY, NetworkFacts},
    },
};

/// What lets clients in, each in the namespace that it is about.
pub const POLICIES: [(&str, &str); 3] = [
    (LINKERD_POLICY, "Server"),
    (LINKERD_POLICY, "AuthorizationPolicy"),
    (LINKERD_POLICY, "ServerAuthorization"),
];

/// Judges a namespace by its default and by what policies in it add.
pub fn judge_namespace(
    inventory: &Inventory,
    namespace: &str,
    default: InboundPolicy,
    resource: ResourceRef,
) -> Judgement {
    let mut judgement = Judgement::default();
    let mut malformed = Vec::new();
    for (group, kind) in POLICIES {
        for (slot, object) in inventory.objects_of(group, kind) {
            // Linkerd's policies are about servers of their own namespace.
            if &*object.namespace != namespace {
                continue;
            }
            if let Facts::Malformed(text) = &object.facts {
                malformed.push(format!("{kind} {namespace}/{} can't be read: {text}", object.name));
            } else if let Some(NetworkFacts::LinkerdPolicy(policy)) = network(object)
                && let (Some(field), Some(resource)) =
                    (policy.plaintext, reference(inventory, slot))
            {
                judgement.failing.push(finding(
                    "PlaintextAllowed",
                    resource,
                    format!("{field} lets in clients without an identity, which send plain text: demand a MeshTLSAuthentication"),
                ));
            }
        }
    }
    // Objects come in no order, and the messages must have one.
    judgement.failing.sort_by(|a, b| a.resource.cmp(&b.resource));
    malformed.sort_unstable();
    if !malformed.is_empty() {
        judgement.unknown.push(finding(
            "PolicyNotReadable",
            resource.clone(),
            format!("who is let in is not known: {}", some_of(&malformed)),
        ));
    }
    match default {
        InboundPolicy::Authenticated => {}
        InboundPolicy::Unauthenticated => judgement.failing.push(finding(
            "PlaintextAllowed",
            resource,
            "pods of this namespace accept plain text: set its annotation config.linkerd.io/default-inbound-policy to all-authenticated".to_owned(),
        )),
        InboundPolicy::NotStated => judgement.unknown.push(finding(
            "DefaultPolicyNotShown",
            resource,
            "whether pods of this namespace accept plain text is up to the default of the mesh (proxy.defaultInboundPolicy), which no object shows: set the annotation config.linkerd.io/default-inbound-policy to all-authenticated".to_owned(),
        )),
    }
    judgement
}
