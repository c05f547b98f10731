//! The Gateway API: listeners, and the routes that attach to them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{GATEWAY_API, NetworkCondition, NetworkFacts, explanation, host};
use crate::inventory::{
    facts::{Facts, ObjectMetadata, ProjectionError, read},
    intern::{Interner, Symbol},
};

/// What checks read of a Gateway, or of a `ListenerSet`, which adds listeners to one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayFacts {
    /// The listeners, in the order of the spec.
    pub listeners: Box<[Listener]>,
}

/// What checks read of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// The name, unique in its Gateway.
    pub name: Symbol,
    /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP` or a vendor's.
    pub protocol: Symbol,
    /// The port; 0 if a `ListenerSet` leaves it to the implementation.
    pub port: i32,
    /// The host that it serves, in lower case, maybe with a wildcard. None for all hosts.
    pub hostname: Option<Symbol>,
    /// Whether TLS is terminated behind the Gateway (`tls.mode: Passthrough`).
    pub passthrough: bool,
    /// What names its certificate.
    pub certificate: ListenerCertificate,
    /// The namespaces whose routes may attach.
    pub routes_from: RoutesFrom,
    /// Why the condition `ResolvedRefs` of the listener is `False`. None if it is not.
    pub unresolved: Option<Box<str>>,
}

/// What names the certificate of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListenerCertificate {
    /// `tls.certificateRefs`, or what the implementation documents in their place.
    Named,
    /// `tls.options` that are not known here: they may name one.
    Options,
    /// The listener names no certificate.
    None,
}

/// Keys of `tls.options` that name a certificate.
const CERTIFICATE_OPTIONS: &[&str] = &[
    "application-networking.k8s.aws/certificate-arn",
    "networking.gke.io/cert-manager-certs",
    "networking.gke.io/pre-shared-certs",
];

/// The annotation that names certificates for all HTTPS listeners of a Gateway (GKE).
const CERTIFICATE_MAP: &str = "networking.gke.io/certmap";

/// The namespaces whose routes may attach to a listener (`allowedRoutes.namespaces.from`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoutesFrom {
    /// The Gateway's own namespace, which is the default.
    Same,
    /// Any namespace, or those that a selector picks: a route that names the Gateway may attach.
    Others,
    /// No routes may attach.
    None,
}

/// What checks read of an `HTTPRoute` or a `GRPCRoute`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteFacts {
    /// The Gateways and `ListenerSet`s that it attaches to.
    pub parents: Box<[ParentRef]>,
    /// The hosts that it serves, in lower case. Empty for those of the listener.
    pub hostnames: Box<[Symbol]>,
    /// Whether every rule only redirects to `https`.
    pub redirects: bool,
}

/// An entry of `spec.parentRefs` that names a Gateway or a `ListenerSet`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentRef {
    /// The kind: `Gateway` or `ListenerSet`.
    pub kind: Symbol,
    /// The namespace; that of the route if the reference has none.
    pub namespace: Symbol,
    pub name: Symbol,
    /// The name of the only listener that it attaches to. None for any listener.
    pub section: Option<Symbol>,
    /// The port of the only listeners that it attaches to. None for any port.
    pub port: Option<i32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Gateway {
    metadata: ObjectMetadata,
    spec: Option<GatewaySpec>,
    status: Option<GatewayStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GatewaySpec {
    listeners: Option<Vec<ListenerSpec>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListenerSpec {
    name: String,
    protocol: String,
    // A ListenerSet may leave its port to the implementation.
    #[serde(default)]
    port: Option<i32>,
    hostname: Option<String>,
    tls: Option<ListenerTls>,
    allowed_routes: Option<AllowedRoutes>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListenerTls {
    mode: Option<String>,
    certificate_refs: Option<Vec<serde::de::IgnoredAny>>,
    options: Option<serde_json::Map<String, Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AllowedRoutes {
    namespaces: Option<RouteNamespaces>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RouteNamespaces {
    from: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GatewayStatus {
    listeners: Option<Vec<ListenerStatus>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListenerStatus {
    name: String,
    conditions: Option<Vec<NetworkCondition>>,
}

pub(super) fn project_gateway(
    object: &Value,
    interner: &Interner,
) -> Result<Facts, ProjectionError> {
    let gateway = read::<Gateway>(object)?;
    let reported = gateway.status.unwrap_or_default().listeners;
    let mapped = gateway
        .metadata
        .annotations
        .as_ref()
        .is_some_and(|all| all.get(CERTIFICATE_MAP).is_some_and(|map| !map.is_empty()));
    let listener = |spec: &ListenerSpec| {
        let tls = spec.tls.as_ref();
        Listener {
            name: interner.intern(&spec.name),
            protocol: interner.intern(&spec.protocol),
            port: spec.port.unwrap_or_default(),
            hostname: hostname(spec.hostname.as_deref(), interner),
            passthrough: tls.is_some_and(|tls| tls.mode.as_deref() == Some("Passthrough")),
            certificate: if mapped { ListenerCertificate::Named } else { certificate(tls) },
            routes_from: routes_from(spec),
            unresolved: unresolved(reported.as_deref().unwrap_or_default(), &spec.name),
        }
    };
    let specs = gateway.spec.unwrap_or_default().listeners;
    Ok(Facts::Network(Box::new(NetworkFacts::Gateway(GatewayFacts {
        listeners: specs.iter().flatten().map(listener).collect(),
    }))))
}

fn certificate(tls: Option<&ListenerTls>) -> ListenerCertificate {
    let Some(tls) = tls else {
        return ListenerCertificate::None;
    };
    let references = tls.certificate_refs.iter().flatten().next().is_some();
    let mut options = tls.options.iter().flat_map(serde_json::Map::keys).peekable();
    let given = options.peek().is_some();
    if references || options.any(|key| CERTIFICATE_OPTIONS.contains(&key.as_str())) {
        ListenerCertificate::Named
    // Vendors have options of their own, and some name a certificate.
    } else if given {
        ListenerCertificate::Options
    } else {
        ListenerCertificate::None
    }
}

fn hostname(name: Option<&str>, interner: &Interner) -> Option<Symbol> {
    name.filter(|name| !name.is_empty()).map(|name| host(name, interner))
}

fn routes_from(spec: &ListenerSpec) -> RoutesFrom {
    let namespaces = spec.allowed_routes.as_ref().and_then(|it| it.namespaces.as_ref());
    match namespaces.and_then(|it| it.from.as_deref()) {
        None | Some("Same") => RoutesFrom::Same,
        Some("None") => RoutesFrom::None,
        Some(_) => RoutesFrom::Others,
    }
}

fn unresolved(reported: &[ListenerStatus], listener: &str) -> Option<Box<str>> {
    reported
        .iter()
        .filter(|status| status.name == listener)
        .flat_map(|status| status.conditions.iter().flatten())
        .find(|condition| condition.r#type == "ResolvedRefs" && condition.status == "False")
        .map(explanation)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Route {
    metadata: ObjectMetadata,
    spec: Option<RouteSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RouteSpec {
    parent_refs: Option<Vec<ParentSpec>>,
    hostnames: Option<Vec<String>>,
    rules: Option<Vec<RouteRule>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ParentSpec {
    group: Option<String>,
    kind: Option<String>,
    namespace: Option<String>,
    name: String,
    section_name: Option<String>,
    port: Option<i32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RouteRule {
    filters: Option<Vec<RouteFilter>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RouteFilter {
    r#type: String,
    request_redirect: Option<Redirect>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Redirect {
    scheme: Option<String>,
}

pub(super) fn project_http_route(
    object: &Value,
    interner: &Interner,
) -> Result<Facts, ProjectionError> {
    let route = read::<Route>(object)?;
    let rules = route.spec.as_ref().and_then(|spec| spec.rules.as_deref());
    let rules = rules.unwrap_or_default();
    // A route without rules forwards everything by default.
    let redirects = !rules.is_empty() && rules.iter().all(redirects_to_https);
    Ok(route_facts(route, redirects, interner))
}

/// Projects a `GRPCRoute`, which has no redirects.
pub(super) fn project_grpc_route(
    object: &Value,
    interner: &Interner,
) -> Result<Facts, ProjectionError> {
    Ok(route_facts(read::<Route>(object)?, false, interner))
}

fn redirects_to_https(rule: &RouteRule) -> bool {
    rule.filters.iter().flatten().any(|filter| {
        filter.r#type == "RequestRedirect"
            && filter
                .request_redirect
                .as_ref()
                .is_some_and(|redirect| redirect.scheme.as_deref() == Some("https"))
    })
}

fn route_facts(route: Route, redirects: bool, interner: &Interner) -> Facts {
    // As kubectl does for a manifest without a namespace.
    let own = route.metadata.namespace.as_deref().unwrap_or("default");
    let spec = route.spec.unwrap_or_default();
    let parent = |spec: &ParentSpec| {
        let kind = spec.kind.as_deref().unwrap_or("Gateway");
        let group = spec.group.as_deref().unwrap_or(GATEWAY_API);
        (group == GATEWAY_API && matches!(kind, "Gateway" | "ListenerSet")).then(|| ParentRef {
            kind: interner.intern(kind),
            namespace: interner.intern(spec.namespace.as_deref().unwrap_or(own)),
            name: interner.intern(&spec.name),
            section: super::named(spec.section_name.as_deref(), interner),
            port: spec.port,
        })
    };
    Facts::Network(Box::new(NetworkFacts::Route(RouteFacts {
        parents: spec.parent_refs.iter().flatten().filter_map(parent).collect(),
        hostnames: spec.hostnames.iter().flatten().map(|name| host(name, interner)).collect(),
        redirects,
    })))
}
