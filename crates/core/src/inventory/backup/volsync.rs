//! `VolSync` (`volsync.backube/v1alpha1`): a `ReplicationSource` copies one claim of its namespace.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{BackupFacts, facts, parse_time};
use crate::inventory::{
    facts::{Facts, ObjectMetadata, ProjectionError},
    intern::{Interner, Symbol},
};

/// A `ReplicationSource`.
#[derive(Clone, Debug, PartialEq)]
pub struct VolSyncSource {
    /// `spec.sourcePVC`; an external provider may name none.
    pub claim: Option<Symbol>,
    /// `status.lastSyncTime`: the newest synchronization that succeeded.
    pub last_success: Option<Timestamp>,
    /// Whether the last run of the mover failed (`status.latestMoverStatus.result`).
    pub failed: bool,
    /// What runs next.
    pub runs: VolSyncTrigger,
    /// `spec.syncthing`: peers that change each other's files, so no copy of how it was.
    pub mirror: bool,
}

/// When a `ReplicationSource` runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolSyncTrigger {
    /// By its schedule, or again and again.
    ByItself,
    /// Once for each new value of `spec.trigger.manual`.
    ByHand,
    /// `spec.paused`.
    Paused,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SourceObject {
    metadata: ObjectMetadata,
    spec: SourceSpec,
    status: Option<SourceStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SourceSpec {
    #[serde(rename = "sourcePVC")]
    source_pvc: Option<String>,
    trigger: Option<Trigger>,
    paused: Option<bool>,
    syncthing: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Trigger {
    schedule: Option<String>,
    manual: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SourceStatus {
    last_sync_time: Option<String>,
    latest_mover_status: Option<Mover>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mover {
    result: Option<String>,
}

/// Reads a `ReplicationSource`.
pub fn project_source(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let SourceObject { metadata, spec, status } = SourceObject::deserialize(object)?;
    let status = status.unwrap_or_default();
    let trigger = spec.trigger.unwrap_or_default();
    let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let last = parse_time("status.lastSyncTime", status.last_sync_time.as_deref())?;
    let mover = status.latest_mover_status.unwrap_or_default();
    Ok(facts(BackupFacts::VolSyncSource(VolSyncSource {
        claim: spec.source_pvc.filter(|name| !name.is_empty()).map(|name| interner.intern(&name)),
        last_success: last.filter(|_| metadata.deletion_timestamp.is_none()),
        failed: mover.result.as_deref() == Some("Failed"),
        runs: match (spec.paused, is_set(&trigger.manual), is_set(&trigger.schedule)) {
            (Some(true), ..) => VolSyncTrigger::Paused,
            // A manual trigger goes before a schedule.
            (_, true, _) => VolSyncTrigger::ByHand,
            _ => VolSyncTrigger::ByItself,
        },
        mirror: spec.syncthing.is_some(),
    })))
}
