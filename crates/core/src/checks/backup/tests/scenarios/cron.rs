use serde_json::{Value, json};

use super::{Scenario, objects::*};

fn job(patch: Value) -> Vec<Value> {
    vec![with(cron_job(), &patch)]
}

fn annotated(value: &str) -> Vec<Value> {
    job(json!({"metadata": {"labels": null, "annotations": {"comptroller.dev/backs-up": value}}}))
}

pub fn all() -> Vec<Scenario> {
    let rows: Vec<(&str, Vec<Value>, &'static str)> = vec![
        ("a label with the claim", job(json!({})), "pass"),
        ("several claims", annotated("logs, data"), "pass"),
        ("every claim", annotated("*"), "pass"),
        ("other claims", annotated("logs,database"), "NotCovered"),
        ("a job that says nothing", job(json!({"metadata": {"labels": null}})), "NotCovered"),
        ("another namespace", job(json!({"metadata": {"namespace": super::TOOLS}})), "NotCovered"),
        ("too old", job(json!({"status": {"lastSuccessfulTime": OLD}})), "TooOld"),
        (
            "started, not succeeded",
            job(json!({"status": {"lastSuccessfulTime": null}})),
            "NeverSucceeded",
        ),
        ("suspended", job(json!({"spec": {"suspend": true}})), "Paused"),
    ];
    rows.into_iter()
        .map(|(name, objects, expect)| Scenario::claims(&format!("cron: {name}"), objects, expect))
        .collect()
}
