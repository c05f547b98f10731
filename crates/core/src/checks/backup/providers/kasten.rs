//! Kasten K10: a `BackupAction` takes a namespace with all its volumes, or fails, unless filters
//! say otherwise. What it took is there as long as its `RestorePoint` is.

use jiff::Timestamp;

use crate::{
    checks::{
        CheckContext,
        backup::{
            evidence::{EARLIER, Reliability, Success, ToolEvidence},
            target::backup_at,
        },
    },
    inventory::{
        ObjectSource, Symbol,
        backup::{
            BackupFacts, KASTEN_APPS, RunOutcome,
            index::BackupKey,
            kasten::{KastenBackup, KastenPolicy, NAMESPACE_LABELS},
        },
    },
};

/// The evidence of Kasten about a namespace, or a claim in it, that was `created` then.
pub fn of<'a>(
    context: &CheckContext<'a>,
    namespace: &Symbol,
    created: Option<Timestamp>,
) -> ToolEvidence<'a> {
    let inventory = context.inventory;
    let mut evidence = ToolEvidence::new(context);
    for slot in inventory.backups.slots(&BackupKey::KastenPolicies) {
        if let Some(BackupFacts::KastenPolicy(policy)) = backup_at(inventory, slot)
            && policy.backup
            && policy.scheduled
            && is_about(context, policy, namespace)
        {
            evidence.schedule(slot, policy.paused);
        }
    }
    for slot in inventory.backups.slots(&BackupKey::KastenBackups(namespace.clone())) {
        let Some(BackupFacts::KastenBackup(action)) = backup_at(inventory, slot) else {
            continue;
        };
        let RunOutcome::Succeeded(at) = action.outcome else {
            super::unsuccessful(&mut evidence, slot, action.outcome);
            continue;
        };
        if created.is_some_and(|created| action.began.unwrap_or(at) < created) {
            // They come newest first: all that follow are older still.
            evidence.attempted(slot, EARLIER);
            break;
        }
        let reliability = match reliability(context, namespace, action) {
            Ok(reliability) => reliability,
            Err(why) => {
                evidence.attempted(slot, why.to_string());
                continue;
            }
        };
        let good = reliability == Reliability::Reliable;
        if evidence.succeeded(Success { at, by: slot, until: None }, reliability) && good {
            break;
        }
    }
    evidence
}

/// Why it is certain that what an action took can't be restored, as it goes on after the action's name.
#[derive(Debug, thiserror::Error)]
enum NothingToRestore {
    #[error("made no RestorePoint")]
    NotMade,
    #[error("left nothing to restore: RestorePoint {0} is gone")]
    Gone(Symbol),
}

/// Whether what an action took can be restored.
fn reliability(
    context: &CheckContext<'_>,
    namespace: &Symbol,
    action: &KastenBackup,
) -> Result<Reliability, NothingToRestore> {
    let Some(name) = &action.restore_point else {
        return Err(NothingToRestore::NotMade);
    };
    let there = context.inventory.lookup(KASTEN_APPS, "RestorePoint", namespace, name).is_some();
    // Before the RestorePoint is asked for: that it is there does not say what is in it.
    if action.partial {
        let why = "has filters or ignores exceptions, which may leave volumes out; it does not say which it took";
        return Ok(Reliability::Undecided(why.to_owned()));
    }
    match context.inventory.source {
        _ if there => Ok(Reliability::Reliable),
        ObjectSource::Cluster => Err(NothingToRestore::Gone(name.clone())),
        ObjectSource::Manifests => Ok(Reliability::Undecided(format!(
            "made RestorePoint {name}, which is not in these files"
        ))),
    }
}

fn is_about(context: &CheckContext<'_>, policy: &KastenPolicy, namespace: &Symbol) -> bool {
    let facts = context.inventory.namespace(namespace);
    policy.namespaces.as_ref().is_some_and(|selectors| {
        selectors.match_by(|key| {
            if NAMESPACE_LABELS.contains(&key) {
                return Some(namespace.as_str());
            }
            facts.and_then(|facts| facts.labels.get(key))
        })
    })
}
