//! Sets of items, for what changed and for what counts.

use fixedbitset::FixedBitSet;
use rustc_hash::FxHashSet;

use crate::checks::Item;

/// A set of items. Objects, subjects and what is reported on have
/// dense numbers, so each takes a bit.
#[derive(Debug, Default)]
pub struct ItemSet {
    objects: FixedBitSet,
    subjects: FixedBitSet,
    reported: FixedBitSet,
    others: FxHashSet<u32>,
    len: usize,
}

impl ItemSet {
    /// How many items are in the set, without counting.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds an item; nothing happens when it is there.
    pub fn insert(&mut self, item: Item) {
        let new = match item {
            Item::Object(slot) => !put(&mut self.objects, slot as usize),
            Item::Subject(id) => !put(&mut self.subjects, id as usize),
            Item::Reported(id) => !put(&mut self.reported, id as usize),
            Item::Cluster(part) => self.others.insert(part),
        };
        self.len += usize::from(new);
    }

    /// Takes an item out; nothing happens when it is not there.
    pub fn remove(&mut self, item: Item) {
        let known = match item {
            Item::Object(slot) => take(&mut self.objects, slot as usize),
            Item::Subject(id) => take(&mut self.subjects, id as usize),
            Item::Reported(id) => take(&mut self.reported, id as usize),
            Item::Cluster(part) => self.others.remove(&part),
        };
        self.len -= usize::from(known);
    }

    /// Whether an item is in the set.
    pub fn contains(&self, item: Item) -> bool {
        match item {
            Item::Object(slot) => self.objects.contains(slot as usize),
            Item::Subject(id) => self.subjects.contains(id as usize),
            Item::Reported(id) => self.reported.contains(id as usize),
            Item::Cluster(part) => self.others.contains(&part),
        }
    }

    /// All of them, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = Item> {
        let objects = self.objects.ones().filter_map(|slot| u32::try_from(slot).ok());
        let reported = self.reported.ones().filter_map(|id| u32::try_from(id).ok());
        objects
            .map(Item::Object)
            .chain(reported.map(Item::Reported))
            .chain(self.subjects().map(Item::Subject))
            .chain(self.others.iter().copied().map(Item::Cluster))
    }

    /// The subjects among them.
    pub fn subjects(&self) -> impl Iterator<Item = u32> {
        self.subjects.ones().filter_map(|id| u32::try_from(id).ok())
    }
}

fn put(set: &mut FixedBitSet, at: usize) -> bool {
    // Grows by half at least: growing by one would copy the set for every new object.
    if at >= set.len() {
        set.grow((at + 1).max(set.len() + set.len() / 2));
    }
    set.put(at)
}

fn take(set: &mut FixedBitSet, at: usize) -> bool {
    let known = set.contains(at);
    if known {
        set.remove(at);
    }
    known
}
