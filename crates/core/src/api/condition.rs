//! Conditions by the Kubernetes API conventions: `lastTransitionTime` moves only with the status.

use jiff::Timestamp;
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::time::whole_seconds;
use comptroller_vocabulary::closed_enum;

/// The longest message that the API conventions allow, in characters.
const MAX_MESSAGE: usize = 32_768;

/// The condition that says whether this generation was evaluated. kstatus waits on it.
pub const READY: &str = "Ready";
/// The condition that says whether the control holds.
pub const COMPLIANT: &str = "Compliant";

closed_enum! {
    /// The status of a condition.
    pub enum ConditionStatus {
        /// The condition is met.
        True = "True",
        /// The condition is not met.
        False = "False",
        /// It is not known whether the condition is met.
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

/// Replaces the condition of the same type, or adds it. `lastTransitionTime` stays the same unless the
/// status changes. The order does not depend on the order of calls: Ready, Compliant, then by name, so
/// that server-side apply sees no change where there is none.
pub fn set_condition(conditions: &mut Vec<Condition>, mut new: Condition) {
    // With fractions the condition would differ from itself once it comes back from the API server,
    // and every reconcile would write it.
    new.last_transition_time = whole_seconds(new.last_transition_time.0);
    if let Some(old) = conditions.iter().find(|old| old.type_ == new.type_)
        && old.status == new.status
    {
        new.last_transition_time = old.last_transition_time.clone();
    }
    // A list may hold a type twice if somebody else wrote it; both go.
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

/// Cuts a text to at most `limit` characters.
fn truncate(text: &str, limit: usize) -> &str {
    text.char_indices().nth(limit).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// The schema of a list of conditions with the bounds of the API conventions, which the types of
/// Kubernetes lack.
pub(crate) fn schema(_: &mut SchemaGenerator) -> Schema {
    let statuses: Vec<&str> = ConditionStatus::ALL.iter().map(|status| status.as_str()).collect();
    json_schema!({
        "type": "array",
        "maxItems": 8,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "description": "What the condition is about.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 316,
                },
                "status": {
                    "description": "Whether the condition holds: True, False or Unknown.",
                    "type": "string",
                    "enum": statuses,
                },
                "observedGeneration": {
                    "description": "The generation of the spec that the condition was judged for.",
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                },
                "lastTransitionTime": {
                    "description": "When the status of the condition last changed.",
                    "type": "string",
                    "format": "date-time",
                },
                "reason": {
                    "description": "Why the condition has its status, in one CamelCase word.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                },
                "message": {
                    "description": "Why the condition has its status, for people.",
                    "type": "string",
                    "maxLength": MAX_MESSAGE,
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        ConditionStatus::{False, True, Unknown},
        *,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn only(conditions: &[Condition]) -> (&str, &str, i64, Option<i64>) {
        let [one] = conditions else { panic!("{conditions:?}") };
        let time = one.last_transition_time.0.as_second();
        (&one.status, &one.reason, time, one.observed_generation)
    }

    #[test]
    fn the_time_moves_only_with_the_status() {
        let mut conditions = Vec::new();
        set_condition(&mut conditions, condition(READY, Unknown, "New", "", 1, at(10)));
        set_condition(&mut conditions, condition(READY, Unknown, "Waiting", "for", 2, at(20)));
        assert_eq!(only(&conditions), ("Unknown", "Waiting", 10, Some(2)));
        set_condition(&mut conditions, condition(READY, True, "Evaluated", "", 2, at(30)));
        assert_eq!(only(&conditions), ("True", "Evaluated", 30, Some(2)));
    }

    #[test]
    fn times_are_whole_seconds_as_the_api_server_keeps_them() {
        let now = Timestamp::new(10, 999_999_999).unwrap();
        let mut conditions = Vec::new();
        set_condition(&mut conditions, condition(READY, True, "Evaluated", "", 1, now));
        let kept = serde_json::to_value(&conditions).unwrap();
        assert_eq!(serde_json::from_value::<Vec<Condition>>(kept).unwrap(), conditions);
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        let long = "é".repeat(MAX_MESSAGE + 1);
        let cut = condition(READY, True, "Evaluated", &long, 1, at(0)).message;
        assert_eq!(cut.chars().count(), MAX_MESSAGE);
    }

    proptest! {
        #[test]
        fn the_order_does_not_depend_on_the_order_of_calls(
            types in Just(vec![READY, COMPLIANT, "Enforced", "Stalled"]).prop_shuffle()
        ) {
            let mut conditions = Vec::new();
            for type_ in types {
                set_condition(&mut conditions, condition(type_, False, "Why", "", 1, at(0)));
            }
            let order: Vec<&str> = conditions.iter().map(|one| one.type_.as_str()).collect();
            prop_assert_eq!(order, [READY, COMPLIANT, "Enforced", "Stalled"]);
        }
    }
}
