//! Linkerd: pods in the mesh encrypt by themselves; policies say whether other clients are let in.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::NetworkFacts;
use crate::inventory::{
    facts::{Facts, ProjectionError, read},
    intern::Interner,
    known_word::{KnownWord, from_table},
};

/// Whether a policy lets in clients without an identity, which send plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InboundPolicy {
    /// Only clients with an identity are let in.
    Authenticated,
    /// Clients without an identity are let in as well.
    Unauthenticated,
    /// The policy says nothing, or something that is not known here.
    NotStated,
}

impl InboundPolicy {
    /// From a value of `config.linkerd.io/default-inbound-policy` or `Server.spec.accessPolicy`.
    pub fn parse(text: Option<&str>) -> Self {
        match text {
            Some("all-authenticated" | "cluster-authenticated" | "deny") => Self::Authenticated,
            // audit lets everybody in, and only logs it.
            Some("all-unauthenticated" | "cluster-unauthenticated" | "audit") => {
                Self::Unauthenticated
            }
            _ => Self::NotStated,
        }
    }
}

/// A Server, an `AuthorizationPolicy` or a `ServerAuthorization`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkerdPolicyFacts {
    /// The path of the field that lets plain text in. None if the policy does not.
    #[serde(deserialize_with = "plaintext")]
    pub plaintext: Option<KnownWord>,
}

/// The fields that let plain text in.
const PLAINTEXT: &[&str] =
    &["spec.accessPolicy", "spec.client.unauthenticated", "spec.requiredAuthenticationRefs"];

fn plaintext<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<KnownWord>, D::Error> {
    let field = Option::<PlaintextField>::deserialize(deserializer)?;
    Ok(field.map(|PlaintextField(field)| field))
}

#[derive(Deserialize)]
struct PlaintextField(#[serde(deserialize_with = "plaintext_field")] KnownWord);

fn plaintext_field<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KnownWord, D::Error> {
    from_table(deserializer, PLAINTEXT)
}

fn facts(plaintext: Option<&'static str>) -> Facts {
    let facts = LinkerdPolicyFacts { plaintext };
    Facts::Network(Box::new(NetworkFacts::LinkerdPolicy(facts)))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LinkerdServer {
    spec: Option<ServerSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ServerSpec {
    access_policy: Option<String>,
}

/// Projects a Server, which denies access if it has no access policy.
pub(super) fn project_server(object: &Value, _: &Interner) -> Result<Facts, ProjectionError> {
    let spec = read::<LinkerdServer>(object)?.spec.unwrap_or_default();
    let policy = InboundPolicy::parse(spec.access_policy.as_deref());
    Ok(facts((policy == InboundPolicy::Unauthenticated).then_some("spec.accessPolicy")))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Authorization {
    spec: Option<AuthorizationSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AuthorizationSpec {
    required_authentication_refs: Option<Vec<AuthenticationRef>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AuthenticationRef {
    kind: String,
}

/// Projects an `AuthorizationPolicy`. All its references must be satisfied, so one that requires an identity
/// is enough.
pub(super) fn project_authorization(
    object: &Value,
    _: &Interner,
) -> Result<Facts, ProjectionError> {
    let spec = read::<Authorization>(object)?.spec.unwrap_or_default();
    // Network authentication alone proves an address, not an identity.
    let identified =
        spec.required_authentication_refs.iter().flatten().any(|reference| {
            matches!(&*reference.kind, "MeshTLSAuthentication" | "ServiceAccount")
        });
    Ok(facts((!identified).then_some("spec.requiredAuthenticationRefs")))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ServerAuthorization {
    spec: Option<ServerAuthorizationSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ServerAuthorizationSpec {
    client: Option<Client>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Client {
    unauthenticated: Option<bool>,
}

pub(super) fn project_server_authorization(
    object: &Value,
    _: &Interner,
) -> Result<Facts, ProjectionError> {
    let spec = read::<ServerAuthorization>(object)?.spec.unwrap_or_default();
    let open = spec.client.unwrap_or_default().unauthenticated == Some(true);
    Ok(facts(open.then_some("spec.client.unauthenticated")))
}
