use serde_json::{Value, json};

use super::{Scenario, objects::*};

fn ended(conditions: &[Value]) -> Vec<Value> {
    vec![k8up_schedule(), with(k8up_backup(), &json!({"status": {"conditions": conditions}}))]
}

pub fn all() -> Vec<Scenario> {
    let succeeded = condition("Completed", "True", "Succeeded");
    let web = json!({"labelSelectors": [{"matchLabels": {"app": "web"}}]});
    let db =
        json!({"labelSelectors": [{"matchLabels": {"app": "db"}}, {"matchLabels": {"app": "x"}}]});
    let other = with(k8up_snapshot(), &json!({"spec": {"paths": ["/data/logs"]}}));
    let rows: Vec<(&str, Vec<Value>, &'static str)> = vec![
        ("a restic snapshot of the claim", vec![k8up_snapshot()], "pass"),
        (
            "a restic snapshot too old",
            vec![with(k8up_snapshot(), &json!({"spec": {"date": OLD}}))],
            "TooOld",
        ),
        (
            "the backup succeeded, and the repository has only another claim",
            vec![k8up_schedule(), k8up_backup(), other],
            "NeverSucceeded",
        ),
        (
            "output of a command says nothing of claims",
            vec![
                k8up_backup(),
                with(k8up_snapshot(), &json!({"spec": {"paths": ["/shop-db.sql"]}})),
            ],
            "pass",
        ),
        ("a backup that succeeded", vec![k8up_schedule(), k8up_backup()], "pass"),
        (
            "Completed for a failure",
            ended(&[condition("Completed", "True", "Failed")]),
            "NeverSucceeded",
        ),
        ("finished, by the deprecated field", ended(&[]), "NeverSucceeded"),
        ("not completed", ended(&[condition("Completed", "False", "Succeeded")]), "NeverSucceeded"),
        (
            "a command before the backup failed",
            ended(&[succeeded.clone(), condition("PreBackupPodReady", "False", "Failed")]),
            "NeverSucceeded",
        ),
        (
            "commands before the backup ended well",
            ended(&[succeeded, condition("PreBackupPodReady", "True", "Finished")]),
            "pass",
        ),
        (
            "a schedule without backups",
            vec![with(k8up_schedule(), &json!({"spec": {"backup": null}}))],
            "NotCovered",
        ),
        ("labels that don't fit", vec![with(k8up_backup(), &json!({"spec": web}))], "NotCovered"),
        ("labels that fit", vec![with(k8up_backup(), &json!({"spec": db}))], "pass"),
        (
            "another namespace",
            vec![with(k8up_backup(), &json!({"metadata": {"namespace": super::TOOLS}}))],
            "NotCovered",
        ),
    ];
    let mut all: Vec<_> = rows
        .into_iter()
        .map(|(name, objects, expect)| Scenario::claims(&format!("k8up: {name}"), objects, expect))
        .collect();
    all.extend([
        Scenario::namespaces("k8up: a backup of the namespace", vec![k8up_backup()], "pass"),
        Scenario::namespaces(
            "k8up: a backup of some claims is not of the namespace",
            vec![with(k8up_backup(), &json!({"spec": db}))],
            "NotCovered",
        ),
    ]);
    all
}
