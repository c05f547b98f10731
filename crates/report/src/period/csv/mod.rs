//! The report as tables for a spreadsheet: a file for each.

mod controls;
mod criteria;
mod log;
mod people;
mod registers;
mod system;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, io};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    digest,
    format::{NamedFile, PeriodFormat, Render},
    model::{PeriodReport, ReportedItem, Span},
};
use crate::spreadsheet::CsvTable;

type Cells<'r> = Vec<Cow<'r, str>>;

/// A file for each table.
pub(super) const FORMAT: PeriodFormat =
    PeriodFormat::new("csv", "A file for each table", Render::Files(files));

/// Writes every table, the empty ones too: a reader sees that there was nothing.
pub fn files(report: &PeriodReport) -> io::Result<Vec<NamedFile>> {
    Ok(vec![
        ("provenance.csv", provenance(report)?),
        ("system.csv", system::system(report)?),
        ("controls.csv", controls::controls(report)?),
        ("specs.csv", controls::specs(report)?),
        ("intervals.csv", controls::intervals(report)?),
        ("deviations.csv", controls::deviations(report)?),
        ("out_of_scope.csv", controls::out_of_scope(report)?),
        ("suspensions.csv", controls::suspensions(report)?),
        ("wildcards.csv", controls::wildcards(report)?),
        ("spec_changes.csv", controls::spec_changes(report)?),
        ("occurrences.csv", people::occurrences(report)?),
        ("attestations.csv", people::attestations(report)?),
        ("exceptions.csv", people::exceptions(report)?),
        ("excepted_findings.csv", people::excepted_findings(report)?),
        ("criteria.csv", criteria::criteria(report)?),
        ("criteria_mapping.csv", criteria::mapping(report)?),
        ("registers.csv", registers::registers(report)?),
        ("register_lists.csv", registers::lists(report)?),
        ("register_items.csv", registers::items(report)?),
        ("gaps.csv", log::gaps(report)?),
        ("identity.csv", log::identity(report)?),
        ("time_anomalies.csv", log::time_anomalies(report)?),
        ("operators.csv", log::operators(report)?),
    ])
}

fn table<'r>(columns: &[&str], rows: impl IntoIterator<Item = Cells<'r>>) -> io::Result<Vec<u8>> {
    let mut table = CsvTable::new(Vec::new(), columns)?;
    for row in rows {
        table.row(&row)?;
    }
    table.finish()
}

fn provenance(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let provenance = &report.provenance;
    let summary = &report.summary;
    let (kind, from, to) = match report.period.span {
        Span::TypeI { as_of } => ("TypeI", time(as_of), time(as_of)),
        Span::TypeII { from, to } => ("TypeII", time(from), time(to)),
    };
    let categories: Vec<&str> = report.period.categories.iter().map(|one| one.as_str()).collect();
    let rows = [
        ("period", text(&report.period.name)),
        ("type", text(kind)),
        ("from", from),
        ("to", to),
        ("categories", Cow::Owned(categories.join(" "))),
        ("controls", number(summary.controls)),
        ("no deviation observed", number(summary.no_deviation_observed)),
        ("deviation observed", number(summary.deviation_observed)),
        ("not determinable", number(summary.not_determinable)),
        ("not due", number(summary.not_due)),
        ("accepted risk", number(summary.accepted_risk)),
        ("minimum observation in percent", number(summary.minimum_observation)),
        ("deviations", number(summary.deviations)),
        ("deviations open at the end", number(summary.open_deviations)),
        ("coverage", Cow::Owned(summary.coverage.text())),
        ("deviations are told apart by", Cow::Owned(report.deviation_rule.text())),
        ("digest of the report", Cow::Owned(digest(report).map_err(io::Error::other)?)),
        (
            "continues what was published",
            text(report.log.continues_published.map_or("not recorded", yes)),
        ),
        ("published", optional(report.log.published.as_deref())),
        ("days vouched for from outside", number(report.log.vouched_days)),
        ("days", number(report.log.days)),
        ("witness policy", text(report.log.policy.as_str())),
        ("cluster", text(&provenance.cluster)),
        ("origin", text(&provenance.origin)),
        ("source", text(&provenance.source)),
        ("log size", number(provenance.log_size)),
        ("first entry read", number(provenance.first_entry)),
        ("verification", text(&provenance.verification)),
        ("completeness", text(&provenance.completeness)),
        ("run at", time(provenance.run_at)),
        ("run by", text(&provenance.run_by)),
        ("version", text(&provenance.version)),
        ("command to re-perform", text(&provenance.command)),
        ("command to verify", text(&provenance.verify_command)),
        ("verifier key", text(&provenance.verifier_key)),
        ("checkpoint", text(&provenance.checkpoint)),
    ];
    table(&["what", "value"], rows.map(|(what, value)| vec![text(what), value]))
}

fn text(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

fn optional(text: Option<&str>) -> Cow<'_, str> {
    Cow::Borrowed(text.unwrap_or_default())
}

/// Only numbers, which are small enough to be passed by value.
fn number(number: impl ToString + Copy) -> Cow<'static, str> {
    Cow::Owned(number.to_string())
}

fn time(at: Timestamp) -> Cow<'static, str> {
    Cow::Owned(at.to_string())
}

fn json(value: Option<&Value>) -> Cow<'static, str> {
    value.map_or(Cow::Borrowed(""), |value| Cow::Owned(value.to_string()))
}

fn yes(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn optional_time(at: Option<Timestamp>) -> Cow<'static, str> {
    at.map_or(Cow::Borrowed(""), time)
}

fn numbers(numbers: &[u64]) -> Cow<'static, str> {
    let all: Vec<String> = numbers.iter().map(u64::to_string).collect();
    Cow::Owned(all.join(" "))
}

/// The columns of an item.
const ITEM: [&str; 5] = ["api_version", "kind", "namespace", "name", "uid"];

fn item(item: &ReportedItem) -> [Cow<'_, str>; 5] {
    let resource = &item.resource;
    [
        text(&resource.api_version),
        text(&resource.kind),
        optional(resource.namespace.as_deref()),
        text(&resource.name),
        optional(item.uid.as_deref()),
    ]
}

/// Columns with those of an item at a place.
fn with_item(before: &[&'static str], after: &[&'static str]) -> Vec<&'static str> {
    [before, ITEM.as_slice(), after].concat()
}
