//! A quarter of events, answered and not, with an operator that is killed again and again: each event
//! opens one occurrence, and exactly those that nobody answered are missed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{due, opened_since, openings};
use crate::{
    Batch, Current, ObjectKey, ObjectObservation, ObjectRecord, PopulationObservation,
    VerdictObservation,
    batch::{Memory, remembered_occurrences},
    draft::Entries,
};
use comptroller_core::{
    api::ControlSpec,
    checks::attestation::event_number,
    engine::{Engine, EventRules, PeopleOfLog, Remembered, lapsed::Lapsed},
    inventory::{Catalog, Interner, KindId, Projector},
};
use comptroller_evidence::{
    data::OccurrencePhase,
    entry::{ClockReading, Data, Entry},
    fold::{LogState, MAX_CLOSED_EVENTS},
    key::{Pseudonyms, SigningKey},
};

const OBLIGED: &str = "obliged";
/// The instance that records.
const COLLECTOR: &str = "operator-0";
/// The control whose changes are the events.
const CHANGED: &str = "changed";
/// An event in some 13 minutes: 10,000 in a quarter.
const BETWEEN: SignedDuration = SignedDuration::from_secs(777);
/// Of so many events nobody answers one.
const UNANSWERED: u32 = 20;
/// Of so many steps the operator is killed in one.
const KILLED: u64 = 40;

#[derive(Debug)]
struct People(Arc<Pseudonyms>);

impl PeopleOfLog for People {
    fn pseudonym(&self, user: &str) -> String {
        self.0.pseudonym(user)
    }
}

/// The cluster, the log, and an operator that may die.
struct Simulation {
    now: Timestamp,
    random: u64,
    current: Current,
    memory: Memory,
    engine: Engine,
    attestations: KindId,
    projector: Projector,
    /// The generation of the control that changes.
    generation: i64,
    /// Everything that was attested.
    records: Vec<serde_json::Value>,
    /// The entries of events, with how often each opened an occurrence.
    opened: BTreeMap<u64, u32>,
    /// How each occurrence ended.
    ended: BTreeMap<String, Vec<OccurrencePhase>>,
    kills: u32,
    most_open: usize,
}

fn spec() -> Arc<ControlSpec> {
    let spec = json!({
        "title": "t", "criteria": ["CC4.1"], "owner": "o", "severity": "High",
        "test": {"attestation": {"on": {"event": "ControlChanged"}, "openFor": "5d"}},
    });
    Arc::new(serde_json::from_value(spec).unwrap())
}

fn operator(
    current: &Current,
    records: &[serde_json::Value],
    now: Timestamp,
) -> (Engine, KindId, Projector) {
    let mut engine = Engine::default();
    engine.keep_log();
    engine.keep_lapsed_verdicts();
    engine.set_catalog(Catalog::builtin(), now);
    let people: Arc<dyn PeopleOfLog> = Arc::new(People(current.pseudonyms.clone().unwrap()));
    engine.set_people(&people);
    let remembered = Remembered {
        created: Some("2026-10-01T00:00:00Z".parse().unwrap()),
        occurrences: remembered_occurrences(current.state.occurrences(OBLIGED), &[]),
        ..Remembered::default()
    };
    engine.upsert_control(OBLIGED, 1, spec(), remembered);
    let kinds = engine.watch_set().kinds;
    let (resource, programs) =
        kinds.into_iter().find(|(resource, _)| resource.kind == "Attestation").unwrap();
    let kind = engine.kind(&resource);
    let projector = Projector::new(resource, programs, Arc::<Interner>::default());
    engine.begin(kind);
    for record in records {
        engine.stage(kind, projector.project(record).unwrap());
    }
    engine.commit(kind, projector.program_ids(), now);
    (engine, kind, projector)
}

impl Simulation {
    fn new() -> Self {
        let now: Timestamp = "2026-10-01T00:00:00Z".parse().unwrap();
        let key = SigningKey::generate("comptroller.dev/simulation").unwrap();
        let pseudonyms = Some(Arc::new(key.pseudonyms()));
        let current = Current { state: LogState::default(), pseudonyms };
        let (engine, attestations, projector) = operator(&current, &[], now);
        let mut simulation = Self {
            now,
            random: 7,
            current,
            memory: Memory::default(),
            engine,
            attestations,
            projector,
            generation: 1,
            records: Vec::new(),
            opened: BTreeMap::new(),
            ended: BTreeMap::new(),
            kills: 0,
            most_open: 0,
        };
        simulation.step(false);
        simulation
    }

    /// A number below `below`; a linear congruential generator, so that every run is the same.
    fn draw(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) % below
    }

    fn restart(&mut self) {
        self.kills += 1;
        self.memory = Memory::default();
        (self.engine, self.attestations, self.projector) =
            operator(&self.current, &self.records, self.now);
    }

    /// One batch of the operator, which may be killed before or after the append.
    fn step(&mut self, may_die: bool) {
        loop {
            self.engine.evaluate(self.now);
            let batch = self.batch();
            let dies = may_die && self.draw(KILLED) == 0;
            if dies && self.draw(2) == 0 {
                self.restart();
                continue;
            }
            let rules = self.engine.event_rules();
            let size = self.current.state.size();
            let drafted = batch.draft(&self.current, &self.memory, COLLECTOR, self.now);
            self.append(drafted.entries, &rules);
            if dies {
                self.restart();
                return;
            }
            self.memory.learn(drafted.learned);
            for observed in &batch.verdicts {
                self.engine.recorded(OBLIGED, self.engine.last_lapsed(OBLIGED));
                self.engine.occurrences_recorded(OBLIGED, &observed.verdict.occurrences);
            }
            for (control, opened) in opened_since(&self.current.state, &rules, size) {
                self.engine.open_occurrences(&control, opened);
            }
            return;
        }
    }

    fn batch(&mut self) -> Batch {
        let object = |name: &str, generation: i64, spec| ObjectObservation {
            record: ObjectRecord { kind: "Control", key: key(name), generation, phase: None },
            spec: Some(spec),
            recreated: false,
            created_at: None,
            written: None,
        };
        let spec = serde_json::to_value(&*spec()).unwrap();
        let verdict = self.engine.shared_verdict(OBLIGED).cloned();
        let Lapsed { over, gone } = self.engine.lapsed(OBLIGED, self.now);
        let observed = verdict.map(|verdict| VerdictObservation {
            control: key(OBLIGED),
            findings: self.engine.wrong(OBLIGED, self.now),
            verdict,
            lapsed: over,
            gone,
            population: PopulationObservation {
                items: None,
                list_due: false,
                movements: None,
                is_steered: false,
            },
        });
        Batch {
            objects: vec![
                object(OBLIGED, 1, spec),
                object(CHANGED, self.generation, json!({"title": self.generation.to_string()})),
            ],
            verdicts: observed.into_iter().collect(),
            ..Batch::default()
        }
    }

    /// As the recorder appends: what entries open is in the same append.
    fn append(&mut self, mut drafts: Entries, rules: &EventRules) {
        let first = self.current.state.size();
        drafts.extend(openings(&self.current.state, rules, &drafts, first, self.now));
        for (subject, data) in drafts {
            if let Data::Attestation(step) = &data {
                match (&step.event, step.phase) {
                    (Some(event), OccurrencePhase::Open) if step.record.is_none() => {
                        *self.opened.entry(event.entry).or_default() += 1;
                    }
                    (_, phase) if phase.is_closed() && step.record.is_none() => {
                        self.ended.entry(step.occurrence.period.clone()).or_default().push(phase);
                    }
                    _ => {}
                }
            }
            let (at, clock, epoch) = (self.now, ClockReading::default(), 1);
            let index = self.current.state.size();
            self.current.state.apply(index, &Entry { at, clock, epoch, subject, data });
        }
        assert!(due(&self.current.state, rules, self.now).is_empty());
        let kept = self.current.state.occurrences(OBLIGED);
        let (open, closed): (Vec<_>, Vec<_>) = kept.partition(|one| !one.phase.is_closed());
        self.most_open = self.most_open.max(open.len());
        assert!(closed.len() <= MAX_CLOSED_EVENTS);
    }

    fn answer(&mut self, period: &str) {
        let record = json!({
            "apiVersion": "comptroller.dev/v1alpha1", "kind": "Attestation",
            "metadata": {"name": format!("a-{period}"), "creationTimestamp": self.now},
            "spec": {
                "control": OBLIGED, "period": period, "attestedBy": "sam@corp",
                "performedAt": self.now, "summary": "Looked at.", "outcome": "Completed",
            },
        });
        let object = self.projector.project(&record).unwrap();
        self.records.push(record);
        self.engine.apply(self.attestations, object, self.now);
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey { name: name.to_owned(), uid: Some(format!("uid-of-{name}")) }
}

fn simulate(events: u32) -> Simulation {
    let mut simulation = Simulation::new();
    let mut answers: BTreeMap<Timestamp, Vec<String>> = BTreeMap::new();
    let end = SignedDuration::from_hours(24 * 6).as_secs() / BETWEEN.as_secs();
    for number in 1..=events + u32::try_from(end).unwrap() {
        simulation.now += BETWEEN;
        while let Some(first) = answers.first_entry().filter(|first| *first.key() <= simulation.now)
        {
            for period in first.remove() {
                simulation.answer(&period);
            }
        }
        if number <= events {
            simulation.generation += 1;
            if !number.is_multiple_of(UNANSWERED) {
                let hours = i64::try_from(1 + simulation.draw(100)).unwrap();
                let at = simulation.now + SignedDuration::from_hours(hours);
                answers.entry(at).or_default().push(format!("event-{number}"));
            }
        }
        simulation.step(true);
    }
    simulation.step(false);
    simulation.step(false);
    simulation
}

fn check(events: u32) {
    let simulation = simulate(events);
    assert!(simulation.kills > events / 80, "{}", simulation.kills);
    assert_eq!(simulation.opened.len(), usize::try_from(events).unwrap());
    assert!(simulation.opened.values().all(|times| *times == 1));
    let numbers: BTreeSet<u32> =
        simulation.ended.keys().map(|period| event_number(period).unwrap()).collect();
    assert_eq!(numbers, (1..=events).collect());
    for (period, phases) in &simulation.ended {
        let is_answered = !event_number(period).unwrap().is_multiple_of(UNANSWERED);
        let expected =
            if is_answered { OccurrencePhase::Completed } else { OccurrencePhase::Missed };
        assert_eq!(phases, &[expected], "{period}");
    }
    // As many as come in the time for which they are open.
    assert!(simulation.most_open <= 570, "{}", simulation.most_open);
}

#[test]
fn each_of_many_events_is_answered_or_missed_once_whenever_the_operator_dies() {
    check(400);
}

/// A whole quarter: 10,000 events, of which nobody answers 500. In release some minutes.
#[test]
#[ignore = "takes minutes: cargo test --release -p comptroller-recorder -- --ignored quarter"]
fn a_quarter_of_ten_thousand_events_has_exactly_the_missed_ones() {
    check(10_000);
}
