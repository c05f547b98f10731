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
