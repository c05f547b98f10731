//! A register as a table and as CSV.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use tabwriter::TabWriter;

use super::answer::{AnswerSource, AnswerTime, ItemRow, RegisterAnswer};
use comptroller_evidence::{
    fold::register_windows::{RegisterBasis, RegisterRow, SeenRow},
    register::Fields,
};
use comptroller_report::{register_text, spreadsheet::CsvTable, visible};
use comptroller_vocabulary::clipped;

/// The most rows of a table.
const MAX_ROWS: usize = 1_000;

/// The most characters of a cell of a table.
const MAX_CELL: usize = 120;

pub fn table(answer: &RegisterAnswer, output: &mut dyn Write) -> io::Result<()> {
    heading(answer, output)?;
    let columns = register_text::columns(&answer.register);
    let mut table = TabWriter::new(Vec::new()).minwidth(0).padding(3);
    let mut heads: Vec<String> = columns.iter().map(|column| column.to_uppercase()).collect();
    if columns.is_empty() {
        heads.push("ITEM".to_owned());
    }
    if matches!(answer.source, AnswerSource::Log { .. }) {
        heads.extend(["CAME", "WENT", "ENTRIES"].map(str::to_owned));
    }
    writeln!(table, "{}", heads.join("\t"))?;
    for item in answer.items.iter().take(MAX_ROWS) {
        writeln!(table, "{}", cells(columns, item).join("\t"))?;
    }
    let table = table.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    output.write_all(&table)?;
    let more = answer.items.len().saturating_sub(MAX_ROWS);
    if more > 0 {
        writeln!(output, "and {more} more: -o csv and -o json have all")?;
    }
    Ok(())
}

fn cells(columns: &[&str], item: &ItemRow) -> Vec<String> {
    let fields = item.fields();
    // A log may hold control characters, which would write to the terminal.
    let cell = |text: &str| clipped(text, MAX_CELL);
    let mut cells: Vec<String> = columns
        .iter()
        .map(|column| {
            fields.get(*column).map_or("-".to_owned(), |value| cell(&register_text::value(value)))
        })
        .collect();
    if columns.is_empty() {
        cells.push(cell(&register_text::fields(fields)));
    }
    if let ItemRow::Logged(row) = item {
        cells.push(row.came.time());
        cells.push(row.went.as_ref().map_or("-".to_owned(), SeenRow::time));
        cells.push(register_text::numbers(&row.entries()));
    }
    cells
}

fn heading(answer: &RegisterAnswer, output: &mut dyn Write) -> io::Result<()> {
    writeln!(output, "Register:   {}", visible(&answer.register))?;
    match &answer.source {
        AnswerSource::Cluster { context, at, kinds } => {
            let context = context.as_deref().unwrap_or("this one");
            writeln!(output, "Cluster:    {} at {at}", visible(context))?;
            let read = kinds.iter().filter(|kind| kind.why.is_none());
            let read: Vec<String> =
                read.map(|kind| format!("{} {}", kind.count, kind.kind)).collect();
            writeln!(output, "Read:       {}", visible(&read.join(", ")))?;
        }
        AnswerSource::Log { origin, size, time, basis } => {
            writeln!(output, "Log:        {}, {size} entries", visible(origin))?;
            vouched(*time, basis, output)?;
        }
    }
    for line in answer.unknown() {
        writeln!(output, "NOT KNOWN:  {}", visible(&line))?;
    }
    writeln!(output, "Items:      {}\n", answer.items.len())
}

fn vouched(time: AnswerTime, basis: &RegisterBasis, output: &mut dyn Write) -> io::Result<()> {
    let (start, end) = (&basis.at_start, &basis.at_end);
    match time {
        AnswerTime::At { at } => writeln!(output, "Time:       {at}")?,
        AnswerTime::Within { since, until } => {
            writeln!(output, "Time:       from {since}, before {until}")?;
            if let Some(one) = start {
                writeln!(
                    output,
                    "At start:   {} items, entry {}, {}",
                    one.total,
                    one.entry,
                    visible(&one.digest)
                )?;
            }
        }
    }
    if let Some(one) = end {
        writeln!(
            output,
            "At end:     {} items, entry {}, {}",
            one.total,
            one.entry,
            visible(&one.digest)
        )?;
    }
    if matches!(time, AnswerTime::Within { .. }) {
        let RegisterBasis { came, went, changed, entries, .. } = basis;
        writeln!(
            output,
            "Meanwhile:  {came} came, {went} went, {changed} changed, in {entries} entries"
        )?;
    }
    Ok(())
}

pub fn csv(answer: &RegisterAnswer, output: &mut dyn Write) -> io::Result<()> {
    let names: BTreeSet<&str> =
        answer.items.iter().flat_map(|item| item.fields().keys().map(String::as_str)).collect();
    let is_logged = matches!(answer.source, AnswerSource::Log { .. });
    let mut columns = vec!["register"];
    if is_logged {
        columns.extend(register_text::STAY_COLUMNS);
    }
    columns.extend(&names);
    let mut table = CsvTable::new(output, &columns)?;
    for item in &answer.items {
        let mut cells = vec![answer.register.clone()];
        if let ItemRow::Logged(row) = item {
            cells.extend(stay(row));
        }
        cells.extend(names.iter().map(|name| field(item.fields(), name)));
        table.row(&cells)?;
    }
    // What is not known is a row as well: who reads the file alone must not take it for all there was.
    for line in answer.unknown() {
        let mut cells = vec![String::new(); columns.len()];
        if let Some(first) = cells.first_mut() {
            *first = format!("NOT KNOWN: {line}");
        }
        table.row(&cells)?;
    }
    table.finish().map(drop)
}

fn stay(row: &RegisterRow) -> impl Iterator<Item = String> {
    register_text::stay_cells(row).into_iter()
}

fn field(fields: &Fields, name: &str) -> String {
    fields.get(name).map(register_text::value).unwrap_or_default()
}
