//! The record as a stage of the engine's task: what an evaluation found goes to the recorder, one
//! batch at a time, and what the log holds of it is published for reconcilers to claim.
//!
//! While a batch is under way the engine goes on, and what changes adds up to the next one: a slow
//! log makes batches larger, never a queue of them.

mod batch;
mod inventory;
mod registers;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};

use jiff::{SignedDuration, Timestamp};
use kube::{core::DeserializeGuard, runtime::reflector::ObjectRef};
use tokio::sync::mpsc;

use self::registers::{RegisterRecords, SentRegister};
use super::{
    governed_objects::GovernedObjects,
    listening::Moment,
    reports::{FindingLists, FindingsBoard},
    takeover::Takeover,
    verdict_board::{PublishedException, PublishedVerdict, VerdictBoard},
    writer::WINDOW,
};
use comptroller_core::{
    api::{Control, ControlException, Duration as Period},
    engine::{Engine, Remembered, Verdict, exceptions::ExceptionState},
    inventory::ResourceType,
};
use comptroller_evidence::{data::GapData, fold::LogState, privacy::KnownPeople};
use comptroller_recorder::{
    AuthorGuards, BatchAnswer, Evidence, EvidenceError, ListOrigin, ObjectKey, ObjectRecord,
    PeriodClosing, Receipt, Recorded, Writing,
};

/// The kind of controls, as entries name it.
pub const CONTROL: &str = "Control";
/// The kind of exceptions, as entries name it.
pub const EXCEPTION: &str = "ControlException";
/// The kind of audit periods, as entries name it.
pub const AUDIT_PERIOD: &str = "AuditPeriod";

/// The kind of management's responses, as entries name it.
pub const RESPONSE: &str = "DeviationResponse";

/// Whom to tell that something was published. Nobody listens any more only while shutting down.
#[derive(Debug)]
pub struct ReconcileQueues {
    /// Queues the reconcile of a control.
    pub controls: mpsc::UnboundedSender<ObjectRef<DeserializeGuard<Control>>>,
    /// Queues the reconcile of an exception.
    pub exceptions: mpsc::UnboundedSender<ObjectRef<DeserializeGuard<ControlException>>>,
}

impl ReconcileQueues {
    fn control(&self, name: &str) {
        let _ = self.controls.send(ObjectRef::new(name));
    }

    fn exception(&self, name: &str) {
        let _ = self.exceptions.send(ObjectRef::new(name));
    }
}

/// How long after the end of a gap another process may still not have told of it.
const TOLD_BY_LEADER: SignedDuration = SignedDuration::from_mins(1);

/// What came of a batch.
pub type BatchResult = Result<Receipt, EvidenceError>;

/// What is to be recorded, what is under way, and what is recorded.
#[derive(Debug)]
pub struct RecordStage {
    evidence: Evidence,
    board: Arc<VerdictBoard>,
    queues: ReconcileQueues,
    takeover: Takeover,
    governed: GovernedObjects,
    /// When the policies that bind records to their authors were in force.
    authors: AuthorGuards,
    controls: BTreeMap<String, ControlRecord>,
    exceptions: BTreeMap<String, Arc<ExceptionState>>,
    /// Controls whose verdict may not be in the log, longest first, each once.
    waiting: VecDeque<String>,
    /// Times in which nothing could be judged of any control, that no entry tells of yet.
    gaps: Vec<GapData>,
    /// Audit periods that close, of which no entry tells yet.
    closings: Vec<PeriodClosing>,
    in_flight: Option<InFlight>,
    /// Batches that failed and may be in the log all the same: known once it was opened again.
    unconfirmed: Vec<Unconfirmed>,
    /// The version of the namespaces that is in the log. None when it may have another.
    namespaces: Option<u64>,
    /// The newest complete list of each kind.
    lists: BTreeMap<ResourceType, ListOrigin>,
    /// When it was last looked whether an inventory is due.
    inventory_looked: Option<Instant>,
    /// How the record of the registers stands.
    registers: RegisterRecords,
    /// Where recorded verdicts are published with their findings.
    findings: Arc<FindingsBoard>,
    /// Whether every control was published there since the log was opened.
    is_whole: bool,
    /// When the log first held everything since it was opened. None before.
    begun: Option<Instant>,
    /// The users whom bindings name. None when bindings changed since.
    users: Option<KnownPeople>,
    /// Whether the first batch since the log was opened has gathered enough.
    gathered: bool,
    /// Since when it gathers. None before everything is loaded.
    gathering_since: Option<Instant>,
    /// When time alone next obliges somebody, as of the last batch. None if it does not.
    next_obligation: Option<Timestamp>,
}

/// How the record of one control stands.
#[derive(Debug)]
struct ControlRecord {
    key: ObjectKey,
    heartbeat: Period,
    /// The verdict on a spec that can't be read, of which the engine knows nothing.
    unreadable: Option<Arc<Verdict>>,
    /// When the oldest change behind its newest verdict was received.
    received: Instant,
    /// What is published of it. None when the log may say something else.
    published: Option<Recorded<Verdict>>,
    /// The number up to which verdicts that are over are in the log.
    lapsed_until: u64,
    /// When an entry was written of it last: another waits for a window.
    written: Option<Instant>,
    /// When it is to be said that it still is so. None before its first record. On the monotonic
    /// clock: no jump of the time silences a control.
    heartbeat_due: Option<Instant>,
    /// Until when its inputs were known when they fell silent. None while they can be read.
    blind_since: Option<Timestamp>,
    /// When the list of what it judged was handed over last: one that stays the same is in no newer
    /// entry, and would be made again for each.
    population_listed: Option<Timestamp>,
    /// The version of the population that is in the log. None when it may have another.
    population_version: Option<u64>,
}

/// A batch that the recorder has.
#[derive(Debug)]
struct InFlight {
    answer: BatchAnswer,
    sent: Vec<Sent>,
    gaps: Vec<GapData>,
    /// The version of the namespaces that went with it. None when none did.
    namespaces: Option<u64>,
    /// What of registers went with it.
    registers: Vec<SentRegister>,
}

/// A verdict of a batch.
#[derive(Debug)]
struct Sent {
    control: ObjectKey,
    verdict: Arc<Verdict>,
    /// The number up to which verdicts that are over went with it.
    lapsed_until: u64,
    /// The newest entry that said how the control stands, before.
    newest: Option<u64>,
    is_heartbeat: bool,
    lists_population: bool,
    /// The version of the population that went with it. None when none did.
    population_version: Option<u64>,
    /// The findings that went with it, where reports are made of them.
    lists: Option<FindingLists>,
}

/// A verdict that may be in the log though its batch failed.
#[derive(Debug)]
struct Unconfirmed {
    control: ObjectKey,
    lapsed_until: u64,
    newest: Option<u64>,
}

impl RecordStage {
    /// Nothing is known and nothing recorded yet.
    pub fn new(
        evidence: Evidence,
        board: Arc<VerdictBoard>,
        findings: Arc<FindingsBoard>,
        queues: ReconcileQueues,
    ) -> Self {
        Self {
            findings,
            is_whole: false,
            takeover: Takeover::new(evidence.clone()),
            evidence,
            board,
            queues,
            governed: GovernedObjects::default(),
            authors: AuthorGuards::default(),
            controls: BTreeMap::new(),
            exceptions: BTreeMap::new(),
            waiting: VecDeque::new(),
            gaps: Vec::new(),
            closings: Vec::new(),
            in_flight: None,
            unconfirmed: Vec::new(),
            namespaces: None,
            lists: BTreeMap::new(),
            registers: RegisterRecords::default(),
            inventory_looked: None,
            begun: None,
            users: None,
            gathered: false,
            gathering_since: None,
            next_obligation: None,
        }
    }

    /// The objects that are governed and recorded.
    pub fn governed(&mut self) -> &mut GovernedObjects {
        &mut self.governed
    }

    /// Whether the log is open, and the engine has taken over what it says.
    pub fn is_taken_over(&self) -> bool {
        self.takeover.is_done()
    }

    /// Bindings changed: they may name others.
    pub fn forget_users(&mut self) {
        self.users = None;
    }

    /// Looks at what the log says. Nothing without a log.
    pub fn read_log(&self, look: impl FnOnce(&LogState)) {
        self.evidence.read(look);
    }

    /// Takes in when the policies that bind records to their authors were in force.
    pub fn set_authors(&mut self, authors: &AuthorGuards) {
        if self.authors != *authors {
            self.authors.clone_from(authors);
        }
    }

    /// Takes in that the list of a kind is complete.
    pub fn note_list(&mut self, resource: &ResourceType, list: ListOrigin) {
        self.lists.insert(resource.clone(), list);
    }

    /// Takes in that a period closes. The first that is said of it counts.
    pub fn close_period(&mut self, closing: PeriodClosing) {
        if !self.closings.iter().any(|known| known.period == closing.period) {
            self.closings.push(closing);
        }
    }

    /// The periods that close and that the log does not know to be closed; those that are gone close
    /// no more.
    fn unrecorded_closings(&mut self) -> Vec<PeriodClosing> {
        let (governed, evidence) = (&self.governed, &self.evidence);
        self.closings.retain(|PeriodClosing { period, .. }| {
            let is_there = governed.key(AUDIT_PERIOD, &period.name) == Some(period);
            let is_logged = evidence.read(|state| PeriodClosing::logged(state, period).is_some());
            is_there && is_logged == Some(false)
        });
        self.closings.clone()
    }

    /// Takes in a control that can be read; says what is remembered of it, for the engine.
    pub fn see_control(&mut self, key: &ObjectKey, control: &Control) -> Remembered {
        let record = self.control_record(key);
        record.heartbeat = control.spec.heartbeat();
        record.unreadable = None;
        self.takeover.see(key, control)
    }

    /// Takes in a control whose spec can't be read. What was found by an earlier spec is not so of
    /// what is written there now.
    pub fn see_unreadable_control(&mut self, key: &ObjectKey, generation: i64) {
        self.takeover.forget(&key.name);
        let record = self.control_record(key);
        if record.unreadable.as_ref().is_some_and(|known| known.generation != generation) {
            record.unreadable = None;
        }
    }

    /// Takes in the verdict on a control whose spec can't be read.
    pub fn note_unreadable(&mut self, key: &ObjectKey, verdict: Verdict) {
        // The object may be gone, or another one, since somebody looked at it.
        if self.governed.key(CONTROL, &key.name) != Some(key) {
            return;
        }
        let record = self.control_record(key);
        let known = record.unreadable.as_deref();
        if known == Some(&verdict) && record.published.is_some() {
            return;
        }
        record.received = Instant::now();
        record.unreadable = Some(Arc::new(verdict));
        let name = key.name.clone();
        self.enqueue(&name);
    }

    fn control_record(&mut self, key: &ObjectKey) -> &mut ControlRecord {
        let new = || ControlRecord {
            key: key.clone(),
            heartbeat: comptroller_core::api::control::DEFAULT_HEARTBEAT,
            unreadable: None,
            received: Instant::now(),
            published: None,
            lapsed_until: 0,
            written: None,
            heartbeat_due: None,
            blind_since: None,
            population_listed: None,
            population_version: None,
        };
        let record = self.controls.entry(key.name.clone()).or_insert_with(new);
        if record.key != *key {
            *record = new();
        }
        record
    }

    /// Forgets a control that is gone, or whose spec is no longer what was judged.
    pub fn forget_control(&mut self, name: &str) {
        if let Some(record) = self.controls.remove(name) {
            self.board.forget_control(&record.key);
            self.findings.forget(&record.key);
        }
        self.waiting.retain(|waiting| waiting != name);
        self.takeover.forget(name);
    }

    /// Forgets an exception that is gone, or whose spec can't be read.
    pub fn forget_exception(&mut self, name: &str) {
        self.exceptions.remove(name);
        self.board.forget_exception(name);
    }

    /// Takes in that a control has another verdict.
    pub fn note_verdict(&mut self, engine: &Engine, name: &str, received: Instant) {
        let Some(verdict) = engine.shared_verdict(name) else { return };
        let Some(record) = self.controls.get_mut(name) else { return };
        record.received = received;
        self.board.note_open_counts(&record.key, verdict);
        if !self.restate(engine, name) {
            self.enqueue(name);
        }
        if matches!(self.evidence.writing(), Writing::Failing { .. }) {
            // Nothing is recorded, and the metrics still say how much is open.
            self.queues.control(name);
        }
    }

    /// Takes in that nothing could be judged of any control for a time.
    pub fn note_gap(&mut self, gap: GapData) {
        self.gaps.push(gap);
    }

    /// Takes in whether the inputs of a control can be read, by its newest verdict, and until when
    /// they were known.
    pub fn note_blindness(&mut self, engine: &Engine, name: &str, heard: Option<Timestamp>) {
        let is_blind = engine.shared_verdict(name).is_some_and(|verdict| verdict.reason.is_blind());
        let Some(record) = self.controls.get_mut(name) else { return };
        if is_blind && record.blind_since.is_none() {
            record.blind_since = heard;
        }
    }

    /// Takes in how an exception stands whose spec can't be read.
    pub fn note_unreadable_exception(&mut self, key: &ObjectKey, state: ExceptionState) {
        if self.governed.key(EXCEPTION, &key.name) == Some(key) {
            self.note_exception(&key.name, state);
        }
    }

    /// Takes in how an exception stands. What the log holds of it already is published at once.
    pub fn note_exception(&mut self, name: &str, state: ExceptionState) {
        self.governed.set_phase(EXCEPTION, name, state.phase.as_str());
        let state = Arc::new(state);
        let known = self.exceptions.insert(name.to_owned(), Arc::clone(&state));
        if known.as_ref() != Some(&state) {
            self.publish_exception(name);
        }
    }

    fn publish_exception(&self, name: &str) {
        let Some(state) = self.exceptions.get(name) else { return };
        let Some(object) = self.governed.recorded(EXCEPTION, name) else { return };
        let Some(recorded) = object.with_state(state) else { return };
        let ObjectRecord { key, generation, .. } = object.value();
        self.board.publish_exception(key, PublishedException { recorded, generation: *generation });
        self.queues.exception(name);
    }

    fn enqueue(&mut self, name: &str) {
        if !self.waiting.iter().any(|waiting| waiting == name) {
            self.waiting.push_back(name.to_owned());
        }
    }

    fn verdict<'a>(&'a self, engine: &'a Engine, name: &str) -> Option<&'a Arc<Verdict>> {
        let record = self.controls.get(name)?;
        record.unreadable.as_ref().or_else(|| engine.shared_verdict(name))
    }

    /// Publishes the present verdict of a control without a record of its own, if the log already
    /// holds all that it keeps of it.
    fn restate(&mut self, engine: &Engine, name: &str) -> bool {
        let Some(verdict) = self.verdict(engine, name).cloned() else { return false };
        if self.governed.recorded(CONTROL, name).is_none() {
            return false;
        }
        let Some(record) = self.controls.get(name) else { return false };
        let Some(known) = &record.published else { return false };
        if engine.last_lapsed(name) > record.lapsed_until || engine.is_steered(name) {
            return false;
        }
        let Some(recorded) = self.evidence.restate(&record.key, known, &verdict) else {
            return false;
        };
        // The log may have had another time for a finding.
        let is_same = known.value().findings == verdict.findings
            && known.value().unknown_items == verdict.unknown_items;
        let lists = (!is_same).then(|| self.lists(engine, name)).flatten();
        self.publish(engine, name, recorded, lists);
        true
    }

    /// All findings of a control as of now. None where nobody makes reports of them.
    fn lists(&self, engine: &Engine, name: &str) -> Option<FindingLists> {
        let now = self.evidence.clock().now();
        self.findings
            .keeps_findings()
            .then(|| FindingLists::new(engine.wrong(name, now), engine.undecided(name, now)))
    }

    /// `lists` are the findings of the verdict; None when they are those of the verdict before, or
    /// nobody makes reports of them.
    fn publish(
        &mut self,
        engine: &Engine,
        name: &str,
        recorded: Recorded<Verdict>,
        lists: Option<FindingLists>,
    ) {
        let Some(record) = self.controls.get_mut(name) else { return };
        record.published = Some(recorded.clone());
        let spec = if record.unreadable.is_some() { None } else { engine.spec(name) };
        self.findings.publish(&record.key, spec, recorded.clone(), lists);
        let published = PublishedVerdict { recorded, received: record.received };
        self.board.publish_verdict(&record.key, published);
        self.queues.control(name);
    }

    /// The log was opened, for the first time or again: the engine takes over what it says, and all
    /// there is is compared with it. Waits for the answer of a batch that is under way.
    pub fn take_over(&mut self, engine: &mut Engine) {
        if self.in_flight.is_some() {
            return;
        }
        let Some(opening) = self.takeover.take_over(engine) else { return };
        for Unconfirmed { control, lapsed_until, newest } in std::mem::take(&mut self.unconfirmed) {
            if self.newest_entry(&control.name) != newest {
                engine.recorded(&control.name, lapsed_until);
            }
        }
        self.board.begin(opening);
        self.findings.begin(opening);
        self.is_whole = false;
        self.governed.compare_again();
        for record in self.controls.values_mut() {
            record.published = None;
            record.heartbeat_due = None;
            record.population_version = None;
        }
        self.waiting = self.controls.keys().cloned().collect();
        self.namespaces = None;
        self.registers.compare_again();
        self.begun = None;
        (self.gathered, self.gathering_since) = (false, None);
    }

    /// Lets a standby forget what the leader has recorded.
    pub fn stand_by(&mut self, engine: &mut Engine, now: Timestamp) {
        if self.evidence.writing() == Writing::Standby {
            // Who leads tells of it. Who loses the lead because of it may lead again soon.
            self.gaps.retain(|gap| now.duration_since(gap.to) < TOLD_BY_LEADER);
            self.takeover.leave_to_leader(engine, now);
        }
    }

    /// Resolves with what came of the batch that is under way; never without one.
    pub async fn answer(&mut self) -> BatchResult {
        match &mut self.in_flight {
            Some(in_flight) => (&mut in_flight.answer).await.unwrap_or_else(|_| {
                Err(EvidenceError::Unavailable("the recorder has ended".into()))
            }),
            None => std::future::pending().await,
        }
    }

    /// Takes in what came of the batch that was under way: what the log holds is published.
    pub fn settle(&mut self, engine: &mut Engine, result: BatchResult) {
        let Some(InFlight { answer: _, sent, mut gaps, namespaces, registers }) =
            self.in_flight.take()
        else {
            return;
        };
        match result {
            Ok(receipt) => {
                self.begun.get_or_insert_with(Instant::now);
                self.namespaces = namespaces.or(self.namespaces);
                self.settle_recorded(engine, sent, receipt);
            }
            Err(error) => {
                tracing::debug!(%error, "a batch is not recorded yet");
                self.registers.not_confirmed(registers);
                gaps.append(&mut self.gaps);
                self.gaps = gaps;
                for sent in sent {
                    let Sent { control, lapsed_until, newest, is_heartbeat, .. } = sent;
                    if is_heartbeat {
                        continue;
                    }
                    self.enqueue(&control.name);
                    // Who stands by has not tried.
                    if matches!(error, EvidenceError::Unavailable(_)) {
                        self.unconfirmed.push(Unconfirmed { control, lapsed_until, newest });
                    }
                }
            }
        }
    }

    fn settle_recorded(&mut self, engine: &mut Engine, sent: Vec<Sent>, receipt: Receipt) {
        for recorded in receipt.objects {
            let (kind, name) = (recorded.value().kind, recorded.value().key.name.clone());
            if self.governed.note_recorded(recorded) && kind == EXCEPTION {
                self.publish_exception(&name);
            }
        }
        for (control, opened) in receipt.opened {
            engine.open_occurrences(&control, opened);
        }
        let mut verdicts: BTreeMap<ObjectKey, Recorded<Verdict>> =
            receipt.verdicts.into_iter().collect();
        for mut sent in sent {
            let lists = sent.lists.take();
            let name = sent.control.name.as_str();
            // It may be gone, or another one of its name, by now.
            if self.controls.get(name).is_none_or(|record| record.key != sent.control) {
                continue;
            }
            if let Some(recorded) = verdicts.remove(&sent.control) {
                self.settle_verdict(engine, &sent, recorded, lists);
            } else {
                // The log lacks its object: both are recorded together.
                self.governed.not_recorded(CONTROL, name);
                self.enqueue(name);
            }
        }
    }

    fn settle_verdict(
        &mut self,
        engine: &mut Engine,
        sent: &Sent,
        recorded: Recorded<Verdict>,
        lists: Option<FindingLists>,
    ) {
        let name = sent.control.name.as_str();
        let heartbeat_due = self.heartbeat_due(name, recorded.at());
        engine.recorded(name, sent.lapsed_until);
        engine.occurrences_recorded(name, &recorded.value().occurrences);
        if *recorded.value() != *sent.verdict {
            // The log has another time for something, and it is right.
            self.takeover.take_over_one(engine, &sent.control);
        }
        let Some(record) = self.controls.get_mut(name) else { return };
        record.lapsed_until = record.lapsed_until.max(sent.lapsed_until);
        if recorded.entry().map(|entry| entry.index)
            != sent.newest.and_then(|newest| i64::try_from(newest).ok())
        {
            record.written = Some(Instant::now());
        }
        if let Some(version) = sent.population_version {
            engine.population_recorded(name, version);
            record.population_version = Some(version);
        }
        if sent.lists_population {
            record.population_listed = Some(recorded.at());
        }
        record.heartbeat_due = heartbeat_due;
        if !sent.verdict.reason.is_blind() {
            record.blind_since = None;
        }
        self.publish(engine, name, recorded, lists);
        // What changed meanwhile is often only a number that the log does not keep.
        let waits = self.waiting.iter().any(|waiting| waiting == name);
        if waits && self.restate(engine, name) {
            self.waiting.retain(|waiting| waiting != name);
        }
    }

    /// Says when every control has a verdict that the log holds: before, a report would lack what is
    /// only not recorded yet.
    fn note_whole(&mut self) {
        let is_whole = !self.is_whole
            && self.in_flight.is_none()
            && self.takeover.is_done()
            && self.controls.values().all(|record| record.published.is_some());
        if is_whole {
            self.is_whole = true;
            self.findings.complete();
        }
    }

    /// When it is to be said again how a control stands that was recorded at a time.
    fn heartbeat_due(&self, name: &str, at: Timestamp) -> Option<Instant> {
        let heartbeat = self.controls.get(name)?.heartbeat;
        let now = Moment::of(self.evidence.clock());
        // An entry may be dated later than now, if the time was set back.
        let left = heartbeat.add_to(at.min(now.time)).duration_since(now.time);
        let size = left.unsigned_abs();
        let due = if left.is_negative() {
            now.instant.checked_sub(size)
        } else {
            now.instant.checked_add(size)
        };
        Some(due.unwrap_or(now.instant))
    }

    /// When there will be something to record though nothing happens. None: the next event says so.
    pub fn next(&self, now: Moment) -> Option<Instant> {
        if self.in_flight.is_some() || !self.takeover.is_done() {
            return None;
        }
        let gathers = self.gathering_since.filter(|_| !self.gathered);
        let gathered = gathers.map(|since| since + batch::FIRST_GATHERING);
        let windows = self
            .waiting
            .iter()
            .filter_map(|name| self.controls.get(name)?.written)
            .map(|written| written + WINDOW);
        let due = self.controls.values().filter_map(|record| record.heartbeat_due);
        // One that is due already waits for a word of an input, which wakes the task.
        let heartbeat = due.filter(|due| *due > now.instant).min();
        let obligation = self.next_obligation.and_then(|at| now.instant_of(at));
        let registers = self.registers.next();
        let timers = windows.min().into_iter().chain(heartbeat).chain(obligation).chain(registers);
        gathered.into_iter().chain(timers).min()
    }

    /// The newest entry that says how a control stands. None when there is none, or no log.
    fn newest_entry(&self, control: &str) -> Option<u64> {
        self.evidence.read(|state| Some(state.verdict(control)?.last_entry)).flatten()
    }
}
