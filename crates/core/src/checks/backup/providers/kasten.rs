//! Kasten K10: a `BackupAction` takes a namespace with all its volumes, or fails, unless filters
//! say otherwise. What it took is there as long as its `RestorePoint` is.

use jiff::Timestamp;

use crate::{
    checks::{
        CheckContext,
        backup::{
            evidence::{EARLIER, Evidence, Standing, Success},
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

/// What Kasten says of a namespace, and of a claim in it that was made at `made`.
pub fn of<'a>(
    context: &CheckContext<'a>,
    namespace: &Symbol,
    made: Option<Timestamp>,
) -> Evidence<'a> {
    let inventory = context.inventory;
    let mut evidence = Evidence::new(context);
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
        if made.is_some_and(|made| action.began.unwrap_or(at) < made) {
            evidence.attempted(slot, EARLIER);
            break;
        }
        let standing = match standing(context, namespace, action) {
            Ok(standing) => standing,
            Err(why) => {
                evidence.attempted(slot, why);
                continue;
            }
        };
        let good = standing == Standing::Good;
        if evidence.succeeded(Success { at, by: slot, until: None }, standing) && good {
            break;
        }
    }
    evidence
}

/// Whether what an action took is there; an error says why not.
fn standing(
    context: &CheckContext<'_>,
    namespace: &Symbol,
    action: &KastenBackup,
) -> Result<Standing, String> {
    let Some(name) = &action.restore_point else {
        return Err("made no RestorePoint".to_owned());
    };
    let there = context.inventory.lookup(KASTEN_APPS, "RestorePoint", namespace, name).is_some();
    if action.partial {
        let why = "has filters or ignores exceptions, which may leave volumes out; it does not say which it took";
        return Ok(Standing::Undecided(why.to_owned()));
    }
    match context.inventory.source {
        _ if there => Ok(Standing::Good),
        ObjectSource::Cluster => {
            Err(format!("left nothing to restore: RestorePoint {name} is gone"))
        }
        ObjectSource::Manifests => Ok(Standing::Undecided(format!(
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
