//! Ingresses: which hosts they serve, which of them over TLS, and what they ask of their controller.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{NetworkFacts, host, named};
use crate::inventory::{
    facts::{Facts, ObjectMetadata, ProjectionError, read},
    intern::{Interner, Symbol},
    known_word::{KnownWord, from_table},
};

/// What checks read of an Ingress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IngressFacts {
    /// The hosts of its rules, in lower case, each once. None stands for a rule for every host.
    pub hosts: Box<[Option<Symbol>]>,
    /// Whether `spec.defaultBackend` takes what no rule matches.
    pub default_backend: bool,
    /// The entries of `spec.tls`.
    pub tls: Box<[IngressTls]>,
    /// The class that says which controller serves it. None if it names none.
    pub class: Option<IngressClassRef>,
    /// The annotations that controllers read about TLS.
    pub annotations: IngressAnnotations,
}

/// How an Ingress names its controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IngressClassRef {
    /// The annotation `kubernetes.io/ingress.class`, whose values are defined by controllers.
    Annotation(Symbol),
    /// The `IngressClass` in `spec.ingressClassName`.
    Object(Symbol),
}

impl IngressClassRef {
    /// The name of the class, wherever it is written.
    pub fn name(&self) -> &Symbol {
        let (Self::Annotation(name) | Self::Object(name)) = self;
        name
    }
}

/// The annotations of an Ingress that bear on TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngressAnnotations(
    #[serde(deserialize_with = "annotations")] Box<[(KnownWord, Symbol)]>,
);

#[derive(Deserialize)]
struct Annotation(#[serde(deserialize_with = "annotation")] KnownWord, Symbol);

fn annotation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KnownWord, D::Error> {
    from_table(deserializer, ANNOTATIONS)
}

fn annotations<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Box<[(KnownWord, Symbol)]>, D::Error> {
    let all = Vec::<Annotation>::deserialize(deserializer)?;
    Ok(all.into_iter().map(|Annotation(key, value)| (key, value)).collect())
}

impl IngressAnnotations {
    /// The value of an annotation. None if it is absent or empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == key).map(|(_, value)| value.as_str())
    }

    /// Whether an annotation is present and not empty.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The keys of those that are present.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(key, _)| *key)
    }

    fn project(metadata: &ObjectMetadata, interner: &Interner) -> Self {
        let Some(all) = &metadata.annotations else {
            return Self::default();
        };
        // An Ingress has a handful of annotations, and most are not among these.
        let known = |(key, value): (&String, &String)| {
            let key = ANNOTATIONS.iter().find(|known| **known == key.as_str())?;
            (!value.is_empty()).then(|| (*key, interner.intern(value)))
        };
        Self(all.iter().filter_map(known).collect())
    }
}

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// The annotations that controllers read about TLS and plain HTTP.
const ANNOTATIONS: &[&str] = &[
    "alb.ingress.kubernetes.io/actions.ssl-redirect",
    "alb.ingress.kubernetes.io/certificate-arn",
    "alb.ingress.kubernetes.io/group.name",
    "alb.ingress.kubernetes.io/listen-ports",
    "alb.ingress.kubernetes.io/ssl-redirect",
    "appgw.ingress.kubernetes.io/appgw-ssl-certificate",
    "haproxy-ingress.github.io/ssl-passthrough",
    "haproxy-ingress.github.io/ssl-redirect",
    "haproxy.com/ssl-passthrough",
    "haproxy.com/ssl-redirect",
    "haproxy.org/ssl-passthrough",
    "haproxy.org/ssl-redirect",
    "ingress.gcp.kubernetes.io/pre-shared-cert",
    "ingress.kubernetes.io/force-ssl-redirect",
    "ingress.kubernetes.io/ssl-passthrough",
    "ingress.kubernetes.io/ssl-redirect",
    "konghq.com/override",
    "konghq.com/protocols",
    "kubernetes.io/ingress.allow-http",
    "networking.gke.io/managed-certificates",
    "networking.gke.io/v1beta1.FrontendConfig",
    "nginx.ingress.kubernetes.io/force-ssl-redirect",
    "nginx.ingress.kubernetes.io/ssl-passthrough",
    "nginx.ingress.kubernetes.io/ssl-redirect",
    "nginx.org/ssl-redirect",
    "oci-native-ingress.oraclecloud.com/certificate-ocid",
    "route.openshift.io/termination",
    "traefik.ingress.kubernetes.io/router.entrypoints",
    "traefik.ingress.kubernetes.io/router.tls",
];

/// What checks read of an `IngressClass`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngressClassFacts {
    /// The controller that serves the class (`spec.controller`).
    pub controller: Symbol,
    /// Whether `spec.parameters` names an object, which may say more about TLS.
    pub parameters: bool,
    /// Whether it is the class of Ingresses that name none.
    pub default: bool,
}

/// An entry of `spec.tls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngressTls {
    /// The hosts, in lower case. Empty for whatever the controller serves.
    pub hosts: Box<[Symbol]>,
    /// `secretName`. None if the controller has a certificate of its own.
    pub secret: Option<Symbol>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ingress {
    metadata: ObjectMetadata,
    spec: Option<IngressSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct IngressSpec {
    ingress_class_name: Option<String>,
    rules: Option<Vec<IngressRule>>,
    default_backend: Option<serde::de::IgnoredAny>,
    tls: Option<Vec<IngressTlsSpec>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct IngressRule {
    host: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct IngressTlsSpec {
    hosts: Option<Vec<String>>,
    secret_name: Option<String>,
}

pub(super) fn project(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let Ingress { metadata, spec } = read::<Ingress>(object)?;
    let spec = spec.unwrap_or_default();
    let mut hosts: Vec<Option<Symbol>> = spec
        .rules
        .iter()
        .flatten()
        .map(|rule| {
            let name = rule.host.as_deref().filter(|name| !name.is_empty());
            name.map(|name| host(name, interner))
        })
        .collect();
    // Sorted and unique, so that reordering rules changes no facts.
    hosts.sort();
    hosts.dedup();
    let tls = |entry: &IngressTlsSpec| IngressTls {
        hosts: entry.hosts.iter().flatten().map(|name| host(name, interner)).collect(),
        secret: named(entry.secret_name.as_deref(), interner),
    };
    Ok(Facts::Network(Box::new(NetworkFacts::Ingress(IngressFacts {
        hosts: hosts.into(),
        default_backend: spec.default_backend.is_some(),
        tls: spec.tls.iter().flatten().map(tls).collect(),
        class: class(&metadata, spec.ingress_class_name.as_deref(), interner),
        annotations: IngressAnnotations::project(&metadata, interner),
    }))))
}

/// The class of an Ingress. Controllers look at the annotation first.
fn class(
    metadata: &ObjectMetadata,
    field: Option<&str>,
    interner: &Interner,
) -> Option<IngressClassRef> {
    let annotation = metadata.annotations.as_ref().and_then(|all| all.get(CLASS_ANNOTATION));
    named(annotation.map(String::as_str), interner)
        .map(IngressClassRef::Annotation)
        .or_else(|| named(field, interner).map(IngressClassRef::Object))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct IngressClass {
    metadata: ObjectMetadata,
    spec: Option<ClassSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ClassSpec {
    controller: Option<String>,
    parameters: Option<serde::de::IgnoredAny>,
}

pub(super) fn project_class(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let IngressClass { metadata, spec } = read::<IngressClass>(object)?;
    let spec = spec.unwrap_or_default();
    // Kubernetes takes the exact text `true` only.
    let default = metadata
        .annotations
        .and_then(|mut all| all.remove("ingressclass.kubernetes.io/is-default-class"))
        .is_some_and(|value| value == "true");
    Ok(Facts::Network(Box::new(NetworkFacts::IngressClass(IngressClassFacts {
        controller: interner.intern(&spec.controller.unwrap_or_default()),
        parameters: spec.parameters.is_some(),
        default,
    }))))
}
