//! Statuses that the API server refuses, and what is left of them without their texts. Pure.

use jiff::Timestamp;
use kube::core::Status;

use crate::telemetry::Refusal;
use comptroller_core::api::{
    AuditPeriodStatus, ControlExceptionStatus, ControlStatus,
    condition::{Condition, ConditionStatus, condition, set_condition},
};

/// Whether the status says all that there is to say. Absent while it does.
pub const COMPLETE: &str = "Complete";

/// In place of a text.
const LEFT_OUT: &str = "the API server refused the status with this text in it";

/// The longest status that is sent, in bytes. etcd takes objects of 1.5 MiB, and the spec and the
/// metadata are part of them.
pub const MAX_STATUS: usize = 1 << 20;

/// What an answer says of a status. None: another try may succeed, or nothing could be written at all.
pub fn refusal(answer: &Status) -> Option<Refusal> {
    let too_large = ["request is too large", "larger than max"];
    match answer.code {
        413 => Some(Refusal::TooLarge),
        500 if too_large.iter().any(|text| answer.message.contains(text)) => {
            Some(Refusal::TooLarge)
        }
        // No right, no object, no time: none of them is about what was sent.
        401 | 403 | 404 | 405 | 408 | 409 | 410 | 429 => None,
        400..=499 => Some(Refusal::Invalid),
        _ => None,
    }
}

const fn message(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Invalid => {
            "the API server refused the status with its texts, so findings and messages are left out: see the evidence log, or run scan; the operator's log has what it answered, and the CRDs must be those of this version"
        }
        Refusal::TooLarge => {
            "with its texts the object would be larger than the API server takes, so findings and messages are left out: see the evidence log, or run scan; a smaller spec makes room"
        }
    }
}

/// A status that can be told without any text that comes from outside.
pub trait Bare: Sized {
    /// The conditions.
    fn conditions(&mut self) -> &mut Vec<Condition>;

    /// Leaves out every other text.
    fn strip(&mut self) {}

    /// The status without texts, and a condition that says so. `since` is when it first was refused.
    #[must_use]
    fn bare(&self, refusal: Refusal, since: Timestamp) -> Self
    where
        Self: Clone,
    {
        let mut status = self.clone();
        status.strip();
        let conditions = status.conditions();
        for known in conditions.iter_mut() {
            LEFT_OUT.clone_into(&mut known.message);
        }
        let generation = conditions.iter().filter_map(|known| known.observed_generation).max();
        let incomplete = condition(
            COMPLETE,
            ConditionStatus::False,
            refusal.reason(),
            message(refusal),
            generation.unwrap_or_default(),
            since,
        );
        set_condition(conditions, incomplete);
        status
    }
}

impl Bare for ControlStatus {
    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }

    fn strip(&mut self) {
        self.findings.clear();
        self.unknown_items.clear();
        // Without a log the status alone remembers what became of them.
        for occurrence in &mut self.occurrences {
            for record in &mut occurrence.records {
                record.note.clear();
            }
        }
    }
}

impl Bare for ControlExceptionStatus {
    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }
}

impl Bare for AuditPeriodStatus {
    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(code: u16, message: &str) -> Status {
        Status { code, message: message.to_owned(), ..Status::default() }
    }

    #[test]
    fn only_what_will_be_refused_again_is_written_without_texts() {
        for (code, message, refusal) in [
            (400, "error decoding YAML", Some(Refusal::Invalid)),
            (422, "status.state: Unsupported value", Some(Refusal::Invalid)),
            (415, "", Some(Refusal::Invalid)),
            (413, "limit is 3145728", Some(Refusal::TooLarge)),
            (500, "etcdserver: request is too large", Some(Refusal::TooLarge)),
            (500, "trying to send message larger than max (1 vs. 2)", Some(Refusal::TooLarge)),
            (500, "etcdserver: leader changed", None),
            (401, "", None),
            (403, "", None),
            (404, "", None),
            (409, "", None),
            (429, "", None),
            (503, "", None),
        ] {
            assert_eq!(super::refusal(&answer(code, message)), refusal, "{code} {message}");
        }
    }

    #[test]
    fn what_is_left_has_the_verdict_and_no_text() {
        let status: ControlStatus = serde_json::from_value(json!({
            "observedGeneration": 3, "state": "Failing", "reason": "FindingsOpen", "failing": 1,
            "since": "2026-10-01T00:00:00Z",
            "findings": [{"rule": "R", "message": "SECRET",
                "resource": {"apiVersion": "v1", "kind": "Pod", "name": "SECRET"}}],
            "unknownItems": [{"rule": "R", "message": "SECRET",
                "resource": {"apiVersion": "v1", "kind": "Pod", "name": "SECRET"}}],
            "occurrences": [{"period": "2026", "phase": "Open", "ruleDigest": "sha256:1",
                "opens": "2026-10-01T00:00:00Z", "due": "2027-01-01T00:00:00Z",
                "graceUntil": "2027-01-15T00:00:00Z",
                "records": [{"name": "a", "counts": false, "note": "SECRET"}]}],
            "conditions": [{"type": "Compliant", "status": "False", "reason": "FindingsOpen",
                "message": "SECRET", "observedGeneration": 3,
                "lastTransitionTime": "2026-10-01T00:00:00Z"}],
        }))
        .unwrap();
        let since = "2026-10-02T00:00:00Z".parse().unwrap();
        let bare = status.bare(Refusal::TooLarge, since);
        let text = serde_json::to_string(&bare).unwrap();
        assert!(!text.contains("SECRET"), "{text}");
        assert_eq!((bare.state, bare.failing, &bare.since), (status.state, 1, &status.since));
        assert_eq!(bare.occurrences.len(), 1);
        let told: Vec<String> =
            bare.conditions.iter().map(|one| format!("{} {}", one.type_, one.reason)).collect();
        assert_eq!(told, ["Compliant FindingsOpen", "Complete StatusTooLarge"]);
        assert_eq!(bare.conditions[1].observed_generation, Some(3));
        // Once more is the same: nothing to write.
        assert_eq!(bare.bare(Refusal::TooLarge, since).conditions[1], bare.conditions[1]);
    }

    #[test]
    fn the_reasons_are_words_of_the_schema() {
        for refusal in Refusal::ALL {
            assert!(refusal.reason().chars().all(|c| c.is_ascii_alphanumeric()));
        }
    }
}
