//! K8up: what the restic repository holds, by its `Snapshot` objects. That a `Backup` succeeded proves
//! nothing about one claim: it succeeds as well when it passed over it, because of an annotation, of its
//! access modes, or since no pod mounts it.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::{
    checks::{
        CheckContext,
        backup::{
            evidence::{EARLIER, Reliability, Success, ToolEvidence},
            target::{backup_at, is_excluded},
        },
    },
    inventory::{
        Facts, Slot, Symbol,
        backup::{
            BackupFacts, RunOutcome,
            index::BackupKey,
            k8up::{K8upBackup, K8upIntent, K8upSnapshot},
            selectors::Selectors,
        },
        storage::ClaimFacts,
    },
};

/// The evidence of K8up about a claim.
pub fn of_claim<'a>(
    context: &CheckContext<'a>,
    namespace: &Symbol,
    name: &Symbol,
    claim: &ClaimFacts,
) -> ToolEvidence<'a> {
    let mut evidence = ToolEvidence::new(context);
    let passed_over = match claim.k8up {
        K8upIntent::None | K8upIntent::Wanted => None,
        K8upIntent::Forbidden => {
            Some("passes over this claim: its annotation k8up.io/backup is not true")
        }
        K8upIntent::Unmountable => Some(
            "passes over this claim, which is neither ReadWriteOnce nor ReadWriteMany: annotate it k8up.io/backup: \"true\"",
        ),
    };
    let concerns = |claims: &Selectors| claims.include(&claim.labels);
    // A schedule that passes over the claim schedules nothing for it.
    if passed_over.is_none() {
        schedules(context, &mut evidence, namespace, concerns);
    }
    let key = super::key(namespace, name, BackupKey::K8upClaim);
    super::runs(context, &mut evidence, &key, claim.created, |slot| snapshot(context, slot));
    // A Snapshot is proof, so what Backups say adds nothing.
    if evidence.has_success() {
        return evidence;
    }
    let known = has_snapshots(context, namespace);
    backups(context, &mut evidence, namespace, concerns, |at| match passed_over {
        Some(why) => BackupGap::Missing(why.into()),
        None if claim.created.is_some_and(|made| at < made) => BackupGap::Missing(EARLIER.into()),
        None if known => BackupGap::Missing(
            "left no Snapshot of this claim, which it may have passed over".into(),
        ),
        None => BackupGap::Undecided(
            "succeeded, and no Snapshot (k8up.io) says which claims it holds: it succeeds as well when it passes over one",
        ),
    });
    evidence
}

/// The evidence of K8up about a namespace: as old as the oldest of the newest snapshots of its claims.
/// Without claims there is nothing that K8up keeps.
pub fn of_namespace<'a>(context: &CheckContext<'a>, namespace: &Symbol) -> ToolEvidence<'a> {
    let mut evidence = ToolEvidence::new(context);
    let all = BackupKey::K8upSnapshots(namespace.clone());
    let newest = context.inventory.backups.newest(&all).find_map(|(at, _)| at);
    let claims = claims(context, namespace);
    if claims.is_empty() {
        return evidence;
    }
    schedules(context, &mut evidence, namespace, Selectors::is_all);
    let mut oldest: Option<(Timestamp, Slot)> = None;
    for (name, created) in claims {
        // A claim that came later will be in the next one.
        if created.zip(newest).is_some_and(|(created, newest)| newest < created) {
            continue;
        }
        let key = super::key(namespace, name, BackupKey::K8upClaim);
        let of_claim = context.inventory.backups.newest(&key);
        let held = of_claim
            .filter_map(|(at, slot)| Some((at?, slot)))
            .find(|(at, _)| evidence.is_believable(*at) && created.is_none_or(|made| made <= *at));
        // One claim without a snapshot is enough: the namespace is not backed up as a whole.
        let Some(held) = held else {
            let why = format!("left no Snapshot of claim {name}");
            backups(context, &mut evidence, namespace, Selectors::is_all, |_| {
                BackupGap::Missing(why.clone().into())
            });
            return evidence;
        };
        oldest = Some(oldest.map_or(held, |known| known.min(held)));
    }
    if let Some((at, by)) = oldest {
        evidence.succeeded(Success { at, by, until: None }, Reliability::Reliable);
    }
    evidence
}

/// The claims of a namespace with when they were made, but for those left out on purpose.
fn claims<'a>(context: &CheckContext<'a>, namespace: &str) -> Vec<(&'a Symbol, Option<Timestamp>)> {
    let inventory = context.inventory;
    let slots = inventory.backups.claims(namespace);
    let mut claims: Vec<_> = slots
        .filter_map(|slot| {
            let object = inventory.get(slot)?;
            match &object.facts {
                Facts::Claim(claim)
                    if !is_excluded(&claim.labels) && claim.k8up != K8upIntent::Forbidden =>
                {
                    Some((&object.name, claim.created))
                }
                _ => None,
            }
        })
        .collect();
    // The first by name that is missing is the one that the message names.
    claims.sort_unstable();
    claims
}

fn has_snapshots(context: &CheckContext<'_>, namespace: &Symbol) -> bool {
    let key = BackupKey::K8upSnapshots(namespace.clone());
    context.inventory.backups.slots(&key).any(|slot| {
        matches!(
            backup_at(context.inventory, slot),
            Some(BackupFacts::K8upSnapshot(K8upSnapshot { claims, .. })) if !claims.is_empty()
        )
    })
}

fn schedules(
    context: &CheckContext<'_>,
    evidence: &mut ToolEvidence<'_>,
    namespace: &Symbol,
    concerns: impl Fn(&Selectors) -> bool,
) {
    let key = BackupKey::K8upSchedules(namespace.clone());
    for slot in context.inventory.backups.slots(&key) {
        if let Some(BackupFacts::K8upSchedule(schedule)) = backup_at(context.inventory, slot)
            && schedule.backup
            && concerns(&schedule.claims)
        {
            evidence.schedule(slot, false);
        }
    }
}

fn snapshot(context: &CheckContext<'_>, slot: Slot) -> Option<RunOutcome> {
    match backup_at(context.inventory, slot)? {
        BackupFacts::K8upSnapshot(K8upSnapshot { date, .. }) => {
            Some(date.map_or(RunOutcome::Failed, RunOutcome::Succeeded))
        }
        _ => None,
    }
}

/// Why a Backup that succeeded is no evidence by itself that it holds an item.
enum BackupGap {
    /// It does not hold it.
    Missing(Cow<'static, str>),
    /// It may hold it.
    Undecided(&'static str),
}

/// Takes in the newest Backup that is about the item. Called where no Snapshot proves anything, to say
/// what is known instead.
fn backups(
    context: &CheckContext<'_>,
    evidence: &mut ToolEvidence<'_>,
    namespace: &Symbol,
    concerns: impl Fn(&Selectors) -> bool,
    gap: impl Fn(Timestamp) -> BackupGap,
) {
    let key = BackupKey::K8upBackups(namespace.clone());
    for slot in context.inventory.backups.slots(&key) {
        let Some(BackupFacts::K8upBackup(K8upBackup { claims, outcome })) =
            backup_at(context.inventory, slot)
        else {
            continue;
        };
        if !concerns(claims) {
            continue;
        }
        let RunOutcome::Succeeded(at) = *outcome else {
            super::unsuccessful(evidence, slot, *outcome);
            continue;
        };
        match gap(at) {
            BackupGap::Missing(why) => evidence.attempted(slot, why),
            BackupGap::Undecided(why) => {
                let success = Success { at, by: slot, until: None };
                let reliability = Reliability::Undecided(why.to_owned());
                // One from the future does not count yet, and an older one may.
                if !evidence.succeeded(success, reliability) {
                    continue;
                }
            }
        }
        return;
    }
}
