use serde_json::{Value, json};

use super::{Scenario, objects::*};

fn source(patch: Value) -> Vec<Value> {
    vec![with(volsync_source(), &patch)]
}

pub fn all() -> Vec<Scenario> {
    let never = json!({"status": {"lastSyncTime": null, "latestMoverStatus": null}});
    let failed =
        json!({"status": {"lastSyncTime": null, "latestMoverStatus": {"result": "Failed"}}});
    let syncthing = json!({"spec": {"restic": null, "syncthing": {"serviceType": "ClusterIP"}}});
    let rows: Vec<(&str, Vec<Value>, &'static str)> = vec![
        ("synchronized", source(json!({})), "pass"),
        ("too long ago", source(json!({"status": {"lastSyncTime": OLD}})), "TooOld"),
        ("not yet", source(never), "NeverSucceeded"),
        ("failed", source(failed), "NeverSucceeded"),
        (
            "a later failure does not undo a success",
            source(json!({"status": {"latestMoverStatus": {"result": "Failed"}}})),
            "pass",
        ),
        ("paused", source(json!({"spec": {"paused": true}})), "Paused"),
        (
            "started by hand",
            source(json!({"spec": {"trigger": {"schedule": null, "manual": "monday"}}})),
            "pass",
        ),
        ("of another claim", source(json!({"spec": {"sourcePVC": "logs"}})), "NotCovered"),
        ("peers that follow each change", source(syncthing), "NeverSucceeded"),
        (
            "in another namespace",
            source(json!({"metadata": {"namespace": super::TOOLS}})),
            "NotCovered",
        ),
    ];
    rows.into_iter()
        .map(|(name, objects, expect)| {
            Scenario::claims(&format!("volsync: {name}"), objects, expect)
        })
        .collect()
}
