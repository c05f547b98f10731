//! What was found and what was recorded, written for its readers: an evaluation as a table, JSON, SARIF,
//! JUnit, a page or policy reports, the readiness for criteria, and the report over an audit period as HTML, CSV, JSON or
//! OSCAL. Pure: from a model to text.
//!
//! Names, messages and paths come from outside and are hostile; each format escapes what its
//! readers would interpret.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "a test may write the page to look at")
)]

mod attest_command;
pub mod baseline;
mod format;
pub mod gap;
mod html;
mod json;
mod junit;
mod model;
pub mod period;
pub mod policy_report;
pub mod register_text;
mod sarif;
mod scan_reports;
pub mod spreadsheet;
mod standing;
mod table;
mod text;
pub mod yaml;

#[cfg(test)]
mod tests;

pub use self::{
    attest_command::attest_command,
    format::{Format, TextFormat, WriteReport},
    model::{
        ControlResult, EvaluationReport, EvaluationSummary, ReportedError, ReportedFinding,
        SourceLocation,
    },
    table::TableStyle,
    text::{shell_word, visible},
};

/// The formats of an evaluation, the default first: the registry, one line each.
pub const FORMATS: &[TextFormat<EvaluationReport>] = &[
    table::FORMAT,
    json::FORMAT,
    sarif::FORMAT,
    junit::FORMAT,
    html::FORMAT,
    scan_reports::POLICY_REPORT,
    scan_reports::OPEN_REPORTS,
];
