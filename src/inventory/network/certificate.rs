//! Certificates of cert-manager, by their status: no Secret is read.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{Condition, NetworkFacts, explanation, named};
use crate::inventory::{
    facts::{Facts, ProjectionError, read, time},
    intern::{Interner, Symbol},
};

/// A Certificate (cert-manager.io/v1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// `spec.secretName`: where the certificate is kept.
    pub secret: Option<Symbol>,
    /// Why the condition `Ready` is not `True`. `Ready` implies that the Secret exists and fits the spec.
    pub not_ready: Option<Box<str>>,
    /// `status.notAfter`; absent until it was issued.
    pub not_after: Option<Timestamp>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Certificate {
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    secret_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    conditions: Option<Vec<Condition>>,
    not_after: Option<String>,
}

pub(super) fn project(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let certificate = read::<Certificate>(object)?;
    let status = certificate.status.unwrap_or_default();
    let ready = status.conditions.iter().flatten().find(|condition| condition.r#type == "Ready");
    let not_ready = match ready {
        Some(condition) if condition.status == "True" => None,
        Some(condition) => Some(explanation(condition)),
        None => Some("cert-manager has not reported on it".into()),
    };
    let secret = certificate.spec.unwrap_or_default().secret_name;
    Ok(Facts::Network(Box::new(NetworkFacts::Certificate(CertificateFacts {
        secret: named(secret.as_deref(), interner),
        not_ready,
        not_after: time("status.notAfter", status.not_after.as_deref())?,
    }))))
}
