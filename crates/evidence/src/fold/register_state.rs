//! A register as the log last saw it: digests, to which a restart compares the cluster, and by which
//! entries are verified.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::register::{ListRead, RegisterCause, RegisterData, RegisterDigests, RegisterFault};

/// What the log says of one register.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterState {
    /// The items, by their digests.
    pub digests: RegisterDigests,
    /// How far its first list is.
    pub stage: RegisterStage,
    /// The lists that it was derived from last.
    pub lists: Vec<ListRead>,
    /// Its newest entry. None before the first.
    pub entry: Option<u64>,
    /// When that was written.
    pub at: Option<Timestamp>,
    /// When the whole of it was vouched for last: the end of its first list, or of a day.
    pub vouched: Option<Timestamp>,
    /// Whether it changed since then.
    pub changed_since: bool,
}

/// How far the first list of a register is.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegisterStage {
    /// There is none, or what the log says of it could not be read.
    #[default]
    Absent,
    /// Some parts of it are in the log.
    Listing,
    /// It is in the log, and every entry says what changed.
    Begun,
}

impl RegisterState {
    /// Takes in an entry. After an error, which says how the entry does not follow from those before,
    /// it is what the entry would make of it.
    pub fn apply(
        &mut self,
        index: u64,
        at: Timestamp,
        data: &RegisterData,
    ) -> Result<(), RegisterFault> {
        let is_start = data.cause == RegisterCause::Start;
        if !is_start && self.stage != RegisterStage::Begun && !data.is_empty() {
            return Err(RegisterFault::NotBegun);
        }
        if is_start && self.stage != RegisterStage::Listing {
            self.digests = RegisterDigests::default();
        }
        let applied = self.digests.apply(data);
        if is_start {
            self.stage = if data.more { RegisterStage::Listing } else { RegisterStage::Begun };
        }
        if !data.lists.is_empty() {
            self.lists.clone_from(&data.lists);
        }
        if matches!(data.cause, RegisterCause::Start | RegisterCause::Day) {
            (self.vouched, self.changed_since) = (Some(at), false);
        }
        self.changed_since |= data.cause == RegisterCause::Change;
        (self.entry, self.at) = (Some(index), Some(at));
        applied
    }

    /// An entry of it could not be read: its first list is to be written again.
    pub fn forget(&mut self) {
        *self = Self { entry: self.entry, at: self.at, ..Self::default() };
    }
}
