//! `VolSync` (`volsync.backube/v1alpha1`): a `ReplicationSource` copies one claim of its namespace.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BackupFacts, backup_facts, parse_time};
use crate::inventory::{
    facts::{Facts, ObjectMetadata, ProjectionError},
    intern::{Interner, Symbol},
};

/// What checks read of a `ReplicationSource`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VolSyncSource {
    /// `spec.sourcePVC`. None with an external provider that names no claim.
    pub claim: Option<Symbol>,
    /// `status.lastSyncTime`: when the newest synchronization succeeded. None if none has.
    pub last_success: Option<Timestamp>,
    /// Whether the last run of the mover failed (`status.latestMoverStatus.result`).
    pub failed: bool,
    /// What starts the next run.
    pub runs: VolSyncTrigger,
    /// Whether peers change each other's files (`spec.syncthing`), which keeps no earlier copy.
    pub mirror: bool,
}

/// What starts a run of a `ReplicationSource`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolSyncTrigger {
    /// Its schedule, or the end of the last run.
    ByItself,
    /// A new value of `spec.trigger.manual`, once.
    ByHand,
    /// Nothing, since it is paused (`spec.paused`).
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

pub fn project_source(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let SourceObject { metadata, spec, status } = SourceObject::deserialize(object)?;
    let status = status.unwrap_or_default();
    let trigger = spec.trigger.unwrap_or_default();
    let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    let last = parse_time("status.lastSyncTime", status.last_sync_time.as_deref())?;
    let mover = status.latest_mover_status.unwrap_or_default();
    Ok(backup_facts(BackupFacts::VolSyncSource(VolSyncSource {
        claim: spec.source_pvc.filter(|name| !name.is_empty()).map(|name| interner.intern(&name)),
        // A source that is being deleted makes no further copies.
        last_success: last.filter(|_| metadata.deletion_timestamp.is_none()),
        failed: mover.result.as_deref() == Some("Failed"),
        runs: match (spec.paused, is_set(&trigger.manual), is_set(&trigger.schedule)) {
            (Some(true), ..) => VolSyncTrigger::Paused,
            // VolSync ignores the schedule where a manual trigger is set.
            (_, true, _) => VolSyncTrigger::ByHand,
            _ => VolSyncTrigger::ByItself,
        },
        mirror: spec.syncthing.is_some(),
    })))
}
