//! Who may read `/metrics`: the API server says whose a token is and what they may.
//!
//! The times are those of controller-runtime's filter, so that a right which is taken away stops
//! to work after at most 5 minutes, as with other operators.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, header};
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, api::PostParams};
use tokio::sync::Semaphore;

use super::{
    cache::{Cache, Key},
    connections::Peer,
    source::Source,
    throttle::Throttle,
};
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
/// How long a token that could read is asked about before those that nobody has seen.
const PROVEN: Duration = Duration::from_hours(24);
/// How many questions may be under way for proven tokens, and as many for the others.
const AT_ONCE: usize = 4;

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
    /// More tokens that nobody has seen were sent than the API server is asked about.
    #[error("too many unknown tokens were sent; try again in {} s", seconds(*.0))]
    TooMany(Duration),
    /// The API server did not say.
    #[error("the API server could not be asked; try again")]
    Unavailable,
}

/// Whole seconds, as `Retry-After` has them, and never none.
pub fn seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(1)
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
            proven: Cache::new(KEPT),
            throttle: Mutex::new(Throttle::new(Instant::now())),
            of_proven: Semaphore::new(AT_ONCE),
            of_others: Semaphore::new(AT_ONCE),
            outages,
        }))
    }

    /// Whether who sent `headers` may use `verb` on `path`.
    pub async fn check(
        &self,
        headers: &HeaderMap,
        peer: &Peer,
        verb: &'static str,
        path: &'static str,
    ) -> Result<(), Refusal> {
        match self {
            Self::Open => {}
            Self::Reviewed(reviewer) => {
                let token = bearer_token(headers).ok_or(Refusal::NoToken)?;
                tokio::time::timeout(TIMEOUT, reviewer.check(token, peer.source, verb, path))
                    .await
                    .unwrap_or(Err(Refusal::Unavailable))?;
            }
        }
        peer.trust();
        Ok(())
    }
}

/// Asks the API server and remembers what it said.
pub struct Reviewer {
    client: Client,
    identities: Cache<Option<UserInfo>>,
    rights: Cache<bool>,
    /// Tokens that could read: what strangers send never delays them.
    proven: Cache<()>,
    throttle: Mutex<Throttle>,
    of_proven: Semaphore,
    of_others: Semaphore,
    outages: Outages,
}

impl std::fmt::Debug for Reviewer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reviewer").finish_non_exhaustive()
    }
}

/// For whom the API server is asked.
#[derive(Clone, Copy)]
struct Asker {
    token: Key,
    source: Source,
    proven: bool,
}

impl Reviewer {
    async fn check(
        &self,
        token: &str,
        source: Source,
        verb: &'static str,
        path: &'static str,
    ) -> Result<(), Refusal> {
        let key = Key::of(token.as_bytes());
        let proven = self.proven.get(key, Instant::now()).is_some();
        let asker = Asker { token: key, source, proven };
        let user = self.identify(token, asker).await?;
        let allowed = match &user {
            Some(user) => self.may(user, verb, path, asker).await?,
            None => false,
        };
        if allowed {
            self.proven.put(key, (), PROVEN, Instant::now());
            self.with_throttle(|throttle| throttle.vouch(source, Instant::now()));
            return Ok(());
        }
        self.proven.remove(key);
        let user = user.ok_or(Refusal::BadToken)?.username.unwrap_or_default();
        Err(Refusal::Forbidden { user, verb, path })
    }

    async fn identify(&self, token: &str, asker: Asker) -> Result<Option<UserInfo>, Refusal> {
        if let Some(known) = self.identities.get(asker.token, Instant::now()) {
            return Ok(known);
        }
        let spec = TokenReviewSpec { token: token.to_owned(), audiences: None };
        let review = TokenReview { spec, ..TokenReview::default() };
        let status = self.ask(&review, asker).await?.status.unwrap_or_default();
        let user = status
            .user
            .filter(|_| status.authenticated == Some(true))
            .filter(|user| user.username.as_deref().is_some_and(|name| name != ANONYMOUS));
        self.identities.put(asker.token, user.clone(), IDENTITY, Instant::now());
        Ok(user)
    }

    async fn may(
        &self,
        user: &UserInfo,
        verb: &str,
        path: &str,
        asker: Asker,
    ) -> Result<bool, Refusal> {
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
        let allowed = self.ask(&review, asker).await?.status.is_some_and(|status| status.allowed);
        let lasts = if allowed { ALLOWED } else { REFUSED };
        self.rights.put(key, allowed, lasts, Instant::now());
        Ok(allowed)
    }

    async fn ask<R>(&self, review: &R, asker: Asker) -> Result<R, Refusal>
    where
        R: kube::Resource<DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        let questions = if asker.proven {
            &self.of_proven
        } else {
            self.with_throttle(|throttle| throttle.admit(asker.source, Instant::now()))
                .map_err(Refusal::TooMany)?;
            &self.of_others
        };
        let _permit = questions.acquire().await.map_err(|_| Refusal::Unavailable)?;
        Api::all(self.client.clone()).create(&PostParams::default(), review).await.map_err(|error| {
            let remedy = "nobody can be asked who may read /metrics: grant create on tokenreviews and subjectaccessreviews to the operator";
            let told = Failure::told(&error);
            self.outages.failed(&R::plural(&()), Failure::of(&error), &told, remedy);
            Refusal::Unavailable
        })
    }

    fn with_throttle<T>(&self, act: impl FnOnce(&mut Throttle) -> T) -> T {
        act(&mut self.throttle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The token of an `Authorization` header (RFC 6750, section 2.1).
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    let is_one_word = !token.is_empty() && !token.contains(char::is_whitespace);
    (scheme.eq_ignore_ascii_case("bearer") && is_one_word).then_some(token)
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
            (Some("Bearer abc def"), None),
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
