//! Where a log names a person: in its entries, and in what is stored beside it.

use std::collections::HashSet;

use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    data::PopulationList,
    entry::{Data, Entry, EntrySubject, EntryType},
    log::{LogError, LogReader},
    replay::ReplayError,
};
use comptroller_vocabulary::closed_enum;

closed_enum! {
    /// Which part of an entry names a person.
    pub enum NamedIn {
        /// Its own text.
        Entry = "Entry",
        /// Its data, which lie beside the log.
        StoredData = "StoredData",
        /// Its list of what was judged, which lies beside the log.
        PopulationList = "PopulationList",
    }
}

/// An entry that names a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamingEntry {
    /// The number of the entry.
    pub entry: u64,
    /// When it was observed.
    pub at: Timestamp,
    /// What kind of entry it is.
    #[serde(rename = "type")]
    pub type_: EntryType,
    /// What the entry is about.
    pub subject: EntrySubject,
    /// Which part of it names the person.
    pub named_in: NamedIn,
    /// The pseudonym that it names the person by.
    pub pseudonym: String,
}

/// The entries that have one of these pseudonyms, in their order. Every entry is checked against the
/// checkpoint, and what lies beside the log against its digest; a list is named by the first entry that
/// cites it.
pub async fn naming_entries(
    log: &LogReader,
    pseudonyms: &[String],
) -> Result<Vec<NamingEntry>, ReplayError> {
    let find = |text: &[u8]| {
        let text = String::from_utf8_lossy(text);
        pseudonyms.iter().find(|pseudonym| text.contains(pseudonym.as_str())).cloned()
    };
    let (mut found, mut lists) = (Vec::new(), HashSet::new());
    let entries = log.entries(0..log.size());
    let mut entries = std::pin::pin!(entries);
    while let Some((index, bytes)) = entries.try_next().await? {
        let entry = Entry::parse(&bytes).map_err(|error| ReplayError::Entry { index, error })?;
        let mut named = find(&bytes).map(|pseudonym| (NamedIn::Entry, pseudonym));
        if named.is_none()
            && let Some((named_in, digest)) = beside(&entry)
            && lists.insert(digest.to_owned())
        {
            named = find(&stored(log, digest).await?).map(|pseudonym| (named_in, pseudonym));
        }
        let Some((named_in, pseudonym)) = named else { continue };
        let Entry { at, subject, data, .. } = entry;
        let type_ = data.entry_type();
        found.push(NamingEntry { entry: index, at, type_, subject, named_in, pseudonym });
    }
    Ok(found)
}

/// What of an entry lies beside the log, by its digest.
fn beside(entry: &Entry) -> Option<(NamedIn, &str)> {
    let list: &Option<PopulationList> = match &entry.data {
        Data::Stored(_, data) => return Some((NamedIn::StoredData, &data.stored)),
        Data::Verdict(data) => &data.population_list,
        Data::Heartbeat(data) => &data.population_list,
        _ => return None,
    };
    list.as_ref().map(|list| (NamedIn::PopulationList, list.digest.as_str()))
}

/// A text beside the log. One that is missing names nobody; `verify` says that it is missing.
async fn stored(log: &LogReader, digest: &str) -> Result<Vec<u8>, LogError> {
    match log.stored(digest).await {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(LogError::Stored { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
