//! The registers of a log over a window, with what vouches for each of them: the newest entry at both
//! ends, with its total and digest, and a digest of all entries between. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::registers::{ItemAt, ItemWithin, RegisterGap, RegisterHistory, Registers, Sighting};
use crate::{
    entry::{Data, Entry, EntryType},
    register::{Between, Fields, ListRead, RegisterCause, RegisterData},
};
use comptroller_vocabulary::canonical;

/// What vouches for a register over a window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterBasis {
    /// The newest entry at the start of the window. None: the register was not whole in the log by then.
    pub at_start: Option<RegisterVoucher>,
    /// The same at its end.
    pub at_end: Option<RegisterVoucher>,
    /// How many entries it has within the window.
    pub entries: u64,
    /// The items that came within the window, by those entries: one that came twice counts twice.
    pub came: u64,
    pub went: u64,
    pub changed: u64,
    /// The SHA-256 over the entries within the window. It begins as the empty text; each entry makes it
    /// the SHA-256 of what it was, a line feed, the number of the entry, a space and the digest that the
    /// entry has. So whoever has the entries gets it again, and none can be left out.
    pub entries_digest: String,
    /// The lists that it is derived from at the end, and the entry that says so. Empty where none does.
    pub lists: Vec<ListRead>,
    pub lists_entry: Option<u64>,
    /// The instance of the operator that read them.
    pub collector: Option<String>,
}

/// An entry that says how many items a register has, and the digest of all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterVoucher {
    pub entry: u64,
    pub at: Timestamp,
    pub total: u64,
    pub digest: String,
}

/// What vouches for the registers of a log over a window. It takes no more memory than their names do.
#[derive(Clone, Debug)]
pub struct RegisterBases {
    from: Timestamp,
    last: Timestamp,
    bases: BTreeMap<String, RegisterBasis>,
}

impl RegisterBases {
    /// Of a window of which `last` is the last moment.
    pub fn new(from: Timestamp, last: Timestamp) -> Self {
        Self { from, last, bases: BTreeMap::new() }
    }

    /// Takes in an entry of the log, in their order.
    pub fn apply(&mut self, index: u64, entry: &Entry) {
        if entry.at > self.last {
            return;
        }
        match &entry.data {
            Data::Register(data) => self.register(index, entry, data),
            // What it said is not known, and so is what the register is from then on.
            Data::Stored(EntryType::Register, _) => {
                let is_before = entry.at <= self.from;
                let basis = self.bases.entry(entry.subject.name.clone()).or_default();
                basis.at_end = None;
                if is_before {
                    basis.at_start = None;
                }
            }
            _ => {}
        }
    }

    fn register(&mut self, index: u64, entry: &Entry, data: &RegisterData) {
        let is_before = entry.at <= self.from;
        let basis = self.bases.entry(entry.subject.name.clone()).or_default();
        // Of a first list, the last part vouches for all of it; before it nothing does, though entries may say
        // that nothing can be read.
        let is_whole = match data.cause {
            RegisterCause::Start => !data.more,
            _ => basis.at_end.is_some(),
        };
        basis.at_end = is_whole.then(|| RegisterVoucher {
            entry: index,
            at: entry.at,
            total: data.total,
            digest: data.digest.clone(),
        });
        if !data.lists.is_empty() {
            basis.lists.clone_from(&data.lists);
            basis.collector.clone_from(&data.collector);
            basis.lists_entry = Some(index);
        }
        if is_before {
            basis.at_start.clone_from(&basis.at_end);
            return;
        }
        basis.entries += 1;
        basis.came += count(data.added.len());
        basis.went += count(data.removed.len());
        basis.changed += count(data.changed.len());
        let text = format!("{}\n{index} {}", basis.entries_digest, data.digest);
        basis.entries_digest = canonical::sha256(text.as_bytes());
    }

    /// Each register that the log has up to the end of the window, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RegisterBasis)> {
        self.bases.iter().map(|(name, basis)| (name.as_str(), basis))
    }

    /// What vouches for a register. None: the log has no entry of it up to the end of the window.
    pub fn get(&self, name: &str) -> Option<&RegisterBasis> {
        self.bases.get(name)
    }
}

/// The registers of a log over a window, item by item.
#[derive(Clone, Debug)]
pub struct RegisterWindows {
    from: Timestamp,
    last: Timestamp,
    registers: Registers,
    bases: RegisterBases,
    last_at: Option<Timestamp>,
}

/// The last moment of a window whose end is the first moment after it: entries have whole seconds.
pub fn last_moment(to: Timestamp) -> Timestamp {
    to.checked_sub(SignedDuration::from_secs(1)).unwrap_or(to)
}

impl RegisterWindows {
    /// Of a window of which `last` is the last moment; of a point in time, it is both.
    pub fn new(from: Timestamp, last: Timestamp) -> Self {
        let bases = RegisterBases::new(from, last);
        Self { from, last, registers: Registers::default(), bases, last_at: None }
    }

    /// Takes in an entry of the log, in their order, from its first one on, with what is stored beside
    /// the log resolved.
    pub fn apply(&mut self, index: u64, entry: &Entry) {
        self.last_at = self.last_at.max(Some(entry.at));
        self.registers.apply(index, entry);
        self.bases.apply(index, entry);
    }

    /// The last moment of the window for which there may be an entry: its own, or that of the log.
    pub fn end(&self) -> Timestamp {
        self.last_at.map_or(self.last, |last_at| last_at.min(self.last))
    }

    /// What vouches for the registers.
    pub fn bases(&self) -> &RegisterBases {
        &self.bases
    }

    /// The names of the registers that the log has.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.registers.iter().map(|(name, _)| name)
    }

    /// A register over time. None: the log has none of this name.
    pub fn history(&self, name: &str) -> Option<&RegisterHistory> {
        self.registers.get(name)
    }

    /// What vouches for a register; nothing does where the log has none of this name in time.
    pub fn basis(&self, name: &str) -> RegisterBasis {
        self.bases.get(name).cloned().unwrap_or_default()
    }

    /// What was in a register at the end of the window, by key.
    pub fn items_at_end(&self, name: &str) -> Vec<RegisterRow> {
        let end = self.end();
        let items = self.registers.get(name).into_iter().flat_map(|register| register.at(end));
        items.map(|item| RegisterRow::of_time(&item)).collect()
    }

    /// Everything that was in a register at some time of the window, by key and time.
    pub fn items_within(&self, name: &str) -> Vec<RegisterRow> {
        let register = self.registers.get(name).into_iter();
        let items = register.flat_map(|register| register.within(self.from, self.last));
        items.map(|item| RegisterRow::of_window(&item)).collect()
    }

    /// When the register was not known within the window, or not all of it; the time after the end of
    /// the log is such a time.
    pub fn gaps(&self, name: &str) -> Vec<RegisterGap> {
        let mut gaps = self.registers.gaps(name, self.from, self.end());
        if self.last_at.is_none_or(|last_at| last_at < self.last) && self.last != Timestamp::MAX {
            gaps.push(RegisterGap {
                from: self.last_at,
                to: None,
                reason: "the log has no entry after this time".to_owned(),
                entry: None,
            });
        }
        gaps
    }
}

/// An item of a register, with when it came and went, as tables and JSON have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterRow {
    pub key: String,
    /// What it was last within the window.
    pub fields: Fields,
    /// When it came.
    pub came: SeenRow,
    /// When it went. None: it was still there, as far as the log goes.
    pub went: Option<SeenRow>,
    /// How it changed within the window, by time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<ChangeRow>,
}

/// When something was seen, and the entry that says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenRow {
    pub at: Timestamp,
    pub entry: u64,
    /// Where nobody looked as it happened, the times between which it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub between: Option<Between>,
    /// Whether it was in the first list of the register: it was there before, for how long is not known.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub in_first_list: bool,
}

/// What an item was from a time on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeRow {
    #[serde(flatten)]
    pub seen: SeenRow,
    pub fields: Fields,
}

impl RegisterRow {
    fn of_time(item: &ItemAt<'_>) -> Self {
        Self {
            key: item.key.to_owned(),
            fields: item.fields.clone(),
            came: item.came.into(),
            went: None,
            changes: Vec::new(),
        }
    }

    fn of_window(item: &ItemWithin<'_>) -> Self {
        let changes = item.changes.iter();
        Self {
            key: item.key.to_owned(),
            fields: item.fields.clone(),
            came: item.came.into(),
            went: item.went.map(Into::into),
            changes: changes
                .map(|(seen, fields)| ChangeRow { seen: (*seen).into(), fields: (*fields).clone() })
                .collect(),
        }
    }

    /// The entries that say when it came, changed and went.
    pub fn entries(&self) -> Vec<u64> {
        let changes = self.changes.iter().map(|change| change.seen.entry);
        let went = self.went.iter().map(|went| went.entry);
        let mut entries: Vec<u64> =
            std::iter::once(self.came.entry).chain(changes).chain(went).collect();
        entries.dedup();
        entries
    }
}

impl From<&Sighting> for SeenRow {
    fn from(seen: &Sighting) -> Self {
        let Sighting { at, entry, between, in_first_list } = *seen;
        Self { at, entry, between, in_first_list }
    }
}

impl SeenRow {
    /// When it was, in words: `2026-07-01T10:00:00Z`, `between … and …`, or `by …` of what was there when
    /// the register began.
    pub fn time(&self) -> String {
        match self.between {
            Some(Between { from, to }) => format!("between {from} and {to}"),
            None if self.in_first_list => format!("by {}", self.at),
            None => self.at.to_string(),
        }
    }
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
