//! What a report says of the registers: populations that the operator keeps whole over time.

use jiff::Timestamp;
use serde::Serialize;

use crate::register_text;
use comptroller_evidence::fold::{
    register_windows::{RegisterBasis, RegisterRow},
    registers::RegisterGap,
};

/// A register over the period.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RegisterReport {
    /// Its name, such as `grants`.
    pub name: String,
    /// What vouches for it: its entries at both ends and between.
    #[serde(flatten)]
    pub basis: RegisterBasis,
    /// How many items were in it at some time of the period. None: the report was made without the items,
    /// as the operator makes it to know its digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub population: Option<u64>,
    /// When it was not known within the period, or not all of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_known: Vec<RegisterGapReport>,
    /// The entries that do not follow from those before them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<RegisterFaultReport>,
    /// Each item that was in it at some time of the period, by key and time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<RegisterRow>,
}

/// A time in which a register was not known.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RegisterGapReport {
    /// None: from the beginning of the log.
    pub from: Option<Timestamp>,
    /// None: it goes on.
    pub to: Option<Timestamp>,
    /// Why, in one sentence.
    pub reason: String,
    /// The entry that says so.
    pub entry: Option<u64>,
}

/// An entry that does not follow from those before it.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RegisterFaultReport {
    pub entry: u64,
    /// How, in one sentence.
    pub fault: String,
}

impl RegisterReport {
    /// What is not known of it, each in a sentence; nothing if all of it is.
    pub fn unknown(&self) -> Vec<String> {
        let gaps = self.not_known.iter().map(|gap| {
            let RegisterGapReport { from, to, reason, entry } = gap.clone();
            register_text::gap(&RegisterGap { from, to, reason, entry })
        });
        let faults = self.faults.iter().map(|RegisterFaultReport { entry, fault }| {
            format!("entry {entry} does not follow from those before it: {fault}")
        });
        gaps.chain(faults).collect()
    }

    /// The items that came or went within the period: those that stood all the time are left out.
    pub fn moved(&self, from: Timestamp) -> Vec<&RegisterRow> {
        let came = |row: &RegisterRow| !row.came.in_first_list && row.came.at > from;
        self.items.iter().filter(|row| row.went.is_some() || came(row)).collect()
    }
}
