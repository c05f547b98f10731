//! The report as tables for a spreadsheet: a file for each.

use std::{borrow::Cow, io};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    format::{NamedFile, PeriodFormat, Render},
    model::{
        ControlReport, Deviation, Ending, ExceptionReport, Interval, PeriodReport,
        ReportedPopulation, Span,
    },
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
        ("controls.csv", controls(report)?),
        ("intervals.csv", intervals(report)?),
        ("deviations.csv", deviations(report)?),
        ("occurrences.csv", occurrences(report)?),
        ("exceptions.csv", exceptions(report)?),
        ("spec_changes.csv", spec_changes(report)?),
        ("criteria.csv", criteria(report)?),
        ("gaps.csv", gaps(report)?),
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
        ("controls effective", number(summary.effective)),
        ("controls with deviations", number(summary.with_deviations)),
        ("controls unknown", number(summary.unknown)),
        ("deviations", number(summary.deviations)),
        ("deviations open at the end", number(summary.open_deviations)),
        ("coverage", Cow::Owned(summary.coverage.text())),
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

fn controls(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = [
        "control",
        "title",
        "objective",
        "criteria",
        "owner",
        "severity",
        "test",
        "spec_digest",
        "conclusion",
        "coverage",
        "observed_seconds",
        "expected_seconds",
        "deviations",
        "open_deviations",
        "population_start_at",
        "population_start",
        "population_start_list_digest",
        "population_start_list_count",
        "population_start_entry",
        "population_end_at",
        "population_end",
        "population_end_list_digest",
        "population_end_list_count",
        "population_end_entry",
    ];
    table(&columns, report.controls.iter().map(control))
}

fn control(control: &ControlReport) -> Cells<'_> {
    let open = control.deviations.iter().filter(|one| one.ending == Ending::Open).count();
    let mut cells = vec![
        text(&control.name),
        text(&control.title),
        optional(control.objective.as_deref()),
        Cow::Owned(control.criteria.join(" ")),
        text(&control.owner),
        text(control.severity.as_str()),
        text(&control.test),
        text(&control.spec_digest),
        text(control.conclusion.as_str()),
        Cow::Owned(control.coverage.text()),
        number(control.coverage.observed_seconds),
        number(control.coverage.expected_seconds),
        number(control.deviations.len()),
        number(open),
    ];
    cells.extend(population(control.population_start.as_ref()));
    cells.extend(population(control.population_end.as_ref()));
    cells
}

/// The newest list may be older than the count: its own says whether it is of the same items.
fn population(population: Option<&ReportedPopulation>) -> [Cow<'_, str>; 5] {
    population.map_or([""; 5].map(Cow::Borrowed), |population| {
        let list = population.list.as_ref();
        [
            time(population.at),
            number(population.count),
            optional(list.map(|list| list.digest.as_str())),
            list.map_or(Cow::Borrowed(""), |list| number(list.count)),
            number(population.entry),
        ]
    })
}

fn intervals(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = ["control", "from", "to", "seconds", "state", "reason"];
    let rows = report.controls.iter().flat_map(|control| {
        control.intervals.iter().map(|interval| {
            vec![
                text(&control.name),
                time(interval.from),
                time(interval.to),
                number(interval.length().as_secs()),
                text(state(interval)),
                text(&interval.reason),
            ]
        })
    });
    table(&columns, rows)
}

/// A gap is named, since an empty cell would read as nothing to say.
fn state(interval: &Interval) -> &'static str {
    interval.state.map_or("NotObserved", |state| state.as_str())
}

fn deviations(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = [
        "control",
        "rule",
        "api_version",
        "kind",
        "namespace",
        "name",
        "subject",
        "message",
        "severity",
        "since",
        "until",
        "ending",
        "exception",
        "opened_entry",
        "closed_entry",
    ];
    let rows = report.controls.iter().flat_map(|control| {
        control.deviations.iter().map(|deviation| deviation_row(&control.name, deviation))
    });
    table(&columns, rows)
}

fn deviation_row<'r>(control: &'r str, deviation: &'r Deviation) -> Cells<'r> {
    let resource = &deviation.resource;
    vec![
        text(control),
        text(&deviation.rule),
        text(&resource.api_version),
        text(&resource.kind),
        optional(resource.namespace.as_deref()),
        text(&resource.name),
        optional(deviation.subject.as_deref()),
        text(&deviation.message),
        text(deviation.severity.as_str()),
        time(deviation.since),
        deviation.until.map_or(Cow::Borrowed(""), time),
        text(deviation.ending.as_str()),
        optional(deviation.exception.as_deref()),
        number(deviation.opened_entry),
        deviation.closed_entry.map_or(Cow::Borrowed(""), number),
    ]
}

fn occurrences(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = [
        "control",
        "occurrence",
        "opens",
        "due",
        "grace_until",
        "phase",
        "attested_by",
        "performed_at",
        "artifacts",
        "entry",
    ];
    let rows = report.controls.iter().flat_map(|control| {
        control.occurrences.iter().map(|occurrence| {
            vec![
                text(&control.name),
                text(&occurrence.period),
                time(occurrence.opens),
                time(occurrence.due),
                time(occurrence.grace_until),
                text(occurrence.phase.as_str()),
                Cow::Owned(occurrence.attested_by.join(" ")),
                occurrence.performed_at.map_or(Cow::Borrowed(""), time),
                Cow::Owned(occurrence.artifacts.join(" ")),
                number(occurrence.entry),
            ]
        })
    });
    table(&columns, rows)
}

fn exceptions(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = [
        "exception",
        "controls",
        "reason",
        "requested_by",
        "approved_by",
        "expires",
        "in_force",
        "entries",
    ];
    table(&columns, report.exceptions.iter().map(exception))
}

fn exception(exception: &ExceptionReport) -> Cells<'_> {
    // ISO 8601 intervals, parted by spaces.
    let active: Vec<String> =
        exception.active.iter().map(|one| format!("{}/{}", one.from, one.to)).collect();
    let entries: Vec<String> = exception.entries.iter().map(u64::to_string).collect();
    vec![
        text(&exception.name),
        Cow::Owned(exception.controls.join(" ")),
        text(&exception.reason),
        text(&exception.requested_by),
        optional(exception.approved_by.as_deref()),
        time(exception.expires),
        Cow::Owned(active.join(" ")),
        Cow::Owned(entries.join(" ")),
    ]
}

/// A row for each field; a change without fields, such as the first, has one row.
fn spec_changes(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns =
        ["control", "at", "change", "spec_digest", "entry", "field", "value_before", "value_after"];
    let mut rows = Vec::new();
    for control in &report.controls {
        for change in &control.changes {
            let start = [
                text(&control.name),
                time(change.at),
                text(&change.change),
                optional(change.spec_digest.as_deref()),
                number(change.entry),
            ];
            let field = |cells: [Cow<'static, str>; 3]| {
                start.iter().cloned().chain(cells).collect::<Cells<'_>>()
            };
            if change.fields.is_empty() {
                rows.push(field([""; 3].map(Cow::Borrowed)));
            }
            for one in &change.fields {
                let path = Cow::Owned(one.path.clone());
                rows.push(field([path, json(one.from.as_ref()), json(one.to.as_ref())]));
            }
        }
    }
    table(&columns, rows)
}

fn criteria(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let rows = report.criteria.iter().map(|criterion| {
        vec![
            text(&criterion.id),
            text(criterion.category.as_str()),
            text(&criterion.title),
            text(criterion.standing.as_str()),
            Cow::Owned(criterion.controls.join(" ")),
        ]
    });
    table(&["criterion", "category", "asks", "standing", "controls"], rows)
}

fn gaps(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let rows = report.gaps.iter().map(|gap| {
        vec![
            // A gap of the whole cluster is one of every control.
            gap.control.as_deref().map_or(Cow::Borrowed("(all controls)"), Cow::Borrowed),
            time(gap.from),
            time(gap.to),
            number(gap.to.duration_since(gap.from).as_secs()),
            text(&gap.reason),
            gap.entry.map_or(Cow::Borrowed(""), number),
        ]
    });
    table(&["control", "from", "to", "seconds", "reason", "entry"], rows)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::testing::{HOSTILE, rich, type_one, with_deviations};

    fn named<'f>(files: &'f [NamedFile], name: &str) -> &'f str {
        let (_, content) = files.iter().find(|(file, _)| *file == name).unwrap();
        std::str::from_utf8(content).unwrap()
    }

    #[test]
    fn tables_are_as_agreed() {
        let files = files(&rich()).unwrap();
        let all: Vec<String> = files
            .iter()
            .map(|(name, content)| {
                format!("== {name}\n{}", String::from_utf8(content.clone()).unwrap())
            })
            .collect();
        insta::assert_snapshot!(all.join("\n").replace("\r\n", "\n"));
    }

    #[test]
    fn every_table_has_as_many_cells_in_each_row_and_none_is_a_formula() {
        for report in [rich(), type_one()] {
            for (name, content) in files(&report).unwrap() {
                let mut reader = ::csv::ReaderBuilder::new().from_reader(content.as_slice());
                for record in reader.records() {
                    let record = record.unwrap_or_else(|error| panic!("{name}: {error}"));
                    for cell in &record {
                        assert!(!cell.starts_with(['=', '+', '-', '@']), "{name}: {cell}");
                        let acts = cell.chars().any(|c| c.is_control() || c == '\u{202e}');
                        assert!(!acts, "{name}: {cell:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_hostile_name_is_there_as_text() {
        let files = files(&rich()).unwrap();
        let mut reader = ::csv::Reader::from_reader(named(&files, "deviations.csv").as_bytes());
        let expected = format!("'{}", crate::visible(HOSTILE));
        let names: Vec<String> =
            reader.records().map(|record| record.unwrap().get(5).unwrap().to_owned()).collect();
        assert!(names.contains(&expected), "{names:?}");
    }

    #[test]
    fn rows_are_as_many_as_there_is_to_say() {
        let report = with_deviations(500);
        let files = files(&report).unwrap();
        let rows = |name: &str| named(&files, name).matches("\r\n").count() - 1;
        assert_eq!(rows("deviations.csv"), report.summary.deviations);
        assert_eq!(rows("criteria.csv"), 36);
        assert_eq!(rows("controls.csv"), report.controls.len());
        assert_eq!(rows("spec_changes.csv"), 4, "a row a field, and one for the creation");
    }
}
