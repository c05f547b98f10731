use serde_json::{Value, json};

use super::{Scenario, objects::*};

fn ended(status: Value) -> Vec<Value> {
    vec![longhorn_volume(), longhorn_job(), with(longhorn_backup(), &json!({ "status": status }))]
}

fn scheduled(labels: Value, job: Value) -> Vec<Value> {
    let labels = json!({"metadata": {"labels": labels}});
    vec![with(longhorn_volume(), &labels), with(longhorn_job(), &json!({ "spec": job }))]
}

pub fn all() -> Vec<Scenario> {
    let rows: Vec<(&str, Vec<Value>, &'static str)> = vec![
        ("completed", ended(json!({})), "pass"),
        ("too old", ended(json!({"backupCreatedAt": OLD})), "TooOld"),
        ("an error", ended(json!({"state": "Error", "backupCreatedAt": ""})), "NeverSucceeded"),
        ("not begun", ended(json!({"state": "", "backupCreatedAt": ""})), "NeverSucceeded"),
        ("in progress", ended(json!({"state": "InProgress"})), "NeverSucceeded"),
        ("of another volume", ended(json!({"volumeName": "pvc-2"})), "NeverSucceeded"),
        (
            "of an earlier claim of the same name",
            vec![
                with(
                    longhorn_volume(),
                    &json!({"status": {"kubernetesStatus": {"pvName": "pv-earlier"}}}),
                ),
                longhorn_backup(),
            ],
            "NotCovered",
        ),
        ("a job for snapshots", scheduled(json!({}), json!({"task": "snapshot"})), "NotCovered"),
        ("a job for the default group", scheduled(json!({}), json!({})), "NeverSucceeded"),
        (
            "a job for a group it left",
            scheduled(json!({"recurring-job-group.longhorn.io/gold": "enabled"}), json!({})),
            "NotCovered",
        ),
        (
            "a job for its group",
            scheduled(
                json!({"recurring-job-group.longhorn.io/gold": "enabled"}),
                json!({"groups": ["gold"]}),
            ),
            "NeverSucceeded",
        ),
        (
            "a job by name",
            scheduled(
                json!({"recurring-job.longhorn.io/nightly": "enabled"}),
                json!({"groups": []}),
            ),
            "NeverSucceeded",
        ),
        (
            "a job that is not enabled",
            scheduled(
                json!({"recurring-job.longhorn.io/nightly": "disabled"}),
                json!({"groups": []}),
            ),
            "NotCovered",
        ),
    ];
    rows.into_iter()
        .map(|(name, objects, expect)| {
            Scenario::claims(&format!("longhorn: {name}"), objects, expect)
        })
        .collect()
}
