//! Where the facts come from that controls judged.

use comptroller_evidence::inventory::Reading;
use jiff::Timestamp;
use serde::Serialize;

/// The objects of one kind, as the operator last read them in the period.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ListReport {
    pub api_version: String,
    pub kind: String,
    /// How many objects were known.
    pub count: u64,
    /// Whether all of them were known, by the rights of who read them.
    pub reading: Reading,
    /// The resource version of the list that they rest on; None where no list was complete.
    pub resource_version: Option<String>,
    /// When that list was complete.
    pub at: Option<Timestamp>,
    /// The digest of the facts beside the log; None if there are none.
    pub digest: Option<String>,
    /// Who read them: the instance of the operator.
    pub collector: String,
    /// The entry that says so.
    pub entry: u64,
}
