//! What the log says of the present, case by case.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::*;
use crate::data::{
    AttestationData, EntryFinding, GapCause, GapData, Heartbeat, OccurrenceDates, OccurrencePhase,
    VerdictData,
};
use comptroller_vocabulary::{ResourceRef, Severity, State};

pub(super) fn at(minutes: i64) -> Timestamp {
    let day: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    day + SignedDuration::from_mins(minutes)
}

pub(super) fn entry(at: Timestamp, subject: EntrySubject, data: Data) -> Entry {
    Entry { clock: crate::entry::ClockReading::default(), at, epoch: 3, subject, data }
}

pub(super) fn finding(name: &str, exception: Option<&str>) -> EntryFinding {
    EntryFinding {
        ending: None,
        ending_detail: String::new(),
        rule: "ClusterAdmin".to_owned(),
        resource: ResourceRef {
            api_version: "rbac.authorization.k8s.io/v1".to_owned(),
            kind: "RoleBinding".to_owned(),
            namespace: Some("prod".to_owned()),
            name: name.to_owned(),
        },
        subject: Some("Group ops".to_owned()),
        message: "holds cluster-admin".to_owned(),
        severity: Severity::High,
        since: at(0),
        exception: exception.map(str::to_owned),
    }
}

pub(super) fn verdict(
    name: &str,
    at: Timestamp,
    added: Vec<EntryFinding>,
    removed: Vec<EntryFinding>,
) -> Entry {
    let data = VerdictData {
        entered: Vec::new(),
        left: Vec::new(),
        population_digest: None,
        generation: 2,
        state: State::Failing,
        reason: "FindingsOpen".to_owned(),
        message: "some fail".to_owned(),
        since: at,
        population: 9,
        failing: 1,
        excepted: 0,
        unknown: 0,
        findings: "sha256:aa".to_owned(),
        population_list: None,
        added,
        removed,
    };
    entry(at, EntrySubject::control(name), Data::Verdict(Box::new(data)))
}

pub(super) fn heartbeat(name: &str, at: Timestamp, population: u64) -> Entry {
    let data = Heartbeat {
        entered: Vec::new(),
        left: Vec::new(),
        population_digest: None,
        generation: 2,
        state: State::Failing,
        population,
        failing: 1,
        excepted: 0,
        unknown: 0,
        findings: "sha256:aa".to_owned(),
        population_list: Some(crate::data::PopulationList {
            digest: format!("sha256:{population}"),
            count: population,
        }),
    };
    entry(at, EntrySubject::control(name), Data::Heartbeat(Box::new(data)))
}

pub(super) fn changed(kind: &str, name: &str, at: Timestamp, change: ChangeKind) -> Entry {
    let spec = (change != ChangeKind::Phase).then(|| json!({"owner": at.as_second()}));
    let data = Box::new(ObjectChange {
        change,
        uid: None,
        generation: Some(1),
        phase: (kind == EXCEPTION).then(|| change.as_str().to_owned()),
        spec_digest: spec.as_ref().map(|spec| format!("sha256:{spec}")),
        previous_digest: None,
        spec,
        created_at: None,
        author_bound: None,
        fields: Vec::new(),
    });
    let data = if kind == EXCEPTION { Data::Exception(data) } else { Data::ControlChanged(data) };
    entry(at, EntrySubject::new(kind, name), data)
}

pub(super) fn occurrence(name: &str, number: i64, phase: OccurrencePhase) -> Entry {
    let dates = OccurrenceDates {
        period: format!("p{number}"),
        opens: at(number * 100),
        due: at(number * 100 + 50),
        grace_until: at(number * 100 + 60),
        rule_digest: "sha256:01".to_owned(),
    };
    let data = AttestationData {
        occurrence: dates,
        event: None,
        phase,
        record: None,
        message: String::new(),
    };
    entry(at(number * 100), EntrySubject::control(name), Data::Attestation(Box::new(data)))
}

pub(super) fn operator(at: Timestamp, event: OperatorEvent) -> Entry {
    let data = Data::Operator(Box::new(OperatorData::new(event, "0.1.0".to_owned())));
    entry(at, EntrySubject::new("Operator", "comptroller-0"), data)
}

pub(super) fn folded(entries: &[Entry]) -> LogState {
    let mut state = LogState::default();
    for (index, entry) in (0..).zip(entries) {
        state.apply(index, entry);
    }
    state
}

fn open(state: &LogState, control: &str) -> Vec<(String, Option<String>)> {
    let verdict = state.control(control).unwrap().verdict.as_ref().unwrap();
    verdict.open_findings().map(|found| (found.resource.name, found.exception)).collect()
}

#[test]
fn the_open_findings_are_those_added_and_not_removed() {
    let row = |name: &str, exception: Option<&str>| (name.to_owned(), exception.map(str::to_owned));
    let mut entries =
        vec![verdict("c", at(0), vec![finding("a", None), finding("b", None)], vec![])];
    assert_eq!(open(&folded(&entries), "c"), [row("a", None), row("b", None)]);
    entries.push(verdict("c", at(1), vec![finding("a", Some("e"))], vec![finding("b", None)]));
    assert_eq!(open(&folded(&entries), "c"), [row("a", Some("e"))]);
    // A change of the exception may be told as gone and new.
    entries.push(verdict("c", at(2), vec![finding("a", None)], vec![finding("a", Some("e"))]));
    let state = folded(&entries);
    assert_eq!(open(&state, "c"), [row("a", None)]);
    assert!(state.control("c").unwrap().verdict.as_ref().unwrap().open_findings().all(|found| {
        found.message.is_empty() && found.since == at(0) && found.severity == Severity::High
    }));
}

#[test]
fn a_heartbeat_renews_the_verdict_and_keeps_its_findings() {
    let state = folded(&[
        verdict("c", at(0), vec![finding("a", None)], vec![]),
        heartbeat("c", at(60), 12),
        verdict("c", at(70), vec![], vec![]),
    ]);
    let verdict = state.control("c").unwrap().verdict.as_ref().unwrap();
    assert_eq!((verdict.last_at, verdict.last_entry, verdict.population), (at(70), 2, 9));
    assert_eq!(verdict.findings.len(), 1);
    let (list, listed) = verdict.population_list.as_ref().unwrap();
    assert_eq!((list.count, *listed), (12, at(60)));
    assert_eq!((state.size(), state.epoch(), state.last_at()), (3, 3, Some(at(70))));
}

#[test]
fn a_verdict_that_is_not_resolved_leaves_none() {
    let stored = crate::data::StoredData { stored: "sha256:aa".to_owned(), bytes: 1 };
    let data = Data::Stored(crate::entry::EntryType::Verdict, stored);
    let state = folded(&[
        verdict("c", at(0), vec![finding("a", None)], vec![]),
        entry(at(1), EntrySubject::control("c"), data),
    ]);
    assert_eq!(state.control("c").unwrap().verdict, None);
}

#[test]
fn an_entry_counts_once() {
    let mut state = folded(&[verdict("c", at(0), vec![finding("a", None)], vec![])]);
    let before = state.clone();
    state.apply(0, &verdict("c", at(9), vec![], vec![finding("a", None)]));
    assert_eq!(state, before);
}

#[test]
fn an_object_is_as_its_last_change_left_it() {
    let state = folded(&[
        changed(EXCEPTION, "e", at(0), ChangeKind::Created),
        changed(EXCEPTION, "e", at(1), ChangeKind::Updated),
        changed(EXCEPTION, "e", at(2), ChangeKind::Phase),
        changed(EXCEPTION, "gone", at(3), ChangeKind::Created),
        changed(EXCEPTION, "gone", at(4), ChangeKind::Deleted),
        changed(CONTROL, "c", at(5), ChangeKind::Created),
    ]);
    let exception = state.exception("e").unwrap();
    assert_eq!(exception.spec, Some(json!({"owner": at(1).as_second()})));
    assert_eq!((exception.phase.as_deref(), exception.phase_since), (Some("Phase"), at(2)));
    assert_eq!(state.exceptions().count(), 1);
    assert_eq!(state.object(CONTROL, "c").unwrap().entry, 5);
    assert_eq!(state.objects_of(CONTROL).map(|(name, _)| name).collect::<Vec<_>>(), ["c"]);
}

#[test]
fn a_deleted_control_leaves_its_occurrences_only() {
    let mut entries = vec![
        changed(CONTROL, "c", at(0), ChangeKind::Created),
        changed(CONTROL, "d", at(0), ChangeKind::Created),
        verdict("c", at(0), vec![finding("a", None)], vec![]),
        verdict("d", at(0), vec![], vec![]),
        occurrence("c", 1, OccurrencePhase::Missed),
        changed(CONTROL, "c", at(200), ChangeKind::Deleted),
        changed(CONTROL, "d", at(200), ChangeKind::Deleted),
    ];
    let state = folded(&entries);
    assert_eq!(state.controls().map(|(name, _)| name).collect::<Vec<_>>(), ["c"]);
    assert_eq!(state.control("c").unwrap().verdict, None);
    assert_eq!(state.object(CONTROL, "c"), None);
    assert_eq!(state.occurrences("c").next().unwrap().phase, OccurrencePhase::Missed);
    entries.push(verdict("c", at(300), vec![], vec![]));
    let again = folded(&entries);
    assert_eq!(again.control("c").unwrap().deleted, None);
    assert_eq!(open(&again, "c"), []);
}

#[test]
fn only_the_newest_occurrences_and_deleted_controls_are_remembered() {
    let number = i64::try_from(MAX_OCCURRENCES).unwrap() + 6;
    let many: Vec<Entry> =
        (0..number).map(|n| occurrence("c", n, OccurrencePhase::Completed)).collect();
    let state = folded(&many);
    assert_eq!(state.occurrences("c").count(), MAX_OCCURRENCES);
    assert_eq!(state.occurrences("c").next().unwrap().dates.period, "p6");
    let controls: Vec<Entry> = (0..MAX_DELETED + 3)
        .flat_map(|n| {
            let name = format!("c{n:04}");
            [
                occurrence(&name, 1, OccurrencePhase::Missed),
                changed(CONTROL, &name, at(0), ChangeKind::Deleted),
            ]
        })
        .collect();
    let state = folded(&controls);
    assert_eq!(state.controls().count(), MAX_DELETED);
    assert_eq!(state.controls().next().unwrap().0, "c0003");
}

#[test]
fn the_operator_runs_until_it_stops() {
    let mut entries = vec![operator(at(0), OperatorEvent::Started)];
    let running = folded(&entries);
    assert_eq!(running.operator().map(|operator| operator.since), Some(at(0)));
    entries.push(operator(at(5), OperatorEvent::Stopped));
    assert_eq!(folded(&entries).operator(), None);
    // What the next one writes as it starts does not say that anybody looked until then.
    let gap = GapData::between(at(5), at(90), GapCause::Stopped, String::new());
    entries.push(Entry { data: Data::Gap(gap), ..operator(at(90), OperatorEvent::Started) });
    entries.push(operator(at(90), OperatorEvent::Started));
    let next = folded(&entries);
    assert_eq!(next.operator().map(|one| one.watched_before), Some(Some(at(5))));
    assert_eq!(running.operator().and_then(|one| one.watched_before), None);
}

#[test]
fn the_digest_of_findings_is_that_of_the_set() {
    let (a, b) = (finding("a", None), finding("b", Some("e")));
    let digest = findings_digest(&[a.clone(), b.clone()]);
    assert_eq!(findings_digest(&[b.clone(), a.clone(), b.clone()]), digest);
    let rows = json!([
        [
            "ClusterAdmin",
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            "prod",
            "a",
            "Group ops",
            null
        ],
        [
            "ClusterAdmin",
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            "prod",
            "b",
            "Group ops",
            "e"
        ],
    ]);
    assert_eq!(digest, comptroller_vocabulary::canonical::digest(&rows).unwrap());
    assert_ne!(findings_digest(&[a, finding("b", None)]), digest);
    assert_eq!(findings_digest(&[]), comptroller_vocabulary::canonical::sha256(b"[]"));
}

#[test]
fn the_audit_stream_is_heard_until_its_newest_heartbeat_and_vouches_for_nothing() {
    use crate::usage::{AUDIT_STREAM, EventCounts, UsageData, UsageFacts};
    let stream = || EntrySubject::new(AUDIT_STREAM, "uid");
    let usage = |from, to| {
        let facts = UsageFacts::default();
        let digest = facts.digest().unwrap();
        let events = EventCounts::default();
        let data = UsageData { from, to, part: 1, parts: 1, digest, events, facts };
        Data::Usage(Box::new(data))
    };
    let mut state = LogState::default();
    assert_eq!(state.usage(), None);
    state.apply(0, &verdict("c", at(1), Vec::new(), Vec::new()));
    let gap = GapData::between(at(1), at(2), GapCause::AuditStreamInterrupted, String::new());
    state.apply(1, &entry(at(10), stream(), Data::Gap(gap)));
    state.apply(2, &entry(at(10), stream(), usage(at(2), at(9))));
    state.apply(3, &entry(at(11), stream(), usage(at(2), at(8))));
    let known = state.usage().unwrap();
    assert_eq!((known.entry, known.heard_until), (3, at(9)));
    // A task that hears the stream is no sign that controls are judged.
    assert_eq!(state.watched_until, Some(at(1)));
}
