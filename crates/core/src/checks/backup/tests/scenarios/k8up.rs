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
            "unknown",
        ),
        (
            "a backup that succeeded does not say of what",
            vec![k8up_schedule(), k8up_backup()],
            "unknown",
        ),
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
            [
                ended(&[succeeded, condition("PreBackupPodReady", "True", "Finished")]),
                vec![k8up_snapshot()],
            ]
            .concat(),
            "pass",
        ),
        (
            "a schedule without backups",
            vec![with(k8up_schedule(), &json!({"spec": {"backup": null}}))],
            "NotCovered",
        ),
        ("labels that don't fit", vec![with(k8up_backup(), &json!({"spec": web}))], "NotCovered"),
        ("labels that fit", vec![with(k8up_backup(), &json!({"spec": db}))], "unknown"),
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
    all.extend(marked());
    all.extend(namespaces(&db));
    all
}

/// Claims that K8up passes over, or that were made after it ran.
fn marked() -> Vec<Scenario> {
    let marked = |name: &str, claim_patch: Value, objects: Vec<Value>, expect| {
        let mut scenario = Scenario::claims(&format!("k8up: {name}"), objects, expect);
        scenario.objects[0] = with(claim(), &claim_patch);
        scenario
    };
    let annotated = |value: &str| json!({"metadata": {"annotations": {"k8up.io/backup": value}}});
    let pod_only = json!({"spec": {"accessModes": ["ReadWriteOncePod"]}});
    let young = json!({"metadata": {"creationTimestamp": YOUNG}});
    let ran = || vec![k8up_schedule(), k8up_backup()];
    vec![
        marked("an annotation forbids it", annotated("false"), ran(), "NeverSucceeded"),
        marked(
            "an annotation that is no truth value forbids it",
            annotated("yes"),
            ran(),
            "NeverSucceeded",
        ),
        marked("an annotation asks for it", annotated("1"), ran(), "unknown"),
        marked(
            "what it forbids is not scheduled",
            annotated("False"),
            vec![k8up_schedule()],
            "NotCovered",
        ),
        marked("a claim for one pod is passed over", pod_only.clone(), ran(), "NeverSucceeded"),
        marked(
            "a snapshot counts whatever the annotation says by now",
            annotated("false"),
            vec![k8up_snapshot()],
            "pass",
        ),
        marked("a snapshot of an earlier claim", young, vec![k8up_snapshot()], "pending"),
        marked("in files, forbidden", annotated("false"), ran(), "NeverSucceeded").in_files(),
    ]
}

fn namespaces(db: &Value) -> Vec<Scenario> {
    let logs = || named("logs", claim());
    let of_logs =
        || named("9a8b7c6d", with(k8up_snapshot(), &json!({"spec": {"paths": ["/data/logs"]}})));
    vec![
        Scenario::namespaces(
            "k8up: each claim of the namespace has a snapshot",
            vec![claim(), logs(), k8up_backup(), k8up_snapshot(), of_logs()],
            "pass",
        ),
        Scenario::namespaces(
            "k8up: a claim of the namespace has none",
            vec![claim(), logs(), k8up_backup(), k8up_snapshot()],
            "NeverSucceeded",
        ),
        Scenario::namespaces(
            "k8up: one that is forbidden needs none",
            vec![
                claim(),
                with(logs(), &json!({"metadata": {"annotations": {"k8up.io/backup": "false"}}})),
                k8up_backup(),
                k8up_snapshot(),
            ],
            "pass",
        ),
        Scenario::namespaces(
            "k8up: a namespace without claims has nothing that it keeps",
            vec![k8up_backup()],
            "NotCovered",
        ),
        Scenario::namespaces(
            "k8up: a backup of some claims is not of the namespace",
            vec![claim(), with(k8up_backup(), &json!({"spec": db}))],
            "NotCovered",
        ),
    ]
}
