//! Cheats by another rule, or none, for a part of the time.

use super::*;

/// A spec that lets these users pass.
fn allowing(users: &[&str]) -> Value {
    let allow: Vec<Value> =
        users.iter().map(|name| json!({"kind": "User", "name": name})).collect();
    spec(|spec| spec["test"]["rbac"]["allow"] = allow.into())
}

fn edited(edits: &[(Timestamp, &[&str])]) -> PeriodReport {
    let edit = |(time, users): &(Timestamp, &[&str])| {
        declared(*time, ChangeKind::Updated, allowing(users))
    };
    report(&with_beats(edits.iter().map(edit).collect()))
}

#[test]
fn a_rule_that_was_another_for_a_time_is_no_pass_whatever_comes_after_it() {
    let report = edited(&[(at(10, 0), &["jane", "joe"]), (at(10, 5), &["sam"])]);
    let control = only(&report);
    assert_eq!(control.conclusion, Conclusion::NotDeterminable);
    assert!(control.basis.contains("10:00:00Z to 2026-11-20T10:05:00Z"), "{}", control.basis);
    assert_eq!(control.specs.len(), 3);
}

#[test]
fn a_conclusion_is_about_one_rule() {
    let report = edited(&[(at(12, 0), &["jane"])]);
    let control = only(&report);
    assert_eq!(control.conclusion, Conclusion::NotDeterminable);
    assert!(control.basis.contains("by itself"), "{}", control.basis);
    // The last minutes of a period are less than what may be missing of it.
    for time in [at(8, 10), at(15, 50)] {
        let report = edited(&[(time, &["jane"])]);
        assert_eq!(only(&report).conclusion, Conclusion::NoDeviationObserved, "{report:?}");
        assert_eq!(only(&report).specs.len(), 2);
    }
}

#[test]
fn a_spec_of_the_first_second_of_the_period_is_shown() {
    let report = edited(&[(at(8, 0), &["jane"]), (at(8, 0), &["joe"])]);
    assert_eq!(only(&report).specs.len(), 2, "{:?}", only(&report).specs);
}

#[test]
fn a_control_that_was_deleted_for_a_moment_needs_an_approval_as_a_suspension_does() {
    let recreated = |approvals: Vec<Entry>| {
        let mut entries = vec![
            control("c", at(10, 30), ChangeKind::Deleted, None),
            declared(at(10, 31), ChangeKind::Created, spec(|_| ())),
            verdict("c", at(10, 31), State::Passing, vec![], vec![]),
        ];
        entries.extend(approvals);
        report(&with_beats(entries))
    };
    let without = recreated(vec![]);
    let control = only(&without);
    assert_eq!(control.conclusion, Conclusion::NotDeterminable);
    assert!(control.basis.contains("nobody approved"), "{}", control.basis);
    let with = recreated(vec![exception("pause", at(9, 0), true, Some("person:sam"))]);
    assert_eq!(only(&with).conclusion, Conclusion::NoDeviationObserved, "{with:?}");
}

#[test]
fn an_exception_that_takes_the_name_of_another_hides_nothing_of_it() {
    let deleted = |time| {
        let data = Data::Exception(Box::new(change(time, ChangeKind::Deleted, None)));
        entry(time, EntrySubject::new("ControlException", "pause"), data)
    };
    let mut second = exception("pause", at(12, 0), true, Some("person:sam"));
    if let Data::Exception(data) = &mut second.data {
        data.spec =
            Some(json!({"controls": ["other"], "resources": [{"kind": "Pod", "name": "p"}]}));
    }
    let first = exception("pause", at(9, 0), false, Some("person:sam"));
    let report = report(&with_beats(vec![first, deleted(at(11, 0)), second]));
    let told: Vec<(bool, Timestamp)> =
        report.exceptions.iter().map(|one| (one.wildcard, one.asked_at)).collect();
    assert_eq!(told, [(true, at(9, 0)), (false, at(12, 0))]);
}

#[test]
fn a_published_checkpoint_that_is_taken_away_is_missed() {
    let started = |time, checkpoint: Option<&str>| {
        let mut data = OperatorData::new(OperatorEvent::Started, "0.1.0".to_owned());
        let checkpoint = checkpoint.map(str::to_owned);
        data.published = Some(PublishedState { checkpoint, continues: true });
        entry(time, EntrySubject::new("Operator", "o-0"), Data::Operator(Box::new(data)))
    };
    let begun = [started(at(7, 0), None), started(at(9, 0), Some("first"))];
    assert_eq!(report(&begun).log.continues_published, Some(true));
    let log = report(&[&begun[..], &[started(at(10, 0), None)]].concat()).log;
    assert_eq!((log.continues_published, log.published.as_deref()), (Some(false), Some("first")));
}

#[test]
fn an_audit_period_that_is_declared_again_says_what_it_was() {
    let period = |time, kind, name: &str, spec: Option<Value>| {
        let data = Data::Object(EntryType::AuditPeriod, Box::new(change(time, kind, spec)));
        entry(time, EntrySubject::new("AuditPeriod", name), data)
    };
    let span = |from: &str, to: &str| {
        let (from, to) = (format!("2026-11-20T{from}:00Z"), format!("2026-11-20T{to}:00Z"));
        Some(json!({"type": "TypeII", "from": from, "to": to, "minimumObservation": 50}))
    };
    let report = report(&with_beats(vec![
        period(at(7, 0), ChangeKind::Created, "q3", span("06:00", "16:00")),
        period(at(7, 1), ChangeKind::Created, "earlier", span("01:00", "02:00")),
        period(at(15, 0), ChangeKind::Deleted, "q3", None),
        period(at(17, 0), ChangeKind::Created, "q3", span("12:00", "16:00")),
    ]));
    let told: Vec<&str> = report.period_changes.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(
        told,
        [
            "declared: TypeII from 2026-11-20T06:00:00Z to 2026-11-20T16:00:00Z, concluded upon from 50 % on",
            "deleted",
            "declared again: TypeII from 2026-11-20T12:00:00Z to 2026-11-20T16:00:00Z, concluded upon from 50 % on",
        ]
    );
}

#[test]
fn a_suspension_of_less_than_a_second_is_told() {
    let suspended = spec(|spec| spec["suspend"] = json!(true));
    let report = report(&with_beats(vec![
        declared(at(10, 0), ChangeKind::Updated, suspended),
        declared(at(10, 0), ChangeKind::Updated, spec(|_| ())),
    ]));
    let control = only(&report);
    let [one] = control.suspensions.as_slice() else { panic!("{control:?}") };
    assert_eq!((one.from, one.to, &one.approved_by), (at(10, 0), at(10, 0), &None));
    assert_eq!(control.conclusion, Conclusion::NotDeterminable);
}
