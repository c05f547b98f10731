//! K8up: what the restic repository holds goes before what a Backup says of itself.

use crate::{
    checks::{
        Context,
        backup::{evidence::Evidence, target::backup_at},
    },
    inventory::{
        Symbol,
        backup::{
            BackupFacts, Outcome,
            index::Key,
            k8up::{Backup, Snapshot},
            selectors::Selectors,
        },
        storage::ClaimFacts,
    },
};

/// What K8up says of a claim. A Backup succeeds as well when it skipped the claim (by an annotation,
/// or since no pod mounts it), so it only counts where the repository's snapshots are not known.
pub fn of_claim<'a>(
    context: &Context<'a>,
    namespace: &Symbol,
    name: &Symbol,
    claim: &ClaimFacts,
) -> Evidence<'a> {
    let mut evidence = Evidence::new(context);
    let concerns = |claims: &Selectors| claims.include(&claim.labels);
    schedules(context, &mut evidence, namespace, concerns);
    snapshots(context, &mut evidence, &super::key(namespace, name, Key::K8upClaim));
    if !has_snapshots(context, namespace) {
        backups(context, &mut evidence, namespace, concerns);
    }
    evidence
}

/// What K8up says of a namespace: backups of some of its claims are not of the namespace.
pub fn of_namespace<'a>(context: &Context<'a>, namespace: &Symbol) -> Evidence<'a> {
    let mut evidence = Evidence::new(context);
    schedules(context, &mut evidence, namespace, Selectors::is_all);
    snapshots(context, &mut evidence, &Key::K8upSnapshots(namespace.clone()));
    backups(context, &mut evidence, namespace, Selectors::is_all);
    evidence
}

fn has_snapshots(context: &Context<'_>, namespace: &Symbol) -> bool {
    let key = Key::K8upSnapshots(namespace.clone());
    context.inventory.backups.slots(&key).any(|slot| {
        matches!(
            backup_at(context.inventory, slot),
            Some(BackupFacts::K8upSnapshot(Snapshot { claims, .. })) if !claims.is_empty()
        )
    })
}

fn schedules(
    context: &Context<'_>,
    evidence: &mut Evidence<'_>,
    namespace: &Symbol,
    concerns: impl Fn(&Selectors) -> bool,
) {
    let key = Key::K8upSchedules(namespace.clone());
    for slot in context.inventory.backups.slots(&key) {
        if let Some(BackupFacts::K8upSchedule(schedule)) = backup_at(context.inventory, slot)
            && schedule.backup
            && concerns(&schedule.claims)
        {
            evidence.schedule(slot, false);
        }
    }
}

fn snapshots(context: &Context<'_>, evidence: &mut Evidence<'_>, key: &Key) {
    super::runs(context, evidence, key, |slot| match backup_at(context.inventory, slot)? {
        BackupFacts::K8upSnapshot(Snapshot { date, .. }) => {
            Some(date.map_or(Outcome::Failed, Outcome::Succeeded))
        }
        _ => None,
    });
}

fn backups(
    context: &Context<'_>,
    evidence: &mut Evidence<'_>,
    namespace: &Symbol,
    concerns: impl Fn(&Selectors) -> bool,
) {
    let key = Key::K8upBackups(namespace.clone());
    super::runs(context, evidence, &key, |slot| match backup_at(context.inventory, slot)? {
        BackupFacts::K8upBackup(Backup { claims, outcome }) => concerns(claims).then_some(*outcome),
        _ => None,
    });
}
