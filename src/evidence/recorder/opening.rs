//! Opening the log: the key, the place, what it says so far, and what is to be said first.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    api::{Duration, control::DEFAULT_HEARTBEAT},
    evidence::{
        data::{Gap, OperatorData, OperatorEvent},
        entry::{Data, Subject},
        fold::State,
        key::{self, KeyError, Pseudonyms, SigningKey, VerifierKey},
        log::{CHECKPOINT, LogError, LogReader, LogWriter},
        origin,
        replay::{ReplayError, replay},
        snapshot,
        store::{self, Store, StoreError},
    },
};

/// Where the log is, and who writes it.
pub struct EvidenceConfig {
    /// A directory, or the URL of a bucket.
    pub location: String,
    /// The signing key; None: beside a local log, made with it.
    pub key: Option<PathBuf>,
    /// The name of this process, such as the pod's.
    pub instance: String,
    /// Asks for the uid of the cluster, which names the log.
    pub cluster: Box<dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync>,
}

impl std::fmt::Debug for EvidenceConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvidenceConfig").field("location", &self.location).finish_non_exhaustive()
    }
}

/// Which leadership this is.
#[derive(Clone, Debug)]
pub enum Terms {
    /// There is no election: each start is one more.
    Sole,
    /// How often the Lease changed hands.
    Elected(watch::Receiver<u64>),
}

impl Terms {
    /// The epoch of a leadership over a log. A Lease that was deleted counts from the start again,
    /// and an epoch neither falls nor is that of two.
    pub(super) fn epoch(&self, state: &State) -> u64 {
        let next = state.epoch().saturating_add(1);
        match self {
            Self::Sole => next,
            Self::Elected(transitions) => {
                let transitions = *transitions.borrow();
                let is_new = transitions > state.epoch() || state.size() == 0;
                if is_new { transitions } else { next }
            }
        }
    }
}

/// Why the log can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// No key was named for a log that is not a directory.
    #[error("a log in a bucket needs --evidence-key FILE: mount the signing key from a Secret")]
    KeyNeeded,
    /// The directory can't be made.
    #[error("the directory {path} can't be made: {source}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Work on the directory panicked, or the program ends.
    #[error("the evidence log was not opened: {0}")]
    Ended(String),
    /// The cluster can't be named.
    #[error("the uid of the namespace kube-system, which names the log, can't be read: {0}")]
    Cluster(String),
    /// What the log says can't be read.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The log lost entries while this process ran.
    #[error(
        "the log has {found} entries, and {known} were recorded: restore it from a copy, or record to another place and keep this one as it is"
    )]
    Shorter {
        /// How many it has.
        found: u64,
        /// How many it had.
        known: u64,
    },
}

/// A log that is open.
pub(super) struct Opened {
    pub writer: LogWriter,
    pub state: State,
    pub pseudonyms: Arc<Pseudonyms>,
    pub key: SigningKey,
    pub store: Arc<dyn Store>,
}

/// Opens the log, which may have to be begun or mended, and folds what it says on top of `known`.
pub(super) async fn open(config: &EvidenceConfig, known: State) -> Result<Opened, OpenError> {
    let uid = (config.cluster)().await.map_err(OpenError::Cluster)?;
    let origin = origin::of_cluster(&uid);
    let store = store::open(&config.location)?;
    // A log that is gone is not begun anew by who knows that there was one.
    if known.size() > 0 && store.get(CHECKPOINT).await?.is_none() {
        return Err(OpenError::Shorter { found: 0, known: known.size() });
    }
    let key = signing_key(config, store.as_ref(), &origin).await?;
    let (verifier, pseudonyms) = (key.verifier(), Arc::new(key.pseudonyms()));
    let writer = LogWriter::open(Arc::clone(&store), key.clone(), &origin).boxed().await?;
    if writer.size() < known.size() {
        return Err(OpenError::Shorter { found: writer.size(), known: known.size() });
    }
    let state = fold(Arc::clone(&store), verifier, known, writer.size()).await?;
    Ok(Opened { writer, state, pseudonyms, key, store })
}

/// The key that was named, or the one beside a local log, which is made with it.
async fn signing_key(
    config: &EvidenceConfig,
    store: &dyn Store,
    origin: &str,
) -> Result<SigningKey, OpenError> {
    let name = origin.to_owned();
    if let Some(path) = config.key.clone() {
        return blocking(move || Ok(SigningKey::load(&path, &name)?)).await;
    }
    let directory = store::directory_of(&config.location).ok_or(OpenError::KeyNeeded)?;
    let path = key::default_path(&directory);
    let beside = path.clone();
    blocking(move || prepare(directory, &beside)).await?;
    // A new key for an old log would only hide that the old key is lost.
    let begun = store.get(CHECKPOINT).await?.is_some();
    blocking(move || {
        Ok(if begun {
            SigningKey::load(&path, &name)?
        } else {
            SigningKey::load_or_create(&path, &name)?
        })
    })
    .await
}

/// A local log without a key is one that never was, so its directory is made. Where a key is and
/// the directory is not, the log is lost or its volume is not mounted, and that is for a person.
fn prepare(directory: PathBuf, key: &Path) -> Result<(), OpenError> {
    if directory.exists() || key.exists() {
        return Ok(());
    }
    fs::create_dir(&directory).map_err(|source| OpenError::Directory { path: directory, source })
}

/// A volume that hangs must not hold up the threads that serve everything else.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| OpenError::Ended(error.to_string()))?
}

/// Folds what the log says beyond what is known, or beyond the snapshot beside it.
async fn fold(
    store: Arc<dyn Store>,
    key: VerifierKey,
    known: State,
    size: u64,
) -> Result<State, OpenError> {
    if known.size() == size {
        return Ok(known);
    }
    let reader = LogReader::open(store, Some(key)).boxed().await?;
    if known.size() == 0 {
        return Ok(snapshot::load_state(&reader).boxed().await?);
    }
    let mut state = known;
    let range = state.size()..size;
    replay(&reader, range, |index, entry| state.apply(index, entry)).boxed().await?;
    Ok(state)
}

/// What a leadership says first: that nobody is known to have looked for a time, where that is so,
/// and that this process writes from now on.
pub(super) fn first_words(
    state: &State,
    origin: &str,
    instance: &str,
    now: Timestamp,
) -> Vec<(Subject, Data)> {
    let silence = state.last_at().and_then(|last| {
        let reason = if let Some(operator) = state.operator() {
            format!(
                "{} did not stop in order, so nothing is known of what it saw last",
                operator.instance
            )
        } else if now.duration_since(last) > shortest_heartbeat(state, last) {
            "no operator ran".to_owned()
        } else {
            return None;
        };
        Some(Gap::between(last, now, reason))
    });
    let started = operator(OperatorEvent::Started);
    silence
        .map(|gap| (cluster(origin), Data::Gap(gap)))
        .into_iter()
        .chain([(Subject::new("Operator", instance), started)])
        .collect()
}

/// The cluster whose log has this origin.
pub(super) fn cluster(origin: &str) -> Subject {
    Subject::new("Cluster", origin::cluster(origin))
}

/// That the operator started or stopped.
pub(super) fn operator(event: OperatorEvent) -> Data {
    Data::Operator(OperatorData { event, version: env!("CARGO_PKG_VERSION").to_owned() })
}

/// For how long the log may be silent while somebody looks.
fn shortest_heartbeat(state: &State, from: Timestamp) -> jiff::SignedDuration {
    let of = |duration: Duration| duration.add_to(from).duration_since(from);
    state
        .objects_of("Control")
        .filter_map(|(_, control)| {
            let heartbeat = control.spec.as_ref()?.get("heartbeat")?.clone();
            serde_json::from_value(heartbeat).ok()
        })
        .chain([DEFAULT_HEARTBEAT])
        .map(of)
        .min()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::entry::Entry;

    #[test]
    fn an_epoch_is_that_of_one_leadership_and_never_falls() {
        let (lease, transitions) = watch::channel(4);
        let terms = Terms::Elected(transitions);
        let mut state = State::default();
        assert_eq!(terms.epoch(&state), 4);
        let subject = Subject::new("Operator", "comptroller-0");
        let data = operator(OperatorEvent::Started);
        state.apply(0, &Entry { at: Timestamp::UNIX_EPOCH, epoch: 4, subject, data });
        for (transitions, epoch) in [(5, 5), (9, 9), (4, 5), (0, 5)] {
            lease.send_replace(transitions);
            assert_eq!(terms.epoch(&state), epoch, "{transitions}");
        }
        assert_eq!(Terms::Sole.epoch(&state), 5);
    }
}
