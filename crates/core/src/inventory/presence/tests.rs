use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::inventory::{Interner, ObjectSource, ResourceType, program::Program, program::run_all};

fn resource(group: &str, kind: &str) -> ResourceType {
    ResourceType {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        plural: format!("{}s", kind.to_lowercase()),
        namespaced: true,
    }
}

fn probe() -> PresenceProbe {
    PresenceProbe {
        names: Vec::new(),
        selector: Selector::default(),
        healthy: None,
        dated: false,
        timestamp: None,
    }
}

fn probed(probe: PresenceProbe, group: &str, kind: &str, object: &Value) -> ProgramResult {
    let (resource, interner) = (resource(group, kind), Arc::<Interner>::default());
    let name = object["metadata"]["name"].as_str().unwrap_or("x");
    let whole = WholeObject::new(object, &resource, ("a", name), ObjectSource::Cluster, &interner);
    run_all(std::iter::once(&Program::Presence(probe)), &whole).into_vec().remove(0)
}

/// What is said of an object with this spec and status; None when it is not there.
fn health(group: &str, kind: &str, spec: Value, status: Value) -> Option<Health> {
    let object =
        json!({"metadata": {"name": "x", "generation": 3}, "spec": spec, "status": status});
    match probed(probe(), group, kind, &object) {
        ProgramResult::Presence(presence) => Some(presence.health),
        _ => None,
    }
}

#[test]
fn health_depends_on_the_kind() {
    let condition = |of: &str, status: &str| json!({"conditions": [{"type": of, "status": status, "reason": "R", "message": "m"}]});
    let ok = Some("");
    for (group, kind, spec, status, expected) in [
        (
            "apps",
            "DaemonSet",
            json!({}),
            json!({"desiredNumberScheduled": 5, "numberReady": 5}),
            ok,
        ),
        (
            "apps",
            "DaemonSet",
            json!({}),
            json!({"desiredNumberScheduled": 5, "numberReady": 3}),
            Some("is ready on 3 of 5 nodes"),
        ),
        ("apps", "DaemonSet", json!({}), json!({}), Some("is scheduled on no node")),
        ("apps", "Deployment", json!({"replicas": 2}), condition("Available", "True"), ok),
        (
            "apps",
            "Deployment",
            json!({"replicas": 2}),
            condition("Available", "False"),
            Some("is not available: 0 of 2 replicas are"),
        ),
        (
            "apps",
            "Deployment",
            json!({"replicas": 0}),
            condition("Available", "True"),
            Some("is scaled to zero"),
        ),
        ("apps", "StatefulSet", json!({"replicas": 3}), json!({"readyReplicas": 3}), ok),
        (
            "apps",
            "StatefulSet",
            json!({"replicas": 3}),
            json!({"readyReplicas": 3, "availableReplicas": 2}),
            Some("has 2 of 3 replicas available"),
        ),
        ("batch", "Job", json!({}), condition("Complete", "True"), ok),
        ("batch", "Job", json!({}), condition("Failed", "True"), Some("failed: R: m")),
        // Not there yet, and not failed.
        ("batch", "Job", json!({}), json!({"active": 1}), None),
        ("batch", "CronJob", json!({}), json!({"lastSuccessfulTime": "2026-11-30T00:00:00Z"}), ok),
        ("batch", "CronJob", json!({}), json!({}), Some("has never succeeded")),
        (
            "batch",
            "CronJob",
            json!({"suspend": true}),
            json!({"lastSuccessfulTime": "2026-11-30T00:00:00Z"}),
            Some("is suspended: set spec.suspend to false"),
        ),
        ("cert-manager.io", "Certificate", json!({}), condition("Ready", "True"), ok),
        (
            "cert-manager.io",
            "Certificate",
            json!({}),
            condition("Ready", "False"),
            Some("has the condition Ready False: R: m"),
        ),
        (
            "x.io",
            "X",
            json!({}),
            condition("Ready", "eh"),
            Some("has the condition Ready Unknown: R: m"),
        ),
        ("x.io", "X", json!({}), condition("Stalled", "True"), Some("is stalled: R: m")),
        (
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            json!({}),
            condition("Established", "False"),
            Some("has the condition Established False: R: m"),
        ),
        ("networking.k8s.io", "NetworkPolicy", json!({}), json!(null), ok),
        ("x.io", "X", json!({}), json!({"conditions": "hostile"}), ok),
    ] {
        let what = format!("{kind} {spec} {status}");
        let expected = expected.map(|text| {
            if text.is_empty() { Health::Healthy } else { Health::Unhealthy(text.into()) }
        });
        assert_eq!(health(group, kind, spec, status), expected, "{what}");
    }
    for kind in ["DaemonSet", "Deployment", "Other"] {
        let behind = health(
            "apps",
            kind,
            json!({}),
            json!({"observedGeneration": 2, "desiredNumberScheduled": 1, "numberReady": 1}),
        );
        assert!(matches!(behind, Some(Health::Undecided(_))), "{kind}: {behind:?}");
    }
}

#[test]
fn names_labels_and_deletion_decide_what_is_there() {
    let object = |extra: Value| {
        let mut metadata = json!({"name": "fluent-bit", "labels": {"app": "logs"}});
        metadata.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        json!({"metadata": metadata})
    };
    let there = |probe, extra| {
        let result = probed(probe, "", "ConfigMap", &object(extra));
        matches!(result, ProgramResult::Presence(_))
    };
    let named = |pattern: &str| PresenceProbe { names: vec![WildMatch::new(pattern)], ..probe() };
    assert!(there(probe(), json!({})));
    assert!(there(named("fluent-*"), json!({})));
    assert!(!there(named("vector"), json!({})));
    let selector = serde_json::from_value(json!({"matchLabels": {"app": "logs"}})).unwrap();
    let labelled = || PresenceProbe { selector: Selector::compile(&selector).unwrap(), ..probe() };
    assert!(there(labelled(), json!({})));
    assert!(!there(labelled(), json!({"labels": null})));
    assert!(!there(probe(), json!({"deletionTimestamp": "2026-11-30T00:00:00Z"})));
}

#[test]
fn the_time_is_that_of_a_field_and_a_missing_one_is_not_known() {
    let report = |at: Value| json!({"metadata": {"name": "r", "creationTimestamp": "2026-11-01T00:00:00Z"}, "report": {"updateTimestamp": at}});
    let dated = |path: Option<&str>, at: Value| {
        let timestamp = path.map(str::to_owned);
        match probed(PresenceProbe { dated: true, timestamp, ..probe() }, "x.io", "X", &report(at))
        {
            ProgramResult::Presence(presence) => *presence,
            other => panic!("{other:?}"),
        }
    };
    let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let field = Some("report.updateTimestamp");
    let found = dated(field, json!("2026-11-30T00:00:00Z"));
    assert_eq!((found.at, found.health), (at("2026-11-30T00:00:00Z"), Health::Healthy));
    assert_eq!(dated(None, json!(null)).at, at("2026-11-01T00:00:00Z"));
    for odd in [json!(null), json!("soon"), json!(7), json!({})] {
        let found = dated(field, odd.clone());
        assert!(matches!(found.health, Health::Undecided(_)) && found.at.is_none(), "{odd}");
    }
}
