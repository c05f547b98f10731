//! Evidence before claim: what a status will say is recorded first.
//!
//! The tamper-evident log goes here. Until it exists, the status itself is the only record: the
//! reconcilers already wait for [`Evidence::record`] and write what it returns, so that the log
//! changes nothing but this module.

pub mod canonical;
pub mod data;
pub mod entry;
pub mod export;
pub mod fold;
pub mod key;
pub mod log;
pub mod replay;
pub mod sample;
pub mod store;

use jiff::Timestamp;

use crate::{api::EvidenceRef, engine::Verdict};

/// What is to be recorded.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The control.
    pub control: &'a str,
    /// What holds of it.
    pub verdict: &'a Verdict,
    /// Whether this is a change, or only says that nothing changed.
    pub kind: EntryKind,
    /// When.
    pub at: Timestamp,
}

/// Why an entry is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// The state or the set of findings changed.
    Change,
    /// It is still so.
    Heartbeat,
}

/// Why an entry could not be made durable. Status must not claim what is not recorded.
#[derive(Debug, thiserror::Error)]
#[error("evidence can't be recorded, so status is left as it was: {0}")]
pub struct EvidenceError(pub String);

/// Where evidence is recorded.
#[derive(Debug, Default)]
pub struct Evidence;

impl Evidence {
    /// Records an entry durably and says where. None: no log is configured.
    pub async fn record(&self, entry: &Entry<'_>) -> Result<Option<EvidenceRef>, EvidenceError> {
        tracing::info!(
            control = entry.control,
            state = entry.verdict.state.as_str(),
            reason = entry.verdict.reason.as_str(),
            failing = entry.verdict.failing,
            population = entry.verdict.population,
            heartbeat = entry.kind == EntryKind::Heartbeat,
            at = %entry.at,
            "verdict"
        );
        std::future::ready(Ok(None)).await
    }
}
