//! Data beside the log that entries name.

use crate::{
    data::PopulationList,
    entry::{Data, Entry, EntryType},
};

/// Data beside the log.
pub struct Beside {
    /// The entry that names it.
    pub entry: u64,
    pub digest: String,
    /// How long it is, where the entry says so.
    pub length: Option<u64>,
    /// Whether it is an inventory that was too large for its entry, and names lists itself.
    pub is_inventory: bool,
}

impl Beside {
    /// What an entry names.
    pub fn of(index: u64, entry: &Entry) -> Vec<Self> {
        let beside = |digest: &str, length| Self {
            entry: index,
            digest: digest.to_owned(),
            length,
            is_inventory: false,
        };
        let population = |list: &Option<PopulationList>| {
            list.iter().map(|list| beside(&list.digest, None)).collect()
        };
        match &entry.data {
            Data::Inventory(data) => {
                data.lists().map(|list| beside(&list.digest, Some(list.bytes))).collect()
            }
            Data::Stored(type_, data) => vec![Self {
                is_inventory: *type_ == EntryType::Inventory,
                ..beside(&data.stored, Some(data.bytes))
            }],
            Data::Verdict(data) => population(&data.population_list),
            Data::Heartbeat(data) => population(&data.population_list),
            _ => Vec::new(),
        }
    }
}
