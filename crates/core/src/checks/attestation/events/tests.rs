//! The life of occurrences that events open.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::{LedgerInputs, OccurrenceLedger, ledger::MAX_CLOSED_EVENTS, rule_digest};
use super::*;
use crate::{
    api::{Occurrence, OccurrencePhase},
    inventory::records::AttestationFacts,
};

struct World {
    rule: AttestationTest,
    ledger: OccurrenceLedger,
    records: Vec<Arc<AttestationFacts>>,
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn test(spec: Value) -> AttestationTest {
    serde_json::from_value(spec).unwrap()
}

fn opened(number: u32, opens: Timestamp) -> Occurrence {
    let due = opens + SignedDuration::from_hours(24);
    serde_json::from_value(json!({
        "period": event_period(number), "phase": "Open", "ruleDigest": "sha256:1",
        "opens": opens, "due": due, "graceUntil": due,
        "event": {"event": "ControlDeleted", "kind": "Control", "name": "a", "entry": number,
                  "at": opens, "notBy": ["person:sam"]},
    }))
    .unwrap()
}

fn record(period: &str, by: &str, recorded: Timestamp) -> Arc<AttestationFacts> {
    Arc::new(AttestationFacts {
        name: format!("{period}-{by}"),
        control: "c".to_owned(),
        period: period.to_owned(),
        attested_by: by.to_owned(),
        recorded_by: None,
        performed_at: recorded,
        recorded_at: Some(recorded),
        outcome: crate::api::AttestationOutcome::Completed,
        version: None,
        participants: Box::default(),
        summary: "Looked at.".into(),
        artifacts: Box::default(),
        corrects: None,
        spec_digest: "sha256:3".to_owned(),
    })
}

impl World {
    fn new() -> Self {
        let rule = test(json!({
            "on": {"event": "ControlDeleted"}, "openFor": "1d", "notBy": [],
        }));
        Self { rule, ledger: OccurrenceLedger::default(), records: Vec::new() }
    }

    fn advance(&mut self, now: Timestamp) -> Vec<(String, OccurrencePhase)> {
        self.ledger.advance(&LedgerInputs {
            rule: &self.rule,
            digest: &rule_digest(&self.rule),
            created: at("2026-01-01T00:00:00Z"),
            records: self.records.iter().collect(),
            waiver: &|_, _| None,
            pseudonym: Some(&|user| format!("person:{user}")),
            now,
        });
        let all = self.ledger.occurrences().iter();
        all.map(|one| (one.period.clone(), one.phase)).collect()
    }
}

#[test]
fn an_event_is_answered_by_whoever_is_not_of_it() {
    let mut world = World::new();
    let opens = at("2026-10-01T00:00:00Z");
    assert!(world.ledger.open(vec![opened(1, opens), opened(2, opens)]));
    assert!(!world.ledger.open(vec![opened(1, opens)]));
    let hour = SignedDuration::from_hours(1);
    world.records =
        vec![record("event-1", "sam", opens + hour), record("event-2", "ann", opens + hour)];
    let told = world.advance(opens + hour);
    let expected = [("event-1", OccurrencePhase::Open), ("event-2", OccurrencePhase::Completed)];
    assert_eq!(told, expected.map(|(period, phase)| (period.to_owned(), phase)));
    let note = &world.ledger.occurrences()[0].records[0].note;
    assert!(note.contains("notBy"), "{note}");
    // It ends a little after its last second, and not by five minutes where it was short.
    let due = opens + hour * 24;
    assert_eq!(world.advance(due)[0].1, OccurrencePhase::Open);
    assert_eq!(world.advance(due + SignedDuration::from_mins(5))[0].1, OccurrencePhase::Missed);
    let mut short = opened(3, opens);
    (short.due, short.grace_until) = {
        let due = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
            opens + SignedDuration::from_secs(20),
        );
        (due.clone(), due)
    };
    world.ledger.open(vec![short]);
    assert_eq!(world.ledger.next_change(), Some(opens + SignedDuration::from_secs(22)));
}

#[test]
fn what_was_missed_stays_missed_and_is_caught_up_with_by_itself_alone() {
    let mut world = World::new();
    let opens = at("2026-10-01T00:00:00Z");
    let day = SignedDuration::from_hours(24);
    world.ledger.open(vec![opened(1, opens), opened(2, opens + day)]);
    world.records = vec![record("event-2", "ann", opens + day * 2 - SignedDuration::from_hours(1))];
    let told = world.advance(opens + day * 2);
    assert_eq!(told[0].1, OccurrencePhase::Missed);
    assert_eq!(told[1].1, OccurrencePhase::Completed);
    let caught_up = |world: &World| super::super::is_caught_up(&world.ledger.occurrences()[0]);
    assert!(!caught_up(&world));
    // Who was kept from attesting is so afterwards.
    world.records.push(record("event-1", "sam", opens + day * 2));
    world.advance(opens + day * 3);
    assert!(!caught_up(&world));
    world.records.push(record("event-1", "ann", opens + day * 3));
    assert_eq!(world.advance(opens + day * 3)[0].1, OccurrencePhase::Missed);
    assert!(caught_up(&world));
}

#[test]
fn what_is_open_is_never_forgotten_and_what_is_closed_only_once_it_is_recorded() {
    let mut world = World::new();
    let opens = at("2026-10-01T00:00:00Z");
    let count = u32::try_from(MAX_CLOSED_EVENTS).unwrap() + 50;
    world.ledger.open((1..=count).map(|number| opened(number, opens)).collect());
    world.ledger.open(vec![opened(count + 1, opens + SignedDuration::from_hours(48))]);
    let hour = SignedDuration::from_hours(25);
    assert_eq!(world.advance(opens + hour).len(), MAX_CLOSED_EVENTS + 51);
    let recorded = world.ledger.occurrences().to_vec();
    world.ledger.confirm(&recorded);
    let told = world.advance(opens + hour);
    assert_eq!(told.len(), MAX_CLOSED_EVENTS + 1);
    assert_eq!(told[0].0, "event-51");
    assert_eq!(told.last().unwrap().1, OccurrencePhase::Open);
}

#[test]
fn events_of_which_nothing_tells_are_refused() {
    let on = |on: Value| check(&test(json!({"on": on, "openFor": "1d"})));
    for event in EventKind::ALL {
        let told = on(json!({"event": event})).err();
        let later = ["PersonJoined", "PersonMoved", "PersonLeft", "BreakGlassUsed"];
        assert_eq!(told.is_some(), later.contains(&event.as_str()), "{event}: {told:?}");
    }
    let told = on(json!({"register": "dreams", "change": "Added"})).unwrap_err();
    assert!(told.contains("\"dreams\""), "{told}");
}

#[test]
fn the_number_of_an_event_is_in_the_period() {
    assert_eq!(event_number(&event_period(17)), Some(17));
    for period in ["2026", "2026-Q4", "event-", "event-x"] {
        assert_eq!(event_number(period), None, "{period}");
    }
}
