//! Opening a log to write: the fence, and finishing what the last writer left.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use tlog_tiles::EMPTY_HASH;

use super::{
    CHECKPOINT, LogError, VERIFIER_KEY,
    checkpoint::Head,
    path::{self, FULL},
    pending::{PENDING, Pending},
    reader::key_beside,
    tiles::Tiles,
    writer::{LogWriter, Unfinished, WriterState},
};
use crate::{
    key::{SigningKey, random},
    store::{Store, StoreError, StoredObject, Version},
    witness::COSIGNED,
};
use comptroller_vocabulary::canonical;

/// What is only written to a log that was begun: without a checkpoint it shows that there was one.
const WRITTEN: [&str; 5] = ["tile", "stored", "derived", "aside", COSIGNED];

/// How often the fence is tried while another writer appends.
const TRIES: u32 = 16;

/// What a writer found when it opened a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// How many entries an earlier writer had begun to append: they are in the log now, at its end.
    pub finished: u64,
    /// Objects that could not be explained, by the paths where they are kept.
    pub quarantined: Vec<String>,
}

pub(super) async fn open(
    store: Arc<dyn Store>,
    key: SigningKey,
    origin: &str,
) -> Result<LogWriter, LogError> {
    let lock = store.lock().await?;
    let mut recovered = Recovered::default();
    // The key and the origin are checked before the fence: a wrong configuration must not stop the
    // writer that is right.
    let opening = Opening { store: &*store, key: &key, origin };
    opening.check_key().await?;
    match opening.head().await? {
        Some((head, _)) => opening.check_origin(&head)?,
        None => opening.create().await?,
    }
    let (fence, pending) = opening.fence(&mut recovered).await?;
    // Read only now: nobody appends any more, though the last append may still be going on.
    let (head, head_version) =
        opening.head().await?.ok_or_else(|| opening.checkpoint_missing(PENDING))?;
    opening.check_pending(&head, &pending)?;
    let tiles = Tiles::open(Arc::clone(&store), &head).await?;
    let bundle = last_bundle(&tiles, head.size).await?;
    let mut state = WriterState {
        head,
        head_version,
        fence,
        edge: tiles.edge().clone(),
        bundle,
        unfinished: None,
        unacknowledged: None,
        fenced: false,
        stale_folders: Vec::new(),
        stale: Vec::new(),
    };
    // Whether the newest append is over is told by the checkpoint: it is written last.
    if pending.base == state.head.size && !pending.leaves.is_empty() {
        recovered.finished = pending.leaves.len() as u64;
        state.unfinished = Some(Unfinished { pending, unconfirmed: None });
    } else {
        state.unacknowledged = (pending.end() == state.head.size && !pending.leaves.is_empty())
            .then_some((pending.base, pending.leaves));
    }
    // Before anything is written: going on from an old checkpoint would sign a second history.
    opening.check_nothing_beyond(&state).await?;
    let mut writer = LogWriter { store, key, state, recovered, lock };
    writer.finish().await?;
    Ok(writer)
}

struct Opening<'a> {
    store: &'a dyn Store,
    key: &'a SigningKey,
    origin: &'a str,
}

impl Opening<'_> {
    fn location(&self) -> String {
        self.store.location().to_owned()
    }

    async fn check_key(&self) -> Result<(), LogError> {
        let ours = self.key.verifier();
        match key_beside(self.store).await {
            Ok(Some(log)) if log != ours => Err(LogError::KeyMismatch {
                location: self.location(),
                log: log.to_string(),
                ours: ours.to_string(),
            }),
            // A directory that is not there yet is made by the first write.
            Ok(_) | Err(LogError::Store(StoreError::NoDirectory(_))) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn head(&self) -> Result<Option<(Head, Version)>, LogError> {
        let Some(StoredObject { bytes, version }) = self.store.get(CHECKPOINT).await? else {
            return Ok(None);
        };
        let head = Head::open(&bytes, &self.key.verifier())
            .map_err(|reason| LogError::Checkpoint { location: self.location(), reason })?;
        Ok(Some((head, version)))
    }

    fn check_origin(&self, head: &Head) -> Result<(), LogError> {
        if head.origin == self.origin {
            return Ok(());
        }
        Err(LogError::OriginMismatch {
            location: self.location(),
            log: head.origin.clone(),
            ours: self.origin.to_owned(),
        })
    }

    fn checkpoint_missing(&self, found: &str) -> LogError {
        LogError::CheckpointMissing { location: self.location(), found: found.to_owned() }
    }

    /// Begins a log where there is none. Every step is the same whoever does it, and how often.
    async fn create(&self) -> Result<(), LogError> {
        // A log without a checkpoint is no place for a new one: the old entries would be orphaned, and
        // whoever deleted the checkpoint would have got rid of them.
        for folder in WRITTEN {
            if let Some(found) = self.store.list(folder).await?.into_iter().min() {
                return Err(self.checkpoint_missing(&found));
            }
        }
        if let Some(object) = self.store.get(PENDING).await?
            && Pending::open(&object.bytes, self.key, self.origin)
                .is_none_or(|pending| pending.end() > 0)
        {
            return Err(self.checkpoint_missing(PENDING));
        }
        // The key before the checkpoint: a checkpoint without a key beside it can't be read by default.
        let verifier = format!("{}\n", self.key.verifier());
        match self.store.put_new(VERIFIER_KEY, verifier.into()).await {
            // Another installation began one at this moment.
            Err(StoreError::Conflict { .. }) => self.check_key().await?,
            other => other?,
        }
        let head = Head::sign(self.key, self.origin, 0, EMPTY_HASH);
        match self.store.put_new(CHECKPOINT, head.text.into()).await {
            Err(StoreError::Conflict { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Replaces `pending` with itself under a new nonce, after which no other writer can append.
    async fn fence(&self, recovered: &mut Recovered) -> Result<(Version, Pending), LogError> {
        for _ in 0..TRIES {
            let there = match self.store.get(PENDING).await? {
                Some(there) => there,
                None => self.first_pending().await?,
            };
            let pending = if let Some(pending) = Pending::open(&there.bytes, self.key, self.origin)
            {
                pending
            } else {
                // It is replaced atomically and sealed: no writer of this log left it so.
                recovered.quarantined.push(quarantine(self.store, PENDING, &there.bytes).await?);
                self.nothing_pending().await?
            };
            let nonce = random().ok_or(LogError::Random)?;
            let bytes = pending.seal(self.key, self.origin, nonce)?;
            let swapped = self.store.replace(PENDING, bytes.clone(), &there.version).await;
            let fence = match swapped {
                Ok(version) => version,
                // A client may repeat a request whose answer was lost, and meet its own write.
                Err(StoreError::Conflict { .. }) => match self.store.get(PENDING).await? {
                    Some(ours) if ours.bytes == bytes => ours.version,
                    // The other writer appended in between: its newest append is the one to take over.
                    _ => continue,
                },
                Err(error) => return Err(error.into()),
            };
            self.check_fence(bytes, &there.version).await?;
            return Ok((fence, pending));
        }
        Err(LogError::Fenced(self.location()))
    }

    /// Some stores accept a condition and ignore it. The swap that was just made must fail now.
    async fn check_fence(&self, bytes: Bytes, old: &Version) -> Result<(), LogError> {
        match self.store.replace(PENDING, bytes, old).await {
            Err(StoreError::Conflict { .. }) => Ok(()),
            Ok(_) => Err(StoreError::NoConditionalUpdate { location: self.location() }.into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn first_pending(&self) -> Result<StoredObject, LogError> {
        let pending = self.nothing_pending().await?;
        let nonce = random().ok_or(LogError::Random)?;
        let bytes = pending.seal(self.key, self.origin, nonce)?;
        match self.store.put_new(PENDING, bytes).await {
            Ok(()) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.store.get(PENDING).await?.ok_or_else(|| LogError::Fenced(self.location()))
    }

    /// A `pending` that says only how far the log is.
    async fn nothing_pending(&self) -> Result<Pending, LogError> {
        let (head, _) = self.head().await?.ok_or_else(|| self.checkpoint_missing(VERIFIER_KEY))?;
        Ok(Pending { base: head.size, root: head.root, leaves: Vec::new() })
    }

    /// The checkpoint is the one that the newest append follows, or the one over it. A later one is
    /// no harm: then `pending` is an old copy, and what it holds is in the log.
    fn check_pending(&self, head: &Head, pending: &Pending) -> Result<(), LogError> {
        let rolled_back = |shown: String| LogError::RolledBack {
            location: self.location(),
            size: head.size,
            shown,
        };
        if head.size < pending.base {
            return Err(rolled_back(format!("its last append followed {}", pending.base)));
        }
        if head.size > pending.base && head.size < pending.end() {
            return Err(rolled_back(format!("its last append ended at {}", pending.end())));
        }
        if head.size == pending.base && head.root != pending.root {
            return Err(LogError::Forked {
                location: self.location(),
                old: pending.base,
                new: head.size,
            });
        }
        Ok(())
    }

    /// Nothing lies beyond the checkpoint but what the newest append wrote: more would mean that an
    /// old checkpoint was put back, and going on from there would fork the log.
    async fn check_nothing_beyond(&self, state: &WriterState) -> Result<(), LogError> {
        let size = state.head.size;
        let number = size / FULL;
        let planned: BTreeSet<String> = match &state.unfinished {
            Some(unfinished) => {
                state.plan(&unfinished.pending)?.objects.into_iter().map(|(path, _)| path).collect()
            }
            None => BTreeSet::new(),
        };
        let full = path::bundle(number, FULL);
        let width = |path: &str| path.rsplit('/').next()?.parse::<u64>().ok();
        let mut beyond: Vec<String> = self
            .store
            .list(&format!("{full}.p"))
            .await?
            .into_iter()
            .filter(|path| width(path).is_none_or(|width| width > size % FULL))
            .collect();
        if self.store.get(&full).await?.is_some() {
            beyond.push(full);
        }
        match beyond.into_iter().find(|path| !planned.contains(path)) {
            None => Ok(()),
            Some(path) => Err(LogError::RolledBack {
                location: self.location(),
                size,
                shown: format!("{path} holds more"),
            }),
        }
    }
}

/// The bytes of the last bundle, if it is not full.
async fn last_bundle(tiles: &Tiles, size: u64) -> Result<Vec<u8>, LogError> {
    // A full bundle is never written again, so that the next append begins an empty one.
    if size.is_multiple_of(FULL) {
        return Ok(Vec::new());
    }
    let read = tiles.read_bundle(size / FULL).await?;
    let (entries, hashes) = tiles.split(size / FULL, &read)?;
    // Checked, since the next append writes these entries again and signs over them.
    tiles.check(size / FULL, &hashes).await?;
    let mut bundle = Vec::with_capacity(read.bytes.len());
    for entry in &entries {
        super::bundle::push(&mut bundle, entry)?;
    }
    Ok(bundle)
}

/// Keeps bytes that can't be explained, and says where.
pub(super) async fn quarantine(
    store: &dyn Store,
    path: &str,
    bytes: &Bytes,
) -> Result<String, LogError> {
    let digest = canonical::sha256(bytes);
    let name = digest.strip_prefix("sha256:").unwrap_or(&digest);
    // The digest in its name makes it idempotent: the same bytes are kept once, however often found.
    let aside = format!("aside/{}-{}", path.replace('/', "_"), name.get(..16).unwrap_or(name));
    store.put_new(&aside, bytes.clone()).await?;
    tracing::warn!(location = store.location(), path, aside, "an unexplained object is kept aside");
    Ok(aside)
}
