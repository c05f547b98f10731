//! Service meshes: which namespaces are in one, and whether plain text is let in.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{InboundPolicy, NetworkFacts};
use crate::inventory::{
    facts::{Facts, ObjectMetadata, ProjectionError, read},
    intern::{Interner, Symbol},
};

/// How the pods of a namespace join a mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MeshMembership {
    /// Istio, by a sidecar in each pod.
    IstioSidecar,
    /// Istio, by the proxy of the node (`istio.io/dataplane-mode: ambient`).
    IstioAmbient,
    /// Linkerd (`linkerd.io/inject`), with the policy of the namespace.
    Linkerd(InboundPolicy),
}

impl MeshMembership {
    /// The mesh that a namespace joins by its labels and annotations. None if it joins none.
    pub fn of_namespace(metadata: &ObjectMetadata) -> Option<Self> {
        let label = |key| metadata.labels.as_ref()?.get(key).map(String::as_str);
        let annotation = |key| metadata.annotations.as_ref()?.get(key).map(String::as_str);
        // Of the sidecar labels, istio-injection decides where both are set.
        let sidecar = match label("istio-injection") {
            Some(value) => value == "enabled",
            None => label("istio.io/rev").is_some_and(|revision| !revision.is_empty()),
        };
        if sidecar {
            Some(Self::IstioSidecar)
        } else if label("istio.io/dataplane-mode") == Some("ambient") {
            Some(Self::IstioAmbient)
        } else if matches!(annotation("linkerd.io/inject"), Some("enabled" | "ingress")) {
            let policy = annotation("config.linkerd.io/default-inbound-policy");
            Some(Self::Linkerd(InboundPolicy::parse(policy)))
        } else {
            None
        }
    }
}

/// What checks read of a `PeerAuthentication`: what the proxies of a namespace, or of some of its pods,
/// accept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerAuthenticationFacts {
    /// Whether it applies to some pods only.
    pub selects: bool,
    /// `spec.mtls.mode`. None inherits the mode of the namespace or the mesh.
    pub mode: Option<MtlsMode>,
    /// `spec.portLevelMtls`, by port; None inherits `mode`. Only in effect with a selector.
    pub ports: Box<[(Symbol, Option<MtlsMode>)]>,
    /// When it was created: of several with the same scope, Istio uses the oldest. None in a manifest.
    pub created: Option<Timestamp>,
}

/// Whether mutual TLS is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MtlsMode {
    /// Only plain text is accepted.
    Disable,
    /// Mutual TLS and plain text are accepted.
    Permissive,
    /// Only mutual TLS is accepted.
    Strict,
}

impl MtlsMode {
    /// The mode as Istio writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "DISABLE",
            Self::Permissive => "PERMISSIVE",
            Self::Strict => "STRICT",
        }
    }
}

/// What checks read of a `DestinationRule`: how proxies connect to a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DestinationRuleFacts {
    /// `spec.host`, in lower case.
    pub host: Symbol,
    /// The paths of the fields that disable TLS.
    pub disables_tls: Box<[Box<str>]>,
    /// Whether it has any TLS settings.
    pub has_tls: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PeerAuthentication {
    metadata: ObjectMetadata,
    spec: Option<PeerAuthenticationSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PeerAuthenticationSpec {
    selector: Option<WorkloadSelector>,
    mtls: Option<Mtls>,
    port_level_mtls: Option<BTreeMap<String, Option<Mtls>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WorkloadSelector {
    match_labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mtls {
    mode: Option<String>,
}

fn mode(field: &str, mtls: Option<&Mtls>) -> Result<Option<MtlsMode>, ProjectionError> {
    match mtls.and_then(|mtls| mtls.mode.as_deref()) {
        None | Some("UNSET") => Ok(None),
        Some("DISABLE") => Ok(Some(MtlsMode::Disable)),
        Some("PERMISSIVE") => Ok(Some(MtlsMode::Permissive)),
        Some("STRICT") => Ok(Some(MtlsMode::Strict)),
        Some(other) => Err(ProjectionError(format!(
            "{field}.mode is {other:?}: write UNSET, DISABLE, PERMISSIVE or STRICT"
        ))),
    }
}

pub(super) fn project_peer_authentication(
    object: &Value,
    interner: &Interner,
) -> Result<Facts, ProjectionError> {
    let policy = read::<PeerAuthentication>(object)?;
    let spec = policy.spec.unwrap_or_default();
    let ports = spec
        .port_level_mtls
        .iter()
        .flatten()
        .map(|(port, mtls)| {
            let mode = mode(&format!("spec.portLevelMtls.{port}"), mtls.as_ref())?;
            Ok((interner.intern(port), mode))
        })
        .collect::<Result<_, ProjectionError>>()?;
    Ok(Facts::Network(Box::new(NetworkFacts::PeerAuthentication(PeerAuthenticationFacts {
        selects: spec
            .selector
            .and_then(|selector| selector.match_labels)
            .is_some_and(|labels| !labels.is_empty()),
        mode: mode("spec.mtls", spec.mtls.as_ref())?,
        ports,
        created: policy.metadata.created()?,
    }))))
}

#[derive(Debug, Deserialize)]
struct DestinationRule {
    spec: DestinationRuleSpec,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DestinationRuleSpec {
    host: String,
    traffic_policy: Option<TrafficPolicy>,
    subsets: Option<Vec<Subset>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct TrafficPolicy {
    tls: Option<Mtls>,
    port_level_settings: Option<Vec<PortSettings>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PortSettings {
    tls: Option<Mtls>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Subset {
    traffic_policy: Option<TrafficPolicy>,
}

pub(super) fn project_destination_rule(
    object: &Value,
    interner: &Interner,
) -> Result<Facts, ProjectionError> {
    let spec = read::<DestinationRule>(object)?.spec;
    // The settings of a subset or a port replace those above, so each must be looked at.
    let mut policies = vec![("spec.trafficPolicy".to_owned(), spec.traffic_policy)];
    for (at, subset) in spec.subsets.into_iter().flatten().enumerate() {
        let path = format!("spec.subsets[{at}].trafficPolicy");
        policies.push((path, subset.traffic_policy));
    }
    let mut has_tls = false;
    let mut disables_tls = Vec::new();
    for (path, policy) in policies {
        let policy = policy.unwrap_or_default();
        let ports = policy.port_level_settings.into_iter().flatten().enumerate();
        let settings = std::iter::once((format!("{path}.tls"), policy.tls)).chain(
            ports.map(|(at, port)| (format!("{path}.portLevelSettings[{at}].tls"), port.tls)),
        );
        for (field, tls) in settings {
            has_tls |= tls.is_some();
            // No mode is DISABLE: it is the first value of Istio's enumeration.
            if tls.is_some_and(|tls| tls.mode.is_none_or(|mode| mode == "DISABLE")) {
                disables_tls.push(field.into());
            }
        }
    }
    Ok(Facts::Network(Box::new(NetworkFacts::DestinationRule(DestinationRuleFacts {
        host: super::host(&spec.host, interner),
        disables_tls: disables_tls.into(),
        has_tls,
    }))))
}
