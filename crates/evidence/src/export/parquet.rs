//! Parquet, with types that every reader of it has (no unsigned numbers, no nested columns) and names
//! that no dialect of SQL reserves: `at` is a word of DuckDB's.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use parquet::{
    basic::{Compression, ZstdLevel},
    column::writer::ColumnWriter,
    data_type::ByteArray,
    errors::{ParquetError, Result},
    file::{
        properties::{WriterProperties, WriterPropertiesPtr},
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::{parser::parse_message_type, types::TypePtr},
};

use super::{
    register_rows::{MovedItem, RegisterEntry},
    row::{ExportRow, ItemCounts},
};

const SCHEMA: &str = "
message entry {
    required binary cluster (STRING);
    required int64 index;
    required int64 observed_at (TIMESTAMP(MILLIS, true));
    required int32 day (DATE);
    required int64 epoch;
    required binary type (STRING);
    required binary subject_kind (STRING);
    required binary subject_name (STRING);
    optional binary state (STRING);
    optional binary reason (STRING);
    optional int64 population;
    optional int64 failing;
    optional int64 excepted;
    optional int64 unknown;
    required binary data (STRING);
}";

const REGISTERS: &str = "
message register_item {
    required binary cluster (STRING);
    required int64 index;
    required int64 observed_at (TIMESTAMP(MILLIS, true));
    required int32 day (DATE);
    required binary register (STRING);
    required binary moved (STRING);
    required binary item (STRING);
    required int64 seen_at (TIMESTAMP(MILLIS, true));
    optional int64 between_from (TIMESTAMP(MILLIS, true));
    optional int64 between_to (TIMESTAMP(MILLIS, true));
    required binary fields (STRING);
    required int64 total;
    required binary digest (STRING);
}";

static REGISTERS_TYPE: LazyLock<Option<TypePtr>> =
    LazyLock::new(|| parse_message_type(REGISTERS).ok().map(Arc::new));

static TYPE: LazyLock<Option<TypePtr>> =
    LazyLock::new(|| parse_message_type(SCHEMA).ok().map(Arc::new));

/// The rows as a file. The same rows are the same bytes.
pub(super) fn write(cluster: &str, rows: &[ExportRow]) -> Result<Vec<u8>> {
    let schema = TYPE.clone().ok_or_else(|| ParquetError::General("the schema is wrong".into()))?;
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties()?)?;
    let mut group = writer.next_row_group()?;
    texts(&mut group, rows, |_| Some(cluster))?;
    numbers(&mut group, rows, |row| Some(signed(row.index)))?;
    numbers(&mut group, rows, |row| Some(row.at.as_millisecond()))?;
    days(&mut group, rows, |row| row.at)?;
    numbers(&mut group, rows, |row| Some(signed(row.epoch)))?;
    texts(&mut group, rows, |row| Some(row.entry_type))?;
    texts(&mut group, rows, |row| Some(&row.subject_kind))?;
    texts(&mut group, rows, |row| Some(&row.subject_name))?;
    texts(&mut group, rows, |row| row.state.as_deref())?;
    texts(&mut group, rows, |row| row.reason.as_deref())?;
    let counts: [fn(ItemCounts) -> u64; 4] =
        [|one| one.population, |one| one.failing, |one| one.excepted, |one| one.unknown];
    for count in counts {
        numbers(&mut group, rows, |row| row.counts.map(|counts| signed(count(counts))))?;
    }
    texts(&mut group, rows, |row| Some(&row.data))?;
    group.close()?;
    writer.into_inner()
}

/// The items of entries of registers as a file. The same entries are the same bytes.
pub(super) fn write_registers(cluster: &str, entries: &[RegisterEntry]) -> Result<Vec<u8>> {
    let wrong = || ParquetError::General("the schema is wrong".into());
    let schema = REGISTERS_TYPE.clone().ok_or_else(wrong)?;
    let rows: Vec<(&RegisterEntry, &MovedItem)> = entries
        .iter()
        .flat_map(|entry| entry.items.iter().map(move |item| (entry, item)))
        .collect();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties()?)?;
    let mut group = writer.next_row_group()?;
    texts(&mut group, &rows, |_| Some(cluster))?;
    numbers(&mut group, &rows, |(entry, _)| Some(signed(entry.index)))?;
    numbers(&mut group, &rows, |(entry, _)| Some(entry.at.as_millisecond()))?;
    days(&mut group, &rows, |(entry, _)| entry.at)?;
    texts(&mut group, &rows, |(entry, _)| Some(&entry.register))?;
    texts(&mut group, &rows, |(_, item)| Some(item.moved.as_str()))?;
    texts(&mut group, &rows, |(_, item)| Some(&item.key))?;
    numbers(&mut group, &rows, |(_, item)| Some(item.seen_at.as_millisecond()))?;
    numbers(&mut group, &rows, |(_, item)| Some(item.between?.from.as_millisecond()))?;
    numbers(&mut group, &rows, |(_, item)| Some(item.between?.to.as_millisecond()))?;
    texts(&mut group, &rows, |(_, item)| Some(&item.fields))?;
    numbers(&mut group, &rows, |(entry, _)| Some(signed(entry.total)))?;
    texts(&mut group, &rows, |(entry, _)| Some(&entry.digest))?;
    group.close()?;
    writer.into_inner()
}

fn properties() -> Result<WriterPropertiesPtr> {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(3)?);
    let properties = WriterProperties::builder().set_compression(zstd);
    Ok(Arc::new(properties.set_created_by("comptroller".to_owned()).build()))
}

type RowGroup<'w> = SerializedRowGroupWriter<'w, Vec<u8>>;

/// The next column of texts. A column of the schema that is required gets a value for every row.
fn texts<'r, R>(
    group: &mut RowGroup<'_>,
    rows: &'r [R],
    value: impl Fn(&'r R) -> Option<&'r str>,
) -> Result<()> {
    let cells: Vec<Option<&str>> = rows.iter().map(value).collect();
    let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<ByteArray> = cells.into_iter().flatten().map(ByteArray::from).collect();
    let mut column = next(group)?;
    if let ColumnWriter::ByteArrayColumnWriter(writer) = column.untyped() {
        writer.write_batch(&values, Some(&levels), None)?;
    }
    column.close()
}

/// The next column of numbers.
fn numbers<R>(
    group: &mut RowGroup<'_>,
    rows: &[R],
    value: impl Fn(&R) -> Option<i64>,
) -> Result<()> {
    let cells: Vec<Option<i64>> = rows.iter().map(value).collect();
    let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<i64> = cells.into_iter().flatten().collect();
    let mut column = next(group)?;
    if let ColumnWriter::Int64ColumnWriter(writer) = column.untyped() {
        writer.write_batch(&values, Some(&levels), None)?;
    }
    column.close()
}

/// The column of days, counted from 1970-01-01.
fn days<R>(group: &mut RowGroup<'_>, rows: &[R], at: impl Fn(&R) -> Timestamp) -> Result<()> {
    let values: Vec<i32> = rows
        .iter()
        .map(|row| i32::try_from(at(row).as_second().div_euclid(86_400)).unwrap_or(i32::MAX))
        .collect();
    let mut column = next(group)?;
    if let ColumnWriter::Int32ColumnWriter(writer) = column.untyped() {
        writer.write_batch(&values, None, None)?;
    }
    column.close()
}

fn next<'g>(
    group: &'g mut RowGroup<'_>,
) -> Result<parquet::file::writer::SerializedColumnWriter<'g>> {
    group
        .next_column()?
        .ok_or_else(|| ParquetError::General("the schema has fewer columns than a row".into()))
}

/// Numbers of entries stay far below 2^63.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
