//! Writing.
use std::sync::Arc;

use super::LogError;
use crate::evidence::{key::SigningKey, store::Store};

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
pub struct LogWriter {}

impl LogWriter {
    /// Begins a log, or finishes what the last writer left and takes over from it.
    pub async fn open(
        _store: Arc<dyn Store>,
        _key: SigningKey,
        _origin: &str,
    ) -> Result<Self, LogError> {
        std::future::ready(()).await;
        unimplemented!()
    }

    /// Appends entries. When it returns they are durable and under a signed checkpoint. After an
    /// error other than [`LogError::Fenced`], append the same leaves again (more may follow them):
    /// they are not doubled.
    pub async fn append(&mut self, _leaves: &[Vec<u8>]) -> Result<Appended, LogError> {
        std::future::ready(()).await;
        unimplemented!()
    }

    /// Stores data beside the log and says its digest, `sha256:` and hexadecimal digits.
    pub async fn put_stored(&self, _bytes: &[u8]) -> Result<String, LogError> {
        std::future::ready(()).await;
        unimplemented!()
    }

    /// How many entries there are.
    pub fn size(&self) -> u64 {
        unimplemented!()
    }

    /// The signed checkpoint.
    pub fn checkpoint(&self) -> &str {
        unimplemented!()
    }

    /// The origin: which log it is.
    pub fn origin(&self) -> &str {
        unimplemented!()
    }
}
