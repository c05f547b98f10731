//! Certificates of cert-manager, by their status. No Secret is read.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{NetworkCondition, NetworkFacts, explanation, named};
use crate::inventory::{
    facts::{Facts, ProjectionError, read},
    intern::{Interner, Symbol},
    time::parse_time,
};

/// What checks read of a Certificate (`cert-manager.io/v1`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateFacts {
    /// `spec.secretName`: the Secret that contains the certificate. None if the spec names none.
    pub secret: Option<Symbol>,
    /// Whether the certificate is ready, by cert-manager.
    pub readiness: CertificateReadiness,
    /// `status.notAfter`. None until the certificate was issued; the last instant of the calendar for one
    /// that does not expire.
    pub not_after: Option<Timestamp>,
}

/// The condition `Ready`, which implies that the Secret exists and fits the spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateReadiness {
    /// The condition is `True`.
    Ready,
    /// The condition is not `True`, and why.
    NotReady(Box<str>),
    /// There is no such condition, as in a manifest.
    NotReported,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Certificate {
    spec: Option<CertificateSpec>,
    status: Option<CertificateStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CertificateSpec {
    secret_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CertificateStatus {
    conditions: Option<Vec<NetworkCondition>>,
    not_after: Option<String>,
}

pub(super) fn project(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let certificate = read::<Certificate>(object)?;
    let status = certificate.status.unwrap_or_default();
    let ready = status.conditions.iter().flatten().find(|condition| condition.r#type == "Ready");
    let readiness = match ready {
        Some(condition) if condition.status == "True" => CertificateReadiness::Ready,
        Some(condition) => CertificateReadiness::NotReady(explanation(condition)),
        None => CertificateReadiness::NotReported,
    };
    let secret = certificate.spec.unwrap_or_default().secret_name;
    Ok(Facts::Network(Box::new(NetworkFacts::Certificate(CertificateFacts {
        secret: named(secret.as_deref(), interner),
        readiness,
        not_after: parse_time("status.notAfter", status.not_after.as_deref())?,
    }))))
}
