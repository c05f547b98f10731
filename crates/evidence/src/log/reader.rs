//! Reading a log: everything it gives leads to the root that was signed.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tlog_tiles::Hash;

use super::{
    CHECKPOINT, LogError, VERIFIER_KEY,
    checkpoint::Head,
    path::{self, FULL},
    proof,
    rotation::{self, Rotation},
    tiles::Tiles,
};
use crate::{key::VerifierKey, store::Store};
use comptroller_vocabulary::canonical;

/// How many bundles are read ahead: a bucket answers each after some tens of milliseconds.
const AHEAD: usize = 8;

/// A log as of its checkpoint.
#[derive(Clone, Debug)]
pub struct LogReader {
    store: Arc<dyn Store>,
    key: VerifierKey,
    head: Head,
    tiles: Arc<Tiles>,
    /// The rotations that led to the key, whose entries the log has; the last first.
    rotations: Vec<Rotation>,
}

impl LogReader {
    /// Opens a log: reads its checkpoint and checks the signature. Without a key, the one beside
    /// the log is believed.
    pub async fn open(store: Arc<dyn Store>, key: Option<VerifierKey>) -> Result<Self, LogError> {
        let key = match key {
            Some(key) => key,
            None => key_beside(&*store)
                .await?
                .ok_or_else(|| LogError::NoLog(store.location().to_owned()))?,
        };
        let rotations = rotation::rotations(&*store).await?;
        let (head, key, followed) = Self::follow(&*store, key, &rotations).await?;
        let tiles = Arc::new(Tiles::open(Arc::clone(&store), &head).await?);
        let mut log = Self { store, key, head, tiles, rotations: Vec::new() };
        for rotation in rotations.into_iter().rev() {
            let latest = log.rotations.last().map_or(&log.key, |known| &known.from);
            if rotation.to != *latest || rotation.origin != log.head.origin {
                continue;
            }
            let entry = log.entry(rotation.entry).await?;
            if entry.is_some_and(|entry| rotation.is_in(&entry)) {
                log.rotations.push(rotation);
            }
        }
        // The key that was given leads to the one that signs only by what the log itself says.
        if log.rotations.len() < followed {
            let reason = format!("its key was replaced by {}, and no entry says so", log.key);
            return Err(LogError::Checkpoint { location: log.location().to_owned(), reason });
        }
        Ok(log)
    }

    /// The checkpoint, with the key that signed it: the one given, or one that replaced it. Says how
    /// many rotations that takes.
    async fn follow(
        store: &dyn Store,
        key: VerifierKey,
        rotations: &[Rotation],
    ) -> Result<(Head, VerifierKey, usize), LogError> {
        let first = match read_head(store, &key).await {
            Ok(head) => return Ok((head, key, 0)),
            Err(error @ LogError::Checkpoint { .. }) => error,
            Err(error) => return Err(error),
        };
        let mut current = &key;
        // As many steps as there are rotations: more would be a circle.
        for step in 1..=rotations.len() {
            let Some(next) = rotations.iter().find(|rotation| rotation.from == *current) else {
                break;
            };
            current = &next.to;
            if let Ok(head) = read_head(store, current).await {
                return Ok((head, current.clone(), step));
            }
        }
        Err(first)
    }

    /// Whether a text is that of the key of this log, or of one before it.
    pub fn has_key(&self, text: &str) -> bool {
        self.key.as_str() == text || self.rotations.iter().any(|known| known.from.as_str() == text)
    }

    /// The notes of the rotations that led to the key, the last first.
    pub(super) fn rotations(&self) -> &[Rotation] {
        &self.rotations
    }

    /// One entry. None: the log has none of this index.
    pub(super) async fn entry(&self, index: u64) -> Result<Option<Bytes>, LogError> {
        let entries = self.entries(index..index.saturating_add(1));
        let mut entries = std::pin::pin!(entries);
        Ok(entries.try_next().await?.map(|(_, text)| text))
    }

    /// The origin: which log it is.
    pub fn origin(&self) -> &str {
        &self.head.origin
    }

    /// How many entries the checkpoint covers.
    pub fn size(&self) -> u64 {
        self.head.size
    }

    /// The text of the signed checkpoint, a C2SP signed-note.
    pub fn checkpoint(&self) -> &str {
        &self.head.text
    }

    /// The key that the checkpoint was checked with.
    pub fn verifier_key(&self) -> &str {
        self.key.as_str()
    }

    /// Where the log lies, for what is derived from it and kept beside it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Where the log is, for messages.
    pub fn location(&self) -> &str {
        self.store.location()
    }

    /// What the checkpoint says: origin, size and root.
    pub fn head(&self) -> &Head {
        &self.head
    }

    pub(crate) fn tiles(&self) -> &Arc<Tiles> {
        &self.tiles
    }

    /// The key that the checkpoint was checked with.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Reads a checkpoint of this log that was kept elsewhere; the error says why it is not one.
    pub fn open_checkpoint(&self, text: &[u8]) -> Result<Head, String> {
        let newest = Head::open(text, &self.key);
        if newest.is_ok() {
            return newest;
        }
        // One that an earlier key signed while it was the key.
        let earlier = self.rotations.iter().find_map(|rotation| {
            Head::open(text, &rotation.from).ok().filter(|head| head.size <= rotation.entry + 1)
        });
        earlier.map_or(newest, Ok)
    }

    /// Checks that this log continues an older checkpoint of it.
    pub async fn check_continues(&self, old: &Head) -> Result<(), LogError> {
        proof::check_continues(self.location(), &self.tiles, &self.head, old).await
    }

    /// The hashes that prove that this log continues its first entries, so many (RFC 6962, section
    /// 2.1.2). None for nothing, for all of them, and for more than there are.
    pub async fn consistency_proof(&self, old: u64) -> Result<Vec<Hash>, LogError> {
        proof::consistency(&self.tiles, self.head.size, old).await
    }

    /// Goes on to the newest checkpoint, which must continue this one; after an error this one
    /// stays.
    pub async fn refresh(&mut self) -> Result<(), LogError> {
        let head = match read_head(&*self.store, &self.key).await {
            Ok(head) => head,
            // Its key may have been replaced.
            Err(LogError::Checkpoint { .. }) => {
                let log = Self::open(Arc::clone(&self.store), Some(self.key.clone())).await?;
                log.check_continues(&self.head).await?;
                *self = log;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        // The common case of a poll: nothing was appended, so there is nothing to prove.
        if head.text == self.head.text {
            return Ok(());
        }
        let tiles = Arc::new(Tiles::open(Arc::clone(&self.store), &head).await?);
        proof::check_continues(self.store.location(), &tiles, &head, &self.head).await?;
        (self.head, self.tiles) = (head, tiles);
        Ok(())
    }

    /// Entries in order, each checked against the checkpoint; those beyond its end are left out.
    pub fn entries(
        &self,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<(u64, Bytes), LogError>> + Send + use<> {
        let end = range.end.min(self.head.size);
        let wanted = range.start..end;
        let bundles = if wanted.is_empty() { 0..0 } else { range.start / FULL..end.div_ceil(FULL) };
        let tiles = Arc::clone(&self.tiles);
        let read = Arc::clone(&self.tiles);
        stream::iter(bundles)
            .map(move |number| {
                let tiles = Arc::clone(&read);
                async move { tiles.read_bundle(number).await.map(|bytes| (number, bytes)) }
            })
            .buffered(AHEAD)
            .and_then(move |(number, bytes)| {
                let tiles = Arc::clone(&tiles);
                async move {
                    // Checked as a whole before any entry of it is handed out: a caller that acted on
                    // the first ones could not take that back.
                    let (entries, hashes) = tiles.split(number, &bytes)?;
                    tiles.check(number, &hashes).await?;
                    let numbered = (number * FULL..).zip(entries);
                    Ok(stream::iter(numbered.map(Ok::<_, LogError>)))
                }
            })
            .try_flatten()
            .try_filter(move |(index, _)| std::future::ready(wanted.contains(index)))
    }

    /// Data beside the log, by its digest `sha256:` and hexadecimal digits; checked.
    pub async fn stored(&self, digest: &str) -> Result<Bytes, LogError> {
        let failed = |reason: &'static str| LogError::Stored { digest: digest.to_owned(), reason };
        let path = path::stored(digest).ok_or_else(|| failed("not named by a SHA-256"))?;
        let object = self.store.get(&path).await?.ok_or_else(|| failed("missing"))?;
        if canonical::sha256(&object.bytes) != digest {
            return Err(failed("not what was stored: its SHA-256 is another"));
        }
        Ok(object.bytes)
    }
}

/// The verifier key beside a log.
pub async fn key_beside(store: &dyn Store) -> Result<Option<VerifierKey>, LogError> {
    let Some(object) = store.get(VERIFIER_KEY).await? else { return Ok(None) };
    let text = String::from_utf8_lossy(&object.bytes);
    Ok(Some(VerifierKey::parse_exact(text.strip_suffix('\n').unwrap_or(&text))?))
}

async fn read_head(store: &dyn Store, key: &VerifierKey) -> Result<Head, LogError> {
    let location = || store.location().to_owned();
    let object = store.get(CHECKPOINT).await?.ok_or_else(|| LogError::NoLog(location()))?;
    Head::open(&object.bytes, key)
        .map_err(|reason| LogError::Checkpoint { location: location(), reason })
}
