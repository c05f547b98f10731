//! Ingress: which hosts it serves, and which over TLS.

use serde::Deserialize;
use serde_json::Value;

use super::{NetworkFacts, host, named};
use crate::inventory::{
    facts::{Facts, ProjectionError, read},
    intern::{Interner, Symbol},
};

/// An Ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressFacts {
    /// The host of each rule, in lower case, each once; None is a rule for every host.
    pub hosts: Box<[Option<Symbol>]>,
    /// Whether `spec.defaultBackend` takes what no rule matches.
    pub default_backend: bool,
    /// `spec.tls`.
    pub tls: Box<[IngressTls]>,
}

/// One entry of `spec.tls`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressTls {
    /// The hosts, in lower case. Empty means whatever the controller serves.
    pub hosts: Box<[Symbol]>,
    /// `secretName`. Absent where the controller has a certificate of its own.
    pub secret: Option<Symbol>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ingress {
    spec: Option<Spec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    rules: Option<Vec<Rule>>,
    default_backend: Option<serde::de::IgnoredAny>,
    tls: Option<Vec<Tls>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Rule {
    host: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Tls {
    hosts: Option<Vec<String>>,
    secret_name: Option<String>,
}

pub(super) fn project(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let spec = read::<Ingress>(object)?.spec.unwrap_or_default();
    let mut hosts: Vec<Option<Symbol>> = spec
        .rules
        .iter()
        .flatten()
        .map(|rule| {
            let name = rule.host.as_deref().filter(|name| !name.is_empty());
            name.map(|name| host(name, interner))
        })
        .collect();
    hosts.sort();
    hosts.dedup();
    let tls = |entry: &Tls| IngressTls {
        hosts: entry.hosts.iter().flatten().map(|name| host(name, interner)).collect(),
        secret: named(entry.secret_name.as_deref(), interner),
    };
    Ok(Facts::Network(Box::new(NetworkFacts::Ingress(IngressFacts {
        hosts: hosts.into(),
        default_backend: spec.default_backend.is_some(),
        tls: spec.tls.iter().flatten().map(tls).collect(),
    }))))
}
