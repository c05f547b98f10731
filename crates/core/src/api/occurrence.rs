//! One occurrence of something that recurs or that an event opened: its dates, the rule in force, and how it ended.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OccurrencePhase, test_spec::AttestationTest};

/// How many occurrences of the calendar are kept: the newest twelve that have opened, and the next one.
pub const MAX_OCCURRENCES: usize = 13;

/// How many occurrences a status holds. Of those that events opened there may be many more, which
/// the evidence log has.
pub const SHOWN_OCCURRENCES: usize = 20;

pub use comptroller_vocabulary::MAX_OCCURRENCE_RECORDS as MAX_RECORDS;

/// One occurrence of a procedure that people perform. Its dates and its rule are fixed when it opens;
/// once it is closed, only records that came too late are added.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Occurrence {
    /// Its name within the control, such as 2026, 2026-Q4, 2026-11 or the day on which it begins;
    /// event-17 if the 17th event opened it.
    #[schemars(length(min = 1, max = 32))]
    pub period: String,
    /// The phase of the occurrence.
    pub phase: OccurrencePhase,
    /// When it opens: from then on it can be attested.
    pub opens: Time,
    /// When it is due: attested by then, it is on time.
    pub due: Time,
    /// When the grace period ends: attested by then, it is late rather than missed.
    pub grace_until: Time,
    /// The digest of the rule in force: the test as it was when the occurrence opened.
    #[schemars(length(min = 1, max = 128))]
    pub rule_digest: String,
    /// What opened it. Absent if that was the calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<OccurrenceEvent>,
    /// The rule itself, while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<AttestationTest>,
    /// When a reminder was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded: Option<Time>,
    /// When it was completed, missed or waived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Time>,
    /// The name of the exception that waived it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub waived_by: Option<String>,
    /// The first 16 records about it that reached the API server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_RECORDS))]
    pub records: Vec<OccurrenceRecord>,
}

/// The event that opened an occurrence, as the evidence log tells it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OccurrenceEvent {
    /// What happened, such as ControlFailing, or Added for a change of a register.
    #[schemars(length(min = 1, max = 63))]
    pub event: String,
    /// The kind of what it happened to, such as Control, or the register.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// The name of what it happened to.
    #[schemars(length(min = 1, max = 512))]
    pub name: String,
    /// The item of it, such as the object that began to fail. Absent where it is all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub item: Option<String>,
    /// The entry of the evidence log that tells of the event.
    #[schemars(range(min = 0))]
    pub entry: i64,
    /// When it happened, by that entry.
    pub at: Time,
    /// Who may not attest, by pseudonym.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 128)))]
    pub not_by: Vec<String>,
}

/// A record about an occurrence.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OccurrenceRecord {
    /// The name of the Attestation.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Whether it counts for the occurrence.
    pub counts: bool,
    /// Why it does not count, or what else to know about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub note: String,
}
