//! Longhorn (`longhorn.io/v1beta2`). Its objects are in Longhorn's namespace; a Volume says which
//! claim it is for.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{BackupFacts, RunOutcome, facts, parse_time};
use crate::inventory::{
    facts::{Facts, ObjectMetadata, ProjectionError},
    intern::{Interner, Symbol},
};

const JOB_LABEL: &str = "recurring-job.longhorn.io/";
const GROUP_LABEL: &str = "recurring-job-group.longhorn.io/";
/// The group of volumes that name neither jobs nor groups.
const DEFAULT_GROUP: &str = "default";

/// A Volume.
#[derive(Clone, Debug, PartialEq)]
pub struct LonghornVolume {
    /// Namespace and name of its claim. Longhorn keeps them after the claim is gone.
    pub claim: Option<(Symbol, Symbol)>,
    /// Its `PersistentVolume`: tells the claim from a later one of the same name.
    pub volume: Option<Symbol>,
    /// Recurring jobs it names.
    pub jobs: Box<[Symbol]>,
    /// Groups of recurring jobs it is in.
    pub groups: Box<[Symbol]>,
}

/// A Backup.
#[derive(Clone, Debug, PartialEq)]
pub struct LonghornBackup {
    /// The Volume it is of.
    pub volume: Option<Symbol>,
    /// How it ended.
    pub outcome: RunOutcome,
}

/// A `RecurringJob`.
#[derive(Clone, Debug, PartialEq)]
pub struct LonghornRecurringJob {
    /// Whether its task is a backup; snapshots stay on the same disks.
    pub backup: bool,
    /// Groups it is for.
    pub groups: Box<[Symbol]>,
}

impl LonghornRecurringJob {
    /// Whether it runs for a volume.
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

/// Reads a Volume.
pub fn project_volume(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let LonghornVolumeObject { metadata, status } = LonghornVolumeObject::deserialize(object)?;
    let status = status.and_then(|status| status.kubernetes_status).unwrap_or_default();
    let labels = metadata.labels.unwrap_or_default();
    let jobs = enabled(&labels, JOB_LABEL, interner);
    let mut groups = enabled(&labels, GROUP_LABEL, interner);
    if jobs.is_empty() && groups.is_empty() {
        groups = [interner.intern(DEFAULT_GROUP)].into();
    }
    Ok(facts(BackupFacts::LonghornVolume(LonghornVolume {
        claim: named(status.namespace, interner).zip(named(status.pvc_name, interner)),
        volume: named(status.pv_name, interner),
        jobs,
        groups,
    })))
}

/// Reads a Backup.
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
    Ok(facts(BackupFacts::LonghornBackup(LonghornBackup {
        volume: named(status.volume_name, interner),
        outcome,
    })))
}

/// Reads a `RecurringJob`.
pub fn project_recurring_job(
    object: &Value,
    interner: &Interner,
) -> Result<Facts, ProjectionError> {
    let spec = LonghornJobObject::deserialize(object)?.spec;
    let task = spec.task.unwrap_or_default();
    Ok(facts(BackupFacts::LonghornRecurringJob(LonghornRecurringJob {
        backup: matches!(task.as_str(), "backup" | "backup-force-create")
            && spec.cron.is_some_and(|cron| !cron.is_empty()),
        groups: spec.groups.iter().flatten().map(|group| interner.intern(group)).collect(),
    })))
}

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
