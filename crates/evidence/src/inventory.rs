//! What was read of the cluster, once a day: where each list came from, whether all of it could be
//! read, and the facts themselves, so that what passed can be judged again.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use comptroller_vocabulary::closed_enum;

/// The data of an entry of the type `inventory`; its subject is the cluster.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InventoryData {
    /// The instance of the operator that read the cluster, as its own entries name it.
    pub collector: String,
    /// The version of the API server, such as `1.36`. None if it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<String>,
    /// What the metrics of the API server said, as far as a check reads them.
    pub api_server: Value,
    /// The resource types that the cluster served: JSON, stored beside the log and compressed.
    pub catalog: StoredList,
    /// The program that judged the objects of a control of the test `cel`, by control. The spec in
    /// the log has pseudonyms, so that the program can't always be told from it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub programs: BTreeMap<String, String>,
    /// Each kind that was read, by API version and kind.
    pub kinds: Vec<KindInventory>,
}

/// The objects of one kind.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KindInventory {
    pub api_version: String,
    pub kind: String,
    /// The plural, as rules name it.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Whether all of its objects were known, by the rights of the collector.
    pub reading: Reading,
    /// Why not all of them were known, in one sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How many objects were known.
    pub count: u64,
    /// The resource version of the list that they rest on, with the changes since then. None where
    /// no list was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// When that list was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_at: Option<Timestamp>,
    /// The programs that judged each of the objects, in the order of the lines' results.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<String>,
    /// The facts of the objects. None if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<StoredList>,
}

/// A list beside the log, under the digest of its bytes. They are one Zstandard frame of lines of
/// canonical JSON, one for each object, sorted by namespace and name.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct StoredList {
    /// The SHA-256 of the bytes as they are stored, and their name beside the log.
    pub digest: String,
    /// How many bytes are stored.
    pub bytes: u64,
    /// How many bytes the lines have.
    pub unpacked: u64,
}

closed_enum! {
    /// Whether all objects of a kind were known.
    pub enum Reading {
        /// It may be listed and watched, and every object was known.
        Complete = "Complete",
        /// The API server does not serve it.
        NotServed = "NotServed",
        /// The collector may not list or watch it.
        Forbidden = "Forbidden",
        /// An object of it could not be read.
        Untaken = "Untaken",
        /// Changes had stopped arriving.
        Stale = "Stale",
        /// Its first list was under way.
        Pending = "Pending",
        /// Nobody asks for it, so it is not read.
        NotRead = "NotRead",
    }
}

/// A kind that was read, or what a program said of its objects, as a text.
pub fn read_key(api_version: &str, kind: &str, program: Option<&str>) -> String {
    match program {
        Some(program) => format!("{api_version} {kind} {program}"),
        None => format!("{api_version} {kind}"),
    }
}

impl InventoryData {
    /// What was read, each by the text of [`read_key`].
    pub fn read(&self) -> BTreeSet<String> {
        let kinds = self.kinds.iter().flat_map(|kind| {
            let whole = std::iter::once(read_key(&kind.api_version, &kind.kind, None));
            let judged = kind.programs.iter();
            whole
                .chain(judged.map(|program| read_key(&kind.api_version, &kind.kind, Some(program))))
        });
        kinds.collect()
    }

    /// Every list that the entry names.
    pub fn lists(&self) -> impl Iterator<Item = &StoredList> {
        self.kinds.iter().filter_map(|kind| kind.list.as_ref()).chain([&self.catalog])
    }
}
