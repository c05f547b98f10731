//! How many volumes a Velero backup must have taken snapshots of, had it taken all.
//!
//! A Backup says how many snapshots it took, and not of what. Counting the claims that it covers
//! costs a walk over them; every claim asks for the same number, so it is kept until something
//! that it was counted from changes.

use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;

use super::BackupFacts;
use crate::inventory::{Facts, IndexUpdate, Slot};

/// Claims that a backup covers and that were there when it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Those whose volumes snapshots can be taken of.
    pub sure: u32,
    /// Those of whose volumes nothing is known.
    pub unsure: u32,
}

/// The counts of the backups that somebody asked for. It follows from everything else, and so is
/// equal to any other.
#[derive(Debug, Default)]
pub struct Census(Mutex<FxHashMap<Slot, Count>>);

impl PartialEq for Census {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Census {
    /// The count for a backup, counted if it is not known.
    pub fn of(&self, backup: Slot, count: impl FnOnce() -> Count) -> Count {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&backup).copied();
        if let Some(known) = known {
            return known;
        }
        let counted = count();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(backup, counted);
        counted
    }

    pub(super) fn forget_if_counted(&mut self, update: &IndexUpdate<'_>) {
        let counts = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let bears = |facts: &Facts| match facts {
            Facts::Claim(_) | Facts::Volume(_) | Facts::Namespace(_) | Facts::Malformed(_) => true,
            Facts::Backup(facts) => {
                matches!(&**facts, BackupFacts::VeleroBackup(_) | BackupFacts::VeleroCopy(_))
            }
            _ => false,
        };
        let mut objects = update.before.into_iter().chain(update.after);
        if !counts.is_empty() && objects.any(|object| bears(&object.facts)) {
            counts.clear();
        }
    }
}
