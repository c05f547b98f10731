//! Writing statuses: by server-side apply, knowing what was written last.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{utils::Backoff as _, watcher::DefaultBackoff},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::telemetry::{Failure, Outages};

/// One call: no longer than the time between losing a lease and another replica taking it.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The shortest time between two writes of one status: a storm of changes is gathered.
pub const WINDOW: Duration = Duration::from_millis(100);

/// The same for changes that nobody waits for.
pub const QUIET_WINDOW: Duration = Duration::from_secs(2);

/// Why a status could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The API server refused, or did not answer well.
    #[error("the status can't be written: {0}")]
    Api(#[from] kube::Error),
    /// It did not answer at all.
    #[error("the status can't be written: the API server did not answer within 5 s")]
    Timeout,
}

impl WriteError {
    /// Logs it, once for an outage. `what` names the status.
    pub fn log(&self, what: &str, outages: &Outages) {
        let failure = match self {
            Self::Api(error) => Failure::of(error),
            Self::Timeout => Failure::NoAnswer,
        };
        let remedy = "a status can't be written, so it stays as it was: grant patch on it to the operator (config/rbac), and see that the CRDs are those of this version";
        outages.failed(what, failure, self, remedy);
    }
}

/// What was written, for objects of one kind with statuses `S`.
pub struct Writer<S> {
    manager: &'static str,
    entries: Mutex<HashMap<String, Entry<S>>>,
}

struct Entry<S> {
    written: Option<Written<S>>,
    backoff: Option<DefaultBackoff>,
}

struct Written<S> {
    status: S,
    version: Option<u64>,
    at: Instant,
}

impl<S> Default for Entry<S> {
    fn default() -> Self {
        Self { written: None, backoff: None }
    }
}

impl<S: Clone + Serialize> Writer<S> {
    /// A writer under this field manager.
    pub fn new(manager: &'static str) -> Self {
        Self { manager, entries: Mutex::default() }
    }

    /// The newest status that is known: what the watch says, or what was written last while the
    /// watch has not caught up with it. Without this, each write would be followed by a second one.
    pub fn newest<K: ResourceExt>(&self, object: &K, status: Option<&S>) -> Option<S> {
        let seen = version(object);
        self.with(&object.name_any(), |entry| match &entry.written {
            // At the same version the object holds what was written, readable or not.
            Some(written) if seen.is_some() && seen <= written.version => {
                Some(written.status.clone())
            }
            _ => status.cloned(),
        })
    }

    /// How long to wait before the next write of this object, of which there is one in a window.
    pub fn gather(&self, name: &str, window: Duration) -> Option<Duration> {
        self.with(name, |entry| {
            let since = entry.written.as_ref()?.at.elapsed();
            window.checked_sub(since).filter(|left| !left.is_zero())
        })
    }

    /// Writes a status.
    pub async fn write<K>(&self, api: &Api<K>, name: &str, status: S) -> Result<(), WriteError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let body = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {"name": name},
            "status": status,
        });
        let params = PatchParams::apply(self.manager).force();
        let patch = Patch::Apply(body);
        let patched = tokio::time::timeout(TIMEOUT, api.patch_status(name, &params, &patch))
            .await
            .map_err(|_| WriteError::Timeout)??;
        self.with(name, |entry| {
            entry.backoff = None;
            entry.written =
                Some(Written { status, version: version(&patched), at: Instant::now() });
        });
        Ok(())
    }

    /// How long to wait after a failure of this object, longer each time.
    pub fn backoff(&self, name: &str) -> Duration {
        self.with(name, |entry| {
            let backoff = entry.backoff.get_or_insert_with(DefaultBackoff::default);
            backoff.next().unwrap_or_else(|| {
                backoff.reset();
                TIMEOUT
            })
        })
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, name: &str) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    fn with<T>(&self, name: &str, with: impl FnOnce(&mut Entry<S>) -> T) -> T {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        with(entries.entry(name.to_owned()).or_default())
    }
}

/// Resource versions of one resource are ordered numbers (KEP-5504).
fn version<K: ResourceExt>(object: &K) -> Option<u64> {
    object.resource_version()?.parse().ok()
}
