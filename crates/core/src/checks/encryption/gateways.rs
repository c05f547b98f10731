//! `gateways`: every listener of every Gateway terminates TLS or passes it on; plain HTTP does
//! nothing but redirect to it.

use super::{
    Check, CheckContext, Dependency, Item, Judgement, both_sides, finding, is_kind, malformed,
    network, object_of, reference, some_of,
};
use crate::{
    api::ResourceRef,
    checks::{visit_changed, visit_kinds},
    inventory::{
        Change, Facts, Inventory, Object,
        network::{
            GATEWAY_API, GatewayFacts, Listener, ListenerCertificate, NetworkFacts, ParentRef,
            RouteFacts, RoutesFrom,
        },
    },
};

/// The kinds that have listeners.
const GATEWAYS: [(&str, &str); 2] = [(GATEWAY_API, "Gateway"), (GATEWAY_API, "ListenerSet")];
/// The kinds that attach to an HTTP listener.
const ROUTES: [(&str, &str); 2] = [(GATEWAY_API, "HTTPRoute"), (GATEWAY_API, "GRPCRoute")];

/// The `gateways` part of an `encryption` test, compiled.
#[derive(Debug)]
pub struct GatewaysCheck {
    when_served: bool,
}

impl GatewaysCheck {
    /// With `when_served`, a cluster without the Gateway API has nothing to judge.
    pub fn new(when_served: bool) -> Self {
        Self { when_served }
    }
}

impl Check for GatewaysCheck {
    fn reads(&self) -> Vec<Dependency> {
        // Whoever asks about gateways has them: a cluster without their CRD does not answer the test.
        let [(group, kind), others @ ..] = GATEWAYS;
        let optional = others.into_iter().chain(ROUTES);
        std::iter::once(Dependency::when_served(group, kind, self.when_served))
            .chain(optional.map(|(group, kind)| Dependency::optional(group, kind)))
            .collect()
    }

    fn items(&self, context: &CheckContext<'_>, visit: &mut dyn FnMut(Item)) {
        visit_kinds(context.inventory, &GATEWAYS, visit);
    }

    fn affected(&self, context: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        visit_changed(change, visit);
        let inventory = context.inventory;
        for object in both_sides(inventory, change) {
            match &object.facts {
                Facts::Network(facts) => {
                    if let NetworkFacts::Route(route) = &**facts {
                        visit_parents(inventory, route, visit);
                    }
                }
                // It may have named any Gateway.
                Facts::Malformed(_) if is_route(inventory, object) => {
                    visit_kinds(inventory, &GATEWAYS, visit);
                }
                _ => {}
            }
        }
    }

    fn judge(&self, context: &CheckContext<'_>, item: Item) -> Option<Judgement> {
        let ((slot, object), kind) = GATEWAYS.into_iter().find_map(|(group, kind)| {
            object_of(context, item, group, kind).map(|found| (found, kind))
        })?;
        let resource = reference(context.inventory, slot)?;
        if let Facts::Malformed(text) = &object.facts {
            return Some(malformed(resource, text));
        }
        let Some(NetworkFacts::Gateway(facts)) = network(object) else {
            return None;
        };
        // One without listeners of its own serves nothing.
        if facts.listeners.is_empty() {
            return None;
        }
        Some(judge_listeners(
            &Attachment { inventory: context.inventory, gateway: object, kind },
            facts,
            &resource,
        ))
    }
}

fn visit_parents(inventory: &Inventory, route: &RouteFacts, visit: &mut dyn FnMut(Item)) {
    for parent in &route.parents {
        let slot = inventory
            .find_kind(GATEWAY_API, &parent.kind)
            .and_then(|kind| inventory.find(kind, &parent.namespace, &parent.name));
        if let Some(slot) = slot {
            visit(Item::Object(slot));
        }
    }
}

fn is_route(inventory: &Inventory, object: &Object) -> bool {
    ROUTES.iter().any(|(group, kind)| is_kind(inventory, object, group, kind))
}

/// The listeners of a Gateway, by what is wrong with them: one finding for each rule, since a
/// Gateway may have 64.
#[derive(Debug, Default)]
struct ListenerProblems {
    plaintext: Vec<String>,
    no_certificate: Vec<String>,
    refused: Vec<String>,
    maybe_no_certificate: Vec<String>,
    unresolved: Vec<String>,
    opaque: Vec<String>,
    undecided: Vec<String>,
}

fn judge_listeners(
    attachment: &Attachment<'_>,
    facts: &GatewayFacts,
    resource: &ResourceRef,
) -> Judgement {
    let mut problems = ListenerProblems::default();
    for listener in &facts.listeners {
        problems.add(attachment, listener);
    }
    let mut judgement = Judgement::default();
    for (rule, what, listeners, remedy) in [
        (
            "PlaintextListener",
            "HTTP is served as plain text by",
            &problems.plaintext,
            "attach an HTTPRoute whose rules all redirect (RequestRedirect, scheme: https), and the other routes to an HTTPS listener by sectionName",
        ),
        (
            "ListenerWithoutCertificate",
            "TLS has no certificate at",
            &problems.no_certificate,
            "name one in tls.certificateRefs",
        ),
        (
            "PassthroughOverHttps",
            "the Gateway API refuses tls.mode Passthrough for HTTPS, at",
            &problems.refused,
            "use protocol TLS and a TLSRoute to pass TLS on, or tls.mode Terminate with a certificate",
        ),
        (
            "UnresolvedReference",
            "the controller can't resolve what is named by",
            &problems.unresolved,
            "fix the reference, or allow it with a ReferenceGrant",
        ),
    ] {
        if !listeners.is_empty() {
            let message = format!("{what} {}: {remedy}", some_of(listeners));
            judgement.failing.push(finding(rule, resource.clone(), message));
        }
    }
    for (rule, what, listeners, remedy) in [
        (
            "CertificateNotShown",
            "tls.options are not known here, and may name no certificate, at",
            &problems.maybe_no_certificate,
            "name one in tls.certificateRefs, or attest it",
        ),
        (
            "OpaqueListener",
            "what passes is not visible at",
            &problems.opaque,
            "use protocol TLS, or attest that both ends encrypt",
        ),
        (
            "RouteNotReadable",
            "a route that can't be read may serve plain text at",
            &problems.undecided,
            "fix the malformed HTTPRoute or GRPCRoute",
        ),
    ] {
        if !listeners.is_empty() {
            let message = format!("{what} {}: {remedy}", some_of(listeners));
            judgement.unknown.push(finding(rule, resource.clone(), message));
        }
    }
    judgement
}

impl ListenerProblems {
    fn add(&mut self, attachment: &Attachment<'_>, listener: &Listener) {
        let name = format!("listener {} ({})", listener.name, listener.protocol);
        match &*listener.protocol {
            "HTTP" => match attachment.redirects(listener) {
                Some(true) => {}
                Some(false) => self.plaintext.push(name),
                None => self.undecided.push(name),
            },
            "HTTPS" | "TLS" => {
                // What the controller can't resolve it does not serve, whatever the spec names.
                if let Some(why) = &listener.unresolved {
                    self.unresolved.push(format!("{name}: {why}"));
                } else if listener.passthrough {
                    if &*listener.protocol == "HTTPS" {
                        self.refused.push(name);
                    }
                } else {
                    match listener.certificate {
                        ListenerCertificate::Named => {}
                        ListenerCertificate::Options => self.maybe_no_certificate.push(name),
                        ListenerCertificate::None => self.no_certificate.push(name),
                    }
                }
            }
            // Mutual TLS between the proxies of Istio's ambient mesh, by definition.
            "HBONE" => {}
            // TCP and UDP carry bytes that both ends may encrypt, and nothing here shows whether
            // they do; so do protocols of a vendor.
            _ => self.opaque.push(name),
        }
    }
}

/// Which routes attach to the listeners of a Gateway.
struct Attachment<'a> {
    inventory: &'a Inventory,
    gateway: &'a Object,
    kind: &'static str,
}

impl Attachment<'_> {
    /// Whether an HTTP listener has routes, and all of them redirect. None when a route that can't be read
    /// might be one more.
    fn redirects(&self, listener: &Listener) -> Option<bool> {
        let mut redirects = false;
        let mut unreadable = false;
        for (group, kind) in ROUTES {
            for (_, object) in self.inventory.objects_of(group, kind) {
                match network(object) {
                    Some(NetworkFacts::Route(route)) if self.attaches(route, object, listener) => {
                        // One that serves decides, whatever can't be read.
                        if !route.redirects {
                            return Some(false);
                        }
                        redirects = true;
                    }
                    None => unreadable = true,
                    _ => {}
                }
            }
        }
        if unreadable { None } else { Some(redirects) }
    }

    fn attaches(&self, route: &RouteFacts, object: &Object, listener: &Listener) -> bool {
        // A selector on namespaces is not evaluated: a route of any other namespace may attach by it.
        let admitted = match listener.routes_from {
            RoutesFrom::Same => object.namespace == self.gateway.namespace,
            RoutesFrom::Others => true,
            RoutesFrom::None => false,
        };
        admitted
            && route.parents.iter().any(|parent| self.names_listener(parent, listener))
            && hosts_meet(listener, route)
    }

    fn names_listener(&self, parent: &ParentRef, listener: &Listener) -> bool {
        &*parent.kind == self.kind
            && parent.namespace == self.gateway.namespace
            && parent.name == self.gateway.name
            && parent.section.as_ref().is_none_or(|section| *section == listener.name)
            && parent.port.is_none_or(|port| port == listener.port)
    }
}

/// Whether a route serves a host of a listener; a route that serves none does not attach.
fn hosts_meet(listener: &Listener, route: &RouteFacts) -> bool {
    let Some(host) = &listener.hostname else {
        return true;
    };
    route.hostnames.is_empty()
        || route
            .hostnames
            .iter()
            .any(|other| other == host || within(other, host) || within(host, other))
}

/// Whether a wildcard takes a host in. Here, unlike in a certificate, it stands for any number of
/// labels (gateway.networking.k8s.io/v1, Hostname).
fn within(host: &str, wildcard: &str) -> bool {
    let Some(domain) = wildcard.strip_prefix('*') else {
        return false;
    };
    // A wildcard may be within another: `*.a.example.com` in `*.example.com`.
    let host = host.strip_prefix('*').unwrap_or(host);
    domain.starts_with('.') && host.len() > domain.len() && host.ends_with(domain)
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn a_wildcard_takes_any_labels() {
        for (host, wildcard, expected) in [
            ("shop.example.com", "*.example.com", true),
            ("a.shop.example.com", "*.example.com", true),
            ("*.shop.example.com", "*.example.com", true),
            ("example.com", "*.example.com", false),
            ("badexample.com", "*.example.com", false),
            ("shop.example.com", "shop.example.com", false),
        ] {
            assert_eq!(within(host, wildcard), expected, "{host} {wildcard}");
        }
    }
}
