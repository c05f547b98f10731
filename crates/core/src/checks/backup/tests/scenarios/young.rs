use serde_json::{Value, json};

use super::{Scenario, objects::*};

fn young(object: Value) -> Value {
    with(object, &json!({"metadata": {"creationTimestamp": YOUNG}}))
}

/// An item that is younger than all that succeeded: of an earlier one of its name, each of them.
fn made_anew(name: &str, mut scenario: Scenario) -> Scenario {
    scenario.objects[0] = young(scenario.objects[0].clone());
    Scenario { name: format!("young: {name}"), ..scenario }
}

fn claims(name: &str, objects: Vec<Value>, expect: &'static str) -> Scenario {
    made_anew(name, Scenario::claims("", objects, expect))
}

pub fn all() -> Vec<Scenario> {
    let velero = || vec![velero_location(), velero_schedule(), velero_backup()];
    let paused = with(velero_schedule(), &json!({"spec": {"paused": true}}));
    let since = json!({"status": {
        "startTimestamp": "2026-11-21T11:10:00Z", "completionTimestamp": "2026-11-21T11:20:00Z",
    }});
    // Longer ago than a day, and younger than the backup of before.
    let old = json!({"metadata": {"creationTimestamp": "2026-11-20T11:00:00Z"}});
    let mut late = Scenario::claims(
        "young: a day is over, and there is still only a backup of before",
        vec![
            velero_location(),
            with(
                velero_backup(),
                &json!({"status": {"startTimestamp": OLD, "completionTimestamp": OLD}}),
            ),
        ],
        "NeverSucceeded",
    );
    late.objects[0] = with(claim(), &old);
    let cluster = |objects, expect| Scenario::databases("", objects, expect);
    vec![
        claims("a backup of before", velero(), "pending"),
        claims("a backup since", vec![velero_location(), with(velero_backup(), &since)], "pass"),
        claims("its files, by its uid", [velero(), vec![velero_files()]].concat(), "pass"),
        claims("a snapshot of before", vec![snapshot(), content()], "pending"),
        claims("a job that succeeded before", vec![cron_job()], "pending"),
        claims("a synchronization of before", vec![volsync_source()], "pending"),
        claims("Kasten before", vec![kasten_backup(), kasten_restore_point()], "pending"),
        claims(
            "a Longhorn volume that may be of an earlier claim",
            vec![
                with(longhorn_volume(), &json!({"status": {"kubernetesStatus": {"pvName": null}}})),
                longhorn_backup(),
            ],
            "pending",
        ),
        claims(
            "a Longhorn volume that is bound to it, and older",
            vec![longhorn_volume(), longhorn_backup()],
            "pass",
        ),
        claims("nothing at all", vec![], "pending"),
        claims("its only schedule is paused", vec![paused], "Paused"),
        claims("in files", velero(), "unknown").in_files(),
        late,
        made_anew("a namespace", Scenario::namespaces("", velero(), "pending")),
        made_anew(
            "a database, and a backup of before",
            cluster(vec![cnpg_cluster(), cnpg_backup()], "pending"),
        ),
        made_anew(
            "a database, and an object store of before",
            cluster(vec![cnpg_plugin_cluster(), cnpg_store()], "pending"),
        ),
        Scenario::claims(
            "a snapshot of another volume",
            vec![
                snapshot(),
                with(content(), &json!({"spec": {"source": {"volumeHandle": "vol-old"}}})),
                volume(),
            ],
            "NeverSucceeded",
        ),
    ]
}
