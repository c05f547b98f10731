//! The tables about controls.

use std::{borrow::Cow, io};

use super::{
    Cells, item, json, number, optional, optional_time, table, text, time, with_item, yes,
};
use crate::period::model::{ControlReport, Deviation, Interval, PeriodReport, ReportedPopulation};

pub(super) fn controls(report: &PeriodReport) -> io::Result<Vec<u8>> {
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
        "basis",
        "coverage",
        "observed_seconds",
        "expected_seconds",
        "deviations",
        "open_deviations",
        "deviation_pattern",
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
    let open = control.deviations.iter().filter(|one| one.is_open()).count();
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
        text(&control.basis),
        Cow::Owned(control.coverage.text()),
        number(control.coverage.observed_seconds),
        number(control.coverage.expected_seconds),
        number(control.deviations.len()),
        number(open),
        text(control.deviation_pattern.map_or("", |pattern| pattern.as_str())),
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

pub(super) fn intervals(report: &PeriodReport) -> io::Result<Vec<u8>> {
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

/// The specs in force, whole.
pub(super) fn specs(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = [
        "control",
        "from",
        "to",
        "entry",
        "spec_digest",
        "title",
        "severity",
        "criteria",
        "what_was_done",
        "spec",
    ];
    let rows = report.controls.iter().flat_map(|control| {
        control.specs.iter().map(|one| {
            vec![
                text(&control.name),
                time(one.from),
                time(one.to),
                number(one.entry),
                text(&one.spec_digest),
                text(&one.title),
                text(one.severity.as_str()),
                Cow::Owned(one.criteria.join(" ")),
                text(&one.what_was_done),
                json(Some(&one.spec)),
            ]
        })
    });
    table(&columns, rows)
}

pub(super) fn deviations(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = with_item(
        &["control", "rule"],
        &[
            "subject",
            "message",
            "severity",
            "from",
            "to",
            "ending",
            "ending_detail",
            "last_found",
            "exception",
            "pattern",
            "cause",
            "response",
            "response_by",
            "response_owner",
            "opened_entry",
            "closed_entry",
        ],
    );
    let rows = report.controls.iter().flat_map(|control| {
        control.deviations.iter().map(|deviation| deviation_row(&control.name, deviation))
    });
    table(&columns, rows)
}

fn deviation_row<'r>(control: &'r str, deviation: &'r Deviation) -> Cells<'r> {
    let response = deviation.response.as_ref();
    let mut cells = vec![text(control), text(&deviation.rule)];
    cells.extend(item(&deviation.item));
    cells.extend([
        optional(deviation.subject.as_deref()),
        text(&deviation.message),
        text(deviation.severity.as_str()),
        time(deviation.from),
        optional_time(deviation.to),
        text(deviation.ending.as_str()),
        text(&deviation.ending_detail),
        optional_time(deviation.last_found),
        optional(deviation.exception.as_deref()),
        text(deviation.pattern.as_str()),
        optional(deviation.cause.as_deref()),
        optional(response.map(|one| one.response.as_str())),
        optional(response.map(|one| one.responded_by.as_str())),
        optional(response.map(|one| one.owner.as_str())),
        number(deviation.opened_entry),
        deviation.closed_entry.map_or(Cow::Borrowed(""), number),
    ]);
    cells
}

pub(super) fn out_of_scope(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = with_item(&["control"], &["from", "to", "cause", "why", "entry", "return_entry"]);
    let rows = report.controls.iter().flat_map(|control| {
        control.out_of_scope.iter().map(|one| {
            let mut cells = vec![text(&control.name)];
            cells.extend(item(&one.item));
            cells.extend([
                time(one.from),
                optional_time(one.to),
                text(one.cause.as_str()),
                text(&one.why),
                number(one.entry),
                one.return_entry.map_or(Cow::Borrowed(""), number),
            ]);
            cells
        })
    });
    table(&columns, rows)
}

pub(super) fn suspensions(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = ["control", "from", "to", "approved_by", "exception", "author_bound", "entry"];
    let rows = report.controls.iter().flat_map(|control| {
        control.suspensions.iter().map(|one| {
            vec![
                text(&control.name),
                time(one.from),
                time(one.to),
                optional(one.approved_by.as_deref()),
                optional(one.exception.as_deref()),
                text(one.author_bound.map_or("", yes)),
                number(one.entry),
            ]
        })
    });
    table(&columns, rows)
}

pub(super) fn wildcards(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = ["control", "from", "to", "field", "pattern", "entry"];
    let rows = report.controls.iter().flat_map(|control| {
        control.wildcards.iter().map(|one| {
            vec![
                text(&control.name),
                time(one.from),
                time(one.to),
                text(&one.field),
                text(&one.pattern),
                number(one.entry),
            ]
        })
    });
    table(&columns, rows)
}

/// A row for each field; a change without fields, such as the first, has one row.
pub(super) fn spec_changes(report: &PeriodReport) -> io::Result<Vec<u8>> {
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
