use serde_json::{Value, json};

use super::{SHOP, Scenario, objects::*};

/// The good backup of two days' claims, with another status.
fn backup(status: Value) -> Vec<Value> {
    vec![velero_location(), with(velero_backup(), &json!({ "status": status }))]
}

/// What a backup says that took this many CSI snapshots.
fn csi(number: u32) -> Value {
    json!({"csiVolumeSnapshotsAttempted": number, "csiVolumeSnapshotsCompleted": number})
}

/// Another claim with the volume behind it.
fn other_claim() -> Vec<Value> {
    let name = format!("pv-logs-of-{SHOP}");
    vec![
        with(named("logs", claim()), &json!({"spec": {"volumeName": name}})),
        with(named(&name, volume()), &json!({"spec": {"claimRef": {"name": "logs"}}})),
    ]
}

/// Only the first claim is judged here: the other has a snapshot of its own.
fn with_other(objects: Vec<Value>) -> Vec<Value> {
    let content = format!("content-of-logs-of-{SHOP}");
    let of_logs = [
        with(
            named("logs-nightly", snapshot()),
            &json!({
                "spec": {"source": {"persistentVolumeClaimName": "logs"}},
                "status": {"boundVolumeSnapshotContentName": content},
            }),
        ),
        with(
            named(&content, self::content()),
            &json!({"spec": {"volumeSnapshotRef": {"name": "logs-nightly"}}}),
        ),
    ];
    [objects, other_claim(), of_logs.to_vec()].concat()
}

pub fn all() -> Vec<Scenario> {
    [by_snapshots(), by_copies(), by_number(), namespaces()].into_iter().flatten().collect()
}

fn by_snapshots() -> Vec<Scenario> {
    let nfs = volume_of(json!({"nfs": {"server": "files", "path": "/data"}}));
    let host_path = volume_of(json!({"hostPath": {"path": "/data"}}));
    let disk = volume_of(json!({"awsElasticBlockStore": {"volumeID": "vol-1"}}));
    let native = json!({
        "csiVolumeSnapshotsAttempted": null, "csiVolumeSnapshotsCompleted": null,
        "volumeSnapshotsAttempted": 1, "volumeSnapshotsCompleted": 1,
    });
    let without_volumes = with(
        velero_backup(),
        &json!({"spec": {"includeClusterResources": false}, "status": native}),
    );
    let later = with(volume(), &json!({"metadata": {"creationTimestamp": YOUNG}}));
    let elsewhere = with(volume(), &json!({"spec": {"claimRef": {"namespace": "web"}}}));
    let policy = with(
        velero_backup(),
        &json!({"metadata": {"annotations": {
            "velero.io/global-backup-volume-policy-configmap": "policy",
        }}}),
    );
    let rows: Vec<(&str, Vec<Value>, Vec<Value>, &'static str)> = vec![
        ("a CSI volume, a CSI snapshot", backup(json!({})), vec![volume()], "pass"),
        ("NFS", backup(json!({})), vec![nfs.clone()], "NeverSucceeded"),
        ("a path of the node", backup(json!({})), vec![host_path], "NeverSucceeded"),
        ("NFS, and its files were copied", backup(json!({})), vec![nfs, velero_files()], "pass"),
        ("a disk that no CSI driver made", backup(json!({})), vec![disk.clone()], "NeverSucceeded"),
        ("a disk, and a plugin's snapshot", backup(native.clone()), vec![disk.clone()], "pass"),
        (
            "plugins take snapshots with the PersistentVolume, which was left out",
            vec![velero_location(), without_volumes],
            vec![disk],
            "NeverSucceeded",
        ),
        ("a volume that came later", backup(json!({})), vec![later], "NeverSucceeded"),
        ("a volume of another claim is not known", backup(json!({})), vec![elsewhere], "pass"),
        (
            "a policy of the cluster",
            vec![velero_location(), policy.clone()],
            vec![volume()],
            "unknown",
        ),
        (
            "a policy of the cluster, and its files were copied",
            vec![velero_location(), policy],
            vec![volume(), velero_files()],
            "pass",
        ),
    ];
    rows.into_iter()
        .map(|(name, backup, volume, expect)| {
            let objects = [backup, volume].concat();
            Scenario::claims(&format!("velero volumes: {name}"), objects, expect)
        })
        .collect()
}

fn by_copies() -> Vec<Scenario> {
    let no_snapshots =
        json!({"csiVolumeSnapshotsAttempted": null, "csiVolumeSnapshotsCompleted": null});
    let earlier = json!({
        "metadata": {"labels": {"velero.io/pvc-uid": "earlier"}},
        "spec": {"tags": {"pvc-uid": "earlier"}},
    });
    let nameless = json!({"metadata": {"annotations": null}});
    let no_uid = json!({
        "metadata": {"labels": {"velero.io/pvc-uid": null}}, "spec": {"tags": {"pvc-uid": null}},
    });
    let of_another = json!({"metadata": {"labels": {"velero.io/backup-name": "daily-1"}}});
    let by_tag = json!({
        "metadata": {"labels": {"velero.io/pvc-uid": null, "velero.io/backup-name": null}},
    });
    let copied =
        |patch: &Value| [backup(no_snapshots.clone()), vec![with(velero_files(), patch)]].concat();
    let web = json!({"matchLabels": {"app": "web"}});
    let of_pods = |objects: Vec<Value>| {
        let spec = json!({"spec": {"labelSelector": web}, "status": no_snapshots});
        [vec![velero_location(), with(velero_backup(), &spec)], objects].concat()
    };
    let rows: Vec<(&str, Vec<Value>, &'static str)> = vec![
        ("the files of the claim", copied(&json!({})), "pass"),
        ("the uid says which claim", copied(&nameless), "pass"),
        ("tags say it as well", copied(&by_tag), "pass"),
        ("without a uid, the name does", copied(&no_uid), "pass"),
        ("files of an earlier claim", copied(&earlier), "NeverSucceeded"),
        ("files as part of another backup", copied(&of_another), "NeverSucceeded"),
        ("files of another claim", copied(&with(nameless.clone(), &earlier)), "NeverSucceeded"),
        (
            "files that were not copied to the end",
            copied(&json!({"status": {"phase": "Canceled"}})),
            "NeverSucceeded",
        ),
        ("still copying", copied(&json!({"status": {"phase": "InProgress"}})), "NeverSucceeded"),
        (
            "files of a pod whose labels fit, and not those of the claim",
            of_pods(vec![velero_files()]),
            "pass",
        ),
        ("labels that fit neither", of_pods(vec![]), "NotCovered"),
        (
            "the newest has none, the one before has",
            [
                backup(no_snapshots.clone()),
                vec![
                    named(
                        "daily-1",
                        with(
                            velero_backup(),
                            &json!({"status": {"completionTimestamp": "2026-11-21T01:00:00Z"}}),
                        ),
                    ),
                    with(named("daily-1-x7k2p", velero_files()), &of_another),
                ],
            ]
            .concat(),
            "pass",
        ),
    ];
    rows.into_iter()
        .map(|(name, objects, expect)| {
            Scenario::claims(&format!("velero copies: {name}"), objects, expect)
        })
        .collect()
}

fn by_number() -> Vec<Scenario> {
    let unbound = |mut scenario: Scenario| {
        scenario.objects[0] = with(claim(), &json!({"spec": {"volumeName": null}}));
        scenario
    };
    let copy_of_other = with(
        velero_files(),
        &json!({
            "metadata": {
                "name": "daily-2-logs", "labels": {"velero.io/pvc-uid": null},
                "annotations": {"velero.io/pvc-name": "logs"},
            },
            "spec": {"tags": {"pvc-uid": null}},
        }),
    );
    let known = |number| [backup(csi(number)), vec![volume()]].concat();
    let young = with_other(known(1))
        .into_iter()
        .map(|object| match object["metadata"]["name"].as_str() {
            Some("logs") => with(object, &json!({"metadata": {"creationTimestamp": YOUNG}})),
            _ => object,
        })
        .collect();
    vec![
        Scenario::claims(
            "velero number: as many snapshots as claims",
            with_other(known(2)),
            "pass; pass",
        ),
        Scenario::claims(
            "velero number: fewer snapshots than claims",
            with_other(known(1)),
            "unknown; pass",
        ),
        Scenario::claims(
            "velero number: a claim whose files were copied needs no snapshot",
            [with_other(known(1)), vec![copy_of_other]].concat(),
            "pass; pass",
        ),
        // The snapshot of the younger claim is before it was made, too.
        Scenario::claims(
            "velero number: a claim that came later needs none",
            young,
            "pass; pending",
        ),
        unbound(Scenario::claims(
            "velero number: a claim without a volume is in no snapshot",
            with_other(backup(csi(1))),
            "NeverSucceeded; pass",
        )),
    ]
}

fn namespaces() -> Vec<Scenario> {
    let nfs = volume_of(json!({"nfs": {"server": "files", "path": "/data"}}));
    let excluding = |kind: &str| {
        let spec = json!({"spec": {"excludedResources": [kind]}});
        vec![velero_location(), with(velero_backup(), &spec)]
    };
    let young = with(claim(), &json!({"metadata": {"creationTimestamp": YOUNG}}));
    let rows: Vec<(&str, Vec<Value>, &'static str)> = vec![
        ("each claim is in", [backup(csi(1)), vec![claim(), volume()]].concat(), "pass"),
        ("a claim is not in", [backup(csi(1)), vec![claim(), nfs]].concat(), "NeverSucceeded"),
        ("a claim that came later", [backup(csi(0)), vec![young, volume()]].concat(), "pass"),
        ("without secrets", excluding("secrets"), "NeverSucceeded"),
        ("without deployments", excluding("Deployments.apps"), "NeverSucceeded"),
        ("without what is made anew", excluding("replicasets"), "pass"),
    ];
    rows.into_iter()
        .map(|(name, objects, expect)| {
            Scenario::namespaces(&format!("velero namespace: {name}"), objects, expect)
        })
        .collect()
}
