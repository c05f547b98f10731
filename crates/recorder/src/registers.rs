//! Registers on their way to the log: what is observed of one becomes what came, went and changed, given
//! what the log holds. Pure.
//!
//! What was seen as it happened is one entry; what was found by comparison, after nobody looked, is
//! another that says between which times it happened. The same observation twice writes nothing twice.

mod item;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use self::item::recorded;
use crate::{Evidence, ListOrigin, draft::Entries, inventory::reading};
use comptroller_core::{
    api::time::whole_seconds,
    inventory::{Availability, ResourceType},
    registers::{DerivedItem, RegisterChanges},
};
use comptroller_evidence::{
    entry::Data,
    fold::{LogState, RegisterStage, RegisterState},
    inventory::Reading,
    privacy::Pseudonymizer,
    register::{
        Between, DraftedDigests, ListRead, RegisterCause, RegisterData, RegisterItem,
        register_subject,
    },
};
use comptroller_vocabulary::canonical;

/// The largest list of a whole register that a day's entry has, in bytes of its text. Of a larger one the
/// entry has the total and the digest, to which the changes before it lead.
const MOST_OF_DAY: usize = 256 * 1024;

/// How long what changed may wait to be recorded: so long before somebody certainly looked last, all
/// that was seen is in the log.
const SLACK: SignedDuration = SignedDuration::from_secs(10);

/// What is to be recorded of one register, in raw form.
#[derive(Clone, Debug)]
pub struct RegisterObservation {
    pub register: &'static str,
    /// The lists that it is derived from, the sources first.
    pub lists: Vec<ListObservation>,
    /// What changed. None if nothing did.
    pub changes: Option<RegisterChanges>,
    /// Since when not all of it was known, where that ended with this comparison.
    pub unknown_since: Option<Timestamp>,
    /// All items, with the kind that brings each along, where a day's list is due and nothing waits.
    /// Empty if they are too many.
    pub whole: Option<Vec<(&'static str, DerivedItem)>>,
}

/// A list that a register is derived from.
#[derive(Clone, Debug)]
pub struct ListObservation {
    pub resource: ResourceType,
    /// Whether all of its objects are known. None: nobody asks for it, so it is not read.
    pub availability: Option<Availability>,
    /// The newest complete list. None before the first.
    pub origin: Option<ListOrigin>,
    /// How many objects are known.
    pub count: u64,
}

/// What a register asks of whoever observes it, by the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterNeeds {
    /// Its first list is not in the log, or not all of it.
    pub list: bool,
    /// It changed on a day before and no entry of this day vouches for all of it.
    pub day: bool,
    /// How many items the log has.
    pub count: u64,
    /// Its newest entry. None before the first.
    pub entry: Option<u64>,
}

impl Evidence {
    /// What a register asks of whoever observes it. None without a log, and before it was opened.
    pub fn register_needs(&self, register: &str, now: Timestamp) -> Option<RegisterNeeds> {
        self.read(|state| {
            let absent = RegisterNeeds { list: true, day: false, count: 0, entry: None };
            state.register(register).map_or(absent, |known| RegisterNeeds {
                list: known.stage != RegisterStage::Begun,
                day: known.changed_since && known.vouched.is_some_and(|at| day(at) < day(now)),
                count: known.digests.count(),
                entry: known.entry,
            })
        })
    }

    /// Whether the readings of a register's lists are others than its newest entry has.
    pub fn register_readings_differ(&self, observed: &RegisterObservation) -> bool {
        let lists = observed.lists();
        self.read(|state| readings_differ(state.register(observed.register), &lists))
            .unwrap_or(false)
    }
}

/// The day, in UTC.
fn day(at: Timestamp) -> jiff::civil::Date {
    at.to_zoned(TimeZone::UTC).date()
}

impl RegisterObservation {
    fn lists(&self) -> Vec<ListRead> {
        let lists = self.lists.iter().map(|list| {
            let resource = &list.resource;
            let name = match resource.group.as_str() {
                "" => resource.plural.clone(),
                group => format!("{}.{group}", resource.plural),
            };
            let reading = match &list.availability {
                None => Reading::NotRead,
                Some(availability) => reading(availability.clone()).0,
            };
            ListRead {
                resource: name,
                reading,
                resource_version: list.origin.as_ref().map(|origin| origin.version.clone()),
                listed_at: list.origin.as_ref().map(|origin| whole_seconds(origin.at).0),
                count: list.count,
                counted: None,
            }
        });
        lists.collect()
    }
}

fn readings_differ(known: Option<&RegisterState>, lists: &[ListRead]) -> bool {
    let known = known.map_or(&[][..], |known| known.lists.as_slice());
    known.len() != lists.len()
        || known
            .iter()
            .zip(lists)
            .any(|(one, other)| one.resource != other.resource || one.reading != other.reading)
}

/// The keys that were found so far of each register that is compared with the log.
#[derive(Debug, Default)]
pub(crate) struct RegisterMemory {
    found: BTreeMap<&'static str, HashSet<Box<str>>>,
}

/// What was found, once it is durable.
#[derive(Debug)]
pub(crate) struct LearnedOfRegister {
    register: &'static str,
    begins: bool,
    ends: bool,
    found: Vec<Box<str>>,
}

impl RegisterMemory {
    pub fn learn(&mut self, learned: LearnedOfRegister) {
        let LearnedOfRegister { register, begins, ends, found } = learned;
        if begins {
            self.found.insert(register, HashSet::new());
        }
        if ends {
            self.found.remove(register);
        } else if let Some(known) = self.found.get_mut(register) {
            known.extend(found);
        }
    }
}

/// An observation, and all that decides what of it is written.
pub(crate) struct RegisterDraft<'a> {
    pub observed: &'a RegisterObservation,
    pub state: &'a LogState,
    pub memory: &'a RegisterMemory,
    pub pseudonymizer: &'a Pseudonymizer<'a>,
    /// The instance that read the lists.
    pub collector: &'a str,
    pub now: Timestamp,
}

/// Items that moved.
#[derive(Default)]
struct Moves {
    /// Of kinds that were not read before.
    listed: Vec<RegisterItem>,
    added: Vec<RegisterItem>,
    removed: Vec<RegisterItem>,
    changed: Vec<RegisterItem>,
}

impl Moves {
    fn is_empty(&self) -> bool {
        self.listed.is_empty()
            && self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
    }
}

impl RegisterDraft<'_> {
    /// The entries, and what is learned once they are durable.
    pub fn resolve(self) -> (Entries, LearnedOfRegister) {
        let absent = RegisterState::default();
        let known = self.state.register(self.observed.register).unwrap_or(&absent);
        let lists = self.observed.lists();
        let mut learned = LearnedOfRegister {
            register: self.observed.register,
            begins: false,
            ends: false,
            found: Vec::new(),
        };
        let mut written = Vec::new();
        if let Some(changes) = &self.observed.changes {
            (learned.begins, learned.ends) = (changes.begins, changes.ends);
            let mut digests = known.digests.draft();
            let seen = self.seen(changes, &mut digests);
            let found = self.found(changes, known, &lists, &mut digests, &mut learned.found);
            written = match known.stage {
                RegisterStage::Begun => {
                    let between = Some(self.between(known));
                    let listed = Moves { added: found.listed, ..Moves::default() };
                    let found = Moves { listed: Vec::new(), ..found };
                    // In the order in which they are made: what was seen is the later.
                    vec![
                        (RegisterCause::Reading, listed, None),
                        (RegisterCause::Change, found, between),
                        (RegisterCause::Change, seen, None),
                    ]
                    .into_iter()
                    .filter(|(_, moves, _)| !moves.is_empty())
                    .collect()
                }
                _ => return (self.part_of_list(known, changes, (seen, found), lists), learned),
            };
        }
        (self.entries(known, written, lists), learned)
    }

    /// What was seen as it happened.
    fn seen(&self, changes: &RegisterChanges, digests: &mut DraftedDigests<'_>) -> Moves {
        let mut moves = Moves::default();
        // Each is compared with what those before it left, so they are followed one by one: there are
        // few that came and went before anybody asked.
        let mut there: BTreeMap<String, bool> = BTreeMap::new();
        for passed in &changes.passed {
            let item = recorded(passed.kind, &passed.item, self.pseudonymizer);
            let is_there =
                there.get(&item.key).copied().unwrap_or_else(|| digests.get(&item.key).is_some());
            let at = |seen: Timestamp| RegisterItem { seen: self.unless_now(seen), ..item.clone() };
            if let Some(came) = passed.came.filter(|_| !is_there) {
                moves.added.push(at(came));
            }
            if let Some(went) = passed.went.filter(|_| is_there || passed.came.is_some()) {
                moves.removed.push(at(went));
            }
            let stays = passed.went.is_none() && (is_there || passed.came.is_some());
            there.insert(item.key, stays);
        }
        for (kind, item, seen) in &changes.present {
            let Some(seen) = *seen else { continue };
            let item = recorded(kind, item, self.pseudonymizer);
            let is_there =
                there.get(&item.key).copied().unwrap_or_else(|| digests.get(&item.key).is_some());
            let is_same = digests.get(&item.key).copied() == item.digest().ok();
            let item = RegisterItem { seen: self.unless_now(seen), ..item };
            if !is_there {
                moves.added.push(item);
            } else if !is_same || there.contains_key(&item.key) {
                moves.changed.push(item);
            }
        }
        let Moves { added, removed, changed, .. } = &moves;
        // Made from the digests themselves, so that nothing of it makes no sense.
        let _ = digests.move_items(added, removed, changed);
        moves
    }

    /// What was found by comparison.
    fn found(
        &self,
        changes: &RegisterChanges,
        known: &RegisterState,
        lists: &[ListRead],
        digests: &mut DraftedDigests<'_>,
        found: &mut Vec<Box<str>>,
    ) -> Moves {
        let mut moves = Moves::default();
        let unread = self.kinds_unread_before(known);
        for (kind, item, seen) in &changes.present {
            let item = recorded(kind, item, self.pseudonymizer);
            found.push(item.key.as_str().into());
            if seen.is_some() {
                continue;
            }
            match digests.get(&item.key) {
                None if unread.contains(kind) => moves.listed.push(item),
                None => moves.added.push(item),
                Some(digest) if item.digest().is_ok_and(|other| other == *digest) => {}
                Some(_) => moves.changed.push(item),
            }
        }
        if changes.ends {
            let before = self.memory.found.get(self.observed.register);
            let now: HashSet<&str> = found.iter().map(AsRef::as_ref).collect();
            let is_found = |key: &str| {
                now.contains(key) || (!changes.begins && before.is_some_and(|it| it.contains(key)))
            };
            let read = self.read_kinds(lists);
            let gone = known.digests.keys().filter(|key| {
                let kind = key.split('/').next().unwrap_or_default();
                !is_found(key) && digests.get(key).is_some() && read.contains(kind)
            });
            // What it was is in the log, and no longer anywhere else.
            moves.removed = gone.map(|key| RegisterItem::new(key, BTreeMap::new())).collect();
        }
        let Moves { listed, added, removed, changed } = &moves;
        let _ = digests.move_items(listed, &[], &[]);
        let _ = digests.move_items(added, removed, changed);
        moves
    }

    /// The kinds of which not all was known by the log: what they bring along may have been there.
    fn kinds_unread_before(&self, known: &RegisterState) -> BTreeSet<&str> {
        if known.stage != RegisterStage::Begun {
            return BTreeSet::new();
        }
        let pairs = self.observed.lists.iter().zip(&known.lists);
        let unread = pairs.filter(|(_, list)| !list.is_complete());
        unread.map(|(observed, _)| observed.resource.kind.as_str()).collect()
    }

    /// The kinds of which all objects are known: of no other is anything gone.
    fn read_kinds(&self, lists: &[ListRead]) -> BTreeSet<&str> {
        let observed = self.observed.lists.iter().zip(lists);
        let read = observed.filter(|(_, list)| list.is_complete());
        read.map(|(observed, _)| observed.resource.kind.as_str()).collect()
    }

    /// A part of the first list.
    fn part_of_list(
        &self,
        known: &RegisterState,
        changes: &RegisterChanges,
        (seen, found): (Moves, Moves),
        lists: Vec<ListRead>,
    ) -> Entries {
        let mut data = RegisterData::new(RegisterCause::Start, 0, String::new());
        data.more = !changes.ends;
        // A list that does not go on begins anew.
        let nothing = RegisterState::default();
        let base = if known.stage == RegisterStage::Listing { known } else { &nothing };
        if known.stage == RegisterStage::Absent && !changes.begins {
            return Entries::new();
        }
        let mut digests = base.digests.draft();
        let Moves { added, removed, changed, .. } = found;
        data.list = added;
        data.removed = removed;
        data.changed = changed;
        data.added = seen.added;
        data.removed.extend(seen.removed);
        data.changed.extend(seen.changed);
        let all: Vec<RegisterItem> = data.list.iter().chain(&data.added).cloned().collect();
        if let Err(fault) = digests.move_items(&all, &data.removed, &data.changed) {
            tracing::warn!(register = self.observed.register, %fault, "a part of a register's first list is left out");
            return Entries::new();
        }
        (data.total, data.digest) = (digests.count(), digests.digest());
        if base.stage != RegisterStage::Listing || !same_lists(known, &lists) {
            (data.lists, data.collector) = (lists, Some(self.collector.to_owned()));
        }
        vec![(register_subject(self.observed.register), Data::Register(Box::new(data)))]
    }

    /// The entries of a register that has begun.
    fn entries(
        &self,
        known: &RegisterState,
        written: Vec<(RegisterCause, Moves, Option<Between>)>,
        lists: Vec<ListRead>,
    ) -> Entries {
        let mut digests = known.digests.draft();
        let mut entries: Vec<RegisterData> = Vec::new();
        for (cause, Moves { mut added, removed, changed, .. }, between) in written {
            let _ = digests.move_items(&added, &removed, &changed);
            let mut data = RegisterData::new(cause, digests.count(), digests.digest());
            if cause == RegisterCause::Reading {
                data.list = std::mem::take(&mut added);
            }
            entries.push(RegisterData { added, removed, changed, between, ..data });
        }
        if let Some(whole) = &self.observed.whole {
            let data = RegisterData::new(RegisterCause::Day, digests.count(), digests.digest());
            entries.push(RegisterData { list: self.day_list(whole, &data.digest), ..data });
        }
        // A kind that is read from now on is read once all of it was compared.
        if self.is_under_way() {
            return with_subject(self.observed.register, entries);
        }
        if entries.is_empty() && readings_differ(Some(known), &lists) {
            entries.push(RegisterData::new(
                RegisterCause::Reading,
                digests.count(),
                digests.digest(),
            ));
        }
        if let Some(first) = entries.first_mut()
            && (!same_lists(known, &lists) || first.cause == RegisterCause::Day)
        {
            (first.lists, first.collector) = (lists, Some(self.collector.to_owned()));
        }
        with_subject(self.observed.register, entries)
    }

    /// Whether everything is compared with the log, and more of it follows.
    fn is_under_way(&self) -> bool {
        let changes = self.observed.changes.as_ref();
        let began = self.memory.found.contains_key(self.observed.register);
        changes.is_some_and(|changes| !changes.ends && (changes.begins || began))
    }

    /// All items, where they are few enough and what the log has. Empty otherwise.
    fn day_list(&self, whole: &[(&'static str, DerivedItem)], digest: &str) -> Vec<RegisterItem> {
        let items = whole.iter().map(|(kind, item)| recorded(kind, item, self.pseudonymizer));
        let mut list: Vec<RegisterItem> = items.collect();
        list.sort_by(|one, other| one.key.cmp(&other.key));
        let base = RegisterState::default();
        let mut digests = base.digests.draft();
        let is_same = digests.move_items(&list, &[], &[]).is_ok() && digests.digest() == digest;
        let size = || {
            let fields = list.iter().map(|item| canonical::to_string(&item.fields));
            fields.map(|text| text.map_or(0, |text| text.len())).sum::<usize>()
        };
        if is_same && size() <= MOST_OF_DAY { list } else { Vec::new() }
    }

    /// Between which times what is found by comparison happened.
    fn between(&self, known: &RegisterState) -> Between {
        let watched = self.state.operator().and_then(|operator| operator.watched_before);
        let watched = watched.map(|at| at - SLACK);
        let since = self.observed.unknown_since.or(watched).or(known.at);
        let to = whole_seconds(self.now).0;
        Between { from: since.map_or(to, |since| whole_seconds(since).0.min(to)), to }
    }

    /// When something was seen; None if that is the second of the entry.
    fn unless_now(&self, seen: Timestamp) -> Option<Timestamp> {
        let seen = whole_seconds(seen).0;
        (seen != whole_seconds(self.now).0).then_some(seen)
    }
}

fn with_subject(register: &str, entries: Vec<RegisterData>) -> Entries {
    let entry = |data| (register_subject(register), Data::Register(Box::new(data)));
    entries.into_iter().map(entry).collect()
}

fn same_lists(known: &RegisterState, lists: &[ListRead]) -> bool {
    known.lists.len() == lists.len()
        && known.lists.iter().zip(lists).all(|(one, other)| one.is_same_list(other))
}

#[cfg(test)]
mod tests;
