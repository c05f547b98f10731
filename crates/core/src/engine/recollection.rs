//! What was known about a control before this process: by its status, or by the evidence log.

use std::{collections::HashMap, fmt::Debug, hash::BuildHasher, sync::Arc};

use jiff::Timestamp;

use super::memory::FindingHash;
use crate::{
    api::{Occurrence, ResourceRef, State},
    checks::Finding,
};

/// Knows when findings were first found, from before this process.
///
/// Called once for each finding of the first evaluation, so an implementation looks up rather than
/// searches. An implementation answers the same for equal findings, and never with a time to come.
pub trait Recollection: Debug + Send + Sync {
    /// When a finding was first found. None for one that is new.
    fn since(&self, finding: &Finding) -> Option<Timestamp>;

    /// The findings that were open then, as far as they are known by name: what they are about tells
    /// why one is gone. Empty where only times are known.
    fn open(&self) -> Vec<(FindingHash, ResourceRef)> {
        Vec::new()
    }

    /// The generation of the control that they were found by. None where it is not known.
    fn generation(&self) -> Option<i64> {
        None
    }
}

impl<S: BuildHasher + Send + Sync> Recollection for HashMap<FindingHash, Timestamp, S> {
    fn since(&self, finding: &Finding) -> Option<Timestamp> {
        self.get(&FindingHash::of_finding(finding)).copied()
    }
}

/// What was known about a control before this process. Empty for a control that is new.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// Its state, and when it entered it. None if it had none.
    pub state: Option<(State, Timestamp)>,
    /// When its findings were first found. None if none are known.
    pub findings: Option<Arc<dyn Recollection>>,
    /// When the control was created. None for one from a file, which has no occurrences.
    pub created: Option<Timestamp>,
    /// The occurrences of a control with an attestation test, oldest first.
    pub occurrences: Vec<Occurrence>,
}
