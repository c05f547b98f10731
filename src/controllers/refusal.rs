//! Statuses that the API server rejects, and what is left of them without their texts. Pure.

use jiff::Timestamp;
use kube::core::Status;

use crate::telemetry::StatusRefusal;
use comptroller_core::api::{
    AuditPeriodStatus, ControlExceptionStatus, ControlStatus, PersonStatus,
    condition::{Condition, ConditionStatus, condition, set_condition},
};

/// The condition that is False while texts are left out of the status, and absent otherwise.
pub const COMPLETE: &str = "Complete";

/// What a text is replaced with.
const LEFT_OUT: &str = "the API server rejected the status with this text in it";

/// The largest status that is sent, in bytes. etcd takes objects of 1.5 MiB, which include spec and
/// metadata.
pub const MAX_STATUS: usize = 1 << 20;

/// Why the API server will reject this status each time. None if a retry may succeed, or if the error is
/// not about the status.
pub fn refusal(answer: &Status) -> Option<StatusRefusal> {
    let too_large = ["request is too large", "larger than max"];
    match answer.code {
        413 => Some(StatusRefusal::TooLarge),
        500 if too_large.iter().any(|text| answer.message.contains(text)) => {
            Some(StatusRefusal::TooLarge)
        }
        // About permissions, the object's existence, conflicts or load, not about what was sent.
        401 | 403 | 404 | 405 | 408 | 409 | 410 | 429 => None,
        400..=499 => Some(StatusRefusal::Invalid),
        _ => None,
    }
}

const fn message(refusal: StatusRefusal) -> &'static str {
    match refusal {
        StatusRefusal::Invalid => {
            "the API server rejected the status with its texts, so findings and messages are left out: see the evidence log, or run scan; the operator's log has the error, and the CRDs must be those of this version"
        }
        StatusRefusal::TooLarge => {
            "with its texts the object would be larger than the API server accepts, so findings and messages are left out: see the evidence log, or run scan; a smaller spec makes room"
        }
    }
}

/// A status that can be written without its texts.
///
/// Implementers must clear every text that comes from the cluster or its users in
/// [`clear_texts`](Self::clear_texts), since any of them may be what the API server rejects; states,
/// counts and times stay.
pub trait WithoutTexts: Sized {
    /// The conditions, whose messages are replaced.
    fn conditions(&mut self) -> &mut Vec<Condition>;

    /// Clears every text but those of the conditions.
    fn clear_texts(&mut self) {}

    /// The status without texts, and with a condition that says so. `since` is when it was first
    /// rejected. Idempotent.
    #[must_use]
    fn without_texts(&self, refusal: StatusRefusal, since: Timestamp) -> Self
    where
        Self: Clone,
    {
        let mut status = self.clone();
        status.clear_texts();
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

impl WithoutTexts for ControlStatus {
    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }

    fn clear_texts(&mut self) {
        self.findings.clear();
        self.unknown_items.clear();
        // The records themselves stay: without a log nothing else remembers them.
        for occurrence in &mut self.occurrences {
            if let Some(event) = &mut occurrence.event {
                event.item = None;
            }
            for record in &mut occurrence.records {
                record.note.clear();
            }
        }
    }
}

impl WithoutTexts for ControlExceptionStatus {
    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }
}

impl WithoutTexts for AuditPeriodStatus {
    fn conditions(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }
}

impl WithoutTexts for PersonStatus {
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
    fn only_lasting_refusals_are_written_without_texts() {
        for (code, message, refusal) in [
            (400, "error decoding YAML", Some(StatusRefusal::Invalid)),
            (422, "status.state: Unsupported value", Some(StatusRefusal::Invalid)),
            (415, "", Some(StatusRefusal::Invalid)),
            (413, "limit is 3145728", Some(StatusRefusal::TooLarge)),
            (500, "etcdserver: request is too large", Some(StatusRefusal::TooLarge)),
            (
                500,
                "trying to send message larger than max (1 vs. 2)",
                Some(StatusRefusal::TooLarge),
            ),
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
    fn the_verdict_stays_and_no_text() {
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
        let stripped = status.without_texts(StatusRefusal::TooLarge, since);
        let text = serde_json::to_string(&stripped).unwrap();
        assert!(!text.contains("SECRET"), "{text}");
        assert_eq!(
            (stripped.state, stripped.failing, &stripped.since),
            (status.state, 1, &status.since)
        );
        assert_eq!(stripped.occurrences.len(), 1);
        let told: Vec<String> =
            stripped.conditions.iter().map(|one| format!("{} {}", one.type_, one.reason)).collect();
        assert_eq!(told, ["Compliant FindingsOpen", "Complete StatusTooLarge"]);
        assert_eq!(stripped.conditions[1].observed_generation, Some(3));
        // Idempotent: nothing new to write.
        assert_eq!(
            stripped.without_texts(StatusRefusal::TooLarge, since).conditions[1],
            stripped.conditions[1]
        );
    }

    #[test]
    fn the_reasons_are_words_of_the_schema() {
        for refusal in StatusRefusal::ALL {
            assert!(refusal.reason().chars().all(|c| c.is_ascii_alphanumeric()));
        }
    }
}
