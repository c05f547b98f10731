//! The status of a control while the log can't be written: nothing new is claimed, and after a while
//! not either that anything holds.

use jiff::{SignedDuration, Timestamp};

use super::{CLOCK_DIFFERS, EVIDENCE_RECORDED, LOG_DISCONTINUED, LOG_UNAVAILABLE, OBSTACLES};
use comptroller_core::{
    api::{
        ControlStatus, State,
        condition::{COMPLIANT, ConditionStatus, READY, condition, set_condition},
        time::whole_seconds,
    },
    engine::Verdict,
};
use comptroller_recorder::Obstacle;

/// How long recording may fail before it is no longer claimed that a control holds.
const BLIP: SignedDuration = SignedDuration::from_secs(10);

/// Whether recording began to fail or goes on again between two statuses: worth one event, however
/// often it is tried meanwhile.
pub fn recording_changed(previous: &ControlStatus, status: &ControlStatus) -> Option<bool> {
    let fails = |status: &ControlStatus| {
        let known = status.conditions.iter().find(|known| known.type_ == EVIDENCE_RECORDED);
        known.is_some_and(|known| OBSTACLES.contains(&known.reason.as_str()))
    };
    (fails(previous) != fails(status)).then(|| !fails(status))
}

/// The reason of conditions while something keeps verdicts from being recorded.
pub fn reason_of(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::Log => LOG_UNAVAILABLE,
        Obstacle::Discontinued => LOG_DISCONTINUED,
        Obstacle::Clocks => CLOCK_DIFFERS,
    }
}

/// The status while nothing is recorded since `since`, for a reason in a word and in a sentence:
/// nothing new is claimed, and after [`BLIP`] not either that anything holds.
pub fn unrecorded(
    previous: &ControlStatus,
    generation: i64,
    (reason, why): (&str, &str),
    since: Timestamp,
    now: Timestamp,
) -> ControlStatus {
    let mut status = previous.clone();
    let make = |type_, status| condition(type_, status, reason, why, generation, now);
    set_condition(&mut status.conditions, make(EVIDENCE_RECORDED, ConditionStatus::False));
    // Whoever waits for this generation is told what it waits for.
    if previous.observed_generation != generation {
        set_condition(&mut status.conditions, make(READY, ConditionStatus::Unknown));
    }
    if claims_until(previous, since, now) == Some(SignedDuration::ZERO) {
        status.state = State::Unknown;
        reason.clone_into(&mut status.reason);
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

/// Whether a verdict says that a control still stands where it stood while nothing was recorded.
pub fn is_still_so(verdict: &Verdict) -> bool {
    matches!(verdict.state, State::Passing | State::Excepted)
}
