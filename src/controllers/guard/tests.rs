use kube::core::DeserializeGuard;
use serde::de::DeserializeOwned;

use super::*;
use std::sync::Arc;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn applied<K: Resource<DynamicType = ()> + DeserializeOwned>(object: Value) -> EngineEvent<K> {
    let DeserializeGuard(read) = serde_json::from_value(object).unwrap();
    ObjectEvent::Applied(read.map(Arc::new))
}

/// The shipped objects of a kind, as an API server would have them.
fn objects(kind: &str) -> Vec<Value> {
    let of_kind = shipped().iter().filter(|one| one.kind == kind);
    of_kind
        .map(|one| {
            json!({
                "metadata": {
                    "name": one.name, "uid": format!("{}-1", one.name), "generation": 1,
                    "creationTimestamp": at(0).to_string(),
                },
                "spec": one.spec,
            })
        })
        .collect()
}

fn listed<K>(kind: &str) -> EngineEvent<K> {
    ObjectEvent::Listed(
        objects(kind)
            .iter()
            .map(|one| one["metadata"]["name"].as_str().unwrap().to_owned())
            .collect(),
    )
}

/// All guards in force, as a process learns of them at second 100.
fn guarded(log: &LogState) -> Guards {
    let mut guards = Guards::new("comptroller-system");
    guards.recall(log, at(100));
    for object in objects(POLICY) {
        guards.take(GuardEvent::Policy(applied(object)), at(100));
    }
    guards.take(GuardEvent::Policy(listed(POLICY)), at(100));
    for object in objects(BINDING) {
        guards.take(GuardEvent::Binding(applied(object)), at(100));
    }
    guards.take(GuardEvent::Binding(listed(BINDING)), at(100));
    guards
}

fn phase(guards: &mut Guards, kind: &'static str, name: &str) -> (Option<String>, Value) {
    let mut governed = GovernedObjects::default();
    guards.changed = true;
    guards.govern(&mut governed);
    let all = governed.unrecorded();
    let object =
        all.iter().find(|one| one.record.kind == kind && one.record.key.name == name).unwrap();
    (object.record.phase.clone(), object.spec.clone().unwrap())
}

const EXCEPTION: &str = "comptroller-exception-author";

#[test]
fn guards_that_are_as_shipped_bind_since_they_were_created() {
    let guards = guarded(&LogState::default());
    let authors = guards.authors();
    for history in [&authors.attestations, &authors.exceptions, &authors.responses] {
        assert_eq!(history.covers_second(at(50)), Some(true));
        assert_eq!(history.covers_second(at(1)), None);
    }
}

#[test]
fn a_binding_that_is_gone_for_three_seconds_is_told_and_counts() {
    let mut guards = guarded(&LogState::default());
    let (before, spec) = phase(&mut guards, BINDING, EXCEPTION);
    assert_eq!(before.as_deref(), Some("InForce"));
    assert_eq!(spec["inForceSince"], at(2).to_string());
    assert!(guards.take(GuardEvent::Binding(ObjectEvent::Deleted(EXCEPTION.to_owned())), at(200)));
    let (gone, spec) = phase(&mut guards, BINDING, EXCEPTION);
    assert_eq!(gone.as_deref(), Some("NotInForce"));
    assert_eq!(spec["why"], "it does not exist");
    let mut again =
        objects(BINDING).into_iter().find(|one| one["metadata"]["name"] == EXCEPTION).unwrap();
    again["metadata"]["uid"] = "another".into();
    again["metadata"]["creationTimestamp"] = at(203).to_string().into();
    guards.take(GuardEvent::Binding(applied(again)), at(203));
    assert_eq!(phase(&mut guards, BINDING, EXCEPTION).0.as_deref(), Some("InForce"));
    guards.take(GuardEvent::Binding(ObjectEvent::Confirmed), at(240));
    guards.take(GuardEvent::Policy(ObjectEvent::Confirmed), at(240));
    let history = &guards.authors().exceptions;
    for (second, bound) in [(190, true), (201, false), (204, false), (210, true)] {
        assert_eq!(history.covers_second(at(second)), Some(bound), "{second}");
    }
    assert_eq!(guards.authors().responses.covers_second(at(201)), Some(true));
}

#[test]
fn a_policy_that_lets_more_through_is_not_in_force() {
    let mut guards = guarded(&LogState::default());
    let mut weak =
        objects(POLICY).into_iter().find(|one| one["metadata"]["name"] == EXCEPTION).unwrap();
    weak["spec"]["failurePolicy"] = "Ignore".into();
    weak["metadata"]["generation"] = 2.into();
    assert!(guards.take(GuardEvent::Policy(applied(weak)), at(300)));
    let (phase, spec) = phase(&mut guards, POLICY, EXCEPTION);
    assert_eq!(phase.as_deref(), Some("NotInForce"));
    assert!(spec["why"].as_str().unwrap().starts_with("spec.failurePolicy differs"), "{spec}");
    assert_eq!(guards.authors().exceptions.covers_second(at(300)), Some(false));
}

#[test]
fn nothing_is_governed_before_the_log_was_opened() {
    let mut guards = Guards::new("comptroller-system");
    guards.take(GuardEvent::Policy(listed(POLICY)), at(100));
    let mut governed = GovernedObjects::default();
    guards.govern(&mut governed);
    assert!(governed.unrecorded().is_empty());
    assert_eq!(guards.authors().exceptions.covers_second(at(50)), None);
}

#[test]
fn writers_are_told_and_so_is_that_there_is_no_list_of_them() {
    let mut guards = guarded(&LogState::default());
    let map = json!({
        "metadata": {"name": WRITERS, "uid": "w"},
        "data": {"argocd": "system:serviceaccount:argocd:controller", "import": "hr@corp"},
    });
    guards.take(GuardEvent::ConfigMap(applied(map)), at(100));
    guards.take(GuardEvent::ConfigMap(ObjectEvent::Listed([WRITERS.to_owned()].into())), at(100));
    let (_, spec) = phase(&mut guards, CONFIG, WRITERS);
    assert_eq!(spec["writers"], json!(["hr@corp", "system:serviceaccount:argocd:controller"]));
    assert_eq!(phase(&mut guards, CONFIG, CONFIG_MAP).0.as_deref(), Some("NotInForce"));
}
