//! The status of an exception.

use jiff::Timestamp;

use crate::controllers::refusal::COMPLETE;
use comptroller_core::{
    api::{
        ControlExceptionStatus, ExceptionPhase,
        condition::{ConditionStatus, READY, condition, set_condition},
    },
    engine::exceptions::ExceptionState,
};
use comptroller_recorder::Recorded;

/// The reason of an exception that names a control or a kind that does not exist.
const NAMES_NOTHING: &str = "NamesNothing";

/// The status of an exception, as the log has it.
pub fn exception(
    previous: &ControlExceptionStatus,
    recorded: &Recorded<ExceptionState>,
    generation: i64,
    now: Timestamp,
) -> ControlExceptionStatus {
    desired(previous, recorded.value(), generation, now)
}

pub(super) fn desired(
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
