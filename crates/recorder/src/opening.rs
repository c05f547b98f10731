//! Opening the log: the key, the place, what it says so far, and what is to be said first.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Clock, OperatorIdentity, SignedCheckpoint,
    cluster_knowledge::{self, CheckError, ClusterKnowledge, FoundLog, NotTheLog, Published},
};
use comptroller_evidence::{
    data::{GapData, PublishedState},
    entry::{Data, Entry, EntrySubject},
    fold::LogState,
    key::{self, KeyError, Pseudonyms, SigningKey, VerifierKey},
    log::{CHECKPOINT, LogError, LogReader, LogWriter, key_beside},
    origin,
    replay::{ReplayError, replay},
    snapshot,
    store::{self, Store, StoreError},
    witness,
};
use futures::{FutureExt, future::BoxFuture};

/// Where the log is, and who writes it.
pub struct EvidenceConfig {
    /// A directory, or the URL of a bucket.
    pub location: String,
    /// The signing key; None: beside a local log, made with it.
    pub key: Option<PathBuf>,
    /// The name of this process, such as the pod's.
    pub instance: String,
    /// By which entries are dated.
    pub clock: Clock,
    /// Asks who runs this process; soon, and with what can be known then.
    pub identity: Box<dyn Fn() -> BoxFuture<'static, OperatorIdentity> + Send + Sync>,
    /// Asks for the uid of the cluster, which names the log.
    pub cluster: Box<dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync>,
    /// Asks what others know of the log, before a leadership appends to it.
    pub knowledge:
        Box<dyn Fn() -> BoxFuture<'static, Result<ClusterKnowledge, String>> + Send + Sync>,
}

impl std::fmt::Debug for EvidenceConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EvidenceConfig").field("location", &self.location).finish_non_exhaustive()
    }
}

/// Why the log can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or bucket can't be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The signing key can't be read, or is not one.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The log is not whole, or another writer has it.
    #[error(transparent)]
    Log(#[from] LogError),
    /// No key was named for a log that is not a directory.
    #[error("a log in a bucket needs --evidence-key FILE: mount the signing key from a Secret")]
    KeyNeeded,
    /// The directory of a new local log can't be created.
    #[error("the directory {path} can't be created: {source}")]
    Directory { path: PathBuf, source: io::Error },
    /// Work on the directory panicked, or the program ends.
    #[error("the evidence log was not opened: {0}")]
    Ended(String),
    /// The cluster can't be named.
    #[error("the uid of the namespace kube-system, which names the log, can't be read: {0}")]
    Cluster(String),
    /// It is not known whether this is the log that was written before.
    #[error(
        "what is published of the log and what statuses cite can't be read ({0}), and the log may be an older copy: nothing is appended before it is known. It is tried again; see that the API server answers, and that the operator may patch the ConfigMap comptroller-evidence and list controls"
    )]
    ClusterKnowledge(String),
    /// It is not the log that was written before.
    #[error(transparent)]
    NotTheLog(#[from] NotTheLog),
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

impl OpenError {
    /// Whether the log is not, or not all of, what was written before: for a person, and soon.
    pub(super) fn is_put_back(&self) -> bool {
        match self {
            Self::NotTheLog(_) | Self::Shorter { .. } => true,
            Self::Log(error) => error.is_put_back(),
            _ => false,
        }
    }

    /// Whether another process holds the lock.
    pub(super) fn is_locked(&self) -> bool {
        let (Self::Store(store) | Self::Log(LogError::Store(store))) = self else { return false };
        matches!(store, StoreError::Locked { .. })
    }
}

impl From<CheckError> for OpenError {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Not(error) => error.into(),
            CheckError::Log(error) => error.into(),
        }
    }
}

/// A log that is open.
pub(super) struct Opened {
    pub writer: LogWriter,
    pub state: LogState,
    pub pseudonyms: Arc<Pseudonyms>,
    pub key: SigningKey,
    pub store: Arc<dyn Store>,
    /// The last gap of all that the log says beyond what was known.
    pub gap: Option<GapData>,
    /// What was found published of the log. None: this leadership has asked before.
    pub published: Option<PublishedState>,
}

/// What a process knows of the log that it opens.
#[derive(Debug, Default)]
pub(super) struct KnownLog {
    /// The fold of it, as of when it was open last; empty at first.
    pub state: LogState,
    /// What this process signed last.
    pub signed: Option<SignedCheckpoint>,
    /// Whether this leadership has found the log to be the one that others know.
    pub is_compared: bool,
    /// Whether another process held the lock at the last try: nobody is asked before it is free.
    pub locked: bool,
}

/// Opens the log, which may have to be begun or mended, and folds what it says on top of what is
/// known. Nothing is written before it is found to be the log that others know.
pub(super) async fn open(
    config: &EvidenceConfig,
    uid: &str,
    known: KnownLog,
) -> Result<Opened, OpenError> {
    let origin = origin::of_cluster(uid);
    let store = store::open(&config.location)?;
    if known.locked {
        drop(store.lock().await?);
    }
    // First what others know, then the log: it may grow in between, and never lacks what they cite.
    let knowledge = if known.is_compared {
        ClusterKnowledge::default()
    } else {
        (config.knowledge)().await.map_err(OpenError::ClusterKnowledge)?
    };
    let published = (!known.is_compared).then(|| published_state(&knowledge.published));
    let compared = compare(config, &store, &origin, &knowledge, known.signed.as_ref()).await;
    if let (Err(OpenError::NotTheLog(error)), Published::Checkpoint(published)) =
        (&compared, &knowledge.published)
    {
        keep_contradiction(&*store, error, published).await;
    }
    let size = compared?;
    let known = known.state;
    let known_before = known.size() > 0;
    if size < known.size() {
        return Err(OpenError::Shorter { found: size, known: known.size() });
    }
    let key = signing_key(config, store.as_ref(), &origin).await?;
    let verifier = key.verifier();
    let writer = LogWriter::open(Arc::clone(&store), key.clone(), &origin).boxed().await?;
    if writer.size() < size {
        return Err(OpenError::Shorter { found: writer.size(), known: size });
    }
    let (state, gap) = fold(Arc::clone(&store), verifier, known, writer.size()).await?;
    let pseudonyms = Arc::new(key.pseudonyms().continuing(&state));
    if !known_before {
        warn_of_key_beside(config);
    }
    Ok(Opened { writer, state, pseudonyms, key, store, gap, published })
}

/// What the entry of a start says of what was published.
fn published_state(published: &Published) -> PublishedState {
    let (checkpoint, continues) = match published {
        Published::Nothing => (None, true),
        // Somebody took it out, so that nothing tells what came before.
        Published::Withdrawn => (None, false),
        Published::Checkpoint(checkpoint) => (Some(checkpoint.text.clone()), true),
    };
    PublishedState { checkpoint, continues }
}

/// Keeps the published checkpoint beside a log that does not continue it, for whoever reads that log
/// later. Nothing is begun where there is no log.
async fn keep_contradiction(store: &dyn Store, error: &NotTheLog, published: &SignedCheckpoint) {
    if matches!(error, NotTheLog::Gone { .. } | NotTheLog::Another { .. }) {
        return;
    }
    let kept = witness::keep_contradiction(store, published.text.as_bytes()).await;
    if let Err(error) = kept {
        tracing::warn!(%error, "the published checkpoint could not be kept beside the log that contradicts it");
    }
}

/// Compares what lies at the place of the log with what others know of it, and with what this
/// process signed; says how many entries it has. It only reads.
async fn compare(
    config: &EvidenceConfig,
    store: &Arc<dyn Store>,
    origin: &str,
    knowledge: &ClusterKnowledge,
    signed: Option<&SignedCheckpoint>,
) -> Result<u64, OpenError> {
    let location = store.location();
    let nothing = FoundLog { origin, verifier_key: None, size: 0, begun: None };
    match store.get(CHECKPOINT).await {
        Ok(Some(_)) => {}
        // Its volume may come back: what this process wrote there is not lost yet.
        Err(error @ StoreError::NoDirectory(_)) if signed.is_some() => return Err(error.into()),
        Ok(None) | Err(StoreError::NoDirectory(_)) => {
            cluster_knowledge::judge(location, nothing, knowledge)?;
            return Ok(0);
        }
        Err(error) => return Err(error.into()),
    }
    let key = signing_key(config, store.as_ref(), origin).await?.verifier();
    if let Some(log) = key_beside(&**store).await?.filter(|log| *log != key) {
        let (location, log, ours) = (location.to_owned(), log.to_string(), key.to_string());
        return Err(LogError::KeyMismatch { location, log, ours }.into());
    }
    let log = LogReader::open(Arc::clone(store), Some(key.clone())).boxed().await?;
    if log.origin() != origin {
        let (location, log, ours) =
            (location.to_owned(), log.origin().to_owned(), origin.to_owned());
        return Err(LogError::OriginMismatch { location, log, ours }.into());
    }
    let mut begun = None;
    replay(&log, 0..log.size().min(1), |_, entry| begun = Some(entry.at)).boxed().await?;
    // What is published may be of a key that was replaced since.
    let verifier_key = match &knowledge.published {
        Published::Checkpoint(known) if log.has_key(&known.verifier_key) => &known.verifier_key,
        _ => key.as_str(),
    };
    let found = FoundLog { size: log.size(), verifier_key: Some(verifier_key), begun, ..nothing };
    cluster_knowledge::judge(location, found, knowledge)?;
    if let Published::Checkpoint(published) = &knowledge.published {
        cluster_knowledge::check_continues(&log, published, "is published").await?;
    }
    if let Some(signed) = signed {
        cluster_knowledge::check_continues(&log, signed, "this process signed last").await?;
    }
    Ok(log.size())
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
        return make_key_folder(key);
    }
    make_key_folder(key)?;
    fs::create_dir(&directory).map_err(|source| OpenError::Directory { path: directory, source })
}

/// The folder of the keys of this user, which nobody else may read.
fn make_key_folder(key: &Path) -> Result<(), OpenError> {
    let Some(folder) = key.parent().filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made = builder.recursive(true).create(folder);
    made.map_err(|source| OpenError::Directory { path: folder.to_owned(), source })
}

/// Warns of a key that whoever copies the log may copy with it.
fn warn_of_key_beside(config: &EvidenceConfig) {
    let Some(directory) = store::directory_of(&config.location) else { return };
    let path = config.key.clone().unwrap_or_else(|| key::default_path(&directory));
    if path == key::path_beside(&directory) {
        tracing::warn!(
            path = %path.display(),
            "the signing key lies beside the log: who copies both can make up another past. Move it to a volume of its own, or better into a Secret, and name it with --evidence-key"
        );
    }
}

/// A volume that hangs must not hold up the threads that serve everything else.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| OpenError::Ended(error.to_string()))?
}

/// Folds what the log says beyond what is known, or beyond the snapshot beside it. Says the last
/// gap of the cluster that was not known.
async fn fold(
    store: Arc<dyn Store>,
    key: VerifierKey,
    known: LogState,
    size: u64,
) -> Result<(LogState, Option<GapData>), OpenError> {
    if known.size() == size {
        return Ok((known, None));
    }
    let reader = LogReader::open(store, Some(key)).boxed().await?;
    if known.size() == 0 {
        return Ok((snapshot::load_state(&reader).boxed().await?, None));
    }
    let (mut state, mut gap) = (known, None);
    let range = state.size()..size;
    let take = |index, entry: &Entry| {
        if let (Data::Gap(data), "Cluster") = (&entry.data, entry.subject.kind.as_str()) {
            gap = Some(data.clone());
        }
        state.apply(index, entry);
    };
    replay(&reader, range, take).boxed().await?;
    Ok((state, gap))
}

/// The cluster whose log has this origin.
pub(super) fn cluster(origin: &str) -> EntrySubject {
    EntrySubject::new("Cluster", origin::cluster(origin))
}
