//! Exceptions, and what they covered.

use jiff::Timestamp;
use serde::Serialize;

use super::{Interval, ReportedItem};

/// An exception in the period.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own in the report's JSON")]
pub struct ExceptionReport {
    /// The name of the `ControlException`.
    pub name: String,
    /// The controls it is for.
    pub controls: Vec<String>,
    /// What it excepts, each as kind, namespace and name with their wildcards.
    pub resources: Vec<String>,
    /// Whether it approves that its controls are suspended.
    pub suspends: bool,
    /// Why it was asked for.
    pub reason: String,
    /// Where it is tracked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// What protects the cluster in the meantime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compensating_control: Option<String>,
    /// When the API server created it; None in entries of older versions.
    pub created_at: Option<Timestamp>,
    /// When it was asked for, as first seen.
    pub asked_at: Timestamp,
    /// Who asked, as a pseudonym.
    pub requested_by: String,
    /// Who wrote it on behalf of who asked, as a pseudonym.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_by: Option<String>,
    /// When its approval was first seen; None when it was never approved.
    pub approved_at: Option<Timestamp>,
    /// Who approved, as a pseudonym.
    pub approved_by: Option<String>,
    /// Whether the policies that bind an exception to who asks were in force when it was written, by its
    /// entry and by all that came later; None where that is not known.
    pub author_bound: Option<bool>,
    /// The same of who approved; None where it is not known, or nobody did.
    pub approver_bound: Option<bool>,
    /// The entry that shows that one of them was not bound, where it is none of `entries`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unbound_entry: Option<u64>,
    /// The newest phase of the period: of one that is Rejected or Pending nothing was excepted.
    pub phase: String,
    /// When it ends, as asked for; None where the log does not have it.
    pub expires: Option<Timestamp>,
    /// When it was in force within the period, by time.
    pub active: Vec<Interval>,
    /// Each finding that it covered in the period, by control and time.
    pub covered: Vec<CoveredFinding>,
    /// The occurrences that it waived in the period.
    pub waived: Vec<WaivedOccurrence>,
    /// Whether a pattern in it has a wildcard, so that it covers what nobody named.
    pub wildcard: bool,
    /// Whether it was asked for after a finding that it covers began.
    pub late: bool,
    /// Whether it was approved after what it covers was found.
    pub after_the_fact: bool,
    /// The entries that say so.
    pub entries: Vec<u64>,
}

/// A finding that an exception covered.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CoveredFinding {
    /// The control that found it.
    pub control: String,
    /// The item.
    pub item: ReportedItem,
    /// When it was first found.
    pub since: Timestamp,
    /// From when it was covered; it may lie before the period.
    pub from: Timestamp,
    /// Until when; None when it still was at the end of the period.
    pub to: Option<Timestamp>,
}

/// An occurrence of a human control that an exception waived.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct WaivedOccurrence {
    /// The control.
    pub control: String,
    /// The name of the occurrence within it.
    pub period: String,
    /// The entry that says so.
    pub entry: u64,
}

/// A finding of a control that an exception allowed.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ExceptedFinding {
    /// What was found, in one CamelCase word.
    pub rule: String,
    /// The item.
    pub item: ReportedItem,
    /// When it was first found.
    pub since: Timestamp,
    /// From when it was allowed; it may lie before the period.
    pub from: Timestamp,
    /// Until when; None when it still was at the end of the period.
    pub to: Option<Timestamp>,
    /// The name of the exception.
    pub exception: String,
    /// The entry that says so.
    pub entry: u64,
}
