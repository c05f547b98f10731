//! Backups, snapshots, schedules, restores and where they are stored, as each tool records them.
//!
//! What the controller of a tool wrote is taken for what happened, so it is worth as much as the rights
//! to write it. Velero's kinds have no status subresource: whoever may update `backups.velero.io` can
//! write `phase: Completed`, so nobody but Velero should have that right.

pub(crate) mod census;
pub(crate) mod cnpg;
pub(crate) mod cron;
pub(crate) mod index;
pub(crate) mod k8up;
pub(crate) mod kasten;
pub(crate) mod longhorn;
pub(crate) mod others;
pub(crate) mod selectors;
pub(crate) mod snapshots;
pub(crate) mod velero;
pub(crate) mod velero_copies;
pub(crate) mod velero_scope;
pub(crate) mod volsync;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::index::BackupIndex;
use super::{
    facts::{Facts, Project, Projection},
    time::parse_time,
};

/// What checks read of one object of a backup tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum BackupFacts {
    VeleroSchedule(velero::VeleroSchedule),
    VeleroBackup(velero::VeleroBackup),
    VeleroRestore(velero::VeleroRestore),
    VeleroLocation(velero::VeleroLocation),
    /// `velero.io` `PodVolumeBackup` or `DataUpload`.
    VeleroCopy(velero_copies::VeleroVolumeCopy),
    VolumeSnapshot(snapshots::CsiSnapshot),
    SnapshotContent(snapshots::CsiSnapshotContent),
    K8upSchedule(k8up::K8upSchedule),
    K8upBackup(k8up::K8upBackup),
    K8upSnapshot(k8up::K8upSnapshot),
    K8upRestore(k8up::K8upRestore),
    CnpgCluster(Box<cnpg::CnpgCluster>),
    CnpgBackup(cnpg::CnpgBackup),
    CnpgScheduledBackup(cnpg::CnpgScheduledBackup),
    CnpgObjectStore(cnpg::CnpgObjectStore),
    LonghornVolume(longhorn::LonghornVolume),
    LonghornBackup(longhorn::LonghornBackup),
    LonghornRecurringJob(longhorn::LonghornRecurringJob),
    VolSyncSource(volsync::VolSyncSource),
    KastenPolicy(kasten::KastenPolicy),
    KastenBackup(kasten::KastenBackup),
    KastenRestore(kasten::KastenRestore),
    KastenRestorePoint,
    /// A database of an operator whose backups are not read here.
    OtherDatabase(others::OtherDatabase),
}

/// How a run ended, as its tool says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RunOutcome {
    /// It succeeded, and ended at this time.
    Succeeded(Timestamp),
    /// It has not ended, or does not say how.
    Unfinished,
    /// It failed, in part or as a whole, or is being deleted.
    Failed,
}

impl RunOutcome {
    /// When it succeeded. None if it did not.
    pub fn success(self) -> Option<Timestamp> {
        match self {
            Self::Succeeded(at) => Some(at),
            Self::Unfinished | Self::Failed => None,
        }
    }
}

/// API group of Velero.
pub const VELERO: &str = "velero.io";
/// API group of CSI snapshots.
pub const SNAPSHOT: &str = "snapshot.storage.k8s.io";
/// API group of K8up.
pub const K8UP: &str = "k8up.io";
/// API group of `CloudNativePG`.
pub const CNPG: &str = "postgresql.cnpg.io";
/// API group of the object store plugin of `CloudNativePG`.
pub const BARMAN_CLOUD: &str = "barmancloud.cnpg.io";
/// API group of Longhorn.
pub const LONGHORN: &str = "longhorn.io";

/// API group of `VolSync`.
pub const VOLSYNC: &str = "volsync.backube";
/// API group of the policies of Kasten.
pub const KASTEN_CONFIG: &str = "config.kio.kasten.io";
/// API group of the actions of Kasten.
pub const KASTEN_ACTIONS: &str = "actions.kio.kasten.io";
/// API group of the restore points of Kasten.
pub const KASTEN_APPS: &str = "apps.kio.kasten.io";

/// The kinds of backup tools that have facts.
pub const PROJECTIONS: &[Projection] = &[
    row(VELERO, "Schedule", V1, velero::project_schedule),
    row(VELERO, "Backup", V1, velero::project_backup),
    row(VELERO, "Restore", V1, velero::project_restore),
    row(VELERO, "BackupStorageLocation", V1, velero::project_location),
    row(VELERO, "PodVolumeBackup", V1, velero_copies::project),
    row(VELERO, "DataUpload", V2ALPHA1, velero_copies::project),
    row(SNAPSHOT, "VolumeSnapshot", V1, snapshots::project_snapshot),
    row(SNAPSHOT, "VolumeSnapshotContent", V1, snapshots::project_content),
    row(K8UP, "Schedule", V1, k8up::project_schedule),
    row(K8UP, "Backup", V1, k8up::project_backup),
    row(K8UP, "Snapshot", V1, k8up::project_snapshot),
    row(K8UP, "Restore", V1, k8up::project_restore),
    row(CNPG, "Cluster", V1, cnpg::project_cluster),
    row(CNPG, "Backup", V1, cnpg::project_backup),
    row(CNPG, "ScheduledBackup", V1, cnpg::project_scheduled_backup),
    row(BARMAN_CLOUD, "ObjectStore", V1, cnpg::project_object_store),
    row(LONGHORN, "Volume", V1BETA2, longhorn::project_volume),
    row(LONGHORN, "Backup", V1BETA2, longhorn::project_backup),
    row(LONGHORN, "RecurringJob", V1BETA2, longhorn::project_recurring_job),
    row(VOLSYNC, "ReplicationSource", V1ALPHA1, volsync::project_source),
    row(KASTEN_CONFIG, "Policy", V1ALPHA1, kasten::project_policy),
    row(KASTEN_ACTIONS, "BackupAction", V1ALPHA1, kasten::project_backup),
    row(KASTEN_ACTIONS, "RestoreAction", V1ALPHA1, kasten::project_restore),
    row(KASTEN_APPS, "RestorePoint", V1ALPHA1, kasten::project_restore_point),
];

const V1: &[&str] = &["v1"];
const V1BETA2: &[&str] = &["v1beta2"];
const V1ALPHA1: &[&str] = &["v1alpha1"];
const V2ALPHA1: &[&str] = &["v2alpha1"];

const fn row(
    group: &'static str,
    kind: &'static str,
    versions: &'static [&'static str],
    project: Project,
) -> Projection {
    Projection { group, kind, versions, project }
}

fn backup_facts(facts: BackupFacts) -> Facts {
    Facts::Backup(std::sync::Arc::new(facts))
}

/// The start of a text from outside, enough to recognize it.
fn excerpt(text: &str) -> Box<str> {
    const LIMIT: usize = 200;
    // By characters, since an index of bytes may lie inside one.
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::inventory::{Interner, facts::ProjectionError};

    fn project(group: &str, kind: &str, object: &Value) -> Result<Facts, ProjectionError> {
        let is_it = |row: &&Projection| row.group == group && row.kind == kind;
        let row = PROJECTIONS.iter().find(is_it).unwrap();
        (row.project)(object, &Interner::default())
    }

    /// There are thousands of backups and three clusters.
    #[test]
    fn facts_are_small() {
        assert!(size_of::<BackupFacts>() <= 112, "{}", size_of::<BackupFacts>());
    }

    #[test]
    fn objects_without_status_are_read() {
        for row in PROJECTIONS {
            let object = json!({"metadata": {"name": "x", "namespace": "y"}, "spec": {}});
            assert!(project(row.group, row.kind, &object).is_ok(), "{}.{}", row.kind, row.group);
        }
    }

    #[test]
    fn errors_name_the_field() {
        let selector = json!({"matchExpressions": [{"key": "app", "operator": "Is"}]});
        for (group, kind, object, field) in [
            (
                VELERO,
                "Backup",
                json!({"status": {"phase": "Completed", "completionTimestamp": "yesterday"}}),
                "status.completionTimestamp is \"yesterday\"",
            ),
            (
                LONGHORN,
                "Backup",
                json!({"status": {"backupCreatedAt": "1"}}),
                "status.backupCreatedAt",
            ),
            (CNPG, "Backup", json!({"status": {"stoppedAt": "1"}}), "status.stoppedAt"),
            (
                SNAPSHOT,
                "VolumeSnapshot",
                json!({"status": {"creationTime": "1"}}),
                "status.creationTime",
            ),
            (K8UP, "Snapshot", json!({"spec": {"date": "1"}}), "spec.date"),
            (VELERO, "Backup", json!({"spec": {"labelSelector": selector}}), "operator"),
            (K8UP, "Backup", json!({"spec": {"labelSelectors": [selector]}}), "operator"),
        ] {
            let error = project(group, kind, &object).unwrap_err().to_string();
            assert!(error.contains(field), "{kind}.{group}: {error}");
        }
        let long = json!({"status": {"completionTimestamp": "é".repeat(9999)}});
        let error = project(VELERO, "Backup", &long).unwrap_err().to_string();
        assert!(error.len() < 600, "{}", error.len());
    }
}
