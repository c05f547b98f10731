//! Authorization for `/metrics` and the pages: the API server says whose a token is and what that user
//! may do.
//!
//! The cache times are those of controller-runtime's filter, so that a revoked permission stops working
//! after at most 5 minutes, as with other operators.

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
    cache::{CacheKey, ReviewCache},
    client_source::ClientSource,
    connections::Peer,
    throttle::Throttle,
};
use crate::telemetry::{Outages, RequestFailure};

/// How long the result of a TokenReview is kept.
const IDENTITY: Duration = Duration::from_mins(1);
/// How long a positive SubjectAccessReview is kept.
const ALLOWED: Duration = Duration::from_mins(5);
/// How long a negative SubjectAccessReview is kept.
const DENIED: Duration = Duration::from_secs(30);
/// How long the reviews of one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many results are kept, of each kind.
const KEPT: usize = 1024;
/// How long a token that was allowed to read goes before unknown ones.
const PROVEN: Duration = Duration::from_hours(24);
/// How many reviews may be in progress for proven tokens, and as many for the others.
const AT_ONCE: usize = 4;

const ANONYMOUS: &str = "system:anonymous";

/// Why a request is denied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessDenied {
    /// The request has no token.
    #[error(
        "the request has no token; send that of a ServiceAccount as Authorization: Bearer TOKEN"
    )]
    NoToken,
    /// The cluster does not know the token.
    #[error("the token is expired or not one of this cluster; get a new one")]
    BadToken,
    /// The user has no permission.
    #[error(
        "{user} may not {verb} {path}: grant it with a ClusterRole for nonResourceURLs [{grant}], verbs [{verb}]"
    )]
    Forbidden {
        user: String,
        /// The verb that is missing.
        verb: &'static str,
        /// The path that was asked for.
        path: String,
        /// The paths to grant.
        grant: &'static str,
    },
    /// Too many unknown tokens were sent; the time to wait.
    #[error("too many unknown tokens were sent; try again in {} s", seconds(*.0))]
    TooMany(Duration),
    /// The API server gave no result.
    #[error("the API server could not check the token; try again")]
    Unavailable,
}

/// A wait in whole seconds for `Retry-After`, rounded up so that it is never zero.
pub fn seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(1)
}

/// What is asked for, as the API server is to judge it.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub verb: &'static str,
    pub path: &'a str,
    /// The `nonResourceURLs` that give the right: the path, or a pattern with it.
    pub grant: &'static str,
}

/// Somebody who may read what they asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The user name. None where everybody may read.
    pub user: Option<String>,
}

/// How requests for `/metrics` and the pages are authorized.
#[derive(Debug)]
pub enum Access {
    /// Everybody may read; on loopback only.
    Open,
    /// The API server decides.
    Reviewed(Box<Reviewer>),
}

impl Access {
    pub fn reviewed(client: Client, outages: Outages) -> Self {
        Self::Reviewed(Box::new(Reviewer {
            client,
            identities: ReviewCache::new(KEPT),
            rights: ReviewCache::new(KEPT),
            proven: ReviewCache::new(KEPT),
            throttle: Mutex::new(Throttle::new(Instant::now())),
            proven_reviews: Semaphore::new(AT_ONCE),
            other_reviews: Semaphore::new(AT_ONCE),
            outages,
        }))
    }

    /// Whether everybody may read.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// Checks that whoever sent a token may read what is asked for.
    pub async fn check(
        &self,
        token: Option<&str>,
        peer: &Peer,
        target: Target<'_>,
    ) -> Result<Reader, AccessDenied> {
        let reader = match self {
            Self::Open => Reader { user: None },
            Self::Reviewed(reviewer) => {
                let token = token.ok_or(AccessDenied::NoToken)?;
                // A client must not hold a connection for as long as the API server hangs.
                tokio::time::timeout(TIMEOUT, reviewer.check(token, peer.source, target))
                    .await
                    .unwrap_or(Err(AccessDenied::Unavailable))?
            }
        };
        peer.trust();
        Ok(reader)
    }
}

/// Asks the API server, and keeps its results for a while.
pub struct Reviewer {
    client: Client,
    identities: ReviewCache<Option<UserInfo>>,
    rights: ReviewCache<bool>,
    /// Tokens that were allowed to read. Unknown ones never delay them.
    proven: ReviewCache<()>,
    throttle: Mutex<Throttle>,
    proven_reviews: Semaphore,
    other_reviews: Semaphore,
    outages: Outages,
}

impl std::fmt::Debug for Reviewer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reviewer").finish_non_exhaustive()
    }
}

/// The request that a review is for.
#[derive(Clone, Copy)]
struct ReviewRequest {
    token: CacheKey,
    source: ClientSource,
    proven: bool,
}

impl Reviewer {
    async fn check(
        &self,
        token: &str,
        source: ClientSource,
        target: Target<'_>,
    ) -> Result<Reader, AccessDenied> {
        let key = CacheKey::of(token.as_bytes());
        let proven = self.proven.get(key, Instant::now()).is_some();
        let request = ReviewRequest { token: key, source, proven };
        let user = self.identify(token, request).await?;
        let allowed = match &user {
            Some(user) => self.is_allowed(user, target, request).await?,
            None => false,
        };
        let user = user.map(|user| user.username.unwrap_or_default());
        if allowed {
            self.proven.put(key, (), PROVEN, Instant::now());
            // Prometheus gets a new token each hour, which is unknown at first: its address is not.
            self.with_throttle(|throttle| throttle.note_reader(source, Instant::now()));
            return Ok(Reader { user });
        }
        // A revoked token loses its precedence at once.
        self.proven.remove(key);
        let user = user.ok_or(AccessDenied::BadToken)?;
        let Target { verb, path, grant } = target;
        Err(AccessDenied::Forbidden { user, verb, path: path.to_owned(), grant })
    }

    async fn identify(
        &self,
        token: &str,
        request: ReviewRequest,
    ) -> Result<Option<UserInfo>, AccessDenied> {
        if let Some(known) = self.identities.get(request.token, Instant::now()) {
            return Ok(known);
        }
        let spec = TokenReviewSpec { token: token.to_owned(), audiences: None };
        let review = TokenReview { spec, ..TokenReview::default() };
        let status = self.review(&review, request).await?.status.unwrap_or_default();
        let user = status
            .user
            .filter(|_| status.authenticated == Some(true))
            .filter(|user| user.username.as_deref().is_some_and(|name| name != ANONYMOUS));
        // Kept if the token is invalid too, or each request with it would cost a review.
        self.identities.put(request.token, user.clone(), IDENTITY, Instant::now());
        Ok(user)
    }

    async fn is_allowed(
        &self,
        user: &UserInfo,
        target: Target<'_>,
        request: ReviewRequest,
    ) -> Result<bool, AccessDenied> {
        let spec = SubjectAccessReviewSpec {
            user: user.username.clone(),
            groups: user.groups.clone(),
            uid: user.uid.clone(),
            extra: user.extra.clone(),
            non_resource_attributes: Some(NonResourceAttributes {
                path: Some(target.path.to_owned()),
                verb: Some(target.verb.to_owned()),
            }),
            resource_attributes: None,
        };
        // The key covers groups and extra fields: a user whose groups changed is reviewed again.
        let review_key = serde_json::to_vec(&spec).map_err(|_| AccessDenied::Unavailable)?;
        let key = CacheKey::of(&review_key);
        if let Some(known) = self.rights.get(key, Instant::now()) {
            return Ok(known);
        }
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let allowed =
            self.review(&review, request).await?.status.is_some_and(|status| status.allowed);
        let lasts = if allowed { ALLOWED } else { DENIED };
        self.rights.put(key, allowed, lasts, Instant::now());
        Ok(allowed)
    }

    async fn review<R>(&self, review: &R, request: ReviewRequest) -> Result<R, AccessDenied>
    where
        R: kube::Resource<DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        // Unknown tokens are throttled before the API server hears of them; a known reader never waits
        // behind them.
        let reviews = if request.proven {
            &self.proven_reviews
        } else {
            self.with_throttle(|throttle| throttle.admit(request.source, Instant::now()))
                .map_err(AccessDenied::TooMany)?;
            &self.other_reviews
        };
        let _permit = reviews.acquire().await.map_err(|_| AccessDenied::Unavailable)?;
        Api::all(self.client.clone()).create(&PostParams::default(), review).await.map_err(|error| {
            let remedy = "access to /metrics and the pages can't be checked: grant the operator create on tokenreviews and subjectaccessreviews";
            let text = RequestFailure::describe(&error);
            self.outages.failed(&R::plural(&()), RequestFailure::of(&error), &text, remedy);
            AccessDenied::Unavailable
        })
    }

    fn with_throttle<T>(&self, act: impl FnOnce(&mut Throttle) -> T) -> T {
        act(&mut self.throttle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The token of an `Authorization` header (RFC 6750, section 2.1).
pub fn bearer_token(headers: &HeaderMap) -> Option<&str> {
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
