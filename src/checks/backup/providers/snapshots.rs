//! CSI snapshots: ready, and bound to a content that is bound to them.

use crate::{
    checks::{
        Context,
        backup::{evidence::Evidence, target::backup_at},
    },
    inventory::{
        Slot, Symbol,
        backup::{BackupFacts, Outcome, SNAPSHOT, index::Key, snapshots::Snapshot},
    },
};

/// What snapshots say of a claim.
pub fn of_claim<'a>(context: &Context<'a>, namespace: &Symbol, name: &Symbol) -> Evidence<'a> {
    let mut evidence = Evidence::new(context);
    let key = super::key(namespace, name, Key::VolumeSnapshots);
    super::runs(context, &mut evidence, &key, |slot| {
        let BackupFacts::VolumeSnapshot(snapshot) = backup_at(context.inventory, slot)? else {
            return None;
        };
        match snapshot.outcome {
            Outcome::Succeeded(_) if !is_bound(context, slot, snapshot) => {
                Some(Outcome::Unfinished)
            }
            outcome => Some(outcome),
        }
    });
    evidence
}

fn is_bound(context: &Context<'_>, slot: Slot, snapshot: &Snapshot) -> bool {
    let bound = snapshot.content.as_ref().and_then(|name| {
        let contents = context.inventory.find_kind(SNAPSHOT, "VolumeSnapshotContent")?;
        context.inventory.find(contents, "", name)
    });
    let Some(object) = context.inventory.get(slot) else {
        return false;
    };
    match bound.and_then(|slot| backup_at(context.inventory, slot)) {
        Some(BackupFacts::SnapshotContent(facts)) => {
            facts.belongs_to(&object.namespace, &object.name, snapshot.uid.as_ref())
        }
        _ => false,
    }
}
