//! What each tool says of an item.

mod cnpg;
mod cron;
mod k8up;
mod kasten;
mod longhorn;
mod snapshots;
pub(super) mod velero;
pub(super) mod velero_volumes;
mod volsync;

use jiff::Timestamp;

use super::{
    CNPG_KINDS, K8UP_KINDS, KASTEN_KINDS, VELERO_KINDS, VOLUME_KINDS,
    evidence::{EARLIER, Evidence, Standing, Success},
    target::{Target, What},
};
use crate::{
    api::Duration,
    checks::CheckContext,
    inventory::{
        Facts, Slot, Symbol,
        backup::{KASTEN_ACTIONS, KASTEN_CONFIG, LONGHORN, RunOutcome, index::BackupKey},
    },
};

/// What every tool that can back up such an item says of it.
pub fn gather<'a>(
    context: &CheckContext<'a>,
    target: &Target<'a>,
    max_age: Duration,
) -> Vec<Evidence<'a>> {
    let (namespace, name) = (target.namespace, target.name);
    match target.what {
        What::Claim(claim) => {
            let mut all = vec![
                velero::of_claim(context, namespace, name, claim, max_age),
                snapshots::of_claim(context, namespace, name, claim),
                k8up::of_claim(context, namespace, name, claim),
                longhorn::of_claim(context, namespace, name, claim),
                volsync::of_claim(context, namespace, name, claim),
                kasten::of(context, namespace, claim.created),
                cron::of_claim(context, namespace, name, claim),
            ];
            all.extend(cnpg::of_claim(context, namespace, claim));
            all
        }
        What::Namespace { facts, data } => vec![
            velero::of_namespace(context, name, facts, data, max_age),
            k8up::of_namespace(context, name),
            kasten::of(context, name, facts.created),
        ],
        What::Database(cluster) => {
            vec![cnpg::of_cluster(context, namespace, name, target.slot, cluster)]
        }
        What::OtherDatabase { .. } => Vec::new(),
    }
}

/// An object that can't be read and may be a success of this item, or its schedule.
pub fn unreadable<'a>(context: &CheckContext<'a>, target: &Target<'_>) -> Option<(Slot, &'a str)> {
    let kinds: &[&[(&str, &str)]] = match target.what {
        What::Claim(_) => &[&VELERO_KINDS, &K8UP_KINDS, &CNPG_KINDS, &KASTEN_KINDS, &VOLUME_KINDS],
        What::Namespace { .. } => &[&VELERO_KINDS, &K8UP_KINDS, &KASTEN_KINDS],
        What::Database(_) => &[&CNPG_KINDS],
        What::OtherDatabase { .. } => &[],
    };
    first_unreadable(context, target.namespace, |group, kind| {
        !is_restore(kind) && kinds.iter().any(|list| list.contains(&(group, kind)))
    })
}

/// A restore that can't be read and may be of this item.
pub fn unreadable_restore<'a>(
    context: &CheckContext<'a>,
    target: &Target<'_>,
) -> Option<(Slot, &'a str)> {
    first_unreadable(context, target.namespace, |group, kind| match target.what {
        What::Database(_) => CNPG_KINDS.contains(&(group, kind)),
        What::Claim(_) | What::Namespace { .. } => is_restore(kind),
        What::OtherDatabase { .. } => false,
    })
}

fn is_restore(kind: &str) -> bool {
    matches!(kind, "Restore" | "RestoreAction")
}

/// The first by name of the objects that can't be read and may be about a namespace.
fn first_unreadable<'a>(
    context: &CheckContext<'a>,
    namespace: &str,
    concerns: impl Fn(&str, &str) -> bool,
) -> Option<(Slot, &'a str)> {
    let inventory = context.inventory;
    let mut found = None;
    for slot in inventory.backups.slots(&BackupKey::Malformed) {
        let Some(object) = inventory.get(slot) else {
            continue;
        };
        let Facts::Malformed(error) = &object.facts else {
            continue;
        };
        let Some(state) = inventory.kind_state(object.kind) else {
            continue;
        };
        let (group, kind) = (state.resource.group.as_str(), state.resource.kind.as_str());
        let elsewhere = !is_global(group, kind) && *object.namespace != *namespace;
        if elsewhere || !concerns(group, kind) {
            continue;
        }
        let key = (&object.namespace, &object.name);
        if found.is_none_or(|(known, _, _)| key < known) {
            found = Some((key, slot, &**error));
        }
    }
    found.map(|(_, slot, error)| (slot, error))
}

/// Whether objects of a kind are about other namespaces than their own.
fn is_global(group: &str, kind: &str) -> bool {
    kind == "VolumeSnapshotContent"
        || VELERO_KINDS.contains(&(group, kind))
        || [LONGHORN, KASTEN_CONFIG, KASTEN_ACTIONS].contains(&group)
}

/// Takes in the runs under a key, newest first, up to the first success that counts. One of before
/// the item was `made` does not.
fn runs(
    context: &CheckContext<'_>,
    evidence: &mut Evidence<'_>,
    key: &BackupKey,
    made: Option<Timestamp>,
    concerns: impl Fn(Slot) -> Option<RunOutcome>,
) {
    for (_, slot) in context.inventory.backups.newest(key) {
        match concerns(slot) {
            Some(RunOutcome::Succeeded(at)) if made.is_some_and(|made| at < made) => {
                // Those that follow are older still, or no success.
                return evidence.attempted(slot, EARLIER);
            }
            Some(RunOutcome::Succeeded(at)) => {
                let success = Success { at, by: slot, until: None };
                if evidence.succeeded(success, Standing::Good) {
                    return;
                }
            }
            Some(outcome) => unsuccessful(evidence, slot, outcome),
            None => {}
        }
    }
}

/// Takes in a run that is no success.
fn unsuccessful(evidence: &mut Evidence<'_>, by: Slot, outcome: RunOutcome) {
    match outcome {
        RunOutcome::Unfinished => evidence.awaited(by, "has not completed"),
        RunOutcome::Failed | RunOutcome::Succeeded(_) => {
            evidence.attempted(by, "failed, in part or as a whole");
        }
    }
}

fn key(namespace: &Symbol, name: &Symbol, of: fn(Symbol, Symbol) -> BackupKey) -> BackupKey {
    of(namespace.clone(), name.clone())
}
