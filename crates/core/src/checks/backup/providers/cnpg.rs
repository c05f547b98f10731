//! `CloudNativePG`: the newest Backup that completed, or what the object store holds, or (last,
//! since it is deprecated) what the Cluster's status says.

use crate::{
    checks::{
        CheckContext,
        backup::{
            evidence::{Reliability, Success, ToolEvidence},
            target::backup_at,
        },
    },
    inventory::{
        Slot, Symbol,
        backup::{
            BARMAN_CLOUD, BackupFacts, CNPG,
            cnpg::{CLUSTER_LABEL, CnpgBackup, CnpgCluster},
            index::BackupKey,
        },
        storage::ClaimFacts,
    },
};

/// The evidence of `CloudNativePG` about a claim that it labelled as part of a cluster; None when the claim
/// is not labelled or the cluster is not there.
pub fn of_claim<'a>(
    context: &CheckContext<'a>,
    namespace: &Symbol,
    claim: &ClaimFacts,
) -> Option<ToolEvidence<'a>> {
    let name = claim.labels.get(CLUSTER_LABEL)?;
    let inventory = context.inventory;
    let slot = inventory.find(inventory.find_kind(CNPG, "Cluster")?, namespace, name)?;
    match backup_at(inventory, slot)? {
        BackupFacts::CnpgCluster(cluster) => {
            Some(of_cluster(context, namespace, &inventory.get(slot)?.name, slot, cluster))
        }
        _ => None,
    }
}

/// The evidence of `CloudNativePG` about a cluster.
pub fn of_cluster<'a>(
    context: &CheckContext<'a>,
    namespace: &Symbol,
    name: &Symbol,
    slot: Slot,
    cluster: &CnpgCluster,
) -> ToolEvidence<'a> {
    let inventory = context.inventory;
    let mut evidence = ToolEvidence::new(context);
    let schedules = super::key(namespace, name, BackupKey::CnpgSchedules);
    for slot in inventory.backups.slots(&schedules) {
        if let Some(BackupFacts::CnpgScheduledBackup(schedule)) = backup_at(inventory, slot) {
            evidence.schedule(slot, schedule.suspended);
        }
    }
    let backups = super::key(namespace, name, BackupKey::CnpgBackups);
    super::runs(context, &mut evidence, &backups, cluster.created, |slot| {
        match backup_at(inventory, slot)? {
            BackupFacts::CnpgBackup(CnpgBackup { outcome, .. }) => Some(*outcome),
            _ => None,
        }
    });
    let succeeded = |evidence: &mut ToolEvidence<'_>, by, at| {
        let success = Success { at, by, until: None };
        evidence.succeeded_for(success, Reliability::Reliable, cluster.created);
    };
    if let Some((store, at)) = stored(context, namespace, cluster) {
        succeeded(&mut evidence, store, at);
    }
    if let Some(at) = cluster.last_success
        && evidence.good.is_none()
    {
        succeeded(&mut evidence, slot, at);
    }
    evidence
}

fn stored(
    context: &CheckContext<'_>,
    namespace: &Symbol,
    cluster: &CnpgCluster,
) -> Option<(Slot, jiff::Timestamp)> {
    let stores = context.inventory.find_kind(BARMAN_CLOUD, "ObjectStore")?;
    let slot = context.inventory.find(stores, namespace, cluster.store.as_ref()?)?;
    match backup_at(context.inventory, slot)? {
        BackupFacts::CnpgObjectStore(store) => Some((slot, store.newest(&cluster.server)?)),
        _ => None,
    }
}
