//! The evidence log that an operator writes, as an auditor reads it.

use std::path::Path;

use comptroller_evidence::{entry::Entry, log::LogReader, store};
use futures::TryStreamExt;

/// A log, at the checkpoint that is signed now.
pub async fn reader(log: &Path) -> LogReader {
    LogReader::open(store::open(log.to_str().unwrap()).unwrap(), None).await.unwrap()
}

/// Every entry, each checked against the signed checkpoint.
pub async fn entries(log: &Path) -> Vec<Entry> {
    let reader = reader(log).await;
    let entries: Vec<_> = reader.entries(0..reader.size()).try_collect().await.unwrap();
    assert!(entries.iter().zip(0..).all(|((index, _), expected)| *index == expected));
    entries.iter().map(|(_, bytes)| Entry::parse(bytes).unwrap()).collect()
}
