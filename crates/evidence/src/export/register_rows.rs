//! What entries of registers say, as rows of a table: one for each item that was listed, came, went or changed.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;

use super::{ExportError, ExportedEntry};
use crate::{
    entry::{Data, Entry},
    register::{Between, Fields, RegisterData, RegisterItem},
};
use comptroller_vocabulary::closed_enum;

/// An entry of a register.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterEntry {
    /// Its number in the log.
    pub index: u64,
    /// When it was written.
    pub at: Timestamp,
    day: Date,
    pub register: String,
    /// How many items are in the register after it, and the digest of all of them.
    pub total: u64,
    pub digest: String,
    /// What moved, in the order of the entry.
    pub items: Vec<MovedItem>,
}

closed_enum! {
    /// What became of an item.
    pub enum ItemMove {
        /// It was there when the register was listed.
        Listed = "listed",
        /// It came.
        Added = "added",
        /// It went.
        Removed = "removed",
        /// It is another than before.
        Changed = "changed",
    }
}

/// An item of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct MovedItem {
    pub moved: ItemMove,
    pub key: String,
    /// When it was seen.
    pub seen_at: Timestamp,
    /// Where nobody looked as it happened, the times between which it did.
    pub between: Option<Between>,
    /// What is kept of it, as JSON.
    pub fields: String,
}

/// A line of the table.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    cluster: &'a str,
    index: u64,
    at: Timestamp,
    register: &'a str,
    moved: ItemMove,
    key: &'a str,
    seen_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    between: Option<Between>,
    fields: serde_json::Value,
    total: u64,
    digest: &'a str,
}

impl RegisterEntry {
    /// What an entry says of a register, its data resolved; None if it is about something else.
    pub fn read(index: u64, entry: &Entry) -> Result<Option<Self>, serde_json::Error> {
        let Data::Register(data) = &entry.data else { return Ok(None) };
        let RegisterData { list, added, removed, changed, .. } = &**data;
        let mut items = Vec::with_capacity(data.len());
        for (moved, these) in [
            (ItemMove::Listed, list),
            (ItemMove::Added, added),
            (ItemMove::Removed, removed),
            (ItemMove::Changed, changed),
        ] {
            for item in these {
                items.push(MovedItem::new(moved, item, entry.at, data.between)?);
            }
        }
        Ok(Some(Self {
            index,
            at: entry.at,
            day: entry.at.to_zoned(TimeZone::UTC).date(),
            register: entry.subject.name.clone(),
            total: data.total,
            digest: data.digest.clone(),
            items,
        }))
    }
}

impl MovedItem {
    fn new(
        moved: ItemMove,
        item: &RegisterItem,
        at: Timestamp,
        between: Option<Between>,
    ) -> Result<Self, serde_json::Error> {
        let fields: &Fields = &item.fields;
        Ok(Self {
            moved,
            key: item.key.clone(),
            seen_at: item.seen.unwrap_or(at),
            // A list says what is there, and not that something happened.
            between: between.filter(|_| moved != ItemMove::Listed),
            fields: serde_json::to_string(fields)?,
        })
    }
}

impl ExportedEntry for RegisterEntry {
    fn index(&self) -> u64 {
        self.index
    }

    fn day(&self) -> Date {
        self.day
    }

    fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.key.len() + item.fields.len() + 64).sum()
    }

    fn lines(cluster: &str, entries: &[Self]) -> Result<Vec<u8>, ExportError> {
        let mut bytes = Vec::new();
        for entry in entries {
            for item in &entry.items {
                let line = Line {
                    cluster,
                    index: entry.index,
                    at: entry.at,
                    register: &entry.register,
                    moved: item.moved,
                    key: &item.key,
                    seen_at: item.seen_at,
                    between: item.between,
                    fields: serde_json::from_str(&item.fields)?,
                    total: entry.total,
                    digest: &entry.digest,
                };
                serde_json::to_writer(&mut bytes, &line)?;
                bytes.push(b'\n');
            }
        }
        Ok(bytes)
    }

    #[cfg(any(test, feature = "parquet"))]
    fn parquet(cluster: &str, entries: &[Self]) -> Result<Vec<u8>, ExportError> {
        Ok(super::parquet::write_registers(cluster, entries)?)
    }
}
