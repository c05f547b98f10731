//! What a report says of small logs, case by case.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::period::model::{
    ControlReport, Coverage, Ending, Interval, PeriodReport, PolicySource, Provenance,
};
use comptroller_core::api::{ResourceRef, Severity, State};
use comptroller_evidence::data::{
    AttestationData, AttestationRecord, ChangeKind, EntryFinding, FindingEnding, Heartbeat,
    ObjectChange, OccurrenceDates, OccurrencePhase, PopulationList, VerdictData,
};

/// A time of the day on which everything here happens.
pub(super) fn at(hour: i64, minute: i64) -> Timestamp {
    let day: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    day + SignedDuration::from_mins(hour * 60 + minute)
}

pub(super) fn entry(at: Timestamp, subject: EntrySubject, data: Data) -> Entry {
    Entry {
        clock: comptroller_evidence::entry::ClockReading::default(),
        at,
        epoch: 1,
        subject,
        data,
    }
}

pub(super) fn finding(name: &str, since: Timestamp, exception: Option<&str>) -> EntryFinding {
    EntryFinding {
        ending: None,
        ending_detail: String::new(),
        rule: "ClusterAdmin".to_owned(),
        resource: ResourceRef {
            api_version: "rbac.authorization.k8s.io/v1".to_owned(),
            kind: "ClusterRoleBinding".to_owned(),
            namespace: None,
            name: name.to_owned(),
        },
        subject: None,
        message: format!("{name} holds cluster-admin"),
        severity: Severity::High,
        since,
        exception: exception.map(str::to_owned),
    }
}

/// The same finding, seen mended.
pub(super) fn mended(finding: EntryFinding) -> EntryFinding {
    EntryFinding { ending: Some(FindingEnding::Mended), ..finding }
}

pub(super) fn verdict(
    control: &str,
    at: Timestamp,
    state: State,
    added: Vec<EntryFinding>,
    removed: Vec<EntryFinding>,
) -> Entry {
    let data = VerdictData {
        entered: Vec::new(),
        left: Vec::new(),
        population_digest: None,
        generation: 1,
        state,
        reason: format!("Is{state}"),
        message: String::new(),
        since: at,
        population: 7,
        failing: 0,
        excepted: 0,
        unknown: 0,
        findings: "sha256:00".to_owned(),
        population_list: None,
        added,
        removed,
    };
    entry(at, EntrySubject::control(control), Data::Verdict(Box::new(data)))
}

pub(super) fn heartbeat(control: &str, at: Timestamp, state: State, population: u64) -> Entry {
    let data = Heartbeat {
        entered: Vec::new(),
        left: Vec::new(),
        population_digest: None,
        generation: 1,
        state,
        population,
        failing: 0,
        excepted: 0,
        unknown: 0,
        findings: "sha256:00".to_owned(),
        population_list: None,
    };
    entry(at, EntrySubject::control(control), Data::Heartbeat(Box::new(data)))
}

pub(super) fn change(at: Timestamp, change: ChangeKind, spec: Option<Value>) -> ObjectChange {
    ObjectChange {
        change,
        uid: None,
        generation: Some(1),
        phase: None,
        spec_digest: spec.is_some().then(|| format!("sha256:{}", at.as_second())),
        previous_digest: None,
        spec,
        created_at: None,
        author_bound: None,
        fields: Vec::new(),
    }
}

pub(super) fn control(
    name: &str,
    at: Timestamp,
    kind: ChangeKind,
    heartbeat: Option<&str>,
) -> Entry {
    let spec = json!({
        "title": format!("The title of {name}"), "criteria": ["CC6.1", "A1.2"], "owner": "sec",
        "severity": "High", "heartbeat": heartbeat, "test": {"rbac": {}},
    });
    let spec = (kind != ChangeKind::Deleted).then_some(spec);
    let data = Data::ControlChanged(Box::new(change(at, kind, spec)));
    entry(at, EntrySubject::control(name), data)
}

pub(super) fn operator(at: Timestamp, event: OperatorEvent) -> Entry {
    let data = Data::Operator(Box::new(OperatorData::new(event, "0.1.0".to_owned())));
    entry(at, EntrySubject::new("Operator", "comptroller-0"), data)
}

pub(super) fn gap(subject: EntrySubject, from: Timestamp, to: Timestamp) -> Entry {
    entry(
        to,
        subject,
        Data::Gap(GapData { cause: None, from, to, reason: "the disk was full".to_owned() }),
    )
}

pub(super) fn provenance(run_at: Timestamp) -> Provenance {
    Provenance {
        cluster: "uid".to_owned(),
        origin: "comptroller.dev/evidence/uid".to_owned(),
        source: "evidence".to_owned(),
        checkpoint: String::new(),
        verifier_key: String::new(),
        log_size: 0,
        first_entry: 0,
        verification: String::new(),
        run_at,
        run_by: "tests".to_owned(),
        version: "0.1.0".to_owned(),
        command: String::new(),
        verify_command: String::new(),
        completeness: String::new(),
        operators: Vec::new(),
        cosignatures: Vec::new(),
        policy: PolicySource::None,
        contradictions: Vec::new(),
        lists: Vec::new(),
    }
}

pub(super) fn fold(span: Span, entries: &[Entry]) -> PeriodReport {
    let mut fold = PeriodFold::new(span, &[]);
    for (index, entry) in (0..).zip(entries) {
        fold.apply(index, entry);
    }
    let period = ReportPeriod { name: "p".to_owned(), span, categories: Vec::new() };
    fold.finish(period, provenance("2030-01-01T00:00:00Z".parse().unwrap()))
}

/// The report over 08:00 to 16:00.
fn report(entries: &[Entry]) -> PeriodReport {
    fold(Span::TypeII { from: at(8, 0), to: at(16, 0) }, entries)
}

fn only(report: &PeriodReport) -> &ControlReport {
    assert_eq!(report.controls.len(), 1);
    &report.controls[0]
}

fn beats(from: i64, to: i64) -> impl Iterator<Item = Entry> {
    (from..=to).map(|hour| heartbeat("c", at(hour, 0), State::Passing, 7))
}

/// Intervals as `08:00 Passing`, so that tables read well.
fn told(intervals: &[Interval]) -> Vec<String> {
    intervals
        .iter()
        .map(|interval| {
            let state = interval.state.map_or("-", State::as_str);
            format!("{} {} {state}", hour(interval.from), hour(interval.to))
        })
        .collect()
}

fn hour(at: Timestamp) -> String {
    at.strftime("%H:%M").to_string()
}

#[test]
fn a_control_that_was_seen_throughout_has_no_deviation() {
    let mut entries = vec![
        control("c", at(6, 0), ChangeKind::Created, None),
        verdict("c", at(6, 0), State::Passing, vec![], vec![]),
    ];
    entries.extend(beats(7, 16));
    let report = report(&entries);
    let control = only(&report);
    assert_eq!(told(&control.intervals), ["08:00 16:00 Passing"]);
    assert_eq!(control.intervals[0].reason, "IsPassing");
    assert_eq!(control.conclusion, Conclusion::NoDeviationObserved);
    assert_eq!(control.coverage.text(), "100.0%");
    assert_eq!(control.title, "The title of c");
    assert_eq!((control.owner.as_str(), control.test.as_str()), ("sec", "rbac"));
    assert!(report.gaps.is_empty() && control.changes.is_empty());
    let population = control.population_start.as_ref().unwrap();
    assert_eq!((population.at, population.entry), (at(8, 0), 3));
    assert_eq!(control.population_end.as_ref().unwrap().entry, 10);
    assert_eq!((report.summary.controls, report.summary.no_deviation_observed), (1, 1));
}

#[test]
fn an_entry_vouches_for_one_and_a_half_heartbeats_and_then_nobody_looked() {
    let entries = [
        control("c", at(8, 0), ChangeKind::Created, Some("2h")),
        verdict("c", at(8, 0), State::Passing, vec![], vec![]),
        heartbeat("c", at(14, 0), State::Passing, 7),
    ];
    let report = report(&entries);
    let control = only(&report);
    assert_eq!(
        told(&control.intervals),
        ["08:00 11:00 Passing", "11:00 14:00 -", "14:00 16:00 Passing"]
    );
    assert_eq!(control.coverage.text(), "62.5%");
    assert_eq!(control.conclusion, Conclusion::NotDeterminable);
    let [gap] = report.gaps.as_slice() else { panic!("{:?}", report.gaps) };
    assert_eq!((gap.from, gap.to, gap.entries.len()), (at(11, 0), at(14, 0), 0));
    assert_eq!(
        (gap.controls.as_slice(), gap.cause),
        (["c".to_owned()].as_slice(), GapCause::NotObserved)
    );
}

#[test]
fn what_was_declared_and_not_judged_yet_is_a_gap_that_says_so() {
    let report = report(&[
        control("c", at(9, 0), ChangeKind::Created, Some("12h")),
        verdict("c", at(9, 1), State::Passing, vec![], vec![]),
    ]);
    assert_eq!(told(&only(&report).intervals), ["09:00 09:01 -", "09:01 16:00 Passing"]);
    assert_eq!(only(&report).intervals[0].reason, "NotYetJudged");
    let [none, gap] = report.gaps.as_slice() else { panic!("{:?}", report.gaps) };
    assert_eq!((none.cause, none.to), (GapCause::NoControl, at(9, 0)));
    assert!(gap.reason.contains("not judged yet"));
    // The period began an hour before the control did.
    assert_eq!(only(&report).coverage.text(), "87.2%");
}

#[test]
fn too_little_evidence_is_never_a_conclusion() {
    let declared = control("c", at(0, 30), ChangeKind::Created, None);
    let seen = |hours: std::ops::RangeInclusive<i64>| -> Vec<Entry> {
        std::iter::once(declared.clone()).chain(beats(*hours.start(), *hours.end())).collect()
    };
    for (entries, coverage, conclusion) in [
        (vec![declared.clone()], "0.0%", Conclusion::NotDeterminable),
        (seen(1..=6), "0.0%", Conclusion::NotDeterminable),
        (seen(8..=13), "81.2%", Conclusion::NotDeterminable),
        (seen(8..=14), "93.7%", Conclusion::NotDeterminable),
        (seen(8..=15), "100.0%", Conclusion::NoDeviationObserved),
    ] {
        let report = report(&entries);
        assert_eq!(only(&report).coverage.text(), coverage);
        assert_eq!(only(&report).conclusion, conclusion, "{coverage}");
        let criterion = report.criteria.iter().find(|row| row.id == "CC6.1").unwrap();
        assert_eq!(criterion.conclusion, conclusion);
    }
}

#[test]
fn unknown_is_not_evidence_and_not_applicable_is() {
    for (state, observed, conclusion) in [
        (State::Unknown, 0, Conclusion::NotDeterminable),
        (State::NotApplicable, 8 * 3600, Conclusion::NotDue),
        (State::Excepted, 8 * 3600, Conclusion::AcceptedRisk),
        (State::Failing, 8 * 3600, Conclusion::DeviationObserved),
    ] {
        let entries: Vec<Entry> =
            (7..16).map(|hour| heartbeat("c", at(hour, 0), state, 7)).collect();
        let report = report(&entries);
        assert_eq!(only(&report).coverage.observed_seconds, observed);
        assert_eq!(only(&report).conclusion, conclusion);
        // It is no gap either: somebody looked.
        assert!(report.gaps.is_empty());
    }
}

#[test]
fn a_gap_of_the_audit_stream_takes_no_observation_from_controls() {
    let mut entries: Vec<Entry> = beats(7, 10).collect();
    let stream = EntrySubject::new(comptroller_evidence::usage::AUDIT_STREAM, "uid");
    entries.push(gap(stream, at(8, 15), at(9, 45)));
    let with = report(&entries);
    entries.pop();
    assert_eq!(told(&only(&with).intervals), told(&only(&report(&entries)).intervals));
    assert!(with.gaps.iter().all(|gap| gap.from != at(8, 15)));
}

#[test]
fn what_entries_say_was_not_observed_is_a_gap() {
    let mut entries: Vec<Entry> = beats(7, 10).collect();
    entries.push(gap(EntrySubject::new("Cluster", "uid"), at(10, 15), at(10, 45)));
    entries.push(gap(EntrySubject::control("c"), at(10, 30), at(10, 50)));
    entries.extend(beats(11, 12));
    entries.push(operator(at(12, 30), OperatorEvent::Stopped));
    entries.push(operator(at(12, 40), OperatorEvent::Started));
    entries.extend(beats(13, 14));
    entries.push(operator(at(14, 30), OperatorEvent::Stopped));
    let report = report(&entries);
    assert_eq!(
        told(&only(&report).intervals),
        [
            "08:00 10:15 Passing",
            "10:15 10:50 -",
            "10:50 12:30 Passing",
            "12:30 12:40 -",
            "12:40 14:30 Passing",
            "14:30 16:00 -",
        ]
    );
    let gaps: Vec<_> = report
        .gaps
        .iter()
        .map(|gap| (hour(gap.from), hour(gap.to), !gap.everywhere, gap.entries[0]))
        .collect();
    let row = |from: &str, to: &str, own, entry| (from.to_owned(), to.to_owned(), own, entry);
    assert_eq!(
        gaps,
        [
            row("10:15", "10:45", false, 4),
            row("10:30", "10:50", true, 5),
            row("12:30", "12:40", false, 8),
            row("14:30", "16:00", false, 12),
        ]
    );
}

#[test]
fn a_deviation_has_a_beginning_an_end_and_a_reason() {
    let (before, first) = (at(6, 0), at(9, 0));
    let mut entries = vec![
        control("c", at(5, 0), ChangeKind::Created, Some("12h")),
        verdict("c", before, State::Failing, vec![finding("old", before, None)], vec![]),
        verdict(
            "c",
            first,
            State::Failing,
            ["mended", "allowed", "stays"].map(|name| finding(name, first, None)).to_vec(),
            vec![mended(finding("old", before, None))],
        ),
        verdict(
            "c",
            at(11, 0),
            State::Failing,
            vec![finding("allowed", first, Some("waiver"))],
            vec![mended(finding("mended", first, None))],
        ),
    ];
    let report_of = |entries: &[Entry]| {
        only(&report(entries))
            .deviations
            .iter()
            .map(|found| {
                let to = found.to.map(hour).unwrap_or_default();
                let name = &found.item.resource.name;
                format!("{name} {} {to} {}", hour(found.from), found.ending)
            })
            .collect::<Vec<_>>()
    };
    let ended = ["old 06:00 09:00 Mended", "allowed 09:00 11:00 Excepted"];
    assert_eq!(
        report_of(&entries),
        [ended[0], ended[1], "mended 09:00 11:00 Mended", "stays 09:00  Open"]
    );
    let whole = report(&entries);
    assert_eq!((whole.summary.deviations, whole.summary.open_deviations), (4, 1));
    let allowed = &only(&whole).deviations[1];
    assert_eq!((allowed.opened_entry, allowed.closed_entry), (2, Some(3)));
    assert_eq!(allowed.exception.as_deref(), Some("waiver"));
    // The exception ends, and then the control does.
    entries.push(verdict(
        "c",
        at(12, 0),
        State::Failing,
        vec![finding("allowed", first, None)],
        vec![finding("allowed", first, Some("waiver"))],
    ));
    entries.push(control("c", at(13, 0), ChangeKind::Deleted, None));
    let told = report_of(&entries);
    assert!(told.contains(&"stays 09:00  ControlDeleted".to_owned()), "{told:?}");
    assert!(told.contains(&"allowed 12:00  ControlDeleted".to_owned()), "{told:?}");
}

#[test]
fn a_finding_that_nobody_can_see_any_more_is_not_mended() {
    let found = || vec![finding("x", at(9, 0), None)];
    let failing = verdict("c", at(9, 0), State::Failing, found(), vec![]);
    let blind = verdict("c", at(10, 0), State::Unknown, vec![], found());
    let again = verdict("c", at(11, 0), State::Failing, found(), vec![]);
    let passing = verdict("c", at(11, 0), State::Passing, vec![], vec![]);
    let deviation = |entries: &[Entry]| {
        let report = report(entries);
        let [found] = only(&report).deviations.as_slice() else { panic!("{report:?}") };
        (found.from, found.to, found.ending, found.closed_entry)
    };
    let open = (at(9, 0), None, Ending::Open, None);
    // No longer listed, and nobody saw it mended.
    let unseen = (at(9, 0), None, Ending::Open, Some(1));
    assert_eq!(deviation(&[failing.clone(), blind.clone()]), unseen);
    assert_eq!(deviation(&[failing.clone(), blind.clone(), again]), open);
    let mended = (at(9, 0), Some(at(11, 0)), Ending::Mended, Some(2));
    assert_eq!(deviation(&[failing, blind, passing]), mended);
}

#[test]
fn a_control_has_states_while_it_exists_and_evidence_for_a_share_of_the_period() {
    let entries = [
        control("c", at(9, 0), ChangeKind::Created, Some("2h")),
        verdict("c", at(9, 0), State::Passing, vec![], vec![]),
        heartbeat("c", at(10, 0), State::Passing, 3),
        control("c", at(11, 0), ChangeKind::Deleted, None),
        heartbeat("c", at(11, 0), State::Passing, 3),
        control("c", at(14, 0), ChangeKind::Created, Some("2h")),
        verdict("c", at(14, 0), State::Passing, vec![], vec![]),
    ];
    let whole = report(&entries);
    assert_eq!(told(&only(&whole).intervals), ["09:00 11:00 Passing", "14:00 16:00 Passing"]);
    let Coverage { observed_seconds, expected_seconds } = only(&whole).coverage;
    assert_eq!((observed_seconds, expected_seconds), (4 * 3600, 8 * 3600));
    let changes: Vec<_> =
        only(&whole).changes.iter().map(|change| (change.change.as_str(), change.entry)).collect();
    assert_eq!(changes, [("Created", 0), ("Deleted", 3), ("Created", 5)]);
    // One that was deleted before the period, or declared after it, is not in it.
    assert!(report(&entries[..0]).controls.is_empty());
    let later = fold(Span::TypeII { from: at(12, 0), to: at(13, 0) }, &entries);
    assert!(later.controls.is_empty());
}

#[test]
fn a_longer_or_shorter_heartbeat_holds_from_the_change_on() {
    let seen = |heartbeat: &str| {
        let entries = [
            control("c", at(8, 0), ChangeKind::Created, Some("2h")),
            verdict("c", at(8, 0), State::Passing, vec![], vec![]),
            control("c", at(9, 0), ChangeKind::Updated, Some(heartbeat)),
        ];
        told(&only(&report(&entries)).intervals)
    };
    assert_eq!(seen("4h"), ["08:00 14:00 Passing", "14:00 16:00 -"]);
    assert_eq!(seen("10m"), ["08:00 09:15 Passing", "09:15 16:00 -"]);
}

#[test]
fn a_type_one_report_says_what_held_at_its_time() {
    let entries = [
        control("c", at(6, 0), ChangeKind::Created, None),
        verdict("c", at(6, 0), State::Failing, vec![finding("x", at(6, 0), None)], vec![]),
        verdict("c", at(7, 0), State::Passing, vec![], vec![finding("x", at(6, 0), None)]),
        control("later", at(7, 30), ChangeKind::Created, None),
    ];
    let of = |as_of| fold(Span::TypeI { as_of }, &entries);
    for (as_of, interval, conclusion, open) in [
        (at(6, 30), "06:00 06:30 Failing", Conclusion::DeviationObserved, 1),
        (at(7, 0), "07:00 07:00 Passing", Conclusion::NoDeviationObserved, 0),
        (at(8, 0), "07:00 08:00 Passing", Conclusion::NoDeviationObserved, 0),
        (at(9, 0), "08:30 09:00 -", Conclusion::NotDeterminable, 0),
    ] {
        let report = of(as_of);
        let control = &report.controls[0];
        assert_eq!(told(&control.intervals), [interval]);
        assert_eq!((control.conclusion, control.deviations.len()), (conclusion, open));
        assert_eq!(control.coverage.text(), "–");
        assert!(control.population_end.is_some());
        // It has words of its own: nothing is observed over a period.
        let criteria = report.criteria.iter().map(|one| one.basis.as_str());
        for basis in criteria.chain([control.basis.as_str()]) {
            assert!(!basis.contains("observed") && !basis.contains("period"), "{basis}");
        }
    }
    assert_eq!(of(at(7, 0)).controls.len(), 1);
    assert_eq!(of(at(7, 30)).controls.len(), 2);
}

#[test]
fn a_report_of_a_period_that_runs_ends_now() {
    let entries: Vec<Entry> = beats(8, 10).collect();
    let span = Span::TypeII { from: at(8, 0), to: at(16, 0) };
    let mut fold = PeriodFold::new(span, &[]);
    for (index, entry) in (0..).zip(&entries) {
        fold.apply(index, entry);
    }
    let period = ReportPeriod { name: "p".to_owned(), span, categories: Vec::new() };
    let report = fold.finish(period, provenance(at(10, 30)));
    assert_eq!(told(&only(&report).intervals), ["08:00 10:30 Passing"]);
    assert_eq!(only(&report).coverage.text(), "100.0%");
}

#[test]
fn the_population_is_that_of_the_start_and_of_the_end() {
    let listed = |at, count| {
        let mut entry = heartbeat("c", at, State::Passing, count);
        if let Data::Heartbeat(data) = &mut entry.data {
            let digest = format!("sha256:{count}");
            data.population_list = Some(PopulationList { digest, count });
        }
        entry
    };
    let entries = [
        listed(at(7, 0), 10),
        heartbeat("c", at(7, 30), State::Passing, 11),
        heartbeat("c", at(8, 30), State::Passing, 12),
        listed(at(15, 0), 13),
        heartbeat("c", at(15, 30), State::Passing, 14),
        heartbeat("c", at(15, 45), State::Unknown, 0),
    ];
    let report = report(&entries);
    let start = only(&report).population_start.as_ref().unwrap();
    assert_eq!((start.count, start.entry, start.list.as_ref().unwrap().count), (11, 1, 10));
    let end = only(&report).population_end.as_ref().unwrap();
    assert_eq!((end.count, end.entry, end.list.as_ref().unwrap().count), (14, 4, 13));
}

fn occurrence(at: Timestamp, phase: OccurrencePhase, record: Option<AttestationRecord>) -> Entry {
    let dates = OccurrenceDates {
        period: "2026-Q4".to_owned(),
        opens: self::at(7, 0),
        due: self::at(9, 0),
        grace_until: self::at(10, 0),
        rule_digest: "sha256:01".to_owned(),
    };
    let data =
        AttestationData { occurrence: dates, event: None, phase, record, message: String::new() };
    entry(at, EntrySubject::control("c"), Data::Attestation(Box::new(data)))
}

#[test]
fn a_missed_occurrence_is_a_deviation_for_ever() {
    let open = occurrence(at(7, 0), OccurrencePhase::Open, None);
    let missed = occurrence(at(10, 5), OccurrencePhase::Missed, None);
    let late = occurrence(at(11, 0), OccurrencePhase::Completed, None);
    let mut entries = vec![open.clone()];
    entries.extend(beats(7, 16));
    // Its time ran out, and no entry says how it ended.
    assert_eq!(only(&report(&entries)).conclusion, Conclusion::NotDeterminable);
    entries.extend([missed.clone(), late]);
    entries.sort_by_key(|entry| entry.at);
    let missing = entries.iter().position(|entry| *entry == missed).unwrap();
    let whole = report(&entries);
    let control = only(&whole);
    assert_eq!(control.conclusion, Conclusion::DeviationObserved);
    assert_eq!(control.occurrences[0].phase, OccurrencePhase::Missed);
    let [deviation] = control.deviations.as_slice() else { panic!("{control:?}") };
    assert_eq!((deviation.rule.as_str(), deviation.from), ("Missed", at(9, 0)));
    assert_eq!((deviation.ending, deviation.opened_entry), (Ending::Open, missing as u64));
    // Where a verdict has it among its findings, with how it ended, it is named once.
    let mut found = finding("2026-Q4", at(10, 5), None);
    found.rule = "Missed".to_owned();
    found.resource.api_version = "comptroller.dev/v1alpha1".to_owned();
    found.resource.kind = "Occurrence".to_owned();
    entries.push(verdict("c", at(15, 0), State::Failing, vec![found.clone()], vec![]));
    entries.push(verdict("c", at(15, 30), State::Passing, vec![], vec![found]));
    entries.sort_by_key(|entry| entry.at);
    let whole = report(&entries);
    let [deviation] = only(&whole).deviations.as_slice() else { panic!("{whole:?}") };
    // Whoever no longer lists it can't perform it in time any more.
    assert_eq!((deviation.ending, deviation.from), (Ending::Open, at(9, 0)));
    // One that was found missed only in the next period is in the next report.
    let next = fold(Span::TypeII { from: at(10, 0), to: at(16, 0) }, &entries);
    assert_eq!(only(&next).occurrences.len(), 1);
    let after = fold(Span::TypeII { from: at(10, 5), to: at(16, 0) }, &entries);
    assert_eq!(only(&after).occurrences.len(), 0);
}

#[test]
fn an_overdue_occurrence_that_is_missed_in_the_end_is_one_deviation() {
    let found = |rule: &str, since| {
        let mut found = finding("2026-Q4", since, None);
        rule.clone_into(&mut found.rule);
        found
    };
    let overdue = found("Overdue", at(9, 0));
    let missed = found("Missed", at(10, 5));
    let of = |last: Entry| {
        let first = verdict("c", at(9, 0), State::Failing, vec![overdue.clone()], vec![]);
        let report = report(&[first, last]);
        let [deviation] = only(&report).deviations.as_slice() else { panic!("{report:?}") };
        (deviation.rule.clone(), deviation.from, deviation.opened_entry, deviation.ending)
    };
    let gone = || vec![mended(overdue.clone())];
    assert_eq!(
        of(verdict("c", at(10, 5), State::Failing, vec![missed], gone())),
        ("Missed".to_owned(), at(9, 0), 0, Ending::Open)
    );
    // One that was attested within its grace is mended.
    assert_eq!(
        of(verdict("c", at(9, 30), State::Passing, vec![], gone())),
        ("Overdue".to_owned(), at(9, 0), 0, Ending::Mended)
    );
}

#[test]
fn an_occurrence_that_was_due_and_not_answered_is_no_pass() {
    let mut entries = vec![occurrence(at(7, 0), OccurrencePhase::Open, None)];
    entries.extend(beats(7, 16));
    for (to, conclusion) in
        [(at(8, 59), Conclusion::NotDue), (at(9, 0), Conclusion::NotDeterminable)]
    {
        let report = fold(Span::TypeII { from: at(7, 0), to }, &entries);
        assert_eq!(only(&report).conclusion, conclusion, "{to}");
    }
}

#[test]
fn an_occurrence_that_was_answered_on_time_is_named_once() {
    let mut entries = vec![
        occurrence(at(7, 0), OccurrencePhase::Open, None),
        occurrence(at(8, 0), OccurrencePhase::Completed, None),
    ];
    entries.extend(beats(8, 16));
    let named = |from, to| {
        let report = fold(Span::TypeII { from, to }, &entries);
        only(&report).occurrences.len()
    };
    assert_eq!((named(at(7, 0), at(9, 0)), named(at(9, 0), at(16, 0))), (1, 0));
}

#[test]
fn what_an_earlier_rule_scheduled_takes_no_place() {
    let mut earlier = occurrence(at(6, 0), OccurrencePhase::Scheduled, None);
    if let Data::Attestation(data) = &mut earlier.data {
        "2026".clone_into(&mut data.occurrence.period);
    }
    let mut entries = vec![
        earlier,
        occurrence(at(6, 30), OccurrencePhase::Scheduled, None),
        occurrence(at(7, 0), OccurrencePhase::Open, None),
        occurrence(at(8, 0), OccurrencePhase::Completed, None),
    ];
    entries.extend(beats(8, 16));
    let report = report(&entries);
    let [occurrence] = only(&report).occurrences.as_slice() else { panic!("{report:?}") };
    assert_eq!(occurrence.period, "2026-Q4");
    assert_eq!(only(&report).conclusion, Conclusion::NoDeviationObserved);
}

#[test]
fn an_occurrence_says_who_attested_what() {
    let record = |by: &str, digest: &str| AttestationRecord {
        summary: String::new(),
        author_bound: None,
        recorded_by: None,
        seen_at: None,
        name: "r".to_owned(),
        counts: true,
        attested_by: by.to_owned(),
        on_behalf: false,
        performed_at: at(8, 0),
        recorded_at: at(8, 5),
        outcome: "Completed".to_owned(),
        version: None,
        participants: 2,
        artifacts: vec![comptroller_evidence::data::ArtifactRef {
            uri: "s3://x".to_owned(),
            digest: digest.to_owned(),
        }],
        spec_digest: "sha256:02".to_owned(),
    };
    let refused = AttestationRecord {
        counts: false,
        performed_at: at(8, 30),
        ..record("person:c", "sha256:c")
    };
    let entries = [
        occurrence(at(7, 0), OccurrencePhase::Open, None),
        occurrence(at(8, 5), OccurrencePhase::Open, Some(record("person:b", "sha256:b"))),
        occurrence(at(8, 6), OccurrencePhase::Completed, Some(record("person:a", "sha256:a"))),
        occurrence(at(8, 7), OccurrencePhase::Completed, Some(refused)),
    ];
    let report = report(&entries);
    let [occurrence] = only(&report).occurrences.as_slice() else { panic!("{report:?}") };
    assert_eq!(occurrence.attested_by, ["person:a", "person:b"]);
    assert_eq!(occurrence.artifacts, ["sha256:a", "sha256:b"]);
    assert_eq!((occurrence.phase, occurrence.entry), (OccurrencePhase::Completed, 3));
    assert_eq!(occurrence.performed_at, Some(at(8, 0)));
}

#[test]
fn an_exception_is_in_force_from_its_approval_to_its_end() {
    let exception = |at, kind, phase: Option<&str>, approved: bool| {
        let mut spec = json!({
            "controls": ["c"], "reason": "legacy", "requestedBy": "person:a",
            "expires": "2026-11-20T14:00:00Z",
        });
        if approved {
            spec["approvedBy"] = json!("person:b");
        }
        let mut data = change(at, kind, Some(spec));
        data.phase = phase.map(str::to_owned);
        entry(at, EntrySubject::new("ControlException", "e"), Data::Exception(Box::new(data)))
    };
    let entries = [
        exception(at(6, 0), ChangeKind::Created, Some("Pending"), false),
        exception(at(9, 0), ChangeKind::Updated, Some("Active"), true),
        exception(at(10, 0), ChangeKind::Phase, Some("Unused"), true),
        exception(at(11, 0), ChangeKind::Phase, Some("Active"), true),
    ];
    // What was only asked for is listed, and allowed nothing.
    let earlier = Span::TypeII { from: at(5, 0), to: at(8, 0) };
    let [asked] = fold(earlier, &entries[..1]).exceptions.try_into().unwrap();
    assert!(asked.active.is_empty() && asked.approved_at.is_none());
    assert_eq!((asked.phase.as_str(), asked.asked_at), ("Pending", at(6, 0)));
    assert!(report(&entries[..1]).exceptions.is_empty());
    let active = |entries: &[Entry]| {
        let report = report(entries);
        let [exception] = report.exceptions.as_slice() else { panic!("{report:?}") };
        let active: Vec<_> = exception
            .active
            .iter()
            .map(|interval| {
                format!("{} {} {}", hour(interval.from), hour(interval.to), interval.reason)
            })
            .collect();
        (active, exception.approved_by.clone(), exception.entries.clone())
    };
    let begun = ["09:00 10:00 Active", "10:00 11:00 Unused"];
    // It is over when it expires, even if no entry says so yet.
    let (expired, approved_by, seen) = active(&entries);
    assert_eq!(expired, [begun[0], begun[1], "11:00 14:00 Active"]);
    assert_eq!((approved_by.as_deref(), seen), (Some("person:b"), vec![0, 1, 2, 3]));
    let mut deleted = entries.to_vec();
    deleted.push(exception(at(12, 0), ChangeKind::Deleted, None, true));
    assert_eq!(active(&deleted).0, [begun[0], begun[1], "11:00 12:00 Active"]);
}

#[test]
fn a_verdict_that_can_not_be_read_says_nothing() {
    let stored =
        comptroller_evidence::data::StoredData { stored: "sha256:aa".to_owned(), bytes: 1 };
    let entries =
        [entry(at(8, 0), EntrySubject::control("c"), Data::Stored(EntryType::Verdict, stored))];
    let report = report(&entries);
    assert_eq!(told(&only(&report).intervals), ["08:00 09:30 Unknown", "09:30 16:00 -"]);
    assert_eq!(only(&report).conclusion, Conclusion::NotDeterminable);
}

#[test]
fn the_criteria_are_those_of_security_and_of_the_categories() {
    let ids = |categories: &[Category]| {
        let span = Span::TypeII { from: at(8, 0), to: at(16, 0) };
        let period = ReportPeriod { name: "p".to_owned(), span, categories: categories.to_vec() };
        PeriodFold::new(span, categories).finish(period, provenance(at(17, 0))).criteria.len()
    };
    assert_eq!(ids(&[]), 33);
    assert_eq!(ids(&[Category::Security]), 33);
    assert_eq!(ids(&[Category::Availability]), 36);
    assert_eq!(ids(Category::ALL), 61);
}
