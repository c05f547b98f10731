//! The backup tools: each collects evidence about an item from its own objects.

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
    evidence::{EARLIER, Reliability, Success, ToolEvidence},
    target::{BackupTarget, TargetKind},
};
use crate::{
    api::Duration,
    checks::CheckContext,
    inventory::{
        Facts, Slot, Symbol,
        backup::{KASTEN_ACTIONS, KASTEN_CONFIG, LONGHORN, RunOutcome, index::BackupKey},
    },
};

/// The evidence of every tool that can back up such an item.
pub fn gather<'a>(
    context: &CheckContext<'a>,
    target: &BackupTarget<'a>,
    max_age: Duration,
) -> Vec<ToolEvidence<'a>> {
    let (namespace, name) = (target.namespace, target.name);
    match target.kind {
        TargetKind::Claim(claim) => {
            // In the order in which messages prefer them: the first attempt is the one they name.
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
        TargetKind::Namespace { facts, data } => vec![
            velero::of_namespace(context, name, facts, data, max_age),
            k8up::of_namespace(context, name),
            kasten::of(context, name, facts.created),
        ],
        TargetKind::Database(cluster) => {
            vec![cnpg::of_cluster(context, namespace, name, target.slot, cluster)]
        }
        TargetKind::OtherDatabase { .. } => Vec::new(),
    }
}

/// The first object that can't be read and may be a success of this item, or its schedule: where it is
/// and why it can't be read.
pub fn unreadable<'a>(
    context: &CheckContext<'a>,
    target: &BackupTarget<'_>,
) -> Option<(Slot, &'a str)> {
    let kinds: &[&[(&str, &str)]] = match target.kind {
        TargetKind::Claim(_) => {
            &[&VELERO_KINDS, &K8UP_KINDS, &CNPG_KINDS, &KASTEN_KINDS, &VOLUME_KINDS]
        }
        TargetKind::Namespace { .. } => &[&VELERO_KINDS, &K8UP_KINDS, &KASTEN_KINDS],
        TargetKind::Database(_) => &[&CNPG_KINDS],
        TargetKind::OtherDatabase { .. } => &[],
    };
    first_unreadable(context, target.namespace, |group, kind| {
        !is_restore(kind) && kinds.iter().any(|list| list.contains(&(group, kind)))
    })
}

/// The first restore that can't be read and may be of this item, as [`unreadable`].
pub fn unreadable_restore<'a>(
    context: &CheckContext<'a>,
    target: &BackupTarget<'_>,
) -> Option<(Slot, &'a str)> {
    first_unreadable(context, target.namespace, |group, kind| match target.kind {
        TargetKind::Database(_) => CNPG_KINDS.contains(&(group, kind)),
        TargetKind::Claim(_) | TargetKind::Namespace { .. } => is_restore(kind),
        TargetKind::OtherDatabase { .. } => false,
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
        // What can't be read shows at least where it is. An object that is about its own namespace only can't
        // be about another.
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

/// Whether objects of a kind may be about other namespaces than their own.
fn is_global(group: &str, kind: &str) -> bool {
    kind == "VolumeSnapshotContent"
        || VELERO_KINDS.contains(&(group, kind))
        || [LONGHORN, KASTEN_CONFIG, KASTEN_ACTIONS].contains(&group)
}

/// Takes in the runs under a key, newest first, up to the first success that counts. One of before
/// the item was `created` does not.
fn runs(
    context: &CheckContext<'_>,
    evidence: &mut ToolEvidence<'_>,
    key: &BackupKey,
    created: Option<Timestamp>,
    concerns: impl Fn(Slot) -> Option<RunOutcome>,
) {
    for (_, slot) in context.inventory.backups.newest(key) {
        match concerns(slot) {
            Some(RunOutcome::Succeeded(at)) if created.is_some_and(|created| at < created) => {
                // Those that follow are older still, or no success.
                return evidence.attempted(slot, EARLIER);
            }
            Some(RunOutcome::Succeeded(at)) => {
                let success = Success { at, by: slot, until: None };
                if evidence.succeeded(success, Reliability::Reliable) {
                    return;
                }
            }
            Some(outcome) => unsuccessful(evidence, slot, outcome),
            None => {}
        }
    }
}

/// Takes in a run that is no success.
fn unsuccessful(evidence: &mut ToolEvidence<'_>, by: Slot, outcome: RunOutcome) {
    match outcome {
        // It has not run to its end, so it is no report that something ran.
        RunOutcome::Unfinished => evidence.awaited(by, "has not completed"),
        RunOutcome::Failed | RunOutcome::Succeeded(_) => {
            evidence.attempted(by, "failed, in part or as a whole");
        }
    }
}

fn key(namespace: &Symbol, name: &Symbol, of: fn(Symbol, Symbol) -> BackupKey) -> BackupKey {
    of(namespace.clone(), name.clone())
}
