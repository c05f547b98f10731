//! From facts and controls to verdicts: which items a change marks, what was found before, exceptions,
//! and when time alone will next change something. Pure: no client, clock or randomness.
//!
//! The operator feeds changes as they come and evaluates after each batch; `scan` fills the same
//! engine from files and evaluates once. A verdict depends on the inventory, the specs and the
//! time alone, not on the order in which they came: a property test feeds changes in random order and
//! compares with a fresh engine.

mod attestation_state;
mod collected;
mod describe;
mod edits;
pub mod exceptions;
mod explained;
pub(crate) mod judging;
pub mod lapsed;
pub mod memory;
mod movements;
mod named_types;
mod names;
mod namespaces;
mod objects;
mod obligations;
mod population;
mod readiness;
mod recollection;
mod results;
mod tracked;
pub(crate) mod verdict;
mod watch_set;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

pub use self::{
    attestation_state::PeopleOfLog,
    collected::{CollectedInventory, CollectedKind},
    explained::ItemFindings,
    judging::judge_in_scope,
    movements::{Ending, MAX_MOVEMENTS, Movement},
    namespaces::ObservedNamespace,
    obligations::{EventRule, EventRules},
    population::{FactsDigest, JudgedItem},
    readiness::UnreadableKinds,
    recollection::{Recollection, Remembered},
    verdict::{ObservedFinding, RECORDED_FINDINGS, Reason, Verdict},
    watch_set::WatchSet,
};
use self::{
    exceptions::Exceptions, lapsed::LapseCounter, movements::RecentChanges, tracked::TrackedControl,
};
use crate::{
    api::{ControlExceptionSpec, ControlSpec},
    inventory::{Catalog, Inventory, ObjectSource},
    registers::RegisterTracker,
};

/// What an evaluation changed, for whoever publishes verdicts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvaluationChanges {
    /// The names of the controls with a new verdict, sorted.
    pub controls: Vec<String>,
    /// Whether the state of some exception may be another: what it matches, or that it expired.
    pub exceptions: bool,
}

/// All controls, all facts, and what follows from them.
#[derive(Debug, Default)]
pub struct Engine {
    inventory: Inventory,
    catalog: Catalog,
    controls: BTreeMap<String, TrackedControl>,
    exceptions: Exceptions,
    /// When it was last evaluated. None before the first time.
    evaluated: Option<Timestamp>,
    /// Whether exceptions, controls or kinds came or went, so that what each exception allows must be
    /// counted again.
    recount: bool,
    lapse_counter: LapseCounter,
    /// What happened to objects since it was evaluated; empty where nothing is recorded.
    recent: RecentChanges,
    /// Counts the changes of namespaces.
    namespaces_version: u64,
    /// Why no verdict stands at present. None normally.
    withheld: Option<String>,
    /// Whether roles and bindings are read though no control asks for them.
    reads_rights: bool,
    /// How the log names people. None while no log is open.
    people: Option<Arc<dyn PeopleOfLog>>,
    /// Whether a log is kept.
    keeps_log: bool,
    registers: RegisterTracker,
}

impl Engine {
    /// The facts of the cluster, or of the manifests.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The kinds that the cluster serves.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// What is followed of the registers, with the facts that they are derived from.
    pub fn registers(&mut self) -> (&mut RegisterTracker, &Inventory) {
        (&mut self.registers, &self.inventory)
    }

    /// An engine for manifests. They bind `cluster-admin` or `edit` without bringing them along, so the
    /// default roles of every cluster are assumed to exist.
    pub fn for_manifests() -> Self {
        let mut engine = Self::default();
        engine.inventory.source = ObjectSource::Manifests;
        engine.inventory.rights.assume_default_roles();
        engine
    }

    /// Takes in a control that appeared or changed. `remembered` counts only for one that is new to the
    /// engine: of the others more is known here.
    pub fn upsert_control(
        &mut self,
        name: &str,
        generation: i64,
        spec: Arc<ControlSpec>,
        remembered: Remembered,
    ) {
        if let Some(tracked) = self.controls.get_mut(name) {
            tracked.update(generation, spec);
        } else {
            let mut tracked = TrackedControl::new(name, generation, spec, remembered);
            if self.keeps_log {
                tracked.keep_log();
            }
            if let Some(people) = &self.people {
                tracked.set_people(people);
            }
            self.controls.insert(name.to_owned(), tracked);
        }
    }

    /// Takes over from another since when a control has its state and its findings: from its status,
    /// which the leader before wrote, or from the evidence log. Only what is still so takes its time.
    pub fn take_over(&mut self, name: &str, remembered: Remembered) {
        if let Some(tracked) = self.controls.get_mut(name) {
            tracked.take_over(remembered);
        }
    }

    /// Removes a control that was deleted. Nothing for one that is not known.
    pub fn remove_control(&mut self, name: &str) {
        self.controls.remove(name);
        // Exceptions that name it may be unused now.
        self.recount = true;
    }

    /// Takes in an exception that appeared or changed. `created` is None for one from a file.
    pub fn upsert_exception(
        &mut self,
        name: &str,
        spec: &ControlExceptionSpec,
        created: Option<Timestamp>,
    ) {
        // Before and after: the controls that it named, and those that it names now.
        self.reclassify_for(name);
        self.exceptions.upsert(name, spec, created);
        self.recount = true;
        self.reclassify_for(name);
    }

    /// Removes an exception that was deleted. Nothing for one that is not known.
    pub fn remove_exception(&mut self, name: &str) {
        self.reclassify_for(name);
        self.exceptions.remove(name);
        self.recount = true;
    }

    fn reclassify_for(&mut self, exception: &str) {
        for control in self.exceptions.controls_of(exception) {
            if let Some(tracked) = self.controls.get_mut(control) {
                tracked.reclassify();
            }
        }
    }

    /// Withdraws every verdict for this reason, until it is called with None: something that all of them
    /// depend on, such as the specs of the controls themselves, is not known any more.
    pub fn withhold_all(&mut self, why: Option<String>) {
        self.withheld = why;
    }

    /// Judges what changed, by objects, specs, exceptions or time.
    pub fn evaluate(&mut self, now: Timestamp) -> EvaluationChanges {
        self.evaluate_observed(now, |_| {})
    }

    /// Like [`Engine::evaluate`]; `judged` is called after each control whose verdict changed, so that a
    /// caller with a clock can measure how long each took.
    pub fn evaluate_observed(
        &mut self,
        now: Timestamp,
        mut judged: impl FnMut(&ControlSpec),
    ) -> EvaluationChanges {
        let before = self.evaluated.replace(now).unwrap_or(Timestamp::MIN);
        let expired: BTreeSet<String> =
            self.exceptions.expired_between(before, now).map(str::to_owned).collect();
        let mut evaluated =
            EvaluationChanges { exceptions: !expired.is_empty(), ..EvaluationChanges::default() };
        let recent = std::mem::take(&mut self.recent);
        let mut cluster_admin: Option<Arc<str>> = None;
        // Controls about cluster-admin come first: the others leave cluster-admin to one of them only
        // if it has a verdict.
        for first in [true, false] {
            for (name, tracked) in &mut self.controls {
                // Each control belongs to one of the two rounds.
                if tracked.is_cluster_admin_control() != first {
                    continue;
                }
                if expired.contains(name) {
                    tracked.reclassify();
                }
                tracked.refer_cluster_admin_to(&self.inventory, cluster_admin.as_ref());
                let lapse_counter = &mut self.lapse_counter;
                let changed = match &self.withheld {
                    Some(why) => tracked.withhold(why, now, lapse_counter),
                    None => tracked.evaluate(
                        &self.inventory,
                        &self.catalog,
                        &self.exceptions,
                        &recent,
                        now,
                        lapse_counter,
                    ),
                };
                if changed {
                    judged(tracked.spec());
                    evaluated.controls.push(name.clone());
                }
            }
            if first {
                let mut telling =
                    self.controls.iter().filter(|(_, tracked)| tracked.reports_cluster_admin());
                cluster_admin = telling.next().map(|(name, _)| name.as_str().into());
            }
        }
        evaluated.controls.sort_unstable();
        // Taken even if nothing is counted below: the next evaluation must not count again for it.
        let recount = std::mem::take(&mut self.recount);
        if !evaluated.controls.is_empty() || evaluated.exceptions || recount {
            let mut matched = BTreeMap::new();
            // Counting goes over every finding there is, so not where there is nothing to count for.
            if self.exceptions.names().next().is_some() {
                for tracked in self.controls.values() {
                    tracked.count_excepted(&self.exceptions, &mut matched);
                }
            }
            self.exceptions.set_matched(&matched);
            evaluated.exceptions = true;
        }
        evaluated
    }

    /// When time alone will next change something: an item is due, or an exception expires. None if
    /// nothing will, or before the first evaluation.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let now = self.evaluated?;
        self.controls
            .values()
            .filter_map(TrackedControl::next_deadline)
            .chain(self.exceptions.next_expiry(now))
            .min()
    }
}
