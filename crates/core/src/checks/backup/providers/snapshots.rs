//! CSI snapshots: ready, bound to a content that is bound to them, and of the volume behind the
//! claim. They name a claim, and a name may be used again.

use crate::{
    checks::{
        CheckContext,
        backup::{
            evidence::{EARLIER, Reliability, Success, ToolEvidence},
            target::backup_at,
        },
    },
    inventory::{
        Facts, ObjectSource, Slot, Symbol,
        backup::{BackupFacts, RunOutcome, SNAPSHOT, index::BackupKey, snapshots::CsiSnapshot},
        storage::{ClaimFacts, VolumeSource},
    },
};

/// The evidence of CSI snapshots about a claim.
pub fn of_claim<'a>(
    context: &CheckContext<'a>,
    namespace: &Symbol,
    name: &Symbol,
    claim: &ClaimFacts,
) -> ToolEvidence<'a> {
    let mut evidence = ToolEvidence::new(context);
    let key = super::key(namespace, name, BackupKey::VolumeSnapshots);
    for slot in context.inventory.backups.slots(&key) {
        let Some(BackupFacts::VolumeSnapshot(snapshot)) = backup_at(context.inventory, slot) else {
            continue;
        };
        let RunOutcome::Succeeded(at) = snapshot.outcome else {
            super::unsuccessful(&mut evidence, slot, snapshot.outcome);
            continue;
        };
        if claim.created.is_some_and(|made| at < made) {
            evidence.attempted(slot, EARLIER);
            continue;
        }
        let handle = handle(context, namespace, name, claim);
        let reliability = match bound(context, slot, snapshot, handle) {
            Bound::Yes => Reliability::Reliable,
            Bound::Elsewhere => {
                evidence.attempted(slot, "is of another volume than the one behind this claim");
                continue;
            }
            Bound::No => {
                evidence.attempted(slot, "is not bound to a VolumeSnapshotContent that is ready");
                continue;
            }
            Bound::Unseen => Reliability::Undecided(
                "is ready, and its VolumeSnapshotContent is not in these files".to_owned(),
            ),
        };
        let good = reliability == Reliability::Reliable;
        // An undecided one is kept and the search goes on: an older one may be certain.
        if evidence.succeeded(Success { at, by: slot, until: None }, reliability) && good {
            break;
        }
    }
    evidence
}

/// Whether a snapshot is bound to a content, and to one of the right volume.
enum Bound {
    /// To a content that is ready and, as far as is known, of the claim's volume.
    Yes,
    /// To a content of another volume.
    Elsewhere,
    /// To nothing, or one-sidedly.
    No,
    /// To something that is not in the files.
    Unseen,
}

fn bound(
    context: &CheckContext<'_>,
    slot: Slot,
    snapshot: &CsiSnapshot,
    handle: Option<&Symbol>,
) -> Bound {
    let inventory = context.inventory;
    let behind = snapshot.content.as_ref().and_then(|name| {
        let contents = inventory.find_kind(SNAPSHOT, "VolumeSnapshotContent")?;
        inventory.find(contents, "", name)
    });
    let Some(object) = inventory.get(slot) else {
        return Bound::No;
    };
    match behind.and_then(|slot| backup_at(inventory, slot)) {
        Some(BackupFacts::SnapshotContent(bound_to)) => {
            let ours = bound_to.belongs_to(&object.namespace, &object.name, snapshot.uid.as_ref());
            match (&bound_to.volume, handle) {
                // Binding is mutual: anybody may write a snapshot that names a content of somebody else's.
                _ if !ours => Bound::No,
                (Some(taken), Some(handle)) if taken != handle => Bound::Elsewhere,
                _ => Bound::Yes,
            }
        }
        _ if inventory.source == ObjectSource::Manifests && snapshot.content.is_some() => {
            Bound::Unseen
        }
        _ => Bound::No,
    }
}

/// What the driver calls the volume behind a claim; None when that is not known.
fn handle<'a>(
    context: &CheckContext<'a>,
    namespace: &Symbol,
    name: &Symbol,
    claim: &ClaimFacts,
) -> Option<&'a Symbol> {
    let volume = context.inventory.lookup("", "PersistentVolume", "", claim.volume.as_ref()?)?;
    let Facts::Volume(volume) = &volume.facts else {
        return None;
    };
    let bound =
        volume.claim.as_ref().is_some_and(|(space, claim)| space == namespace && claim == name);
    match &volume.source {
        // A volume that names another claim is not the one behind this, whatever the claim says.
        VolumeSource::Csi(csi) if bound => Some(&csi.handle),
        _ => None,
    }
}
