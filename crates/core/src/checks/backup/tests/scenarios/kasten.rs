use serde_json::{Value, json};

use super::{Scenario, objects::*};

fn acted(patch: Value) -> Vec<Value> {
    vec![kasten_policy(), with(kasten_backup(), &patch), kasten_restore_point()]
}

fn policy(spec: Value) -> Vec<Value> {
    vec![with(kasten_policy(), &json!({ "spec": spec }))]
}

pub fn all() -> Vec<Scenario> {
    let filters = json!({"includeResources": [{"resource": "statefulsets"}]});
    let rows: Vec<(&str, Vec<Value>, &'static str)> = vec![
        ("complete", acted(json!({})), "pass"),
        ("too old", acted(json!({"status": {"startTime": OLD, "endTime": OLD}})), "TooOld"),
        ("failed", acted(json!({"status": {"state": "Failed"}})), "NeverSucceeded"),
        (
            "running",
            acted(json!({"status": {"state": "Running", "endTime": null}})),
            "NeverSucceeded",
        ),
        ("its restore point is gone", vec![kasten_policy(), kasten_backup()], "NeverSucceeded"),
        ("with filters", acted(json!({"spec": {"filters": filters}})), "unknown"),
        ("with empty filters", acted(json!({"spec": {"filters": {}}})), "pass"),
        ("of what it ignores", acted(json!({"spec": {"ignoreExceptions": true}})), "unknown"),
        (
            "of another namespace",
            acted(json!({"spec": {"subject": {"namespace": "web"}}})),
            "NeverSucceeded",
        ),
        ("a policy that ran never", policy(json!({})), "NeverSucceeded"),
        ("a policy that is paused", policy(json!({"paused": true})), "NeverSucceeded, Paused"),
        ("a policy on demand", policy(json!({"frequency": "@onDemand"})), "NotCovered"),
        ("a policy that imports", policy(json!({"actions": [{"action": "import"}]})), "NotCovered"),
        ("a policy for nothing", policy(json!({"selector": null})), "NotCovered"),
        (
            "a policy for others",
            policy(json!({"selector": {"matchLabels": {"k10.kasten.io/appNamespace": "web"}}})),
            "NotCovered",
        ),
    ];
    let mut all: Vec<_> = rows
        .into_iter()
        .map(|(name, objects, expect)| {
            Scenario::claims(&format!("kasten: {name}"), objects, expect)
        })
        .collect();
    let by_label = policy(json!({"selector": {
        "matchLabels": {"k10.kasten.io/appNamespace": null, "team": "media"},
    }}));
    let labelled = with(namespace(), &json!({"metadata": {"labels": {"team": "media"}}}));
    let young = with(namespace(), &json!({"metadata": {"creationTimestamp": YOUNG}}));
    let mut again =
        Scenario::namespaces("kasten: an earlier namespace", acted(json!({})), "pending");
    again.objects[0] = young;
    all.extend([
        Scenario::namespaces("kasten: a namespace", acted(json!({})), "pass"),
        Scenario::claims(
            "kasten: a policy by the labels of namespaces",
            [by_label, vec![labelled]].concat(),
            "NeverSucceeded",
        ),
        again,
    ]);
    all
}
