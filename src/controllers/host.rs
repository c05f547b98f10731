//! The task that owns the engine: takes facts in, evaluates, posts verdicts.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use kube::{ResourceExt, core::error_boundary::InvalidObject, runtime::reflector::ObjectRef};
use rustc_hash::FxHashSet;
use tokio::sync::{mpsc, watch};

use super::{
    adoption::Adoption,
    board::{Board, Posted},
    freshness::Input,
    listening::{Listening, Moment},
    recording::{Snapshot, SnapshotRequest},
};
use crate::{
    source::{
        event::{KindChange, KindEvent, SourceEvent},
        own_kinds::ObjectEvent,
        watches::{WatchPlan, Watches},
    },
    telemetry::Metrics,
};
use comptroller_core::{
    api::{Control, ControlException},
    engine::{Engine, WatchSet},
    inventory::{ApiServer, Interner, KindId, ProgramId, Projector, ResourceType, Symbol},
};
use comptroller_recorder::{Evidence, Seen, Writing};

/// How many changes are taken in before the next evaluation. A burst is gathered here: while one
/// batch is judged, the next one queues up.
const BATCH: usize = 512;

/// How many changes may wait. Watches are slowed down beyond it, so a storm can't fill memory.
pub const QUEUE: usize = 2048;

/// How often the metrics say when controls were evaluated.
const NOTE: Duration = Duration::from_secs(5);

/// How often strings that nothing uses are dropped.
const SWEEP: Duration = Duration::from_mins(10);

/// How long before it began to lead a process may know what nobody recorded: longer than a Lease is
/// held by one that is gone.
const TAKE_OVER: SignedDuration = SignedDuration::from_mins(1);

/// What the engine's task is told.
#[derive(Debug)]
pub enum Command {
    /// An event of a source: a watched kind, discovery, or the API server's metrics.
    Source(SourceEvent),
    /// A Control. One that can't be read is there, and has no verdict.
    Control(ObjectEvent<Result<Arc<Control>, InvalidObject>>),
    /// Asks for all that there is to record of a control.
    Snapshot(SnapshotRequest),
    /// The log holds what held of a control and what was over before, up to a number.
    Recorded {
        /// Which control.
        control: String,
        /// The number.
        until: u64,
    },
    /// The log has another time for something than the engine: the log is right.
    Adopt(String),
    /// A `ControlException`.
    Exception(ObjectEvent<Result<Arc<ControlException>, InvalidObject>>),
}

impl From<SourceEvent> for Command {
    fn from(event: SourceEvent) -> Self {
        Self::Source(event)
    }
}

/// Whom to tell what changed.
#[derive(Debug)]
pub struct Outlets {
    /// Where verdicts are posted.
    pub board: Arc<Board>,
    /// Queues the reconcile of a control.
    pub controls: mpsc::UnboundedSender<ObjectRef<kube::core::DeserializeGuard<Control>>>,
    /// Queues the reconcile of an exception.
    pub exceptions:
        mpsc::UnboundedSender<ObjectRef<kube::core::DeserializeGuard<ControlException>>>,
    /// Whether anybody wants the API server's metrics.
    pub api_server_wanted: watch::Sender<bool>,
    /// Whether the first evaluation is done: readiness.
    pub evaluated: watch::Sender<bool>,
    /// The leadership whose memory the verdicts on the board have adopted.
    pub adopted: watch::Sender<u64>,
}

/// The engine with what feeds it.
pub struct Host {
    engine: Engine,
    interner: Arc<Interner>,
    watches: Watches<Command>,
    outlets: Outlets,
    metrics: Metrics,
    planned: BTreeMap<ResourceType, Planned>,
    epochs: HashMap<KindId, u64>,
    next_epoch: u64,
    replan: bool,
    loaded: Loaded,
    oldest: Option<Instant>,
    exceptions_changed: bool,
    noted: Option<Instant>,
    uids: HashMap<String, Option<String>>,
    listening: Listening,
    adoption: Adoption,
    writing: watch::Receiver<Writing>,
    asked: Vec<SnapshotRequest>,
    /// Objects with a change that is not judged yet.
    touched: FxHashSet<(KindId, Symbol, Symbol)>,
    touched_exceptions: FxHashSet<String>,
}

/// The object that came, changed or went.
fn name_of<K: ResourceExt>(fed: &ObjectEvent<Result<Arc<K>, InvalidObject>>) -> Option<String> {
    match fed {
        ObjectEvent::Applied(Ok(object)) => Some(object.name_any()),
        ObjectEvent::Applied(Err(invalid)) => invalid.metadata.name.clone(),
        ObjectEvent::Deleted(name) => Some(name.clone()),
        ObjectEvent::Listed(_) | ObjectEvent::Confirmed | ObjectEvent::Failing(_) => None,
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Planned {
    kind: KindId,
    programs: Vec<ProgramId>,
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
    ) -> Self {
        let mut engine = Engine::default();
        engine.observe_api_server(ApiServer::Pending, Timestamp::now());
        if evidence.has_log() {
            engine.keep_lapsed_verdicts();
        }
        Self {
            engine,
            interner: Arc::default(),
            watches,
            outlets,
            metrics,
            planned: BTreeMap::new(),
            epochs: HashMap::new(),
            next_epoch: 0,
            replan: false,
            loaded: Loaded::default(),
            oldest: None,
            exceptions_changed: false,
            noted: None,
            uids: HashMap::new(),
            listening: Listening::new(Instant::now()),
            writing: evidence.subscribe(),
            adoption: Adoption::new(evidence),
            asked: Vec::new(),
            touched: FxHashSet::default(),
            touched_exceptions: FxHashSet::default(),
        }
    }

    /// Takes in and evaluates until every sender is gone.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut sweep = tokio::time::interval(SWEEP);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                taken = commands.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                }
                Ok(()) = self.writing.changed() => {}
                () = sleep_until(self.engine.next_wake(), self.listening.next()) => {}
                _ = sweep.tick() => {
                    self.interner.sweep();
                    self.read_again();
                }
            }
            for command in batch.drain(..) {
                self.judge_before(&command);
                self.take(command, Moment::now());
            }
            let now = Moment::now();
            if std::mem::take(&mut self.replan) {
                self.plan(now);
            }
            let adopted = self.adoption.adopt(&mut self.engine);
            self.listening.withdraw(&mut self.engine, now);
            self.evaluate(now);
            if *self.writing.borrow() == Writing::Standby {
                // Who leads records it. What it can't have, since it is gone, is what is newest.
                self.engine.all_recorded_elsewhere(now.time - TAKE_OVER);
            }
            self.metrics.outages().settle();
            self.answer(now.time);
            if let Some(term) = adopted {
                self.outlets.adopted.send_replace(term);
            }
        }
    }

    /// Lists kinds anew of which an object was too much beside others that have gone since.
    fn read_again(&mut self) {
        let fitting = self.engine.inventory().fits_again();
        self.replan |= !fitting.is_empty();
        self.planned.retain(|_, planned| !fitting.contains(&planned.kind));
    }

    /// Tells all there is to record of the controls that were asked for, as of this evaluation.
    fn answer(&mut self, now: Timestamp) {
        for SnapshotRequest { control, population, reply } in self.asked.drain(..) {
            // Without a verdict there is no answer, and who asked looks again later.
            let Some(posted) = self.outlets.board.control(&control) else { continue };
            let seen = Seen {
                wrong: self.engine.wrong(&control, now),
                passed: self.engine.lapsed(&control, now),
                until: self.engine.last_lapsed(&control),
                population: population.then(|| self.engine.population(&control)),
            };
            let snapshot = Snapshot { posted, seen };
            let _ = reply.send(snapshot);
        }
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
                KindChange::Unavailable(_) | KindChange::ListComplete(_) => {
                    !self.touched.is_empty()
                }
                _ => false,
            },
            Command::Exception(fed) => {
                name_of(fed).is_some_and(|name| self.touched_exceptions.contains(&name))
            }
            _ => false,
        };
        if undoes {
            self.evaluate(Moment::now());
        }
    }

    fn is_touched(&self, kind: KindId, namespace: &Symbol, name: &Symbol) -> bool {
        !self.touched.is_empty() && self.touched.contains(&(kind, namespace.clone(), name.clone()))
    }

    fn take(&mut self, command: Command, now: Moment) {
        match command {
            Command::Source(event) => self.take_source(event, now),
            Command::Recorded { control, until } => self.engine.recorded(&control, until),
            Command::Control(ObjectEvent::Failing(error)) => {
                self.listening.trouble(Input::Controls, error);
            }
            Command::Control(fed) => {
                self.hear(Input::Controls, now);
                self.take_control(fed);
            }
            Command::Exception(ObjectEvent::Failing(error)) => {
                self.listening.trouble(Input::Exceptions, error);
            }
            Command::Exception(fed) => {
                self.hear(Input::Exceptions, now);
                self.take_exception(fed);
            }
            Command::Adopt(control) => self.adoption.adopt_one(&mut self.engine, &control),
            Command::Snapshot(request) => self.asked.push(request),
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
                self.listening.alive(kind, received)
            }
            KindChange::Failing(error) => {
                self.listening.trouble(Input::Kind(kind), error.clone());
            }
            KindChange::ListComplete(_)
            | KindChange::Applied(_)
            | KindChange::Deleted { .. }
            | KindChange::Unavailable(_)
            | KindChange::Confirmed => {
                self.listening.heard(&mut self.engine, Input::Kind(kind), received, now);
            }
        }
    }

    fn take_change(&mut self, kind: KindId, received: Instant, change: KindChange, now: Timestamp) {
        match change {
            KindChange::ListStarted => self.engine.begin(kind),
            KindChange::ListItem(object) => self.engine.stage(kind, object),
            KindChange::ListComplete(programs) => self.engine.commit(kind, programs, now),
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

    fn take_control(&mut self, fed: ObjectEvent<Result<Arc<Control>, InvalidObject>>) {
        self.replan |= !matches!(fed, ObjectEvent::Confirmed | ObjectEvent::Failing(_));
        match fed {
            ObjectEvent::Applied(Ok(control)) => {
                let name = control.name_any();
                let uid = control.metadata.uid.clone();
                // Deleted and created anew: what was found of the old one is none of its.
                if self.uids.get(&name).is_some_and(|known| *known != uid) {
                    self.forget_control(&name);
                }
                self.uids.insert(name.clone(), uid);
                let generation = control.metadata.generation.unwrap_or_default();
                let remembered = self.adoption.see(&name, &control);
                let spec = Arc::new(control.spec.clone());
                self.engine.upsert_control(&name, generation, spec, remembered);
            }
            // Its last spec is not what is written now, so it must not be judged any more.
            ObjectEvent::Applied(Err(invalid)) => {
                self.forget_control(&invalid.metadata.name.unwrap_or_default());
            }
            ObjectEvent::Deleted(name) => self.forget_control(&name),
            ObjectEvent::Confirmed | ObjectEvent::Failing(_) => {}
            ObjectEvent::Listed(names) => {
                self.loaded.controls = true;
                let gone: Vec<String> = self
                    .engine
                    .controls()
                    .map(|(name, _)| name.to_owned())
                    .filter(|name| !names.contains(name))
                    .collect();
                for name in &gone {
                    self.forget_control(name);
                }
            }
        }
    }

    fn forget_control(&mut self, name: &str) {
        self.engine.remove_control(name);
        self.uids.remove(name);
        self.adoption.forget(name);
        self.outlets.board.forget_control(name);
        self.metrics.forget_control(name);
    }

    fn take_exception(&mut self, fed: ObjectEvent<Result<Arc<ControlException>, InvalidObject>>) {
        self.exceptions_changed |= !matches!(fed, ObjectEvent::Confirmed | ObjectEvent::Failing(_));
        self.touched_exceptions.extend(name_of(&fed));
        match fed {
            ObjectEvent::Applied(Ok(exception)) => {
                let created = exception.metadata.creation_timestamp.as_ref().map(|time| time.0);
                self.metrics.observe_exception(&exception.name_any(), exception.spec.expires.0);
                self.engine.upsert_exception(&exception.name_any(), &exception.spec, created);
            }
            ObjectEvent::Applied(Err(invalid)) => {
                self.forget_exception(&invalid.metadata.name.unwrap_or_default());
            }
            ObjectEvent::Deleted(name) => self.forget_exception(&name),
            ObjectEvent::Confirmed | ObjectEvent::Failing(_) => {}
            ObjectEvent::Listed(names) => {
                self.loaded.exceptions = true;
                let gone: BTreeSet<String> = self
                    .engine
                    .exception_names()
                    .map(str::to_owned)
                    .filter(|name| !names.contains(name))
                    .collect();
                for name in &gone {
                    self.forget_exception(name);
                }
            }
        }
    }

    fn forget_exception(&mut self, name: &str) {
        self.engine.remove_exception(name);
        self.metrics.forget_exception(name);
    }

    /// Starts and ends watches so that they are what the controls read.
    fn plan(&mut self, now: Moment) {
        let WatchSet { kinds, api_server } = self.engine.watch_set();
        self.outlets
            .api_server_wanted
            .send_if_modified(|wanted| std::mem::replace(wanted, api_server) != api_server);
        self.listening.expect_api_server(api_server, now.instant);
        if !api_server {
            // Nothing is concluded before it was read, nor from what was read some time ago.
            self.engine.observe_api_server(ApiServer::Pending, now.time);
        }
        let unwanted: Vec<ResourceType> =
            self.planned.keys().filter(|resource| !kinds.contains_key(resource)).cloned().collect();
        for resource in unwanted {
            if let Some(planned) = self.planned.remove(&resource) {
                self.watches.stop(planned.kind);
                self.epochs.remove(&planned.kind);
                self.listening.forget(planned.kind);
                self.engine.release(planned.kind, now.time);
            }
        }
        for (resource, programs) in kinds {
            let ids: Vec<ProgramId> = programs.iter().map(|(id, _)| *id).collect();
            let known = self.planned.get(&resource);
            // A watch that runs more programs than needed is right, and cheaper than a new list.
            if known.is_some_and(|known| ids.iter().all(|id| known.programs.contains(id))) {
                continue;
            }
            let kind = self.engine.kind(&resource);
            self.next_epoch += 1;
            self.epochs.insert(kind, self.next_epoch);
            self.listening.expect(kind, now.instant);
            self.planned.insert(resource.clone(), Planned { kind, programs: ids });
            self.watches.start(WatchPlan {
                kind,
                watch: self.next_epoch,
                projector: Projector::new(resource, programs, Arc::clone(&self.interner)),
            });
        }
    }

    fn evaluate(&mut self, moment: Moment) {
        let now = moment.time;
        let waiting = self.loaded.waiting();
        // Who waits for too long says that nothing is known, rather than nothing.
        if !waiting.is_empty() && !self.listening.is_blind() {
            self.outlets.board.note_waiting(waiting.to_owned());
            return;
        }
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
        self.outlets.board.note_waiting(self.listening.silence(&self.engine));
        // Before the verdicts: a status says until when its verdict holds.
        self.note_as_of(moment, !evaluated.controls.is_empty());
        for name in &evaluated.controls {
            let Some(verdict) = self.engine.shared_verdict(name) else { continue };
            self.outlets.board.post_control(
                name,
                Posted {
                    verdict: Arc::clone(verdict),
                    uid: self.uids.get(name).cloned().flatten(),
                    passed: self.engine.last_lapsed(name),
                    received,
                },
            );
            // Nobody listens any more only while shutting down.
            let _ = self.outlets.controls.send(ObjectRef::new(name));
        }
        if std::mem::take(&mut self.exceptions_changed) || evaluated.exceptions {
            self.post_exceptions(now);
        }
        self.metrics.evaluation_pass(started.elapsed());
        let mut unreadable = self.engine.unreadable();
        unreadable.stale += self.listening.silent_sources();
        self.metrics.unreadable(unreadable);
        self.outlets.evaluated.send_if_modified(|done| !std::mem::replace(done, true));
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
        self.outlets.board.note_as_of(known);
    }

    fn post_exceptions(&self, now: Timestamp) {
        let standings = self
            .engine
            .exception_names()
            .filter_map(|name| Some((name.to_owned(), self.engine.exception(name, now)?)))
            .collect();
        for name in self.outlets.board.post_exceptions(standings) {
            let _ = self.outlets.exceptions.send(ObjectRef::new(&name));
        }
    }
}

/// Sleeps until time changes something, or an input has been silent for too long; at most for a
/// while, since the wall clock may jump.
async fn sleep_until(wake: Option<Timestamp>, silent: Option<Instant>) {
    const LONGEST: Duration = Duration::from_secs(20);
    // A judgement that is never valid must not keep a core busy.
    const SHORTEST: Duration = Duration::from_millis(20);
    let wake = wake.map_or(LONGEST, |at| {
        Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
    });
    let silent = silent.map_or(LONGEST, |at| at.saturating_duration_since(Instant::now()));
    tokio::time::sleep(wake.min(silent).clamp(SHORTEST, LONGEST)).await;
}
