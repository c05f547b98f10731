use serde_json::{Value, json};

use super::{Scenario, objects::*};

fn ended(status: Value) -> Vec<Value> {
    vec![cnpg_cluster(), cnpg_schedule(), with(cnpg_backup(), &json!({ "status": status }))]
}

pub fn all() -> Vec<Scenario> {
    let stale = json!({"status": {"lastSuccessfulBackup": RECENT}});
    let failed = named(
        "pg-2",
        with(cnpg_backup(), &json!({"status": {"phase": "failed", "stoppedAt": null}})),
    );
    let window = |window: Value| {
        let mut store = cnpg_store();
        store["status"]["serverRecoveryWindow"] = window;
        vec![cnpg_plugin_cluster(), store]
    };
    let other_name = json!({"spec": {"plugins": [{
        "name": "barman-cloud.cloudnative-pg.io",
        "parameters": {"barmanObjectName": "store", "serverName": "pg-new"},
    }]}});
    let rows: Vec<(&str, Vec<Value>, &'static str)> = vec![
        ("nothing", vec![cnpg_cluster()], "NotCovered"),
        ("a completed backup", ended(json!({})), "pass"),
        ("a completed backup too old", ended(json!({"stoppedAt": OLD})), "TooOld"),
        ("failed", ended(json!({"phase": "failed"})), "NeverSucceeded"),
        ("running", ended(json!({"phase": "running", "stoppedAt": null})), "NeverSucceeded"),
        ("archiving fails", ended(json!({"phase": "walArchivingFailing"})), "NeverSucceeded"),
        (
            "a later failure does not undo a success",
            [ended(json!({})), vec![failed]].concat(),
            "pass",
        ),
        (
            "a schedule that ran is no success",
            vec![cnpg_cluster(), cnpg_schedule()],
            "NeverSucceeded",
        ),
        (
            "the only schedule is suspended",
            vec![
                cnpg_cluster(),
                cnpg_backup(),
                with(cnpg_schedule(), &json!({"spec": {"suspend": true}})),
            ],
            "Paused",
        ),
        (
            "a backup of another cluster",
            vec![
                cnpg_cluster(),
                with(cnpg_backup(), &json!({"spec": {"cluster": {"name": "other"}}})),
            ],
            "NotCovered",
        ),
        ("the deprecated field, where nothing else is", vec![with(cnpg_cluster(), &stale)], "pass"),
        (
            "the deprecated field of a cluster with a plugin",
            vec![with(cnpg_plugin_cluster(), &stale)],
            "NotCovered",
        ),
        ("the object store's window", vec![cnpg_plugin_cluster(), cnpg_store()], "pass"),
        (
            "the window, as early plugins spell it",
            window(json!({"pg": {"lastSuccussfulBackupTime": RECENT}})),
            "pass",
        ),
        (
            "the window of another server",
            window(json!({"pg-old": {"lastSuccessfulBackupTime": RECENT}})),
            "NotCovered",
        ),
        (
            "the window of a cluster that was renamed",
            vec![with(cnpg_plugin_cluster(), &other_name), cnpg_store()],
            "NotCovered",
        ),
    ];
    let mut all: Vec<_> = rows
        .into_iter()
        .map(|(name, objects, expect)| {
            Scenario::databases(&format!("cnpg: {name}"), objects, expect)
        })
        .collect();
    let mut claims = Scenario::claims("cnpg: a claim of the cluster", ended(json!({})), "pass");
    claims.objects[0] = with(claim(), &json!({"metadata": {"labels": {"cnpg.io/cluster": "pg"}}}));
    let mut orphan =
        Scenario::claims("cnpg: a claim of no cluster", vec![cnpg_backup()], "NotCovered");
    orphan.objects[0] = claims.objects[0].clone();
    all.extend([claims, orphan]);
    all
}
