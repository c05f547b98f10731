//! The conditions of a control: what kstatus, alerts and people read.

use jiff::Timestamp;

use super::{EVIDENCE_RECORDED, LOG_DISCONTINUED, RECORDED, STALLED, StatusInputs};
use crate::controllers::occurrences;
use comptroller_core::{
    api::{
        ControlSpec, Enforcement, State,
        condition::{COMPLIANT, Condition, ConditionStatus, READY, condition},
    },
    engine::{Reason, Verdict},
};

/// The conditions that a verdict asks for.
pub(super) fn conditions_of(
    known: &StatusInputs<'_>,
    verdict: &Verdict,
    now: Timestamp,
) -> Vec<Condition> {
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
        conditions.push(if let Some(why) = known.discontinued {
            // It is recorded, in a log that proves nothing of the time before.
            make(EVIDENCE_RECORDED, ConditionStatus::False, LOG_DISCONTINUED, why)
        } else {
            let message = "the evidence log holds this verdict";
            make(EVIDENCE_RECORDED, ConditionStatus::True, RECORDED, message)
        });
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
