//! What carries or protects traffic: Ingress, Gateway API, certificates, mesh policies.

mod certificate;
mod gateway;
mod index;
mod ingress;
mod linkerd;
mod mesh;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

pub use self::{
    certificate::{CertificateFacts, CertificateReadiness},
    gateway::{GatewayFacts, Listener, ListenerCertificate, ParentRef, RouteFacts, RoutesFrom},
    index::NetworkIndex,
    ingress::{IngressAnnotations, IngressClassFacts, IngressClassRef, IngressFacts, IngressTls},
    linkerd::{InboundPolicy, LinkerdPolicyFacts},
    mesh::{DestinationRuleFacts, MeshMembership, MtlsMode, PeerAuthenticationFacts},
};
use super::{
    facts::Projection,
    intern::{Interner, Symbol},
};

/// API group of the Gateway API.
pub const GATEWAY_API: &str = "gateway.networking.k8s.io";
/// API group of cert-manager.
pub const CERT_MANAGER: &str = "cert-manager.io";
/// API group of Istio's security policies.
pub const ISTIO_SECURITY: &str = "security.istio.io";
/// API group of Istio's traffic policies.
pub const ISTIO_NETWORKING: &str = "networking.istio.io";

/// API group of Linkerd's policies.
pub const LINKERD_POLICY: &str = "policy.linkerd.io";

/// What checks read of one object that carries or protects traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NetworkFacts {
    Ingress(IngressFacts),
    IngressClass(IngressClassFacts),
    /// A Gateway or a `ListenerSet`.
    Gateway(GatewayFacts),
    /// An `HTTPRoute` or a `GRPCRoute`.
    Route(RouteFacts),
    /// A Certificate of cert-manager.
    Certificate(CertificateFacts),
    /// A `PeerAuthentication` of Istio.
    PeerAuthentication(PeerAuthenticationFacts),
    /// A `DestinationRule` of Istio.
    DestinationRule(DestinationRuleFacts),
    /// A policy of Linkerd.
    LinkerdPolicy(LinkerdPolicyFacts),
}

/// The kinds that carry or protect traffic and have facts.
pub const PROJECTIONS: &[Projection] = &[
    Projection {
        group: "networking.k8s.io",
        kind: "Ingress",
        versions: &["v1"],
        project: ingress::project,
    },
    Projection {
        group: "networking.k8s.io",
        kind: "IngressClass",
        versions: &["v1"],
        project: ingress::project_class,
    },
    Projection {
        group: GATEWAY_API,
        kind: "Gateway",
        versions: &["v1", "v1beta1"],
        project: gateway::project_gateway,
    },
    Projection {
        group: GATEWAY_API,
        kind: "ListenerSet",
        versions: &["v1"],
        project: gateway::project_gateway,
    },
    Projection {
        group: GATEWAY_API,
        kind: "HTTPRoute",
        versions: &["v1", "v1beta1"],
        project: gateway::project_http_route,
    },
    Projection {
        group: GATEWAY_API,
        kind: "GRPCRoute",
        versions: &["v1"],
        project: gateway::project_grpc_route,
    },
    Projection {
        group: CERT_MANAGER,
        kind: "Certificate",
        versions: &["v1"],
        project: certificate::project,
    },
    Projection {
        group: ISTIO_SECURITY,
        kind: "PeerAuthentication",
        versions: &["v1", "v1beta1"],
        project: mesh::project_peer_authentication,
    },
    Projection {
        group: ISTIO_NETWORKING,
        kind: "DestinationRule",
        versions: &["v1", "v1beta1", "v1alpha3"],
        project: mesh::project_destination_rule,
    },
    Projection {
        group: LINKERD_POLICY,
        kind: "Server",
        versions: &["v1beta3", "v1beta2", "v1beta1"],
        project: linkerd::project_server,
    },
    Projection {
        group: LINKERD_POLICY,
        kind: "AuthorizationPolicy",
        versions: &["v1alpha1"],
        project: linkerd::project_authorization,
    },
    Projection {
        group: LINKERD_POLICY,
        kind: "ServerAuthorization",
        versions: &["v1beta1", "v1alpha1"],
        project: linkerd::project_server_authorization,
    },
];

/// One condition of a status; `null` and absent are the same.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct NetworkCondition {
    r#type: String,
    status: String,
    reason: Option<String>,
    message: Option<String>,
}

/// The reason and the message of a condition that is not `True`, for a finding.
fn explanation(condition: &NetworkCondition) -> Box<str> {
    let mut text = condition.reason.clone().unwrap_or_default();
    if let Some(message) = condition.message.as_deref().filter(|text| !text.is_empty()) {
        let separator = if text.is_empty() { "" } else { ": " };
        // Writing to a String can't fail.
        let _ = write!(text, "{separator}{message}");
    }
    // A finding that ends in a colon would look cut off.
    if text.is_empty() {
        text.push_str("no reason is given");
    }
    clip(&text).into()
}

/// The start of a text: controllers quote errors of any length, and facts are kept as long as the object.
fn clip(text: &str) -> &str {
    const MAX_BYTES: usize = 256;
    text.get(..text.floor_char_boundary(MAX_BYTES)).unwrap_or(text)
}

/// A host name as facts keep it: without regard to case (RFC 4343), and without a final dot.
fn host(text: &str, interner: &Interner) -> Symbol {
    interner.intern(&text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase())
}

/// The name in a reference. None if it is absent or empty, which mean the same in the API.
fn named(name: Option<&str>, interner: &Interner) -> Option<Symbol> {
    name.filter(|name| !name.is_empty()).map(|name| interner.intern(name))
}
