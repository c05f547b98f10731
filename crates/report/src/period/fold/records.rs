//! What people wrote, and whether it is bound to them: by what entries say when it was written, and by what
//! they show later.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::tests::{at, change, entry, finding, fold, heartbeat, operator, verdict};
use crate::period::model::{
    Conclusion, ControlReport, ExceptionReport, PeriodReport, Span, WaivedOccurrence,
};
use comptroller_core::api::State;
use comptroller_evidence::{
    data::{
        AttestationData, AttestationRecord, ChangeKind, ObjectChange, OccurrenceDates,
        OccurrencePhase, OperatorEvent,
    },
    entry::{Data, Entry, EntrySubject, EntryType},
};

fn report(mut entries: Vec<Entry>) -> PeriodReport {
    entries.sort_by_key(|entry| entry.at);
    fold(Span::TypeII { from: at(8, 0), to: at(16, 0) }, &entries)
}

fn control(report: &PeriodReport) -> &ControlReport {
    let [control] = report.controls.as_slice() else { panic!("{report:?}") };
    control
}

fn exception_of(report: &PeriodReport) -> &ExceptionReport {
    let [exception] = report.exceptions.as_slice() else { panic!("{report:?}") };
    exception
}

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

/// An entry about the binding of the policy for one kind of record.
fn guard(kind: &str, time: Timestamp, in_force: Option<(&str, Timestamp)>) -> Entry {
    let spec = in_force.map(
        |(uid, since)| json!({"uid": uid, "generation": 1, "inForceSince": since.to_string()}),
    );
    let mut data = change(time, ChangeKind::Updated, spec);
    data.phase = Some(if in_force.is_some() { "InForce" } else { "NotInForce" }.to_owned());
    let name = format!("comptroller-{kind}-author");
    let subject = EntrySubject::new("ValidatingAdmissionPolicyBinding", &name);
    entry(time, subject, Data::Object(EntryType::Guard, Box::new(data)))
}

fn record(name: &str, person: &str, recorded_at: Timestamp) -> AttestationRecord {
    AttestationRecord {
        name: name.to_owned(),
        counts: true,
        attested_by: person.to_owned(),
        on_behalf: false,
        performed_at: recorded_at,
        recorded_at,
        outcome: "Completed".to_owned(),
        version: None,
        participants: 0,
        artifacts: Vec::new(),
        spec_digest: "sha256:00".to_owned(),
        summary: "what was done".to_owned(),
        recorded_by: None,
        seen_at: Some(recorded_at),
        author_bound: Some(true),
    }
}

fn step(
    time: Timestamp,
    phase: OccurrencePhase,
    record: Option<AttestationRecord>,
    message: &str,
) -> Entry {
    let occurrence = OccurrenceDates {
        period: "2026-Q4".to_owned(),
        opens: at(7, 0),
        due: at(15, 0),
        grace_until: at(15, 30),
        rule_digest: String::new(),
    };
    let data =
        AttestationData { occurrence, event: None, phase, record, message: message.to_owned() };
    entry(time, EntrySubject::control("c"), Data::Attestation(Box::new(data)))
}

fn declared(test: &Value) -> Entry {
    let spec = json!({
        "title": "Rights are reviewed", "criteria": ["CC6.3"], "owner": "sec",
        "severity": "High", "test": test,
    });
    let data = Data::ControlChanged(Box::new(change(at(6, 0), ChangeKind::Created, Some(spec))));
    entry(at(6, 0), EntrySubject::control("c"), data)
}

/// A human control that is looked at every hour, with an occurrence that these records answered.
fn attested(min_attesters: u64, records: Vec<AttestationRecord>) -> Vec<Entry> {
    let mut all = vec![declared(&json!({"attestation": {"minAttesters": min_attesters}}))];
    all.extend((7..17).map(|hour| heartbeat("c", at(hour, 0), State::Passing, 1)));
    let seen = records.iter().map(|one| one.recorded_at + seconds(1)).max().unwrap();
    all.extend(records.into_iter().map(|one| {
        let time = one.recorded_at + seconds(1);
        step(time, OccurrencePhase::Open, Some(one), "the record counts")
    }));
    all.push(step(seen, OccurrencePhase::Completed, None, ""));
    all
}

#[test]
fn a_record_that_later_entries_show_to_be_of_anybody_is_no_performance() {
    let lapse = |kind: &str| {
        vec![
            guard(kind, at(7, 0), Some(("a", at(6, 0)))),
            guard(kind, at(10, 0), None),
            guard(kind, at(10, 1), Some(("b", at(10, 1) + seconds(2)))),
        ]
    };
    for (kind, recorded, bound) in [
        ("attestation", at(9, 50), true),
        ("attestation", at(10, 0) + seconds(30), false),
        // A policy takes a moment to have an effect.
        ("attestation", at(10, 1) + seconds(1), false),
        ("attestation", at(10, 2), true),
        // Of another kind of record, and one that may bind any.
        ("exception", at(10, 0) + seconds(30), true),
        ("other", at(10, 0) + seconds(30), false),
    ] {
        let mut entries = attested(1, vec![record("review", "person:a", recorded)]);
        let name = format!("comptroller-{kind}-author");
        entries.extend(lapse(kind));
        if kind == "other" {
            for one in entries.iter_mut().filter(|one| one.subject.name == name) {
                "company-policy".clone_into(&mut one.subject.name);
            }
        }
        let report = report(entries);
        let control = control(&report);
        let told = &control.occurrences[0].records[0];
        assert_eq!(told.author_bound, Some(bound), "{kind} {recorded}");
        if bound {
            assert_eq!(control.conclusion, Conclusion::NoDeviationObserved, "{}", control.basis);
            assert_eq!(told.unbound_entry, None);
        } else {
            assert_eq!(control.conclusion, Conclusion::NotDeterminable);
            let entry = told.unbound_entry.unwrap();
            let why = format!(
                "The record review of the occurrence 2026-Q4 is not bound to its author, as entry {entry} shows"
            );
            assert!(control.basis.starts_with(&why), "{}", control.basis);
            let fact = report.identity.iter().find(|one| one.entry == entry).unwrap();
            assert!(fact.author_not_bound);
        }
    }
}

#[test]
fn a_policy_that_was_replaced_while_nobody_looked_bound_nobody_meanwhile() {
    for (uid, bound) in [("a", true), ("b", false)] {
        let down = record("while-down", "person:a", at(10, 30));
        let mut entries = attested(1, vec![down]);
        entries.retain(|one| !(at(10, 0)..at(11, 0)).contains(&one.at));
        entries.extend([
            guard("attestation", at(7, 0), Some(("a", at(6, 0)))),
            operator(at(10, 0), OperatorEvent::Stopped),
            operator(at(11, 0), OperatorEvent::Started),
            guard("attestation", at(11, 0) + seconds(2), Some((uid, at(10, 45)))),
            step(
                at(11, 0) + seconds(3),
                OccurrencePhase::Completed,
                Some(record("while-down", "person:a", at(10, 30))),
                "the record counts",
            ),
        ]);
        let report = report(entries);
        let told = &control(&report).occurrences[0].records[0];
        assert_eq!(told.author_bound, Some(bound), "{uid}");
        let replaced = report.identity.iter().find(|one| one.author_not_bound);
        assert_eq!(replaced.is_some(), !bound, "{report:?}");
        if let Some(fact) = replaced {
            assert!(fact.what.contains("was replaced"), "{}", fact.what);
            assert_eq!(fact.to, Some(at(10, 45)));
        }
    }
}

#[test]
fn a_list_of_writers_that_is_gone_is_told_and_unbinds_nobody() {
    let mut entries = attested(1, vec![record("review", "person:a", at(10, 30))]);
    let mut gone = guard("attestation", at(10, 0), None);
    gone.subject = EntrySubject::new("ConfigMap", "comptroller-record-writers");
    entries.push(gone);
    let report = report(entries);
    let [fact] = report.identity.as_slice() else { panic!("{report:?}") };
    assert!(fact.what.contains("was not as it should be") && !fact.author_not_bound, "{fact:?}");
    assert_eq!(control(&report).conclusion, Conclusion::NoDeviationObserved);
}

#[test]
fn as_many_people_must_be_bound_as_must_attest() {
    let mut forged = record("forged", "person:b", at(10, 0));
    forged.author_bound = Some(false);
    for (min, expected) in [(1, Conclusion::NoDeviationObserved), (2, Conclusion::NotDeterminable)]
    {
        let honest = record("honest", "person:a", at(9, 0));
        let report = report(attested(min, vec![honest, forged.clone()]));
        assert_eq!(control(&report).conclusion, expected, "{min}");
    }
}

/// An exception that is asked for and then approved, and what was written of it last.
fn exception(spec: Value, asked: Timestamp, approved: Timestamp) -> [Entry; 2] {
    let subject = || EntrySubject::new("ControlException", "e");
    let of = |time, data: ObjectChange| entry(time, subject(), Data::Exception(Box::new(data)));
    let written = |time, kind, spec: Value, phase: &str| ObjectChange {
        phase: Some(phase.to_owned()),
        created_at: Some(asked),
        author_bound: Some(true),
        ..change(time, kind, Some(spec))
    };
    let mut with_approval = spec.clone();
    with_approval["approvedBy"] = json!("person:b");
    [
        of(asked, written(asked, ChangeKind::Created, spec, "Pending")),
        of(approved, written(approved, ChangeKind::Updated, with_approval, "Active")),
    ]
}

fn excepting() -> Value {
    json!({
        "controls": ["c"], "reason": "r", "requestedBy": "person:a", "expires": at(20, 0).to_string(),
        "resources": [{"kind": "ClusterRoleBinding", "name": "ops-*"}],
    })
}

/// A control whose only finding an exception covers from ten on.
fn excepted() -> Vec<Entry> {
    let mut all = vec![declared(&json!({"rbac": {"allow": []}}))];
    all.extend((7..10).map(|hour| heartbeat("c", at(hour, 0), State::Passing, 20)));
    let found = finding("ops-1", at(9, 30), Some("e"));
    all.push(verdict("c", at(10, 0), State::Excepted, vec![found], vec![]));
    all.extend((11..17).map(|hour| heartbeat("c", at(hour, 0), State::Excepted, 20)));
    all
}

#[test]
fn an_approval_that_anybody_could_have_given_accepts_nothing() {
    for (lapsed, expected) in
        [(false, Conclusion::AcceptedRisk), (true, Conclusion::NotDeterminable)]
    {
        let mut entries = excepted();
        entries.extend(exception(excepting(), at(9, 0), at(9, 45)));
        entries.push(guard("exception", at(7, 0), Some(("a", at(6, 0)))));
        if lapsed {
            entries.push(guard("exception", at(9, 44), None));
            entries.push(guard("exception", at(9, 46), Some(("b", at(9, 46)))));
        }
        let report = report(entries);
        let exception = exception_of(&report);
        let bound = (exception.author_bound, exception.approver_bound);
        assert_eq!(bound, (Some(true), Some(!lapsed)));
        assert_eq!(exception.unbound_entry.is_some(), lapsed);
        let control = control(&report);
        assert_eq!(control.conclusion, expected, "{}", control.basis);
        assert_eq!(control.basis.starts_with("The approval of the exception e"), lapsed);
    }
}

#[test]
fn that_an_approval_was_forged_may_turn_out_by_an_entry_about_it() {
    let mut entries = excepted();
    entries.extend(exception(excepting(), at(9, 0), at(9, 45)));
    let turned_out =
        ObjectChange { author_bound: Some(false), ..change(at(12, 0), ChangeKind::Phase, None) };
    let subject = EntrySubject::new("ControlException", "e");
    entries.push(entry(at(12, 0), subject, Data::Exception(Box::new(turned_out))));
    let report = report(entries);
    let exception = exception_of(&report);
    assert_eq!((exception.author_bound, exception.approver_bound), (Some(true), Some(false)));
    assert_eq!(exception.unbound_entry, None);
    assert_eq!(control(&report).conclusion, Conclusion::NotDeterminable);
}

#[test]
fn exceptions_that_are_late_or_have_wildcards_are_flagged() {
    for (asked, late) in [(at(9, 0), false), (at(9, 31), true)] {
        let mut entries = excepted();
        entries.extend(exception(excepting(), asked, at(9, 45)));
        let report = report(entries);
        let exception = exception_of(&report);
        assert_eq!((exception.late, exception.wildcard), (late, true));
        assert_eq!(exception.created_at, Some(asked));
        let [covered] = exception.covered.as_slice() else { panic!("{exception:?}") };
        assert_eq!((covered.since, covered.from), (at(9, 30), at(10, 0)));
        assert_eq!(control(&report).excepted_findings[0].since, at(9, 30));
    }
    let mut named = excepting();
    named["resources"][0]["name"] = json!("ops-1");
    let mut entries = excepted();
    entries.extend(exception(named, at(9, 0), at(9, 45)));
    assert!(!exception_of(&report(entries)).wildcard);
}

#[test]
fn an_occurrence_says_by_which_exception_it_was_waived() {
    let mut entries = vec![declared(&json!({"attestation": {}}))];
    entries.extend((7..17).map(|hour| heartbeat("c", at(hour, 0), State::Passing, 1)));
    entries.push(step(at(11, 0), OccurrencePhase::Waived, None, "waived by ControlException e"));
    let mut waiving = excepting();
    waiving["resources"] = json!([{"kind": "Occurrence", "name": "2026-Q4"}]);
    entries.extend(exception(waiving, at(9, 0), at(10, 0)));
    let waived = report(entries.clone());
    assert_eq!(control(&waived).occurrences[0].waived_by.as_deref(), Some("e"));
    assert_eq!(control(&waived).conclusion, Conclusion::AcceptedRisk);
    let [WaivedOccurrence { control: of, period, .. }] = exception_of(&waived).waived.as_slice()
    else {
        panic!("{waived:?}")
    };
    assert_eq!((of.as_str(), period.as_str()), ("c", "2026-Q4"));
    // A waiver that anybody could have approved waives nothing for sure.
    entries.push(guard("exception", at(9, 50), None));
    entries.push(guard("exception", at(10, 30), Some(("b", at(10, 30)))));
    assert_eq!(control(&report(entries)).conclusion, Conclusion::NotDeterminable);
}

#[test]
fn what_does_not_count_says_why() {
    let mut entries = attested(1, vec![record("good", "person:a", at(9, 0))]);
    let stranger = AttestationRecord { counts: false, ..record("bad", "person:x", at(8, 30)) };
    let why = "the record does not count: person:x may not attest";
    entries.push(step(at(8, 31), OccurrencePhase::Open, Some(stranger), why));
    let report = report(entries);
    let records = &control(&report).occurrences[0].records;
    let told: Vec<_> = records.iter().map(|one| (one.counts, one.note.as_str())).collect();
    assert_eq!(told, [(false, why), (true, "the record counts")]);
}
