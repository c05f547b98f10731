use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{entries, import_line, pseudonymized, read_list, record::MAX_PART};

fn event(id: &str, user: &str, verb: &str, object: &Value) -> Value {
    json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata",
        "auditID": id, "stage": "ResponseComplete", "requestURI": "/api/v1/x", "verb": verb,
        "user": {"username": user, "groups": ["system:authenticated"]},
        "objectRef": object, "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": "2026-11-20T09:14:03.123456Z",
        "stageTimestamp": "2026-11-20T09:14:03.223456Z",
    })
}

fn with(mut event: Value, change: &Value) -> Value {
    for (key, value) in change.as_object().unwrap() {
        event[key] = value.clone();
    }
    event
}

fn secrets() -> Value {
    json!({"resource": "secrets", "namespace": "prod", "name": "db", "apiVersion": "v1"})
}

fn reducer() -> Reducer {
    Reducer::new(Limits { facts: 100, identities: 100 }, BreakGlass::default())
}

fn take(reducer: &mut Reducer, event: &Value) -> Outcome {
    let text = event.to_string();
    let event: AuditEvent<'_> = serde_json::from_str(&text).unwrap();
    reducer.take(&event, None)
}

fn user(name: &str) -> Requester {
    Requester { user: name.to_owned(), impersonator: None }
}

#[test]
fn only_the_end_of_a_request_that_was_granted_is_a_use() {
    let fine = event("a", "jane", "get", &secrets());
    for (change, expected) in [
        (json!({}), Outcome::Taken),
        (json!({"stage": "Panic"}), Outcome::Taken),
        (json!({"stage": "RequestReceived", "responseStatus": null}), Outcome::Other),
        (json!({"stage": "ResponseStarted"}), Outcome::Other),
        (json!({"responseStatus": {"code": 403}}), Outcome::Refused),
        (json!({"responseStatus": {"code": 500}}), Outcome::Refused),
        (json!({"responseStatus": {"code": 101}}), Outcome::Taken),
        (json!({"responseStatus": null}), Outcome::Unclear),
        (json!({"responseStatus": {"code": 0}}), Outcome::Unclear),
        (json!({"user": {"username": ""}}), Outcome::Unclear),
        (json!({"verb": ""}), Outcome::Unclear),
        (json!({"stageTimestamp": "yesterday"}), Outcome::Unclear),
        (json!({"impersonatedUser": {"username": ""}}), Outcome::Unclear),
        (json!({"objectRef": null}), Outcome::Other),
        (json!({"objectRef": {"resource": ""}}), Outcome::Other),
    ] {
        let mut reducer = reducer();
        assert_eq!(take(&mut reducer, &with(fine.clone(), &change)), expected, "{change}");
        let (facts, _) = reducer.take_out();
        assert_eq!(facts.is_empty(), expected != Outcome::Taken, "{change}");
    }
}

#[test]
fn a_use_has_a_user_a_right_a_scope_and_a_day() {
    let mut reducer = reducer();
    let pod =
        json!({"resource": "pods", "subresource": "exec", "namespace": "prod", "name": "web"});
    let deployment =
        json!({"resource": "deployments", "apiGroup": "apps", "namespace": "prod", "name": "web"});
    take(&mut reducer, &event("a", "jane", "get", &secrets()));
    take(&mut reducer, &event("b", "jane", "create", &pod));
    take(&mut reducer, &event("c", "jane", "patch", &deployment));
    take(&mut reducer, &event("c", "jane", "patch", &deployment));
    take(&mut reducer, &event("d", "jane", "patch", &deployment));
    let (facts, counts) = reducer.take_out();
    assert_eq!((counts.taken, counts.duplicates, counts.overflow), (4, 1, 0));
    let uses: Vec<String> = facts
        .last_uses
        .iter()
        .map(|fact| {
            let UsedRight { verb, group, resource, namespace } = &fact.right;
            format!("{} {verb} {group}/{resource} {namespace} {}", fact.by.user, fact.day)
        })
        .collect();
    assert_eq!(
        uses,
        [
            "jane create /pods/exec prod 2026-11-20",
            "jane get /secrets prod 2026-11-20",
            "jane patch apps/deployments prod 2026-11-20",
        ]
    );
    let [change] = facts.changes.as_slice() else { panic!("{:?}", facts.changes) };
    assert_eq!((change.name.as_str(), change.count), ("web", 2));
    let kinds: Vec<AccessKind> = facts.accesses.iter().map(|access| access.kind).collect();
    assert_eq!(kinds, [AccessKind::SecretRead, AccessKind::Exec]);
}

#[test]
fn who_impersonates_is_kept_beside_whom() {
    let mut reducer = reducer();
    let binding = json!({"resource": "rolebindings", "apiGroup": "rbac.authorization.k8s.io", "namespace": "prod", "name": "x"});
    let event = with(
        event("a", "jane", "create", &binding),
        &json!({"impersonatedUser": {"username": "system:serviceaccount:ci:deployer"}}),
    );
    assert_eq!(take(&mut reducer, &event), Outcome::Taken);
    let (facts, _) = reducer.take_out();
    let by = Requester {
        user: "system:serviceaccount:ci:deployer".to_owned(),
        impersonator: Some("jane".to_owned()),
    };
    assert_eq!(facts.changes[0].by, by);
    let impersonates = facts.last_uses.iter().find(|fact| fact.by == user("jane")).unwrap();
    let UsedRight { verb, resource, namespace, .. } = &impersonates.right;
    assert_eq!(
        (verb.as_str(), resource.as_str(), namespace.as_str()),
        ("impersonate", "serviceaccounts", "ci")
    );
}

#[test]
fn warnings_are_kept_though_the_request_was_refused() {
    let mut reducer = reducer();
    let notes = json!({"validation.policy.admission.k8s.io/validation_failure":
        r#"[{"message":"no","policy":"p","binding":"b","expressionIndex":0,"validationActions":["Audit"]}]"#});
    let event = with(
        event("a", "jane", "create", &secrets()),
        &json!({"annotations": notes, "responseStatus": {"code": 422}}),
    );
    assert_eq!(take(&mut reducer, &event), Outcome::Refused);
    let (facts, _) = reducer.take_out();
    assert_eq!((facts.len(), facts.warnings[0].policy.as_str()), (1, "p"));
}

#[test]
fn a_use_is_told_once_a_day_and_what_was_not_recorded_is_told_again() {
    let mut reducer = reducer();
    take(&mut reducer, &event("a", "jane", "get", &secrets()));
    let (facts, counts) = reducer.take_out();
    reducer.put_back(facts.clone(), counts);
    let (again, counts) = reducer.take_out();
    assert_eq!((again.last_uses.len(), counts.taken), (1, 1));
    reducer.recorded(&again);
    take(&mut reducer, &event("b", "jane", "get", &secrets()));
    let next_day = json!({"stageTimestamp": "2026-11-21T00:00:00Z"});
    let (facts, _) = reducer.take_out();
    assert_eq!((facts.last_uses.len(), facts.accesses[0].count), (0, 1));
    take(&mut reducer, &with(event("c", "jane", "get", &secrets()), &next_day));
    assert_eq!(reducer.take_out().0.last_uses.len(), 1);
}

#[test]
fn a_time_that_cannot_be_is_not_believed() {
    let now: Timestamp = "2026-11-20T09:15:00Z".parse().unwrap();
    for (time, expected) in [
        ("2026-11-20T09:14:03Z", Outcome::Taken),
        ("2026-11-20T09:19:00Z", Outcome::Taken),
        ("2026-11-20T10:00:00Z", Outcome::Unclear),
        ("2026-11-01T00:00:00Z", Outcome::Unclear),
        ("9999-12-31T00:00:00Z", Outcome::Unclear),
    ] {
        let event = with(event("a", "jane", "get", &secrets()), &json!({"stageTimestamp": time}));
        let text = event.to_string();
        let event: AuditEvent<'_> = serde_json::from_str(&text).unwrap();
        assert_eq!(reducer().take(&event, Some(now)), expected, "{time}");
    }
}

#[test]
fn what_has_no_room_is_counted_and_what_is_known_still_adds_up() {
    let mut reducer = Reducer::new(Limits { facts: 10, identities: 10 }, BreakGlass::default());
    for number in 0..1_000 {
        take(&mut reducer, &event(&number.to_string(), &format!("u{number}"), "get", &secrets()));
    }
    take(&mut reducer, &event("again", "u3", "get", &secrets()));
    let (facts, counts) = reducer.take_out();
    assert_eq!((facts.last_uses.len(), facts.accesses.len()), (10, 10));
    assert_eq!((counts.taken, counts.overflow), (1_001, 2 * 990));
    assert_eq!(facts.accesses.iter().map(|access| access.count).sum::<u64>(), 11);
}

#[test]
fn long_names_take_no_more_room_than_short_ones_may() {
    let mut reducer = Reducer::new(Limits { facts: 100, identities: 10 }, BreakGlass::default());
    for number in 0..100 {
        let long = format!("{number}{}", "\u{fffd}".repeat(100_000));
        let object = json!({"resource": long, "apiGroup": long, "namespace": long, "name": long});
        take(&mut reducer, &event(&number.to_string(), &long, &long, &object));
    }
    let (facts, counts) = reducer.take_out();
    let text = serde_json::to_string(&facts).unwrap();
    assert!(text.len() < 2 * 100 * 512 && !facts.is_empty(), "{}", text.len());
    assert_eq!(counts.overflow + u64::try_from(facts.len()).unwrap(), 100);
}

#[test]
fn entries_are_short_and_name_nobody() {
    let mut reducer = Reducer::new(
        Limits { facts: 5_000, identities: 10 },
        BreakGlass::parse(&["user:jane*"]).unwrap(),
    );
    for number in 0..2_000 {
        let user = format!("jane{number}@corp\u{1b}\"{}", "x".repeat(900));
        take(&mut reducer, &event(&number.to_string(), &user, "get", &secrets()));
    }
    let (facts, counts) = reducer.take_out();
    let hidden = pseudonymized(facts, &|name| format!("person:{:05}", name.len() % 7));
    let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
    let written = entries((from, to), hidden, counts).unwrap();
    assert!(written.len() > 1);
    let total: usize = written.iter().map(|data| data.facts.len()).sum();
    assert_eq!(total, 3 * 2_000);
    assert_eq!(written.iter().map(|data| data.events.taken).sum::<u64>(), 2_000);
    for data in &written {
        let text = serde_json::to_string(data).unwrap();
        assert!(text.len() < MAX_PART + 1_024 && !text.contains("jane"), "{}", text.len());
        assert_eq!(data.digest, data.facts.digest().unwrap());
    }
}

#[test]
fn a_bad_line_says_what_to_do() {
    for (line, reason) in [
        ("no", "each line must be one event"),
        ("{}", "take the events out of what wraps them"),
        (r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1"}"#, ""),
        (
            r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","stage":"ResponseComplete"}"#,
            "stageTimestamp",
        ),
    ] {
        let result = import_line(&mut reducer(), line.as_bytes());
        let said = result.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(said.contains(reason) && said.is_empty() == reason.is_empty(), "{line}: {said}");
    }
}

proptest! {
    #[test]
    fn order_and_repetition_change_nothing(
        picks in prop::collection::vec((0_usize..4, 0_usize..3, 1_u8..28), 0..40),
        seed in any::<u64>(),
    ) {
        let events: Vec<Value> = (0_usize..)
            .zip(&picks)
            .map(|(number, (user, verb, day))| with(
                event(&number.to_string(), ["jane", "sam", "ann", "bob"][*user], ["get", "list", "patch"][*verb], &secrets()),
                &json!({"stageTimestamp": format!("2026-11-{day:02}T09:00:00Z")}),
            ))
            .collect();
        let reduce = |events: &[Value]| {
            let mut reducer = reducer();
            for event in events {
                take(&mut reducer, event);
            }
            reducer.take_out().0
        };
        let mut shuffled: Vec<Value> = events.iter().chain(&events).cloned().collect();
        shuffled.sort_by_key(|event| {
            let text = event.to_string();
            text.bytes().fold(seed, |hash, byte| hash.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        prop_assert_eq!(reduce(&events), reduce(&shuffled));
    }

    #[test]
    fn no_text_breaks_anything(user in ".{0,40}", verb in ".{1,20}", name in ".{0,40}", note in ".{0,40}") {
        let object = json!({"resource": "secrets", "name": name, "namespace": name, "apiGroup": name});
        let event = with(event("a", &user, &verb, &object), &json!({"annotations": {
            "validation.policy.admission.k8s.io/validation_failure": note,
            "authorization.k8s.io/reason": note,
        }}));
        let mut body = String::new();
        write!(body, r#"{{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{event}]}}"#).unwrap();
        let mut reducer = reducer();
        let read = read_list(body.as_bytes(), |event| { reducer.take(event, None); });
        prop_assert_eq!(read.unwrap(), 1);
        let (facts, counts) = reducer.take_out();
        prop_assert!(entries((Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH), facts, counts).is_ok());
    }
}
