//! A sample of everything that was in a register at some time of a window.

use std::io::{self, Write};

use jiff::Timestamp;
use serde::Serialize;
use tabwriter::TabWriter;

use super::{SampleArgs, SampleError, StratifyArgument};
use comptroller_evidence::{
    fold::register_windows::{RegisterBasis, RegisterWindows, SeenRow, last_moment},
    log::LogReader,
    register_sample::{DrawnItem, RegisterSample, draw_register, population_digest},
    replay::replay,
    sample::{Size, derived_seed},
    sample_table::Frequency,
};
use comptroller_report::{register_text, spreadsheet::CsvTable, visible};
use comptroller_vocabulary::clipped;

/// The most characters of a cell of a table.
const MAX_CELL: usize = 160;

/// A sample of a register, and what its population rests on.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DrawnRegister {
    register: String,
    from: Timestamp,
    /// The first moment after the window.
    to: Timestamp,
    /// The origin line of the log.
    origin: String,
    basis: RegisterBasis,
    /// When the register was not known, or not all of it: what came and went then may be missing.
    not_known: Vec<String>,
    #[serde(flatten)]
    sample: RegisterSample,
}

/// Draws from a register, whose name and window were given.
pub async fn sample(
    args: &SampleArgs,
    register: &str,
    (from, to): (Timestamp, Timestamp),
) -> Result<DrawnRegister, Box<dyn std::error::Error>> {
    if from >= to {
        return Err(SampleError::NoWindow { from, to }.into());
    }
    let reader = LogReader::open(args.log.store()?, args.log.key()?).await?;
    let mut windows = RegisterWindows::new(from, last_moment(to));
    replay(&reader, 0..reader.size(), |index, entry| windows.apply(index, entry)).await?;
    let rows = windows.items_within(register);
    let Some(history) = windows.history(register) else {
        let known = windows.names().map(str::to_owned).collect();
        return Err(SampleError::NoRegister { register: register.to_owned(), known }.into());
    };
    let mut not_known: Vec<String> =
        windows.gaps(register).iter().map(register_text::gap).collect();
    not_known.extend(history.faults().iter().map(|(entry, fault)| {
        format!("entry {entry} does not follow from those before it: {fault}")
    }));
    let derived =
        || derived_seed(from, to, &format!("Register {register}"), &population_digest(&rows));
    let seed = args.seed.clone().unwrap_or_else(derived);
    let table = || Size::Table(args.table.sizes(Frequency::ManyADay));
    let size = args.size.map_or_else(table, Size::Count);
    Ok(DrawnRegister {
        register: register.to_owned(),
        from,
        to,
        origin: reader.origin().to_owned(),
        basis: windows.basis(register),
        not_known,
        sample: draw_register(&rows, from, &seed, &size, args.stratify.map(StratifyArgument::by)),
    })
}

pub fn write_table(drawn: &DrawnRegister, output: &mut dyn Write) -> io::Result<()> {
    let sample = &drawn.sample;
    writeln!(output, "Register:     {}", visible(&drawn.register))?;
    writeln!(output, "Log:          {}", visible(&drawn.origin))?;
    writeln!(
        output,
        "Population:   {} items that were in it from {}, before {}",
        sample.population, drawn.from, drawn.to
    )?;
    writeln!(output, "Its digest:   {}", sample.population_digest)?;
    for (label, end) in [("At start:", &drawn.basis.at_start), ("At end:", &drawn.basis.at_end)] {
        if let Some(one) = end {
            writeln!(output, "{label:<14}{} items, entry {}", one.total, one.entry)?;
        }
    }
    for line in &drawn.not_known {
        writeln!(output, "NOT KNOWN:    {}", visible(line))?;
    }
    writeln!(output, "Seed:         {}", visible(&sample.seed))?;
    if let Some(table) = &sample.size_table {
        writeln!(output, "Size table:   {table}")?;
    }
    for one in &sample.strata {
        writeln!(output, "Stratum:      {}, {} of {}", one.name, one.drawn, one.population)?;
    }
    writeln!(output, "Sample:       {} items, {}\n", sample.items.len(), sample.method)?;
    let mut table = TabWriter::new(Vec::new()).minwidth(0).padding(3);
    writeln!(table, "LINE\tSTRATUM\tITEM\tCAME\tWENT\tENTRIES")?;
    for one in &sample.items {
        // A log may hold control characters, which would write to the terminal.
        let item = clipped(&register_text::name(&drawn.register, &one.item), MAX_CELL);
        let went = one.item.went.as_ref().map_or("-".to_owned(), SeenRow::time);
        let entries = register_text::numbers(&one.item.entries());
        let stratum = one.stratum.as_deref().unwrap_or("-");
        let came = one.item.came.time();
        writeln!(table, "{}\t{stratum}\t{item}\t{came}\t{went}\t{entries}", one.line)?;
    }
    let table = table.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    output.write_all(&table)
}

pub fn write_csv(drawn: &DrawnRegister, output: &mut dyn Write) -> io::Result<()> {
    let before = [
        "register",
        "from",
        "to",
        "population",
        "population_digest",
        "seed",
        "line",
        "stratum",
        "hash",
        "item",
    ];
    let columns = [before.as_slice(), &register_text::STAY_COLUMNS, &["not_known"]].concat();
    let mut table = CsvTable::new(output, &columns)?;
    for one in &drawn.sample.items {
        table.row(&cells(drawn, one))?;
    }
    table.finish().map(drop)
}

fn cells(drawn: &DrawnRegister, one: &DrawnItem) -> Vec<String> {
    let sample = &drawn.sample;
    let mut cells = vec![
        drawn.register.clone(),
        drawn.from.to_string(),
        drawn.to.to_string(),
        sample.population.to_string(),
        sample.population_digest.clone(),
        sample.seed.clone(),
        one.line.to_string(),
        one.stratum.clone().unwrap_or_default(),
        one.hash.clone(),
        register_text::fields(&one.item.fields),
    ];
    cells.extend(register_text::stay_cells(&one.item));
    cells.push(drawn.not_known.join("; "));
    cells
}
