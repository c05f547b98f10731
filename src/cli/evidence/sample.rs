//! `comptroller evidence sample`: a seeded sample of the items that a control judged at a given time, or of
//! everything that was in a register at some time of a window.

mod register;

use std::{
    io::{self, Write},
    pin::pin,
};

use futures::StreamExt as _;
use jiff::Timestamp;
use serde::Serialize;
use tabwriter::TabWriter;

use crate::cli::{
    arguments::moment,
    output::{RowFormat, to_stdout},
};
use comptroller_evidence::{
    cli::LogArgs,
    data::PopulationList,
    entry::{Data, Entry},
    log::LogReader,
    register_sample::Stratify,
    sample::{Sample, Size, derived_seed, draw},
    sample_table::{Frequency, SampleTable},
};
use comptroller_report::{spreadsheet::CsvTable, visible};

/// How many entries are read at a time, from the end backwards.
const BLOCK: u64 = 4096;

/// Draw a sample of the items that a control judged, or of a register.
///
/// Of a register it is drawn from everything that was in it at some time of a window, so that a grant of two
/// hours can be drawn, and says when each item came, when it went, and the entries that say so.
///
/// It consists of the items with the smallest SHA-256 of the seed, a line feed and the item. The same seed
/// draws the same sample, and any tool can reproduce it.
#[derive(Debug, clap::Args)]
pub struct SampleArgs {
    #[command(flatten)]
    log: LogArgs,
    /// The control whose judged items are sampled.
    #[arg(long, value_name = "NAME", required_unless_present = "register")]
    control: Option<String>,
    /// The register that is sampled, such as grants, with --from and --to.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["control", "at"], requires_all = ["from", "to"])]
    register: Option<String>,
    /// The first moment of the window of a register: a day, such as 2026-07-01, or a time in UTC.
    #[arg(long, value_name = "TIME", requires = "register", value_parser = moment)]
    from: Option<Timestamp>,
    /// The first moment after the window.
    #[arg(long, value_name = "TIME", requires = "register", value_parser = moment)]
    to: Option<Timestamp>,
    /// Draw from each week, month or quarter in which items of a register came, and from those that stood at
    /// its start: one of each if the sample is large enough, and then by their shares.
    #[arg(long, value_enum, value_name = "TIME", requires = "register")]
    stratify: Option<StratifyArgument>,
    /// The time of the population: a day, such as 2026-09-30, which means its first moment, or a time in
    /// UTC. Default: the newest population.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Timestamp>,
    /// The seed: any text. Default: one that nobody picks, the SHA-256 of the lines `comptroller.dev/sample
    /// v1`, the time of the population twice, the control and the digest of the population; of a register the two
    /// ends of the window, `Register` with its name, and the digest.
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,
    /// How many items to draw.
    #[arg(long, value_name = "N", conflicts_with = "table")]
    size: Option<u64>,
    /// How many items to draw: the name of a table, by-size (4:all,50:5,250:10%,25), by-frequency (40 of
    /// what a program judges whenever something changes) or ad-hoc (50:8,250:15,25); or rows of your own,
    /// such as 50:5 (5 of up to 50), and a last one for everything larger. A size is a number, a share such
    /// as 10%, or all.
    #[arg(long, visible_alias = "sizes", value_name = "NAME|ROWS", default_value_t)]
    table: SampleTable,
    /// The output format.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t)]
    output: RowFormat,
}

/// By what the items of a register are parted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum StratifyArgument {
    /// ISO weeks, such as 2026-W31.
    Week,
    /// Months, such as 2026-07.
    Month,
    /// Quarters, such as 2026-Q3.
    Quarter,
}

impl StratifyArgument {
    pub(crate) fn by(self) -> Stratify {
        match self {
            Self::Week => Stratify::Week,
            Self::Month => Stratify::Month,
            Self::Quarter => Stratify::Quarter,
        }
    }
}

/// Why there is no sample.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// The log has no population of the control.
    #[error(
        "the log has no population of Control {control} up to {until}: check the name and --at; a control that people attest has occurrences instead, which are in the report"
    )]
    NoPopulation {
        control: String,
        /// The time up to which the log was searched.
        until: String,
    },
    /// The log has no such register.
    #[error(
        "the log has no register {register}: it is not kept, or its name is another; the log has {}",
        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
    )]
    NoRegister { register: String, known: Vec<String> },
    #[error(
        "the window ends at {to}, which is not after its start {from}: exchange --from and --to"
    )]
    NoWindow { from: Timestamp, to: Timestamp },
    /// The population is not text.
    #[error("the population {0} is not UTF-8: it was not written by this program")]
    NotText(String),
}

/// A sample, and the source of its population.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DrawnSample {
    control: String,
    /// The time of the population.
    at: Timestamp,
    /// The index of the entry that names the population.
    entry: u64,
    /// The origin line of the log.
    origin: String,
    #[serde(flatten)]
    sample: Sample,
}

/// Draws and prints a sample.
pub async fn run(args: &SampleArgs) -> Result<u8, Box<dyn std::error::Error>> {
    if let (Some(register), Some(from), Some(to)) = (&args.register, args.from, args.to) {
        let drawn = register::sample(args, register, (from, to)).await?;
        to_stdout(|stdout| match args.output {
            RowFormat::Table => register::write_table(&drawn, stdout),
            RowFormat::Csv => register::write_csv(&drawn, stdout),
            RowFormat::Json => write_json(&drawn, stdout),
        })?;
        return Ok(0);
    }
    let drawn = sample(args, args.control.as_deref().unwrap_or_default()).await?;
    to_stdout(|stdout| match args.output {
        RowFormat::Table => write_table(&drawn, stdout),
        RowFormat::Csv => write_csv(&drawn, stdout),
        RowFormat::Json => write_json(&drawn, stdout),
    })?;
    Ok(0)
}

fn write_json(drawn: &impl Serialize, output: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *output, drawn)?;
    writeln!(output)
}

async fn sample(
    args: &SampleArgs,
    control: &str,
) -> Result<DrawnSample, Box<dyn std::error::Error>> {
    let reader = LogReader::open(args.log.store()?, args.log.key()?).await?;
    let (entry, at, list) = newest_list(&reader, control, args.at).await?.ok_or_else(|| {
        let until = args.at.map_or("now".to_owned(), |at| at.to_string());
        SampleError::NoPopulation { control: control.to_owned(), until }
    })?;
    let text = reader.stored(&list.digest).await?;
    let text = std::str::from_utf8(&text).map_err(|_| SampleError::NotText(list.digest.clone()))?;
    let derived = || derived_seed(at, at, control, &list.digest);
    let seed = args.seed.clone().unwrap_or_else(derived);
    // Only what the operator judges has lists; occurrences are sampled by `report -o sample`.
    let table = || Size::Table(args.table.sizes(Frequency::ManyADay));
    let size = args.size.map_or_else(table, Size::Count);
    Ok(DrawnSample {
        control: control.to_owned(),
        at,
        entry,
        origin: reader.origin().to_owned(),
        sample: draw(text, &seed, &size),
    })
}

/// The newest population of a control up to a time, with its entry; None if there is none. The log is read
/// backwards in blocks, since the newest is near the end.
async fn newest_list(
    reader: &LogReader,
    control: &str,
    until: Option<Timestamp>,
) -> Result<Option<(u64, Timestamp, PopulationList)>, Box<dyn std::error::Error>> {
    let mut end = reader.size();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let mut newest = None;
        let mut entries = pin!(reader.entries(start..end));
        while let Some(entry) = entries.next().await {
            let (index, leaf) = entry?;
            let entry = resolved(reader, Entry::parse(&leaf)?, control).await?;
            if until.is_none_or(|until| entry.at <= until)
                && let Some(list) = list_of(&entry, control)
            {
                // Entries are in order, so the last one that matches is the newest of the block.
                newest = Some((index, entry.at, list.clone()));
            }
        }
        if newest.is_some() {
            return Ok(newest);
        }
        end = start;
    }
    Ok(None)
}

/// The entry with its data, which may be stored beside the log.
async fn resolved(
    reader: &LogReader,
    mut entry: Entry,
    control: &str,
) -> Result<Entry, Box<dyn std::error::Error>> {
    // Only for this control: each such object is a request to the store.
    if let Data::Stored(type_, stored) = &entry.data
        && entry.subject.name == control
    {
        let data = reader.stored(&stored.stored).await?;
        entry.data = Data::parse(*type_, serde_json::from_slice(&data)?)?;
    }
    Ok(entry)
}

fn list_of<'e>(entry: &'e Entry, control: &str) -> Option<&'e PopulationList> {
    if entry.subject.kind != "Control" || entry.subject.name != control {
        return None;
    }
    // A heartbeat names the list as well, at a later time than the verdict.
    match &entry.data {
        Data::Verdict(data) => data.population_list.as_ref(),
        Data::Heartbeat(data) => data.population_list.as_ref(),
        _ => None,
    }
}

fn write_table(drawn: &DrawnSample, output: &mut dyn Write) -> io::Result<()> {
    let sample = &drawn.sample;
    writeln!(output, "Control:      {}", visible(&drawn.control))?;
    writeln!(output, "Log:          {}", visible(&drawn.origin))?;
    writeln!(output, "Population:   {} items at {}", sample.population, drawn.at)?;
    writeln!(output, "Its digest:   {} (entry {})", sample.population_digest, drawn.entry)?;
    writeln!(output, "Seed:         {}", visible(&sample.seed))?;
    if let Some(table) = &sample.size_table {
        writeln!(output, "Size table:   {table}")?;
    }
    writeln!(output, "Sample:       {} items, {}\n", sample.items.len(), sample.method)?;
    let mut table = TabWriter::new(Vec::new()).minwidth(0).padding(3);
    writeln!(table, "LINE\tAPIVERSION\tKIND\tNAMESPACE\tNAME\tUID")?;
    for item in &sample.items {
        // A log may hold control characters, which would write to the terminal.
        let cells: Vec<_> = cells(&item.item).into_iter().map(visible).collect();
        writeln!(table, "{}\t{}", item.line, cells.join("\t"))?;
    }
    let table = table.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    output.write_all(&table)
}

fn write_csv(drawn: &DrawnSample, output: &mut dyn Write) -> io::Result<()> {
    let columns = [
        "control",
        "at",
        "population",
        "population_digest",
        "entry",
        "seed",
        "line",
        "api_version",
        "kind",
        "namespace",
        "name",
        "uid",
        "hash",
    ];
    let sample = &drawn.sample;
    let mut table = CsvTable::new(output, &columns)?;
    for item in &sample.items {
        let [version, kind, namespace, name, uid] = cells(&item.item);
        table.row(&[
            &drawn.control,
            &drawn.at.to_string(),
            &sample.population.to_string(),
            &sample.population_digest,
            &drawn.entry.to_string(),
            &sample.seed,
            &item.line.to_string(),
            version,
            kind,
            namespace,
            name,
            uid,
            item.hash.as_str(),
        ])?;
    }
    table.finish().map(drop)
}

/// The version, kind, namespace, name and uid of an item, which are separated by tabs. Lists of older
/// versions have no uid.
fn cells(item: &str) -> [&str; 5] {
    let mut parts = item.split('\t');
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}
