//! What to write into a status. Pure: observed and now in, a plan out.

use jiff::{SignedDuration, Timestamp};

use super::{occurrences, refusal::COMPLETE};
use comptroller_core::{
    api::{
        ControlExceptionStatus, ControlSpec, ControlStatus, Enforcement, ExceptionPhase, State,
        StatusFinding,
        condition::{COMPLIANT, Condition, ConditionStatus, READY, condition, set_condition},
        time::whole_seconds,
    },
    engine::{ObservedFinding, Reason, Verdict, exceptions::ExceptionState},
};
use comptroller_recorder::Cited;

/// kstatus reads it as failed: waiting will not help, somebody must edit the spec.
const STALLED: &str = "Stalled";

/// Whether the evidence log holds what the status says. Absent without a log.
pub const EVIDENCE_RECORDED: &str = "EvidenceRecorded";

/// The reason while the log can't be written.
pub const LOG_UNAVAILABLE: &str = "LogUnavailable";

/// The reason when the log holds what the status says.
pub const RECORDED: &str = "Recorded";

/// The reason of an exception that names a control or a kind that does not exist.
const NAMES_NOTHING: &str = "NamesNothing";

/// How long a control may be without any status: most are judged before, and save a write. It is
/// the time in which 10,000 objects are listed and judged.
const PATIENCE: SignedDuration = SignedDuration::from_secs(5);

/// How long recording may fail before it is no longer claimed that a control holds.
const BLIP: SignedDuration = SignedDuration::from_secs(10);

/// When to look again for an evaluation that a heartbeat can speak of.
const RECHECK: SignedDuration = SignedDuration::from_secs(5);

/// What to do about the status of a control.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Nothing changed: look again after this time.
    Wait(SignedDuration),
    /// Record that it is still so, and plan again.
    Beat,
    /// Write this. What it says of a verdict is in the log, where there is one.
    Write {
        /// The status.
        status: Box<ControlStatus>,
        /// Whether it says anything but that somebody looked.
        change: bool,
        /// Whether the state changed: worth an event.
        transition: bool,
        /// Whether more than the population changed. One binding moves the population of every
        /// control about rights, and nobody waits for that number.
        urgent: bool,
    },
}

/// What is known when a status is planned.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The generation of the object.
    pub generation: i64,
    /// Since when the control waits for a verdict: its creation, or the start of the operator.
    pub waits_since: Timestamp,
    /// The spec; absent when it can't be read, and then the verdict says why.
    pub spec: Option<&'a ControlSpec>,
    /// The verdict for this generation.
    pub verdict: Option<&'a Verdict>,
    /// The entry of the log that says so; None without a log.
    pub cited: Option<Cited>,
    /// Until when that verdict is known to hold; None: not all of its inputs were heard of.
    pub as_of: Option<Timestamp>,
    /// What the engine waits for.
    pub waiting: &'a str,
}

/// Plans the status of a control.
pub fn plan(previous: &ControlStatus, known: &Known<'_>, now: Timestamp) -> Plan {
    let Some(verdict) = known.verdict else {
        return plan_pending(previous, known, now);
    };
    let mut status = desired(previous, known, verdict, now);
    let heartbeat = known
        .spec
        .map_or(comptroller_core::api::control::DEFAULT_HEARTBEAT, ControlSpec::heartbeat);
    if status == *previous {
        let due = previous.last_evaluated.as_ref().map(|last| heartbeat.add_to(last.0));
        if let Some(left) =
            due.map(|due| due.duration_since(now)).filter(SignedDuration::is_positive)
        {
            return Plan::Wait(left);
        }
        // A heartbeat says what was heard since it is due. A timer proves nothing.
        let as_of = known.as_of.filter(|as_of| due.is_none_or(|due| *as_of >= due));
        let Some(as_of) = as_of else { return Plan::Wait(RECHECK) };
        if known.cited.is_some() {
            return Plan::Beat;
        }
        status.last_evaluated = Some(whole_seconds(as_of));
        return write(status, false, false, false);
    }
    let transition = status.state != previous.state || previous.since.is_none();
    let beat = ControlStatus {
        last_evaluated: previous.last_evaluated.clone(),
        evidence: previous.evidence,
        ..status.clone()
    };
    let change = beat != *previous;
    if known.cited.is_none() {
        status.last_evaluated = status.last_evaluated.max(known.as_of.map(whole_seconds));
    }
    let urgent = transition || is_urgent(previous, &status);
    write(status, change, transition, urgent)
}

fn write(status: ControlStatus, change: bool, transition: bool, urgent: bool) -> Plan {
    Plan::Write { status: Box::new(status), change, transition, urgent }
}

/// Whether a status says more that is new than how many items were judged, and when.
fn is_urgent(previous: &ControlStatus, status: &ControlStatus) -> bool {
    let quiet = ControlStatus {
        population: previous.population,
        last_evaluated: previous.last_evaluated.clone(),
        evidence: previous.evidence,
        conditions: previous.conditions.clone(),
        ..status.clone()
    };
    quiet != *previous
        || !status.conditions.iter().map(told).eq(previous.conditions.iter().map(told))
}

/// What programs read of a condition; its message is for people.
fn told(condition: &Condition) -> (&str, &str, &str) {
    (&condition.type_, &condition.status, &condition.reason)
}

/// Whether recording began to fail or goes on again between two statuses: worth one event, however
/// often it is tried meanwhile.
pub fn recording_changed(previous: &ControlStatus, status: &ControlStatus) -> Option<bool> {
    let fails = |status: &ControlStatus| {
        let known = status.conditions.iter().find(|known| known.type_ == EVIDENCE_RECORDED);
        known.is_some_and(|known| known.reason == LOG_UNAVAILABLE)
    };
    (fails(previous) != fails(status)).then(|| !fails(status))
}

/// The status while the log can't be written, which it could not since `since`: nothing new is
/// claimed, and after [`BLIP`] not either that anything holds.
pub fn unrecorded(
    previous: &ControlStatus,
    generation: i64,
    why: &str,
    since: Timestamp,
    now: Timestamp,
) -> ControlStatus {
    let mut status = previous.clone();
    let make = |type_, status| condition(type_, status, LOG_UNAVAILABLE, why, generation, now);
    set_condition(&mut status.conditions, make(EVIDENCE_RECORDED, ConditionStatus::False));
    // Whoever waits for this generation is told what it waits for.
    if previous.observed_generation != generation {
        set_condition(&mut status.conditions, make(READY, ConditionStatus::Unknown));
    }
    if claims_until(previous, since, now) == Some(SignedDuration::ZERO) {
        status.state = State::Unknown;
        LOG_UNAVAILABLE.clone_into(&mut status.reason);
        status.since = Some(whole_seconds(since));
        set_condition(&mut status.conditions, make(COMPLIANT, ConditionStatus::Unknown));
    }
    status
}

/// How much longer a status may say that a control holds while nothing is recorded; None: it does
/// not say so.
pub fn claims_until(
    status: &ControlStatus,
    since: Timestamp,
    now: Timestamp,
) -> Option<SignedDuration> {
    let left = BLIP - now.duration_since(since);
    matches!(status.state, State::Passing | State::Excepted).then(|| left.max(SignedDuration::ZERO))
}

/// A verdict that is not recorded, as metrics may tell it: in the state that the status says.
pub fn as_reported(verdict: &Verdict, status: &ControlStatus) -> Verdict {
    let since = status.since.as_ref().map_or(verdict.since, |since| since.0);
    Verdict { state: status.state, since, ..verdict.clone() }
}

/// Whether a verdict says that a control still stands where it stood while nothing was recorded.
pub fn stood(verdict: &Verdict) -> bool {
    matches!(verdict.state, State::Passing | State::Excepted)
}

/// A control that is not judged yet. What an earlier generation or an earlier operator found stays
/// until there is something better; only a control without any status is told that it is seen.
fn plan_pending(previous: &ControlStatus, known: &Known<'_>, now: Timestamp) -> Plan {
    let age = now.duration_since(known.waits_since);
    if !previous.conditions.is_empty() {
        return Plan::Wait(SignedDuration::from_secs(60));
    }
    if age < PATIENCE {
        return Plan::Wait(PATIENCE - age);
    }
    let message = if known.waiting.is_empty() {
        "the first list of what the control reads is under way"
    } else {
        known.waiting
    };
    let mut status = ControlStatus { reason: "Evaluating".to_owned(), ..ControlStatus::default() };
    for type_ in [READY, COMPLIANT] {
        let unknown = condition(
            type_,
            ConditionStatus::Unknown,
            "Evaluating",
            message,
            known.generation,
            now,
        );
        set_condition(&mut status.conditions, unknown);
    }
    write(status, true, false, true)
}

/// The status that a verdict asks for, as last evaluated when its entry was written, or without a
/// log when `previous` was.
fn desired(
    previous: &ControlStatus,
    known: &Known<'_>,
    verdict: &Verdict,
    now: Timestamp,
) -> ControlStatus {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let mut conditions = previous.conditions.clone();
    let wanted = conditions_of(known, verdict, now);
    // The others stay; of these, what no longer applies goes.
    conditions.retain(|known| {
        ![STALLED, EVIDENCE_RECORDED, COMPLETE].contains(&known.type_.as_str())
            || wanted.iter().any(|new| new.type_ == known.type_)
    });
    for new in wanted {
        set_condition(&mut conditions, new);
    }
    ControlStatus {
        observed_generation: known.generation,
        state: verdict.state,
        reason: verdict.reason.as_str().to_owned(),
        since: Some(whole_seconds(verdict.since)),
        last_evaluated: match known.cited {
            Some(cited) => Some(whole_seconds(cited.at)),
            None => previous.last_evaluated.clone(),
        },
        population: count(verdict.population),
        failing: count(verdict.failing),
        excepted: count(verdict.excepted),
        unknown: count(verdict.unknown),
        findings: verdict.findings.iter().map(finding).collect(),
        unknown_items: verdict.unknown_items.iter().map(finding).collect(),
        // A spec that can't be read has none, and is no reason to forget them.
        occurrences: if verdict.occurrences.is_empty() {
            previous.occurrences.clone()
        } else {
            verdict.occurrences.clone()
        },
        evidence: known.cited.map(|cited| cited.reference),
        conditions,
    }
}

fn conditions_of(known: &Known<'_>, verdict: &Verdict, now: Timestamp) -> Vec<Condition> {
    let make = |type_, status, reason: &str, message: &str| {
        condition(type_, status, reason, message, known.generation, now)
    };
    let compliant = match verdict.state {
        State::Passing | State::Excepted => ConditionStatus::True,
        State::Failing => ConditionStatus::False,
        // Nothing was judged, so nothing holds.
        State::Unknown | State::NotApplicable => ConditionStatus::Unknown,
    };
    let reason = verdict.reason.as_str();
    let mut conditions = vec![make(COMPLIANT, compliant, reason, &verdict.message)];
    match verdict.reason {
        Reason::InvalidSpec | Reason::UnsupportedExpression => {
            conditions.push(make(READY, ConditionStatus::False, reason, &verdict.message));
            conditions.push(make(STALLED, ConditionStatus::True, reason, &verdict.message));
        }
        // An edit of the control, too, may be what nobody heard of.
        Reason::WatchStale => {
            conditions.push(make(READY, ConditionStatus::Unknown, reason, &verdict.message));
        }
        _ => {
            let message = ready_message(known.spec, verdict);
            conditions.push(make(READY, ConditionStatus::True, "Evaluated", &message));
        }
    }
    if known.cited.is_some() {
        let message = "the evidence log holds this verdict";
        conditions.push(make(EVIDENCE_RECORDED, ConditionStatus::True, RECORDED, message));
    }
    conditions
}

fn ready_message(spec: Option<&ControlSpec>, verdict: &Verdict) -> String {
    if let Some(message) = occurrences::standing(&verdict.occurrences) {
        return message;
    }
    match spec.map(ControlSpec::enforcement) {
        Some(enforcement @ (Enforcement::Warn | Enforcement::Deny)) => format!(
            "this generation is evaluated; enforcement {} is not available in this version, so requests are not stopped: the control audits",
            enforcement.as_str()
        ),
        _ => "this generation is evaluated with every change".to_owned(),
    }
}

fn finding(observed: &ObservedFinding) -> StatusFinding {
    let ObservedFinding { finding, since, .. } = observed;
    let finding = StatusFinding {
        rule: finding.rule.clone().into_owned(),
        resource: finding.resource.clone(),
        subject: finding.subject.clone(),
        message: finding.message.clone(),
        since: Some(whole_seconds(*since)),
    };
    finding.clipped()
}

/// The status of an exception.
pub fn exception(
    previous: &ControlExceptionStatus,
    standing: &ExceptionState,
    generation: i64,
    now: Timestamp,
) -> ControlExceptionStatus {
    let (status, reason) = match standing.phase {
        ExceptionPhase::Rejected => (ConditionStatus::False, "Rejected"),
        ExceptionPhase::Expired => (ConditionStatus::True, "Judged"),
        _ if !standing.unresolved_names.is_empty() => (ConditionStatus::False, NAMES_NOTHING),
        _ => (ConditionStatus::True, "Judged"),
    };
    let message = if reason == NAMES_NOTHING {
        format!("{}; {}", standing.unresolved_names.join("; "), standing.message)
    } else {
        standing.message.clone()
    };
    let mut conditions = previous.conditions.clone();
    conditions.retain(|known| known.type_ != COMPLETE);
    set_condition(&mut conditions, condition(READY, status, reason, &message, generation, now));
    ControlExceptionStatus {
        observed_generation: generation,
        phase: standing.phase,
        matched: i64::try_from(standing.matched).unwrap_or(i64::MAX),
        conditions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATION: i64 = 2;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn verdict(state: State, reason: Reason) -> Verdict {
        Verdict { state, ..Verdict::blocked(GENERATION, reason, "why".to_owned(), at(0)) }
    }

    fn known(verdict: Option<&Verdict>) -> Known<'_> {
        Known {
            generation: GENERATION,
            waits_since: at(0),
            spec: None,
            verdict,
            cited: None,
            as_of: Some(at(0)),
            waiting: "",
        }
    }

    fn written(plan: Plan) -> (ControlStatus, bool, bool) {
        match plan {
            Plan::Write { status, change, transition, .. } => (*status, change, transition),
            other => panic!("{other:?}"),
        }
    }

    fn cited(index: i64, seconds: i64) -> Cited {
        let reference = comptroller_core::api::EvidenceRef { index, log_size: index + 1 };
        Cited { at: at(seconds), reference }
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
        let heard = |seconds| Known { as_of: Some(at(seconds)), ..known(Some(&passing)) };
        assert_eq!(plan(&status, &heard(590), at(600)), Plan::Wait(SignedDuration::from_mins(50)));
        let (beat, change, transition) = written(plan(&status, &heard(3601), at(3605)));
        assert!(!change && !transition);
        assert_eq!(beat.last_evaluated, Some(whole_seconds(at(3601))));
        assert_eq!(ControlStatus { last_evaluated: status.last_evaluated.clone(), ..beat }, status);

        // An input is silent: no heartbeat says that it is still so.
        for silent in [heard(3599), Known { as_of: None, ..known(Some(&passing)) }] {
            assert_eq!(plan(&status, &silent, at(4000)), Plan::Wait(RECHECK));
        }

        let failing = Verdict { since: at(700), ..verdict(State::Failing, Reason::FindingsOpen) };
        let (status, change, transition) = written(plan(&status, &known(Some(&failing)), at(700)));
        assert!(change && transition);
        assert_eq!(status.since, Some(whole_seconds(at(700))));
    }

    #[test]
    fn a_population_alone_is_not_urgent_and_everything_else_is() {
        let urgent = |previous: &Verdict, next: &Verdict| {
            let (status, ..) =
                written(plan(&ControlStatus::default(), &known(Some(previous)), at(1)));
            match plan(&status, &known(Some(next)), at(2)) {
                Plan::Write { urgent, .. } => urgent,
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
    fn with_a_log_a_status_cites_its_entry_and_a_heartbeat_is_recorded_first() {
        let passing = verdict(State::Passing, Reason::NoFindings);
        let with = |cited| Known { cited, as_of: Some(at(3601)), ..known(Some(&passing)) };
        let none = ControlStatus::default();
        let (status, ..) = written(plan(&none, &with(Some(cited(7, 1))), at(3)));
        assert_eq!(status.evidence.map(|evidence| evidence.index), Some(7));
        // As of the entry, so that a restart finds nothing to write.
        assert_eq!(status.last_evaluated, Some(whole_seconds(at(1))));
        assert!(matches!(plan(&status, &with(Some(cited(7, 1))), at(3600)), Plan::Wait(_)));
        assert_eq!(plan(&status, &with(Some(cited(7, 1))), at(3601)), Plan::Beat);
        // It was recorded, and the status was not written: that is all that is left to do.
        let (beat, change, _) = written(plan(&status, &with(Some(cited(9, 3601))), at(3700)));
        assert_eq!(beat.evidence.map(|evidence| evidence.index), Some(9));
        assert!(!change);
    }

    #[test]
    fn while_the_log_fails_nothing_new_is_claimed() {
        let passing = verdict(State::Passing, Reason::NoFindings);
        let recorded = Known { cited: Some(cited(7, 1)), ..known(Some(&passing)) };
        let (status, ..) = written(plan(&ControlStatus::default(), &recorded, at(1)));
        let closed = unrecorded(&status, GENERATION, "disk full", at(9), at(9));
        assert_eq!(recording_changed(&ControlStatus::default(), &status), None);
        assert_eq!(recording_changed(&status, &closed), Some(false));
        let again = unrecorded(&closed, GENERATION, "bucket gone", at(9), at(12));
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
        let newer = unrecorded(&status, GENERATION + 1, "disk full", at(9), at(9));
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
            let recorded = Known { cited: Some(cited(7, 1)), ..known(Some(&verdict)) };
            let (status, ..) = written(plan(&ControlStatus::default(), &recorded, at(1)));
            let blip = unrecorded(&status, GENERATION, "disk full", at(20), at(29));
            assert_eq!((blip.state, &blip.since), (state, &status.since));
            let left = claims_until(&blip, at(20), at(29));
            assert_eq!(left, (!stays).then(|| SignedDuration::from_secs(1)));
            let closed = unrecorded(&blip, GENERATION, "disk full", at(20), at(30));
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
                assert_eq!(
                    (closed.state, closed.reason.as_str()),
                    (State::Unknown, LOG_UNAVAILABLE)
                );
                assert_eq!(closed.since, Some(whole_seconds(at(20))));
            }
            assert_eq!(as_reported(&verdict, &closed).state, closed.state);
            assert_eq!(unrecorded(&closed, GENERATION, "disk full", at(20), at(90)), closed);
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
            let status = exception(&none, &standing(phase, nothing), GENERATION, at(1));
            let Condition { status, reason, message, .. } = &status.conditions[0];
            assert_eq!(format!("{status} {reason}: {message}"), expected);
        }
    }

    #[test]
    fn a_stalled_status_is_written_once() {
        let broken = verdict(State::Unknown, Reason::InvalidSpec);
        let (status, ..) = written(plan(&ControlStatus::default(), &known(Some(&broken)), at(1)));
        assert!(matches!(plan(&status, &known(Some(&broken)), at(60)), Plan::Wait(_)));
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
            let (status, ..) =
                written(plan(&ControlStatus::default(), &known(Some(&verdict)), at(1)));
            let conditions: Vec<String> = status
                .conditions
                .iter()
                .map(|one| format!("{}={}", one.type_, one.status))
                .collect();
            assert_eq!(conditions.join(" "), expected, "{reason}");
            assert_eq!(status.observed_generation, GENERATION);
        }
    }

    #[test]
    fn a_mended_spec_is_no_longer_stalled() {
        let broken = verdict(State::Unknown, Reason::InvalidSpec);
        let (status, ..) = written(plan(&ControlStatus::default(), &known(Some(&broken)), at(1)));
        let mended = verdict(State::Passing, Reason::NoFindings);
        let (status, ..) = written(plan(&status, &known(Some(&mended)), at(2)));
        assert!(status.conditions.iter().all(|condition| condition.type_ != STALLED));
    }

    #[test]
    fn what_was_found_stays_until_there_is_something_better() {
        let none = ControlStatus::default();
        assert_eq!(plan(&none, &known(None), at(1)), Plan::Wait(SignedDuration::from_secs(4)));
        let (seen, ..) = written(plan(&none, &known(None), at(5)));
        assert_eq!((seen.reason.as_str(), &seen.since), ("Evaluating", &None));
        let failing = verdict(State::Failing, Reason::FindingsOpen);
        let (status, ..) = written(plan(&none, &known(Some(&failing)), at(1)));
        assert!(matches!(plan(&status, &known(None), at(9)), Plan::Wait(_)));
    }
}
