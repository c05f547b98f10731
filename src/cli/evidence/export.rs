//! `comptroller evidence export`: the log as files for DuckDB, Trino, Spark or Athena.

use std::pin::pin;

use bytes::Bytes;
use futures::StreamExt as _;
use jiff::civil::Date;

use comptroller_evidence::{
    cli::LogArgs,
    export::{Days, ExportFile, ExportFormat, ExportRow, Exporter},
    log::{LogError, LogReader},
    store::{self, Store, StoreError},
};

/// Writes the entries of a log as JSON lines or Parquet, partitioned by cluster and day.
///
/// An entry is checked against the signed checkpoint before it is written. To export again, or a
/// log that grew, replaces the same files and adds the new ones.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// Which log.
    #[command(flatten)]
    log: LogArgs,
    /// How the files are written.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
    /// Where to write them: a directory or a URL as above, the same for all clusters of a fleet.
    #[arg(long, value_name = "URL|DIR")]
    output: String,
    /// Only from this day on, in UTC, such as 2026-07-01.
    #[arg(long, value_name = "DAY")]
    from: Option<Date>,
    /// Only up to this day, which is not included.
    #[arg(long, value_name = "DAY")]
    to: Option<Date>,
}

/// How files are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum OutputFormat {
    /// A line of JSON for each entry, to the letter.
    #[default]
    Jsonl,
    /// Parquet, compressed by Zstandard.
    Parquet,
}

impl From<OutputFormat> for ExportFormat {
    fn from(format: OutputFormat) -> Self {
        match format {
            OutputFormat::Jsonl => Self::JsonLines,
            OutputFormat::Parquet => Self::Parquet,
        }
    }
}

/// Exports, and says what was written.
pub async fn run(args: &ExportArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let written = export(args).await?;
    println!(
        "{} entries of cluster {} in {} files below {}",
        written.entries, written.cluster, written.files, args.output
    );
    Ok(0)
}

#[derive(Debug, Default)]
struct Written {
    cluster: String,
    entries: u64,
    files: u64,
}

async fn export(args: &ExportArgs) -> Result<Written, Box<dyn std::error::Error>> {
    let reader = LogReader::open(args.log.store()?, args.log.key()?).await?;
    let destination = store::open(&args.output)?;
    let days = Days { from: args.from, to: args.to };
    let mut exporter = Exporter::new(reader.origin(), args.format.into(), days);
    let mut written = Written { cluster: exporter.cluster().to_owned(), ..Written::default() };
    let mut entries = pin!(reader.entries(0..reader.size()));
    while let Some(entry) = entries.next().await {
        let (index, leaf) = entry?;
        let row = read(&reader, index, leaf).await?;
        written.entries += u64::from(days.contains(row.day));
        if let Some(file) = exporter.push(row)? {
            put(destination.as_ref(), file).await?;
            written.files += 1;
        }
    }
    if let Some(file) = exporter.finish()? {
        put(destination.as_ref(), file).await?;
        written.files += 1;
    }
    Ok(written)
}

/// An entry with its data, wherever that lies.
async fn read(
    reader: &LogReader,
    index: u64,
    leaf: Bytes,
) -> Result<ExportRow, Box<dyn std::error::Error>> {
    let stored = match ExportRow::stored(index, &leaf)? {
        Some(stored) => Some(beside(reader, &stored.stored).await?),
        None => None,
    };
    Ok(ExportRow::read(index, leaf, stored.as_deref())?)
}

async fn beside(reader: &LogReader, digest: &str) -> Result<Bytes, LogError> {
    reader.stored(digest).await
}

/// Puts a file in its place, over the one of an earlier export.
async fn put(destination: &dyn Store, file: ExportFile) -> Result<(), StoreError> {
    let bytes = Bytes::from(file.bytes);
    match destination.put_new(&file.path, bytes.clone()).await {
        Err(StoreError::Conflict { .. }) => {}
        done => return done,
    }
    match destination.get(&file.path).await? {
        Some(old) => destination.replace(&file.path, bytes, &old.version).await.map(drop),
        None => destination.put_new(&file.path, bytes).await,
    }
}
