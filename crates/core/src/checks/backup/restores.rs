//! Whether a restore was tried, and how long ago.
//!
//! Velero deletes the restores of a backup together with the backup. A control that asks for a
//! restore each quarter needs backups that live as long, or the drill has to be attested.

use jiff::Timestamp;

use super::{
    UNDECIDED,
    evidence::{CLOCK_SKEW, name},
    finding,
    providers::{self, velero},
    target::{BackupTarget, TargetKind, backup_at},
};
use crate::{
    api::Duration,
    checks::{CheckContext, Judgement},
    inventory::{
        ObjectSource, Slot,
        backup::{
            BackupFacts, CNPG, VELERO,
            cnpg::{CnpgCluster, RecoverySource},
            index::BackupKey,
            velero::VeleroRestore,
        },
    },
};

/// Adds to a judgement whether the item was restored recently enough.
pub fn judge(
    context: &CheckContext<'_>,
    target: &BackupTarget<'_>,
    every: Duration,
    judgement: &mut Judgement,
) {
    let mut search = Search { now: context.now, newest: None, pending: None };
    match &target.kind {
        TargetKind::Claim(_) | TargetKind::Namespace { .. } => {
            of_velero(context, target, &mut search);
            of_key(context, &BackupKey::K8upRestores(target.namespace.clone()), &mut search);
            of_key(context, &BackupKey::KastenRestores(target.namespace.clone()), &mut search);
        }
        TargetKind::Database(cluster) => of_cnpg(context, target, cluster, &mut search),
        TargetKind::OtherDatabase { .. } => {}
    }
    let deadline = search.newest.map(|(at, _)| every.add_to(at));
    let tested = deadline.is_some_and(|deadline| context.now < deadline);
    let holds_until = if tested { deadline } else { search.pending };
    judgement.valid_until = judgement.valid_until.into_iter().chain(holds_until).min();
    if tested {
        return;
    }
    let noun = target.noun();
    // It may be the very restore that is missing.
    if let Some((slot, error)) = providers::unreadable_restore(context, target) {
        let message = format!(
            "{} may be a restore of this {noun}, and can't be read: {error}",
            name(context.inventory, slot)
        );
        judgement.unknown.extend(finding(context, target.slot, UNDECIDED, message));
        return;
    }
    if search.newest.is_none() && context.inventory.source == ObjectSource::Manifests {
        let message = format!(
            "manifests do not show whether this {noun} was restored: scan the cluster (--cluster), or add its restores with their status"
        );
        judgement.unknown.extend(finding(context, target.slot, UNDECIDED, message));
        return;
    }
    let last = search.newest.map_or_else(
        || "no successful restore is known".to_owned(),
        |(at, slot)| {
            format!(
                "the last successful restore is {} of {at}, more than {every} ago",
                name(context.inventory, slot)
            )
        },
    );
    let message = format!("{last}: restore this {noun} somewhere else, and check the result");
    judgement.failing.extend(finding(context, target.slot, "RestoreUntested", message));
}

/// A search for the newest restore that counts.
struct Search {
    now: Timestamp,
    newest: Option<(Timestamp, Slot)>,
    /// When the first of those whose clock is ahead begins to count.
    pending: Option<Timestamp>,
}

impl Search {
    fn offer(&mut self, at: Timestamp, by: Slot) {
        let from = at.checked_sub(CLOCK_SKEW).unwrap_or(Timestamp::MIN);
        if from > self.now {
            self.pending = Some(self.pending.map_or(from, |known| known.min(from)));
        } else if self.newest.is_none_or(|(known, _)| known < at) {
            self.newest = Some((at, by));
        }
    }
}

fn of_velero(context: &CheckContext<'_>, target: &BackupTarget<'_>, search: &mut Search) {
    for (at, slot) in context.inventory.backups.newest(&BackupKey::VeleroRestores) {
        // Those without a time come last, and never completed.
        let Some(at) = at else {
            return;
        };
        if let Some(BackupFacts::VeleroRestore(restore)) = backup_at(context.inventory, slot)
            && restored(context, target, restore, slot).unwrap_or(false)
        {
            // They come newest first, and judging one looks at its backup: the first that counts will do.
            search.offer(at, slot);
            if search.newest.is_some() {
                return;
            }
        }
    }
}

/// Whether a restore brought an item back: both it and its backup must be about the item. When the
/// backup is gone, only the namespaces that the restore itself names are known. None when Velero's
/// objects are not there to tell.
fn restored(
    context: &CheckContext<'_>,
    target: &BackupTarget<'_>,
    restore: &VeleroRestore,
    slot: Slot,
) -> Option<bool> {
    let inventory = context.inventory;
    let namespace = target.namespace;
    // A restore can't have brought back what no backup takes.
    if velero::is_left_out(inventory, namespace) {
        return Some(false);
    }
    let backups = inventory.find_kind(VELERO, "Backup")?;
    let velero = &inventory.get(slot)?.namespace;
    let backup = inventory.find(backups, velero, &restore.backup);
    let backup = match backup.and_then(|slot| backup_at(inventory, slot)) {
        Some(BackupFacts::VeleroBackup(backup)) => Some(backup),
        _ => None,
    };
    let key = BackupKey::VeleroCopiesOf(velero.clone(), restore.backup.clone());
    let copied = inventory.backups.slots(&key).next().is_some();
    // Manifests without the data of their volumes are no restore of a claim. Of a backup that is gone,
    // the restore's own word is all there is.
    let data = restore.volumes && backup.is_none_or(|backup| copied || backup.volumes.any());
    Some(match &target.kind {
        TargetKind::Claim(claim) => {
            data && restore.scope.covers_claim(namespace, &claim.labels)
                && backup.map_or_else(
                    || restore.scope.names_namespace(namespace),
                    |backup| backup.scope.covers_claim(namespace, &claim.labels),
                )
        }
        TargetKind::Namespace { data: needed, .. } => {
            (data || !needed)
                && restore.scope.includes_namespace(namespace)
                && backup.map_or_else(
                    || restore.scope.names_namespace(namespace),
                    |backup| backup.scope.covers_namespace(namespace),
                )
        }
        TargetKind::Database(_) | TargetKind::OtherDatabase { .. } => false,
    })
}

/// K8up restores into the namespace that the Restore is in; Kasten says of which namespace it was.
fn of_key(context: &CheckContext<'_>, key: &BackupKey, search: &mut Search) {
    for (at, slot) in context.inventory.backups.newest(key) {
        if let Some(at) = at {
            search.offer(at, slot);
        }
    }
}

/// Clusters of the namespace that started from a backup of this one, and this one if it did. Names
/// of servers repeat across namespaces, so a drill elsewhere could be that of a namesake.
fn of_cnpg(
    context: &CheckContext<'_>,
    target: &BackupTarget<'_>,
    cluster: &CnpgCluster,
    search: &mut Search,
) {
    let key = BackupKey::CnpgClusters(target.namespace.clone());
    for slot in context.inventory.backups.slots(&key) {
        let Some(BackupFacts::CnpgCluster(other)) = backup_at(context.inventory, slot) else {
            continue;
        };
        let Some(recovery) = &other.recovered else {
            continue;
        };
        // A cluster that was itself recovered shows that its backups can be restored.
        let ours = slot == target.slot
            || match &recovery.source {
                RecoverySource::Server(server) => *server == cluster.server,
                RecoverySource::Backup(backup) => {
                    is_backup_of(context, target, backup).unwrap_or(false)
                }
            };
        if ours {
            search.offer(recovery.at, slot);
        }
    }
}

fn is_backup_of(
    context: &CheckContext<'_>,
    target: &BackupTarget<'_>,
    backup: &str,
) -> Option<bool> {
    let inventory = context.inventory;
    let slot = inventory.find(inventory.find_kind(CNPG, "Backup")?, target.namespace, backup)?;
    match backup_at(inventory, slot)? {
        BackupFacts::CnpgBackup(backup) => Some(backup.cluster == *target.name),
        _ => None,
    }
}
