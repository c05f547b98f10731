//! Why a log can't be read or written.

use crate::{key::KeyError, store::StoreError};

/// Why a log can't be read or written. Only [`LogError::Fenced`] ends a writer; after any other
/// error the same leaves can be appended again, and are not doubled.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A read or a write of the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Another writer has taken over.
    #[error(
        "another writer has taken over the log in {0}, so this one stops writing: there are two leaders, or a second installation with the same store"
    )]
    Fenced(String),
    /// There is no log.
    #[error("there is no log in {0}: it has no checkpoint")]
    NoLog(String),
    /// The log was written under another key.
    #[error(
        "the log in {location} is verified by {log} and the signing key by {ours}: mount the key that the log was begun with, or begin a new log in another place"
    )]
    KeyMismatch {
        location: String,
        /// The verifier key of the log.
        log: String,
        /// The verifier key of the signing key that was given.
        ours: String,
    },
    /// The log is of another cluster.
    #[error(
        "the log in {location} is that of {log}, not of {ours}: give each cluster its own directory or prefix"
    )]
    OriginMismatch {
        location: String,
        /// The origin line of the log.
        log: String,
        /// The origin line that was expected, which names this cluster.
        ours: String,
    },
    /// The checkpoint can't be trusted.
    #[error("the checkpoint of {location} can't be trusted: {reason}")]
    Checkpoint { location: String, reason: String },
    /// There are entries and no checkpoint.
    #[error(
        "the log in {location} has {found} and no checkpoint: somebody deleted it; restore it from a copy, or keep this log as it is and begin a new one in another place"
    )]
    CheckpointMissing {
        location: String,
        /// The path of an object that shows that there was a log.
        found: String,
    },
    /// The log was longer than its checkpoint says.
    #[error(
        "the log in {location} was rolled back: its checkpoint covers {size} entries, and {shown}; restore the newest checkpoint from a copy, or keep this log as it is and begin a new one in another place"
    )]
    RolledBack {
        location: String,
        /// How many entries the checkpoint covers.
        size: u64,
        /// What shows that there were more, as the end of a sentence.
        shown: String,
    },
    /// A checkpoint contradicts an older one.
    #[error(
        "the log in {location} was rewritten: its checkpoint of {new} entries does not continue the one of {old}"
    )]
    Forked {
        location: String,
        /// How many entries the older checkpoint covers.
        old: u64,
        /// How many entries the newer checkpoint covers.
        new: u64,
    },
    /// An object of the log is not what the checkpoint vouches for.
    #[error("{path}: {reason}")]
    Broken {
        path: String,
        /// The first entry that is affected.
        index: u64,
        reason: String,
    },
    /// An entry was asked for that lies beyond the end.
    #[error("the log in {location} has {size} entries, numbered from 0: there is no entry {index}")]
    NoEntry { location: String, size: u64, index: u64 },
    /// Data beside the log is missing or wrong.
    #[error("the data {digest} beside the log is {reason}")]
    Stored {
        /// The name that the entry has for it.
        digest: String,
        /// What is wrong with it, as the end of a sentence that begins "is".
        reason: &'static str,
    },
    /// An entry that can't be in the log.
    #[error("an entry has 1 to 65535 bytes and this has {0}: store its data beside the log")]
    EntrySize(usize),
    /// Without them the fence between writers would not hold.
    #[error("the system gives no random bytes")]
    Random,
}

impl LogError {
    /// Whether the log lacks what was written to it, or contradicts it.
    pub fn is_put_back(&self) -> bool {
        matches!(
            self,
            Self::RolledBack { .. } | Self::Forked { .. } | Self::CheckpointMissing { .. }
        )
    }
}
