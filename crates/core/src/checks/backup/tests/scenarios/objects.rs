//! Objects as their tools write them when all is well, and changes to them.

use serde_json::{Value, json};

use super::{SHOP, TOOLS};

/// Ten hours before the judgement.
pub const RECENT: &str = "2026-11-21T02:00:00Z";
/// Thirty-four hours before.
pub const OLD: &str = "2026-11-20T02:00:00Z";

/// Older than any maximum age of the scenarios.
pub const LONG_AGO: &str = "2026-01-01T00:00:00Z";
/// An hour before the judgement: younger than any backup.
pub const YOUNG: &str = "2026-11-21T11:00:00Z";
/// The uid of the claim.
pub const CLAIM_UID: &str = "6d1f2c9e-0000-4000-8000-00000000da7a";

/// The object with a JSON merge patch (RFC 7396) applied.
pub fn with(mut object: Value, patch: &Value) -> Value {
    merge(&mut object, patch);
    object
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

/// The object under another name.
pub fn named(name: &str, object: Value) -> Value {
    with(object, &json!({"metadata": {"name": name}}))
}

pub fn claim() -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "data", "namespace": SHOP, "labels": {"app": "db"},
            "uid": CLAIM_UID, "creationTimestamp": LONG_AGO,
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "volumeName": format!("pv-data-of-{SHOP}"),
            "resources": {"requests": {"storage": "1Gi"}},
        },
    })
}

/// The volume behind the claim.
pub fn volume() -> Value {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": format!("pv-data-of-{SHOP}"), "creationTimestamp": LONG_AGO},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"},
            "claimRef": {"namespace": SHOP, "name": "data"},
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1"},
        },
    })
}

/// Another source of a volume than a CSI driver.
pub fn volume_of(source: Value) -> Value {
    let mut volume = volume();
    volume["spec"].as_object_mut().unwrap().remove("csi");
    with(volume, &json!({ "spec": source }))
}

pub fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SHOP}})
}

pub fn velero_schedule() -> Value {
    json!({
        "apiVersion": "velero.io/v1", "kind": "Schedule",
        "metadata": {"name": "daily", "namespace": TOOLS},
        "spec": {"schedule": "0 2 * * *", "template": {"includedNamespaces": ["*"], "ttl": "720h"}},
        "status": {"phase": "Enabled", "lastBackup": RECENT},
    })
}

pub fn velero_backup() -> Value {
    json!({
        "apiVersion": "velero.io/v1", "kind": "Backup",
        "metadata": {
            "name": "daily-2", "namespace": TOOLS, "labels": {"velero.io/schedule-name": "daily"},
        },
        "spec": {"includedNamespaces": ["*"], "storageLocation": "default", "snapshotVolumes": true},
        "status": {
            "phase": "Completed", "startTimestamp": RECENT, "completionTimestamp": RECENT,
            "expiration": "2026-12-21T02:00:00Z", "warnings": 1,
            "csiVolumeSnapshotsAttempted": 1, "csiVolumeSnapshotsCompleted": 1,
        },
    })
}

/// The files of the claim, as a pod mounts them.
pub fn velero_files() -> Value {
    json!({
        "apiVersion": "velero.io/v1", "kind": "PodVolumeBackup",
        "metadata": {
            "name": "daily-2-x7k2p", "namespace": TOOLS,
            "labels": {"velero.io/backup-name": "daily-2", "velero.io/pvc-uid": CLAIM_UID},
            "annotations": {"velero.io/pvc-name": "data"},
        },
        "spec": {
            "node": "node-1", "pod": {"kind": "Pod", "namespace": SHOP, "name": "db-0"},
            "volume": "data", "backupStorageLocation": "default", "repoIdentifier": "",
            "uploaderType": "kopia", "tags": {"backup": "daily-2", "pvc-uid": CLAIM_UID},
        },
        "status": {"phase": "Completed", "completionTimestamp": RECENT, "snapshotID": "5e1f"},
    })
}

/// The snapshot of the claim, moved.
pub fn velero_upload() -> Value {
    json!({
        "apiVersion": "velero.io/v2alpha1", "kind": "DataUpload",
        "metadata": {
            "name": "daily-2-m4q8z", "namespace": TOOLS,
            "labels": {"velero.io/backup-name": "daily-2", "velero.io/pvc-uid": CLAIM_UID},
        },
        "spec": {
            "snapshotType": "CSI", "csiSnapshot": {"volumeSnapshot": "v", "storageClass": "fast"},
            "sourcePVC": "data", "sourceNamespace": SHOP, "backupStorageLocation": "default",
            "operationTimeout": "10m0s",
        },
        "status": {"phase": "Completed", "completionTimestamp": RECENT},
    })
}

pub fn velero_restore() -> Value {
    json!({
        "apiVersion": "velero.io/v1", "kind": "Restore",
        "metadata": {"name": "drill", "namespace": TOOLS},
        "spec": {"backupName": "daily-2", "namespaceMapping": {SHOP: "drill"}},
        "status": {"phase": "Completed", "completionTimestamp": "2026-11-01T12:00:00Z"},
    })
}

pub fn velero_location() -> Value {
    json!({
        "apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
        "metadata": {"name": "default", "namespace": TOOLS},
        "spec": {"provider": "aws", "default": true, "objectStorage": {"bucket": "backups"}},
        "status": {"phase": "Available", "lastValidationTime": RECENT},
    })
}

pub fn snapshot() -> Value {
    json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot",
        "metadata": {"name": "nightly", "namespace": SHOP, "uid": "6d1f2c9e-0001"},
        "spec": {"source": {"persistentVolumeClaimName": "data"}},
        "status": {
            "readyToUse": true, "creationTime": RECENT, "restoreSize": "1Gi",
            "boundVolumeSnapshotContentName": format!("content-of-{SHOP}"),
        },
    })
}

pub fn content() -> Value {
    json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent",
        "metadata": {"name": format!("content-of-{SHOP}")},
        "spec": {
            "deletionPolicy": "Retain", "driver": "ebs.csi.aws.com",
            "source": {"volumeHandle": "vol-1"},
            "volumeSnapshotRef": {
                "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot",
                "namespace": SHOP, "name": "nightly", "uid": "6d1f2c9e-0001",
            },
        },
        "status": {"readyToUse": true, "snapshotHandle": "snap-1", "creationTime": 1_795_226_400_000_000_000_i64},
    })
}

pub fn k8up_schedule() -> Value {
    json!({
        "apiVersion": "k8up.io/v1", "kind": "Schedule",
        "metadata": {"name": "nightly", "namespace": SHOP},
        "spec": {"backup": {"schedule": "@daily-random"}, "prune": {"schedule": "@weekly"}},
    })
}

pub fn k8up_backup() -> Value {
    json!({
        "apiVersion": "k8up.io/v1", "kind": "Backup",
        "metadata": {"name": "nightly-1", "namespace": SHOP},
        "spec": {},
        "status": {"started": true, "finished": true, "conditions": [
            condition("Completed", "True", "Succeeded"),
            condition("PreBackupPodReady", "True", "NoPreBackupPodsFound"),
        ]},
    })
}

pub fn condition(r#type: &str, status: &str, reason: &str) -> Value {
    json!({
        "type": r#type, "status": status, "reason": reason, "message": "",
        "lastTransitionTime": RECENT,
    })
}

pub fn k8up_snapshot() -> Value {
    json!({
        "apiVersion": "k8up.io/v1", "kind": "Snapshot",
        "metadata": {"name": "1f2e3d4c", "namespace": SHOP},
        "spec": {"id": "1f2e3d4c", "date": RECENT, "paths": ["/data/data"], "repository": "s3:backups"},
    })
}

pub fn k8up_restore() -> Value {
    with(
        k8up_backup(),
        &json!({"kind": "Restore", "metadata": {"name": "drill"}, "spec": {"restoreMethod": {}}}),
    )
}

pub fn cnpg_cluster() -> Value {
    json!({
        "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster",
        "metadata": {
            "name": "pg", "namespace": SHOP, "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"instances": 3, "storage": {"size": "1Gi"}},
        "status": {"conditions": [condition("Ready", "True", "ClusterIsReady")]},
    })
}

pub fn cnpg_backup() -> Value {
    json!({
        "apiVersion": "postgresql.cnpg.io/v1", "kind": "Backup",
        "metadata": {"name": "pg-1", "namespace": SHOP},
        "spec": {"cluster": {"name": "pg"}, "method": "barmanObjectStore"},
        "status": {"phase": "completed", "startedAt": RECENT, "stoppedAt": RECENT},
    })
}

pub fn cnpg_schedule() -> Value {
    json!({
        "apiVersion": "postgresql.cnpg.io/v1", "kind": "ScheduledBackup",
        "metadata": {"name": "pg", "namespace": SHOP},
        "spec": {"schedule": "0 0 2 * * *", "cluster": {"name": "pg"}},
        "status": {"lastScheduleTime": RECENT},
    })
}

pub fn cnpg_store() -> Value {
    json!({
        "apiVersion": "barmancloud.cnpg.io/v1", "kind": "ObjectStore",
        "metadata": {"name": "store", "namespace": SHOP},
        "spec": {"configuration": {"destinationPath": "s3://backups"}},
        "status": {"serverRecoveryWindow": {"pg": {"lastSuccessfulBackupTime": RECENT}}},
    })
}

/// A cluster whose backups the object store plugin makes.
pub fn cnpg_plugin_cluster() -> Value {
    with(
        cnpg_cluster(),
        &json!({"spec": {"plugins": [{
            "name": "barman-cloud.cloudnative-pg.io", "isWALArchiver": true,
            "parameters": {"barmanObjectName": "store"},
        }]}}),
    )
}

pub fn longhorn_volume() -> Value {
    json!({
        "apiVersion": "longhorn.io/v1beta2", "kind": "Volume",
        "metadata": {"name": "pvc-1", "namespace": TOOLS},
        "spec": {"size": "1073741824"},
        "status": {"kubernetesStatus": {"namespace": SHOP, "pvcName": "data", "pvName": format!("pv-data-of-{SHOP}")}},
    })
}

pub fn longhorn_backup() -> Value {
    json!({
        "apiVersion": "longhorn.io/v1beta2", "kind": "Backup",
        "metadata": {"name": "backup-1", "namespace": TOOLS},
        "spec": {"snapshotName": "snap-1"},
        "status": {"state": "Completed", "backupCreatedAt": RECENT, "volumeName": "pvc-1"},
    })
}

pub fn longhorn_job() -> Value {
    json!({
        "apiVersion": "longhorn.io/v1beta2", "kind": "RecurringJob",
        "metadata": {"name": "nightly", "namespace": TOOLS},
        "spec": {
            "name": "nightly", "task": "backup", "cron": "0 2 * * *", "groups": ["default"],
            "retain": 7, "concurrency": 1,
        },
        "status": {"executionCount": 12},
    })
}

pub fn volsync_source() -> Value {
    json!({
        "apiVersion": "volsync.backube/v1alpha1", "kind": "ReplicationSource",
        "metadata": {"name": "data", "namespace": SHOP},
        "spec": {
            "sourcePVC": "data", "trigger": {"schedule": "0 2 * * *"},
            "restic": {"repository": "restic-config", "copyMethod": "Snapshot"},
        },
        "status": {"lastSyncTime": RECENT, "latestMoverStatus": {"result": "Successful"}},
    })
}

pub fn kasten_policy() -> Value {
    json!({
        "apiVersion": "config.kio.kasten.io/v1alpha1", "kind": "Policy",
        "metadata": {"name": "daily", "namespace": TOOLS},
        "spec": {
            "frequency": "@daily", "actions": [{"action": "backup"}],
            "selector": {"matchLabels": {"k10.kasten.io/appNamespace": SHOP}},
        },
    })
}

pub fn kasten_backup() -> Value {
    json!({
        "apiVersion": "actions.kio.kasten.io/v1alpha1", "kind": "BackupAction",
        "metadata": {"name": "scheduled-1", "namespace": SHOP},
        "spec": {"subject": {"name": SHOP, "namespace": SHOP}},
        "status": {
            "state": "Complete", "startTime": RECENT, "endTime": RECENT,
            "restorePoint": {"name": "scheduled-1", "namespace": SHOP},
        },
    })
}

pub fn kasten_restore_point() -> Value {
    json!({
        "apiVersion": "apps.kio.kasten.io/v1alpha1", "kind": "RestorePoint",
        "metadata": {"name": "scheduled-1", "namespace": SHOP},
        "spec": {"restorePointContentRef": {"name": "scheduled-1"}},
    })
}

pub fn kasten_restore() -> Value {
    json!({
        "apiVersion": "actions.kio.kasten.io/v1alpha1", "kind": "RestoreAction",
        "metadata": {"name": "drill", "namespace": "drill"},
        "spec": {
            "subject": {"kind": "RestorePoint", "name": "scheduled-1", "namespace": SHOP},
            "targetNamespace": "drill",
        },
        "status": {"state": "Complete", "startTime": RECENT, "endTime": RECENT},
    })
}

pub fn cron_job() -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {
            "name": "dump", "namespace": SHOP, "labels": {"comptroller.dev/backs-up": "data"},
        },
        "spec": {
            "schedule": "0 2 * * *",
            "jobTemplate": {"spec": {"template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "dump", "image": "dump:1"}],
            }}}},
        },
        "status": {"lastScheduleTime": RECENT, "lastSuccessfulTime": RECENT},
    })
}
