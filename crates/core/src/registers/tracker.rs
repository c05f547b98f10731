//! What changed in the registers since it was recorded: objects to derive again, and what came or went
//! before anybody asked.

use std::collections::{BTreeMap, btree_map::Entry};

use jiff::Timestamp;

use super::{DerivedItem, REGISTERS, Register};
use crate::inventory::{Change, Inventory, Object, Slot};

/// How many items that came or went wait to be recorded, of all registers. Beyond it, as while the log
/// can't be written for long, they are found by comparison, and what came and went meanwhile is not.
const MAX_PASSED: usize = 50_000;

/// How many items are put into words at a time, give or take those of one object: each takes a kilobyte or
/// two on its way to the log, and a binding may have 5,000.
const MOST_ITEMS: usize = 2_000;

/// Follows the registers. Nothing is kept of what is in them: an item is derived when it is recorded,
/// and again when its object changes.
#[derive(Debug, Default)]
pub struct RegisterTracker {
    is_on: bool,
    registers: BTreeMap<&'static str, Tracked>,
}

/// One register.
#[derive(Debug, Default)]
struct Tracked {
    /// Objects whose items may not be in the log as they are, with when that was seen. None: it is
    /// found by comparison.
    stale: BTreeMap<Slot, Option<Timestamp>>,
    /// What came or went, in its order.
    passed: Vec<PassedItem>,
    /// Whether every object is compared with the log.
    sweep: Option<Sweep>,
    /// Whether something was given up, so that all is to be compared.
    is_incomplete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sweep {
    /// It begins with the next work.
    Begins,
    /// Some of it was handed out.
    UnderWay,
}

/// An item that was there, and is another or gone by now.
#[derive(Clone, Debug, PartialEq)]
pub struct PassedItem {
    /// The kind of the object that brought it along.
    pub kind: &'static str,
    pub item: DerivedItem,
    /// When it was seen to come, if the log may lack that.
    pub came: Option<Timestamp>,
    /// When it was seen to go. None if it stayed.
    pub went: Option<Timestamp>,
}

/// What is to be recorded of one register.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterChanges {
    pub register: &'static str,
    /// What came or went, in its order.
    pub passed: Vec<PassedItem>,
    /// What is there, with the kind of the object that brings it along and when that was seen. None:
    /// it is found by comparison.
    pub present: Vec<(&'static str, DerivedItem, Option<Timestamp>)>,
    /// Whether these are the first items of a comparison of everything.
    pub begins: bool,
    /// Whether these are the last items of a comparison of everything: what none of them was is gone.
    pub ends: bool,
    /// Whether more waits.
    pub more: bool,
}

/// What was handed out, to be given back where it could not be recorded.
#[derive(Clone, Debug, Default)]
pub struct TakenWork {
    stale: BTreeMap<Slot, Option<Timestamp>>,
    passed: Vec<PassedItem>,
    ends: bool,
    begins: bool,
}

impl RegisterTracker {
    /// Follows changes from now on, and compares every register.
    pub fn follow(&mut self) {
        self.is_on = true;
        for register in REGISTERS {
            self.registers.entry(register.name).or_default();
        }
    }

    /// Compares all of a register with the log: it was opened, or not all of what is read was known.
    pub fn compare(&mut self, inventory: &Inventory, register: &Register) {
        let Some(tracked) = self.registers.get_mut(register.name) else { return };
        tracked.sweep = Some(Sweep::Begins);
        tracked.is_incomplete = false;
        for source in register.sources {
            let Some(kind) = inventory.find_kind(source.group, source.kind) else { continue };
            for slot in inventory.slots(kind) {
                // What was seen since it was recorded keeps its time.
                tracked.stale.entry(slot).or_insert(None);
            }
        }
    }

    /// Whether anything is followed.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// Whether everything of a register is being compared with the log.
    pub fn is_comparing(&self, register: &str) -> bool {
        self.registers.get(register).is_some_and(|tracked| tracked.sweep.is_some())
    }

    /// Whether everything of a register is to be compared again, since something was given up.
    pub fn is_incomplete(&self, register: &str) -> bool {
        self.registers.get(register).is_some_and(|tracked| tracked.is_incomplete)
    }

    /// Whether something of a register is to be recorded.
    pub fn has_work(&self, register: &str) -> bool {
        let tracked = self.registers.get(register);
        tracked
            .is_some_and(|it| !it.stale.is_empty() || !it.passed.is_empty() || it.sweep.is_some())
    }

    /// Takes in a change of one object, after the inventory did, and when it was seen. None: it may have
    /// happened before, since its kind was not known until now, and is found by comparison.
    pub(crate) fn note(&mut self, inventory: &Inventory, change: &Change, seen: Option<Timestamp>) {
        let (true, Change::Object { slot, before }) = (self.is_on, change) else { return };
        let before = before.as_ref();
        let after = inventory.get(*slot).filter(|after| {
            // The number of an object that went may be another's by now, which has a change of its own.
            before.is_none_or(|before| is_of_one_name(before, after))
        });
        for register in REGISTERS {
            let Some(tracked) = self.registers.get_mut(register.name) else { continue };
            tracked.note(register, inventory, (*slot, before, after), seen);
        }
        let waiting = self.registers.values().map(|tracked| tracked.passed.len());
        if waiting.sum::<usize>() > MAX_PASSED {
            self.registers.values_mut().for_each(Tracked::give_up);
        }
    }

    /// What is to be recorded of a register, of at most so many objects at a time, and of fewer where they
    /// have many items.
    pub fn take(
        &mut self,
        inventory: &Inventory,
        register: &'static Register,
        objects: usize,
    ) -> Option<(RegisterChanges, TakenWork)> {
        let tracked = self.registers.get_mut(register.name)?;
        let begins = tracked.sweep == Some(Sweep::Begins);
        let mut present = Vec::new();
        let mut later = None;
        for (index, (slot, seen)) in tracked.stale.iter().enumerate() {
            if index == objects || present.len() >= MOST_ITEMS {
                later = Some(*slot);
                break;
            }
            let Some(object) = inventory.get(*slot) else { continue };
            let Some(source) = register.source(inventory, object) else { continue };
            let items = (source.items)(inventory, object).into_iter();
            present.extend(items.map(|item| (source.kind, item, *seen)));
        }
        let later = later.map_or_else(BTreeMap::new, |first| tracked.stale.split_off(&first));
        let stale = std::mem::replace(&mut tracked.stale, later);
        let passed = std::mem::take(&mut tracked.passed);
        let more = !tracked.stale.is_empty();
        let ends = tracked.sweep.is_some() && !more;
        if ends {
            tracked.sweep = None;
        } else if begins {
            tracked.sweep = Some(Sweep::UnderWay);
        }
        if present.is_empty() && passed.is_empty() && !begins && !ends {
            return None;
        }
        let taken = TakenWork { stale, passed: passed.clone(), ends, begins };
        let register = register.name;
        Some((RegisterChanges { register, passed, present, begins, ends, more }, taken))
    }

    /// What was handed out is not in the log, or may not be: it is handed out again, before what came
    /// since. `is_recorded` says that what passed is in the log all the same.
    pub fn give_back(&mut self, register: &str, taken: TakenWork, is_recorded: bool) {
        let Some(tracked) = self.registers.get_mut(register) else { return };
        if !is_recorded {
            let since = std::mem::replace(&mut tracked.passed, taken.passed);
            tracked.passed.extend(since);
        }
        for (slot, seen) in taken.stale {
            // An object that changed since is as stale as it was.
            if let Entry::Vacant(vacant) = tracked.stale.entry(slot) {
                vacant.insert(seen);
            }
        }
        if taken.begins {
            tracked.sweep = Some(Sweep::Begins);
        } else if taken.ends && tracked.sweep.is_none() {
            tracked.sweep = Some(Sweep::UnderWay);
        }
    }
}

impl Tracked {
    fn note(
        &mut self,
        register: &Register,
        inventory: &Inventory,
        (slot, before, after): (Slot, Option<&Object>, Option<&Object>),
        seen: Option<Timestamp>,
    ) {
        for object in [before, after].into_iter().flatten() {
            for concerned in (register.concerned)(inventory, object) {
                self.stale.entry(concerned).or_insert(seen);
            }
        }
        let source = before.or(after).and_then(|object| register.source(inventory, object));
        let Some(source) = source else { return };
        if let (Some(before), Some(now)) = (before, seen) {
            let stale = self.stale.remove(&slot);
            // What is found by comparison was in the log, or is found to be gone.
            let came = stale.flatten();
            let now_there = match after {
                Some(after) if before.uid == after.uid => (source.items)(inventory, after),
                _ => Vec::new(),
            };
            for item in (source.items)(inventory, before) {
                let stays = now_there.iter().any(|other| other.is_same_item(&item));
                if !stays || came.is_some() {
                    let went = (!stays).then_some(now);
                    self.passed.push(PassedItem { kind: source.kind, item, came, went });
                }
            }
        }
        if after.is_none() {
            self.stale.remove(&slot);
        } else {
            self.stale.insert(slot, seen);
        }
    }

    /// Nothing of what passed is kept any more.
    fn give_up(&mut self) {
        self.passed = Vec::new();
        self.is_incomplete = true;
    }
}

fn is_of_one_name(one: &Object, other: &Object) -> bool {
    one.kind == other.kind && one.namespace == other.namespace && one.name == other.name
}
