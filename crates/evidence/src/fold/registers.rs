//! Registers over time: what was in one at a time, and everything that was in it at any time of a
//! window, with when it came, when it went, and the entries that say so. Pure.
//!
//! The fold takes entries from the beginning of the log, or from any [`RegisterCause::Start`] on: what
//! it does not know it says as a gap. [`Data::Stored`] is to be resolved before.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::register_state::{RegisterStage, RegisterState};
use crate::{
    data::GapData,
    entry::{Data, Entry, EntryType},
    register::{Between, Fields, RegisterCause, RegisterData, RegisterFault, RegisterItem},
};

/// All registers of a log, over time.
#[derive(Clone, Debug, Default)]
pub struct Registers {
    registers: BTreeMap<String, RegisterHistory>,
    /// When nothing could be evaluated at all: what came and went meanwhile is in no register.
    gaps: Vec<RegisterGap>,
}

/// One register over time.
#[derive(Clone, Debug, Default)]
pub struct RegisterHistory {
    items: BTreeMap<String, Vec<Stay>>,
    state: RegisterState,
    /// When its first list was complete first. None before.
    begun: Option<Timestamp>,
    /// The keys of a first list under way.
    listing: BTreeSet<String>,
    /// Until when the register was followed before the first list under way, if it was.
    followed_until: Option<Timestamp>,
    gaps: Vec<RegisterGap>,
    /// Since when not all of what it is derived from can be read, and the entry that says so.
    unread: Option<(Timestamp, u64, String)>,
    faults: Vec<(u64, RegisterFault)>,
}

/// When an item came, changed or went, and the entry that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When it was seen.
    pub at: Timestamp,
    /// The index of the entry.
    pub entry: u64,
    /// Where nobody looked as it happened, the times between which it did. None of what was seen.
    pub between: Option<Between>,
    /// Whether it was in the register's first list: it was there, for how long is not known.
    pub in_first_list: bool,
}

impl Sighting {
    /// The earliest time at which it can have happened. None: any time before.
    pub fn earliest(&self) -> Option<Timestamp> {
        match self.between {
            Some(Between { from, .. }) => Some(from),
            None => (!self.in_first_list).then_some(self.at),
        }
    }
}

/// The time that an item was in a register without a break.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stay {
    came: Sighting,
    went: Option<Sighting>,
    /// What it was, from when on; the first is what it came as.
    states: Vec<(Sighting, Fields)>,
}

/// An item as of a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemAt<'a> {
    pub key: &'a str,
    pub fields: &'a Fields,
    pub came: &'a Sighting,
}

/// An item that was in a register at some time of a window. A key that went and came back is one for
/// each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemWithin<'a> {
    pub key: &'a str,
    /// What it was last within the window.
    pub fields: &'a Fields,
    pub came: &'a Sighting,
    /// When it went, be it after the window. None: it is there by the newest entry.
    pub went: Option<&'a Sighting>,
    /// How it changed within the window, each with the fields from then on.
    pub changes: Vec<(&'a Sighting, &'a Fields)>,
}

/// A time in which a register is not known, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterGap {
    /// None: from the beginning of the log.
    pub from: Option<Timestamp>,
    /// None: it goes on.
    pub to: Option<Timestamp>,
    /// Why, in one sentence.
    pub reason: String,
    /// The entry that says so. None where no entry could.
    pub entry: Option<u64>,
}

impl RegisterGap {
    /// Whether some of it is within these times, both included.
    pub fn overlaps(&self, from: Timestamp, to: Timestamp) -> bool {
        self.from.is_none_or(|start| start <= to) && self.to.is_none_or(|end| end >= from)
    }
}

impl Registers {
    /// Takes in an entry. Entries that are about no register are skipped, but for gaps of the cluster.
    pub fn apply(&mut self, index: u64, entry: &Entry) {
        match &entry.data {
            Data::Register(data) => {
                self.registers
                    .entry(entry.subject.name.clone())
                    .or_default()
                    .apply(index, entry.at, data);
            }
            Data::Stored(EntryType::Register, _) => {
                self.registers.entry(entry.subject.name.clone()).or_default().lose(index, entry.at);
            }
            Data::Gap(GapData { from, to, reason, .. }) if entry.subject.kind == CLUSTER => {
                self.gaps.push(RegisterGap {
                    from: Some(*from),
                    to: Some(*to),
                    reason: reason.clone(),
                    entry: Some(index),
                });
            }
            _ => {}
        }
    }

    /// A register. None if the log has none of this name.
    pub fn get(&self, name: &str) -> Option<&RegisterHistory> {
        self.registers.get(name)
    }

    /// The registers of the log, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RegisterHistory)> {
        self.registers.iter().map(|(name, register)| (name.as_str(), register))
    }

    /// When a register was not known within these times, or not all of it: by its own entries, and by
    /// those of the times in which nobody looked. In the order of their beginnings.
    pub fn gaps(&self, name: &str, from: Timestamp, to: Timestamp) -> Vec<RegisterGap> {
        let Some(register) = self.registers.get(name) else {
            let reason = format!("the log has no register {name}");
            return vec![RegisterGap { from: None, to: None, reason, entry: None }];
        };
        let mut gaps: Vec<RegisterGap> = register.gaps().chain(self.gaps.iter().cloned()).collect();
        gaps.retain(|gap| gap.overlaps(from, to));
        gaps.sort_by_key(|gap| (gap.from, gap.entry));
        gaps
    }
}

impl RegisterHistory {
    /// What was in the register at a time, by key.
    pub fn at(&self, time: Timestamp) -> impl Iterator<Item = ItemAt<'_>> {
        self.items.iter().filter_map(move |(key, stays)| {
            let stay = stays.iter().rev().find(|stay| stay.came.at <= time)?;
            if stay.went.as_ref().is_some_and(|went| went.at <= time) {
                return None;
            }
            let fields = stay.fields_at(time)?;
            Some(ItemAt { key, fields, came: &stay.came })
        })
    }

    /// Everything that was in the register, or may have been, at some time from `from` to `to`, both
    /// included: by key, and of one key in the order of time.
    pub fn within(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = ItemWithin<'_>> {
        let stays =
            self.items.iter().flat_map(|(key, stays)| stays.iter().map(move |it| (key, it)));
        stays.filter_map(move |(key, stay)| {
            let came_by = stay.came.earliest().is_none_or(|earliest| earliest <= to);
            let is_there = stay.went.as_ref().is_none_or(|went| went.at >= from);
            if !came_by || !is_there {
                return None;
            }
            let changes = stay.states.iter().skip(1);
            let changes = changes.filter(|(seen, _)| seen.at >= from && seen.at <= to);
            Some(ItemWithin {
                key,
                // One that may have come within the window by its bounds is what it came as.
                fields: stay.fields_at(to).or_else(|| stay.states.first().map(|(_, it)| it))?,
                came: &stay.came,
                went: stay.went.as_ref(),
                changes: changes.map(|(seen, fields)| (seen, fields)).collect(),
            })
        })
    }

    /// When the register was complete first. None if it never was.
    pub fn begun(&self) -> Option<Timestamp> {
        self.begun
    }

    /// The register as of the newest entry: its total, digest, and the lists that it is derived from.
    pub fn state(&self) -> &RegisterState {
        &self.state
    }

    /// The entries that do not follow from those before them, by index: something was left out, doubled
    /// or edited.
    pub fn faults(&self) -> &[(u64, RegisterFault)] {
        &self.faults
    }

    fn gaps(&self) -> impl Iterator<Item = RegisterGap> {
        let before = RegisterGap {
            from: None,
            to: self.begun,
            reason: "the register was not kept yet".to_owned(),
            entry: None,
        };
        let open = self.unread.iter().map(|(from, entry, reason)| RegisterGap {
            from: Some(*from),
            to: None,
            reason: reason.clone(),
            entry: Some(*entry),
        });
        std::iter::once(before).chain(self.gaps.iter().cloned()).chain(open)
    }

    fn apply(&mut self, index: u64, at: Timestamp, data: &RegisterData) {
        let last_at = self.state.at;
        let begins =
            data.cause == RegisterCause::Start && self.state.stage != RegisterStage::Listing;
        if let Err(fault) = self.state.apply(index, at, data) {
            self.faults.push((index, fault));
        }
        if begins {
            self.listing.clear();
            self.followed_until = self.begun.and(last_at);
        }
        let sighting = |item: &RegisterItem, in_first_list: bool| Sighting {
            at: item.seen.unwrap_or(at),
            entry: index,
            between: data.between,
            in_first_list,
        };
        if matches!(data.cause, RegisterCause::Start | RegisterCause::Reading) {
            for item in &data.list {
                // What is there before and in no part of a first list went meanwhile.
                if data.cause == RegisterCause::Start {
                    self.listing.insert(item.key.clone());
                }
                self.listed(item, sighting(item, true));
            }
        }
        // A key may come and go within an entry: what is there first goes first.
        let mut added: BTreeMap<&str, std::collections::VecDeque<&RegisterItem>> = BTreeMap::new();
        for item in &data.added {
            added.entry(&item.key).or_default().push_back(item);
        }
        let mut come = |history: &mut Self, key: &str| {
            if let Some(item) = added.get_mut(key).and_then(std::collections::VecDeque::pop_front) {
                history.come(item, sighting(item, false));
            }
        };
        for item in &data.removed {
            if !self.is_present(&item.key) {
                come(self, &item.key);
            }
            self.go(&item.key, sighting(item, false));
        }
        for item in &data.added {
            come(self, &item.key);
        }
        for item in &data.changed {
            self.change(item, sighting(item, false));
        }
        if data.cause == RegisterCause::Start && !data.more {
            self.end_first_list(index, at);
        }
        self.note_reading(index, at, data);
    }

    /// Data of an entry beside the log is missing: what it said is not known.
    fn lose(&mut self, index: u64, at: Timestamp) {
        let from = self.state.at;
        let reason = "what an entry of the register says beside the log is missing".to_owned();
        self.gaps.push(RegisterGap { from, to: Some(at), reason, entry: Some(index) });
        self.state.forget();
    }

    fn is_present(&self, key: &str) -> bool {
        self.open_stay(key).is_some()
    }

    fn open_stay(&self, key: &str) -> Option<&Stay> {
        self.items.get(key)?.last().filter(|stay| stay.went.is_none())
    }

    fn open_stay_mut(&mut self, key: &str) -> Option<&mut Stay> {
        self.items.get_mut(key)?.last_mut().filter(|stay| stay.went.is_none())
    }

    fn come(&mut self, item: &RegisterItem, seen: Sighting) {
        // Twice is a fault, which is noted; what it is by the later one counts.
        if self.is_present(&item.key) {
            return self.change(item, seen);
        }
        let states = vec![(seen.clone(), item.fields.clone())];
        let stay = Stay { came: seen, went: None, states };
        self.items.entry(item.key.clone()).or_default().push(stay);
    }

    fn change(&mut self, item: &RegisterItem, seen: Sighting) {
        let Some(stay) = self.open_stay_mut(&item.key) else { return };
        if stay.states.last().is_none_or(|(_, known)| *known != item.fields) {
            stay.states.push((seen, item.fields.clone()));
        }
    }

    fn go(&mut self, key: &str, seen: Sighting) {
        if let Some(stay) = self.open_stay_mut(key) {
            stay.went = Some(seen);
        }
    }

    /// An item of a first list: known from before where the register was followed before.
    fn listed(&mut self, item: &RegisterItem, mut seen: Sighting) {
        if let Some(from) = self.followed_until {
            seen.in_first_list = false;
            seen.between = Some(Between { from, to: seen.at });
        }
        self.come(item, seen);
    }

    /// The first list is complete: what was there before and is not in it went in between.
    fn end_first_list(&mut self, index: u64, at: Timestamp) {
        let listed = std::mem::take(&mut self.listing);
        let between = self.followed_until.take().map(|from| Between { from, to: at });
        for (key, stays) in &mut self.items {
            let open = stays.last_mut().filter(|stay| stay.went.is_none());
            if let Some(stay) = open.filter(|_| !listed.contains(key)) {
                stay.went = Some(Sighting { at, entry: index, between, in_first_list: false });
            }
        }
        self.begun.get_or_insert(at);
    }

    fn note_reading(&mut self, index: u64, at: Timestamp, data: &RegisterData) {
        let unread = data.lists.iter().find(|list| !list.is_complete());
        match (unread, data.is_read()) {
            (Some(list), _) => {
                let reason = format!("{} could not be read: {}", list.resource, list.reading);
                self.unread.get_or_insert((at, index, reason));
            }
            (None, Some(_)) => {
                if let Some((from, entry, reason)) = self.unread.take() {
                    let (from, to, entry) = (Some(from), Some(at), Some(entry));
                    self.gaps.push(RegisterGap { from, to, reason, entry });
                }
            }
            (None, None) => {}
        }
    }
}

impl Stay {
    /// What it was at a time; None before it came.
    fn fields_at(&self, time: Timestamp) -> Option<&Fields> {
        let states = self.states.iter().rev();
        states.into_iter().find(|(seen, _)| seen.at <= time).map(|(_, fields)| fields)
    }
}

/// The kind of the cluster, as the subject of an entry.
const CLUSTER: &str = "Cluster";

#[cfg(test)]
mod tests;
