//! Of how many volumes a Velero backup would have snapshots, had it taken all.
//!
//! A Backup says how many snapshots it took, but not of what. Counting the claims that it covers costs a
//! walk over them, and every claim needs the same number; so it is kept until something that it was
//! counted from changes. Whether it suffices seldom changes, and only then must all those claims be judged
//! again.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use super::{BackupFacts, velero::VeleroBackup, velero_scope::VeleroScope};
use crate::inventory::{Facts, IndexUpdate, Object, Slot};

/// How many claims a backup covers that existed when it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClaimCount {
    /// Claims of whose volumes snapshots can be taken.
    pub certain: u32,
    /// Claims of whose volumes nothing is known.
    pub uncertain: u32,
}

impl ClaimCount {
    /// Whether so many snapshots suffice for the certain claims, and for all claims.
    pub fn is_reached_by(self, taken: u32) -> (bool, bool) {
        (taken >= self.certain, taken >= self.certain.saturating_add(self.uncertain))
    }
}

#[derive(Debug)]
struct CountedBackup {
    scope: Arc<VeleroScope>,
    began: Option<Timestamp>,
    count: ClaimCount,
    /// What it was before it was last counted, and at which change that was.
    before: (ClaimCount, u64),
    stale: bool,
}

/// The counts of the backups that a check asked about. A cache that follows from everything else, so that
/// any two are equal.
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
        // Not under the lock: counting reads the whole index, and may ask about other backups.
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

    /// The backups whose count differs from the one before the last change, or may differ, with that one.
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
        // No control asks about snapshots of Velero, so that this index costs nothing.
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

/// Whether a count may be another with an object than without it. What was created after the backup began
/// does not count, so that the common change costs nothing.
fn bears_on(object: &Object, entry: &CountedBackup) -> bool {
    let was_there =
        |made: Option<Timestamp>| made.zip(entry.began).is_none_or(|(made, began)| made <= began);
    let scope = &entry.scope;
    match &object.facts {
        Facts::Claim(claim) => {
            was_there(claim.created) && scope.covers_claim(&object.namespace, &claim.labels)
        }
        // A claim whose volume is not known, or is younger than the backup, counts differently.
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
