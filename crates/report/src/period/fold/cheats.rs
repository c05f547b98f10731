//! Ways to hide a bad time, each as the entries that it leaves, and what the report must say of it.

mod rules;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    CLOSING_GRACE, PeriodFold,
    tests::{at, change, control, entry, finding, fold, gap, heartbeat, mended, operator, verdict},
};
use crate::period::model::{
    Conclusion, ControlReport, DeviationPattern, Ending, PeriodReport, ReportPeriod, Span,
};
use comptroller_core::api::{ResourceRef, State};
use comptroller_evidence::{
    data::{
        AttestationData, AttestationRecord, ChangeKind, EntryFinding, FindingEnding, GapCause,
        GapData, ObjectChange, OccurrenceDates, OccurrencePhase, OperatorData, OperatorEvent,
        PopulationCause, PopulationChange, PublishedState,
    },
    entry::{Data, Entry, EntrySubject, EntryType},
};

/// 08:00 to 16:00.
fn span() -> Span {
    Span::TypeII { from: at(8, 0), to: at(16, 0) }
}

fn report(entries: &[Entry]) -> PeriodReport {
    fold(span(), entries)
}

fn only(report: &PeriodReport) -> &ControlReport {
    assert_eq!(report.controls.len(), 1, "{report:?}");
    &report.controls[0]
}

fn spec(edit: impl FnOnce(&mut Value)) -> Value {
    let mut spec = json!({
        "title": "Nobody holds cluster-admin", "criteria": ["CC6.1"], "owner": "sec",
        "severity": "High", "test": {"rbac": {"allow": []}},
    });
    edit(&mut spec);
    spec
}

fn declared(time: Timestamp, kind: ChangeKind, spec: Value) -> Entry {
    let data = Data::ControlChanged(Box::new(change(time, kind, Some(spec))));
    entry(time, EntrySubject::control("c"), data)
}

fn item(name: &str) -> ResourceRef {
    finding(name, at(0, 0), None).resource
}

fn moved(name: &str, time: Timestamp, why: PopulationCause, detail: &str) -> PopulationChange {
    PopulationChange {
        item: item(name),
        uid: Some(format!("uid-{name}")),
        at: time,
        why,
        detail: detail.to_owned(),
    }
}

fn ended(name: &str, since: Timestamp, ending: FindingEnding) -> EntryFinding {
    EntryFinding { ending: Some(ending), ..finding(name, since, None) }
}

fn with(mut entry: Entry, entered: &[PopulationChange], left: &[PopulationChange]) -> Entry {
    if let Data::Verdict(data) = &mut entry.data {
        data.entered = entered.to_vec();
        data.left = left.to_vec();
    }
    entry
}

/// A control seen every hour from 07:00 on, and other entries, by time.
fn with_beats(others: Vec<Entry>) -> Vec<Entry> {
    let mut all: Vec<Entry> = (7..17)
        .map(|hour| heartbeat("c", at(hour, 0) + SignedDuration::from_secs(1), State::Passing, 20))
        .collect();
    all.insert(0, declared(at(6, 0), ChangeKind::Created, spec(|_| ())));
    all.extend(others);
    all.sort_by_key(|entry| entry.at);
    all
}

/// The ending and the end of the only deviation.
fn deviation(report: &PeriodReport) -> (Ending, Option<Timestamp>) {
    let [one] = only(report).deviations.as_slice() else { panic!("{report:?}") };
    (one.ending, one.to)
}

#[test]
fn a_scope_that_excludes_what_breaks_is_shown_and_no_pass() {
    // Excluded at ten, broken and mended unseen, and included again at eleven.
    for (cause, detail) in [
        (PopulationCause::RuleChanged, "scope.excludeNamespaces now names shop"),
        (PopulationCause::NamespaceLabels, "the label env of shop was prod and is dev"),
        (PopulationCause::Selection, ""),
    ] {
        let left = moved("x", at(10, 0), cause, detail);
        let back = moved("x", at(11, 0), cause, "");
        let report = report(&with_beats(vec![
            with(verdict("c", at(10, 0), State::Passing, vec![], vec![]), &[], &[left]),
            with(verdict("c", at(11, 0), State::Passing, vec![], vec![]), &[back], &[]),
        ]));
        let control = only(&report);
        let [out] = control.out_of_scope.as_slice() else { panic!("{control:?}") };
        assert_eq!((out.from, out.to), (at(10, 0), Some(at(11, 0))));
        assert_eq!(out.item.uid.as_deref(), Some("uid-x"));
        assert!(!out.why.is_empty() && out.why.contains(detail));
        assert_eq!(control.conclusion, Conclusion::NotDeterminable);
        assert!(
            control.basis.contains("Nobody looked at ClusterRoleBinding x"),
            "{}",
            control.basis
        );
        let criterion = report.criteria.iter().find(|one| one.id == "CC6.1").unwrap();
        assert_eq!(criterion.conclusion, Conclusion::NotDeterminable);
    }
}

#[test]
fn many_items_that_leave_untold_are_no_pass() {
    for (count, expected) in
        [(1200, Conclusion::NoDeviationObserved), (100, Conclusion::NotDeterminable)]
    {
        let mut entries = vec![declared(at(6, 0), ChangeKind::Created, spec(|_| ()))];
        for hour in 7..17 {
            let many = if hour == 12 { count } else { 1500 };
            let mut seen = heartbeat("c", at(hour, 0), State::Passing, many);
            if let Data::Heartbeat(data) = &mut seen.data {
                data.population_digest = Some(format!("sha256:{many}"));
            }
            entries.push(seen);
        }
        let report = report(&entries);
        assert_eq!(only(&report).conclusion, expected, "{}", only(&report).basis);
    }
}

#[test]
fn what_is_deleted_is_not_out_of_scope() {
    let gone = moved("x", at(10, 0), PopulationCause::Object, "");
    let report = report(&with_beats(vec![with(
        verdict("c", at(10, 0), State::Passing, vec![], vec![]),
        &[],
        &[gone],
    )]));
    assert!(only(&report).out_of_scope.is_empty());
    assert_eq!(only(&report).conclusion, Conclusion::NoDeviationObserved);
    assert_eq!(only(&report).population_window.moves.len(), 1);
}

#[test]
fn a_deviation_that_leaves_the_scope_stays_open_until_it_is_seen_mended() {
    let failing =
        || verdict("c", at(9, 0), State::Failing, vec![finding("x", at(9, 0), None)], vec![]);
    let out = |ending| {
        let left = moved("x", at(10, 0), PopulationCause::NamespaceLabels, "labels");
        let gone = vec![ended("x", at(9, 0), ending)];
        with(verdict("c", at(10, 0), State::Passing, vec![], gone), &[], &[left])
    };
    let back = |added| {
        let entered = moved("x", at(12, 0), PopulationCause::NamespaceLabels, "");
        with(verdict("c", at(12, 0), State::Passing, added, vec![]), &[entered], &[])
    };
    let left = |more: Option<Entry>| {
        let entries = [failing(), out(FindingEnding::LeftScope)];
        report(&with_beats(entries.into_iter().chain(more).collect()))
    };
    let open = left(None);
    assert_eq!(deviation(&open), (Ending::LeftScope, None));
    assert_eq!(only(&open).deviations[0].last_found, Some(at(10, 0)));
    assert_eq!(open.summary.open_deviations, 1);
    assert_eq!(deviation(&left(Some(back(vec![])))), (Ending::Mended, Some(at(12, 0))));
    let still = left(Some(back(vec![finding("x", at(12, 0), None)])));
    assert_eq!(deviation(&still), (Ending::Open, None));
    assert_eq!(only(&still).deviations[0].from, at(9, 0), "one deviation that lasted");
    for report in [open, still] {
        assert_eq!(only(&report).conclusion, Conclusion::DeviationObserved);
    }
}

#[test]
fn endings_are_what_the_entries_say() {
    for (ending, expected) in [
        (FindingEnding::Mended, (Ending::Mended, Some(at(10, 0)))),
        (FindingEnding::ObjectGone, (Ending::ObjectGone, Some(at(10, 0)))),
        (FindingEnding::LeftScope, (Ending::LeftScope, None)),
        (FindingEnding::Excepted, (Ending::Excepted, Some(at(10, 0)))),
    ] {
        let report = report(&with_beats(vec![
            verdict("c", at(9, 0), State::Failing, vec![finding("x", at(9, 0), None)], vec![]),
            verdict("c", at(10, 0), State::Passing, vec![], vec![ended("x", at(9, 0), ending)]),
        ]));
        assert_eq!(deviation(&report), expected, "{ending}");
    }
}

#[test]
fn what_can_not_be_judged_any_more_is_not_mended() {
    let gone = EntryFinding {
        ending_detail: "could not be judged".to_owned(),
        ..finding("x", at(9, 0), None)
    };
    let undecided = |time, removed: Vec<EntryFinding>| {
        let mut entry = verdict("c", time, State::Failing, vec![], removed);
        if let Data::Verdict(data) = &mut entry.data {
            data.unknown = 1;
        }
        entry
    };
    let mut entries = vec![
        declared(at(6, 0), ChangeKind::Created, spec(|_| ())),
        verdict("c", at(9, 0), State::Failing, vec![finding("x", at(9, 0), None)], vec![]),
        undecided(at(10, 0), vec![gone]),
        undecided(at(10, 30), vec![]),
    ];
    assert_eq!(deviation(&report(&entries)), (Ending::Open, None));
    entries.push(verdict("c", at(11, 0), State::Passing, vec![], vec![]));
    assert_eq!(deviation(&report(&entries)), (Ending::Mended, Some(at(11, 0))));
}

#[test]
fn an_allow_list_that_is_widened_mends_nothing() {
    let allow = |spec: &mut Value| {
        spec["test"]["rbac"]["allow"] = json!([{"kind": "User", "name": "jane"}]);
    };
    let widened = declared(at(10, 0), ChangeKind::Updated, spec(allow));
    let mut entries = vec![
        verdict("c", at(9, 0), State::Failing, vec![finding("x", at(9, 0), None)], vec![]),
        widened,
        verdict(
            "c",
            at(10, 0),
            State::Passing,
            vec![],
            vec![ended("x", at(9, 0), FindingEnding::RuleChanged)],
        ),
    ];
    assert_eq!(deviation(&report(&with_beats(entries.clone()))), (Ending::RuleChanged, None));
    // The rule of before judges it again, and does not find it.
    entries.push(declared(at(12, 0), ChangeKind::Updated, spec(|_| ())));
    let whole = report(&with_beats(entries));
    let next = at(12, 0) + SignedDuration::from_secs(1);
    assert_eq!(deviation(&whole), (Ending::Mended, Some(next)), "by the next heartbeat");
    assert_eq!(only(&whole).specs.len(), 3);
}

#[test]
fn a_rule_that_is_edited_for_a_time_is_no_pass() {
    let allow = |spec: &mut Value| {
        spec["test"]["rbac"]["allow"] = json!([{"kind": "User", "name": "jane"}]);
    };
    let report = report(&with_beats(vec![
        declared(at(10, 0), ChangeKind::Updated, spec(allow)),
        declared(at(11, 0), ChangeKind::Updated, spec(|_| ())),
    ]));
    assert_eq!(only(&report).conclusion, Conclusion::NotDeterminable);
    assert!(only(&report).basis.contains("another scope or test"), "{}", only(&report).basis);
}

#[test]
fn a_wildcard_that_accepts_everything_is_an_accepted_risk() {
    let everything =
        |spec: &mut Value| spec["test"]["rbac"]["allow"] = json!([{"kind": "User", "name": "*"}]);
    let report =
        report(&with_beats(vec![declared(at(6, 30), ChangeKind::Updated, spec(everything))]));
    let control = only(&report);
    assert_eq!(control.conclusion, Conclusion::AcceptedRisk);
    assert_eq!(control.wildcards[0].field, "/test/rbac/allow/0/name");
}

fn exception(name: &str, time: Timestamp, suspends: bool, approved_by: Option<&str>) -> Entry {
    let mut spec = json!({
        "controls": ["c"], "reason": "maintenance", "requestedBy": "person:a",
        "expires": "2026-11-20T23:00:00Z", "ticket": "T-1", "compensatingControl": "a guard",
    });
    if suspends {
        spec["suspends"] = json!(true);
    } else {
        spec["resources"] = json!([{"kind": "ClusterRoleBinding", "name": "*"}]);
    }
    if let Some(person) = approved_by {
        spec["approvedBy"] = json!(person);
    }
    let mut data = change(time, ChangeKind::Created, Some(spec));
    data.phase = Some(if approved_by.is_some() { "Active" } else { "Pending" }.to_owned());
    entry(time, EntrySubject::new("ControlException", name), Data::Exception(Box::new(data)))
}

#[test]
fn a_suspension_that_nobody_approved_is_never_a_pass() {
    let suspend = |spec: &mut Value| spec["suspend"] = json!(true);
    let suspended = |approval: Option<Entry>| {
        let mut entries = vec![
            declared(at(10, 0), ChangeKind::Updated, spec(suspend)),
            verdict("c", at(10, 0), State::Unknown, vec![], vec![]),
            declared(at(10, 15), ChangeKind::Updated, spec(|_| ())),
            verdict("c", at(10, 15), State::Passing, vec![], vec![]),
        ];
        entries.extend(approval);
        report(&with_beats(entries))
    };
    let report = suspended(None);
    let control = only(&report);
    let [one] = control.suspensions.as_slice() else { panic!("{control:?}") };
    assert_eq!((one.from, one.to, &one.approved_by), (at(10, 0), at(10, 15), &None));
    assert_eq!(control.conclusion, Conclusion::NotDeterminable);
    assert!(control.coverage.reaches(95), "{}", control.coverage.text());
    assert!(report.gaps.iter().any(|gap| gap.cause == GapCause::Suspended));
    for (approval, expected) in [
        (exception("ok", at(9, 0), true, Some("person:b")), Conclusion::NoDeviationObserved),
        (exception("asked", at(9, 0), true, None), Conclusion::NotDeterminable),
        (exception("other", at(9, 0), false, Some("person:b")), Conclusion::NotDeterminable),
        (exception("late", at(10, 5), true, Some("person:b")), Conclusion::NotDeterminable),
    ] {
        let name = approval.subject.name.clone();
        let report = suspended(Some(approval));
        assert_eq!(only(&report).conclusion, expected, "{name}");
        let approved: Vec<Option<&str>> =
            only(&report).suspensions.iter().map(|one| one.approved_by.as_deref()).collect();
        match name.as_str() {
            "ok" => assert_eq!(approved, [Some("person:b")]),
            "late" => assert_eq!(approved, [None, Some("person:b")]),
            _ => assert_eq!(approved, [None]),
        }
    }
}

#[test]
fn a_deviation_does_not_end_with_a_suspension() {
    let suspend = |spec: &mut Value| spec["suspend"] = json!(true);
    let gone = vec![ended("x", at(9, 0), FindingEnding::Suspended)];
    let mut entries = vec![
        verdict("c", at(9, 0), State::Failing, vec![finding("x", at(9, 0), None)], vec![]),
        declared(at(10, 0), ChangeKind::Updated, spec(suspend)),
        verdict("c", at(10, 0), State::Unknown, vec![], gone),
    ];
    let whole = || vec![declared(at(6, 0), ChangeKind::Created, spec(|_| ()))];
    let told = |entries: &[Entry]| {
        deviation(&report(&whole().into_iter().chain(entries.iter().cloned()).collect::<Vec<_>>()))
    };
    assert_eq!(told(&entries), (Ending::Suspended, None));
    entries.push(declared(at(11, 0), ChangeKind::Updated, spec(|_| ())));
    entries.push(verdict("c", at(11, 0), State::Passing, vec![], vec![]));
    assert_eq!(told(&entries), (Ending::Mended, Some(at(11, 0))));
}

#[test]
fn a_control_that_is_deleted_and_created_again_leaves_a_gap_and_mends_nothing() {
    let mut entries = with_beats(vec![
        verdict("c", at(9, 0), State::Failing, vec![finding("x", at(9, 0), None)], vec![]),
        control("c", at(10, 30), ChangeKind::Deleted, None),
    ]);
    entries.retain(|one| one.at <= at(10, 30));
    assert_eq!(deviation(&report(&entries)), (Ending::ControlDeleted, None));
    entries.push(declared(at(10, 32), ChangeKind::Created, spec(|_| ())));
    entries.push(verdict("c", at(10, 32), State::Passing, vec![], vec![]));
    let report = report(&entries);
    let gap = report.gaps.iter().find(|gap| gap.cause == GapCause::NoControl).unwrap();
    assert_eq!((gap.from, gap.to), (at(10, 30), at(10, 32)));
    assert_eq!(deviation(&report), (Ending::Mended, Some(at(10, 32))));
}

#[test]
fn a_gap_counts_for_the_time_it_is_about_however_late_it_is_written() {
    // Killed at 15:00 by the last sign of life, started after the end.
    let mut entries = with_beats(vec![]);
    entries.retain(|one| one.at < at(15, 1));
    let crash = |time: Timestamp| {
        let reason = "it ended without a word".to_owned();
        let data = GapData::between(at(15, 1), time, GapCause::Crashed, reason);
        entry(time, EntrySubject::new("Cluster", "uid"), Data::Gap(data))
    };
    entries.push(operator(at(40, 0), OperatorEvent::Started));
    entries.push(crash(at(40, 0)));
    entries.push(heartbeat("c", at(40, 1), State::Passing, 20));
    let before = report(&entries);
    let [gap] = before.gaps.as_slice() else { panic!("{:?}", before.gaps) };
    assert_eq!((gap.from, gap.to, gap.cause), (at(15, 1), at(16, 0), GapCause::Crashed));
    assert_eq!(gap.controls, ["c"]);
    assert_eq!(only(&before).conclusion, Conclusion::NotDeterminable);
    // Once it is known, nothing that is written later changes it: not even by a clock set back.
    entries.push(crash(at(40, 2)));
    entries.push(gap_of("c", at(8, 0), at(41, 0)));
    assert_eq!(report(&entries).gaps, before.gaps);
}

fn gap_of(name: &str, from: Timestamp, to: Timestamp) -> Entry {
    gap(EntrySubject::control(name), from, to)
}

#[test]
fn a_period_is_known_when_somebody_looked_after_it() {
    let mut fold = PeriodFold::new(span(), &[]);
    let mut known = Vec::new();
    for (index, entry) in (0..).zip([
        heartbeat("c", at(15, 0), State::Passing, 20),
        operator(at(16, 30), OperatorEvent::Started),
        gap_of("c", at(15, 0), at(16, 30)),
        heartbeat("c", at(16, 30), State::Passing, 20),
    ]) {
        fold.apply(index, &entry);
        known.push(fold.closes_at());
    }
    let settled = at(16, 30) + SignedDuration::from_secs(15);
    assert_eq!(known, [None, None, None, Some(settled)]);
    let mut early = PeriodFold::new(span(), &[]);
    early.apply(0, &heartbeat("c", at(16, 0), State::Passing, 20));
    assert_eq!(early.closes_at(), None, "within {CLOSING_GRACE} of the end");
}

#[test]
fn a_period_closes_by_the_api_server_s_time_where_the_log_has_it() {
    /// Minutes after the end: as dated, and by the API server. When it may close, in seconds after it.
    type Case<'a> = (&'a [(i64, Option<i64>)], Option<i64>);
    let end = at(16, 0);
    let minutes = |count| end + SignedDuration::from_mins(count);
    let table: [Case<'_>; 6] = [
        (&[], None),
        (&[(-1, Some(-1)), (0, Some(0)), (9, Some(9))], None),
        (&[(-1, Some(-1)), (10, Some(10)), (90, Some(90))], Some(615)),
        // An operator whose clock is a day ahead dates entries beyond the end.
        (&[(1440, Some(-15)), (1441, None), (1442, Some(9))], None),
        (&[(1440, Some(-15)), (1441, Some(11))], Some(675)),
        // A log of an older version has no other time.
        (&[(-1, None), (20, None)], Some(1215)),
    ];
    for (entries, closes) in table {
        let mut fold = PeriodFold::new(span(), &[]);
        for (index, (dated, server)) in (0..).zip(entries) {
            let mut entry = heartbeat("c", minutes(*dated), State::Passing, 20);
            entry.clock.server = server.map(minutes);
            fold.apply(index, &entry);
        }
        let expected = closes.map(|seconds| end + SignedDuration::from_secs(seconds));
        assert_eq!(fold.closes_at(), expected, "{entries:?}");
    }
}

#[test]
fn what_is_appended_with_the_first_look_after_a_time_when_nobody_did_still_counts() {
    let looked = |control: &str, minute| heartbeat(control, at(16, minute), State::Passing, 20);
    let seen = |control: &str| verdict(control, at(15, 55), State::Passing, vec![], vec![]);
    let entries = |late: Timestamp| {
        let mut gap = gap_of("d", at(15, 56), at(16, 29));
        gap.at = late;
        vec![seen("c"), seen("d"), looked("c", 30), gap, looked("d", 31)]
    };
    for (late, count) in [(at(16, 30), 1), (at(16, 31), 0)] {
        let report = fold(Span::TypeII { from: at(15, 55), to: at(16, 0) }, &entries(late));
        let gaps = report.gaps.iter().filter(|gap| gap.controls == ["d"]).count();
        assert_eq!(gaps, count, "{late}: {:?}", report.gaps);
    }
}

#[test]
fn gaps_of_one_time_and_cause_are_one() {
    let mut entries = Vec::new();
    for name in ["a", "b", "c"] {
        entries.push(control(name, at(7, 0), ChangeKind::Created, Some("12h")));
        entries.push(verdict(name, at(7, 0), State::Passing, vec![], vec![]));
    }
    for (name, seconds) in [("a", 0), ("b", 20), ("c", 40)] {
        let to = at(10, 0) + SignedDuration::from_secs(seconds);
        entries.push(gap_of(name, at(9, 0), to));
        entries.push(gap_of(name, at(9, 59), to));
    }
    entries.push(gap(EntrySubject::new("Cluster", "uid"), at(11, 0), at(12, 0)));
    entries.push(gap(EntrySubject::new("Cluster", "uid"), at(11, 30), at(12, 30)));
    entries.push(gap_of("a", at(11, 30), at(12, 0)));
    let report = report(&entries);
    let told: Vec<_> =
        report.gaps.iter().map(|gap| (gap.from, gap.controls.len(), gap.entries.len())).collect();
    assert_eq!(told, [(at(9, 0), 3, 6), (at(11, 0), 3, 3)]);
}

#[test]
fn clocks_that_differ_are_a_gap_and_named() {
    let mut entries = with_beats(vec![
        operator(at(10, 0), OperatorEvent::ClockDiffers),
        operator(at(10, 2), OperatorEvent::ClockAgrees),
    ]);
    let place = entries.iter().position(|one| one.at == at(10, 0)).unwrap();
    entries[place].clock.server = Some(at(10, 0));
    entries[place].clock.operator = Some(at(34, 0));
    let report = report(&entries);
    let [gap] = report.gaps.as_slice() else { panic!("{:?}", report.gaps) };
    assert_eq!((gap.from, gap.to, gap.cause), (at(10, 0), at(10, 2), GapCause::ClockDiffers));
    let [anomaly] = report.log.time_anomalies.as_slice() else { panic!("{:?}", report.log) };
    assert_eq!((anomaly.entry, anomaly.at), (place as u64, at(34, 0)));
    assert_eq!(anomaly.server_time, Some(at(10, 0)));
}

#[test]
fn time_that_falls_is_named() {
    let mut entries = with_beats(vec![]);
    entries.push(heartbeat("c", at(9, 0), State::Passing, 20));
    let report = report(&entries);
    let [anomaly] = report.log.time_anomalies.as_slice() else { panic!("{:?}", report.log) };
    assert_eq!(anomaly.entry, entries.len() as u64 - 1);
}

#[test]
fn a_log_that_does_not_continue_what_was_published_says_so() {
    let started = |time, continues, checkpoint: Option<&str>| {
        let mut data = OperatorData::new(OperatorEvent::Started, "0.1.0".to_owned());
        data.image = Some("registry/comptroller@sha256:00".to_owned());
        data.flags = vec!["run".to_owned()];
        data.user = Some("system:serviceaccount:a:b".to_owned());
        data.node = Some("n".to_owned());
        data.published =
            Some(PublishedState { checkpoint: checkpoint.map(str::to_owned), continues });
        entry(time, EntrySubject::new("Operator", "o-0"), Data::Operator(Box::new(data)))
    };
    let log = |entries: &[Entry]| {
        let log = report(entries).log;
        (log.continues_published, log.published)
    };
    assert_eq!(log(&[]), (None, None));
    assert_eq!(log(&[started(at(7, 0), true, None)]), (Some(true), None));
    let broken = [
        started(at(7, 0), true, Some("old")),
        started(at(9, 0), false, Some("newer")),
        started(at(10, 0), true, Some("newest")),
    ];
    assert_eq!(log(&broken), (Some(false), Some("newer".to_owned())));
    let operators = report(&broken).provenance.operators;
    let from: Vec<Timestamp> = operators.iter().map(|one| one.from).collect();
    assert_eq!(from, [at(7, 0), at(9, 0), at(10, 0)]);
    assert_eq!(operators[0].node.as_deref(), Some("n"));
}

#[test]
fn a_guard_that_is_out_of_force_is_told_with_its_seconds() {
    let guard = |time, phase: &str, spec: Option<Value>| {
        let mut data: ObjectChange = change(time, ChangeKind::Phase, spec);
        data.phase = Some(phase.to_owned());
        let subject = EntrySubject::new("ValidatingAdmissionPolicyBinding", "author");
        entry(time, subject, Data::Object(EntryType::Guard, Box::new(data)))
    };
    let off = at(10, 0) + SignedDuration::from_secs(3);
    let report = report(&[
        guard(at(7, 0), "InForce", Some(json!({"who": ["system:serviceaccount:a:b"]}))),
        guard(at(10, 0), "NotInForce", None),
        guard(off, "InForce", None),
    ]);
    let told: Vec<_> = report
        .identity
        .iter()
        .map(|one| (one.from, one.to, one.author_not_bound, one.who.len()))
        .collect();
    assert_eq!(told, [(at(8, 0), None, false, 1), (at(10, 0), Some(off), true, 0)]);
}

#[test]
fn severity_and_title_are_those_of_the_time() {
    let softer = |spec: &mut Value| {
        spec["severity"] = json!("Low");
        spec["title"] = json!("Something else");
    };
    let report = report(&with_beats(vec![declared(at(12, 0), ChangeKind::Updated, spec(softer))]));
    let told: Vec<(&str, &str)> =
        only(&report).specs.iter().map(|one| (one.severity.as_str(), one.title.as_str())).collect();
    assert_eq!(told, [("High", "Nobody holds cluster-admin"), ("Low", "Something else")]);
    assert_eq!(only(&report).specs[1].from, at(12, 0));
    assert!(only(&report).specs[0].what_was_done.contains("effective rights"));
}

#[test]
fn a_criterion_is_judged_by_the_mapping_of_each_time() {
    // It serves another criterion while it fails.
    let elsewhere = |spec: &mut Value| spec["criteria"] = json!(["CC6.3"]);
    let report = report(&with_beats(vec![
        declared(at(10, 0), ChangeKind::Updated, spec(elsewhere)),
        verdict("c", at(10, 1), State::Failing, vec![finding("x", at(10, 1), None)], vec![]),
        verdict(
            "c",
            at(10, 5),
            State::Passing,
            vec![],
            vec![mended(finding("x", at(10, 1), None))],
        ),
        declared(at(10, 6), ChangeKind::Updated, spec(|_| ())),
    ]));
    let of = |id: &str| report.criteria.iter().find(|one| one.id == id).unwrap();
    assert_eq!(of("CC6.1").conclusion, Conclusion::NotDeterminable);
    assert!(of("CC6.1").mapping_changed && of("CC6.1").basis.contains("while it did not serve"));
    assert_eq!(of("CC6.1").mapping.len(), 2);
    assert_eq!(of("CC6.3").conclusion, Conclusion::DeviationObserved);
    assert_eq!(of("CC7.1").conclusion, Conclusion::NotDeterminable);
    assert!(of("CC7.1").mapping.is_empty() && !of("CC7.1").mapping_changed);
}

#[test]
fn a_procedure_that_nobody_ever_performed_is_not_made_up_for() {
    let review = json!({
        "title": "Access is reviewed", "criteria": ["CC6.1"], "owner": "sec",
        "severity": "High", "test": {"attestation": {"every": "1y"}},
    });
    let data = change(at(6, 0), ChangeKind::Created, Some(review));
    let subject = EntrySubject::control("review");
    let mut entries =
        with_beats(vec![entry(at(6, 0), subject, Data::ControlChanged(Box::new(data)))]);
    for hour in 7..17 {
        entries.push(heartbeat("review", at(hour, 0), State::NotApplicable, 0));
    }
    entries.sort_by_key(|entry| entry.at);
    let whole = report(&entries);
    let control = whole.controls.iter().find(|one| one.name == "review").unwrap();
    assert_eq!(control.conclusion, Conclusion::NotDue);
    assert_eq!(control.performed, Some(false));
    let criterion = whole.criteria.iter().find(|one| one.id == "CC6.1").unwrap();
    assert_eq!(criterion.conclusion, Conclusion::NotDeterminable);
    assert!(criterion.basis.contains("Never performed: review"), "{}", criterion.basis);
    // What people do is not observed all the time, and lifts no share of observation.
    assert_eq!(whole.summary.coverage.expected_seconds, 8 * 3600);
}

#[test]
fn attestations_are_told_in_full() {
    let record = |name: &str, performed_at, recorded_at| AttestationRecord {
        name: name.to_owned(),
        counts: true,
        attested_by: "person:a".to_owned(),
        on_behalf: true,
        performed_at,
        recorded_at,
        outcome: "CompletedWithFindings".to_owned(),
        version: None,
        participants: 3,
        artifacts: Vec::new(),
        spec_digest: "sha256:00".to_owned(),
        summary: "what was done".to_owned(),
        recorded_by: Some("person:b".to_owned()),
        seen_at: Some(recorded_at),
        author_bound: Some(false),
    };
    let day = SignedDuration::from_hours(24);
    let step = |time, record| {
        let occurrence = OccurrenceDates {
            period: "2026-Q4".to_owned(),
            opens: at(0, 0) - day * 60,
            due: at(12, 0),
            grace_until: at(15, 0),
            rule_digest: String::new(),
        };
        let (phase, message) = (OccurrencePhase::Completed, String::new());
        let data =
            AttestationData { occurrence, event: None, phase, record: Some(record), message };
        entry(time, EntrySubject::control("c"), Data::Attestation(Box::new(data)))
    };
    let report = report(&with_beats(vec![
        step(at(9, 0), record("prompt", at(8, 30), at(9, 0))),
        step(at(10, 0), record("backdated", at(10, 0) - day * 58, at(10, 0))),
        step(at(13, 0), record("late", at(12, 30), at(13, 0))),
    ]));
    let told: Vec<_> = only(&report).occurrences[0]
        .records
        .iter()
        .map(|one| (one.name.as_str(), one.backdated, one.late))
        .collect();
    assert_eq!(told, [("prompt", false, false), ("backdated", true, false), ("late", false, true)]);
    let one = &only(&report).occurrences[0].records[0];
    assert_eq!((one.summary.as_str(), one.author_bound), ("what was done", Some(false)));
    assert_eq!(one.recorded_by.as_deref(), Some("person:b"));
}

#[test]
fn what_exceptions_cover_is_told_and_no_plain_pass() {
    let report = report(&with_beats(vec![
        exception("all", at(8, 30), false, Some("person:b")),
        verdict("c", at(9, 0), State::Excepted, vec![finding("x", at(9, 0), Some("all"))], vec![]),
        verdict(
            "c",
            at(9, 1),
            State::Passing,
            vec![],
            vec![mended(finding("x", at(9, 0), Some("all")))],
        ),
    ]));
    let control = only(&report);
    assert_eq!(control.conclusion, Conclusion::AcceptedRisk);
    let [excepted] = control.excepted_findings.as_slice() else { panic!("{control:?}") };
    assert_eq!((excepted.from, excepted.to), (at(9, 0), Some(at(9, 1))));
    let [exception] = report.exceptions.as_slice() else { panic!("{report:?}") };
    assert!(exception.wildcard && !exception.after_the_fact);
    assert_eq!(exception.covered.len(), 1);
    assert_eq!(exception.ticket.as_deref(), Some("T-1"));
    assert_eq!(exception.resources, ["ClusterRoleBinding *"]);
}

#[test]
fn managements_response_joins_the_deviation_it_is_about() {
    let response = |time, edit: &dyn Fn(&mut Value)| {
        let mut spec = json!({
            "control": "c", "cause": "a script", "response": "The script is gone.",
            "owner": "sec", "respondedBy": "person:b",
        });
        edit(&mut spec);
        let data = change(time, ChangeKind::Created, Some(spec));
        let subject = EntrySubject::new("DeviationResponse", "r");
        entry(time, subject, Data::Object(EntryType::Response, Box::new(data)))
    };
    let found =
        || verdict("c", at(9, 0), State::Failing, vec![finding("x", at(9, 0), None)], vec![]);
    let named = |kind: &str, name: &str| {
        let item = json!([{"kind": kind, "name": name}]);
        move |spec: &mut Value| spec["items"] = item.clone()
    };
    for (entry, joined) in [
        (response(at(10, 0), &|_| ()), true),
        // Management answers when the period is over, too.
        (response(at(60, 0), &named("ClusterRoleBinding", "x")), true),
        (response(at(10, 0), &named("ClusterRoleBinding", "y")), false),
        (response(at(10, 0), &|spec| spec["control"] = json!("d")), false),
        (response(at(10, 0), &|spec| spec["from"] = json!("2026-11-20T09:30:00Z")), false),
        (response(at(8, 0), &|_| ()), false),
    ] {
        let report = report(&with_beats(vec![found(), entry]));
        let [deviation] = only(&report).deviations.as_slice() else { panic!("{report:?}") };
        assert_eq!(deviation.response.is_some(), joined);
        assert_eq!(deviation.cause.as_deref(), joined.then_some("a script"));
        assert_eq!(deviation.pattern, DeviationPattern::Isolated);
    }
}

#[test]
fn the_minimum_of_observation_is_that_of_the_audit_period() {
    let mut entries = with_beats(vec![]);
    entries.push(gap_of("c", at(10, 0), at(10, 30)));
    entries.sort_by_key(|entry| entry.at);
    for (percent, expected) in
        [(95, Conclusion::NotDeterminable), (90, Conclusion::NoDeviationObserved)]
    {
        let mut fold = PeriodFold::new(span(), &[]).with_minimum_observation(percent);
        for (index, entry) in (0..).zip(&entries) {
            fold.apply(index, entry);
        }
        let period = ReportPeriod { name: "p".to_owned(), span: span(), categories: Vec::new() };
        let report = fold.finish(period, super::tests::provenance(at(48, 0)));
        assert_eq!(only(&report).conclusion, expected);
        assert!((only(&report).observed_share - 0.9375).abs() < f64::EPSILON);
        assert_eq!(report.summary.minimum_observation, percent);
    }
}
