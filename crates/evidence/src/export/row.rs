//! An entry as a row of the table.

use bytes::Bytes;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::Value;

use crate::{
    data::StoredData,
    entry::{Data, Entry, EntryError},
};

/// An entry, with the columns that queries ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportRow {
    /// Its number in the log.
    pub index: u64,
    /// When it was observed.
    pub at: Timestamp,
    /// The day of that, in UTC.
    pub day: Date,
    /// Which leadership wrote it.
    pub epoch: u64,
    /// What it is about, in one word.
    pub entry_type: &'static str,
    /// The kind of its subject.
    pub subject_kind: String,
    /// The name of its subject.
    pub subject_name: String,
    /// The state of a control, or the phase of an occurrence or of another object.
    pub state: Option<String>,
    /// Why it is in the state; of a gap, why nobody looked.
    pub reason: Option<String>,
    /// How many items were judged, and how they stand.
    pub counts: Option<ItemCounts>,
    /// Its data as JSON. What lies beside the log is put here.
    pub data: String,
    /// Whether the data lies beside the log.
    pub was_stored: bool,
    /// The entry, to the letter: its leaf in the log.
    pub leaf: Bytes,
}

/// How many items of a control stand how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemCounts {
    /// How many were judged.
    pub population: u64,
    /// How many of them fail.
    pub failing: u64,
    /// How many of them fail only in what exceptions allow.
    pub excepted: u64,
    /// How many of them could not be judged.
    pub unknown: u64,
}

/// Why an entry has no row.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// The entry can't be read.
    #[error("entry {0}: {1}")]
    Entry(u64, EntryError),
    /// Its data beside the log is not JSON of its type.
    #[error("entry {0}: its data beside the log can't be read: {1}")]
    Data(u64, serde_json::Error),
}

impl ExportRow {
    /// What the entry says; with the data that lies beside the log, where it does.
    pub fn read(index: u64, leaf: Bytes, stored: Option<&[u8]>) -> Result<Self, RowError> {
        let mut entry = Entry::parse(&leaf).map_err(|error| RowError::Entry(index, error))?;
        let wrong = |error| RowError::Data(index, error);
        let data: Value = if let Some(text) = stored {
            let data: Value = serde_json::from_slice(text).map_err(wrong)?;
            entry.data = Data::parse(entry.data.entry_type(), data.clone()).map_err(wrong)?;
            data
        } else {
            let whole: Value = serde_json::from_slice(&leaf).map_err(wrong)?;
            whole.get("data").cloned().unwrap_or_default()
        };
        let (state, reason, counts) = summary(&entry.data);
        Ok(Self {
            index,
            at: entry.at,
            day: entry.at.to_zoned(TimeZone::UTC).date(),
            epoch: entry.epoch,
            entry_type: entry.data.entry_type().as_str(),
            subject_kind: entry.subject.kind,
            subject_name: entry.subject.name,
            state,
            reason,
            counts,
            data: data.to_string(),
            was_stored: stored.is_some(),
            leaf,
        })
    }

    /// The name of the data that lies beside the log; None if the entry holds its data.
    pub fn stored(index: u64, leaf: &[u8]) -> Result<Option<StoredData>, RowError> {
        let entry = Entry::parse(leaf).map_err(|error| RowError::Entry(index, error))?;
        Ok(match entry.data {
            Data::Stored(_, stored) => Some(stored),
            _ => None,
        })
    }
}

fn summary(data: &Data) -> (Option<String>, Option<String>, Option<ItemCounts>) {
    match data {
        Data::Verdict(data) => {
            let counts = ItemCounts {
                population: data.population,
                failing: data.failing,
                excepted: data.excepted,
                unknown: data.unknown,
            };
            (Some(data.state.to_string()), Some(data.reason.clone()), Some(counts))
        }
        Data::Heartbeat(data) => {
            let counts = ItemCounts {
                population: data.population,
                failing: data.failing,
                excepted: data.excepted,
                unknown: data.unknown,
            };
            (Some(data.state.to_string()), None, Some(counts))
        }
        Data::ControlChanged(data) | Data::Exception(data) | Data::Object(_, data) => {
            (data.phase.clone(), Some(data.change.to_string()), None)
        }
        Data::Attestation(data) => (Some(data.phase.to_string()), None, None),
        Data::Operator(data) => (Some(data.event.to_string()), None, None),
        Data::Gap(data) => (None, Some(data.reason.clone()), None),
        Data::Inventory(_)
        | Data::Usage(_)
        | Data::Register(_)
        | Data::Stored(..)
        | Data::Other(..) => (None, None, None),
    }
}
