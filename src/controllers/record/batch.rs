//! Making a batch of what waits, bounded in size.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{
    CONTROL, InFlight, RecordStage, Sent,
    inventory::{FactsDigests, users},
};
use crate::controllers::{listening::Moment, reports::FindingLists, writer::WINDOW};
use comptroller_core::{
    api::State,
    engine::{Engine, ObservedNamespace, RECORDED_FINDINGS, Verdict, lapsed::Lapsed},
};
use comptroller_recorder::{
    Batch, HeartbeatObservation, POPULATION_EVERY, PopulationObservation, VerdictObservation,
    next_due,
};

/// How long the first batch after the log was opened waits for controls that are not judged yet: a
/// first start has one append for all of them rather than one for each kind that is listed.
pub(super) const FIRST_GATHERING: Duration = Duration::from_secs(3);

/// How many findings that wait make an append worth its while though controls are not judged yet: in
/// a large cluster they are recorded while the other kinds are still listed.
const ENOUGH_FINDINGS: usize = 2_000;

/// How many findings are put into words and recorded at a time: 5,000 take some 10 MiB. What waits
/// beyond it is the next batch.
const MOST_FINDINGS: usize = 10_000;

/// How many names of what was judged take as much as a finding.
const NAMES_PER_FINDING: usize = 4;

impl RecordStage {
    /// Hands over what waits, if the log is open and no batch is under way. `heard` says until when
    /// the verdict of a control is known to hold; None: not all of its inputs were heard of.
    pub fn submit(
        &mut self,
        engine: &mut Engine,
        now: Moment,
        heard: impl Fn(&Engine, &str) -> Option<Instant>,
    ) {
        self.note_whole();
        if self.in_flight.is_some() || !self.takeover.is_done() {
            return;
        }
        if !self.is_gathered(engine, now) && !self.has_enough(engine, now.time) {
            return;
        }
        let (mut batch, sent) = self.next_batch(engine, now, heard);
        let (observed, registers) = self.registers(engine, now);
        batch.registers = observed;
        if !batch.is_empty() {
            batch.people = self.users.get_or_insert_with(|| users(engine)).clone();
            let gaps = batch.gaps.clone();
            let namespaces = batch.namespaces.is_some().then(|| engine.namespaces_version());
            let answer = self.evidence.submit(batch);
            self.in_flight = Some(InFlight { answer, sent, gaps, namespaces, registers });
        }
    }

    /// Whether the first batch after an opening need not wait any more.
    fn is_gathered(&mut self, engine: &Engine, now: Moment) -> bool {
        if self.gathered {
            return true;
        }
        let since = *self.gathering_since.get_or_insert(now.instant);
        let is_judged = |name: &String| self.verdict(engine, name).is_some();
        self.gathered = !self.evidence.has_log()
            || now.instant.saturating_duration_since(since) >= FIRST_GATHERING
            || self.controls.keys().all(is_judged);
        self.gathered
    }

    /// Whether what waits is so much that waiting for more saves nothing.
    fn has_enough(&self, engine: &Engine, now: Timestamp) -> bool {
        let sizes = self.waiting.iter().filter_map(|name| {
            let verdict = self.verdict(engine, name)?;
            Some(size_of(verdict, self.lists_population(engine, name, now)))
        });
        sizes.sum::<usize>() >= ENOUGH_FINDINGS
    }

    fn next_batch(
        &mut self,
        engine: &mut Engine,
        now: Moment,
        heard: impl Fn(&Engine, &str) -> Option<Instant>,
    ) -> (Batch, Vec<Sent>) {
        let mut batch = Batch {
            gaps: std::mem::take(&mut self.gaps),
            deleted: self.governed.take_deleted(&self.evidence),
            namespaces: self.namespaces(engine),
            objects: self.governed.unrecorded(),
            authors: self.authors.clone(),
            closings: self.unrecorded_closings(),
            ..Batch::default()
        };
        let mut digests = FactsDigests::new(&self.evidence, self.users.take());
        let (mut sent, mut room, mut later) = (Vec::new(), MOST_FINDINGS, VecDeque::new());
        while let Some(name) = self.waiting.pop_front() {
            // First, as it costs least: in a storm this is asked with every event.
            if self.is_in_window(&name, now) {
                later.push_back(name);
                continue;
            }
            if self.restate(engine, &name) {
                continue;
            }
            let Some(verdict) = self.verdict(engine, &name).cloned() else {
                // Its first verdict brings it back.
                continue;
            };
            let size = size_of(&verdict, self.lists_population(engine, &name, now.time));
            // One that is larger than all the room goes alone.
            let fits = size <= room || sent.is_empty();
            if !fits {
                later.push_back(name);
                continue;
            }
            room = room.saturating_sub(size);
            let Some(record) = self.controls.get(&name) else { continue };
            let control = record.key.clone();
            // Read before what is set aside now is numbered: both are as of this evaluation.
            let (findings, lapsed) = if record.unreadable.is_some() {
                (Vec::new(), Lapsed::default())
            } else {
                (engine.wrong(&name, now.time), engine.lapsed(&name, now.time))
            };
            let Lapsed { over, gone } = lapsed;
            let lists = self
                .findings
                .keeps_findings()
                .then(|| FindingLists::new(findings.clone(), engine.undecided(&name, now.time)));
            let (population, population_version) =
                self.population(engine, &name, &verdict, now.time, &mut digests);
            let lists_population = population.list_due;
            sent.push(Sent {
                control: control.clone(),
                verdict: Arc::clone(&verdict),
                lapsed_until: engine.last_lapsed(&name),
                newest: self.newest_entry(&name),
                is_heartbeat: false,
                lists_population,
                population_version,
                lists,
            });
            if let Some(since) = record.blind_since {
                batch.blind_since.insert(name.clone(), since);
            }
            batch.verdicts.push(VerdictObservation {
                control,
                verdict,
                findings,
                lapsed: over,
                gone,
                population,
            });
        }
        self.waiting = later;
        self.add_heartbeats(engine, now, heard, room, &mut digests, (&mut batch, &mut sent));
        self.users = digests.into_users();
        batch.event_rules = engine.event_rules();
        let next = self.evidence.read(|state| next_due(state, &batch.event_rules)).flatten();
        batch.opens_events = next.is_some_and(|at| at <= now.time);
        // What is due now is in this batch, and the answer to it is looked at again.
        self.next_obligation = next.filter(|_| !batch.opens_events);
        batch.inventory = self.inventory(engine, batch.is_empty(), now);
        (batch, sent)
    }

    /// Adds that verdicts still hold that are due to be confirmed. Only what was heard since it is
    /// due proves that: a timer proves nothing.
    fn add_heartbeats(
        &self,
        engine: &Engine,
        now: Moment,
        heard: impl Fn(&Engine, &str) -> Option<Instant>,
        mut room: usize,
        digests: &mut FactsDigests,
        (batch, sent): (&mut Batch, &mut Vec<Sent>),
    ) {
        // Without a log the status says by itself until when its verdict is known to hold.
        if !self.evidence.has_log() {
            return;
        }
        let busy: BTreeSet<&str> = self
            .waiting
            .iter()
            .map(String::as_str)
            .chain(batch.verdicts.iter().map(|observed| observed.control.name.as_str()))
            .collect();
        let mut heartbeats = Vec::new();
        for (name, record) in &self.controls {
            let Some(due) = record.heartbeat_due.filter(|due| *due <= now.instant) else {
                continue;
            };
            let Some(verdict) = engine.shared_verdict(name) else { continue };
            let is_heard = heard(engine, name).is_some_and(|heard| heard >= due);
            // A change says more than that nothing changed.
            if !is_heard || busy.contains(name.as_str()) {
                continue;
            }
            let lists_population = self.lists_population(engine, name, now.time);
            let size = size_of(verdict, lists_population);
            if lists_population && size > room && !sent.is_empty() {
                break;
            }
            room = room.saturating_sub(if lists_population { size } else { 1 });
            let (population, population_version) =
                self.population(engine, name, verdict, now.time, digests);
            let lists_population = population.list_due;
            sent.push(Sent {
                control: record.key.clone(),
                verdict: Arc::clone(verdict),
                // What was over before it is in the log, or the control would wait.
                lapsed_until: record.lapsed_until,
                newest: self.newest_entry(name),
                is_heartbeat: true,
                lists_population,
                population_version,
                lists: None,
            });
            heartbeats.push(HeartbeatObservation {
                control: record.key.clone(),
                verdict: Arc::clone(verdict),
                population,
            });
        }
        batch.heartbeats = heartbeats;
    }

    /// Whether an entry of a control was written so recently that more is gathered first.
    fn is_in_window(&self, name: &str, now: Moment) -> bool {
        let written = self.controls.get(name).and_then(|record| record.written);
        written.is_some_and(|written| now.instant.saturating_duration_since(written) < WINDOW)
            // An edit of the spec is recorded with the verdict on it, and nobody waits for that.
            && self.governed.recorded(CONTROL, name).is_some()
    }

    /// The namespaces by which scopes select, if the log may not know them as they are.
    fn namespaces(&self, engine: &Engine) -> Option<Vec<ObservedNamespace>> {
        let is_known = self.namespaces == Some(engine.namespaces_version());
        if is_known || !self.evidence.has_log() {
            return None;
        }
        engine.namespaces()
    }

    /// Who a control judged, as far as the log may not know it, with the version of the population
    /// that will then be in it. None where nothing is judged: then the log says nothing of it.
    fn population(
        &self,
        engine: &Engine,
        name: &str,
        verdict: &Verdict,
        now: Timestamp,
        digests: &mut FactsDigests,
    ) -> (PopulationObservation, Option<u64>) {
        let record = self.controls.get(name);
        let unreadable = record.is_none_or(|record| record.unreadable.is_some());
        if unreadable || (verdict.state == State::Unknown && verdict.population == 0) {
            return (PopulationObservation::default(), None);
        }
        let version = engine.population_version(name);
        let list_due = self.wants_population(name, now);
        let movements = engine.movements(name);
        // Facts are digested for a list that will be written, and not for each that comes or leaves.
        let is_listed = record.is_some_and(|record| {
            record.population_version == Some(version) && self.evidence.has_listed(&record.key)
        });
        let wants_facts = (list_due && !is_listed) || movements.is_none();
        let items = self.lists_population(engine, name, now).then(|| {
            if wants_facts {
                engine.population_on(name, &mut |slot, object| digests.of(engine, slot, object))
            } else {
                engine.population(name)
            }
        });
        let observation = PopulationObservation {
            items,
            list_due,
            movements,
            is_steered: engine.is_steered(name),
        };
        (observation, Some(version))
    }

    /// Whether an entry needs all names of who was judged: for their digest, or for a list.
    fn lists_population(&self, engine: &Engine, name: &str, now: Timestamp) -> bool {
        let recorded = self.controls.get(name).and_then(|record| record.population_version);
        self.evidence.has_log()
            && (recorded != Some(engine.population_version(name))
                || self.wants_population(name, now))
    }

    fn wants_population(&self, name: &str, now: Timestamp) -> bool {
        let Some(record) = self.controls.get(name) else { return false };
        let listed = record.population_listed;
        listed.is_none_or(|at| now.duration_since(at) >= POPULATION_EVERY)
            && self.evidence.wants_population(&record.key, now)
    }
}

/// How much of the room of a batch a verdict takes.
fn size_of(verdict: &Verdict, lists_population: bool) -> usize {
    let listed = (verdict.open_findings + verdict.excepted).min(RECORDED_FINDINGS);
    let names = if lists_population { verdict.population / NAMES_PER_FINDING } else { 0 };
    (listed + names).max(1)
}
