//! K8up (`k8up.io/v1`). Its objects are about the namespace they are in.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BackupFacts, RunOutcome, backup_facts, parse_time, selectors::Selectors};
use crate::inventory::{
    facts::{Facts, ObjectMetadata, ProjectionError},
    intern::{Interner, Symbol},
};

/// What checks read of a Schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct K8upSchedule {
    /// Whether it makes backups; a schedule may only check or prune the repository.
    pub backup: bool,
    /// The claims of its namespace that its backups cover.
    pub claims: Selectors,
}

/// What checks read of a Backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct K8upBackup {
    /// The claims of its namespace that it covers.
    pub claims: Selectors,
    /// How it ended, and when.
    pub outcome: RunOutcome,
}

/// What checks read of a Snapshot: it shows what the restic repository contains, which is the best evidence
/// there is. It is deleted when the repository is pruned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct K8upSnapshot {
    /// When it was taken. None if it is being deleted.
    pub date: Option<Timestamp>,
    /// The claims whose data it contains.
    pub claims: Box<[Symbol]>,
}

/// What checks read of a Restore.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct K8upRestore {
    /// How it ended, and when.
    pub outcome: RunOutcome,
}

/// Whether K8up backs up a claim. It skips some claims, and its Backup succeeds all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum K8upIntent {
    /// The claim says nothing: it is backed up, unless K8up runs with `BACKUP_SKIP_WITHOUT_ANNOTATION`.
    #[default]
    None,
    /// Its annotation asks for it.
    Wanted,
    /// Its annotation forbids it.
    Forbidden,
    /// It is neither `ReadWriteOnce` nor `ReadWriteMany`, and no annotation asks for it.
    Unmountable,
}

impl K8upIntent {
    /// What a claim says, by its annotation and its access modes. The annotation is the one that K8up reads
    /// unless it is configured otherwise.
    pub fn of_claim(metadata: &ObjectMetadata, modes: Option<&[String]>) -> Self {
        const ANNOTATION: &str = "k8up.io/backup";
        if let Some(value) = metadata.annotations.as_ref().and_then(|all| all.get(ANNOTATION)) {
            // As strconv.ParseBool of Go reads it; K8up takes what that can't read for false.
            return match value.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Self::Wanted,
                _ => Self::Forbidden,
            };
        }
        let is_known = |mode: &String| matches!(mode.as_str(), "ReadWriteOnce" | "ReadWriteMany");
        match modes {
            Some(modes) if !modes.iter().any(is_known) => Self::Unmountable,
            _ => Self::None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct K8upScheduleObject {
    spec: K8upScheduleSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct K8upScheduleSpec {
    backup: Option<K8upBackupSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct K8upBackupSpec {
    schedule: Option<String>,
    label_selectors: Option<Vec<LabelSelector>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct K8upJobObject {
    metadata: ObjectMetadata,
    spec: Option<K8upBackupSpec>,
    status: Option<K8upJobStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct K8upJobStatus {
    conditions: Option<Vec<K8upCondition>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct K8upCondition {
    r#type: String,
    status: String,
    reason: String,
    last_transition_time: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct K8upSnapshotObject {
    metadata: ObjectMetadata,
    spec: K8upSnapshotSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct K8upSnapshotSpec {
    date: Option<String>,
    paths: Option<Vec<String>>,
}

pub fn project_schedule(object: &Value, _: &Interner) -> Result<Facts, ProjectionError> {
    let backup = K8upScheduleObject::deserialize(object)?.spec.backup;
    // A schedule without a cron expression for backups makes none.
    let scheduled = backup
        .as_ref()
        .and_then(|backup| backup.schedule.as_deref())
        .is_some_and(|schedule| !schedule.is_empty());
    Ok(backup_facts(BackupFacts::K8upSchedule(K8upSchedule {
        backup: scheduled,
        claims: claims(backup.as_ref())?,
    })))
}

pub fn project_backup(object: &Value, _: &Interner) -> Result<Facts, ProjectionError> {
    let object = K8upJobObject::deserialize(object)?;
    Ok(backup_facts(BackupFacts::K8upBackup(K8upBackup {
        claims: claims(object.spec.as_ref())?,
        outcome: outcome(&object.metadata, object.status)?,
    })))
}

pub fn project_restore(object: &Value, _: &Interner) -> Result<Facts, ProjectionError> {
    let object = K8upJobObject::deserialize(object)?;
    Ok(backup_facts(BackupFacts::K8upRestore(K8upRestore {
        outcome: outcome(&object.metadata, object.status)?,
    })))
}

pub fn project_snapshot(object: &Value, interner: &Interner) -> Result<Facts, ProjectionError> {
    let K8upSnapshotObject { metadata, spec } = K8upSnapshotObject::deserialize(object)?;
    let date = parse_time("spec.date", spec.date.as_deref())?;
    let claims = spec.paths.iter().flatten().filter_map(|path| claim_of(path));
    Ok(backup_facts(BackupFacts::K8upSnapshot(K8upSnapshot {
        date: date.filter(|_| metadata.deletion_timestamp.is_none()),
        claims: claims.map(|claim| interner.intern(claim)).collect(),
    })))
}

/// The claim of a path in a snapshot: K8up mounts each claim at `/data/CLAIM`. None for the output of a
/// backup command, which has another path.
fn claim_of(path: &str) -> Option<&str> {
    let claim = path.strip_prefix("/data/")?.split('/').next()?;
    (!claim.is_empty()).then_some(claim)
}

fn claims(spec: Option<&K8upBackupSpec>) -> Result<Selectors, ProjectionError> {
    let selectors = spec.and_then(|spec| spec.label_selectors.as_ref());
    Selectors::compile(selectors.into_iter().flatten())
}

/// How a run ended. The condition `Completed` is true for failures as well: its reason says which. Commands
/// that run before the backup have a condition of their own, which is also false while K8up waits for them.
fn outcome(
    metadata: &ObjectMetadata,
    status: Option<K8upJobStatus>,
) -> Result<RunOutcome, ProjectionError> {
    let conditions = status.unwrap_or_default().conditions.unwrap_or_default();
    // A backup whose preparing command failed has data that may be inconsistent.
    let prepared = !conditions.iter().any(|condition| {
        condition.r#type == "PreBackupPodReady"
            && condition.status == "False"
            && !matches!(
                condition.reason.as_str(),
                "Succeeded" | "Waiting" | "NoPreBackupPodsFound" | "Ready"
            )
    });
    let completed = conditions
        .iter()
        .find(|condition| condition.r#type == "Completed" && condition.status == "True");
    Ok(match completed {
        _ if metadata.deletion_timestamp.is_some() || !prepared => RunOutcome::Failed,
        None => RunOutcome::Unfinished,
        Some(condition) if condition.reason == "Succeeded" => parse_time(
            "lastTransitionTime of the condition Completed",
            condition.last_transition_time.as_deref(),
        )?
        .map_or(RunOutcome::Unfinished, RunOutcome::Succeeded),
        Some(_) => RunOutcome::Failed,
    })
}
