//! Which events open what, and that each opens one.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use comptroller_core::api::test_spec::AttestationTest;
use comptroller_evidence::{
    data::{GapCause, GapData, VerdictData},
    entry::{ClockReading, Entry},
};

const OBLIGED: &str = "obliged";

/// A log and the rules by which it is written.
struct World {
    state: LogState,
    rules: EventRules,
    now: Timestamp,
}

fn start() -> Timestamp {
    "2026-10-01T00:00:00Z".parse().unwrap()
}

fn rule(control: &str, spec: Value) -> EventRule {
    let test: AttestationTest = serde_json::from_value(spec).unwrap();
    EventRule {
        control: control.to_owned(),
        on: test.on.unwrap(),
        open_for: test.open_for.unwrap(),
        grace: test.grace,
        not_by: test.not_by,
        digest: "sha256:1".to_owned(),
    }
}

impl World {
    /// A log with the obliged control and two others.
    fn new(on: &Value, more: Value) -> Self {
        let mut spec = more;
        spec["on"] = on.clone();
        spec["openFor"] = json!("5d");
        let mut world = Self {
            state: LogState::default(),
            rules: EventRules { rules: vec![rule(OBLIGED, spec)], ..EventRules::default() },
            now: start(),
        };
        world.rules.exempt.insert(OBLIGED.to_owned());
        for name in [OBLIGED, "a", "b"] {
            world.append(vec![changed(name, "Created")]);
        }
        world
    }

    /// Writes entries as the recorder does; what they open, as `control period event name`.
    fn append(&mut self, drafts: Entries) -> Vec<String> {
        self.now += SignedDuration::from_secs(1);
        let first = self.state.size();
        let opened = openings(&self.state, &self.rules, &drafts, first, self.now);
        self.write(drafts.into_iter().chain(opened.clone()).collect());
        let late = due(&self.state, &self.rules, self.now);
        self.write(late.clone());
        opened.iter().chain(&late).map(told).collect()
    }

    fn write(&mut self, entries: Entries) {
        for (subject, data) in entries {
            let (at, clock, epoch) = (self.now, ClockReading::default(), 1);
            let index = self.state.size();
            self.state.apply(index, &Entry { at, clock, epoch, subject, data });
        }
    }
}

fn told((subject, data): &(EntrySubject, Data)) -> String {
    let Data::Attestation(data) = data else { panic!("{data:?}") };
    let event = data.event.as_ref().unwrap();
    assert_eq!(data.occurrence.due, data.occurrence.opens + SignedDuration::from_hours(5 * 24));
    let item = event.item.as_ref().map(|item| format!(" {item}")).unwrap_or_default();
    format!("{} {} {} {}{item}", subject.name, data.occurrence.period, event.event, event.name)
}

fn changed(name: &str, change: &str) -> (EntrySubject, Data) {
    let change = json!({"change": change, "generation": 1, "specDigest": "sha256:2"});
    let change = Data::ControlChanged(serde_json::from_value(change).unwrap());
    (EntrySubject::control(name), change)
}

fn exception(change: Value) -> (EntrySubject, Data) {
    let change = Data::Exception(serde_json::from_value(change).unwrap());
    (EntrySubject::new("ControlException", "pause"), change)
}

fn verdict(name: &str, state: &str, since: Timestamp, added: &[Value]) -> (EntrySubject, Data) {
    let data: VerdictData = serde_json::from_value(json!({
        "generation": 1, "state": state, "reason": "X", "message": "", "since": since,
        "population": 1, "failing": 0, "excepted": 0, "unknown": 0, "findings": "",
        "added": added,
    }))
    .unwrap();
    (EntrySubject::control(name), Data::Verdict(Box::new(data)))
}

fn finding(name: &str, severity: &str, since: Timestamp, exception: Option<&str>) -> Value {
    let mut finding = json!({
        "rule": "Root", "severity": severity, "since": since,
        "resource": {"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": name},
    });
    if let Some(exception) = exception {
        finding["exception"] = json!(exception);
    }
    finding
}

const NONE: [&str; 0] = [];

#[test]
fn a_change_of_a_control_opens_one_occurrence() {
    let mut world = World::new(&json!({"event": "ControlChanged"}), json!({}));
    assert_eq!(world.append(vec![changed("a", "Created")]), NONE);
    assert_eq!(
        world.append(vec![changed("a", "Updated"), changed("b", "Updated")]),
        ["obliged event-1 ControlChanged a", "obliged event-2 ControlChanged b"]
    );
    assert_eq!(world.append(vec![changed("a", "Deleted")]), NONE);
    // Its own change is one too.
    assert_eq!(
        world.append(vec![changed(OBLIGED, "Updated")]),
        ["obliged event-3 ControlChanged obliged"]
    );
    let event = world.state.occurrences(OBLIGED).next().unwrap().event.clone().unwrap();
    assert_eq!((event.entry, event.kind.as_str()), (4, "Control"));
}

#[test]
fn what_happened_before_the_control_was_declared_obliges_nobody() {
    let mut world = World::new(&json!({"event": "ControlDeleted"}), json!({}));
    world.state = LogState::default();
    let drafts =
        vec![changed("a", "Deleted"), changed(OBLIGED, "Created"), changed("b", "Deleted")];
    assert_eq!(world.append(drafts), ["obliged event-1 ControlDeleted b"]);
}

#[test]
fn a_grant_of_an_exception_opens_one_occurrence_and_names_whom_it_bars() {
    let on = json!({"event": "ExceptionGranted"});
    let mut world = World::new(&on, json!({"notBy": ["requester", "granter"]}));
    let spec = json!({"requestedBy": "person:1", "approvedBy": "person:2"});
    assert_eq!(world.append(vec![exception(json!({"change": "Created", "spec": spec}))]), NONE);
    let phase = |phase: &str| vec![exception(json!({"change": "Phase", "phase": phase}))];
    assert_eq!(world.append(phase("Pending")), NONE);
    assert_eq!(world.append(phase("Active")), ["obliged event-1 ExceptionGranted pause"]);
    assert_eq!(world.append(phase("Unused")), NONE);
    assert_eq!(world.append(phase("Active")), NONE);
    assert_eq!(world.append(phase("Expired")), NONE);
    let event = world.state.occurrences(OBLIGED).next().unwrap().event.clone().unwrap();
    assert_eq!(event.not_by, ["person:1", "person:2"]);
    // Another exception of the name, all in one append.
    let drafts = vec![
        exception(json!({"change": "Deleted"})),
        exception(json!({"change": "Created", "spec": spec, "phase": "Active"})),
    ];
    assert_eq!(world.append(drafts), ["obliged event-2 ExceptionGranted pause"]);
}

#[test]
fn an_item_that_begins_to_fail_opens_one_occurrence() {
    let on = json!({"event": "DeviationOpened", "severity": "High"});
    let mut world = World::new(&on, json!({}));
    let at = start();
    // What failed at first had begun before.
    let first = [finding("old", "High", at, None)];
    assert_eq!(world.append(vec![verdict("a", "Failing", at, &first)]), NONE);
    let added = [
        finding("low", "Low", at, None),
        finding("high", "High", at, None),
        finding("allowed", "High", at, Some("pause")),
    ];
    assert_eq!(
        world.append(vec![verdict("a", "Failing", at, &added)]),
        ["obliged event-1 DeviationOpened a Pod shop/high (Root)"]
    );
    // The exception ended.
    let ended = [finding("allowed", "High", at, None)];
    assert_eq!(
        world.append(vec![verdict("a", "Failing", at, &ended)]),
        ["obliged event-2 DeviationOpened a Pod shop/allowed (Root)"]
    );
    // Nobody could look, and then it is as it was; one came meanwhile.
    let later = at + SignedDuration::from_hours(1);
    assert_eq!(world.append(vec![verdict("a", "Unknown", later, &[])]), NONE);
    let back = [finding("high", "High", at, None), finding("new", "High", later, None)];
    assert_eq!(
        world.append(vec![verdict("a", "Failing", later, &back)]),
        ["obliged event-3 DeviationOpened a Pod shop/new (Root)"]
    );
    // An obligation that nobody answers obliges nobody else.
    let missed = [finding("event-1", "High", at, None)];
    assert_eq!(world.append(vec![verdict(OBLIGED, "Failing", at, &missed)]), NONE);
}

#[test]
fn a_control_that_fails_for_long_opens_one_occurrence() {
    let on = json!({"event": "ControlFailing", "longerThan": "1h", "severity": "High"});
    let mut world = World::new(&on, json!({}));
    world.rules.severities.insert("b".to_owned(), comptroller_core::api::Severity::Low);
    let failing = |name: &str, now| verdict(name, "Failing", now, &[]);
    let (a, b) = (failing("a", world.now), failing("b", world.now));
    assert_eq!(world.append(vec![a, b]), NONE);
    let due_at = next_due(&world.state, &world.rules).unwrap();
    assert_eq!(due_at, world.now + SignedDuration::from_secs(3_601));
    // That nobody could look for a time does not end it.
    let blind = verdict("a", "Unknown", world.now, &[]);
    assert_eq!(world.append(vec![blind]), NONE);
    world.now = due_at - SignedDuration::from_secs(2);
    assert_eq!(world.append(vec![]), NONE);
    assert_eq!(world.append(vec![]), ["obliged event-1 ControlFailing a"]);
    assert_eq!(world.append(vec![]), NONE);
    assert_eq!(next_due(&world.state, &world.rules), None);
    // It fails again, and that is another time.
    let (good, bad) = (verdict("a", "Passing", world.now, &[]), failing("a", world.now));
    assert_eq!(world.append(vec![good, bad]), NONE);
    world.now += SignedDuration::from_hours(2);
    assert_eq!(world.append(vec![]), ["obliged event-2 ControlFailing a"]);
}

#[test]
fn a_gap_that_no_batch_brought_is_opened_by_the_next() {
    let on = json!({"event": "EvidenceGap", "longerThan": "1h"});
    let mut world = World::new(&on, json!({}));
    let gap = |hours| {
        let to = start() + SignedDuration::from_hours(hours);
        let data = GapData::between(start(), to, GapCause::Crashed, "it ended".to_owned());
        (EntrySubject::new("Cluster", "c"), Data::Gap(data))
    };
    // As a start writes it, before any control is known.
    world.write(vec![gap(2)]);
    let told = world.append(vec![gap(0), gap(1)]);
    assert_eq!(
        told,
        [
            "obliged event-1 EvidenceGap c 2026-10-01T00:00:00Z to 2026-10-01T02:00:00Z",
            "obliged event-2 EvidenceGap c 2026-10-01T00:00:00Z to 2026-10-01T01:00:00Z",
        ]
    );
    assert_eq!(world.append(vec![]), NONE);
    // Those before an edit of the rule were judged by the rule before it.
    world.write(vec![gap(3)]);
    assert_eq!(world.append(vec![changed(OBLIGED, "Updated")]), NONE);
}
