//! What an entry says of an occurrence of a human control.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use comptroller_vocabulary::OccurrencePhase;

/// A step of an occurrence of a human control: its phase changed, or a record answered it. The
/// subject of the entry is the control.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AttestationData {
    /// The occurrence, by its dates.
    pub occurrence: OccurrenceDates,
    /// The phase after this step.
    pub phase: OccurrencePhase,
    /// What opened the occurrence. Absent of one of the calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<OccurrenceEvent>,
    /// The record that answers it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<AttestationRecord>,
    /// Why, in one sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// The dates of an occurrence and the rule in force, frozen when it opens.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OccurrenceDates {
    /// Its name within the control, such as `2026`, `2026-Q4` or `event-17`.
    pub period: String,
    /// From when it can be attested.
    pub opens: Timestamp,
    /// Until when it is on time.
    pub due: Timestamp,
    /// Until when it is late rather than missed.
    pub grace_until: Timestamp,
    /// The digest of the rule in force: the control's test.
    pub rule_digest: String,
}

/// The event that opened an occurrence, by the entry that tells of it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OccurrenceEvent {
    /// What happened, such as `ControlFailing`, or `Added` for a change of a register.
    pub event: String,
    /// The kind of what it happened to, such as `Control`, or the register.
    pub kind: String,
    /// The name of what it happened to.
    pub name: String,
    /// The item of it, such as the object that began to fail. Absent where it is all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The entry that tells of it.
    pub entry: u64,
    /// When that entry was written.
    pub at: Timestamp,
    /// Who may not attest, by pseudonym.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_by: Vec<String>,
}

impl OccurrenceEvent {
    /// What happened in a few words: `ExceptionGranted of ControlException pause (entry 17)`.
    pub fn describe(&self) -> String {
        let Self { event, kind, name, item, entry, .. } = self;
        let item = item.as_ref().map(|item| format!(", {item}")).unwrap_or_default();
        format!("{event} of {kind} {name}{item} (entry {entry})")
    }
}

/// A record of what somebody attested, as far as the log keeps it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AttestationRecord {
    /// The name of the Attestation object.
    pub name: String,
    /// Whether it counts for the occurrence: it came in time, and the rule admits it.
    #[serde(default)]
    pub counts: bool,
    /// Who attested, as a pseudonym.
    pub attested_by: String,
    /// Whether the record was written by another on their behalf.
    pub on_behalf: bool,
    /// When the procedure was performed.
    pub performed_at: Timestamp,
    /// When the record reached the API server.
    pub recorded_at: Timestamp,
    /// How the procedure ended: `Completed` or `CompletedWithFindings`.
    pub outcome: String,
    /// The version of what was reviewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How many people took part.
    pub participants: u64,
    /// The digests of the artifacts, with where they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<ArtifactRef>,
    /// The digest of the whole spec of the record.
    pub spec_digest: String,
    /// What was done, as the record says, with people as pseudonyms.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// Who wrote the record, as a pseudonym. Absent where the API server does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_by: Option<String>,
    /// When the operator first saw the record. Absent in entries of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_at: Option<Timestamp>,
    /// Whether the policies that bind a record to its author were in force when it was written.
    /// Absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author_bound: Option<bool>,
}

/// An artifact of an attestation.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactRef {
    /// Where it is kept, as the record says.
    pub uri: String,
    /// Its SHA-256, as `sha256:` and hexadecimal digits.
    pub digest: String,
}
