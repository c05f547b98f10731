//! Another key for a log: an entry that both keys sign, and then checkpoints of the new one.
//!
//! `rotation/<id of the old key>` holds what both signed, a note that names the origin, the entry and
//! the keys. Whoever has either key follows it to the other, and checks that the entry says the same.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use signed_note::Note;

use super::{
    CHECKPOINT, LogError, LogReader, LogWriter, VERIFIER_KEY,
    checkpoint::Head,
    pending::{PENDING, Pending},
    reader::key_beside,
};
use crate::{
    data::{KeyRotation, OperatorData, OperatorEvent},
    entry::{ClockReading, Data, Entry, EntrySubject},
    key::{SigningKey, VerifierKey, random},
    store::{Store, StoreError},
};

/// The folder of the notes, by the id of the key that was replaced.
const FOLDER: &str = "rotation";

/// The first line of a note. No origin is like it, so that it can't be taken for a checkpoint.
const FORM: &str = "comptroller.dev/key-rotation/v1";

/// That a log went over to another key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Which log it is.
    pub origin: String,
    /// The index of the entry that says so: the last that the old key signs alone.
    pub entry: u64,
    /// The key until then.
    pub from: VerifierKey,
    /// The key from then on.
    pub to: VerifierKey,
    /// The note that both signed.
    pub note: String,
}

impl Rotation {
    fn sign(from: &SigningKey, to: &SigningKey, origin: &str, entry: u64) -> Self {
        let (old, new) = (from.verifier(), to.verifier());
        let text = format!("{FORM}\n{origin}\n{entry}\n{old}\n{new}\n");
        let note = format!("{}{}", from.sign(&text), to.signature_line(&text));
        Self { origin: origin.to_owned(), entry, from: old, to: new, note }
    }

    /// Reads a note; None if it is not one, or not signed by both keys that it names.
    pub fn open(note: &[u8]) -> Option<Self> {
        let parsed = Note::from_bytes(note).ok()?;
        let text = std::str::from_utf8(parsed.text()).ok()?;
        let lines: Vec<&str> = text.lines().collect();
        let [FORM, origin, entry, from, to] = lines[..] else { return None };
        let (from, to) = (VerifierKey::parse_exact(from).ok()?, VerifierKey::parse_exact(to).ok()?);
        let is_signed = from != to && from.verifies(&parsed) && to.verifies(&parsed);
        let note = String::from_utf8(note.to_vec()).ok()?;
        let entry = entry.parse().ok()?;
        is_signed.then(|| Self { origin: origin.to_owned(), entry, from, to, note })
    }

    /// Whether an entry says the same.
    pub(super) fn is_in(&self, entry: &[u8]) -> bool {
        let Ok(entry) = Entry::parse(entry) else { return false };
        let Data::Operator(data) = entry.data else { return false };
        data.event == OperatorEvent::KeyRotated
            && data.rotation.is_some_and(|rotation| rotation.note == self.note)
    }
}

/// The rotations beside a log, in the order of their entries; what is not one is left out.
pub(super) async fn rotations(store: &dyn Store) -> Result<Vec<Rotation>, StoreError> {
    let mut found = Vec::new();
    for path in store.list(FOLDER).await? {
        found.extend(store.get(&path).await?.and_then(|object| Rotation::open(&object.bytes)));
    }
    found.sort_by_key(|rotation| rotation.entry);
    Ok(found)
}

/// Signs a log with another key from now on. Nobody may be writing it. Each step can be repeated, so
/// that a rotation that was cut short is finished by running it again with the same keys.
pub async fn rotate_key(
    store: Arc<dyn Store>,
    from: &SigningKey,
    to: &SigningKey,
    now: Timestamp,
) -> Result<Rotation, LogError> {
    let path = format!("{FOLDER}/{}", from.verifier().id());
    if let Some(done) = finished(&store, from, to, &path).await? {
        return Ok(done);
    }
    let log = LogReader::open(Arc::clone(&store), Some(from.verifier())).await?;
    let origin = log.origin().to_owned();
    let mut writer = LogWriter::open(Arc::clone(&store), from.clone(), &origin).await?;
    let rotation = match store.get(&path).await?.and_then(|there| Rotation::open(&there.bytes)) {
        // The entry is written before the note.
        Some(begun) if begun.to == to.verifier() => begun,
        _ => announce(&mut writer, &log, from, to, now).await?,
    };
    put(&*store, &path, rotation.note.clone().into()).await?;
    let (size, root) = (writer.state.head.size, writer.state.head.root);
    // From here on a writer with the old key finds nothing pending, and nothing is pending.
    let nonce = random().ok_or(LogError::Random)?;
    let pending = Pending { base: size, root, leaves: Vec::new() }.seal(to, &origin, nonce)?;
    store.replace(PENDING, pending, &writer.state.fence).await?;
    // Signed by both, for readers who know either key until the next append.
    let head = Head::sign(to, &origin, size, root);
    let old_line = from.signature_line(&format!("{origin}\n{size}\n{root}\n"));
    let bytes = Bytes::from(format!("{}{old_line}", head.text));
    store.replace(CHECKPOINT, bytes, &writer.state.head_version).await?;
    put(&*store, VERIFIER_KEY, format!("{}\n", to.verifier()).into()).await?;
    Ok(rotation)
}

/// What was found of a rotation that needs no more than its last step.
async fn finished(
    store: &Arc<dyn Store>,
    from: &SigningKey,
    to: &SigningKey,
    path: &str,
) -> Result<Option<Rotation>, LogError> {
    let Some(there) = store.get(path).await? else { return Ok(None) };
    let Some(rotation) = Rotation::open(&there.bytes) else { return Ok(None) };
    let Some(checkpoint) = store.get(CHECKPOINT).await? else { return Ok(None) };
    let is_new = Head::open(&checkpoint.bytes, &to.verifier()).is_ok();
    if rotation.to != to.verifier() || rotation.from != from.verifier() || !is_new {
        return Ok(None);
    }
    if key_beside(&**store).await? == Some(from.verifier()) {
        put(&**store, VERIFIER_KEY, format!("{}\n", to.verifier()).into()).await?;
    }
    Ok(Some(rotation))
}

/// Appends the entry of a rotation.
async fn announce(
    writer: &mut LogWriter,
    log: &LogReader,
    from: &SigningKey,
    to: &SigningKey,
    now: Timestamp,
) -> Result<Rotation, LogError> {
    let last = match writer.size() {
        0 => None,
        size => log.entry(size - 1).await?.and_then(|text| Entry::parse(&text).ok()),
    };
    let rotation = Rotation::sign(from, to, writer.origin(), writer.size());
    let data = KeyRotation {
        from: rotation.from.to_string(),
        to: rotation.to.to_string(),
        note: rotation.note.clone(),
    };
    let mut said =
        OperatorData::new(OperatorEvent::KeyRotated, env!("CARGO_PKG_VERSION").to_owned());
    said.rotation = Some(data);
    let (at, epoch) = last.map_or((now, 0), |last| (now.max(last.at), last.epoch));
    let entry = Entry {
        at,
        clock: ClockReading::default(),
        epoch,
        subject: EntrySubject::new("Operator", "evidence rotate-key"),
        data: Data::Operator(Box::new(said)),
    };
    let text = entry.to_text().map_err(|error| LogError::Checkpoint {
        location: log.location().to_owned(),
        reason: format!("the entry of the rotation has no text: {error}"),
    })?;
    writer.append(&[text.into_bytes()]).await?;
    Ok(rotation)
}

async fn put(store: &dyn Store, path: &str, bytes: Bytes) -> Result<(), LogError> {
    match store.get(path).await? {
        Some(there) if there.bytes == bytes => Ok(()),
        Some(there) => Ok(store.replace(path, bytes, &there.version).await.map(drop)?),
        None => Ok(store.put_new(path, bytes).await?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        log::InclusionProof,
        store::DirectoryStore,
        verify::{self, verify},
    };

    const ORIGIN: &str = "comptroller.dev/evidence/7d9e3a60";

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(ORIGIN, &[seed; 32]).unwrap()
    }

    fn entry(at: i64) -> Vec<u8> {
        let said = OperatorData::new(OperatorEvent::Started, "0.1.0".to_owned());
        let entry = Entry {
            at: Timestamp::from_second(at).unwrap(),
            clock: ClockReading::default(),
            epoch: 3,
            subject: EntrySubject::new("Operator", "one"),
            data: Data::Operator(Box::new(said)),
        };
        entry.to_text().unwrap().into_bytes()
    }

    async fn append(store: &Arc<dyn Store>, key: SigningKey, at: i64) -> Vec<u8> {
        let mut log = LogWriter::open(Arc::clone(store), key, ORIGIN).await.unwrap();
        log.append(&[entry(at), entry(at)]).await.unwrap();
        log.checkpoint().as_bytes().to_vec()
    }

    fn log() -> (tempfile::TempDir, Arc<dyn Store>) {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(DirectoryStore::new(folder.path().to_owned()));
        (folder, store)
    }

    #[tokio::test]
    async fn a_log_goes_over_to_another_key_and_whoever_has_either_follows() {
        let (_folder, store) = log();
        let before = append(&store, key(1), 10).await;
        let now = Timestamp::from_second(20).unwrap();
        for to in [2, 3] {
            let rotation = rotate_key(Arc::clone(&store), &key(to - 1), &key(to), now).await;
            let rotation = rotation.unwrap();
            assert_eq!((rotation.from, rotation.to), (key(to - 1).verifier(), key(to).verifier()));
            // Until the next append both keys read it, and whoever verifies by the old one is told the new.
            for seed in [to - 1, to] {
                let object = store.get(CHECKPOINT).await.unwrap().unwrap();
                Head::open(&object.bytes, &key(seed).verifier()).unwrap();
                let given = Some(key(seed).verifier());
                let verified = verify(Arc::clone(&store), given, Some(&before)).await.unwrap();
                assert_eq!(verified.verifier_key, key(to).verifier().to_string());
            }
            // Done again, it is done.
            let again = rotate_key(Arc::clone(&store), &key(to - 1), &key(to), now).await.unwrap();
            assert_eq!(again.to, key(to).verifier());
            append(&store, key(to), 20 + i64::from(to)).await;
        }
        let old = LogWriter::open(Arc::clone(&store), key(1), ORIGIN).await.unwrap_err();
        assert!(matches!(old, LogError::KeyMismatch { .. }), "{old}");
        for given in [None, Some(1), Some(2), Some(3)] {
            let given = given.map(|seed| key(seed).verifier());
            let verified = verify(Arc::clone(&store), given, Some(&before)).await.unwrap();
            assert_eq!((verified.size, verified.since), (8, Some(2)));
            assert_eq!(verified.verifier_key, key(3).verifier().to_string());
        }
        let error = verify(Arc::clone(&store), Some(key(9).verifier()), None).await.unwrap_err();
        assert!(matches!(error, verify::VerifyError::Bad(_)), "{error}");
        let reader = LogReader::open(Arc::clone(&store), None).await.unwrap();
        let proof = InclusionProof::of(&reader, 1).await.unwrap();
        for seed in [1, 2, 3] {
            assert_eq!(proof.check(&key(seed).verifier()).unwrap().size, 8);
        }
        assert!(proof.check(&key(9).verifier()).is_err());
    }

    #[tokio::test]
    async fn a_key_that_no_entry_names_is_not_followed() {
        let (folder, store) = log();
        append(&store, key(1), 10).await;
        // Who has only a new key, or who had both keys sign a note and no entry.
        let (_other, elsewhere) = log();
        append(&elsewhere, key(2), 10).await;
        let checkpoint = elsewhere.get(CHECKPOINT).await.unwrap().unwrap().bytes;
        std::fs::write(folder.path().join(CHECKPOINT), &checkpoint).unwrap();
        let read = LogReader::open(Arc::clone(&store), Some(key(1).verifier())).await;
        assert!(matches!(read, Err(LogError::Checkpoint { .. })), "{read:?}");
        let note = Rotation::sign(&key(1), &key(2), ORIGIN, 1).note;
        let path = format!("{FOLDER}/{}", key(1).verifier().id());
        store.put_new(&path, note.into()).await.unwrap();
        let read = LogReader::open(Arc::clone(&store), Some(key(1).verifier())).await;
        let error = read.unwrap_err().to_string();
        assert!(error.contains("no entry says so"), "{error}");
        // One that the old key did not sign is no rotation at all.
        let forged = Rotation::sign(&key(8), &key(2), ORIGIN, 1).note;
        let forged = forged.replace(key(8).verifier().as_str(), key(1).verifier().as_str());
        assert_eq!(Rotation::open(forged.as_bytes()), None);
    }

    #[tokio::test]
    async fn a_rotation_that_was_cut_short_is_finished_by_running_it_again() {
        let now = Timestamp::from_second(20).unwrap();
        // After each object that a rotation writes beyond the entry, as a crash leaves it.
        for kept in 0..4 {
            let (folder, store) = log();
            append(&store, key(1), 10).await;
            let (after, done) = log();
            append(&done, key(1), 10).await;
            rotate_key(Arc::clone(&done), &key(1), &key(2), now).await.unwrap();
            let note = format!("{FOLDER}/{}", key(1).verifier().id());
            let mut log = LogWriter::open(Arc::clone(&store), key(1), ORIGIN).await.unwrap();
            let reader = LogReader::open(Arc::clone(&store), None).await.unwrap();
            announce(&mut log, &reader, &key(1), &key(2), now).await.unwrap();
            drop(log);
            for path in [note.as_str(), PENDING, CHECKPOINT].iter().take(kept) {
                let to = folder.path().join(path);
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::fs::copy(after.path().join(path), to).unwrap();
            }
            rotate_key(Arc::clone(&store), &key(1), &key(2), now).await.unwrap();
            append(&store, key(2), 30).await;
            verify(Arc::clone(&store), Some(key(1).verifier()), None).await.unwrap();
        }
    }
}
