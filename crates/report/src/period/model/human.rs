//! Human controls: their occurrences, and what was attested.

use jiff::Timestamp;
use serde::Serialize;

use comptroller_evidence::data::{ArtifactRef, OccurrenceEvent, OccurrencePhase};

/// How many days after a procedure was performed its record is still taken to be written at once. One that
/// comes later is flagged as backdated.
pub const BACKDATED_AFTER_DAYS: i64 = 7;

/// An occurrence of a human control.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct OccurrenceReport {
    /// Its name within the control.
    pub period: String,
    /// What opened it. None of one of the calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<OccurrenceEvent>,
    /// From when it could be attested.
    pub opens: Timestamp,
    /// Until when it was on time.
    pub due: Timestamp,
    /// Until when it was late rather than missed.
    pub grace_until: Timestamp,
    /// The phase at the end of the period.
    pub phase: OccurrencePhase,
    /// Who attested, as pseudonyms.
    pub attested_by: Vec<String>,
    /// When it was performed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performed_at: Option<Timestamp>,
    /// The digests of the artifacts.
    pub artifacts: Vec<String>,
    /// The exception by which it was waived; None if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waived_by: Option<String>,
    /// Every record that names it, by entry; those that don't count too.
    pub records: Vec<AttestationReport>,
    /// The newest entry that says so.
    pub entry: u64,
}

/// A record of what somebody attested.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own in the report's JSON")]
pub struct AttestationReport {
    /// The name of the Attestation.
    pub name: String,
    /// Whether it counts for the occurrence.
    pub counts: bool,
    /// Who attested, as a pseudonym.
    pub attested_by: String,
    /// Who wrote the record, as a pseudonym; None where the log does not have it.
    pub recorded_by: Option<String>,
    /// Whether another wrote it on their behalf.
    pub on_behalf: bool,
    /// When the procedure was performed, as the record says.
    pub performed_at: Timestamp,
    /// When the record reached the API server.
    pub recorded_at: Timestamp,
    /// When the operator saw it; None in entries of older versions.
    pub seen_at: Option<Timestamp>,
    /// How the procedure ended: `Completed` or `CompletedWithFindings`.
    pub outcome: String,
    /// The version of what was reviewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How many people took part.
    pub participants: u64,
    /// Where each artifact is, and its digest.
    pub artifacts: Vec<ArtifactRef>,
    /// What was done, as the record says.
    pub summary: String,
    /// Why it counts or does not, as the log says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Whether the policies that bind a record to its author were in force when it was written, by its
    /// entry and by all that came later; None where that is not known.
    pub author_bound: Option<bool>,
    /// The entry that shows that they were not, where it is another than that of the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unbound_entry: Option<u64>,
    /// Whether it was recorded more than [`BACKDATED_AFTER_DAYS`] after it is said to have been performed,
    /// or is said to have been performed before the occurrence could be attested.
    pub backdated: bool,
    /// Whether it was recorded after the occurrence was due.
    pub late: bool,
    /// The digest of the whole spec of the record.
    pub spec_digest: String,
    /// The entry that has it.
    pub entry: u64,
}
