//! What controls came to as policy reports: the objects of OpenReports, and of the Policy Working Group
//! before it, that dashboards read from the cluster. Pure: from recorded verdicts to the bodies of
//! objects.
//!
//! A finding is a `fail`, one that an exception allows a `skip`, what could not be judged an `error`, and
//! a control that passes has one row of its own. Findings of namespaced objects are in the report of their
//! namespace, everything else in the cluster's. What does not fit is left out, worst kept first, and a row
//! says how much that is: an omitted failure still shows as one.

mod api;
mod object;
mod row;
mod shard;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use comptroller_core::engine::{ObservedFinding, Verdict};
use comptroller_vocabulary::Severity;

pub use self::{
    api::{ReportApi, ReportKind},
    object::{CUT, DIGEST, MANAGED_BY, Owner, PRODUCER, is_own_name},
    row::{Outcome, Row},
    shard::{Limits, Shard, shards},
};

pub(crate) use row::{category, is_namespace, shown};

/// What reports say of one control.
#[derive(Clone, Copy, Debug)]
pub struct ReportedControl<'a> {
    /// The name of the Control.
    pub name: &'a str,
    /// The criteria that it serves. Empty while its spec can't be read.
    pub criteria: &'a [String],
    /// How bad a failure is; findings may say otherwise of themselves.
    pub severity: Severity,
    /// How it stands.
    pub verdict: &'a Verdict,
    /// What fails, excepted or not: all of it, or the worst.
    pub findings: &'a [ObservedFinding],
    /// What could not be judged: all of it, or the first.
    pub undecided: &'a [ObservedFinding],
    /// The entry of the evidence log that says so. None without a log.
    pub entry: Option<i64>,
    /// When that was written; without a log, when the verdict became known.
    pub at: Timestamp,
}

/// Why nothing is recorded, so that what held until then is no longer known to hold.
#[derive(Clone, Copy, Debug)]
pub struct Withheld<'a> {
    /// In one CamelCase word.
    pub reason: &'a str,
    /// In one sentence.
    pub why: &'a str,
    /// Since when.
    pub since: Timestamp,
}
