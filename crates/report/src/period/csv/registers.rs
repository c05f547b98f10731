//! The tables about registers.

use std::{borrow::Cow, io};

use super::{number, optional, optional_time, table, text};
use crate::{period::model::PeriodReport, register_text};
use comptroller_evidence::fold::register_windows::RegisterVoucher;

pub(super) fn registers(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = [
        "register",
        "at_start",
        "start_entry",
        "start_digest",
        "at_end",
        "end_entry",
        "end_digest",
        "came",
        "went",
        "changed",
        "entries",
        "entries_digest",
        "in_it_at_some_time",
        "lists_entry",
        "collector",
        "not_known",
    ];
    let rows = report.registers.iter().map(|register| {
        let basis = &register.basis;
        let mut cells = vec![text(&register.name)];
        cells.extend(voucher(basis.at_start.as_ref()));
        cells.extend(voucher(basis.at_end.as_ref()));
        cells.extend([
            number(basis.came),
            number(basis.went),
            number(basis.changed),
            number(basis.entries),
            text(&basis.entries_digest),
            register.population.map_or(Cow::Borrowed(""), number),
            basis.lists_entry.map_or(Cow::Borrowed(""), number),
            optional(basis.collector.as_deref()),
            Cow::Owned(register.unknown().join("; ")),
        ]);
        cells
    });
    table(&columns, rows)
}

fn voucher(voucher: Option<&RegisterVoucher>) -> [Cow<'_, str>; 3] {
    match voucher {
        Some(one) => [number(one.total), number(one.entry), text(&one.digest)],
        None => [text("not known"), text(""), text("")],
    }
}

pub(super) fn lists(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = [
        "register",
        "resource",
        "reading",
        "resource_version",
        "listed_at",
        "count",
        "counted_by_the_api_server",
        "entry",
    ];
    let rows = report.registers.iter().flat_map(|register| {
        register.basis.lists.iter().map(|list| {
            vec![
                text(&register.name),
                text(&list.resource),
                text(list.reading.as_str()),
                optional(list.resource_version.as_deref()),
                optional_time(list.listed_at),
                number(list.count),
                list.counted.map_or(Cow::Borrowed(""), number),
                register.basis.lists_entry.map_or(Cow::Borrowed(""), number),
            ]
        })
    });
    table(&columns, rows)
}

/// Said in place of the items of a report that was made without them.
const NOT_LISTED: &str = "(not listed: comptroller report writes them)";

/// Every item that was in a register at some time of the period.
pub(super) fn items(report: &PeriodReport) -> io::Result<Vec<u8>> {
    let columns = [&["register"], register_text::STAY_COLUMNS.as_slice(), &["fields"]].concat();
    let mut rows = Vec::new();
    for register in &report.registers {
        // A table without rows would say that nothing was in it.
        if register.population.is_none() {
            let mut cells = vec![text(""); columns.len()];
            cells.splice(..2, [text(&register.name), text(NOT_LISTED)]);
            rows.push(cells);
        }
        rows.extend(register.items.iter().map(|row| {
            let mut cells = vec![text(&register.name)];
            cells.extend(register_text::stay_cells(row).map(Cow::Owned));
            cells.push(Cow::Owned(register_text::fields(&row.fields)));
            cells
        }));
    }
    table(&columns, rows)
}
