//! `comptroller evidence export`: the log as files for DuckDB, Trino, Spark or Athena.

use std::{pin::pin, sync::Arc};

use bytes::Bytes;
use futures::StreamExt as _;
use jiff::civil::Date;

use crate::cli::output::to_stdout;
use comptroller_evidence::{
    cli::LogArgs,
    entry::{Data, Entry, EntryType},
    export::{Days, ExportFile, ExportFormat, ExportRow, ExportedEntry, Exporter, RegisterEntry},
    log::{LogError, LogReader},
    store::{self, Store, StoreError},
};

/// Write the entries of a log, or the items of its registers, as JSON lines or Parquet, partitioned by cluster
/// and day.
///
/// Each entry is verified against the signed checkpoint before it is written. Exporting again, after the
/// log has grown, replaces the same files and adds new ones.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    #[command(flatten)]
    log: LogArgs,
    /// The table to write: each into a folder of its own.
    #[arg(long, value_enum, default_value_t)]
    table: TableArgument,
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

/// What the rows of the files are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum TableArgument {
    /// The entries of the log.
    #[default]
    Entries,
    /// The items of registers: a row for each that was listed, came, went or changed, with its entry.
    Registers,
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
            "{} {} of cluster {} in {} files below {}",
            written.rows,
            match args.table {
                TableArgument::Entries => "entries",
                TableArgument::Registers => "items of registers",
            },
            written.cluster,
            written.files,
            args.output
        )
    })?;
    Ok(0)
}

#[derive(Debug, Default)]
struct ExportSummary {
    cluster: String,
    rows: u64,
    files: u64,
}

async fn export(args: &ExportArgs) -> Result<ExportSummary, Box<dyn std::error::Error>> {
    let reader = LogReader::open(args.log.store()?, args.log.key()?).await?;
    let destination = store::open(&args.output)?;
    let days = Days { from: args.from, to: args.to };
    let (origin, format) = (reader.origin(), args.format.into());
    match args.table {
        TableArgument::Entries => {
            let mut files = Files::new(Exporter::new(origin, format, days), destination);
            let mut entries = pin!(reader.entries(0..reader.size()));
            while let Some(entry) = entries.next().await {
                let (index, leaf) = entry?;
                let row = read(&reader, index, leaf).await?;
                files.written.rows += u64::from(days.contains(row.day));
                files.push(row).await?;
            }
            files.finish().await
        }
        TableArgument::Registers => {
            let mut files = Files::new(Exporter::new(origin, format, days), destination);
            let mut entries = pin!(reader.entries(0..reader.size()));
            while let Some(entry) = entries.next().await {
                let (index, leaf) = entry?;
                if let Some(row) = read_register(&reader, index, &leaf).await? {
                    let is_wanted = days.contains(row.day());
                    files.written.rows += if is_wanted { row.items.len() as u64 } else { 0 };
                    files.push(row).await?;
                }
            }
            files.finish().await
        }
    }
}

/// The files of a table, each written once it is complete.
struct Files<E> {
    exporter: Exporter<E>,
    destination: Arc<dyn Store>,
    written: ExportSummary,
}

impl<E: ExportedEntry> Files<E> {
    fn new(exporter: Exporter<E>, destination: Arc<dyn Store>) -> Self {
        let cluster = exporter.cluster().to_owned();
        let written = ExportSummary { cluster, ..ExportSummary::default() };
        Self { exporter, destination, written }
    }

    async fn push(&mut self, row: E) -> Result<(), Box<dyn std::error::Error>> {
        if let Some(file) = self.exporter.push(row)? {
            put(self.destination.as_ref(), file).await?;
            self.written.files += 1;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<ExportSummary, Box<dyn std::error::Error>> {
        if let Some(file) = self.exporter.finish()? {
            put(self.destination.as_ref(), file).await?;
            self.written.files += 1;
        }
        Ok(self.written)
    }
}

/// What an entry says of a register, with its data, which may be stored beside the log; None if it is about
/// something else.
async fn read_register(
    reader: &LogReader,
    index: u64,
    leaf: &[u8],
) -> Result<Option<RegisterEntry>, Box<dyn std::error::Error>> {
    let mut entry = Entry::parse(leaf).map_err(|error| format!("entry {index}: {error}"))?;
    if let Data::Stored(EntryType::Register, stored) = &entry.data {
        let data = read_stored(reader, &stored.stored).await?;
        entry.data = Data::parse(EntryType::Register, serde_json::from_slice(&data)?)?;
    }
    Ok(RegisterEntry::read(index, &entry)?)
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
