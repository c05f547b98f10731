//! K8up: what the restic repository holds. A Backup succeeds as well when it passed over a claim:
//! by an annotation, by its access modes, or since no pod mounts it.

use jiff::Timestamp;

use crate::{
    checks::{
        CheckContext,
        backup::{
            evidence::{EARLIER, Evidence, Standing, Success},
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

/// What K8up says of a claim.
pub fn of_claim<'a>(
    context: &CheckContext<'a>,
    namespace: &Symbol,
    name: &Symbol,
    claim: &ClaimFacts,
) -> Evidence<'a> {
    let mut evidence = Evidence::new(context);
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
    if passed_over.is_none() {
        schedules(context, &mut evidence, namespace, concerns);
    }
    let key = super::key(namespace, name, BackupKey::K8upClaim);
    super::runs(context, &mut evidence, &key, claim.created, |slot| snapshot(context, slot));
    if evidence.has_success() {
        return evidence;
    }
    let known = has_snapshots(context, namespace);
    backups(context, &mut evidence, namespace, concerns, |at| match passed_over {
        Some(why) => Verdict::Missing(why),
        None if claim.created.is_some_and(|made| at < made) => Verdict::Missing(EARLIER),
        None if known => {
            Verdict::Missing("left no Snapshot of this claim, which it may have passed over")
        }
        None => Verdict::Undecided(
            "succeeded, and no Snapshot (k8up.io) says which claims it holds: it succeeds as well when it passes over one",
        ),
    });
    evidence
}

/// What K8up says of a namespace: each of its claims has a snapshot. Without claims there is
/// nothing that K8up keeps.
pub fn of_namespace<'a>(context: &CheckContext<'a>, namespace: &Symbol) -> Evidence<'a> {
    let mut evidence = Evidence::new(context);
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
        let Some(held) = held else {
            let why = format!("left no Snapshot of claim {name}");
            backups(context, &mut evidence, namespace, Selectors::is_all, |_| {
                Verdict::Lacking(why.clone())
            });
            return evidence;
        };
        oldest = Some(oldest.map_or(held, |known| known.min(held)));
    }
    if let Some((at, by)) = oldest {
        evidence.succeeded(Success { at, by, until: None }, Standing::Good);
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
    evidence: &mut Evidence<'_>,
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

/// What a Backup that succeeded says of an item.
enum Verdict {
    Missing(&'static str),
    Lacking(String),
    Undecided(&'static str),
}

/// Takes in the newest Backup, which says nothing good of a single claim.
fn backups(
    context: &CheckContext<'_>,
    evidence: &mut Evidence<'_>,
    namespace: &Symbol,
    concerns: impl Fn(&Selectors) -> bool,
    verdict: impl Fn(Timestamp) -> Verdict,
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
        match verdict(at) {
            Verdict::Missing(why) => evidence.attempted(slot, why),
            Verdict::Lacking(why) => evidence.attempted(slot, why),
            Verdict::Undecided(why) => {
                let success = Success { at, by: slot, until: None };
                let standing = Standing::Undecided(why.to_owned());
                if !evidence.succeeded(success, standing) {
                    continue;
                }
            }
        }
        return;
    }
}
