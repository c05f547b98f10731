//! The state of a log kept beside it, so that a start need not read the log from its beginning.
//!
//! It is a convenience and never trusted over the log: it counts only when the log's own key signed
//! it, for this log, at a size and root that the checkpoint of today continues. Whatever is wrong
//! with it, the state is folded from the log again.
//!
//! Its form is a C2SP signed-note with the lines `<origin>/state`, version, size, root and the
//! SHA-256 of what follows it; then, after an empty line, the state as JSON. The first line is no
//! origin of a log, so that a snapshot can't be taken for a checkpoint.

use bytes::Bytes;
use signed_note::Note;
use tlog_tiles::Hash;

use super::{
    fold::{LogState, STATE_VERSION},
    key::{SigningKey, VerifierKey},
    log::{Head, LogReader, check_continues},
    replay::{ReplayError, replay},
    store::{Store, StoreError},
};
use comptroller_vocabulary::canonical;

/// Where it lies beside the log.
pub const PATH: &str = "derived/state";

/// After how many entries a snapshot is worth its write: reading as many takes some 0.1 s.
pub const EVERY: u64 = 10_000;

/// Why a snapshot can't be saved. The log is not affected.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It can't be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state can't be written.
    #[error("the state has no JSON text: {0}")]
    Json(#[from] serde_json::Error),
    /// The state is not that of the checkpoint.
    #[error("the state is of {state} entries and the checkpoint of {checkpoint}: apply the rest")]
    Size {
        /// How many entries the state has.
        state: u64,
        /// How many the checkpoint covers.
        checkpoint: u64,
    },
    /// The checkpoint is not of this key.
    #[error("the checkpoint can't be used: {0}")]
    Checkpoint(String),
}

/// Keeps the state of the log at a checkpoint, signed by the log's key.
pub async fn save(
    store: &dyn Store,
    key: &SigningKey,
    checkpoint: &str,
    state: &LogState,
) -> Result<(), SnapshotError> {
    let head =
        Head::open(checkpoint.as_bytes(), &key.verifier()).map_err(SnapshotError::Checkpoint)?;
    // Signed as the state at that root: one of another size would be believed and be wrong.
    if head.size != state.size() {
        return Err(SnapshotError::Size { state: state.size(), checkpoint: head.size });
    }
    let bytes = Bytes::from(write(key, &head, state)?);
    match store.get(PATH).await? {
        Some(known) => store.replace(PATH, bytes, &known.version).await.map(|_| ())?,
        None => store.put_new(PATH, bytes).await?,
    }
    Ok(())
}

/// The state of the log that a reader is on: the snapshot and the entries after it, or all entries.
pub async fn load_state(reader: &LogReader) -> Result<LogState, ReplayError> {
    let mut state = load(reader).await.unwrap_or_default();
    replay(reader, state.size()..reader.size(), |index, entry| state.apply(index, entry)).await?;
    Ok(state)
}

/// The snapshot beside a log; None where there is none, or where it says something that the log does
/// not, and then a line of the program's own log says what.
pub async fn load(reader: &LogReader) -> Option<LogState> {
    match checked(reader).await {
        Ok(state) => state,
        Err(reason) => {
            tracing::warn!(
                location = reader.location(),
                reason,
                "the snapshot of the evidence log is ignored: the state is folded from the log"
            );
            None
        }
    }
}

async fn checked(reader: &LogReader) -> Result<Option<LogState>, String> {
    let Some(object) = reader.store().get(PATH).await.map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let (head, state) = read(&object.bytes, reader.key(), reader.origin())?;
    check_continues(reader.location(), reader.tiles(), reader.head(), &head)
        .await
        .map_err(|error| error.to_string())?;
    Ok(Some(state))
}

fn write(key: &SigningKey, head: &Head, state: &LogState) -> Result<Vec<u8>, serde_json::Error> {
    let body = serde_json::to_vec(state)?;
    let digest = canonical::sha256(&body);
    let Head { origin, size, root, .. } = head;
    let note = key.sign(&format!("{origin}/state\n{STATE_VERSION}\n{size}\n{root}\n{digest}\n"));
    Ok([note.as_bytes(), b"\n", &body].concat())
}

/// The head at which the snapshot was made, and the state. The error says what is wrong with it.
fn read(bytes: &[u8], key: &VerifierKey, origin: &str) -> Result<(Head, LogState), String> {
    let (note, body) = parts(bytes).ok_or("it is not a snapshot")?;
    let note = Note::from_bytes(note).map_err(|_| "it is not a signed note".to_owned())?;
    if !key.verifies(&note) {
        return Err(format!("it is not signed by {key}"));
    }
    let text = String::from_utf8_lossy(note.text()).into_owned();
    let mut lines = text.lines();
    let mut line = |what: &str| lines.next().ok_or_else(|| format!("it has no {what}"));
    if line("origin")?.strip_suffix("/state") != Some(origin) {
        return Err(format!("it is not that of the log {origin}"));
    }
    // Another version may have the same fields with another meaning; making it again takes seconds.
    if line("version")? != STATE_VERSION.to_string() {
        return Err(format!("it is not of version {STATE_VERSION}"));
    }
    let size = line("size")?.parse().map_err(|_| "its size is not a number".to_owned())?;
    let root = Hash::parse_hash(line("root")?).map_err(|_| "its root is not a hash".to_owned())?;
    if line("digest")? != canonical::sha256(body) {
        return Err("the state is not the one that was signed".to_owned());
    }
    let state: LogState = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if state.size() != size {
        return Err(format!("its state is of {} entries and not of {size}", state.size()));
    }
    Ok((Head { origin: origin.to_owned(), size, root, text: String::new() }, state))
}

/// The note, which has one empty line before its signature, and what follows the next one.
fn parts(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let gap = |bytes: &[u8]| bytes.windows(2).position(|pair| pair == b"\n\n");
    let text = gap(bytes)? + 2;
    let signature = gap(bytes.get(text..)?)? + 1;
    let (note, rest) = bytes.split_at_checked(text + signature)?;
    Some((note, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        data::{Heartbeat, OperatorData, OperatorEvent},
        entry::{Data, Entry, EntrySubject},
        log::LogWriter,
        store::DirectoryStore,
    };
    use comptroller_vocabulary::State;

    const ORIGIN: &str = "comptroller.dev/evidence/7d9e3a60";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(ORIGIN, &[seed; 32]).unwrap()
    }

    fn entry(number: u64) -> Entry {
        let data = if number == 0 {
            let (event, version) = (OperatorEvent::Started, "0.1.0".to_owned());
            Data::Operator(Box::new(OperatorData::new(event, version)))
        } else {
            Data::Heartbeat(Box::new(Heartbeat {
                entered: Vec::new(),
                left: Vec::new(),
                population_digest: None,
                generation: 1,
                state: State::Passing,
                population: number,
                failing: 0,
                excepted: 0,
                unknown: 0,
                findings: "sha256:00".to_owned(),
                population_list: None,
            }))
        };
        Entry {
            clock: crate::entry::ClockReading::default(),
            at: "2026-11-20T00:00:00Z".parse().unwrap(),
            epoch: 1,
            subject: EntrySubject::control(&format!("c{}", number % 3)),
            data,
        }
    }

    async fn append(log: &mut LogWriter, range: std::ops::Range<u64>) {
        let leaves: Vec<Vec<u8>> =
            range.map(|number| entry(number).to_text().unwrap().into_bytes()).collect();
        log.append(&leaves).await.unwrap();
    }

    fn folded(size: u64) -> LogState {
        let mut state = LogState::default();
        (0..size).for_each(|number| state.apply(number, &entry(number)));
        state
    }

    async fn put(store: &dyn Store, bytes: Vec<u8>) {
        let known = store.get(PATH).await.unwrap().unwrap();
        store.replace(PATH, bytes.into(), &known.version).await.unwrap();
    }

    #[tokio::test]
    async fn a_snapshot_counts_only_where_the_log_continues_it() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(DirectoryStore::new(folder.path().join("log")));
        let mut log = LogWriter::open(Arc::clone(&store), key(7), ORIGIN).await.unwrap();
        append(&mut log, 0..300).await;
        let early = log.checkpoint().to_owned();
        save(store.as_ref(), &key(7), &early, &folded(300)).await.unwrap();
        append(&mut log, 300..310).await;
        let refused = save(store.as_ref(), &key(7), log.checkpoint(), &folded(300)).await;
        assert!(matches!(refused, Err(SnapshotError::Size { state: 300, checkpoint: 310 })));

        let reader = LogReader::open(Arc::clone(&store), None).await.unwrap();
        assert_eq!(load(&reader).await, Some(folded(300)));
        assert_eq!(load_state(&reader).await.unwrap(), folded(310));

        let whole = store.get(PATH).await.unwrap().unwrap().bytes.to_vec();
        let head = Head::open(early.as_bytes(), &key(7).verifier()).unwrap();
        let mut forked = head.clone();
        forked.root = tlog_tiles::EMPTY_HASH;
        let foreign = Head { origin: format!("{ORIGIN}x"), ..head.clone() };
        let mut changed = whole.clone();
        let last = changed.len() - 2;
        changed[last] ^= 1;
        for (bytes, what) in [
            (write(&key(8), &head, &folded(300)).unwrap(), "another key"),
            (write(&key(7), &forked, &folded(300)).unwrap(), "another root"),
            (write(&key(7), &foreign, &folded(300)).unwrap(), "another log"),
            (write(&key(7), &head, &folded(299)).unwrap(), "another size"),
            (changed, "another state"),
            (whole[..40].to_vec(), "cut"),
            (early.clone().into_bytes(), "a checkpoint"),
            (Vec::new(), "empty"),
        ] {
            put(store.as_ref(), bytes).await;
            assert_eq!(load(&reader).await, None, "{what}");
            assert_eq!(load_state(&reader).await.unwrap(), folded(310), "{what}");
        }
        // A snapshot of what was rolled back says more than the log does.
        let ahead = Head { size: 400, ..head };
        put(store.as_ref(), write(&key(7), &ahead, &folded(400)).unwrap()).await;
        assert_eq!(load(&reader).await, None);
        assert!(Head::open(&whole, &key(7).verifier()).is_err(), "no checkpoint");
    }
}
