//! One control in the engine: its check, what it must know, what it found before, its verdict.

mod compile;
mod judge;
mod obligations;

use std::sync::Arc;

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};

use self::compile::{CompiledTest, compile};
use super::{
    attestation_state::{AttestationState, EventsKnown},
    edits,
    exceptions::Exceptions,
    judging::changed_namespace,
    lapsed::{FindingChanges, LapseCounter, LapsedVerdicts},
    memory::{ControlMemory, FindingHash},
    movements::{PopulationCourse, RecentChanges},
    names,
    population::{self, FactsDigest, JudgedItem},
    readiness::{self, Readiness},
    recollection::{Recollection, Remembered},
    verdict::{Reason, Verdict},
};
use crate::{
    api::{ControlSpec, State, time::whole_seconds},
    checks::{CheckContext, Dependency, Item},
    inventory::{Catalog, Change, Inventory, Program, ProgramId},
};

/// Why what events oblige to can't be judged.
const NO_LOG: &str = "what happened is read from the evidence log, and none is kept: run the operator with --evidence";

/// A control in the engine. It is judged in steps: a change marks items ([`TrackedControl::mark`]), and
/// an evaluation judges what is marked or due.
#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says what the next evaluation has to do, and any may go with any"
)]
pub struct TrackedControl {
    name: String,
    generation: i64,
    spec: Arc<ControlSpec>,
    test: CompiledTest,
    program: Option<(ProgramId, Arc<Program>)>,
    memory: ControlMemory,
    /// When each finding was first found, while everything is judged again.
    first_found: FxHashMap<FindingHash, Timestamp>,
    /// When findings were first found by what another wrote. None once it was used.
    history: Option<Arc<dyn Recollection>>,
    /// The present state, and when the control entered it. None before the first verdict.
    state_since: Option<(State, Timestamp)>,
    /// Whether times were taken over since the last evaluation, so that the verdict changes by them.
    taken_over: bool,
    /// The items that changes can affect since the last evaluation.
    marked: FxHashSet<Item>,
    /// Whether all items must be judged: the spec is new, or the control was blocked.
    judge_all: bool,
    /// Whether it waits for a first list: its verdict is from before.
    waiting: bool,
    /// Whether exceptions changed, so that items with findings must be judged again.
    reclassify: bool,
    /// Whether another control says now who holds cluster-admin.
    referral_changed: bool,
    verdict: Option<Arc<Verdict>>,
    lapsed: LapsedVerdicts,
    attestation: AttestationState,
    course: PopulationCourse,
    /// Which fields of the rule were edited since everything was judged, in one sentence.
    edited: Option<Arc<str>>,
}

impl TrackedControl {
    /// A control that is new to the engine. A spec that is invalid becomes a verdict, not an error.
    pub fn new(
        name: &str,
        generation: i64,
        spec: Arc<ControlSpec>,
        remembered: Remembered,
    ) -> Self {
        let (test, program) = compile(&spec);
        Self {
            attestation: AttestationState::new(name, remembered.created, remembered.occurrences),
            name: name.to_owned(),
            generation,
            spec,
            test,
            program,
            memory: ControlMemory::default(),
            first_found: FxHashMap::default(),
            history: remembered.findings,
            state_since: remembered.state,
            taken_over: false,
            marked: FxHashSet::default(),
            judge_all: true,
            waiting: false,
            reclassify: false,
            referral_changed: false,
            verdict: None,
            lapsed: LapsedVerdicts::default(),
            course: PopulationCourse::default(),
            edited: None,
        }
    }

    /// Takes in a newer spec. What was found stays known, so that `since` holds across an edit.
    pub fn update(&mut self, generation: i64, spec: Arc<ControlSpec>) {
        // Relists send every control again; compiling each would judge everything again.
        if self.generation == generation && *self.spec == *spec {
            return;
        }
        (self.test, self.program) = compile(&spec);
        self.edited = edits::edited(&self.spec, &spec).or_else(|| self.edited.take());
        self.generation = generation;
        self.spec = spec;
        self.judge_all = true;
    }

    /// Takes over since when the state and the findings are known, as far as they are still so.
    pub fn take_over(&mut self, remembered: Remembered) {
        let Remembered { state, findings, created, occurrences } = remembered;
        // What was judged with other occurrences says nothing about since when.
        let rewritten = self.attestation.take_over(created, occurrences);
        self.judge_all |= rewritten;
        if rewritten {
            // Those verdicts never were true: whoever may write a status can invent occurrences in it.
            self.lapsed.forget_all();
        }
        // A state that was entered after the last entry of the log is known better here.
        if let Some((known, since)) = state
            && !self.lapsed.is_ahead()
            && (rewritten || self.state_since.is_none_or(|(present, _)| present == known))
        {
            self.state_since = Some((known, since));
        }
        self.history = findings;
        self.reclassify = true;
        self.taken_over = true;
    }

    /// The items that were judged, in no order. Empty while everything has to be judged.
    pub fn population(
        &self,
        inventory: &Inventory,
        digest: &mut FactsDigest<'_>,
    ) -> Vec<JudgedItem> {
        if self.judge_all {
            return Vec::new();
        }
        if self.spec.test.attestation.is_some() {
            let occurrences = self.attestation.names(self.memory.population());
            let named = |resource| JudgedItem { resource, uid: None, facts: None };
            return occurrences.into_iter().map(named).collect();
        }
        population::judged(inventory, self.memory.population(), digest)
    }

    /// The same, with their numbers. An occurrence has no item of its own here.
    pub fn items(&self, inventory: &Inventory) -> Vec<(Item, JudgedItem)> {
        if self.judge_all || self.spec.test.attestation.is_some() {
            return Vec::new();
        }
        let items = self.memory.population();
        items.filter_map(|item| Some((item, population::named(inventory, item)?))).collect()
    }

    /// The spec, as last taken in.
    pub fn spec(&self) -> &ControlSpec {
        &self.spec
    }

    /// The verdict. None until there is one for this generation.
    pub fn verdict(&self) -> Option<&Arc<Verdict>> {
        self.verdict.as_ref().filter(|verdict| verdict.generation == self.generation)
    }

    /// The verdicts that lapsed before they were recorded.
    pub fn lapsed(&self) -> &LapsedVerdicts {
        &self.lapsed
    }

    /// The same, to hand them out and to drop them.
    pub fn lapsed_mut(&mut self) -> &mut LapsedVerdicts {
        &mut self.lapsed
    }

    /// Whether the labels of namespaces decide what it looks at.
    pub fn selects_namespaces(&self) -> bool {
        matches!(&self.test, CompiledTest::Ready { scope, .. } if scope.selects())
    }

    /// What moved in its population.
    pub fn course(&self) -> &PopulationCourse {
        &self.course
    }

    /// The same, to say what is recorded.
    pub fn course_mut(&mut self) -> &mut PopulationCourse {
        &mut self.course
    }

    /// What must be read for it. Empty while it is suspended, or if its spec is invalid.
    pub fn reads(&self) -> &[Dependency] {
        match &self.test {
            CompiledTest::Ready { reads, .. } if !self.spec.suspend => reads,
            _ => &[],
        }
    }

    /// The program of its test. None for a test without one.
    pub fn program(&self) -> Option<&(ProgramId, Arc<Program>)> {
        self.program.as_ref()
    }

    /// Marks the items that a change can affect.
    pub fn mark(&mut self, inventory: &Inventory, change: &Change, now: Timestamp) {
        // Even while it can't be judged: later nobody would know what was there.
        if let Change::Object { slot, before: Some(before) } = change
            && self.memory.judges(Item::Object(*slot))
        {
            self.course.note_change(inventory, *slot, before);
        }
        let CompiledTest::Ready { check, scope, .. } = &self.test else {
            return;
        };
        if self.judge_all {
            return;
        }
        let context =
            CheckContext { inventory, scope, now, occurrences: self.attestation.occurrences() };
        let marked = &mut self.marked;
        check.affected(&context, change, &mut |item| {
            marked.insert(item);
        });
        // A namespace that gets other labels can move all its objects into or out of the scope.
        if scope.selects()
            && let Some(namespace) = changed_namespace(inventory, change)
        {
            check.items(&context, &mut |item| {
                let elsewhere = matches!(item, Item::Object(slot)
                    if inventory.get(slot).is_some_and(|object| *object.namespace != *namespace));
                if !elsewhere {
                    marked.insert(item);
                }
            });
        }
    }

    /// Whether it reports who holds cluster-admin, so that others can leave that to it. It does so only
    /// with a verdict that stands: not while it is suspended, invalid, blocked or Unknown.
    pub fn reports_cluster_admin(&self) -> bool {
        let CompiledTest::Ready { check, .. } = &self.test else {
            return false;
        };
        let decided = self.verdict().is_some_and(|verdict| verdict.state != State::Unknown);
        check.is_cluster_admin_control() && decided && !self.judge_all && !self.waiting
    }

    /// Whether it is about who holds cluster-admin, so that the verdicts of others depend on it.
    pub fn is_cluster_admin_control(&self) -> bool {
        matches!(&self.test, CompiledTest::Ready { check, .. } if check.is_cluster_admin_control())
    }

    /// Sets the control to which this one leaves who holds cluster-admin; None if there is none. A change
    /// marks all items, since what is said about cluster-admin may appear or disappear.
    pub fn refer_cluster_admin_to(&mut self, inventory: &Inventory, to: Option<&Arc<str>>) {
        // Which items there are does not depend on the time.
        let now = Timestamp::UNIX_EPOCH;
        let CompiledTest::Ready { check, scope, .. } = &mut self.test else {
            return;
        };
        if !check.defers_cluster_admin() || scope.cluster_admin.as_ref() == to {
            return;
        }
        scope.cluster_admin = to.cloned();
        if self.judge_all {
            return;
        }
        let context =
            CheckContext { inventory, scope, now, occurrences: self.attestation.occurrences() };
        let marked = &mut self.marked;
        check.items(&context, &mut |item| {
            marked.insert(item);
        });
        self.referral_changed = true;
    }

    /// Exceptions changed, so findings may count differently.
    pub fn reclassify(&mut self) {
        self.reclassify = true;
    }

    /// When time alone will change its verdict. None if it will not, and for a blocked control, which
    /// waits for something else: what it remembers may have been due long ago, and waking for it again
    /// and again would be a busy loop.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let deadline = self.memory.next_deadline();
        let deadline = deadline.into_iter().chain(self.attestation.next_change()).min();
        deadline.filter(|_| !self.judge_all && !self.waiting)
    }

    /// Judges what is marked or due, if everything that is needed is known. True if the verdict changed.
    pub fn evaluate(
        &mut self,
        inventory: &Inventory,
        catalog: &Catalog,
        exceptions: &Exceptions,
        recent: &RecentChanges,
        now: Timestamp,
        lapse_counter: &mut LapseCounter,
    ) -> bool {
        if self.spec.suspend {
            return self.suspended(now, lapse_counter);
        }
        let unresolved_names = names::unknown_in_test(&self.spec.test, catalog, inventory.source);
        if let Some(message) =
            unresolved_names.filter(|_| matches!(self.test, CompiledTest::Ready { .. }))
        {
            return self.block(Reason::InvalidSpec, message, now, lapse_counter);
        }
        match &self.test {
            CompiledTest::Broken { reason, message } => {
                let (reason, message) = (*reason, message.clone());
                return self.block(reason, message, now, lapse_counter);
            }
            CompiledTest::Ready { reads, .. } => match readiness::assess(reads, inventory, catalog)
            {
                Readiness::Ready => self.waiting = false,
                Readiness::Pending => {
                    self.waiting = true;
                    return false;
                }
                Readiness::Blocked(reason, message) => {
                    return self.block(reason, message, now, lapse_counter);
                }
            },
        }
        match self.attestation.events_known(&self.spec) {
            EventsKnown::Known => {}
            EventsKnown::Later => {
                self.waiting = true;
                return false;
            }
            EventsKnown::Never => {
                let message = NO_LOG.to_owned();
                return self.block(Reason::ItemsUnknown, message, now, lapse_counter);
            }
        }
        let mut kept = lapse_counter.on.then(FindingChanges::default);
        let mut changed = self.judge(inventory, exceptions, recent, now, kept.as_mut());
        changed |=
            std::mem::take(&mut self.taken_over) | std::mem::take(&mut self.referral_changed);
        if !changed && self.verdict().is_some() {
            return false;
        }
        let verdict = self.conclude(inventory, exceptions, now);
        self.publish(verdict, kept.unwrap_or_default(), now, lapse_counter)
    }

    /// Withdraws its verdict, since something that every control depends on is not known. True if the
    /// verdict changed.
    pub fn withhold(
        &mut self,
        why: &str,
        now: Timestamp,
        lapse_counter: &mut LapseCounter,
    ) -> bool {
        if self.spec.suspend {
            return self.suspended(now, lapse_counter);
        }
        self.block(Reason::WatchStale, why.to_owned(), now, lapse_counter)
    }

    fn suspended(&mut self, now: Timestamp, lapse_counter: &mut LapseCounter) -> bool {
        let message =
            "the control is suspended: set spec.suspend to false to evaluate it".to_owned();
        self.block(Reason::Suspended, message, now, lapse_counter)
    }

    /// Sets a verdict that says why the control can't be judged. What it remembers stays, so that findings
    /// keep their `since` over an outage. True if the verdict changed.
    fn block(
        &mut self,
        reason: Reason,
        message: String,
        now: Timestamp,
        lapse_counter: &mut LapseCounter,
    ) -> bool {
        self.judge_all = true;
        let since = self.enter(State::Unknown, whole_seconds(now).0);
        let occurrences = self.attestation.occurrences().to_vec();
        let blocked = Verdict::blocked(self.generation, reason, message, since);
        self.publish(
            Verdict { occurrences, ..blocked },
            FindingChanges::default(),
            now,
            lapse_counter,
        )
    }

    /// When the control entered this state: now, unless it is in it already.
    fn enter(&mut self, state: State, since: Timestamp) -> Timestamp {
        match self.state_since {
            Some((known, since)) if known == state => since,
            _ => {
                self.state_since = Some((state, since));
                since
            }
        }
    }

    /// Keeps a verdict, and what it replaces for the record. False if it is the same as before.
    fn publish(
        &mut self,
        verdict: Verdict,
        changes: FindingChanges,
        now: Timestamp,
        lapse_counter: &mut LapseCounter,
    ) -> bool {
        // Equal verdicts are not published: each would be an entry of the log and a write of the status.
        if self.verdict.as_deref() == Some(&verdict) {
            self.lapsed.note_missing(changes.missing);
            return false;
        }
        let verdict = Arc::new(verdict);
        self.lapsed.note(changes, &verdict, now, lapse_counter);
        self.verdict = Some(verdict);
        true
    }
}
