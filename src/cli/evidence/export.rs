//! `comptroller evidence export`: the log as files for DuckDB, Trino, Spark or Athena.

use std::pin::pin;

use bytes::Bytes;
use futures::StreamExt as _;
use jiff::civil::Date;

use crate::cli::output::to_stdout;
use comptroller_evidence::{
    cli::LogArgs,
    export::{Days, ExportFile, ExportFormat, ExportRow, Exporter},
    log::{LogError, LogReader},
    store::{self, Store, StoreError},
};

/// Write the entries of a log as JSON lines or Parquet, partitioned by cluster and day.
///
/// Each entry is verified against the signed checkpoint before it is written. Exporting again, after the
/// log has grown, replaces the same files and adds new ones.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    #[command(flatten)]
    log: LogArgs,
    /// The format of the files.
    #[arg(long, value_enum, default_value_t)]
    format: FormatArgument,
    /// Where to write them: a directory or a URL as above, which all clusters may share.
    #[arg(long, value_name = "URL|DIR")]
    output: String,
    /// The first day to export, in UTC, such as 2026-07-01.
    #[arg(long, value_name = "DAY")]
    from: Option<Date>,
    /// The day to stop at, which is not included.
    #[arg(long, value_name = "DAY")]
    to: Option<Date>,
}

/// The format of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum FormatArgument {
    /// One line of JSON for each entry, byte for byte as in the log.
    #[default]
    Jsonl,
    /// Parquet, compressed with Zstandard.
    Parquet,
}

impl From<FormatArgument> for ExportFormat {
    fn from(format: FormatArgument) -> Self {
        match format {
            FormatArgument::Jsonl => Self::JsonLines,
            FormatArgument::Parquet => Self::Parquet,
        }
    }
}

/// Exports, and prints how much was written.
pub async fn run(args: &ExportArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let written = export(args).await?;
    to_stdout(|stdout| {
        writeln!(
            stdout,
            "{} entries of cluster {} in {} files below {}",
            written.entries, written.cluster, written.files, args.output
        )
    })?;
    Ok(0)
}

#[derive(Debug, Default)]
struct ExportSummary {
    cluster: String,
    entries: u64,
    files: u64,
}

async fn export(args: &ExportArgs) -> Result<ExportSummary, Box<dyn std::error::Error>> {
    let reader = LogReader::open(args.log.store()?, args.log.key()?).await?;
    let destination = store::open(&args.output)?;
    let days = Days { from: args.from, to: args.to };
    let mut exporter = Exporter::new(reader.origin(), args.format.into(), days);
    let mut written =
        ExportSummary { cluster: exporter.cluster().to_owned(), ..ExportSummary::default() };
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

/// An entry with its data, which may be stored beside the log.
async fn read(
    reader: &LogReader,
    index: u64,
    leaf: Bytes,
) -> Result<ExportRow, Box<dyn std::error::Error>> {
    let stored = match ExportRow::stored(index, &leaf)? {
        Some(stored) => Some(read_stored(reader, &stored.stored).await?),
        None => None,
    };
    Ok(ExportRow::read(index, leaf, stored.as_deref())?)
}

async fn read_stored(reader: &LogReader, digest: &str) -> Result<Bytes, LogError> {
    reader.stored(digest).await
}

/// Writes a file, replacing that of an earlier export.
async fn put(destination: &dyn Store, file: ExportFile) -> Result<(), StoreError> {
    let bytes = Bytes::from(file.bytes);
    // Stores can't overwrite blindly: a file is created, or replaced in the version that was read.
    match destination.put_new(&file.path, bytes.clone()).await {
        Err(StoreError::Conflict { .. }) => {}
        done => return done,
    }
    match destination.get(&file.path).await? {
        Some(old) => destination.replace(&file.path, bytes, &old.version).await.map(drop),
        None => destination.put_new(&file.path, bytes).await,
    }
}
