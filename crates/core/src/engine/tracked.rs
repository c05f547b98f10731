//! One control in the engine: its check, what it must know, what it remembers, its verdict.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    attestation_state::AttestationState,
    describe::FindingDescriber,
    exceptions::Exceptions,
    judging::{changed_namespace, judge_in_scope},
    lapsed::{FindingChanges, LapseCounter, LapsedVerdicts},
    memory::{ControlMemory, FindingHash, FindingState, RememberedFinding},
    names, population,
    readiness::{self, Readiness},
    recollection::{Recollection, Remembered},
    verdict::{ObservedFinding, Reason, SHOWN_FINDINGS, Verdict},
};
use crate::checks::scope::ScopeFilter;
use crate::{
    api::{ControlSpec, ResourceRef, State, time::whole_seconds},
    checks::{self, BuildError, Check, CheckContext, Dependency, Item},
    inventory::{Catalog, Change, Inventory, ProgramId},
};

/// What a control needs to be evaluated, compiled; or why it can't be.
#[derive(Debug)]
enum Test {
    Ready { check: Box<dyn Check>, scope: ScopeFilter, reads: Vec<Dependency> },
    Broken { reason: Reason, message: String },
}

/// A control in the engine.
#[derive(Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says what the next evaluation has to do, and any may go with any"
)]
pub struct TrackedControl {
    name: String,
    generation: i64,
    spec: Arc<ControlSpec>,
    test: Test,
    program: Option<(ProgramId, Arc<comptroller_cel::Program>)>,
    memory: ControlMemory,
    first_found: FxHashMap<FindingHash, Timestamp>,
    recalled: Option<Arc<dyn Recollection>>,
    entered: Option<(State, Timestamp)>,
    taken_over: bool,
    dirty: FxHashSet<Item>,
    everything: bool,
    pending: bool,
    reclassify: bool,
    renamed: bool,
    verdict: Option<Arc<Verdict>>,
    lapsed: LapsedVerdicts,
    attestation: AttestationState,
}

impl TrackedControl {
    /// Compiles a control.
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
            recalled: remembered.findings,
            entered: remembered.state,
            taken_over: false,
            dirty: FxHashSet::default(),
            everything: true,
            pending: false,
            reclassify: false,
            renamed: false,
            verdict: None,
            lapsed: LapsedVerdicts::default(),
        }
    }

    /// Takes in a newer spec. What was found stays known, so that `since` holds across an edit.
    pub fn update(&mut self, generation: i64, spec: Arc<ControlSpec>) {
        if self.generation == generation && *self.spec == *spec {
            return;
        }
        (self.test, self.program) = compile(&spec);
        self.generation = generation;
        self.spec = spec;
        self.everything = true;
    }

    /// Takes over since when the state and the findings are known, where they are still so.
    pub fn take_over(&mut self, remembered: Remembered) {
        let Remembered { state, findings, created, occurrences } = remembered;
        // What was judged by other occurrences says nothing of since when.
        let rewritten = self.attestation.take_over(created, occurrences);
        self.everything |= rewritten;
        if rewritten {
            // It never was so: a status may say of occurrences what anybody wrote into it.
            self.lapsed.forget_all();
        }
        // What turned since the last entry is not in the log yet.
        if let Some((known, since)) = state
            && !self.lapsed.is_ahead()
            && (rewritten || self.entered.is_none_or(|(present, _)| present == known))
        {
            self.entered = Some((known, since));
        }
        self.recalled = findings;
        self.reclassify = true;
        self.taken_over = true;
    }

    /// The items that were judged.
    pub fn population(&self, inventory: &Inventory) -> Vec<ResourceRef> {
        if self.everything {
            return Vec::new();
        }
        if self.spec.test.attestation.is_some() {
            return self.attestation.names(self.memory.population());
        }
        population::names(inventory, self.memory.population())
    }

    /// The spec.
    pub fn spec(&self) -> &ControlSpec {
        &self.spec
    }

    /// The verdict, once there is one for this generation.
    pub fn verdict(&self) -> Option<&Arc<Verdict>> {
        self.verdict.as_ref().filter(|verdict| verdict.generation == self.generation)
    }

    /// What was so for a time and may be in no record.
    pub fn lapsed(&self) -> &LapsedVerdicts {
        &self.lapsed
    }

    /// The same, to be told and forgotten.
    pub fn lapsed_mut(&mut self) -> &mut LapsedVerdicts {
        &mut self.lapsed
    }

    /// What must be watched for it.
    pub fn reads(&self) -> &[Dependency] {
        match &self.test {
            Test::Ready { reads, .. } if !self.spec.suspend => reads,
            _ => &[],
        }
    }

    /// Its CEL program.
    pub fn program(&self) -> Option<&(ProgramId, Arc<comptroller_cel::Program>)> {
        self.program.as_ref()
    }

    /// Marks the items that a change can affect.
    pub fn mark(&mut self, inventory: &Inventory, change: &Change, now: Timestamp) {
        let Test::Ready { check, scope, .. } = &self.test else {
            return;
        };
        if self.everything {
            return;
        }
        let context =
            CheckContext { inventory, scope, now, occurrences: self.attestation.occurrences() };
        let dirty = &mut self.dirty;
        check.affected(&context, change, &mut |item| {
            dirty.insert(item);
        });
        if scope.selects()
            && let Some(namespace) = changed_namespace(inventory, change)
        {
            check.items(&context, &mut |item| {
                let elsewhere = matches!(item, Item::Object(slot)
                    if inventory.get(slot).is_some_and(|object| *object.namespace != *namespace));
                if !elsewhere {
                    dirty.insert(item);
                }
            });
        }
    }

    /// Whether it says who holds cluster-admin, for others to leave that to it. It does so only by a
    /// verdict that stands: not while it is suspended, wrong, blocked or undecided.
    pub fn tells_cluster_admin(&self) -> bool {
        let Test::Ready { check, .. } = &self.test else {
            return false;
        };
        let decided = self.verdict().is_some_and(|verdict| verdict.state != State::Unknown);
        check.is_cluster_admin_control() && decided && !self.everything && !self.pending
    }

    /// Whether it is about who holds cluster-admin, so that what others say depends on it.
    pub fn is_cluster_admin_control(&self) -> bool {
        matches!(&self.test, Test::Ready { check, .. } if check.is_cluster_admin_control())
    }

    /// Names the control to leave cluster-admin to; None when there is none. All that is said of it
    /// may change then.
    pub fn leave_cluster_admin(&mut self, inventory: &Inventory, to: Option<&Arc<str>>) {
        let now = Timestamp::UNIX_EPOCH;
        let Test::Ready { check, scope, .. } = &mut self.test else {
            return;
        };
        if !check.defers_cluster_admin() || scope.cluster_admin.as_ref() == to {
            return;
        }
        scope.cluster_admin = to.cloned();
        if self.everything {
            return;
        }
        let context =
            CheckContext { inventory, scope, now, occurrences: self.attestation.occurrences() };
        let dirty = &mut self.dirty;
        check.items(&context, &mut |item| {
            dirty.insert(item);
        });
        self.renamed = true;
    }

    /// Exceptions changed: what is open may count differently.
    pub fn reclassify(&mut self) {
        self.reclassify = true;
    }

    /// When time alone will change its verdict. A blocked control waits for something else: what it
    /// remembers may have been due long ago.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let deadline = self.memory.next_deadline();
        let deadline = deadline.into_iter().chain(self.attestation.next_change()).min();
        deadline.filter(|_| !self.everything && !self.pending)
    }

    /// Judges what changed. True when the verdict changed.
    pub fn evaluate(
        &mut self,
        inventory: &Inventory,
        catalog: &Catalog,
        exceptions: &Exceptions,
        now: Timestamp,
        keeping: &mut LapseCounter,
    ) -> bool {
        if self.spec.suspend {
            return self.suspended(now, keeping);
        }
        let unresolved_names = names::unknown_in_test(&self.spec.test, catalog, inventory.source);
        if let Some(message) = unresolved_names.filter(|_| matches!(self.test, Test::Ready { .. }))
        {
            return self.block(Reason::InvalidSpec, message, now, keeping);
        }
        match &self.test {
            Test::Broken { reason, message } => {
                let (reason, message) = (*reason, message.clone());
                return self.block(reason, message, now, keeping);
            }
            Test::Ready { reads, .. } => match readiness::assess(reads, inventory, catalog) {
                Readiness::Ready => self.pending = false,
                Readiness::Pending => {
                    self.pending = true;
                    return false;
                }
                Readiness::Blocked(reason, message) => {
                    return self.block(reason, message, now, keeping);
                }
            },
        }
        let mut kept = keeping.on.then(FindingChanges::default);
        let mut changed = self.judge(inventory, exceptions, now, kept.as_mut());
        changed |= std::mem::take(&mut self.taken_over) | std::mem::take(&mut self.renamed);
        if !changed && self.verdict().is_some() {
            return false;
        }
        let verdict = self.conclude(inventory, exceptions, now);
        self.publish(verdict, kept.unwrap_or_default(), now, keeping)
    }

    /// Whatever it said is withdrawn: what every control depends on is not known.
    pub fn withhold(&mut self, why: &str, now: Timestamp, keeping: &mut LapseCounter) -> bool {
        if self.spec.suspend {
            return self.suspended(now, keeping);
        }
        self.block(Reason::WatchStale, why.to_owned(), now, keeping)
    }

    fn suspended(&mut self, now: Timestamp, keeping: &mut LapseCounter) -> bool {
        let message =
            "the control is suspended: set spec.suspend to false to evaluate it".to_owned();
        self.block(Reason::Suspended, message, now, keeping)
    }

    fn block(
        &mut self,
        reason: Reason,
        message: String,
        now: Timestamp,
        keeping: &mut LapseCounter,
    ) -> bool {
        self.everything = true;
        let since = self.enter(State::Unknown, whole_seconds(now).0);
        let occurrences = self.attestation.occurrences().to_vec();
        let blocked = Verdict::blocked(self.generation, reason, message, since);
        self.publish(Verdict { occurrences, ..blocked }, FindingChanges::default(), now, keeping)
    }

    /// Judges the marked and due items, or all of them.
    fn judge(
        &mut self,
        inventory: &Inventory,
        exceptions: &Exceptions,
        now: Timestamp,
        mut kept: Option<&mut FindingChanges>,
    ) -> bool {
        let Test::Ready { check, scope, .. } = &self.test else {
            return false;
        };
        let mut items = std::mem::take(&mut self.dirty);
        let due = self.everything || self.reclassify || !items.is_empty();
        let advanced = self.attestation.advance(&self.spec, inventory, exceptions, now, due);
        items.extend(&advanced);
        let context =
            CheckContext { inventory, scope, now, occurrences: self.attestation.occurrences() };
        let mut before = FxHashMap::default();
        if self.everything {
            if kept.is_some() {
                before = self.memory.records().map(|(_, record)| (record.key, *record)).collect();
            }
            self.first_found.extend(self.memory.first_found());
            self.memory = ControlMemory::default();
            items.clear();
            check.items(&context, &mut |item| {
                items.insert(item);
            });
        }
        items.extend(self.memory.due(now));
        if std::mem::take(&mut self.reclassify) {
            items.extend(self.memory.open_items());
        }
        let mut changed = std::mem::take(&mut self.everything) || !advanced.is_empty();
        // The cluster is judged by what the other items count.
        let whole = |item: &Item| matches!(item, Item::Cluster(_));
        let parts = items.iter().filter(|item| !whole(item));
        for item in parts.chain(items.iter().filter(|item| whole(item))).copied() {
            let limit_counts = self.memory.limit_counts();
            let judgement = judge_in_scope(check.as_ref(), &context, item, limit_counts);
            let record = |finding: &checks::Finding, failing, known: Option<&RememberedFinding>| {
                let key = FindingHash::of_finding(finding);
                RememberedFinding {
                    key,
                    since: (self.recalled.as_ref())
                        .filter(|_| !self.lapsed.knows(key))
                        .and_then(|recalled| recalled.since(finding))
                        .or_else(|| known.map(|record| record.since))
                        .or_else(|| self.first_found.get(&key).copied())
                        // A status and the log keep whole seconds, and what was found in one of them
                        // must have the same order after a restart.
                        .unwrap_or(whole_seconds(now).0),
                    severity: finding.severity.unwrap_or(self.spec.severity),
                    standing: if failing {
                        exceptions
                            .allowing(&self.name, &finding.resource, now)
                            .map_or(FindingState::Failing, FindingState::Excepted)
                    } else {
                        FindingState::Unknown
                    },
                }
            };
            let differ = |old: &[RememberedFinding],
                          new: &[RememberedFinding],
                          judgement: Option<&checks::Judgement>| {
                if let Some(kept) = &mut kept {
                    kept.compare(old, new, judgement, &before, |place| exceptions.name(place));
                }
            };
            changed |= self.memory.remember(item, judgement.as_ref(), record, differ);
        }
        if let Some(kept) = kept {
            kept.complete(&before, self.memory.records().map(|(_, record)| record));
        }
        self.first_found = FxHashMap::default();
        // What goes and comes back later is new.
        self.recalled = None;
        changed
    }

    /// Turns memory into a verdict.
    fn conclude(
        &mut self,
        inventory: &Inventory,
        exceptions: &Exceptions,
        now: Timestamp,
    ) -> Verdict {
        let counts = self.memory.counts();
        let (state, reason) = if counts.failing > 0 {
            (State::Failing, Reason::FindingsOpen)
        } else if counts.unknown > 0 {
            (State::Unknown, Reason::ItemsUnknown)
        } else if counts.excepted > 0 {
            (State::Excepted, Reason::FindingsExcepted)
        } else if counts.population == 0 {
            (State::NotApplicable, Reason::NoPopulation)
        } else {
            (State::Passing, Reason::NoFindings)
        };
        let worst = |which: fn(FindingState) -> bool| {
            self.describer(inventory, exceptions, now)
                .map_or_else(Vec::new, |describer| describer.worst(SHOWN_FINDINGS, which))
        };
        let findings = worst(|standing| standing == FindingState::Failing);
        let unknown_items = worst(|standing| standing == FindingState::Unknown);
        Verdict {
            generation: self.generation,
            state,
            reason,
            message: self.referring(super::verdict::summary(state, &counts, unknown_items.first())),
            since: self.enter(state, whole_seconds(now).0),
            population: counts.population,
            failing: counts.failing,
            excepted: counts.excepted,
            unknown: counts.unknown,
            open_findings: counts.findings,
            findings,
            unknown_items,
            digest: RememberedFinding::digest(
                self.memory.records().map(|(_, record)| record),
                |place| exceptions.name(place),
            ),
            occurrences: self.attestation.occurrences().to_vec(),
            records: self.attestation.records(inventory),
        }
    }

    /// What is left to the control that says who holds cluster-admin, said beside what is not.
    fn referring(&self, summary: String) -> String {
        let Test::Ready { scope, .. } = &self.test else {
            return summary;
        };
        match (&scope.cluster_admin, self.memory.deferred()) {
            (None, _) | (_, 0) => summary,
            (Some(control), 1) => {
                format!("{summary}; 1 subject holds cluster-admin: see {control}")
            }
            (Some(control), deferred) => {
                format!("{summary}; {deferred} subjects hold cluster-admin: see {control}")
            }
        }
    }

    fn enter(&mut self, state: State, since: Timestamp) -> Timestamp {
        match self.entered {
            Some((known, since)) if known == state => since,
            _ => {
                self.entered = Some((state, since));
                since
            }
        }
    }

    fn publish(
        &mut self,
        verdict: Verdict,
        changes: FindingChanges,
        now: Timestamp,
        keeping: &mut LapseCounter,
    ) -> bool {
        if self.verdict.as_deref() == Some(&verdict) {
            return false;
        }
        let verdict = Arc::new(verdict);
        self.lapsed.note(changes, &verdict, now, keeping);
        self.verdict = Some(verdict);
        true
    }

    /// The worst that is wrong, excepted or not, at most `most`.
    pub fn worst(
        &self,
        inventory: &Inventory,
        exceptions: &Exceptions,
        now: Timestamp,
        most: usize,
    ) -> Vec<ObservedFinding> {
        self.describer(inventory, exceptions, now).map_or_else(Vec::new, |describer| {
            describer.worst(most, |standing| standing != FindingState::Unknown)
        })
    }

    /// Every finding of a control, by severity, then since, then name: for reports.
    pub fn findings(
        &self,
        inventory: &Inventory,
        exceptions: &Exceptions,
        now: Timestamp,
        which: impl Fn(FindingState) -> bool,
    ) -> Vec<ObservedFinding> {
        self.describer(inventory, exceptions, now)
            .map_or_else(Vec::new, |describer| describer.all(which))
    }

    /// None while a control is blocked: what it remembers then keeps its `since`, and claims nothing.
    fn describer<'a>(
        &'a self,
        inventory: &'a Inventory,
        exceptions: &'a Exceptions,
        now: Timestamp,
    ) -> Option<FindingDescriber<'a>> {
        let Test::Ready { check, scope, .. } = &self.test else {
            return None;
        };
        let context =
            CheckContext { inventory, scope, now, occurrences: self.attestation.occurrences() };
        (!self.everything).then_some(FindingDescriber {
            check: check.as_ref(),
            context,
            memory: &self.memory,
            exceptions,
        })
    }

    /// Adds how many findings each exception allows here.
    pub fn count_excepted(&self, exceptions: &Exceptions, matched: &mut BTreeMap<u16, usize>) {
        if self.everything {
            return;
        }
        for (_, record) in self.memory.records() {
            if let FindingState::Excepted(place) = record.standing {
                *matched.entry(place).or_default() += 1;
            }
        }
        for place in self.attestation.waivers().filter_map(|name| exceptions.place(name)) {
            *matched.entry(place).or_default() += 1;
        }
    }
}

type Compiled = (Test, Option<(ProgramId, Arc<comptroller_cel::Program>)>);

fn compile(spec: &ControlSpec) -> Compiled {
    let broken = |reason, message| (Test::Broken { reason, message }, None);
    if let Err(invalid) = spec.validate() {
        return broken(Reason::InvalidSpec, invalid.to_string());
    }
    let scope = match ScopeFilter::compile(spec.scope.as_ref()) {
        Ok(scope) => scope,
        Err(error) => {
            return broken(Reason::InvalidSpec, format!("spec.scope.namespaces: {error}"));
        }
    };
    match checks::build(&spec.test) {
        Ok(built) => {
            let mut reads = built.check.reads();
            if scope.selects() {
                reads.push(Dependency::required("", "Namespace"));
            }
            (Test::Ready { check: built.check, scope, reads }, built.program)
        }
        Err(BuildError::Invalid(message)) => broken(Reason::InvalidSpec, message),
        Err(BuildError::Unsupported(message)) => broken(Reason::UnsupportedExpression, message),
    }
}
