//! Statuses, planned.

use super::*;
use comptroller_core::{
    api::{ControlExceptionStatus, ExceptionPhase, State},
    engine::{Reason, exceptions::ExceptionState},
};

const GENERATION: i64 = 2;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn verdict(state: State, reason: Reason) -> Verdict {
    Verdict { state, ..Verdict::blocked(GENERATION, reason, "why".to_owned(), at(0)) }
}

fn known(verdict: Option<&Verdict>) -> StatusInputs<'_> {
    StatusInputs {
        generation: GENERATION,
        waits_since: at(0),
        spec: None,
        verdict,
        cited: None,
        as_of: Some(at(0)),
        discontinued: None,
        waiting: "",
    }
}

/// A status that is to be written, whether anything but that somebody looked is new in it, and
/// whether the state is.
fn written(plan: StatusPlan) -> (ControlStatus, bool, bool) {
    match plan {
        StatusPlan::Write { status, news, .. } => {
            (*status, news > StatusNews::Heartbeat, news == StatusNews::Transition)
        }
        other => panic!("{other:?}"),
    }
}

fn cited(index: i64, seconds: i64) -> (EvidenceRef, Timestamp) {
    (EvidenceRef { index, log_size: index + 1 }, at(seconds))
}

#[test]
fn a_status_is_written_only_when_something_changed_or_the_heartbeat_is_due() {
    let passing = verdict(State::Passing, Reason::NoFindings);
    let (status, change, transition) =
        written(plan(&ControlStatus::default(), &known(Some(&passing)), at(1)));
    assert!(change && transition);
    // As of what was heard, not as of the write.
    assert_eq!(status.last_evaluated, Some(whole_seconds(at(0))));

    // Nothing changed: the rest of the hour.
    let heard = |seconds| StatusInputs { as_of: Some(at(seconds)), ..known(Some(&passing)) };
    assert_eq!(
        plan(&status, &heard(590), at(600)),
        StatusPlan::Wait(SignedDuration::from_mins(50))
    );
    let (beat, change, transition) = written(plan(&status, &heard(3601), at(3605)));
    assert!(!change && !transition);
    assert_eq!(beat.last_evaluated, Some(whole_seconds(at(3601))));
    assert_eq!(ControlStatus { last_evaluated: status.last_evaluated.clone(), ..beat }, status);

    // An input is silent: no heartbeat says that it is still so.
    for silent in [heard(3599), StatusInputs { as_of: None, ..known(Some(&passing)) }] {
        assert_eq!(plan(&status, &silent, at(4000)), StatusPlan::Wait(RECHECK));
    }

    let failing = Verdict { since: at(700), ..verdict(State::Failing, Reason::FindingsOpen) };
    let (status, change, transition) = written(plan(&status, &known(Some(&failing)), at(700)));
    assert!(change && transition);
    assert_eq!(status.since, Some(whole_seconds(at(700))));
}

#[test]
fn a_population_alone_is_not_urgent_and_everything_else_is() {
    let urgent = |previous: &Verdict, next: &Verdict| {
        let (status, ..) = written(plan(&ControlStatus::default(), &known(Some(previous)), at(1)));
        match plan(&status, &known(Some(next)), at(2)) {
            StatusPlan::Write { urgency, .. } => urgency == Urgency::Now,
            other => panic!("{other:?}"),
        }
    };
    let failing =
        Verdict { population: 9, failing: 1, ..verdict(State::Failing, Reason::FindingsOpen) };
    let grown = Verdict { population: 10, message: "1 of 10".to_owned(), ..failing.clone() };
    assert!(!urgent(&failing, &grown));
    assert!(urgent(&failing, &Verdict { failing: 2, ..grown.clone() }));
    assert!(urgent(&failing, &Verdict { excepted: 1, ..failing.clone() }));
    assert!(urgent(&failing, &verdict(State::Unknown, Reason::Forbidden)));
    let passing = verdict(State::Passing, Reason::NoFindings);
    assert!(urgent(&failing, &passing));
}

#[test]
fn with_a_log_a_status_cites_its_entry_and_a_heartbeat_follows_its_record() {
    let passing = verdict(State::Passing, Reason::NoFindings);
    let with = |cited| StatusInputs { cited, as_of: Some(at(3601)), ..known(Some(&passing)) };
    let none = ControlStatus::default();
    let (status, ..) = written(plan(&none, &with(Some(cited(7, 1))), at(3)));
    assert_eq!(status.evidence.map(|evidence| evidence.index), Some(7));
    // As of the entry, so that a restart finds nothing to write.
    assert_eq!(status.last_evaluated, Some(whole_seconds(at(1))));
    // It is for the record to say that it still is so.
    for later in [3600, 3601, 9999] {
        assert_eq!(plan(&status, &with(Some(cited(7, 1))), at(later)), StatusPlan::Keep);
    }
    // That was recorded: the status follows.
    let (beat, change, _) = written(plan(&status, &with(Some(cited(9, 3601))), at(3700)));
    assert_eq!(beat.evidence.map(|evidence| evidence.index), Some(9));
    assert!(!change);
}

#[test]
fn while_the_log_fails_nothing_new_is_claimed() {
    let passing = verdict(State::Passing, Reason::NoFindings);
    let recorded = StatusInputs { cited: Some(cited(7, 1)), ..known(Some(&passing)) };
    let (status, ..) = written(plan(&ControlStatus::default(), &recorded, at(1)));
    let closed = unrecorded(&status, GENERATION, (LOG_UNAVAILABLE, "disk full"), at(9), at(9));
    assert_eq!(recording_changed(&ControlStatus::default(), &status), None);
    assert_eq!(recording_changed(&status, &closed), Some(false));
    let again = unrecorded(&closed, GENERATION, (LOG_UNAVAILABLE, "bucket gone"), at(9), at(12));
    assert_eq!(recording_changed(&closed, &again), None, "one event, not one for each retry");
    let says = |status: &ControlStatus, type_: &str| {
        let known = status.conditions.iter().find(|known| known.type_ == type_);
        known.map(|known| (known.status.clone(), known.reason.clone()))
    };
    let no = Some(("False".to_owned(), LOG_UNAVAILABLE.to_owned()));
    assert_eq!(says(&closed, EVIDENCE_RECORDED), no);
    let claims = ControlStatus { conditions: status.conditions.clone(), ..closed.clone() };
    assert_eq!(claims, status);
    assert_eq!(says(&closed, READY), says(&status, READY));
    // A newer generation is not reported yet.
    let newer = unrecorded(&status, GENERATION + 1, (LOG_UNAVAILABLE, "disk full"), at(9), at(9));
    assert_eq!(says(&newer, READY).unwrap().0, "Unknown");
    // It heals, and the status is what it was.
    let (healed, change, _) = written(plan(&closed, &recorded, at(20)));
    assert!(change);
    assert_eq!(recording_changed(&closed, &healed), Some(true));
    assert_eq!(says(&healed, EVIDENCE_RECORDED).unwrap().0, "True");
}

#[test]
fn a_log_that_fails_for_long_lets_no_control_hold() {
    for (state, reason, stays) in [
        (State::Passing, Reason::NoFindings, false),
        (State::Excepted, Reason::FindingsExcepted, false),
        (State::Failing, Reason::FindingsOpen, true),
        (State::NotApplicable, Reason::NoPopulation, true),
        (State::Unknown, Reason::Forbidden, true),
    ] {
        let verdict = verdict(state, reason);
        let recorded = StatusInputs { cited: Some(cited(7, 1)), ..known(Some(&verdict)) };
        let (status, ..) = written(plan(&ControlStatus::default(), &recorded, at(1)));
        let blip = unrecorded(&status, GENERATION, (LOG_UNAVAILABLE, "disk full"), at(20), at(29));
        assert_eq!((blip.state, &blip.since), (state, &status.since));
        let left = claims_until(&blip, at(20), at(29));
        assert_eq!(left, (!stays).then(|| SignedDuration::from_secs(1)));
        let closed = unrecorded(&blip, GENERATION, (LOG_UNAVAILABLE, "disk full"), at(20), at(30));
        let compliant = |status: &ControlStatus| {
            let known = status.conditions.iter().find(|known| known.type_ == COMPLIANT);
            known.map(|known| (known.status.clone(), known.reason.clone()))
        };
        assert_ne!(compliant(&closed).unwrap().0, "True");
        if stays {
            assert_eq!(compliant(&closed), compliant(&status));
            assert_eq!(closed.state, state);
        } else {
            let unknown = ("Unknown".to_owned(), LOG_UNAVAILABLE.to_owned());
            assert_eq!(compliant(&closed), Some(unknown));
            assert_eq!((closed.state, closed.reason.as_str()), (State::Unknown, LOG_UNAVAILABLE));
            assert_eq!(closed.since, Some(whole_seconds(at(20))));
        }
        assert_eq!(
            unrecorded(&closed, GENERATION, (LOG_UNAVAILABLE, "disk full"), at(20), at(90)),
            closed
        );
        // It heals, and the verdict is as it was, since when it was.
        let (healed, ..) = written(plan(&closed, &recorded, at(91)));
        assert_eq!((healed.state, healed.since), (status.state, status.since));
    }
}

#[test]
fn an_exception_that_names_nothing_is_not_ready() {
    let standing = |phase, unresolved_names: &[&str]| ExceptionState {
        phase,
        matched: 0,
        message: "waits for approval".to_owned(),
        unresolved_names: unresolved_names.iter().map(|text| (*text).to_owned()).collect(),
    };
    for (phase, nothing, expected) in [
        (ExceptionPhase::Pending, &[][..], "True Judged: waits for approval"),
        (ExceptionPhase::Pending, &["a", "b"], "False NamesNothing: a; b; waits for approval"),
        (ExceptionPhase::Expired, &["a"], "True Judged: waits for approval"),
        (ExceptionPhase::Rejected, &["a"], "False Rejected: waits for approval"),
    ] {
        let none = ControlExceptionStatus::default();
        let status = super::exception::desired(&none, &standing(phase, nothing), GENERATION, at(1));
        let Condition { status, reason, message, .. } = &status.conditions[0];
        assert_eq!(format!("{status} {reason}: {message}"), expected);
    }
}

#[test]
fn a_stalled_status_is_written_once() {
    let broken = verdict(State::Unknown, Reason::InvalidSpec);
    let (status, ..) = written(plan(&ControlStatus::default(), &known(Some(&broken)), at(1)));
    assert!(matches!(plan(&status, &known(Some(&broken)), at(60)), StatusPlan::Wait(_)));
}

#[test]
fn conditions_say_what_kstatus_and_alerts_wait_for() {
    for (state, reason, expected) in [
        (State::Passing, Reason::NoFindings, "Ready=True Compliant=True"),
        (State::Excepted, Reason::FindingsExcepted, "Ready=True Compliant=True"),
        (State::Failing, Reason::FindingsOpen, "Ready=True Compliant=False"),
        (State::NotApplicable, Reason::NoPopulation, "Ready=True Compliant=Unknown"),
        (State::Unknown, Reason::Forbidden, "Ready=True Compliant=Unknown"),
        (State::Unknown, Reason::InvalidSpec, "Ready=False Compliant=Unknown Stalled=True"),
    ] {
        let verdict = verdict(state, reason);
        let (status, ..) = written(plan(&ControlStatus::default(), &known(Some(&verdict)), at(1)));
        let conditions: Vec<String> =
            status.conditions.iter().map(|one| format!("{}={}", one.type_, one.status)).collect();
        assert_eq!(conditions.join(" "), expected, "{reason}");
        assert_eq!(status.observed_generation, GENERATION);
    }
}

#[test]
fn a_fixed_spec_is_no_longer_stalled() {
    let broken = verdict(State::Unknown, Reason::InvalidSpec);
    let (status, ..) = written(plan(&ControlStatus::default(), &known(Some(&broken)), at(1)));
    let fixed = verdict(State::Passing, Reason::NoFindings);
    let (status, ..) = written(plan(&status, &known(Some(&fixed)), at(2)));
    assert!(status.conditions.iter().all(|condition| condition.type_ != STALLED));
}

#[test]
fn what_was_found_stays_until_there_is_something_better() {
    let none = ControlStatus::default();
    assert_eq!(plan(&none, &known(None), at(1)), StatusPlan::Wait(SignedDuration::from_secs(4)));
    let (seen, ..) = written(plan(&none, &known(None), at(5)));
    assert_eq!((seen.reason.as_str(), &seen.since), ("Evaluating", &None));
    let failing = verdict(State::Failing, Reason::FindingsOpen);
    let (status, ..) = written(plan(&none, &known(Some(&failing)), at(1)));
    assert!(matches!(plan(&status, &known(None), at(9)), StatusPlan::Wait(_)));
}
