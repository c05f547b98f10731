use serde_json::{Value, json};

use super::{Scenario, objects::*};

fn taken(patch: Value) -> Vec<Value> {
    vec![with(snapshot(), &patch), content()]
}

fn bound(patch: Value) -> Vec<Value> {
    vec![snapshot(), with(content(), &patch)]
}

pub fn all() -> Vec<Scenario> {
    let rows: [(&str, Vec<Value>, &'static str); 12] = [
        ("ready and bound both ways", taken(json!({})), "pass"),
        ("too old", taken(json!({"status": {"creationTime": OLD}})), "TooOld"),
        ("not ready", taken(json!({"status": {"readyToUse": false}})), "NeverSucceeded"),
        (
            "failed",
            taken(json!({"status": {"readyToUse": false, "error": {"message": "quota"}}})),
            "NeverSucceeded",
        ),
        (
            "pre-provisioned, of no known claim",
            taken(
                json!({"spec": {"source": {"persistentVolumeClaimName": null, "volumeSnapshotContentName": "x"}}}),
            ),
            "NotCovered",
        ),
        (
            "of another claim",
            taken(json!({"spec": {"source": {"persistentVolumeClaimName": "logs"}}})),
            "NotCovered",
        ),
        (
            "being deleted",
            taken(
                json!({"metadata": {"deletionTimestamp": RECENT, "finalizers": ["comptroller.dev/test"]}}),
            ),
            "NeverSucceeded",
        ),
        ("without its content", vec![snapshot()], "NeverSucceeded"),
        (
            "whose content points elsewhere",
            bound(json!({"spec": {"volumeSnapshotRef": {"name": "other"}}})),
            "NeverSucceeded",
        ),
        (
            "whose content points to an earlier one of its name",
            bound(json!({"spec": {"volumeSnapshotRef": {"uid": "6d1f2c9e-0000"}}})),
            "NeverSucceeded",
        ),
        (
            "whose content is not ready",
            bound(json!({"status": {"readyToUse": false}})),
            "NeverSucceeded",
        ),
        (
            "without uids, as in manifests",
            vec![
                with(snapshot(), &json!({"metadata": {"uid": null}})),
                with(content(), &json!({"spec": {"volumeSnapshotRef": {"uid": null}}})),
            ],
            "pass",
        ),
    ];
    rows.into_iter()
        .map(|(name, objects, expect)| {
            Scenario::claims(&format!("snapshot: {name}"), objects, expect)
        })
        .collect()
}
