use serde_json::{Value, json};

use super::{SHOP, Scenario, objects::*};

/// The good backup with another status and a schedule that runs.
fn ended(status: Value) -> Vec<Value> {
    let status = json!({ "status": status });
    vec![velero_location(), velero_schedule(), with(velero_backup(), &status)]
}

/// The good backup with another spec, and nothing scheduled.
fn made(spec: Value) -> Vec<Value> {
    vec![velero_location(), with(velero_backup(), &json!({ "spec": spec }))]
}

/// The good backup in a location with another status.
fn kept(status: Value) -> Vec<Value> {
    let location = with(velero_location(), &json!({ "status": status }));
    vec![location, velero_schedule(), velero_backup()]
}

fn read_only() -> Value {
    with(velero_location(), &json!({"spec": {"accessMode": "ReadOnly"}}))
}

/// The good backup, written into the cluster an hour after it had ended.
fn synced() -> Value {
    with(velero_backup(), &json!({"metadata": {"creationTimestamp": "2026-11-21T03:00:00Z"}}))
}

fn another_uid(copy: Value) -> Value {
    let uid = "6d1f2c9e-0000-4000-8000-0000000000ff";
    with(
        copy,
        &json!({
            "metadata": {"labels": {"velero.io/pvc-uid": uid}},
            "spec": {"tags": {"pvc-uid": uid}},
        }),
    )
}

pub fn all() -> Vec<Scenario> {
    [outcomes(), locations(), volumes(), scopes(), schedules(), namespaces(), doubts()]
        .into_iter()
        .flatten()
        .collect()
}

fn outcomes() -> Vec<Scenario> {
    let unsuccessful = [
        "New",
        "Queued",
        "ReadyToStart",
        "FailedValidation",
        "InProgress",
        "WaitingForPluginOperations",
        "WaitingForPluginOperationsPartiallyFailed",
        "Finalizing",
        "FinalizingPartiallyFailed",
        "PartiallyFailed",
        "Failed",
        "Deleting",
    ];
    let phases = unsuccessful.map(|phase| {
        let name = format!("velero: a backup that is {phase} is no success");
        Scenario::claims(&name, ended(json!({"phase": phase})), "NeverSucceeded")
    });
    let deleted = with(
        velero_backup(),
        &json!({"metadata": {"deletionTimestamp": RECENT, "finalizers": ["comptroller.dev/test"]}}),
    );
    let older =
        named("daily-1", with(velero_backup(), &json!({"status": {"completionTimestamp": OLD}})));
    let failed = with(velero_backup(), &json!({"status": {"phase": "PartiallyFailed"}}));
    let mut all = vec![
        Scenario::claims("velero: completed, with warnings", ended(json!({})), "pass"),
        Scenario::claims(
            "velero: completed too long ago",
            ended(json!({"completionTimestamp": OLD})),
            "TooOld",
        ),
        Scenario::claims(
            "velero: the schedule's last backup is a run, not a success",
            vec![velero_location(), velero_schedule(), older.clone(), failed],
            "TooOld",
        ),
        Scenario::claims(
            "velero: completed with errors",
            ended(json!({"errors": 2})),
            "NeverSucceeded",
        ),
        Scenario::claims(
            "velero: completed with failed operations",
            ended(json!({"backupItemOperationsFailed": 1})),
            "NeverSucceeded",
        ),
        Scenario::claims(
            "velero: completed at no time",
            ended(json!({"completionTimestamp": null})),
            "NeverSucceeded",
        ),
        Scenario::claims(
            "velero: completed in the future",
            ended(json!({"completionTimestamp": "2026-11-21T13:00:00Z"})),
            "NeverSucceeded",
        ),
        Scenario::claims(
            "velero: completed in the future, within clock skew",
            ended(json!({"completionTimestamp": "2026-11-21T12:04:00Z"})),
            "pass",
        ),
        Scenario::claims(
            "velero: expired",
            ended(json!({"expiration": "2026-11-21T11:00:00Z"})),
            "NeverSucceeded",
        ),
        Scenario::claims(
            "velero: the newest has expired, an older one has not",
            vec![
                velero_location(),
                with(velero_backup(), &json!({"status": {"expiration": "2026-11-21T11:00:00Z"}})),
                with(older, &json!({"status": {"completionTimestamp": "2026-11-20T20:00:00Z"}})),
            ],
            "pass",
        ),
        Scenario::claims(
            "velero: being deleted",
            vec![velero_location(), deleted],
            "NeverSucceeded",
        ),
        Scenario::claims("velero: nothing at all", vec![], "NotCovered"),
    ];
    all.extend(phases);
    all
}

fn locations() -> Vec<Scenario> {
    let elsewhere = named(
        "daily-1",
        with(
            velero_backup(),
            &json!({"spec": {"storageLocation": "copy"}, "status": {"completionTimestamp": "2026-11-21T01:00:00Z"}}),
        ),
    );
    let unavailable = json!({"phase": "Unavailable", "message": "bucket is gone"});
    let mut with_copy = kept(unavailable.clone());
    with_copy.extend([
        elsewhere,
        named("copy", with(velero_location(), &json!({"spec": {"default": false}}))),
    ]);
    let mut old = kept(unavailable.clone());
    old[2] = with(velero_backup(), &json!({"status": {"completionTimestamp": OLD}}));
    vec![
        Scenario::claims(
            "velero: unavailable storage",
            kept(unavailable),
            "StorageLocationUnavailable",
        ),
        Scenario::claims("velero: old backups in unavailable storage", old, "TooOld"),
        Scenario::claims("velero: unavailable storage, and a copy elsewhere", with_copy, "pass"),
        Scenario::claims(
            "velero: nothing of this cluster is written to read-only storage",
            vec![read_only(), velero_backup()],
            "NeverSucceeded",
        ),
        Scenario::claims(
            "velero: what is in read-only storage has the uid of the claim",
            vec![read_only(), velero_backup(), velero_files()],
            "pass",
        ),
        Scenario::claims(
            "velero: found in storage, maybe of another cluster",
            vec![velero_location(), synced()],
            "unknown",
        ),
        Scenario::claims(
            "velero: found in storage, with the uid of the claim",
            vec![velero_location(), synced(), velero_files()],
            "pass",
        ),
        Scenario::claims(
            "velero: found in storage, with the uid of another claim",
            vec![velero_location(), synced(), another_uid(velero_files())],
            "unknown",
        ),
        Scenario::claims(
            "velero: storage that was not validated",
            kept(json!({"phase": null})),
            "unknown",
        ),
        Scenario::claims(
            "velero: storage that does not exist",
            vec![named("other", velero_location()), velero_backup()],
            "StorageLocationUnavailable",
        ),
        Scenario::claims(
            "velero: the default storage",
            made(json!({"storageLocation": null})),
            "pass",
        ),
        Scenario::claims(
            "velero: storage of which nothing is known",
            vec![velero_backup()],
            "unknown",
        ),
    ]
}

fn volumes() -> Vec<Scenario> {
    let none = json!({"csiVolumeSnapshotsAttempted": null, "csiVolumeSnapshotsCompleted": null});
    let without_snapshots = |spec: Value| {
        vec![velero_location(), with(velero_backup(), &json!({"spec": spec, "status": none}))]
    };
    let moved = json!({"spec": {"snapshotMoveData": true}, "status": {
        "csiVolumeSnapshotsAttempted": 0, "csiVolumeSnapshotsCompleted": 0,
        "backupItemOperationsAttempted": 1, "backupItemOperationsCompleted": 1,
    }});
    let policy = json!({"resourcePolicy": {"kind": "configmap", "name": "volumes"}});
    let mut with_policy = made(policy.clone());
    with_policy.push(named("by-hand", velero_backup()));
    vec![
        Scenario::claims(
            "velero: manifests without snapshots",
            without_snapshots(json!({})),
            "NeverSucceeded",
        ),
        Scenario::claims(
            "velero: as many snapshots as attempted, none",
            ended(json!({"csiVolumeSnapshotsAttempted": 0, "csiVolumeSnapshotsCompleted": 0})),
            "NeverSucceeded",
        ),
        Scenario::claims(
            "velero: volumes turned off",
            made(json!({"snapshotVolumes": false})),
            "NeverSucceeded",
        ),
        Scenario::claims(
            "velero: fewer snapshots than attempted",
            ended(json!({"csiVolumeSnapshotsAttempted": 3})),
            "NeverSucceeded",
        ),
        Scenario::claims(
            "velero: snapshots of the cloud's disks",
            ended(json!({
                "csiVolumeSnapshotsAttempted": null, "csiVolumeSnapshotsCompleted": null,
                "volumeSnapshotsAttempted": 2, "volumeSnapshotsCompleted": 2,
            })),
            "pass",
        ),
        Scenario::claims(
            "velero: files are to be copied, and no pod mounted the volume",
            without_snapshots(json!({"snapshotVolumes": false, "defaultVolumesToFsBackup": true})),
            "NeverSucceeded",
        ),
        Scenario::claims(
            "velero: files are copied by pods, which are left out",
            without_snapshots(
                json!({"defaultVolumesToFsBackup": true, "excludedResources": ["pods"]}),
            ),
            "NeverSucceeded",
        ),
        Scenario::claims(
            "velero: the snapshot was moved",
            vec![velero_location(), with(velero_backup(), &moved), velero_upload()],
            "pass",
        ),
        Scenario::claims(
            "velero: snapshots were moved, and not of this claim",
            vec![velero_location(), with(velero_backup(), &moved)],
            "NeverSucceeded",
        ),
        Scenario::claims(
            "velero: a resource policy may leave the volume out",
            made(policy),
            "unknown",
        ),
        Scenario::claims("velero: a resource policy, and a backup without", with_policy, "pass"),
    ]
}

fn scopes() -> Vec<Scenario> {
    let labelled = |labels: Value| {
        let mut scenario = Scenario::claims("", made(json!({})), "NotCovered");
        scenario.objects[0] = with(claim(), &json!({"metadata": {"labels": labels}}));
        scenario
    };
    let excluded_namespace = with(
        namespace(),
        &json!({"metadata": {"labels": {"velero.io/exclude-from-backup": "true"}}}),
    );
    let db = json!({"matchLabels": {"app": "db"}});
    let web = json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]});
    let mut all = vec![
        Scenario {
            name: "velero: the claim's label leaves it out".to_owned(),
            ..labelled(json!({"velero.io/exclude-from-backup": "true"}))
        },
        Scenario {
            name: "velero: the label leaves out with true only".to_owned(),
            expect: "pass",
            ..labelled(json!({"velero.io/exclude-from-backup": "false"}))
        },
        Scenario::claims(
            "velero: the namespace's label leaves its claims out",
            [made(json!({})), vec![excluded_namespace]].concat(),
            "NotCovered",
        ),
    ];
    let rows: [(&str, Value, &'static str); 15] = [
        ("all namespaces", json!({"includedNamespaces": null}), "pass"),
        ("its namespace", json!({"includedNamespaces": ["web", SHOP]}), "pass"),
        ("another namespace", json!({"includedNamespaces": ["web"]}), "NotCovered"),
        ("a pattern that fits", json!({"includedNamespaces": [format!("{SHOP}*")]}), "pass"),
        (
            "a pattern that does not",
            json!({"includedNamespaces": [format!("{SHOP}-?")]}),
            "NotCovered",
        ),
        ("its namespace excluded", json!({"excludedNamespaces": [SHOP]}), "NotCovered"),
        (
            "excluded by a pattern not evaluated",
            json!({"excludedNamespaces": [format!("[a-z]{SHOP}")]}),
            "NotCovered",
        ),
        ("claims excluded", json!({"excludedResources": ["persistentvolumeclaims"]}), "NotCovered"),
        (
            "claims excluded by their short name",
            json!({"excludedNamespaceScopedResources": ["pvc"]}),
            "NotCovered",
        ),
        ("only pods included", json!({"includedResources": ["pods"]}), "NotCovered"),
        (
            "claims included",
            json!({"includedNamespaceScopedResources": ["persistentVolumeClaims", "pods"]}),
            "pass",
        ),
        ("labels that fit", json!({"labelSelector": db}), "pass"),
        ("labels that do not", json!({"labelSelector": web}), "NotCovered"),
        ("one of several label selectors", json!({"orLabelSelectors": [web, db]}), "pass"),
        ("none of several label selectors", json!({"orLabelSelectors": [web]}), "NotCovered"),
    ];
    all.extend(rows.into_iter().map(|(name, spec, expect)| {
        Scenario::claims(&format!("velero: {name}"), made(spec), expect)
    }));
    all
}

fn schedules() -> Vec<Scenario> {
    let paused = with(velero_schedule(), &json!({"spec": {"paused": true}}));
    let refused = with(
        velero_schedule(),
        &json!({"status": {"phase": "FailedValidation", "validationErrors": ["bad cron"]}}),
    );
    let manifests =
        with(velero_schedule(), &json!({"spec": {"template": {"snapshotVolumes": false}}}));
    let elsewhere =
        with(velero_schedule(), &json!({"spec": {"template": {"includedNamespaces": ["web"]}}}));
    let good = [velero_location(), velero_backup()];
    vec![
        Scenario::claims(
            "velero: scheduled, and nothing yet",
            vec![velero_schedule()],
            "NeverSucceeded",
        ),
        Scenario::claims(
            "velero: the only schedule is paused, whatever the last success",
            [vec![paused.clone()], good.to_vec()].concat(),
            "Paused",
        ),
        Scenario::claims(
            "velero: paused before the first success",
            vec![paused.clone()],
            "NeverSucceeded, Paused",
        ),
        Scenario::claims(
            "velero: paused, and another schedule runs",
            [vec![paused.clone(), named("weekly", velero_schedule())], good.to_vec()].concat(),
            "pass",
        ),
        Scenario::claims(
            "velero: paused, and a schedule for others runs",
            [vec![paused.clone(), named("weekly", elsewhere.clone())], good.to_vec()].concat(),
            "Paused",
        ),
        Scenario::claims(
            "velero: paused, and another tool made a snapshot",
            [vec![paused, snapshot(), content()], good.to_vec()].concat(),
            "pass",
        ),
        Scenario::claims("velero: a schedule that Velero refuses", vec![refused], "NeverSucceeded"),
        Scenario::claims("velero: a schedule for manifests", vec![manifests], "NotCovered"),
        Scenario::claims("velero: a schedule for another namespace", vec![elsewhere], "NotCovered"),
    ]
}

fn namespaces() -> Vec<Scenario> {
    let no_data = json!({"csiVolumeSnapshotsAttempted": 0, "csiVolumeSnapshotsCompleted": 0});
    let manifests = vec![velero_location(), with(velero_backup(), &json!({"status": no_data}))];
    let excluded =
        with(claim(), &json!({"metadata": {"labels": {"velero.io/exclude-from-backup": "true"}}}));
    vec![
        Scenario::namespaces(
            "velero: a namespace without claims needs no volumes",
            manifests.clone(),
            "pass",
        ),
        Scenario::namespaces(
            "velero: a namespace with claims does",
            [manifests.clone(), vec![claim()]].concat(),
            "NeverSucceeded",
        ),
        Scenario::namespaces(
            "velero: a claim that is left out on purpose needs none",
            [manifests, vec![excluded]].concat(),
            "pass",
        ),
        Scenario::namespaces(
            "velero: a namespace with claims, with data",
            [made(json!({})), vec![claim()]].concat(),
            "pass",
        ),
        Scenario::namespaces(
            "velero: some objects are not the namespace",
            made(json!({"labelSelector": {"matchLabels": {"app": "db"}}})),
            "NotCovered",
        ),
        Scenario::namespaces(
            "velero: some kinds are not the namespace",
            made(json!({"includedResources": ["configmaps"]})),
            "NotCovered",
        ),
        Scenario::namespaces(
            "velero: kinds left out on purpose don't count",
            made(json!({"excludedResources": ["events"]})),
            "pass",
        ),
        Scenario::namespaces("velero: a namespace that nothing covers", vec![], "NotCovered"),
    ]
}

fn doubts() -> Vec<Scenario> {
    let malformed = json!({
        "apiVersion": "velero.io/v1", "kind": "Backup",
        "metadata": {"name": "odd", "namespace": super::TOOLS},
        "spec": {"includedNamespaces": "everything"},
    });
    vec![
        Scenario::claims(
            "malformed: a backup that may be about the claim",
            vec![malformed.clone()],
            "unknown",
        ),
        Scenario::claims(
            "malformed: a backup that can't be read, and one that can",
            [made(json!({})), vec![malformed]].concat(),
            "pass",
        ),
        Scenario::databases("no database, no population", vec![], "none"),
    ]
}
