//! Writes statuses by server-side apply, and remembers what was written last.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use kube::{Api, Resource, ResourceExt};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use super::{
    body,
    refusal::{MAX_STATUS, WithoutTexts, refusal},
    retries::Retries,
};
use crate::source::rewinds::Rewinds;
use crate::telemetry::{Metrics, ReconcileKind, RequestFailure, StatusRefusal};

/// The longest call. It must end within the time between losing a lease and another replica taking
/// it, or two replicas would write.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The shortest time between two writes of one status, within which changes are gathered.
pub const WINDOW: Duration = Duration::from_millis(100);

/// The same for changes that nobody is waiting for, such as counts.
pub const QUIET_WINDOW: Duration = Duration::from_secs(2);

/// How soon a rejected status is sent again unchanged.
const REFUSED_AGAIN: Duration = Duration::from_mins(5);

/// How soon one that differs from the rejected status is sent.
const CHANGED_AGAIN: Duration = Duration::from_secs(10);

/// Why a status could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The API server answered with an error, or the request failed.
    #[error("the status can't be written: {}", RequestFailure::describe(.0))]
    Api(#[from] kube::Error),
    /// There was no response in time.
    #[error("the status can't be written: the API server did not respond within 5 s")]
    Timeout,
    /// It is larger than [`MAX_STATUS`], so it was not sent.
    #[error("the status can't be written: it is larger than the API server accepts")]
    TooLarge,
}

impl WriteError {
    fn failure(&self) -> RequestFailure {
        match self {
            Self::Api(error) => RequestFailure::of(error),
            Self::Timeout => RequestFailure::NoAnswer,
            Self::TooLarge => RequestFailure::Rejected,
        }
    }
}

/// Writes the statuses `S` of the objects of one kind.
pub struct Writer<S> {
    manager: &'static str,
    kind: ReconcileKind,
    metrics: Metrics,
    rewinds: Rewinds,
    rewound: watch::Receiver<u64>,
    known: Mutex<WrittenStatuses<S>>,
}

struct WrittenStatuses<S> {
    /// By the name of the object.
    entries: HashMap<String, StatusEntry<S>>,
    retries: Retries,
    /// The number of rewinds when the entries were written.
    rewinds: u64,
}

struct StatusEntry<S> {
    written: Option<WrittenStatus<S>>,
    refused: Option<RefusedStatus<S>>,
}

struct WrittenStatus<S> {
    status: S,
    /// The object's resource version after the write; None if it is not a number.
    version: Option<u64>,
    at: Instant,
}

/// A rejected status, because of which the object's status is written without texts.
#[derive(Clone)]
struct RefusedStatus<S> {
    status: S,
    refusal: StatusRefusal,
    since: Timestamp,
    at: Instant,
}

impl<S> Default for StatusEntry<S> {
    fn default() -> Self {
        Self { written: None, refused: None }
    }
}

impl<S: Clone + PartialEq + Serialize + WithoutTexts> Writer<S> {
    /// A writer with this field manager. The fields of a status belong to it.
    pub fn new(
        manager: &'static str,
        kind: ReconcileKind,
        metrics: Metrics,
        rewinds: Rewinds,
    ) -> Self {
        let rewound = rewinds.subscribe();
        let known =
            WrittenStatuses { entries: HashMap::new(), retries: Retries::default(), rewinds: 0 };
        Self { manager, kind, metrics, rewinds, rewound, known: Mutex::new(known) }
    }

    /// The newest known status: the watched one, or the one written last until the watch catches up
    /// with it. Otherwise each write would be followed by a second one. None if there is none yet.
    pub fn newest<K: ResourceExt>(&self, object: &K, status: Option<&S>) -> Option<S> {
        let watched = version(object.resource_version());
        self.with(&object.name_any(), |entry| match &entry.written {
            // A rejected status is due again: compared with the watched one, it will be sent.
            _ if entry.recheck() == Some(Duration::ZERO) => status.cloned(),
            // Also at the same version: the status may have been written without its texts.
            Some(written) if watched.is_some() && watched <= written.version => {
                Some(written.status.clone())
            }
            _ => status.cloned(),
        })
    }

    /// The status that was written last; None before the first, and after the cluster was restored.
    pub fn last_written(&self, name: &str) -> Option<S> {
        self.with(name, |entry| entry.written.as_ref().map(|written| written.status.clone()))
    }

    /// Time left of the window in which this object may not be recorded again; None if it may be
    /// recorded now.
    pub fn gather(&self, name: &str, window: Duration) -> Option<Duration> {
        self.with(name, |entry| entry.gather(window))
    }

    /// Time left until this object may be written again, of the window or the backoff after
    /// failures; None if it may be written now.
    pub fn hold(&self, name: &str, window: Duration) -> Option<Duration> {
        self.gather(name, window).max(self.backoff(name))
    }

    /// Time left of the backoff after failures of this object; None if it may be written now.
    pub fn backoff(&self, name: &str) -> Option<Duration> {
        self.lock().retries.wait(name, Instant::now())
    }

    /// Logs a failure of this object, once per outage, and returns how long to wait.
    pub fn failed(&self, name: &str, error: &WriteError) -> Duration {
        let remedy = "a status can't be written, so it stays as it was: grant the operator patch on it (config/rbac), and check that the CRDs are those of this version";
        self.metrics.outages().failed(&self.what(name), error.failure(), error, remedy);
        self.backoff(name).unwrap_or_default()
    }

    /// The status of an object, for logs. The name of a Person is personal data, which no log holds.
    fn what(&self, name: &str) -> String {
        if self.kind == ReconcileKind::Person {
            return "the status of a Person".to_owned();
        }
        format!("the status of {} {name}", self.kind.resource())
    }

    /// Whether this object's status is written without its texts.
    pub fn is_refused(&self, name: &str) -> bool {
        self.with(name, |entry| entry.refused.is_some())
    }

    /// Time left until a rejected status is sent again with its texts; None if none was rejected.
    pub fn recheck(&self, name: &str) -> Option<Duration> {
        self.with(name, |entry| entry.recheck())
    }

    /// Writes a status. One that the API server rejects is written without its texts, and says so.
    ///
    /// # Errors
    /// If neither could be written. The backoff of this object has begun then.
    pub async fn write<K>(
        &self,
        api: &Api<K>,
        name: &str,
        status: S,
        now: Timestamp,
    ) -> Result<(), WriteError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let known = self.with(name, |entry| entry.refused.clone());
        // A status that was just rejected would be rejected again, and cost a second write.
        let again = known.as_ref().is_none_or(|known| known.left(&status).is_zero());
        let refused = if again {
            let (refusal, error) = match self.send(api, name, &status).await? {
                SendOutcome::Accepted(version) => {
                    self.written(name, status, version, None);
                    return Ok(());
                }
                SendOutcome::Rejected(refusal, error) => (refusal, error),
            };
            self.metrics.status_refused(self.kind, refusal);
            let what = format!("the texts of {}", self.what(name));
            let remedy = "a status was rejected and is written without its texts: check that the CRDs are those of this version";
            self.metrics.outages().failed(&what, RequestFailure::Rejected, &error, remedy);
            let since = known.map_or(now, |known| known.since);
            RefusedStatus { status: status.clone(), refusal, since, at: Instant::now() }
        } else if let Some(known) = known {
            known
        } else {
            return Ok(());
        };
        let stripped = status.without_texts(refused.refusal, refused.since);
        self.with(name, |entry| entry.refused = Some(refused.clone()));
        match self.send(api, name, &stripped).await? {
            SendOutcome::Accepted(version) => {
                self.written(name, status, version, Some(refused));
                Ok(())
            }
            // The texts were not the cause: the next attempt sends all of it.
            SendOutcome::Rejected(_, error) => {
                self.with(name, |entry| entry.refused = None);
                self.lock().retries.failed(name, Instant::now());
                Err(error)
            }
        }
    }

    /// Sends a status as it is. Being rejected is not an error yet.
    async fn send<K>(&self, api: &Api<K>, name: &str, status: &S) -> Result<SendOutcome, WriteError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        // etcd would reject it only after it was sent as a whole.
        if body::length(status) > MAX_STATUS {
            return Ok(SendOutcome::Rejected(StatusRefusal::TooLarge, WriteError::TooLarge));
        }
        self.lock().retries.begins(name, Instant::now());
        let sent = body::apply_status(api, name, self.manager, status);
        let error = match tokio::time::timeout(TIMEOUT, sent).await {
            Ok(Ok(response)) => {
                return Ok(SendOutcome::Accepted(version(response.metadata.resource_version)));
            }
            Ok(Err(kube::Error::Api(response))) => match refusal(&response) {
                Some(refusal) => {
                    let error = WriteError::Api(kube::Error::Api(response));
                    return Ok(SendOutcome::Rejected(refusal, error));
                }
                None => WriteError::Api(kube::Error::Api(response)),
            },
            Ok(Err(error)) => WriteError::Api(error),
            Err(_) => WriteError::Timeout,
        };
        self.lock().retries.failed(name, Instant::now());
        Err(error)
    }

    fn written(
        &self,
        name: &str,
        status: S,
        version: Option<u64>,
        refused: Option<RefusedStatus<S>>,
    ) {
        let now = Instant::now();
        if self.lock().retries.recovered(name, now) {
            self.metrics.outages().recovered(&self.what(name));
        }
        let before = self.with(name, |entry| {
            entry.refused = refused;
            let written = WrittenStatus { status, version, at: now };
            entry.written.replace(written).and_then(|before| before.version)
        });
        // Resource versions grow (KEP-5504), so the cluster must have been restored.
        if version.zip(before).is_some_and(|(version, before)| version < before) {
            tracing::warn!(
                object = self.what(name),
                "a write got a lower resource version than the one before, so the cluster was restored to an earlier state: everything is listed and written again"
            );
            self.rewinds.announce();
        }
    }

    /// Forgets a deleted object.
    pub fn forget(&self, name: &str) {
        let mut known = self.lock();
        known.entries.remove(name);
        known.retries.forget(name);
    }

    fn with<T>(&self, name: &str, with: impl FnOnce(&mut StatusEntry<S>) -> T) -> T {
        with(self.lock().entries.entry(name.to_owned()).or_default())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, WrittenStatuses<S>> {
        let rewinds = *self.rewound.borrow();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.rewinds != rewinds {
            known.rewinds = rewinds;
            // The restored cluster may not have what was written; the next list shows what it has.
            known.entries.clear();
        }
        known
    }
}

enum SendOutcome {
    /// The object has this resource version now; None if it is not a number.
    Accepted(Option<u64>),
    Rejected(StatusRefusal, WriteError),
}

impl<S: PartialEq> StatusEntry<S> {
    fn gather(&self, window: Duration) -> Option<Duration> {
        let since = self.written.as_ref()?.at.elapsed();
        window.checked_sub(since).filter(|left| !left.is_zero())
    }

    fn recheck(&self) -> Option<Duration> {
        let refused = self.refused.as_ref()?;
        self.written.as_ref().map(|written| refused.left(&written.status))
    }
}

impl<S: PartialEq> RefusedStatus<S> {
    /// Time left until `status` is sent with its texts, although this one was rejected.
    fn left(&self, status: &S) -> Duration {
        let wait = if self.status == *status { REFUSED_AGAIN } else { CHANGED_AGAIN };
        wait.saturating_sub(self.at.elapsed())
    }
}

/// The resource version as a number: those of one resource are ordered (KEP-5504). None if it is not a
/// number.
fn version(version: Option<String>) -> Option<u64> {
    version?.parse().ok()
}
