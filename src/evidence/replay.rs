//! Entries of a log in order, parsed and whole, for whoever folds them.

use std::{ops::Range, pin::pin};

use futures::TryStreamExt as _;

use super::{
    entry::{Data, Entry, EntryError},
    log::{LogError, LogReader},
};

/// Why entries can't be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log can't be read, or is not what its checkpoint vouches for.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An entry can't be read.
    #[error("entry {index} of the log can't be read: {source}")]
    Entry {
        /// Its number.
        index: u64,
        /// What is wrong with it.
        source: EntryError,
    },
}

/// Gives each entry of a range to a fold, in order and checked against the checkpoint; what is
/// stored beside the log is read into its entry.
pub async fn replay(
    reader: &LogReader,
    range: Range<u64>,
    mut fold: impl FnMut(u64, &Entry),
) -> Result<(), ReplayError> {
    let mut entries = pin!(reader.entries(range));
    while let Some((index, text)) = entries.try_next().await? {
        let wrong = |source| ReplayError::Entry { index, source };
        let mut entry = Entry::parse(&text).map_err(wrong)?;
        if let Data::Stored(type_, stored) = &entry.data {
            let text = reader.stored(&stored.stored).await?;
            let data = serde_json::from_slice(&text).and_then(|data| Data::parse(*type_, data));
            entry.data = data.map_err(|source| wrong(source.into()))?;
        }
        fold(index, &entry);
    }
    Ok(())
}
