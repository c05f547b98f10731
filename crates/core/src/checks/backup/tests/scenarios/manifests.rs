use serde_json::{Value, json};

use super::{Scenario, objects::*};

/// As it is in a repository: nobody has written a status.
fn written(object: Value) -> Value {
    with(object, &json!({"status": null, "metadata": {"uid": null, "creationTimestamp": null}}))
}

fn claims(name: &str, objects: Vec<Value>, expect: &'static str) -> Scenario {
    let objects = objects.into_iter().map(written).collect();
    let mut scenario = Scenario::claims(&format!("manifests: {name}"), objects, expect).in_files();
    scenario.objects[0] = written(claim());
    scenario
}

pub fn all() -> Vec<Scenario> {
    let exported = |name: &str, objects, expect| {
        Scenario::claims(&format!("exported: {name}"), objects, expect).in_files()
    };
    let paused = with(velero_schedule(), &json!({"spec": {"paused": true}}));
    let nfs = volume_of(json!({"nfs": {"server": "files", "path": "/data"}}));
    let native = json!({"status": {
        "csiVolumeSnapshotsAttempted": null, "csiVolumeSnapshotsCompleted": null,
        "volumeSnapshotsAttempted": 1, "volumeSnapshotsCompleted": 1,
    }});
    let velero = |volume| vec![velero_location(), velero_backup(), volume];
    let mut no_uid = exported(
        "files of a claim without a uid",
        vec![velero_location(), velero_backup(), velero_files()],
        "unknown",
    );
    no_uid.objects[0] = with(claim(), &json!({"metadata": {"uid": null}}));
    vec![
        claims("nothing but the claim", vec![], "unknown"),
        claims("a Velero schedule", vec![velero_schedule()], "unknown"),
        claims("a Velero schedule that is paused", vec![paused], "unknown"),
        claims("a K8up schedule", vec![k8up_schedule()], "unknown"),
        claims("a backup that somebody asks for", vec![velero_backup()], "unknown"),
        claims("a source of VolSync", vec![volsync_source()], "unknown"),
        claims("a Kasten policy", vec![kasten_policy()], "unknown"),
        claims("a job", vec![cron_job()], "unknown"),
        claims("a snapshot", vec![snapshot()], "unknown"),
        Scenario::namespaces("manifests: a namespace", vec![velero_schedule()], "unknown")
            .in_files(),
        Scenario::databases(
            "manifests: a database",
            vec![written(cnpg_cluster()), written(cnpg_schedule())],
            "unknown",
        )
        .in_files(),
        Scenario::databases(
            "manifests: a database alone",
            vec![written(cnpg_cluster())],
            "unknown",
        )
        .in_files(),
        exported("a snapshot of a volume that is there", velero(volume()), "pass"),
        exported("a snapshot, and the volume is not there", velero(namespace()), "unknown"),
        exported(
            "snapshots by a plugin, and a volume of a CSI driver",
            vec![velero_location(), with(velero_backup(), &native), volume()],
            "unknown",
        ),
        exported("no snapshot of NFS, and files may be elsewhere", velero(nfs), "unknown"),
        exported(
            "the files of the claim",
            vec![velero_location(), velero_backup(), velero_files()],
            "pass",
        ),
        no_uid,
        exported(
            "a backup that failed",
            vec![velero_location(), with(velero_backup(), &json!({"status": {"phase": "Failed"}}))],
            "NeverSucceeded",
        ),
        exported("too old", vec![with(k8up_snapshot(), &json!({"spec": {"date": OLD}}))], "TooOld"),
        exported("a snapshot without its content", vec![snapshot()], "unknown"),
        exported("a Kasten backup without its restore point", vec![kasten_backup()], "unknown"),
    ]
}
