use serde_json::{Value, json};

use super::*;

fn now() -> Timestamp {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn control(name: &str, owner: &str, test: &Value, occurrences: &[Value]) -> Control {
    serde_json::from_value(json!({
        "apiVersion": "comptroller.dev/v1alpha1", "kind": "Control", "metadata": {"name": name},
        "spec": {
            "title": "=Do it", "criteria": ["CC3.2"], "owner": owner, "severity": "High",
            "test": {"attestation": test},
        },
        "status": {"occurrences": occurrences},
    }))
    .unwrap()
}

fn occurrence(period: &str, phase: &str, due: &str, event: Option<&str>) -> Value {
    let mut occurrence = json!({
        "period": period, "phase": phase, "ruleDigest": "sha256:0",
        "opens": "2026-10-01T00:00:00Z", "due": due, "graceUntil": due,
    });
    if let Some(name) = event {
        occurrence["event"] = json!({
            "event": "ControlDeleted", "kind": "Control", "name": name, "entry": 7,
            "at": "2026-10-01T00:00:00Z",
        });
    }
    occurrence
}

fn world() -> Vec<Control> {
    let events = json!({
        "on": {"event": "ControlDeleted"}, "openFor": "5d", "requires": ["artifact"],
        "attesters": {"users": ["ann"]},
    });
    vec![
        control(
            "risks",
            "security",
            &json!({"every": "3mo"}),
            &[
                occurrence("2026-Q3", "Missed", "2026-10-01T00:00:00Z", None),
                occurrence("2026-Q4", "Open", "2027-01-01T00:00:00Z", None),
                occurrence("2027-Q1", "Scheduled", "2027-04-01T00:00:00Z", None),
            ],
        ),
        control(
            "deleted",
            "platform",
            &events,
            &[
                occurrence("event-1", "Open", "2026-11-01T00:00:00Z", Some("a")),
                occurrence("event-2", "Completed", "2026-11-01T00:00:00Z", Some("b")),
                occurrence("event-3", "Open", "2026-11-23T00:00:00Z", Some("c")),
            ],
        ),
    ]
}

fn told(whose: Whose<'_>) -> Vec<String> {
    let list = list(&world(), whose, now());
    assert_eq!(list.full, Vec::<String>::new());
    let told = list.items.iter().map(|one| format!("{} {}", one.standing, one.period));
    told.collect()
}

#[test]
fn what_is_overdue_comes_first_and_what_is_closed_not_at_all() {
    let all = ["Overdue event-1", "Open event-3", "Open 2026-Q4"];
    assert_eq!(told(Whose::Everybody), all);
    assert_eq!(told(Whose::User("ann")), all);
    assert_eq!(told(Whose::User("sam")), ["Open 2026-Q4"]);
    assert_eq!(told(Whose::Owner("platform")), ["Overdue event-1", "Open event-3"]);
    assert_eq!(told(Whose::Owner("nobody")), [""; 0]);
}

#[test]
fn each_comes_with_the_command_that_answers_it() {
    let list = list(&world(), Whose::Everybody, now());
    let first = &list.items[0];
    assert_eq!(
        first.command,
        "comptroller attest deleted --period event-1 --summary 'What was done, and the result' --artifact FILE=URI"
    );
    assert_eq!(first.what, "=Do it: ControlDeleted of Control a");
    let mut text = Vec::new();
    table(&list, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("STANDING   DUE"), "{text}");
    assert!(text.contains("\n  comptroller attest risks --period 2026-Q4"), "{text}");
    let mut rows = Vec::new();
    csv(&list.items, &mut rows).unwrap();
    let rows = String::from_utf8(rows).unwrap();
    assert!(rows.contains("'=Do it"), "{rows}");
    let mut values = Vec::new();
    json(&list.items, &mut values).unwrap();
    let values: Value = serde_json::from_slice(&values).unwrap();
    assert_eq!(values[0]["graceUntil"], "2026-11-01T00:00:00Z");
}

#[test]
fn a_status_that_is_full_may_lack_some() {
    let occurrences: Vec<Value> = (1..=SHOWN_OCCURRENCES)
        .map(|n| occurrence(&format!("event-{n}"), "Open", "2026-12-01T00:00:00Z", Some("a")))
        .collect();
    let test = json!({"on": {"event": "ControlDeleted"}, "openFor": "5d"});
    let list = list(&[control("deleted", "o", &test, &occurrences)], Whose::Everybody, now());
    assert_eq!(list.full, ["deleted"]);
}
