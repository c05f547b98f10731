//! `VolSync`: a `ReplicationSource` says when its claim was last copied.

use crate::{
    checks::{
        CheckContext,
        backup::{
            evidence::{Reliability, Success, ToolEvidence},
            target::backup_at,
        },
    },
    inventory::{
        Symbol,
        backup::{
            BackupFacts,
            index::BackupKey,
            volsync::{VolSyncSource, VolSyncTrigger},
        },
        storage::ClaimFacts,
    },
};

/// The evidence of `VolSync` about a claim.
pub fn of_claim<'a>(
    context: &CheckContext<'a>,
    namespace: &Symbol,
    name: &Symbol,
    claim: &ClaimFacts,
) -> ToolEvidence<'a> {
    let mut evidence = ToolEvidence::new(context);
    let key = super::key(namespace, name, BackupKey::VolSyncSources);
    for slot in context.inventory.backups.slots(&key) {
        let Some(BackupFacts::VolSyncSource(source)) = backup_at(context.inventory, slot) else {
            continue;
        };
        let VolSyncSource { last_success, failed, runs, mirror, .. } = source;
        // It copies deletions and corruption as fast as anything else.
        if *mirror {
            evidence
                .attempted(slot, "mirrors the claim by Syncthing, which keeps no earlier state");
            continue;
        }
        match runs {
            VolSyncTrigger::ByItself => evidence.schedule(slot, false),
            VolSyncTrigger::Paused => evidence.schedule(slot, true),
            VolSyncTrigger::ByHand => {}
        }
        match last_success {
            Some(at) => {
                let success = Success { at: *at, by: slot, until: None };
                evidence.succeeded_for(success, Reliability::Reliable, claim.created);
            }
            None if *failed => evidence.attempted(slot, "failed"),
            None => evidence.awaited(slot, "has not synchronized yet"),
        }
    }
    evidence
}
