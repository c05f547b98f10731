//! The entries of a log in their order, for a fold of them.

use std::ops::Range;

use futures_util::TryStreamExt;
use jiff::Timestamp;

use super::{
    data::StoredData,
    entry::{Data, Entry, EntryError, EntryType},
    log::{LogError, LogReader},
};

/// Why a log can't be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log can't be read, or is not what its checkpoint vouches for.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An entry that this version can't read.
    #[error("entry {index} of the log can't be read: {error}")]
    Entry { index: u64, error: EntryError },
}

/// How a replay went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// The latest time of an entry; None if the range has none.
    pub latest: Option<Timestamp>,
    /// How many entries have data beside the log that is not there or is not theirs.
    pub unresolved: u64,
    /// The first of those entries.
    pub first_unresolved: Option<u64>,
}

/// Calls `take` with each entry of a range, in their order, after putting in what is stored beside the
/// log. Data that is missing, or has another digest, stays [`Data::Stored`] and is counted: one lost
/// file must not keep a year's log from being read.
pub async fn replay(
    reader: &LogReader,
    range: Range<u64>,
    mut take: impl FnMut(u64, &Entry),
) -> Result<Replayed, ReplayError> {
    let mut replayed = Replayed::default();
    let entries = reader.entries(range);
    let mut entries = std::pin::pin!(entries);
    while let Some((index, bytes)) = entries.try_next().await? {
        let wrong = |error| ReplayError::Entry { index, error };
        let mut entry = Entry::parse(&bytes).map_err(wrong)?;
        if let Data::Stored(type_, stored) = &entry.data {
            if let Some(data) = resolve(reader, *type_, stored).await? {
                entry.data = data;
            } else {
                replayed.unresolved += 1;
                replayed.first_unresolved.get_or_insert(index);
            }
        }
        replayed.latest = replayed.latest.max(Some(entry.at));
        take(index, &entry);
    }
    Ok(replayed)
}

/// The data that an entry names; None if it is missing, another, or can't be read as its type.
pub(crate) async fn resolve(
    reader: &LogReader,
    type_: EntryType,
    stored: &StoredData,
) -> Result<Option<Data>, LogError> {
    let bytes = match reader.stored(&stored.stored).await {
        Ok(bytes) => bytes,
        Err(LogError::Stored { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(serde_json::from_slice(&bytes).and_then(|data| Data::parse(type_, data)).ok())
}
