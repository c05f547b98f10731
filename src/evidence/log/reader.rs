//! Reading.
use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::Stream;

use super::LogError;
use crate::evidence::{key::VerifierKey, store::Store};

/// A log as of its checkpoint.
#[derive(Clone, Debug)]
pub struct LogReader {}

impl LogReader {
    /// Opens a log: reads its checkpoint and checks the signature. Without a key, the one beside
    /// the log is believed.
    pub async fn open(_store: Arc<dyn Store>, _key: Option<VerifierKey>) -> Result<Self, LogError> {
        std::future::ready(()).await;
        unimplemented!()
    }

    /// The origin: which log it is.
    pub fn origin(&self) -> &str {
        unimplemented!()
    }

    /// How many entries the checkpoint covers.
    pub fn size(&self) -> u64 {
        unimplemented!()
    }

    /// The signed checkpoint.
    pub fn checkpoint(&self) -> &str {
        unimplemented!()
    }

    /// The key that the checkpoint was checked with.
    pub fn verifier_key(&self) -> &str {
        unimplemented!()
    }

    /// Goes on to the newest checkpoint, which must continue this one.
    pub async fn refresh(&mut self) -> Result<(), LogError> {
        std::future::ready(()).await;
        unimplemented!()
    }

    /// Entries in order, each checked against the checkpoint.
    pub fn entries(
        &self,
        _range: Range<u64>,
    ) -> impl Stream<Item = Result<(u64, Bytes), LogError>> + Send + use<> {
        futures::stream::empty()
    }

    /// Data beside the log, by its digest.
    pub async fn stored(&self, _digest: &str) -> Result<Bytes, LogError> {
        std::future::ready(()).await;
        unimplemented!()
    }
}
