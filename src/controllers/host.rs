//! The task that owns the engine: takes facts in, evaluates, and hands what it found to the record.

mod command;
mod objects;
mod watching;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rustc_hash::FxHashSet;
use tokio::{
    sync::{mpsc, watch},
    time::MissedTickBehavior,
};

pub use self::command::Command;
use self::{objects::name_of, watching::Planned};
use super::{
    freshness::Input,
    guard::{Guards, is_of_rights},
    listening::{Listening, Moment},
    reachability::Reachability,
    record::{ReconcileQueues, RecordStage},
    reports::FindingsBoard,
    verdict_board::VerdictBoard,
};
use crate::{
    source::{
        event::{KindChange, KindEvent, SourceEvent},
        own_kinds::ObjectEvent,
        watches::Watches,
    },
    telemetry::Metrics,
};
use comptroller_core::{
    api::GROUP,
    engine::Engine,
    inventory::{ApiServer, Interner, KindId, ResourceType, Symbol},
};
use comptroller_recorder::{Clock, Evidence, ListOrigin, Part, Writing};

/// How many changes are taken in before the next evaluation. A burst is gathered here: while one
/// batch is judged, the next one queues up.
const BATCH: usize = 512;

/// How many changes may wait. Watches are slowed down beyond it, so a storm can't fill memory.
pub const QUEUE: usize = 2048;

/// How often the metrics say when controls were evaluated.
const NOTE: Duration = Duration::from_secs(5);

/// How often the task gives a sign of life.
const TICK: Duration = Duration::from_secs(1);

/// How often everything is looked at though nothing seems to be due: clocks may be set.
const LONGEST: Duration = Duration::from_secs(20);

/// For how long a watch may have been silent when it fails: it is heard from more often.
const SILENT_FOR: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// How often strings that nothing uses are dropped.
const SWEEP: Duration = Duration::from_mins(10);

/// Whom to tell what changed.
#[derive(Debug)]
pub struct Outlets {
    /// Where recorded verdicts are published.
    pub board: Arc<VerdictBoard>,
    /// Where they are published with their findings.
    pub findings: Arc<FindingsBoard>,
    /// Who claims what is published.
    pub queues: ReconcileQueues,
    /// Whether anybody wants the API server's metrics.
    pub api_server_wanted: watch::Sender<bool>,
    /// Whether the first evaluation is done: readiness.
    pub evaluated: watch::Sender<bool>,
}

/// The engine with what feeds it.
pub struct Host {
    engine: Engine,
    interner: Arc<Interner>,
    watches: Watches<Command>,
    board: Arc<VerdictBoard>,
    findings: Arc<FindingsBoard>,
    api_server_wanted: watch::Sender<bool>,
    evaluated: watch::Sender<bool>,
    metrics: Metrics,
    planned: BTreeMap<ResourceType, Planned>,
    epochs: HashMap<KindId, u64>,
    next_epoch: u64,
    replan: bool,
    loaded: Loaded,
    oldest: Option<Instant>,
    exceptions_changed: bool,
    noted: Option<Instant>,
    listening: Listening,
    reachability: Reachability,
    clock: Clock,
    writing: watch::Receiver<Writing>,
    record: RecordStage,
    /// Objects with a change that is not judged yet.
    touched: FxHashSet<(KindId, Symbol, Symbol)>,
    touched_exceptions: FxHashSet<String>,
    /// What guards the evidence. None without a log.
    guards: Option<Guards>,
    /// Whether roles or bindings changed since it was looked who holds what.
    rights_changed: bool,
    /// Since when the watch of exceptions fails. None while it works.
    exceptions_silent_since: Option<Timestamp>,
}

/// What must be known before anything is judged: a control judged before the exceptions are
/// listed would fail for a moment after every restart.
#[derive(Debug, Default)]
struct Loaded {
    catalog: bool,
    controls: bool,
    exceptions: bool,
}

impl Loaded {
    fn waiting(&self) -> &'static str {
        match (self.catalog, self.controls, self.exceptions) {
            (false, _, _) => "waiting for discovery",
            (_, false, _) => "waiting for the list of controls",
            (_, _, false) => "waiting for the list of controlexceptions",
            _ => "",
        }
    }
}

impl Host {
    /// A host around an empty engine.
    pub fn new(
        watches: Watches<Command>,
        outlets: Outlets,
        metrics: Metrics,
        evidence: Evidence,
        namespace: &str,
    ) -> Self {
        let Outlets { board, findings, queues, api_server_wanted, evaluated } = outlets;
        let mut engine = Engine::default();
        let clock = evidence.clock().clone();
        engine.observe_api_server(ApiServer::Pending, clock.now());
        if evidence.has_log() {
            engine.keep_lapsed_verdicts();
            engine.read_rights();
            engine.keep_log();
            engine.registers().0.follow();
        }
        let guards = evidence.has_log().then(|| Guards::new(namespace));
        Self {
            engine,
            interner: Arc::default(),
            watches,
            writing: evidence.subscribe(),
            record: RecordStage::new(evidence, Arc::clone(&board), Arc::clone(&findings), queues),
            board,
            findings,
            api_server_wanted,
            evaluated,
            metrics,
            planned: BTreeMap::new(),
            epochs: HashMap::new(),
            next_epoch: 0,
            replan: false,
            loaded: Loaded::default(),
            oldest: None,
            exceptions_changed: false,
            noted: None,
            listening: Listening::new(Instant::now()),
            reachability: Reachability::default(),
            clock,
            touched: FxHashSet::default(),
            touched_exceptions: FxHashSet::default(),
            guards,
            rights_changed: true,
            exceptions_silent_since: None,
        }
    }

    /// Takes in and evaluates until every sender is gone.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut sweep = tokio::time::interval(SWEEP);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked = Instant::now();
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let due = self.sleep();
            let mut is_tick = false;
            self.clock.waits(Part::Engine);
            tokio::select! {
                taken = commands.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                }
                Ok(()) = self.writing.changed() => {}
                result = self.record.answer() => self.record.settle(&mut self.engine, result),
                () = due => {}
                _ = tick.tick() => is_tick = true,
                _ = sweep.tick() => {
                    self.interner.sweep();
                    self.read_again();
                }
            }
            let is_news = self.look_around();
            // A tick by itself changes nothing.
            if is_tick && !is_news && looked.elapsed() < LONGEST {
                continue;
            }
            looked = Instant::now();
            for command in batch.drain(..) {
                self.judge_before(&command);
                self.take(command, Moment::of(&self.clock));
            }
            let now = Moment::of(&self.clock);
            if std::mem::take(&mut self.replan) {
                self.plan(now);
            }
            // Before the evaluation: since when things are so depends on what the log says.
            self.record.take_over(&mut self.engine);
            self.listening.withdraw(&mut self.engine, now);
            self.evaluate(now);
            self.record.stand_by(&mut self.engine, now.time);
            self.metrics.outages().settle();
            self.hand_over(now);
        }
    }

    /// Gives a sign of life, and notices if there was none for a time, or no API server. Whether
    /// there is something new to record.
    fn look_around(&mut self) -> bool {
        let paused = self.clock.sign(Part::Engine);
        let now = Moment::of(&self.clock);
        if paused {
            tracing::warn!("the process did not run for a time, which the evidence log tells");
            self.listening.deaf(now.instant);
            self.reachability.deaf(now.time);
        }
        let is_silent = self.listening.is_silent();
        let outage = self.reachability.look(self.clock.answered(), is_silent, now.time);
        let is_over = outage.is_some();
        if let Some(gap) = outage {
            self.record.note_gap(gap);
        }
        paused || is_over
    }

    /// Hands what was found to the record, once anything was judged at all.
    fn hand_over(&mut self, now: Moment) {
        if !*self.evaluated.borrow() || self.guards.as_ref().is_some_and(|one| !one.are_looked_at())
        {
            return;
        }
        self.record_guards(now.time);
        let listening = &self.listening;
        let heard = |engine: &Engine, control: &str| listening.heard_until(engine, control);
        self.record.submit(&mut self.engine, now, heard);
    }

    /// Sleeps until time changes something, an input has been silent for too long, or something is
    /// due to be recorded; at most for a while, since the time may jump.
    fn sleep(&self) -> impl Future<Output = ()> + use<> {
        // A judgement that is never valid must not keep a core busy.
        const SHORTEST: Duration = Duration::from_millis(20);
        let now = Moment::of(&self.clock);
        let wake = self.engine.next_wake().map_or(LONGEST, |at| {
            Duration::try_from(at.duration_since(now.time)).unwrap_or(Duration::ZERO)
        });
        let instants = self.listening.next().into_iter().chain(self.record.next(now));
        let next = instants.min().map_or(LONGEST, |at| at.saturating_duration_since(now.instant));
        tokio::time::sleep(wake.min(next).clamp(SHORTEST, LONGEST))
    }

    /// Judges before a change that would undo one that was not judged yet: what was so in between
    /// must be found. Only what is touched is judged, so a storm of one object costs little.
    fn judge_before(&mut self, command: &Command) {
        let undoes = match command {
            Command::Source(SourceEvent::Kind(KindEvent { kind, change, .. })) => match change {
                KindChange::Applied(object) => {
                    self.is_touched(*kind, &object.namespace, &object.name)
                }
                KindChange::Deleted { namespace, name } => self.is_touched(*kind, namespace, name),
                KindChange::Unavailable(_) | KindChange::ListComplete { .. } => {
                    !self.touched.is_empty()
                }
                _ => false,
            },
            Command::Exception(event) => {
                name_of(event).is_some_and(|name| self.touched_exceptions.contains(&name))
            }
            _ => false,
        };
        if undoes {
            self.evaluate(Moment::of(&self.clock));
        }
    }

    fn is_touched(&self, kind: KindId, namespace: &Symbol, name: &Symbol) -> bool {
        !self.touched.is_empty() && self.touched.contains(&(kind, namespace.clone(), name.clone()))
    }

    fn take(&mut self, command: Command, now: Moment) {
        match command {
            Command::Source(event) => self.take_source(event, now),
            Command::UnreadableControl(key, verdict) => {
                self.record.note_unreadable(&key, *verdict);
            }
            Command::UnreadableException(key, state) => {
                self.record.note_unreadable_exception(&key, state);
            }
            Command::Control(ObjectEvent::Failing(error)) => {
                self.listening.trouble(Input::Controls, error);
            }
            Command::Control(event) => {
                self.hear(Input::Controls, now);
                self.take_control(event);
            }
            Command::Response(event) => self.take_response(event, now.time),
            Command::Guard(event) => self.take_guard(event, now.time),
            Command::AuditPeriod(event) => self.take_audit_period(event),
            Command::ClosePeriod(closing) => self.record.close_period(closing),
            Command::Exception(ObjectEvent::Failing(error)) => {
                self.exceptions_silent_since.get_or_insert(now.time - SILENT_FOR);
                self.listening.trouble(Input::Exceptions, error);
            }
            Command::Exception(event) => {
                self.hear(Input::Exceptions, now);
                self.take_exception(event, now.time);
            }
        }
    }

    fn take_source(&mut self, event: SourceEvent, now: Moment) {
        match event {
            SourceEvent::Kind(KindEvent { kind, watch, received, change, memory: _memory }) => {
                // Of a watch that was replaced, some events may still be under way.
                if self.epochs.get(&kind) == Some(&watch) {
                    self.hear_change(kind, received, &change, now.time);
                    self.take_change(kind, received, change, now.time);
                }
            }
            SourceEvent::Catalog(catalog) => {
                self.hear(Input::Discovery, now);
                self.findings.note_catalog(&catalog);
                self.engine.set_catalog(catalog, now.time);
                self.loaded.catalog = true;
                self.replan = true;
            }
            SourceEvent::CatalogConfirmed => self.hear(Input::Discovery, now),
            SourceEvent::ApiServer(api_server) => {
                self.hear(Input::ApiServer, now);
                self.engine.observe_api_server(api_server, now.time);
            }
        }
    }

    fn hear(&mut self, input: Input, now: Moment) {
        self.listening.heard(&mut self.engine, input, now.instant, now.time);
    }

    /// Notes how fresh a kind is after a change.
    fn hear_change(
        &mut self,
        kind: KindId,
        received: Instant,
        change: &KindChange,
        now: Timestamp,
    ) {
        match change {
            KindChange::ListStarted | KindChange::ListItem(_) => {
                self.listening.alive(kind, received);
            }
            KindChange::Failing(error) => {
                self.listening.trouble(Input::Kind(kind), error.clone());
            }
            KindChange::ListComplete { .. }
            | KindChange::Applied(_)
            | KindChange::Deleted { .. }
            | KindChange::Unavailable(_)
            | KindChange::Confirmed => {
                self.listening.heard(&mut self.engine, Input::Kind(kind), received, now);
            }
        }
    }

    /// Whether a kind gives rights.
    fn is_of_rights(&self, kind: KindId) -> bool {
        let state = self.engine.inventory().kind_state(kind);
        state.is_some_and(|state| is_of_rights(&state.resource.group, &state.resource.kind))
    }

    /// Whether a kind says who works here.
    fn is_of_people(&self, kind: KindId) -> bool {
        let state = self.engine.inventory().kind_state(kind);
        state.is_some_and(|state| state.resource.group == GROUP && state.resource.kind == "Person")
    }

    fn take_change(&mut self, kind: KindId, received: Instant, change: KindChange, now: Timestamp) {
        let is_news = !matches!(change, KindChange::Confirmed | KindChange::Failing(_));
        if is_news && self.is_of_rights(kind) {
            self.rights_changed = true;
        }
        if is_news && (self.is_of_rights(kind) || self.is_of_people(kind)) {
            self.record.forget_users();
        }
        match change {
            KindChange::ListStarted => self.engine.begin(kind),
            KindChange::ListItem(object) => self.engine.stage(kind, object),
            KindChange::ListComplete { programs, version } => {
                self.engine.commit(kind, programs, now);
                if let Some(state) = self.engine.inventory().kind_state(kind) {
                    self.record.note_list(&state.resource, ListOrigin { version, at: now });
                }
            }
            KindChange::Applied(object) => {
                let touched = (kind, object.namespace.clone(), object.name.clone());
                if self.engine.apply(kind, object, now) {
                    self.touched.insert(touched);
                    self.oldest.get_or_insert(received);
                }
            }
            KindChange::Deleted { namespace, name } => {
                self.engine.remove(kind, &namespace, &name, now);
                self.touched.insert((kind, namespace, name));
                self.oldest.get_or_insert(received);
            }
            KindChange::Unavailable(availability) => {
                self.engine.set_availability(kind, availability, now);
            }
            KindChange::Confirmed | KindChange::Failing(_) => {}
        }
    }

    fn evaluate(&mut self, moment: Moment) {
        let now = moment.time;
        let waiting = self.loaded.waiting();
        // Who waits for too long says that nothing is known, rather than nothing.
        if !waiting.is_empty() && !self.listening.is_blind() {
            self.board.note_waiting(waiting.to_owned());
            return;
        }
        self.look_at_rights();
        self.touched.clear();
        self.touched_exceptions.clear();
        let started = Instant::now();
        let mut lap = started;
        let metrics = &self.metrics;
        let evaluated = self.engine.evaluate_observed(now, |spec| {
            let end = Instant::now();
            if let Ok(test) = spec.test.kind() {
                metrics.evaluated(test, end.duration_since(lap));
            }
            lap = end;
        });
        let received = self.oldest.take().unwrap_or(started);
        self.board.note_waiting(self.listening.silence(&self.engine));
        // Before the verdicts: a status says until when its verdict holds.
        self.note_as_of(moment, !evaluated.controls.is_empty());
        for name in &evaluated.controls {
            self.record.note_verdict(&self.engine, name, received);
            let heard = self.listening.as_of(&self.engine, name, moment);
            self.record.note_blindness(&self.engine, name, heard);
        }
        if std::mem::take(&mut self.exceptions_changed) || evaluated.exceptions {
            self.note_exceptions(now);
        }
        self.metrics.evaluation_pass(started.elapsed());
        let mut unreadable = self.engine.unreadable();
        unreadable.stale += self.listening.silent_sources();
        self.metrics.unreadable(unreadable);
        self.evaluated.send_if_modified(|done| !std::mem::replace(done, true));
    }

    /// Says until when every verdict is known to hold, whether anything changed or not.
    fn note_as_of(&mut self, now: Moment, changed: bool) {
        if !changed && self.noted.is_some_and(|noted| noted.elapsed() < NOTE) {
            return;
        }
        self.noted = Some(now.instant);
        let known: BTreeMap<String, Timestamp> = self
            .engine
            .controls()
            .filter(|(name, _)| self.engine.verdict(name).is_some())
            .filter_map(|(name, _)| {
                Some((name.to_owned(), self.listening.as_of(&self.engine, name, now)?))
            })
            .collect();
        for (name, as_of) in &known {
            self.metrics.control_evaluated(name, *as_of);
        }
        self.board.note_as_of(known);
        self.board.note_inputs(self.listening.inputs(&self.engine, now));
    }

    fn note_exceptions(&mut self, now: Timestamp) {
        let states: Vec<_> = self
            .engine
            .exception_names()
            .filter_map(|name| Some((name.to_owned(), self.engine.exception(name, now)?)))
            .collect();
        for (name, state) in states {
            self.record.note_exception(&name, state);
        }
    }
}
