//! The writer and the reader together, on a directory and on an object store in memory.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::memory::InMemory;

use super::*;
use crate::{
    key::SigningKey,
    store::{BucketStore, DirectoryStore, Store, StoreError},
};

const ORIGIN: &str = "comptroller.dev/evidence/7d9e3a60";

fn key() -> SigningKey {
    SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap()
}

fn directory(path: &Path) -> Arc<dyn Store> {
    Arc::new(DirectoryStore::new(path.join("log")))
}

/// A bucket that several writers share.
fn bucket(memory: &Arc<InMemory>) -> Arc<dyn Store> {
    Arc::new(BucketStore::new("memory", Box::new(Arc::clone(memory)), "prefix".into()))
}

async fn writer(store: &Arc<dyn Store>) -> Result<LogWriter, LogError> {
    LogWriter::open(Arc::clone(store), key(), ORIGIN).await
}

fn leaves(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range.map(|i| format!("entry {i}").into_bytes()).collect()
}

async fn read(store: &Arc<dyn Store>) -> Vec<Vec<u8>> {
    let reader = LogReader::open(Arc::clone(store), Some(key().verifier())).await.unwrap();
    let entries: Vec<(u64, Bytes)> = reader.entries(0..u64::MAX).try_collect().await.unwrap();
    assert_eq!(entries.len() as u64, reader.size());
    assert!(entries.iter().zip(0..).all(|((index, _), expected)| *index == expected));
    entries.into_iter().map(|(_, entry)| entry.to_vec()).collect()
}

#[tokio::test]
async fn what_is_appended_is_read_again_by_later_writers_and_readers() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Arc::new(InMemory::new());
    for store in [directory(folder.path()), bucket(&memory)] {
        let mut size = 0;
        for group in [0, 1, 2, 252, 1, 1, 300, 700, 1] {
            let mut log = writer(&store).await.unwrap();
            assert_eq!(log.size(), size);
            let appended = log.append(&leaves(size..size + group)).await.unwrap();
            assert_eq!(appended, Appended { first: size, size: size + group });
            size += group;
            drop(log);
            assert_eq!(read(&store).await, leaves(0..size));
        }
    }
}

#[tokio::test]
async fn a_range_is_read_as_asked_for() {
    let store = bucket(&Arc::new(InMemory::new()));
    writer(&store).await.unwrap().append(&leaves(0..700)).await.unwrap();
    let reader = LogReader::open(Arc::clone(&store), None).await.unwrap();
    for range in [0..1, 255..257, 300..300, 511..513, 650..9000, 700..701, 9000..9001] {
        let read: Vec<(u64, Bytes)> = reader.entries(range.clone()).try_collect().await.unwrap();
        let expected = leaves(range.start.min(700)..range.end.min(700));
        assert_eq!(read.iter().map(|(_, entry)| entry.to_vec()).collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn a_writer_that_was_replaced_writes_no_more_and_nothing_forks() {
    let memory = Arc::new(InMemory::new());
    let store = bucket(&memory);
    let mut first = writer(&store).await.unwrap();
    first.append(&leaves(0..3)).await.unwrap();
    let mut second = writer(&store).await.unwrap();
    assert!(matches!(first.append(&leaves(3..4)).await, Err(LogError::Fenced(_))));
    second.append(&[b"second".to_vec()]).await.unwrap();
    assert!(matches!(first.append(&leaves(3..4)).await, Err(LogError::Fenced(_))));
    assert!(matches!(first.put_stored(b"x").await, Err(LogError::Fenced(_))));
    let mut expected = leaves(0..3);
    expected.push(b"second".to_vec());
    assert_eq!(read(&store).await, expected);
}

#[tokio::test]
async fn a_directory_has_one_writer_and_is_fenced_even_without_its_lock() {
    let folder = tempfile::tempdir().unwrap();
    let store = directory(folder.path());
    let mut first = writer(&store).await.unwrap();
    let error = writer(&directory(folder.path())).await.unwrap_err();
    assert!(matches!(error, LogError::Store(StoreError::Locked { .. })), "{error}");
    std::fs::remove_file(folder.path().join("log/.lock")).unwrap();
    let mut second = writer(&directory(folder.path())).await.unwrap();
    assert!(matches!(first.append(&leaves(0..1)).await, Err(LogError::Fenced(_))));
    second.append(&leaves(0..1)).await.unwrap();
    assert_eq!(read(&store).await, leaves(0..1));
}

#[tokio::test]
async fn another_key_and_another_cluster_are_refused() {
    let store = bucket(&Arc::new(InMemory::new()));
    writer(&store).await.unwrap();
    let other = SigningKey::from_seed(ORIGIN, &[8; 32]).unwrap();
    let error = LogWriter::open(Arc::clone(&store), other, ORIGIN).await.unwrap_err();
    assert!(matches!(error, LogError::KeyMismatch { .. }), "{error}");
    let error = LogWriter::open(Arc::clone(&store), key(), "another").await.unwrap_err();
    assert!(matches!(error, LogError::OriginMismatch { .. }), "{error}");
}

#[tokio::test]
async fn a_deleted_or_older_checkpoint_is_no_beginning() {
    let store = bucket(&Arc::new(InMemory::new()));
    let mut log = writer(&store).await.unwrap();
    log.append(&leaves(0..5)).await.unwrap();
    let older = log.checkpoint().to_owned();
    log.append(&leaves(5..9)).await.unwrap();
    let newest = store.get(CHECKPOINT).await.unwrap().unwrap();
    store.replace(CHECKPOINT, older.into(), &newest.version).await.unwrap();
    let error = writer(&store).await.unwrap();
    // The newest append is still in `pending`, and makes it whole again.
    assert_eq!(error.size(), 9);
    drop(error);

    let older = {
        let mut log = writer(&store).await.unwrap();
        let older = log.checkpoint().to_owned();
        log.append(&leaves(9..10)).await.unwrap();
        log.append(&leaves(10..11)).await.unwrap();
        older
    };
    let newest = store.get(CHECKPOINT).await.unwrap().unwrap();
    store.replace(CHECKPOINT, older.into(), &newest.version).await.unwrap();
    let error = writer(&store).await.unwrap_err();
    assert!(matches!(error, LogError::RolledBack { size: 9, .. }), "{error}");
    store.delete("pending").await.unwrap();
    let error = writer(&store).await.unwrap_err();
    assert!(matches!(error, LogError::RolledBack { size: 9, .. }), "{error}");
    store.delete(CHECKPOINT).await.unwrap();
    let error = writer(&store).await.unwrap_err();
    assert!(matches!(error, LogError::CheckpointMissing { .. }), "{error}");
}

#[tokio::test]
async fn what_lies_beside_a_log_shows_that_there_was_one() {
    for left in ["stored/sha256/00", "derived/state", "aside/pending-00"] {
        let store = bucket(&Arc::new(InMemory::new()));
        store.put_new(left, Bytes::from_static(b"x")).await.unwrap();
        let error = writer(&store).await.unwrap_err();
        assert!(matches!(error, LogError::CheckpointMissing { .. }), "{left}: {error}");
    }
}

#[tokio::test]
async fn a_reader_notices_a_log_of_the_same_size_that_was_rewritten() {
    let store = bucket(&Arc::new(InMemory::new()));
    writer(&store).await.unwrap().append(&leaves(0..300)).await.unwrap();
    let mut reader = LogReader::open(Arc::clone(&store), None).await.unwrap();
    let other = bucket(&Arc::new(InMemory::new()));
    writer(&other).await.unwrap().append(&leaves(1..301)).await.unwrap();
    for path in other.list("").await.unwrap() {
        store.delete(&path).await.unwrap();
        store.put_new(&path, other.get(&path).await.unwrap().unwrap().bytes).await.unwrap();
    }
    let error = reader.refresh().await.unwrap_err();
    assert!(matches!(error, LogError::Forked { old: 300, new: 300, .. }), "{error}");
    assert_eq!(reader.size(), 300);
}

#[tokio::test]
async fn a_forged_append_is_quarantined_and_not_signed() {
    let store = bucket(&Arc::new(InMemory::new()));
    let mut log = writer(&store).await.unwrap();
    log.append(&leaves(0..2)).await.unwrap();
    drop(log);
    let there = store.get("pending").await.unwrap().unwrap();
    let mut forged = there.bytes.to_vec();
    let last = forged.len() - 40;
    forged[last] ^= 1;
    store.replace("pending", forged.clone().into(), &there.version).await.unwrap();
    let log = writer(&store).await.unwrap();
    assert_eq!(log.size(), 2);
    let aside = log.recovered().quarantined.first().unwrap();
    assert_eq!(store.get(aside).await.unwrap().unwrap().bytes, forged);
}

#[tokio::test]
async fn old_partial_tiles_go_away_once_the_full_one_is_there() {
    let store = bucket(&Arc::new(InMemory::new()));
    let mut log = writer(&store).await.unwrap();
    for i in 0..400 {
        log.append(&leaves(i..i + 1)).await.unwrap();
    }
    let partial: Vec<String> = store
        .list("tile")
        .await
        .unwrap()
        .into_iter()
        .filter(|path| path.contains("/000.p/") && !path.starts_with("tile/1"))
        .collect();
    assert_eq!(partial, Vec::<String>::new());
    assert_eq!(read(&store).await, leaves(0..400));
}

#[tokio::test]
async fn data_beside_the_log_is_found_by_its_digest_and_checked() {
    let store = bucket(&Arc::new(InMemory::new()));
    let log = writer(&store).await.unwrap();
    let digest = log.put_stored(b"a long list").await.unwrap();
    assert_eq!(log.put_stored(b"a long list").await.unwrap(), digest);
    let reader = LogReader::open(Arc::clone(&store), None).await.unwrap();
    assert_eq!(reader.stored(&digest).await.unwrap(), "a long list");
    let path = digest.replace("sha256:", "stored/sha256/");
    let there = store.get(&path).await.unwrap().unwrap();
    store.replace(&path, "another".into(), &there.version).await.unwrap();
    assert!(matches!(reader.stored(&digest).await, Err(LogError::Stored { .. })));
    assert!(matches!(reader.stored("sha256:00").await, Err(LogError::Stored { .. })));
}

#[tokio::test]
async fn a_reader_goes_on_and_notices_a_log_that_was_rewritten() {
    let store = bucket(&Arc::new(InMemory::new()));
    let mut log = writer(&store).await.unwrap();
    log.append(&leaves(0..300)).await.unwrap();
    let mut reader = LogReader::open(Arc::clone(&store), None).await.unwrap();
    log.append(&leaves(300..1000)).await.unwrap();
    reader.refresh().await.unwrap();
    assert_eq!(reader.size(), 1000);

    let other = bucket(&Arc::new(InMemory::new()));
    let mut rewritten = writer(&other).await.unwrap();
    rewritten.append(&leaves(1..1101)).await.unwrap();
    for path in other.list("").await.unwrap() {
        store.delete(&path).await.unwrap();
        store.put_new(&path, other.get(&path).await.unwrap().unwrap().bytes).await.unwrap();
    }
    let error = reader.refresh().await.unwrap_err();
    assert!(matches!(error, LogError::Forked { old: 1000, new: 1100, .. }), "{error}");
    assert_eq!(reader.size(), 1000);
}

#[tokio::test]
async fn an_entry_is_proven_with_nothing_but_the_key() {
    let store = bucket(&Arc::new(InMemory::new()));
    writer(&store).await.unwrap().append(&leaves(0..600)).await.unwrap();
    let reader = LogReader::open(Arc::clone(&store), None).await.unwrap();
    for index in [0, 1, 255, 256, 511, 512, 599] {
        let proof = InclusionProof::of(&reader, index).await.unwrap();
        let proof = InclusionProof::parse(&serde_json::to_vec(&proof).unwrap()).unwrap();
        assert_eq!(proof.entry, format!("entry {index}"));
        assert_eq!(proof.check(&key().verifier()).unwrap().size, 600);
        let other = InclusionProof { entry: "entry".to_owned(), ..proof.clone() };
        assert!(matches!(other.check(&key().verifier()), Err(ProofError::NotIncluded { .. })));
        let other = InclusionProof { index: index + 1, ..proof };
        assert!(other.check(&key().verifier()).is_err());
    }
    assert!(matches!(InclusionProof::of(&reader, 600).await, Err(LogError::NoEntry { .. })));
}
