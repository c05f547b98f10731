//! Verification of a whole log: no cluster, and no trust in whoever wrote it.
//!
//! Every leaf and every tile is computed again and must lead to the signed root; every entry must
//! be the one text of what it says; epochs never fall; data beside the log is there and is what was
//! stored; each entry of a register leads to the total and the digest that it says. One bundle of 256 entries at a time is in memory, and a few are read ahead.

mod beside;
mod registers;

use std::{collections::HashSet, path::Path, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;
use signed_note::Note;
use tlog_tiles::Hash;

use self::{
    beside::Beside,
    registers::{FollowedRegisters, RegisterEntry},
};
use super::{
    entry::Entry,
    inventory::InventoryData,
    key::VerifierKey,
    log::{
        CHECKPOINT, FULL, LogError, LogReader, Tiles, VERIFIER_KEY, check_continues, key_beside,
    },
    pasted::as_signed,
    store::{Store, StoreError},
    time_check::{EntryTimes, TimeAnomaly, TimeCheck},
};

/// How many bundles are read and computed at once.
const PARALLEL: usize = 4;

/// How many digests of data beside the log are remembered, so that each is read once. Beyond it
/// some are read again.
const REMEMBERED: usize = 50_000;

/// How many of the entries whose time can't be believed are named. A clock that is set wrong for a
/// day makes thousands of them, of the same kind.
const NAMED_ANOMALIES: usize = 100;

/// What a log was found to be, when all of it is right.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Which log it is.
    pub origin: String,
    /// How many entries were verified.
    pub size: u64,
    /// The root of the tree over them, in base64.
    pub root: String,
    /// The key that signed the checkpoint.
    pub verifier_key: String,
    /// The time of the first entry.
    pub first_at: Option<Timestamp>,
    /// The time of the last entry.
    pub last_at: Option<Timestamp>,
    /// The epoch of the last entry.
    pub epoch: u64,
    /// How many entries there are whose time falls, or differs from the API server's by more than a
    /// minute.
    pub time_anomaly_count: u64,
    /// The first of them.
    pub time_anomalies: Vec<TimeAnomaly>,
    /// How many references to data beside the log were followed.
    pub stored: u64,
    /// The size of the older checkpoint that the log was found to continue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}

/// What is wrong with a log, and where first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogFault {
    /// The first entry that is affected; None if the log as a whole is.
    pub index: Option<u64>,
    /// The path of the object that is wrong, or the entry.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a log is not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The log is wrong, and this is where first.
    #[error("{}: {}", .0.path, .0.reason)]
    Bad(LogFault),
    /// It could not be read, which says nothing of whether it is right.
    #[error(transparent)]
    Unreadable(LogError),
    /// What it was to be compared with is not a checkpoint at all, which says nothing either.
    #[error(
        "the older checkpoint that was given is not a signed note: give the file `checkpoint` as it was, with its signature"
    )]
    NotACheckpoint,
}

impl From<LogError> for VerifyError {
    fn from(error: LogError) -> Self {
        let whole = |path: &str, reason: String| {
            Self::Bad(LogFault { index: None, path: path.to_owned(), reason })
        };
        match error {
            LogError::Broken { path, index, reason } => {
                Self::Bad(LogFault { index: Some(index), path, reason })
            }
            LogError::Checkpoint { reason, .. } => whole(CHECKPOINT, reason),
            LogError::Key(error) => whole(VERIFIER_KEY, error.to_string()),
            error @ (LogError::RolledBack { .. }
            | LogError::Forked { .. }
            | LogError::OriginMismatch { .. }
            | LogError::CheckpointMissing { .. }
            | LogError::KeyMismatch { .. }) => whole(CHECKPOINT, error.to_string()),
            error => Self::Unreadable(error),
        }
    }
}

/// Verifies a log. Without a key the one beside the log is believed, which proves only that the log
/// is whole, not whose it is. With an older checkpoint (a signed note that somebody kept), the log
/// must continue it: nothing else notices that the end was cut off.
pub async fn verify(
    store: Arc<dyn Store>,
    key: Option<VerifierKey>,
    since: Option<&[u8]>,
) -> Result<Verified, VerifyError> {
    let log = open_to_verify(store, key).await?;
    let since = match since {
        Some(text) => Some(continues(&log, text).await?),
        None => None,
    };
    let mut progress = Progress::default();
    let tiles = Arc::clone(log.tiles());
    let mut bundles = stream::iter(0..log.size().div_ceil(FULL))
        .map(|number| {
            let tiles = Arc::clone(&tiles);
            async move { (number, read(tiles, number).await) }
        })
        .buffered(PARALLEL);
    // Hashing is done ahead and in parallel; what depends on the order (epochs, the first fault) here.
    while let Some((number, bundle)) = bundles.next().await {
        progress.bundle(&log, number, bundle?).await?;
    }
    let head = log.head();
    Ok(Verified {
        origin: head.origin.clone(),
        size: head.size,
        root: head.root.to_string(),
        verifier_key: log.verifier_key().to_owned(),
        first_at: progress.first_at,
        last_at: progress.last_at,
        epoch: progress.epoch,
        time_anomaly_count: progress.time_anomaly_count,
        time_anomalies: progress.time_anomalies,
        stored: progress.stored,
        since,
    })
}

/// Reads an older checkpoint from a file.
pub fn read_checkpoint(path: &Path) -> Result<Vec<u8>, StoreError> {
    std::fs::read(path).map_err(|error| StoreError::Failed {
        path: path.display().to_string(),
        action: "read",
        reason: error.to_string(),
    })
}

/// Opens a log, as [`LogReader::open`] does, but tells a log that lacks its key or checkpoint from a
/// place without a log: the first is wrong, the second could not be read.
pub(crate) async fn open_to_verify(
    store: Arc<dyn Store>,
    key: Option<VerifierKey>,
) -> Result<LogReader, VerifyError> {
    let beside = key_beside(&*store).await?;
    let bad = |path: &str, reason: &str| {
        let (path, reason) = (path.to_owned(), reason.to_owned());
        VerifyError::Bad(LogFault { index: None, path, reason })
    };
    // The key given would decide anyway, but a key that was exchanged is worth saying by itself.
    let has_key = key.is_some() || beside.is_some();
    let mut opened = LogReader::open(Arc::clone(&store), key.clone().or(beside.clone())).await;
    if let (Some(key), Some(beside)) = (&key, &beside)
        && key != beside
    {
        // A key that was replaced in the log leads to the one beside it. Right after a rotation both sign
        // the checkpoint: then the old one opens it as well, and the new one says where it came from.
        let leads = |log: &LogReader| log.key() == beside && log.has_key(key.as_str());
        if opened.as_ref().is_ok_and(|log| log.key() == key) {
            opened = LogReader::open(Arc::clone(&store), Some(beside.clone())).await;
        }
        if !opened.as_ref().is_ok_and(leads) {
            return Err(bad(VERIFIER_KEY, &format!("it is {beside}, and the key given is {key}")));
        }
    }
    match opened {
        Err(LogError::NoLog(_)) if store.get(CHECKPOINT).await.is_ok_and(|it| it.is_some()) => {
            Err(bad(VERIFIER_KEY, "it is missing: give the key of the log with --key"))
        }
        Err(LogError::NoLog(_))
            if has_key && store.list("tile").await.is_ok_and(|tiles| !tiles.is_empty()) =>
        {
            Err(bad(CHECKPOINT, "it is missing, though there are entries"))
        }
        other => Ok(other?),
    }
}

/// Checks that a log continues an older checkpoint of it; says how many entries that covers.
pub async fn continues(log: &LogReader, text: &[u8]) -> Result<u64, VerifyError> {
    let text = &*as_signed(text);
    Note::from_bytes(text).map_err(|_| VerifyError::NotACheckpoint)?;
    // One of another key is what is left of a log that was replaced together with its key.
    let old = log.open_checkpoint(text).map_err(|reason| {
        VerifyError::Bad(LogFault {
            index: None,
            path: CHECKPOINT.to_owned(),
            reason: format!("it does not continue the older checkpoint that was given: {reason}"),
        })
    })?;
    check_continues(log.location(), log.tiles(), log.head(), &old).await?;
    Ok(old.size)
}

/// A bundle and what its entries say.
struct Bundle {
    hashes: Vec<Hash>,
    entries: BundleContents,
}

/// What the entries of a bundle say, up to the first that is wrong.
#[derive(Default)]
struct BundleContents {
    epochs: Option<(u64, u64)>,
    times: Vec<EntryTimes>,
    span: Option<(Timestamp, Timestamp)>,
    /// Data beside the log that an entry names.
    stored: Vec<Beside>,
    /// The entries of registers.
    registers: Vec<RegisterEntry>,
    wrong: Option<(u64, String)>,
}

async fn read(tiles: Arc<Tiles>, number: u64) -> Result<Bundle, LogError> {
    let bytes = tiles.read_bundle(number).await?;
    let task = tokio::task::spawn_blocking(move || {
        let (entries, hashes) = tiles.split(number, &bytes)?;
        Ok(Bundle { hashes, entries: BundleContents::of(number * FULL, &entries) })
    });
    task.await.unwrap_or_else(|error| {
        Err(LogError::Store(StoreError::Failed {
            path: format!("bundle {number}"),
            action: "verified",
            reason: error.to_string(),
        }))
    })
}

impl BundleContents {
    fn of(first: u64, texts: &[Bytes]) -> Self {
        let mut entries = Self::default();
        for (index, text) in (first..).zip(texts) {
            // Only the first fault is reported, so that what follows it need not be parsed.
            if let Err(reason) = entries.add(index, text) {
                entries.wrong = Some((index, reason));
                break;
            }
        }
        entries
    }

    fn add(&mut self, index: u64, text: &[u8]) -> Result<(), String> {
        let entry = Entry::parse(text).map_err(|error| error.to_string())?;
        let canonical = entry.to_text().map_err(|error| error.to_string())?;
        // Otherwise two logs could say the same with different hashes, and a digest of data would depend
        // on who wrote it.
        if canonical.as_bytes() != text {
            return Err("it is not in canonical form: another text says the same".to_owned());
        }
        let (first, last) = self.epochs.unwrap_or((entry.epoch, entry.epoch));
        if entry.epoch < last {
            return Err(falls(last, entry.epoch));
        }
        self.epochs = Some((first, entry.epoch));
        self.times.push(EntryTimes::of(&entry));
        self.span = Some((self.span.map_or(entry.at, |(first, _)| first), entry.at));
        self.stored.extend(Beside::of(index, &entry));
        self.registers.extend(RegisterEntry::of(index, entry));
        Ok(())
    }
}

fn falls(from: u64, to: u64) -> String {
    format!("its epoch is {to} after {from}: a writer that was replaced wrote on")
}

/// What is carried from bundle to bundle.
#[derive(Default)]
struct Progress {
    epoch: u64,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    stored: u64,
    time_check: TimeCheck,
    time_anomaly_count: u64,
    time_anomalies: Vec<TimeAnomaly>,
    registers: FollowedRegisters,
    seen: HashSet<(String, Option<u64>)>,
}

impl Progress {
    async fn bundle(
        &mut self,
        log: &LogReader,
        number: u64,
        Bundle { hashes, entries }: Bundle,
    ) -> Result<(), VerifyError> {
        // Whether these are the entries that were logged comes before what they say.
        log.tiles().check(number, &hashes).await?;
        log.tiles().check_leaf_tile(number, &hashes).await?;
        let bad = |index: u64, reason: String| {
            let path = format!("entry {index}");
            VerifyError::Bad(LogFault { index: Some(index), path, reason })
        };
        if let Some((first, last)) = entries.epochs {
            if first < self.epoch {
                return Err(bad(number * FULL, falls(self.epoch, first)));
            }
            self.epoch = last;
        }
        for beside in &entries.stored {
            self.beside(log, beside).await.map_err(|error| match error {
                LogError::Stored { .. } => bad(beside.entry, error.to_string()),
                error => error.into(),
            })?;
        }
        for entry in entries.registers {
            let index = entry.index;
            if let Err(reason) = self.registers.follow(log, entry).await? {
                return Err(bad(index, reason));
            }
        }
        // Last, since what came before it in the bundle is in order and its faults come first.
        if let Some((index, reason)) = entries.wrong {
            return Err(bad(index, reason));
        }
        if let Some((first, last)) = entries.span {
            self.first_at.get_or_insert(first);
            self.last_at = Some(last);
        }
        for (index, times) in (number * FULL..).zip(entries.times) {
            let Some(anomaly) = self.time_check.look(index, times) else { continue };
            self.time_anomaly_count += 1;
            if self.time_anomalies.len() < NAMED_ANOMALIES {
                self.time_anomalies.push(anomaly);
            }
        }
        Ok(())
    }

    async fn beside(&mut self, log: &LogReader, beside: &Beside) -> Result<(), LogError> {
        let Beside { digest, length, is_inventory, .. } = beside;
        let bytes = self.whole(log, digest, *length).await?;
        if !is_inventory {
            return Ok(());
        }
        // Read once for all: an inventory is never the same twice.
        let Some(bytes) = bytes else { return Ok(()) };
        let data: InventoryData = serde_json::from_slice(&bytes).map_err(|_| LogError::Stored {
            digest: digest.clone(),
            reason: "not an inventory, as the entry says it is",
        })?;
        for list in data.lists() {
            self.whole(log, &list.digest, Some(list.bytes)).await?;
        }
        Ok(())
    }

    /// Checks that data beside the log is there and is what was stored. None if it was seen before.
    async fn whole(
        &mut self,
        log: &LogReader,
        digest: &str,
        length: Option<u64>,
    ) -> Result<Option<Bytes>, LogError> {
        self.stored += 1;
        let key = (digest.to_owned(), length);
        if self.seen.contains(&key) {
            return Ok(None);
        }
        let bytes = log.stored(digest).await?;
        if length.is_some_and(|length| length != bytes.len() as u64) {
            let reason = "not as long as the entry says";
            return Err(LogError::Stored { digest: digest.to_owned(), reason });
        }
        // Forgetting all of them at once is as good as any: references to one list come close together.
        if self.seen.len() >= REMEMBERED {
            self.seen.clear();
        }
        self.seen.insert(key);
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests;
