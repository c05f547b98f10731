//! `encryption`: what is encrypted at rest, in volumes and on the wire.

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    Duration,
    invalid::{FieldPath, Problems},
};

/// What must be encrypted. At least one of the fields is needed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[x_kube(validation = Rule::new("has(self.atRest) || has(self.storageClasses) || has(self.ingress) || has(self.gateways) || has(self.mesh) || has(self.certificates)")
    .message("must have at least one of atRest, storageClasses, ingress, gateways, mesh, certificates"))]
#[serde(rename_all = "camelCase")]
pub struct EncryptionTest {
    /// The API server encrypts these resources in its storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_rest: Option<AtRestEncryption>,
    /// Storage classes encrypt the volumes that are made from them. Write {} to check this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_classes: Option<StorageClassEncryption>,
    /// Every host of every Ingress is served over TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<IngressEncryption>,
    /// Every listener of every Gateway terminates TLS or passes it through. Write {} to check this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateways: Option<GatewayEncryption>,
    /// Every namespace in scope is in the service mesh (Istio or Linkerd), and its proxies refuse plain
    /// text. Pods that opt out by their own labels are not noticed. Write {} to check this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesh: Option<MeshEncryption>,
    /// Certificates managed by cert-manager are ready and not about to expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<CertificateCheck>,
}

/// Encryption in the storage of the API server.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AtRestEncryption {
    /// The plural names of the resources, with the group after a dot if they have one. Defaults to
    /// secrets.
    #[serde(default = "secrets")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 253)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub resources: Vec<String>,
}

fn secrets() -> Vec<String> {
    vec!["secrets".to_owned()]
}

/// Encryption of the volumes that storage classes make.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageClassEncryption {}

/// TLS for the hosts of Ingresses.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IngressEncryption {
    /// How long a certificate must at least remain valid. If omitted, this is not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_validity: Option<Duration>,
}

/// TLS of the listeners of Gateways.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GatewayEncryption {
    /// Whether there is nothing to judge in a cluster without the Gateway API. Otherwise the control is
    /// Unknown in such a cluster.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub when_served: bool,
}

/// Mutual TLS in the service mesh.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeshEncryption {}

/// The certificates that cert-manager manages.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CertificateCheck {
    /// How long a certificate must at least remain valid. If omitted, it must only not have expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_validity: Option<Duration>,
    /// Whether there is nothing to judge in a cluster without cert-manager. Otherwise the control is
    /// Unknown in such a cluster.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub when_served: bool,
}

impl EncryptionTest {
    pub(crate) fn validate(&self, at: &FieldPath, problems: &mut Problems) {
        // Such a control would pass whatever the cluster does.
        if *self == Self::default() {
            problems.push(
                at,
                "checks nothing",
                "write at least one of atRest, storageClasses, ingress, gateways, mesh or \
                 certificates, such as atRest: {}",
            );
        }
        let validities = [
            ("ingress", self.ingress.and_then(|check| check.min_validity)),
            ("certificates", self.certificates.and_then(|check| check.min_validity)),
        ];
        for (field, validity) in validities {
            if let Some(validity) = validity {
                validity.validate(&at.field(field).field("minValidity"), problems);
            }
        }
    }
}
