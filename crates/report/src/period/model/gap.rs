//! Times when nobody looked.

use jiff::Timestamp;
use serde::Serialize;

use comptroller_evidence::data::GapCause;

/// A time when nobody looked, of one cause.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct GapReport {
    /// The first moment of it.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
    /// What kind of gap it is.
    pub cause: GapCause,
    /// The controls that it is of, by name.
    pub controls: Vec<String>,
    /// Whether it is of the whole cluster, so of every control.
    pub everywhere: bool,
    /// Why, in one sentence.
    pub reason: String,
    /// The entries that say so; empty where the absence of entries does.
    pub entries: Vec<u64>,
}
