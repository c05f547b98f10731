//! Conditions by the Kubernetes API conventions: `lastTransitionTime` moves only with the status.

use jiff::Timestamp;
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{closed_enum, time::whole_seconds};

/// Longest message that the API conventions admit, in bytes.
const MAX_MESSAGE: usize = 32_768;

/// The condition that says whether this generation was evaluated. kstatus waits on it.
pub const READY: &str = "Ready";
/// The condition that says whether the control holds.
pub const COMPLIANT: &str = "Compliant";

closed_enum! {
    /// The status of a condition.
    pub enum ConditionStatus {
        /// The condition holds.
        True = "True",
        /// The condition does not hold.
        False = "False",
        /// It cannot be said whether the condition holds.
        Unknown = "Unknown",
    }
}

/// A condition as of `now`. `reason` is CamelCase; a `message` beyond the limit is cut.
pub fn condition(
    type_: &str,
    status: ConditionStatus,
    reason: &str,
    message: &str,
    generation: i64,
    now: Timestamp,
) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: status.as_str().to_owned(),
        reason: reason.to_owned(),
        message: truncate(message, MAX_MESSAGE).to_owned(),
        observed_generation: Some(generation),
        last_transition_time: whole_seconds(now),
    }
}

/// Puts `new` in the place of the condition of its type. The time of the last transition stays
/// when the status does. The order never depends on the order of calls: Ready, Compliant, then
/// by name.
pub fn set_condition(conditions: &mut Vec<Condition>, mut new: Condition) {
    new.last_transition_time = whole_seconds(new.last_transition_time.0);
    if let Some(old) = conditions.iter().find(|old| old.type_ == new.type_)
        && old.status == new.status
    {
        new.last_transition_time = old.last_transition_time.clone();
    }
    conditions.retain(|old| old.type_ != new.type_);
    conditions.push(new);
    conditions.sort_by(|a, b| rank(a).cmp(&rank(b)));
}

fn rank(condition: &Condition) -> (u8, &str) {
    match condition.type_.as_str() {
        READY => (0, ""),
        COMPLIANT => (1, ""),
        other => (2, other),
    }
}

fn truncate(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}
