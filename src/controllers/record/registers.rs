//! Registers on their way to the recorder: which are to be compared with the log, what changed, and
//! whether all that they are derived from is read.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::RecordStage;
use crate::controllers::listening::Moment;
use comptroller_core::{
    engine::Engine,
    inventory::{Availability, ResourceType},
    registers::{REGISTERS, Register, TakenWork},
};
use comptroller_recorder::{ListObservation, RegisterNeeds, RegisterObservation};

/// How long after an entry of a register more is gathered: what a deployment changes is one entry.
const GATHERING: Duration = Duration::from_millis(500);

/// How many objects are put into words at a time: 200 bindings of ten subjects take some milliseconds.
/// What waits beyond it is the next batch.
const OBJECTS: usize = 200;

/// The most items that a day's list is made of: more of them would not fit into it.
const MOST_OF_DAY: u64 = 2_000;

/// How often it is looked which kinds controls ask for.
const LOOK: Duration = Duration::from_secs(5);

/// How long after a look at the registers another follows where something changed: in a storm they would
/// be looked at with every event.
const PAUSE: Duration = Duration::from_millis(100);

/// The same where nothing changed: whether they can be read is looked at all the same.
const IDLE_PAUSE: Duration = Duration::from_secs(1);

/// How the record of the registers stands.
#[derive(Debug, Default)]
pub(super) struct RegisterRecords {
    registers: BTreeMap<&'static str, RegisterRecord>,
    /// What was handed over in batches that failed, and may be in the log all the same.
    unconfirmed: Vec<SentRegister>,
    /// The kinds that somebody asks for, by group and kind, and when that was looked up.
    watched: BTreeSet<(String, String)>,
    looked: Option<Instant>,
    /// When the registers were looked at last.
    visited: Option<Instant>,
    /// When they are to be looked at again, since something changed. None if nothing did.
    due: Option<Instant>,
}

/// How the record of one register stands.
#[derive(Debug, Default)]
struct RegisterRecord {
    /// Whether it was compared with the log since that was opened.
    is_compared: bool,
    /// Whether all of each kind was known when it was looked last, in the order of the kinds.
    readings: Vec<bool>,
    /// Since when not all of it is known. None while it is.
    lost: Option<Timestamp>,
    /// Since when not all was known that a comparison under way finds out. None: since the log was
    /// written last.
    unknown_since: Option<Timestamp>,
    /// When something of it was handed over last.
    sent: Option<Instant>,
    /// Whether something waits for more to be gathered.
    waits: bool,
}

/// What of a register is in a batch.
#[derive(Debug)]
pub(super) struct SentRegister {
    register: &'static str,
    taken: TakenWork,
    /// Its newest entry before.
    entry: Option<u64>,
}

impl RegisterRecords {
    /// The log was opened: what it says is compared with what is there.
    pub fn compare_again(&mut self) {
        for record in self.registers.values_mut() {
            *record = RegisterRecord { lost: record.lost, ..RegisterRecord::default() };
        }
        self.visited = None;
    }

    /// A batch failed: whether it is in the log is known once that is open.
    pub fn not_confirmed(&mut self, sent: Vec<SentRegister>) {
        self.unconfirmed.extend(sent);
    }

    /// Whether the registers are to be looked at now. `has_work` says whether something changed.
    fn is_due(&mut self, has_work: bool, now: Instant) -> bool {
        let pause = if has_work { PAUSE } else { IDLE_PAUSE };
        let due = self.visited.map(|visited| visited + pause).filter(|due| *due > now);
        self.due = due.filter(|_| has_work);
        if due.is_none() {
            self.visited = Some(now);
        }
        due.is_none()
    }

    /// When something waits that is to be handed over by then. None if nothing does.
    pub fn next(&self) -> Option<Instant> {
        let waiting = self.registers.values().filter(|record| record.waits);
        waiting.filter_map(|record| Some(record.sent? + GATHERING)).chain(self.due).min()
    }
}

impl RecordStage {
    /// What is to be recorded of registers. Nothing without a log, and before the controls are judged
    /// first: which kinds are read follows from them, and one append takes both.
    pub(super) fn registers(
        &mut self,
        engine: &mut Engine,
        now: Moment,
    ) -> (Vec<RegisterObservation>, Vec<SentRegister>) {
        let (mut observed, mut sent) = (Vec::new(), Vec::new());
        if !self.gathered || !engine.registers().0.is_on() {
            return (observed, sent);
        }
        let tracker = engine.registers().0;
        let has_work = REGISTERS.iter().any(|register| tracker.has_work(register.name));
        if !self.registers.is_due(has_work, now.instant) {
            return (observed, sent);
        }
        for SentRegister { register, taken, entry } in
            std::mem::take(&mut self.registers.unconfirmed)
        {
            let needs = self.evidence.register_needs(register, now.time);
            let is_recorded = needs.is_some_and(|needs| needs.entry != entry);
            engine.registers().0.give_back(register, taken, is_recorded);
        }
        let records = &mut self.registers;
        let is_recent = |at: Instant| now.instant.saturating_duration_since(at) < LOOK;
        if !records.looked.is_some_and(is_recent) {
            records.looked = Some(now.instant);
            let kinds = engine.watch_set().kinds.into_keys();
            records.watched = kinds.map(|resource| (resource.group, resource.kind)).collect();
        }
        for register in REGISTERS {
            let Some(needs) = self.evidence.register_needs(register.name, now.time) else { break };
            let Some(lists) = self.lists_of(engine, register) else { continue };
            if let Some((observation, taken)) = self.register(engine, register, lists, needs, now) {
                observed.push(observation);
                let (register, entry) = (register.name, needs.entry);
                sent.extend(taken.map(|taken| SentRegister { register, taken, entry }));
            }
        }
        (observed, sent)
    }

    /// The lists that a register is derived from. None while one is under way for the first time.
    fn lists_of(&self, engine: &Engine, register: &Register) -> Option<Vec<ListObservation>> {
        let inventory = engine.inventory();
        let mut lists = Vec::new();
        for (group, kind) in register.kinds() {
            let key = (group.to_owned(), kind.to_owned());
            let is_watched = self.registers.watched.contains(&key);
            let known = inventory.find_kind(group, kind);
            let state = known.and_then(|id| inventory.kind_state(id));
            let served = engine.catalog().find_kind(group, kind);
            let availability = match state.map(|state| &state.availability) {
                Some(Availability::Pending) | None if is_watched => return None,
                Some(Availability::Pending) | None if served.is_some() => None,
                Some(Availability::Pending) | None => Some(Availability::NotServed),
                Some(other) => Some(other.clone()),
            };
            let resource = match (state, served) {
                (Some(state), _) => state.resource.clone(),
                (None, Some(served)) => served.resource.clone(),
                (None, None) => unserved(group, kind),
            };
            lists.push(ListObservation {
                origin: self.lists.get(&resource).filter(|_| availability.is_some()).cloned(),
                count: known.map_or(0, |id| inventory.count_of(id)),
                availability,
                resource,
            });
        }
        Some(lists)
    }

    /// What is to be recorded of one register, with what is to be given back if that fails.
    fn register(
        &mut self,
        engine: &mut Engine,
        register: &'static Register,
        lists: Vec<ListObservation>,
        needs: RegisterNeeds,
        now: Moment,
    ) -> Option<(RegisterObservation, Option<TakenWork>)> {
        let record = self.registers.registers.entry(register.name).or_default();
        let is_complete =
            |list: &ListObservation| list.availability == Some(Availability::Complete);
        let readings: Vec<bool> = lists.iter().map(is_complete).collect();
        let is_read = is_read(&lists, register);
        let (tracker, inventory) = engine.registers();
        record.note_readings(readings, now.time);
        // One that was given up, or whose entries can't be read, is compared like a new one.
        let is_stuck = needs.list && record.is_compared && !tracker.has_work(register.name);
        if is_read && (!record.is_compared || is_stuck || tracker.is_incomplete(register.name)) {
            record.is_compared = true;
            tracker.compare(inventory, register);
        }
        let has_work = is_read && tracker.has_work(register.name);
        record.waits = has_work
            && record.sent.is_some_and(|at| now.instant.saturating_duration_since(at) < GATHERING)
            && !tracker.is_comparing(register.name);
        let taken = (has_work && !record.waits)
            .then(|| tracker.take(inventory, register, OBJECTS))
            .flatten();
        let (changes, taken) = taken.unzip();
        let whole = (needs.day && is_read && !has_work).then(|| {
            let few = needs.count <= MOST_OF_DAY;
            if few { register.derive(inventory).collect() } else { Vec::new() }
        });
        let ends = changes.as_ref().is_some_and(|changes| changes.ends);
        let observation = RegisterObservation {
            register: register.name,
            lists,
            changes,
            unknown_since: record.unknown_since,
            whole,
        };
        let is_news = observation.changes.is_some()
            || observation.whole.is_some()
            || self.evidence.register_readings_differ(&observation);
        if !is_news {
            return None;
        }
        record.sent = Some(now.instant);
        if ends {
            record.unknown_since = None;
        }
        Some((observation, taken))
    }
}

impl RegisterRecord {
    /// Takes in of which kinds all is known. What was not, and is now, is compared with the log.
    fn note_readings(&mut self, readings: Vec<bool>, now: Timestamp) {
        let before = std::mem::replace(&mut self.readings, readings);
        if before.is_empty() {
            return;
        }
        let pairs = || before.iter().zip(&self.readings);
        if pairs().any(|(before, now)| *before && !now) {
            self.lost.get_or_insert(now);
        }
        if pairs().any(|(before, now)| !before && *now) {
            self.unknown_since = self.lost.or(self.unknown_since);
            self.is_compared = false;
        }
        if self.readings.iter().all(|read| *read) {
            self.lost = None;
        }
    }
}

/// Whether something is known of what a register has: of some kind everything, or that the cluster has
/// none of its kinds.
fn is_read(lists: &[ListObservation], register: &Register) -> bool {
    let of_sources = || lists.iter().take(register.sources.len()).map(|list| &list.availability);
    of_sources().any(|it| *it == Some(Availability::Complete))
        || of_sources().all(|it| *it == Some(Availability::NotServed))
}

/// A kind that the cluster does not serve, so that nobody knows its version.
fn unserved(group: &str, kind: &str) -> ResourceType {
    ResourceType {
        group: group.to_owned(),
        version: String::new(),
        kind: kind.to_owned(),
        plural: kind.to_lowercase(),
        namespaced: false,
    }
}
