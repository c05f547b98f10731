//! The log as tables for DuckDB, Trino, Spark or Athena. Pure: from leaves to files.
//!
//! Files are partitioned as Hive has it, by cluster and day, and named by their first entry. Which
//! entry is in which file depends on the log alone, so that a later export of a longer log writes
//! the same files again and adds the new ones.

mod jsonl;
#[cfg(any(test, feature = "parquet"))]
mod parquet;
mod register_rows;
mod row;

#[cfg(test)]
mod tests;

use jiff::civil::Date;

pub use self::{
    register_rows::{MovedItem, RegisterEntry},
    row::{ExportRow, RowError},
};
use super::origin;
use comptroller_vocabulary::closed_enum;

closed_enum! {
    /// How a file is written.
    pub enum ExportFormat {
        /// A line of JSON for each entry.
        JsonLines = "jsonl",
        /// Apache Parquet, compressed by Zstandard.
        Parquet = "parquet",
    }
}

/// How many rows a file has at most.
const MAX_ROWS: usize = 65_536;

/// How much text a file has at most, before compression: what the export keeps in memory.
const MAX_BYTES: usize = 16 << 20;

/// A file of the export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportFile {
    /// Its path below the destination, such as
    /// `cluster=6f1c…/day=2026-11-22/part-512.parquet`.
    pub path: String,
    /// Its content, compressed where the format is.
    pub bytes: Vec<u8>,
}

/// Why a file can't be made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A value of a row has no JSON.
    #[error("a line of JSON can't be written: {0}")]
    Json(#[from] serde_json::Error),
    /// The Parquet writer refuses the table.
    #[cfg(any(test, feature = "parquet"))]
    #[error("a Parquet file can't be written: {0}")]
    Parquet(#[from] ::parquet::errors::ParquetError),
    /// The program was built without the feature `parquet`.
    #[cfg(not(any(test, feature = "parquet")))]
    #[error(
        "this program was built without Parquet: write JSON lines, or build with --features parquet"
    )]
    NoParquet,
}

/// Days to export: from the first, up to the last, which is not included.
#[derive(Clone, Copy, Debug, Default)]
pub struct Days {
    /// The first of them; None: from the beginning of the log.
    pub from: Option<Date>,
    /// The day after the last of them; None: up to the end of the log.
    pub to: Option<Date>,
}

impl Days {
    /// Whether a day is one of them.
    pub fn contains(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day < to)
    }
}

/// What an entry is in a table: one row, or several that stay together.
pub trait ExportedEntry: Sized {
    /// The number of the entry.
    fn index(&self) -> u64;
    /// The day on which it was observed, in UTC.
    fn day(&self) -> Date;
    /// How much text it is.
    fn bytes(&self) -> usize;
    /// Entries as JSON lines.
    fn lines(cluster: &str, entries: &[Self]) -> Result<Vec<u8>, ExportError>;
    /// Entries as a Parquet file.
    #[cfg(any(test, feature = "parquet"))]
    fn parquet(cluster: &str, entries: &[Self]) -> Result<Vec<u8>, ExportError>;
}

/// Gathers the entries of a log, in their order, into files of one table.
#[derive(Debug)]
pub struct Exporter<E = ExportRow> {
    format: ExportFormat,
    cluster: String,
    days: Days,
    part: Option<PendingFile<E>>,
}

/// A file in the making: consecutive entries of one day.
#[derive(Debug)]
struct PendingFile<E> {
    first: u64,
    day: Date,
    rows: Vec<E>,
    bytes: usize,
}

impl<E: ExportedEntry> Exporter<E> {
    /// An export of a log, by its origin line.
    pub fn new(origin: &str, format: ExportFormat, days: Days) -> Self {
        Self { format, cluster: cluster_of(origin), days, part: None }
    }

    /// The uid of the cluster, as rows and paths have it.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Takes in the next entry. Returns the file before it once that is complete: the entry is of
    /// another day, or the file is as large as one may be.
    pub fn push(&mut self, row: E) -> Result<Option<ExportFile>, ExportError> {
        // By what the log holds alone, and not by time or memory, so that a later export makes the same
        // files.
        let full = self.part.as_ref().is_some_and(|part| !part.takes(&row));
        let file = if full { self.finish()? } else { None };
        if self.days.contains(row.day()) {
            let part = self.part.get_or_insert_with(|| PendingFile {
                first: row.index(),
                day: row.day(),
                rows: Vec::new(),
                bytes: 0,
            });
            part.bytes += row.bytes();
            part.rows.push(row);
        }
        Ok(file)
    }

    /// The file of what was gathered last; None if nothing was gathered since the last file.
    pub fn finish(&mut self) -> Result<Option<ExportFile>, ExportError> {
        let Some(part) = self.part.take() else { return Ok(None) };
        let bytes = match self.format {
            ExportFormat::JsonLines => E::lines(&self.cluster, &part.rows)?,
            #[cfg(any(test, feature = "parquet"))]
            ExportFormat::Parquet => E::parquet(&self.cluster, &part.rows)?,
            #[cfg(not(any(test, feature = "parquet")))]
            ExportFormat::Parquet => return Err(ExportError::NoParquet),
        };
        let path = format!(
            "cluster={}/day={}/part-{}.{}",
            self.cluster, part.day, part.first, self.format
        );
        Ok(Some(ExportFile { path, bytes }))
    }
}

impl<E: ExportedEntry> PendingFile<E> {
    fn takes(&self, row: &E) -> bool {
        self.day == row.day() && self.rows.len() < MAX_ROWS && self.bytes < MAX_BYTES
    }
}

impl ExportedEntry for ExportRow {
    fn index(&self) -> u64 {
        self.index
    }

    fn day(&self) -> Date {
        self.day
    }

    fn bytes(&self) -> usize {
        self.data.len() + self.leaf.len()
    }

    fn lines(cluster: &str, entries: &[Self]) -> Result<Vec<u8>, ExportError> {
        jsonl::write(cluster, entries)
    }

    #[cfg(any(test, feature = "parquet"))]
    fn parquet(cluster: &str, entries: &[Self]) -> Result<Vec<u8>, ExportError> {
        Ok(parquet::write(cluster, entries)?)
    }
}

/// The cluster that an origin names, as far as it may stand in a path.
fn cluster_of(origin: &str) -> String {
    let kept: String = origin::cluster(origin)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' })
        .collect();
    if kept.is_empty() { "unknown".to_owned() } else { kept }
}
