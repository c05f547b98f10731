//! CSI snapshots (`snapshot.storage.k8s.io/v1`).
//!
//! A snapshot stays in the storage system of its volume: it counts as a recent copy, but not as one that
//! survives the loss of that system.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BackupFacts, RunOutcome, backup_facts, parse_time};
use crate::inventory::{
    facts::{Facts, ProjectionError},
    intern::{Interner, Symbol},
};

/// What checks read of a `VolumeSnapshot`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CsiSnapshot {
    /// The claim of which it was taken, in its namespace. None for a pre-provisioned snapshot.
    pub claim: Option<Symbol>,
    /// `metadata.uid`, which its content must name.
    pub uid: Option<Symbol>,
    /// The `VolumeSnapshotContent` to which it says it is bound. None if it is not bound yet.
    pub content: Option<Symbol>,
    /// When it was taken, if it is ready to use.
    pub outcome: RunOutcome,
}

/// What checks read of a `VolumeSnapshotContent`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CsiSnapshotContent {
    /// Namespace and name of the `VolumeSnapshot` that it belongs to.
    pub snapshot: (Symbol, Symbol),
    /// The uid of that snapshot. None until it is bound.
    pub uid: Option<Symbol>,
    /// The volume of which it was taken, as the driver names it. None for a pre-provisioned one.
    pub volume: Option<Symbol>,
    /// Whether the storage system has the snapshot, and it is not being deleted.
    pub ready: bool,
}

impl CsiSnapshotContent {
    /// Whether it is the content of this snapshot, and not of an earlier one with the same name.
    pub fn belongs_to(&self, namespace: &str, name: &str, uid: Option<&Symbol>) -> bool {
        // One that is not bound yet has no uid to compare.
        let same_uid = match (&self.uid, uid) {
            (Some(named), Some(uid)) => named == uid,
            _ => true,
        };
        self.ready && same_uid && *self.snapshot.0 == *namespace && *self.snapshot.1 == *name
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CsiSnapshotObject {
    metadata: SnapshotMetadata,
    spec: CsiSnapshotSpec,
    status: Option<SnapshotStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SnapshotMetadata {
    uid: Option<String>,
    deletion_timestamp: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CsiSnapshotSpec {
    source: SnapshotSource,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SnapshotSource {
    persistent_volume_claim_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SnapshotStatus {
    bound_volume_snapshot_content_name: Option<String>,
    creation_time: Option<String>,
    ready_to_use: Option<bool>,
    error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ContentObject {
    metadata: SnapshotMetadata,
    spec: ContentSpec,
    status: Option<ContentStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContentSpec {
    volume_snapshot_ref: SnapshotRef,
    source: ContentSource,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContentSource {
    volume_handle: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SnapshotRef {
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContentStatus {
    ready_to_use: Option<bool>,
}

pub fn project_snapshot(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let CsiSnapshotObject { metadata, spec, status } = CsiSnapshotObject::deserialize(object)?;
    let status = status.unwrap_or_default();
    let taken = parse_time("status.creationTime", status.creation_time.as_deref())?;
    let ready = status.ready_to_use == Some(true);
    let outcome = match taken {
        _ if metadata.deletion_timestamp.is_some() => RunOutcome::Failed,
        // An error may remain from an earlier attempt, so readiness is asked first.
        Some(at) if ready => RunOutcome::Succeeded(at),
        _ if status.error.is_some() => RunOutcome::Failed,
        _ => RunOutcome::Unfinished,
    };
    Ok(backup_facts(BackupFacts::VolumeSnapshot(CsiSnapshot {
        claim: named(spec.source.persistent_volume_claim_name.as_deref(), interner),
        uid: named(metadata.uid.as_deref(), interner),
        content: named(status.bound_volume_snapshot_content_name.as_deref(), interner),
        outcome,
    })))
}

pub fn project_content(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let ContentObject { metadata, spec, status } = ContentObject::deserialize(object)?;
    let snapshot = spec.volume_snapshot_ref;
    let symbol = |text: Option<&str>| interner.intern(text.unwrap_or_default());
    Ok(backup_facts(BackupFacts::SnapshotContent(CsiSnapshotContent {
        snapshot: (symbol(snapshot.namespace.as_deref()), symbol(snapshot.name.as_deref())),
        uid: named(snapshot.uid.as_deref(), interner),
        volume: named(spec.source.volume_handle.as_deref(), interner),
        ready: metadata.deletion_timestamp.is_none()
            && status.unwrap_or_default().ready_to_use != Some(false),
    })))
}

fn named(text: Option<&str>, interner: &Interner) -> Option<Symbol> {
    text.filter(|text| !text.is_empty()).map(|text| interner.intern(text))
}
