//! What may be claimed: values that the evidence log holds.

use std::sync::Arc;

use jiff::Timestamp;

use comptroller_core::{
    api::EvidenceRef,
    engine::{Verdict, exceptions::ExceptionState},
};

/// Which object: one that is deleted and created again under its name is another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its name; all governed kinds are cluster-scoped.
    pub name: String,
    /// Its uid. None only for an object that passed no API server.
    pub uid: Option<String>,
}

/// A value that the evidence log holds; without a log, one that needs no record.
///
/// Only this crate makes one, after the entry is durable. Whatever claims something, a status, a
/// metric, an event or a page, takes this instead of the bare value, so that no claim is ahead of
/// its evidence.
#[derive(Debug)]
pub struct Recorded<T> {
    value: Arc<T>,
    entry: Option<EvidenceRef>,
    at: Timestamp,
}

impl<T> Clone for Recorded<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), entry: self.entry, at: self.at }
    }
}

impl<T> Recorded<T> {
    pub(crate) fn new(value: Arc<T>, entry: Option<EvidenceRef>, at: Timestamp) -> Self {
        Self { value, entry, at }
    }

    /// What may be claimed.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The newest entry that says so. None without a log.
    pub fn entry(&self) -> Option<EvidenceRef> {
        self.entry
    }

    /// When that entry was written; without a log, when the value became claimable.
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

impl Recorded<Verdict> {
    /// Whether another verdict says nothing that the log keeps beyond this one, so that it needs no
    /// entry of its own. How many items were judged is such a difference: heartbeats tell it.
    pub(crate) fn covers(&self, verdict: &Verdict) -> bool {
        let known = self.value();
        known.generation == verdict.generation
            && known.state == verdict.state
            && known.reason == verdict.reason
            && known.digest == verdict.digest
            && known.occurrences == verdict.occurrences
    }
}

/// A governed object as the log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRecord {
    /// Its kind, such as `ControlException`.
    pub kind: &'static str,
    /// The name and uid of the object.
    pub key: ObjectKey,
    /// The generation of the spec that is in the log.
    pub generation: i64,
    /// The phase that is in the log. None for kinds without one, and before the first.
    pub phase: Option<String>,
}

impl Recorded<ObjectRecord> {
    /// How an exception stands, as something to claim. None while the log has another phase of it:
    /// that is recorded first.
    pub fn with_state(&self, state: &Arc<ExceptionState>) -> Option<Recorded<ExceptionState>> {
        (self.value().phase.as_deref() == Some(state.phase.as_str()))
            .then(|| Recorded::new(Arc::clone(state), self.entry, self.at))
    }
}
