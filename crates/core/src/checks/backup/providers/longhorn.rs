//! Longhorn: backups of the volume behind a claim.

use jiff::Timestamp;

use crate::{
    checks::{
        CheckContext,
        backup::{evidence::ToolEvidence, target::backup_at},
    },
    inventory::{
        Object, Slot, Symbol,
        backup::{
            BackupFacts,
            index::BackupKey,
            longhorn::{LonghornBackup, LonghornVolume},
        },
        storage::ClaimFacts,
    },
};

/// The evidence of Longhorn about a claim.
pub fn of_claim<'a>(
    context: &CheckContext<'a>,
    namespace: &Symbol,
    name: &Symbol,
    claim: &ClaimFacts,
) -> ToolEvidence<'a> {
    let mut evidence = ToolEvidence::new(context);
    let key = super::key(namespace, name, BackupKey::LonghornVolumes);
    for slot in context.inventory.backups.slots(&key) {
        if let (Some(object), Some(BackupFacts::LonghornVolume(volume))) =
            (context.inventory.get(slot), backup_at(context.inventory, slot))
            && is_of(volume, claim)
        {
            // A volume that is known to be behind the claim may be older than it.
            let sure = volume.volume.is_some() && claim.volume.is_some();
            let created = claim.created.filter(|_| !sure);
            of_volume(context, &mut evidence, (object, volume), created);
        }
    }
    evidence
}

/// A volume names its claim by name, also when the claim is gone and another took its name: the
/// `PersistentVolume` tells them apart.
fn is_of(volume: &LonghornVolume, claim: &ClaimFacts) -> bool {
    match (&volume.volume, &claim.volume) {
        (Some(volume), Some(bound)) => volume == bound,
        // Where either is not known, the name is all there is.
        _ => true,
    }
}

fn of_volume(
    context: &CheckContext<'_>,
    evidence: &mut ToolEvidence<'_>,
    (object, volume): (&Object, &LonghornVolume),
    created: Option<Timestamp>,
) {
    let inventory = context.inventory;
    let jobs = BackupKey::LonghornJobs(object.namespace.clone());
    for slot in inventory.backups.slots(&jobs) {
        if runs_for(context, slot, volume) {
            evidence.schedule(slot, false);
        }
    }
    let key = super::key(&object.namespace, &object.name, BackupKey::LonghornBackups);
    super::runs(context, evidence, &key, created, |slot| match backup_at(inventory, slot)? {
        BackupFacts::LonghornBackup(LonghornBackup { outcome, .. }) => Some(*outcome),
        _ => None,
    });
}

fn runs_for(context: &CheckContext<'_>, slot: Slot, volume: &LonghornVolume) -> bool {
    let Some(object) = context.inventory.get(slot) else {
        return false;
    };
    match backup_at(context.inventory, slot) {
        Some(BackupFacts::LonghornRecurringJob(job)) => job.runs_for(&object.name, volume),
        _ => false,
    }
}
