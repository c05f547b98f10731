//! Writing a log: see the module above for why it is done in this order.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};
use tlog_tiles::record_hash;

use super::{
    CHECKPOINT, LogError, bundle,
    checkpoint::Head,
    path::{self, FULL},
    pending::{PENDING, Pending},
    recovery::{self, Recovered},
    tree::{self, Edge},
};
use crate::{
    key::{SigningKey, random},
    store::{Store, StoreError, Version, WriteLock},
};
use comptroller_vocabulary::canonical;

/// How many objects of one append are written at once.
const PARALLEL: usize = 8;

/// How many old partial tiles are removed with an append: more than one append makes.
const SWEEP: usize = 8;

/// Where entries came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The index of the first.
    pub first: u64,
    /// The size of the log after the last.
    pub size: u64,
}

/// The one writer of a log.
#[derive(Debug)]
pub struct LogWriter {
    pub(super) store: Arc<dyn Store>,
    pub(super) key: SigningKey,
    pub(super) state: WriterState,
    pub(super) recovered: Recovered,
    pub(super) lock: WriteLock,
}

/// What the writer knows of the log.
#[derive(Debug)]
pub(super) struct WriterState {
    /// The checkpoint, and its version in the store.
    pub head: Head,
    pub head_version: Version,
    /// The version of `pending`: the fence.
    pub fence: Version,
    /// The tree's right edge, and the last bundle if it is not full.
    pub edge: Edge,
    pub bundle: Vec<u8>,
    /// An append that was begun and not finished.
    pub unfinished: Option<Unfinished>,
    /// Leaves that came to be in the log without their writer being told: where they begin.
    pub unacknowledged: Option<(u64, Vec<Bytes>)>,
    /// Set once another writer was seen.
    pub fenced: bool,
    /// Folders of partial tiles that a full one replaced, and their objects.
    pub stale_folders: Vec<String>,
    pub stale: Vec<String>,
}

/// An append between its first step and its last.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub pending: Pending,
    /// The bytes of `pending`, while it is not known whether they were written.
    pub unconfirmed: Option<Bytes>,
}

/// All that an append writes before its checkpoint, and what the writer knows after it.
pub(super) struct AppendPlan {
    pub objects: Vec<(String, Bytes)>,
    pub edge: Edge,
    pub bundle: Vec<u8>,
}

impl LogWriter {
    /// Begins a log, or finishes what the last writer left and takes over from it.
    pub async fn open(
        store: Arc<dyn Store>,
        key: SigningKey,
        origin: &str,
    ) -> Result<Self, LogError> {
        recovery::open(store, key, origin).await
    }

    /// Appends entries. When it returns they are durable and under a signed checkpoint.
    ///
    /// After an error other than [`LogError::Fenced`], append the same leaves again (more may
    /// follow them): they are not doubled, whether or not the failed append had come through.
    pub async fn append(&mut self, leaves: &[Vec<u8>]) -> Result<Appended, LogError> {
        if self.state.fenced {
            return Err(self.fenced());
        }
        // Before anything is written: an entry that a bundle can't hold would block every later append,
        // since an append that was begun must be finished.
        if let Some(leaf) = leaves.iter().find(|leaf| !bundle::fits(leaf)) {
            return Err(LogError::EntrySize(leaf.len()));
        }
        self.finish().await?;
        let size = self.size();
        // The caller repeats an append that failed. If it came through after all, its leaves are in the
        // log, and only what follows them is new.
        let (first, rest) = match &self.state.unacknowledged {
            Some((first, told)) if begins_with(leaves, told) => (*first, told.len()),
            _ => (size, 0),
        };
        let rest = leaves.get(rest..).unwrap_or_default();
        if !rest.is_empty() {
            let leaves = rest.iter().map(|leaf| Bytes::copy_from_slice(leaf)).collect();
            let (base, root) = (size, self.state.head.root);
            self.begin(Pending { base, root, leaves })?;
            self.finish().await?;
        }
        // Acknowledged by returning: the same leaves given again are another append from here on.
        self.state.unacknowledged = None;
        Ok(Appended { first, size: self.size() })
    }

    /// Stores data beside the log and says its digest, `sha256:` and hexadecimal digits.
    pub async fn put_stored(&self, bytes: &[u8]) -> Result<String, LogError> {
        if self.state.fenced {
            return Err(self.fenced());
        }
        let digest = canonical::sha256(bytes);
        if let Some(path) = path::stored(&digest) {
            self.put(&path, Bytes::copy_from_slice(bytes)).await?;
        }
        Ok(digest)
    }

    /// How many entries there are.
    pub fn size(&self) -> u64 {
        self.state.head.size
    }

    /// The text of the signed checkpoint, as of the last append.
    pub fn checkpoint(&self) -> &str {
        &self.state.head.text
    }

    /// The origin: which log it is.
    pub fn origin(&self) -> &str {
        &self.state.head.origin
    }

    /// The key that verifies the log.
    pub fn verifier_key(&self) -> String {
        self.key.verifier().to_string()
    }

    /// Says who writes, for those who wait for the lock.
    pub fn name_holder(&self, name: &str) {
        self.lock.name_holder(name);
    }

    /// What was found when the log was opened.
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// The error of a writer that was replaced; it stays so.
    pub(super) fn fenced(&self) -> LogError {
        LogError::Fenced(self.store.location().to_owned())
    }

    fn begin(&mut self, pending: Pending) -> Result<(), LogError> {
        let nonce = random().ok_or(LogError::Random)?;
        let bytes = pending.seal(&self.key, &self.state.head.origin, nonce)?;
        self.state.unfinished = Some(Unfinished { pending, unconfirmed: Some(bytes) });
        Ok(())
    }

    /// Brings an append that was begun to its end, from wherever it was left.
    pub(super) async fn finish(&mut self) -> Result<(), LogError> {
        let Some(unfinished) = &self.state.unfinished else { return Ok(()) };
        // Step 1 first, also after a failure: without the fence these tiles might fork the log.
        if let Some(bytes) = unfinished.unconfirmed.clone() {
            self.sequence(bytes).await?;
        }
        let Some(unfinished) = &self.state.unfinished else { return Ok(()) };
        let plan = self.state.plan(&unfinished.pending)?;
        self.write(plan).await?;
        if let Some(Unfinished { pending, .. }) = self.state.unfinished.take() {
            self.state.unacknowledged = Some((pending.base, pending.leaves));
        }
        Ok(())
    }

    /// Step 1: the swap of `pending`, which may have come through at an earlier try.
    async fn sequence(&mut self, bytes: Bytes) -> Result<(), LogError> {
        let version = match self.store.replace(PENDING, bytes.clone(), &self.state.fence).await {
            Ok(version) => version,
            Err(StoreError::Conflict { .. }) => match self.store.get(PENDING).await? {
                Some(there) if there.bytes == bytes => there.version,
                // The nonce makes each `pending` unique, so that another one is another writer's.
                _ => {
                    self.state.fenced = true;
                    return Err(self.fenced());
                }
            },
            Err(error) => return Err(error.into()),
        };
        self.state.fence = version;
        if let Some(unfinished) = &mut self.state.unfinished {
            unfinished.unconfirmed = None;
        }
        Ok(())
    }

    /// Step 2: the objects, and then the checkpoint over them.
    async fn write(&mut self, plan: AppendPlan) -> Result<(), LogError> {
        let stale = self.state.take_stale();
        // Collected first: a closure over borrowed items makes the future one that can't be spawned.
        let puts: Vec<_> =
            plan.objects.iter().map(|(path, bytes)| self.put(path, bytes.clone())).collect();
        let objects = stream::iter(puts).buffer_unordered(PARALLEL).try_collect::<()>();
        // Sweeping goes on beside the writes, which take as long anyway, and can't fail an append.
        let (written, listed) = future::join(objects, self.sweep(stale)).await;
        written?;
        self.state.stale.extend(listed);
        let (size, root) = (plan.edge.size(), plan.edge.root());
        let head = Head::sign(&self.key, &self.state.head.origin, size, root);
        // Only once every tile is durable: a reader who sees the checkpoint must find all below it.
        self.state.head_version = self.publish(&head).await?;
        self.state.note_stale(size);
        (self.state.head, self.state.edge, self.state.bundle) = (head, plan.edge, plan.bundle);
        Ok(())
    }

    async fn publish(&mut self, head: &Head) -> Result<Version, LogError> {
        let bytes = Bytes::copy_from_slice(head.text.as_bytes());
        match self.store.replace(CHECKPOINT, bytes, &self.state.head_version).await {
            Ok(version) => Ok(version),
            Err(StoreError::Conflict { .. }) => match self.store.get(CHECKPOINT).await? {
                // This writer's own earlier try, or that of whoever took over from it.
                Some(there) if there.bytes == head.text.as_bytes() => Ok(there.version),
                _ => {
                    self.state.fenced = true;
                    Err(self.fenced())
                }
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Creates an object. Other bytes under its path were never under a checkpoint: they are kept
    /// aside, and replaced only if they still are what was kept.
    async fn put(&self, path: &str, bytes: Bytes) -> Result<(), LogError> {
        match self.store.put_new(path, bytes.clone()).await {
            Err(StoreError::Conflict { .. }) => {}
            other => return Ok(other?),
        }
        // Somebody removed it meanwhile, such as a sweep of the same partial tile by a former writer.
        let Some(there) = self.store.get(path).await? else {
            return Ok(self.store.put_new(path, bytes).await?);
        };
        recovery::quarantine(&*self.store, path, &there.bytes).await?;
        match self.store.replace(path, bytes.clone(), &there.version).await {
            Ok(_) => Ok(()),
            Err(error @ StoreError::Conflict { .. }) => match self.store.get(path).await? {
                Some(there) if there.bytes == bytes => Ok(()),
                _ => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Removes old partial tiles: the full ones are durable, and readers know to look there. What
    /// fails only costs space. Returns what a stale folder was found to hold.
    async fn sweep(&self, (paths, folder): (Vec<String>, Option<String>)) -> Vec<String> {
        let deletions: Vec<_> = paths.iter().map(|path| self.store.delete(path)).collect();
        stream::iter(deletions)
            .buffer_unordered(SWEEP)
            .for_each(|deleted| async move {
                if let Err(error) = deleted {
                    tracing::debug!(%error, "an old partial tile is left");
                }
            })
            .await;
        match folder {
            Some(folder) => self.store.list(&folder).await.unwrap_or_default(),
            None => Vec::new(),
        }
    }
}

impl WriterState {
    /// What is to be written for these leaves.
    pub fn plan(&self, pending: &Pending) -> Result<AppendPlan, LogError> {
        let mut edge = self.edge.clone();
        let tiles = edge.append(pending.leaves.iter().map(|leaf| record_hash(leaf)));
        let mut objects = Vec::new();
        let mut bundle = self.bundle.clone();
        let mut size = self.edge.size();
        for leaf in &pending.leaves {
            bundle::push(&mut bundle, leaf)?;
            size += 1;
            if size.is_multiple_of(FULL) {
                let full = std::mem::take(&mut bundle);
                objects.push((path::bundle(size / FULL - 1, FULL), full.into()));
            }
        }
        if !bundle.is_empty() {
            objects.push((path::bundle(size / FULL, size % FULL), bundle.clone().into()));
        }
        objects.extend(tiles.into_iter().map(|(level, number, hashes)| {
            (path::tile(level, number, hashes.len() as u64), tree::bytes(&hashes))
        }));
        Ok(AppendPlan { objects, edge, bundle })
    }

    /// Notes the folders whose tiles became full between the checkpoint and this size.
    pub fn note_stale(&mut self, size: u64) {
        let before = self.head.size;
        for level in 0..8 {
            let number = path::items(before, level) / FULL;
            // Each append of a partial tile left one object behind, of which the full one has all.
            let was_partial = !path::items(before, level).is_multiple_of(FULL);
            if was_partial && path::width(size, level, number) == FULL {
                self.stale_folders.push(path::tile(level, number, FULL) + ".p");
                if level == 0 {
                    self.stale_folders.push(path::bundle(number, FULL) + ".p");
                }
            }
        }
    }

    /// What is removed with the next append, and the folder that is listed.
    fn take_stale(&mut self) -> (Vec<String>, Option<String>) {
        // One folder at a time: a burst of full tiles must not make one append list them all.
        let folder = if self.stale.is_empty() { self.stale_folders.pop() } else { None };
        (self.stale.split_off(self.stale.len().saturating_sub(SWEEP)), folder)
    }
}

fn begins_with(leaves: &[Vec<u8>], told: &[Bytes]) -> bool {
    leaves.len() >= told.len() && leaves.iter().zip(told).all(|(leaf, told)| leaf == told)
}
