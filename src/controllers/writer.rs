//! Writing statuses: by server-side apply, knowing what was written last.

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
    refusal::{Bare, MAX_STATUS, refusal},
    retries::Retries,
};
use crate::source::rewinds::Rewinds;
use crate::telemetry::{Failure, Metrics, ReconcileKind, Refusal};

/// One call: no longer than the time between losing a lease and another replica taking it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The shortest time between two writes of one status: a storm of changes is gathered.
pub const WINDOW: Duration = Duration::from_millis(100);

/// The same for changes that nobody waits for.
pub const QUIET_WINDOW: Duration = Duration::from_secs(2);

/// How soon a status that was refused is sent again as it is.
const REFUSED_AGAIN: Duration = Duration::from_mins(5);

/// The same for one that differs from what was refused.
const CHANGED_AGAIN: Duration = Duration::from_secs(10);

/// Why a status could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The API server refused, or did not answer well.
    #[error("the status can't be written: {}", Failure::told(.0))]
    Api(#[from] kube::Error),
    /// It did not answer at all.
    #[error("the status can't be written: the API server did not answer within 5 s")]
    Timeout,
    /// It would be refused.
    #[error("the status can't be written: it is larger than the API server takes")]
    TooLarge,
}

impl WriteError {
    fn failure(&self) -> Failure {
        match self {
            Self::Api(error) => Failure::of(error),
            Self::Timeout => Failure::NoAnswer,
            Self::TooLarge => Failure::Refused,
        }
    }
}

/// What was written, for objects of one kind with statuses `S`.
pub struct Writer<S> {
    manager: &'static str,
    kind: ReconcileKind,
    metrics: Metrics,
    rewinds: Rewinds,
    rewound: watch::Receiver<u64>,
    known: Mutex<Known<S>>,
}

struct Known<S> {
    entries: HashMap<String, Entry<S>>,
    retries: Retries,
    /// How many rewinds there were when that was written.
    rewinds: u64,
}

struct Entry<S> {
    written: Option<Written<S>>,
    refused: Option<Refused<S>>,
}

struct Written<S> {
    status: S,
    version: Option<u64>,
    at: Instant,
}

/// A status that was refused, so that it is written without texts.
#[derive(Clone)]
struct Refused<S> {
    status: S,
    refusal: Refusal,
    since: Timestamp,
    at: Instant,
}

impl<S> Default for Entry<S> {
    fn default() -> Self {
        Self { written: None, refused: None }
    }
}

impl<S: Clone + PartialEq + Serialize + Bare> Writer<S> {
    /// A writer under this field manager.
    pub fn new(
        manager: &'static str,
        kind: ReconcileKind,
        metrics: Metrics,
        rewinds: Rewinds,
    ) -> Self {
        let rewound = rewinds.subscribe();
        let known = Known { entries: HashMap::new(), retries: Retries::default(), rewinds: 0 };
        Self { manager, kind, metrics, rewinds, rewound, known: Mutex::new(known) }
    }

    /// The newest status that is known: what the watch says, or what was written last while the
    /// watch has not caught up with it. Without this, each write would be followed by a second one.
    pub fn newest<K: ResourceExt>(&self, object: &K, status: Option<&S>) -> Option<S> {
        let seen = version(object.resource_version());
        self.with(&object.name_any(), |entry| match &entry.written {
            _ if entry.recheck() == Some(Duration::ZERO) => status.cloned(),
            // At the same version the object holds what was written, readable or not.
            Some(written) if seen.is_some() && seen <= written.version => {
                Some(written.status.clone())
            }
            _ => status.cloned(),
        })
    }

    /// How long to wait before the next record of this object, of which there is one in a window.
    pub fn gather(&self, name: &str, window: Duration) -> Option<Duration> {
        self.with(name, |entry| entry.gather(window))
    }

    /// The same before the next write, which after a failure waits longer each time.
    pub fn hold(&self, name: &str, window: Duration) -> Option<Duration> {
        self.gather(name, window).max(self.backoff(name))
    }

    /// How long to wait after failures of this object. None: it may be tried now.
    pub fn backoff(&self, name: &str) -> Option<Duration> {
        self.lock().retries.wait(name, Instant::now())
    }

    /// Logs a failure of this object, once for an outage, and says how long to wait.
    pub fn failed(&self, name: &str, error: &WriteError) -> Duration {
        let remedy = "a status can't be written, so it stays as it was: grant patch on it to the operator (config/rbac), and see that the CRDs are those of this version";
        self.metrics.outages().failed(&self.what(name), error.failure(), error, remedy);
        self.backoff(name).unwrap_or_default()
    }

    fn what(&self, name: &str) -> String {
        format!("the status of {} {name}", self.kind.resource())
    }

    /// Whether the status is written without its texts.
    pub fn is_refused(&self, name: &str) -> bool {
        self.with(name, |entry| entry.refused.is_some())
    }

    /// When to look again at a status that was refused, so that it is sent as it is.
    pub fn recheck(&self, name: &str) -> Option<Duration> {
        self.with(name, |entry| entry.recheck())
    }

    /// Writes a status. One that the API server refuses is written without its texts, and says so.
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
        let again = known.as_ref().is_none_or(|known| known.left(&status).is_zero());
        let refused = if again {
            let (refusal, error) = match self.send(api, name, &status).await? {
                Sent::Taken(version) => {
                    self.written(name, status, version, None);
                    return Ok(());
                }
                Sent::Refused(refusal, error) => (refusal, error),
            };
            self.metrics.status_refused(self.kind, refusal);
            let what = format!("the texts of {}", self.what(name));
            let remedy = "a status is refused and is written without its texts: see that the CRDs are those of this version";
            self.metrics.outages().failed(&what, Failure::Refused, &error, remedy);
            let since = known.map_or(now, |known| known.since);
            Refused { status: status.clone(), refusal, since, at: Instant::now() }
        } else if let Some(known) = known {
            known
        } else {
            return Ok(());
        };
        let bare = status.bare(refused.refusal, refused.since);
        self.with(name, |entry| entry.refused = Some(refused.clone()));
        match self.send(api, name, &bare).await? {
            Sent::Taken(version) => {
                self.written(name, status, version, Some(refused));
                Ok(())
            }
            // It was not for the texts: the next try begins with all of it.
            Sent::Refused(_, error) => {
                self.with(name, |entry| entry.refused = None);
                self.lock().retries.failed(name, Instant::now());
                Err(error)
            }
        }
    }

    /// Sends a status as it is. A refusal is no error yet.
    async fn send<K>(&self, api: &Api<K>, name: &str, status: &S) -> Result<Sent, WriteError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        if body::length(status) > MAX_STATUS {
            return Ok(Sent::Refused(Refusal::TooLarge, WriteError::TooLarge));
        }
        self.lock().retries.begins(name, Instant::now());
        let sent = body::apply_status(api, name, self.manager, status);
        let error = match tokio::time::timeout(TIMEOUT, sent).await {
            Ok(Ok(answer)) => return Ok(Sent::Taken(version(answer.metadata.resource_version))),
            Ok(Err(kube::Error::Api(answer))) => match refusal(&answer) {
                Some(refusal) => {
                    let error = WriteError::Api(kube::Error::Api(answer));
                    return Ok(Sent::Refused(refusal, error));
                }
                None => WriteError::Api(kube::Error::Api(answer)),
            },
            Ok(Err(error)) => WriteError::Api(error),
            Err(_) => WriteError::Timeout,
        };
        self.lock().retries.failed(name, Instant::now());
        Err(error)
    }

    fn written(&self, name: &str, status: S, version: Option<u64>, refused: Option<Refused<S>>) {
        let now = Instant::now();
        if self.lock().retries.worked(name, now) {
            self.metrics.outages().worked(&self.what(name));
        }
        let before = self.with(name, |entry| {
            entry.refused = refused;
            let written = Written { status, version, at: now };
            entry.written.replace(written).and_then(|before| before.version)
        });
        if version.zip(before).is_some_and(|(version, before)| version < before) {
            tracing::warn!(
                kind = self.kind.resource(),
                name,
                "a write was answered with an earlier resource version than before, so the cluster was put back to an earlier state: everything is listed and written anew"
            );
            self.rewinds.note();
        }
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, name: &str) {
        let mut known = self.lock();
        known.entries.remove(name);
        known.retries.forget(name);
    }

    fn with<T>(&self, name: &str, with: impl FnOnce(&mut Entry<S>) -> T) -> T {
        with(self.lock().entries.entry(name.to_owned()).or_default())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known<S>> {
        let rewinds = *self.rewound.borrow();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.rewinds != rewinds {
            known.rewinds = rewinds;
            // What the next list shows is what is there.
            known.entries.clear();
        }
        known
    }
}

enum Sent {
    /// The object has this version now.
    Taken(Option<u64>),
    Refused(Refusal, WriteError),
}

impl<S: PartialEq> Entry<S> {
    fn gather(&self, window: Duration) -> Option<Duration> {
        let since = self.written.as_ref()?.at.elapsed();
        window.checked_sub(since).filter(|left| !left.is_zero())
    }

    fn recheck(&self) -> Option<Duration> {
        let refused = self.refused.as_ref()?;
        self.written.as_ref().map(|written| refused.left(&written.status))
    }
}

impl<S: PartialEq> Refused<S> {
    /// How long until a status is sent as it is, though this one was refused.
    fn left(&self, status: &S) -> Duration {
        let wait = if self.status == *status { REFUSED_AGAIN } else { CHANGED_AGAIN };
        wait.saturating_sub(self.at.elapsed())
    }
}

/// Resource versions of one resource are ordered numbers (KEP-5504).
fn version(version: Option<String>) -> Option<u64> {
    version?.parse().ok()
}
