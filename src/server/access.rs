//! Who may read `/metrics`: the API server says whose a token is and what they may.
//!
//! The times are those of controller-runtime's filter, so that a right which is taken away stops
//! to work after at most 5 minutes, as with other operators.

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, api::PostParams};
use tokio::sync::Semaphore;

use super::cache::{Cache, Key};
use crate::telemetry::{Failure, Outages};

/// How long a token is whose it was, or nobody's.
const IDENTITY: Duration = Duration::from_mins(1);
/// How long a right lasts unasked.
const ALLOWED: Duration = Duration::from_mins(5);
/// How long a refusal lasts unasked.
const REFUSED: Duration = Duration::from_secs(30);
/// How long the API server may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many answers are kept, of each kind.
const KEPT: usize = 1024;
/// How many questions may be under way: strangers with made-up tokens must not become a load on
/// the API server.
const AT_ONCE: usize = 8;

const ANONYMOUS: &str = "system:anonymous";

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody is named.
    #[error("who are you? send the token of a ServiceAccount as Authorization: Bearer TOKEN")]
    NoToken,
    /// The token is not one of the cluster.
    #[error("the token is expired or not one of this cluster; get a new one")]
    BadToken,
    /// The right is missing.
    #[error(
        "{user} may not {verb} {path}: grant it with a ClusterRole for nonResourceURLs [{path}], verbs [{verb}]"
    )]
    Forbidden {
        /// Who asks.
        user: String,
        /// For what.
        verb: &'static str,
        /// Of what.
        path: &'static str,
    },
    /// The API server did not say.
    #[error("the API server could not be asked; try again")]
    Unavailable,
}

/// The door.
#[derive(Debug)]
pub enum Access {
    /// Open to all, which only loopback may be.
    Open,
    /// The API server decides.
    Reviewed(Box<Reviewer>),
}

impl Access {
    pub fn reviewed(client: Client, outages: Outages) -> Self {
        Self::Reviewed(Box::new(Reviewer {
            client,
            identities: Cache::new(KEPT),
            rights: Cache::new(KEPT),
            questions: Semaphore::new(AT_ONCE),
            outages,
        }))
    }

    /// Whether who sent `headers` may use `verb` on `path`.
    pub async fn check(
        &self,
        headers: &HeaderMap,
        verb: &'static str,
        path: &'static str,
    ) -> Result<(), Refusal> {
        match self {
            Self::Open => Ok(()),
            Self::Reviewed(reviewer) => {
                let token = bearer_token(headers).ok_or(Refusal::NoToken)?;
                tokio::time::timeout(TIMEOUT, reviewer.check(token, verb, path))
                    .await
                    .unwrap_or(Err(Refusal::Unavailable))
            }
        }
    }
}

/// Asks the API server and remembers what it said.
pub struct Reviewer {
    client: Client,
    identities: Cache<Option<UserInfo>>,
    rights: Cache<bool>,
    questions: Semaphore,
    outages: Outages,
}

impl std::fmt::Debug for Reviewer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reviewer").finish_non_exhaustive()
    }
}

impl Reviewer {
    async fn check(
        &self,
        token: &str,
        verb: &'static str,
        path: &'static str,
    ) -> Result<(), Refusal> {
        let user = self.identify(token).await?.ok_or(Refusal::BadToken)?;
        if self.may(&user, verb, path).await? {
            return Ok(());
        }
        let user = user.username.unwrap_or_default();
        Err(Refusal::Forbidden { user, verb, path })
    }

    async fn identify(&self, token: &str) -> Result<Option<UserInfo>, Refusal> {
        let key = Key::of(token.as_bytes());
        if let Some(known) = self.identities.get(key, Instant::now()) {
            return Ok(known);
        }
        let spec = TokenReviewSpec { token: token.to_owned(), audiences: None };
        let review = TokenReview { spec, ..TokenReview::default() };
        let status = self.ask(&review).await?.status.unwrap_or_default();
        let user = status
            .user
            .filter(|_| status.authenticated == Some(true))
            .filter(|user| user.username.as_deref().is_some_and(|name| name != ANONYMOUS));
        self.identities.put(key, user.clone(), IDENTITY, Instant::now());
        Ok(user)
    }

    async fn may(&self, user: &UserInfo, verb: &str, path: &str) -> Result<bool, Refusal> {
        let spec = SubjectAccessReviewSpec {
            user: user.username.clone(),
            groups: user.groups.clone(),
            uid: user.uid.clone(),
            extra: user.extra.clone(),
            non_resource_attributes: Some(NonResourceAttributes {
                path: Some(path.to_owned()),
                verb: Some(verb.to_owned()),
            }),
            resource_attributes: None,
        };
        let question = serde_json::to_vec(&spec).map_err(|_| Refusal::Unavailable)?;
        let key = Key::of(&question);
        if let Some(known) = self.rights.get(key, Instant::now()) {
            return Ok(known);
        }
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let allowed = self.ask(&review).await?.status.is_some_and(|status| status.allowed);
        let lasts = if allowed { ALLOWED } else { REFUSED };
        self.rights.put(key, allowed, lasts, Instant::now());
        Ok(allowed)
    }

    async fn ask<R>(&self, review: &R) -> Result<R, Refusal>
    where
        R: kube::Resource<DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        let _permit = self.questions.acquire().await.map_err(|_| Refusal::Unavailable)?;
        Api::all(self.client.clone()).create(&PostParams::default(), review).await.map_err(|error| {
            let remedy = "nobody can be asked who may read /metrics: grant create on tokenreviews and subjectaccessreviews to the operator";
            self.outages.failed(&R::plural(&()), Failure::of(&error), &error, remedy);
            Refusal::Unavailable
        })
    }
}

/// The token of an `Authorization` header (RFC 6750, section 2.1).
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_from_a_bearer_header() {
        for (value, expected) in [
            (Some("Bearer abc.def"), Some("abc.def")),
            (Some("bearer  abc "), Some("abc")),
            (Some("Bearer "), None),
            (Some("Bearer"), None),
            (Some("Basic dXNlcg=="), None),
            (Some(""), None),
            (None, None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(bearer_token(&headers), expected, "{value:?}");
        }
    }
}
