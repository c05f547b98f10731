use serde_json::json;

use super::*;
use comptroller_evidence::{
    data::{ChangeKind, Heartbeat},
    entry::EntrySubject,
};
use comptroller_vocabulary::State;

fn at(second: u64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + i64::try_from(second).unwrap()).unwrap()
}

fn entry(index: u64, kind: &str, name: &str, type_: EntryType, data: Value) -> Entry {
    Entry {
        at: at(index),
        clock: comptroller_evidence::entry::ClockReading::default(),
        epoch: 1,
        subject: EntrySubject::new(kind, name),
        data: Data::parse(type_, data).unwrap(),
    }
}

fn verdict_of(message: &str, list: Option<&str>) -> Value {
    let mut data = json!({
        "generation": 1, "state": "Failing", "reason": "FindingsOpen", "message": message,
        "since": "2026-11-20T09:14:03Z", "population": 3, "failing": 1, "excepted": 0,
        "unknown": 0, "findings": "sha256:00",
    });
    if let Some(digest) = list {
        data["populationList"] = json!({"digest": digest, "count": 3});
    }
    data
}

fn fold_of(entries: &[Entry]) -> HistoryFold {
    let mut fold = HistoryFold::default();
    for (index, entry) in entries.iter().enumerate() {
        fold.apply(index as u64, entry);
    }
    fold
}

#[test]
fn a_control_has_what_was_recorded_of_it_in_order() {
    let heartbeat = Heartbeat {
        generation: 1,
        state: State::Failing,
        population: 3,
        failing: 1,
        excepted: 0,
        unknown: 0,
        findings: "sha256:00".to_owned(),
        population_digest: None,
        population_list: Some(PopulationList { digest: "sha256:22".to_owned(), count: 4 }),
        entered: Vec::new(),
        left: Vec::new(),
    };
    let change = |change: &str| json!({"change": change, "generation": 1});
    let fold = fold_of(&[
        entry(0, "Operator", "pod", EntryType::Operator, json!({"event": "Started", "version": "1"})),
        entry(1, "Control", "a", EntryType::ControlChanged, change("Created")),
        entry(2, "Control", "a", EntryType::Verdict, verdict_of("m", Some("sha256:11"))),
        entry(3, "Control", "b", EntryType::Verdict, verdict_of("m", None)),
        entry(4, "ControlException", "x", EntryType::Exception, json!({
            "change": "Created", "phase": "Pending", "spec": {"controls": ["a", "c"]},
        })),
        entry(5, "ControlException", "x", EntryType::Exception, json!({
            "change": "Phase", "phase": "Active",
        })),
        entry(6, "Control", "a", EntryType::Heartbeat, serde_json::to_value(&heartbeat).unwrap()),
        entry(7, "DeviationResponse", "r", EntryType::Response, json!({
            "change": "Created", "spec": {"control": "a"},
        })),
        entry(8, "Control", "a", EntryType::Gap, json!({
            "from": "2027-01-15T07:59:00Z", "to": "2027-01-15T08:00:08Z", "reason": "no pods",
        })),
        entry(9, "Cluster", "uid", EntryType::Gap, json!({
            "from": "2027-01-15T07:59:00Z", "to": "2027-01-15T08:00:09Z", "reason": "no API server",
        })),
    ]);
    assert_eq!((fold.size(), fold.last_at()), (10, Some(at(9))));
    let history = fold.control("a").unwrap();
    let entries: Vec<u64> = history.events.iter().map(|event| event.entry).collect();
    assert_eq!(entries, [1, 2, 4, 5, 7, 8]);
    assert_eq!(history.last_at, Some(at(6)));
    let phase = TimelineFact::Exception {
        name: "x".to_owned(),
        change: ChangeKind::Phase,
        phase: Some("Active".to_owned()),
    };
    assert_eq!(history.events[3].fact, phase);
    assert_eq!(fold.control("c").unwrap().events.len(), 2);
    assert_eq!(fold.list("a").unwrap().list.digest, "sha256:22");
    assert_eq!(fold.list("a").unwrap().entry, 6);
    assert_eq!(fold.list("b"), None);
    assert_eq!(fold.operators().len(), 1);
    let (gaps, earlier) = fold.gaps();
    assert_eq!((gaps.len(), earlier, gaps[0].reason.as_str()), (1, 0, "no API server"));
    // What was taken in is not taken in again.
    let mut again = fold;
    again.apply(2, &entry(2, "Control", "a", EntryType::Verdict, verdict_of("m", None)));
    assert_eq!(again.control("a").unwrap().events.len(), 6);
}

#[test]
fn a_control_that_flaps_keeps_its_newest_events_and_says_how_many_came_before() {
    let entries: Vec<Entry> = (0..500)
        .map(|index| entry(index, "Control", "a", EntryType::Verdict, verdict_of("m", None)))
        .collect();
    let history = fold_of(&entries).control("a").unwrap();
    assert_eq!((history.events.len(), history.earlier), (EVENTS, 300));
    assert_eq!(history.events[0].entry, 300);
}

#[test]
fn memory_is_bounded_however_many_controls_flap_and_whatever_they_say() {
    let limit = 200_000;
    let mut fold = HistoryFold::with_limit(limit);
    let long = "é".repeat(20_000);
    for index in 0..5_000_u64 {
        let name = format!("c{}", index % 700);
        fold.apply(index, &entry(index, "Control", &name, EntryType::Verdict, verdict_of(&long, None)));
        assert!(fold.weight <= limit, "{index}: {}", fold.weight);
    }
    let counted: usize = fold
        .controls
        .values()
        .flat_map(|tracked| tracked.events.iter().map(|(event, _)| weight(event)))
        .sum();
    assert_eq!(counted, fold.weight);
    // The newest is there.
    assert_eq!(fold.control("c99").unwrap().events.last().unwrap().entry, 4_999);
}

#[test]
fn an_edit_of_a_long_field_is_cut() {
    let data = json!({"change": "Updated", "fields": [{"path": "/objective", "to": "x".repeat(9_000)}]});
    let fold = fold_of(&[entry(0, "Control", "a", EntryType::ControlChanged, data)]);
    let TimelineFact::Rule { fields, .. } = &fold.control("a").unwrap().events[0].fact else {
        unreachable!("it is an edit")
    };
    assert!(fields[0].to.as_ref().unwrap().as_str().unwrap().len() < TEXT + 8);
}
