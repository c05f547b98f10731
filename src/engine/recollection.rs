//! What was known of a control before: by its status, or by the evidence log.

use std::{fmt::Debug, sync::Arc};

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use super::memory::FindingKey;
use crate::{api::State, checks::Finding};

/// Tells when findings were first found.
pub trait Recollection: Debug + Send + Sync {
    /// When a finding was first found; None for one that is new.
    fn since(&self, finding: &Finding) -> Option<Timestamp>;
}

impl Recollection for FxHashMap<FindingKey, Timestamp> {
    fn since(&self, finding: &Finding) -> Option<Timestamp> {
        self.get(&FindingKey::of(finding)).copied()
    }
}

/// What is remembered of a control.
#[derive(Clone, Debug, Default)]
pub struct Remembered {
    /// Its state and when it entered it.
    pub state: Option<(State, Timestamp)>,
    /// Since when its findings are known.
    pub findings: Option<Arc<dyn Recollection>>,
}
