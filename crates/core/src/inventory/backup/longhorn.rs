//! Longhorn (`longhorn.io/v1beta2`). Its objects are in the namespace of Longhorn; a Volume says which
//! claim it belongs to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BackupFacts, RunOutcome, backup_facts, parse_time};
use crate::inventory::{
    facts::{Facts, ObjectMetadata, ProjectionError},
    intern::{Interner, Symbol},
};

const JOB_LABEL: &str = "recurring-job.longhorn.io/";
const GROUP_LABEL: &str = "recurring-job-group.longhorn.io/";
/// The group of volumes that name neither jobs nor groups.
const DEFAULT_GROUP: &str = "default";

/// What checks read of a Volume.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LonghornVolume {
    /// Namespace and name of its claim, which Longhorn keeps after the claim is deleted. None if it never
    /// had one.
    pub claim: Option<(Symbol, Symbol)>,
    /// The name of its `PersistentVolume`, which distinguishes the claim from a later one of the same name.
    pub volume: Option<Symbol>,
    /// The recurring jobs that its labels enable.
    pub jobs: Box<[Symbol]>,
    /// The groups of recurring jobs that its labels enable; `default` if they enable nothing.
    pub groups: Box<[Symbol]>,
}

/// What checks read of a Backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LonghornBackup {
    /// The name of the Volume that was backed up. None before Longhorn has written it.
    pub volume: Option<Symbol>,
    /// How it ended, and when.
    pub outcome: RunOutcome,
}

/// What checks read of a `RecurringJob`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LonghornRecurringJob {
    /// Whether its task is a backup that runs on a schedule. Snapshots do not count: they stay on the same
    /// disks.
    pub backup: bool,
    /// The groups of volumes that it runs for.
    pub groups: Box<[Symbol]>,
}

impl LonghornRecurringJob {
    /// Whether this job, by its name, makes backups of a volume.
    pub fn runs_for(&self, name: &str, volume: &LonghornVolume) -> bool {
        self.backup
            && (volume.jobs.iter().any(|job| **job == *name)
                || volume.groups.iter().any(|group| self.groups.contains(group)))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LonghornVolumeObject {
    metadata: ObjectMetadata,
    status: Option<LonghornVolumeStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LonghornVolumeStatus {
    kubernetes_status: Option<KubernetesStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct KubernetesStatus {
    namespace: Option<String>,
    pvc_name: Option<String>,
    pv_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LonghornBackupObject {
    metadata: ObjectMetadata,
    status: Option<LonghornBackupStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LonghornBackupStatus {
    state: Option<String>,
    backup_created_at: Option<String>,
    volume_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LonghornJobObject {
    spec: LonghornJobSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LonghornJobSpec {
    task: Option<String>,
    cron: Option<String>,
    groups: Option<Vec<String>>,
}

pub fn project_volume(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let LonghornVolumeObject { metadata, status } = LonghornVolumeObject::deserialize(object)?;
    let status = status.and_then(|status| status.kubernetes_status).unwrap_or_default();
    let labels = metadata.labels.unwrap_or_default();
    let jobs = enabled(&labels, JOB_LABEL, interner);
    let mut groups = enabled(&labels, GROUP_LABEL, interner);
    // As Longhorn does: a volume without labels is in the default group.
    if jobs.is_empty() && groups.is_empty() {
        groups = [interner.intern(DEFAULT_GROUP)].into();
    }
    Ok(backup_facts(BackupFacts::LonghornVolume(LonghornVolume {
        claim: named(status.namespace, interner).zip(named(status.pvc_name, interner)),
        volume: named(status.pv_name, interner),
        jobs,
        groups,
    })))
}

pub fn project_backup(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let LonghornBackupObject { metadata, status } = LonghornBackupObject::deserialize(object)?;
    let status = status.unwrap_or_default();
    let created = parse_time("status.backupCreatedAt", status.backup_created_at.as_deref())?;
    let outcome = match (status.state.as_deref(), created) {
        _ if metadata.deletion_timestamp.is_some() => RunOutcome::Failed,
        (Some("Completed"), Some(at)) => RunOutcome::Succeeded(at),
        (Some("Error" | "Unknown"), _) => RunOutcome::Failed,
        _ => RunOutcome::Unfinished,
    };
    Ok(backup_facts(BackupFacts::LonghornBackup(LonghornBackup {
        volume: named(status.volume_name, interner),
        outcome,
    })))
}

pub fn project_recurring_job(
    object: &Value,
    interner: &Interner,
) -> Result<Facts, ProjectionError> {
    let spec = LonghornJobObject::deserialize(object)?.spec;
    let task = spec.task.unwrap_or_default();
    Ok(backup_facts(BackupFacts::LonghornRecurringJob(LonghornRecurringJob {
        backup: matches!(task.as_str(), "backup" | "backup-force-create")
            && spec.cron.is_some_and(|cron| !cron.is_empty()),
        groups: spec.groups.iter().flatten().map(|group| interner.intern(group)).collect(),
    })))
}

/// What follows the prefix in the keys of labels with the value `enabled`.
fn enabled(labels: &BTreeMap<String, String>, prefix: &str, interner: &Interner) -> Box<[Symbol]> {
    labels
        .iter()
        .filter(|(_, value)| *value == "enabled")
        .filter_map(|(key, _)| Some(interner.intern(key.strip_prefix(prefix)?)))
        .collect()
}

fn named(text: Option<String>, interner: &Interner) -> Option<Symbol> {
    text.filter(|text| !text.is_empty()).map(|text| interner.intern(&text))
}
