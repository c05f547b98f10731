//! What was known of a control before: by its status, or by the evidence log.

use std::{collections::HashMap, fmt::Debug, hash::BuildHasher, sync::Arc};

use jiff::Timestamp;

use super::memory::FindingHash;
use crate::{
    api::{Occurrence, State},
    checks::Finding,
};

/// Tells when findings were first found.
pub trait Recollection: Debug + Send + Sync {
    /// When a finding was first found; None for one that is new.
    fn since(&self, finding: &Finding) -> Option<Timestamp>;
}

impl<S: BuildHasher + Send + Sync> Recollection for HashMap<FindingHash, Timestamp, S> {
    fn since(&self, finding: &Finding) -> Option<Timestamp> {
        self.get(&FindingHash::of_finding(finding)).copied()
    }
}

/// What is remembered of a control.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// Its state and when it entered it.
    pub state: Option<(State, Timestamp)>,
    /// Since when its findings are known.
    pub findings: Option<Arc<dyn Recollection>>,
    /// When the control was created; unknown for one from a file, which has no occurrences.
    pub created: Option<Timestamp>,
    /// The occurrences of a human control.
    pub occurrences: Vec<Occurrence>,
}
