//! What was found and what was recorded, written for its readers: an evaluation as a table, JSON, SARIF
//! or JUnit, the readiness for criteria, and the report over an audit period as HTML, CSV, JSON or
//! OSCAL. Pure: from a model to text.
//!
//! Names, messages and paths come from outside and are hostile; each format escapes what its
//! readers would interpret.

pub mod baseline;
pub mod gap;
mod json;
mod junit;
mod model;
pub mod period;
mod sarif;
pub mod spreadsheet;
mod standing;
mod table;
mod text;

#[cfg(test)]
mod tests;

use std::io;

pub use self::{
    model::{
        ControlResult, EvaluationReport, EvaluationSummary, ReportedError, ReportedFinding,
        SourceLocation,
    },
    table::TableStyle,
    text::{shell_word, visible},
};

/// How an evaluation is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvaluationFormat {
    /// For a person at a terminal.
    Table(TableStyle),
    /// The contract for programs.
    Json,
    /// SARIF 2.1.0 (OASIS), for code review.
    Sarif,
    /// JUnit XML, for CI.
    Junit,
}

/// Writes an evaluation in a format. Fails only where the output does.
pub fn write(
    evaluation: &EvaluationReport,
    format: EvaluationFormat,
    output: &mut dyn io::Write,
) -> io::Result<()> {
    match format {
        EvaluationFormat::Table(style) => table::write(evaluation, style, output),
        EvaluationFormat::Json => json::write_pretty(evaluation, output),
        EvaluationFormat::Sarif => sarif::write(evaluation, output),
        EvaluationFormat::Junit => junit::write(evaluation, output),
    }
}
