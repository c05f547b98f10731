//! Velero (`velero.io/v1`).

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    BackupFacts, RunOutcome, backup_facts, excerpt, parse_time,
    velero_scope::{ScopeFields, VeleroScope},
};
use crate::inventory::{
    facts::{Facts, ObjectMetadata, ProjectionError},
    intern::{Interner, Symbol},
};

/// What checks read of a Schedule. `status.lastBackup` is not read: it is the last run that started, which
/// need not be a success.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VeleroSchedule {
    /// The namespaces, resources and labels that its backups will cover.
    pub scope: Arc<VeleroScope>,
    /// Whether its backups are meant to contain the data of volumes.
    pub volumes: bool,
    /// Whether it does not run at present (`spec.paused`).
    pub paused: bool,
    /// Why Velero refuses it (`status.phase: FailedValidation`). None if it does not.
    pub invalid: Option<Box<str>>,
}

/// What checks read of a Backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VeleroBackup {
    /// The namespaces, resources and labels that it covers.
    pub scope: Arc<VeleroScope>,
    /// The `BackupStorageLocation` in its namespace; empty for the default one.
    pub location: Symbol,
    /// How it ended. Only `Completed` without errors is a success.
    pub outcome: RunOutcome,
    /// When it began; when it ended, if it does not say when it began. None if it says neither.
    pub began: Option<Timestamp>,
    /// When Velero will delete it. None if it does not say.
    pub expires: Option<Timestamp>,
    /// What it did with volumes.
    pub volumes: Volumes,
    /// Whether the object is younger than the end of the backup: then Velero found the backup in a storage
    /// location and wrote the object here, maybe into another cluster than the one that was backed up.
    pub synced: bool,
}

/// What a Backup did with volumes. With which of them is in other objects ([`super::velero_copies`]), or
/// follows from the numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volumes {
    /// How many CSI snapshots were taken. 0 if some failed, or if they were only a step to a `DataUpload`.
    pub csi: u32,
    /// How many snapshots of disks the plugin for a cloud took. 0 if some failed.
    pub native: u32,
    /// Whether a policy decided for each volume, and the status does not say how.
    pub policy: bool,
    /// Whether files are copied instead, if a pod mounts the volume (`defaultVolumesToFsBackup`).
    pub files: bool,
    /// Whether snapshots were moved to the storage location (`snapshotMoveData`).
    pub moved: bool,
}

impl Volumes {
    /// How many snapshots were completed, of both kinds.
    pub fn snapshots(self) -> u32 {
        self.csi.saturating_add(self.native)
    }

    /// Whether it has the data of any volume, by what the Backup itself says.
    pub fn any(self) -> bool {
        !self.policy && (self.snapshots() > 0 || self.files || self.moved)
    }
}

/// What checks read of a Restore.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VeleroRestore {
    /// The name of the Backup that it restored, in its namespace.
    pub backup: Symbol,
    /// What it restored of the backup.
    pub scope: Arc<VeleroScope>,
    /// Whether it restored volumes as well.
    pub volumes: bool,
    /// How it ended. Only `Completed` without errors is a success: releases of Velero have written
    /// `Completed` in spite of errors.
    pub outcome: RunOutcome,
}

/// What checks read of a `BackupStorageLocation`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VeleroLocation {
    /// Whether this cluster only reads there (`spec.accessMode: ReadOnly`), so that it stores no backups.
    pub read_only: bool,
    /// Whether Velero can reach it.
    pub reach: Reachability,
    /// Whether it is for backups that name no location (`spec.default`).
    pub default: bool,
}

/// Whether a storage location can be reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reachability {
    /// Velero can reach it.
    Available,
    /// Velero can't reach it, and why.
    Unavailable(Box<str>),
    /// Velero has not tried yet.
    Unknown,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct VeleroScheduleObject {
    spec: VeleroScheduleSpec,
    status: Option<ScheduleStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct VeleroScheduleSpec {
    paused: Option<bool>,
    template: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ScheduleStatus {
    phase: Option<String>,
    validation_errors: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct VeleroBackupObject {
    metadata: ObjectMetadata,
    spec: Value,
    status: Option<VeleroBackupStatus>,
}

/// The fields of a backup spec that decide about volumes.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DataFields {
    storage_location: Option<String>,
    snapshot_volumes: Option<bool>,
    snapshot_move_data: Option<bool>,
    default_volumes_to_fs_backup: Option<bool>,
    default_volumes_to_restic: Option<bool>,
    resource_policy: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct VeleroBackupStatus {
    phase: Option<String>,
    start_timestamp: Option<String>,
    completion_timestamp: Option<String>,
    expiration: Option<String>,
    errors: Option<i64>,
    volume_snapshots_attempted: Option<i64>,
    volume_snapshots_completed: Option<i64>,
    csi_volume_snapshots_attempted: Option<i64>,
    csi_volume_snapshots_completed: Option<i64>,
    backup_item_operations_completed: Option<i64>,
    backup_item_operations_failed: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RestoreObject {
    metadata: ObjectMetadata,
    spec: Value,
    status: Option<RestoreStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RestoreSpec {
    backup_name: Option<String>,
    #[serde(rename = "restorePVs")]
    restore_pvs: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RestoreStatus {
    phase: Option<String>,
    completion_timestamp: Option<String>,
    errors: Option<i64>,
    restore_item_operations_failed: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LocationObject {
    spec: LocationSpec,
    status: Option<LocationStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LocationSpec {
    default: Option<bool>,
    access_mode: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LocationStatus {
    phase: Option<String>,
    message: Option<String>,
}

pub fn project_schedule(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let VeleroScheduleObject { spec, status } = VeleroScheduleObject::deserialize(object)?;
    let status = status.unwrap_or_default();
    let (scope, volumes) = read_template(&spec.template, interner)?;
    let snapshots = volumes.snapshot_volumes != Some(false);
    Ok(backup_facts(BackupFacts::VeleroSchedule(VeleroSchedule {
        volumes: snapshots || copies_files(&volumes, &scope),
        scope,
        paused: spec.paused == Some(true),
        invalid: (status.phase.as_deref() == Some("FailedValidation"))
            .then(|| excerpt(&status.validation_errors.unwrap_or_default().join("; "))),
    })))
}

pub fn project_backup(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let VeleroBackupObject { metadata, spec, status } = VeleroBackupObject::deserialize(object)?;
    let status = status.unwrap_or_default();
    // One scope for all backups of a schedule: there may be thousands.
    let (scope, volumes) = read_template(&spec, interner)?;
    // Uploads run after the items are backed up, and fail on their own.
    let failed = [status.errors, status.backup_item_operations_failed];
    let completed = status.completion_timestamp.as_deref();
    let ended = parse_time("status.completionTimestamp", completed)?;
    let created = parse_time("metadata.creationTimestamp", metadata.creation_timestamp.as_deref())?;
    Ok(backup_facts(BackupFacts::VeleroBackup(VeleroBackup {
        volumes: taken(&volumes, &status, &scope, &metadata),
        scope,
        location: interner.intern(volumes.storage_location.as_deref().unwrap_or_default()),
        outcome: outcome(&metadata, status.phase.as_deref(), &failed, completed)?,
        began: parse_time("status.startTimestamp", status.start_timestamp.as_deref())?.or(ended),
        expires: parse_time("status.expiration", status.expiration.as_deref())?,
        synced: created.zip(ended).is_some_and(|(created, ended)| ended < created),
    })))
}

pub fn project_restore(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let RestoreObject { metadata, spec, status } = RestoreObject::deserialize(object)?;
    let status = status.unwrap_or_default();
    let fields = read_spec::<ScopeFields>(&spec)?;
    let spec = read_spec::<RestoreSpec>(&spec)?;
    let failed = [status.errors, status.restore_item_operations_failed];
    Ok(backup_facts(BackupFacts::VeleroRestore(VeleroRestore {
        backup: interner.intern(spec.backup_name.as_deref().unwrap_or_default()),
        scope: interner.velero_scopes.share(fields.compile(interner)?),
        volumes: spec.restore_pvs != Some(false),
        outcome: outcome(
            &metadata,
            status.phase.as_deref(),
            &failed,
            status.completion_timestamp.as_deref(),
        )?,
    })))
}

/// Projects a `BackupStorageLocation`. When it was last validated is not read: it changes every minute, and
/// the facts with it.
pub fn project_location(object: &Value, _: &Interner) -> Result<Facts, ProjectionError> {
    let LocationObject { spec, status } = LocationObject::deserialize(object)?;
    let status = status.unwrap_or_default();
    let reach = match status.phase.as_deref() {
        Some("Available") => Reachability::Available,
        // A new location has no phase until Velero has tried it.
        None | Some("") => Reachability::Unknown,
        Some(_) => Reachability::Unavailable(excerpt(&status.message.unwrap_or_default())),
    };
    Ok(backup_facts(BackupFacts::VeleroLocation(VeleroLocation {
        reach,
        default: spec.default == Some(true),
        read_only: spec.access_mode.as_deref() == Some("ReadOnly"),
    })))
}

fn read_template(
    spec: &Value,
    interner: &Interner,
) -> Result<(Arc<VeleroScope>, DataFields), ProjectionError> {
    let scope = read_spec::<ScopeFields>(spec)?.compile(interner)?;
    Ok((interner.velero_scopes.share(scope), read_spec(spec)?))
}

/// Reads one group of fields of a spec. An absent spec has none of them.
fn read_spec<'a, T: Default + Deserialize<'a>>(spec: &'a Value) -> Result<T, ProjectionError> {
    if spec.is_null() {
        return Ok(T::default());
    }
    Ok(T::deserialize(spec)?)
}

fn outcome(
    metadata: &ObjectMetadata,
    phase: Option<&str>,
    failed: &[Option<i64>],
    completed: Option<&str>,
) -> Result<RunOutcome, ProjectionError> {
    let completed = parse_time("status.completionTimestamp", completed)?;
    let clean = failed.iter().all(|count| count.unwrap_or_default() == 0);
    Ok(match (phase, completed) {
        _ if metadata.deletion_timestamp.is_some() => RunOutcome::Failed,
        (Some("Completed"), Some(at)) if clean => RunOutcome::Succeeded(at),
        // Velero writes the phase before the time; a moment later it has both.
        (Some("Completed"), None) if clean => RunOutcome::Unfinished,
        (Some("Completed" | "PartiallyFailed" | "Failed" | "FailedValidation" | "Deleting"), _) => {
            RunOutcome::Failed
        }
        _ => RunOutcome::Unfinished,
    })
}

fn copies_files(volumes: &DataFields, scope: &VeleroScope) -> bool {
    let wanted =
        volumes.default_volumes_to_fs_backup.or(volumes.default_volumes_to_restic) == Some(true);
    wanted && scope.includes_pods()
}

/// The annotation that Velero writes on a Backup to which a policy of the whole cluster applied.
const GLOBAL_POLICY: &str = "velero.io/global-backup-volume-policy-configmap";

/// What a Backup did with volumes. Snapshots count by what the status says was completed, not by what the
/// spec asked for.
fn taken(
    fields: &DataFields,
    status: &VeleroBackupStatus,
    scope: &VeleroScope,
    metadata: &ObjectMetadata,
) -> Volumes {
    let moved = fields.snapshot_move_data == Some(true);
    let count = |attempted: Option<i64>, completed: Option<i64>| {
        let completed = completed.unwrap_or_default();
        // Which ones failed is not said, so none counts if one did.
        let whole = completed >= attempted.unwrap_or_default();
        let counts = whole && fields.snapshot_volumes != Some(false);
        if counts { u32::try_from(completed).unwrap_or_default() } else { 0 }
    };
    let csi = count(status.csi_volume_snapshots_attempted, status.csi_volume_snapshots_completed);
    let native = count(status.volume_snapshots_attempted, status.volume_snapshots_completed);
    let annotations = metadata.annotations.as_ref();
    Volumes {
        csi: if moved { 0 } else { csi },
        native: if scope.includes_volumes() { native } else { 0 },
        policy: fields.resource_policy.is_some()
            || annotations.is_some_and(|annotations| annotations.contains_key(GLOBAL_POLICY)),
        files: copies_files(fields, scope),
        moved: moved && status.backup_item_operations_completed.unwrap_or_default() > 0,
    }
}
