//! How many volumes a Velero backup must have taken snapshots of, had it taken all.
//!
//! A Backup says how many snapshots it took, and not of what. Counting the claims that it covers
//! costs a walk over them; every claim asks for the same number, so it is kept until something
//! that it was counted from changes. What follows from it seldom turns, and only then must all
//! those claims be judged again.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use super::{BackupFacts, velero::VeleroBackup, velero_scope::VeleroScope};
use crate::inventory::{Facts, IndexUpdate, Object, Slot};

/// Claims that a backup covers and that were there when it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClaimCount {
    /// Those whose volumes snapshots can be taken of.
    pub sure: u32,
    /// Those of whose volumes nothing is known.
    pub unsure: u32,
}

impl ClaimCount {
    /// Whether so many snapshots are enough for the claims that are sure, and for all.
    pub fn is_reached_by(self, taken: u32) -> (bool, bool) {
        (taken >= self.sure, taken >= self.sure.saturating_add(self.unsure))
    }
}

#[derive(Debug)]
struct CountedBackup {
    scope: Arc<VeleroScope>,
    began: Option<Timestamp>,
    count: ClaimCount,
    /// What it was before it was counted anew, and at which change that was.
    before: (ClaimCount, u64),
    stale: bool,
}

/// The counts of the backups that somebody asked for. It follows from everything else, and so is
/// equal to any other.
#[derive(Debug, Default)]
pub struct Census {
    entries: Mutex<FxHashMap<Slot, CountedBackup>>,
    changes: u64,
}

impl PartialEq for Census {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Census {
    /// The count for a backup, counted if it is not known.
    pub fn expected(
        &self,
        slot: Slot,
        backup: &VeleroBackup,
        count: impl FnOnce() -> ClaimCount,
    ) -> ClaimCount {
        let known = |entries: &FxHashMap<Slot, CountedBackup>| {
            entries.get(&slot).filter(|entry| !entry.stale).map(|entry| entry.count)
        };
        if let Some(known) = known(&self.entries.lock().unwrap_or_else(PoisonError::into_inner)) {
            return known;
        }
        let counted = count();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let before = entries.get(&slot).map_or(counted, |entry| entry.count);
        let entry = CountedBackup {
            scope: Arc::clone(&backup.scope),
            began: backup.began,
            count: counted,
            before: (before, self.changes),
            stale: false,
        };
        entries.insert(slot, entry);
        counted
    }

    /// The backups whose count is not what it was before the last change, or may not be.
    pub fn recounted(&self) -> Vec<(Slot, ClaimCount)> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let last = |entry: &CountedBackup| match entry.before {
            _ if entry.stale => Some(entry.count),
            (before, at) if at == self.changes && before != entry.count => Some(before),
            _ => None,
        };
        entries.iter().filter_map(|(slot, entry)| Some((*slot, last(entry)?))).collect()
    }

    pub(super) fn follow(&mut self, update: &IndexUpdate<'_>) {
        self.changes += 1;
        let entries = self.entries.get_mut().unwrap_or_else(PoisonError::into_inner);
        if entries.is_empty() {
            return;
        }
        for object in update.before.into_iter().chain(update.after) {
            if is_backup(object) {
                entries.remove(&update.slot);
            }
            for entry in entries.values_mut() {
                entry.stale |= bears_on(object, entry);
            }
        }
    }
}

fn is_backup(object: &Object) -> bool {
    matches!(&object.facts, Facts::Backup(facts) if matches!(**facts, BackupFacts::VeleroBackup(_)))
}

/// Whether a count may be another with an object than without it. What came after the backup began
/// bears on nothing, so that the common change costs nothing.
fn bears_on(object: &Object, entry: &CountedBackup) -> bool {
    let was_there =
        |made: Option<Timestamp>| made.zip(entry.began).is_none_or(|(made, began)| made <= began);
    let scope = &entry.scope;
    match &object.facts {
        Facts::Claim(claim) => {
            was_there(claim.created) && scope.covers_claim(&object.namespace, &claim.labels)
        }
        // A claim of a volume that is not known, or younger, counts otherwise.
        Facts::Volume(volume) => {
            volume.claim.as_ref().is_some_and(|(namespace, _)| scope.includes_namespace(namespace))
        }
        Facts::Namespace(_) => scope.includes_namespace(&object.name),
        Facts::Malformed(_) => true,
        Facts::Backup(facts) => match &**facts {
            BackupFacts::VeleroCopy(copy) => scope.includes_namespace(&copy.namespace),
            _ => false,
        },
        _ => false,
    }
}
