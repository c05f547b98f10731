use serde_json::{Value, json};

use super::{SHOP, Scenario, objects::*};

fn velero(patch: Value) -> Vec<Value> {
    vec![velero_location(), velero_schedule(), velero_backup(), with(velero_restore(), &patch)]
}

pub fn all() -> Vec<Scenario> {
    [of_velero(), of_others()].into_iter().flatten().map(Scenario::restored).collect()
}

fn of_velero() -> Vec<Scenario> {
    let before = json!({"status": {"completionTimestamp": "2026-08-01T12:00:00Z"}});
    let gone = |namespaces: Value| json!({"spec": {"backupName": "gone", "includedNamespaces": namespaces}});
    let rows: Vec<(&str, Value, &'static str)> = vec![
        ("a restore that completed", json!({}), "pass"),
        ("too long ago", before, "RestoreUntested"),
        ("failed in part", json!({"status": {"phase": "PartiallyFailed"}}), "RestoreUntested"),
        ("completed with errors", json!({"status": {"errors": 1}}), "RestoreUntested"),
        ("still running", json!({"status": {"phase": "InProgress"}}), "RestoreUntested"),
        ("without its volumes", json!({"spec": {"restorePVs": false}}), "RestoreUntested"),
        (
            "of another namespace",
            json!({"spec": {"includedNamespaces": ["web"]}}),
            "RestoreUntested",
        ),
        (
            "of other kinds",
            json!({"spec": {"includedResources": ["configmaps"]}}),
            "RestoreUntested",
        ),
        ("its backup is gone, and it names the namespace", gone(json!([SHOP])), "pass"),
        ("its backup is gone, and it does not", gone(json!(["*"])), "RestoreUntested"),
        (
            "in the future",
            json!({"status": {"completionTimestamp": "2026-11-22T12:00:00Z"}}),
            "RestoreUntested",
        ),
    ];
    let mut all: Vec<_> = rows
        .into_iter()
        .map(|(name, patch, expect)| {
            Scenario::claims(&format!("restore: {name}"), velero(patch), expect)
        })
        .collect();
    let other = named(
        "manifests",
        with(velero_backup(), &json!({"spec": {"includedNamespaces": ["web"]}})),
    );
    let of_other = velero(json!({"spec": {"backupName": "manifests"}}));
    let never = vec![velero_location(), velero_schedule(), velero_backup()];
    let malformed = json!({
        "apiVersion": "velero.io/v1", "kind": "Restore",
        "metadata": {"name": "odd", "namespace": super::TOOLS}, "spec": {"backupName": 1},
    });
    all.extend([
        Scenario::claims(
            "restore: of a backup of others",
            [of_other, vec![other]].concat(),
            "RestoreUntested",
        ),
        Scenario::claims("restore: never", never.clone(), "RestoreUntested"),
        Scenario::claims(
            "restore: nothing to restore is one finding",
            vec![velero_schedule()],
            "NeverSucceeded",
        ),
        Scenario::claims("malformed: a restore", [never, vec![malformed]].concat(), "unknown"),
        Scenario::namespaces("restore: a namespace", velero(json!({})), "pass"),
        Scenario::namespaces(
            "restore: another namespace than this",
            velero(json!({"spec": {"includedNamespaces": ["web"]}})),
            "RestoreUntested",
        ),
    ]);
    all
}

fn of_others() -> Vec<Scenario> {
    let drill = |spec: Value| {
        let patch = json!({
            "metadata": {"name": "drill", "creationTimestamp": "2026-11-01T12:00:00Z"},
            "spec": spec,
        });
        vec![cnpg_cluster(), cnpg_backup(), with(cnpg_cluster(), &patch)]
    };
    let from_backup = json!({"bootstrap": {"recovery": {"backup": {"name": "pg-1"}}}});
    let from_store = |server: &str| {
        json!({
            "bootstrap": {"recovery": {"source": "origin"}},
            "externalClusters": [{"name": "origin", "plugin": {
                "name": "barman-cloud.cloudnative-pg.io",
                "parameters": {"barmanObjectName": "store", "serverName": server},
            }}],
        })
    };
    // The drill is a database as well, and has no backup of its own.
    let selected = |name, objects: Vec<Value>, expect| Scenario::databases(name, objects, expect);
    let unready =
        json!({"status": {"conditions": [condition("Ready", "False", "ClusterIsNotReady")]}});
    let mut failed = drill(from_backup.clone());
    failed[2] = with(failed[2].clone(), &unready);
    vec![
        Scenario::claims("restore: by K8up", vec![k8up_snapshot(), k8up_restore()], "pass"),
        Scenario::claims(
            "restore: by K8up, failed",
            vec![
                k8up_snapshot(),
                with(
                    k8up_restore(),
                    &json!({"status": {"conditions": [condition("Completed", "True", "Failed")]}}),
                ),
            ],
            "RestoreUntested",
        ),
        Scenario::claims(
            "restore: by Kasten",
            vec![kasten_backup(), kasten_restore_point(), kasten_restore()],
            "pass",
        ),
        Scenario::claims("restore: files may lack the drill", vec![k8up_snapshot()], "unknown")
            .in_files(),
        selected(
            "restore: a cluster recovered from a backup",
            drill(from_backup),
            "pass; drill NotCovered",
        ),
        selected(
            "restore: a cluster recovered from the store",
            drill(from_store("pg")),
            "pass; drill NotCovered",
        ),
        selected(
            "restore: a cluster recovered from another's backups",
            drill(from_store("other")),
            "RestoreUntested; drill NotCovered",
        ),
        selected(
            "restore: a recovered cluster that never became ready",
            failed,
            "RestoreUntested; drill NotCovered",
        ),
        selected("restore: a database", vec![cnpg_cluster(), cnpg_backup()], "RestoreUntested"),
    ]
}
