//! One occurrence of something that recurs: its dates, the rule in force, and how it ended.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OccurrencePhase, test_spec::AttestationTest};

/// How many occurrences a status holds: the newest twelve that have opened, and the next one.
pub const MAX_OCCURRENCES: usize = 13;

pub use comptroller_vocabulary::MAX_OCCURRENCE_RECORDS as MAX_RECORDS;

/// One occurrence of a procedure that people perform. Its dates and its rule are fixed when it opens;
/// once it is closed, only records that came too late are added.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Occurrence {
    /// Its name within the control, such as 2026, 2026-Q4, 2026-11 or the day on which it begins.
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
