//! From facts and controls to verdicts: what a change marks, memory of outcomes, scope,
//! exceptions, and when time will next change something. Pure.
//!
//! The operator feeds changes as they come and evaluates after each batch; `scan` fills the same
//! engine from files and evaluates once. A verdict depends on the inventory, the specs and the
//! time alone, not on the order in which they came.

pub mod attestation_state;
pub mod describe;
pub mod exceptions;
pub mod judging;
pub mod lapsed;
pub mod memory;
mod named_types;
pub mod names;
mod population;
pub mod readiness;
pub mod recollection;
pub mod tracked;
pub mod verdict;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use self::{
    exceptions::{ControlProgress, Exceptions},
    lapsed::{LapseCounter, LapsedVerdict},
    memory::FindingState,
    tracked::TrackedControl,
};
pub use self::{
    readiness::UnreadableKinds,
    recollection::{Recollection, Remembered},
    verdict::{ObservedFinding, RECORDED_FINDINGS, Reason, Verdict},
};
use crate::{
    api::{ControlExceptionSpec, ControlSpec, ResourceRef, State},
    checks::Dependency,
    inventory::{
        ApiServer, Availability, Catalog, Change, Inventory, KindId, ObjectSource, ProgramId,
        ProjectedObject, ResourceType, facts,
    },
};
use comptroller_cel::Program;

/// What must be read of the cluster, for all controls together.
#[derive(Clone, Debug, Default)]
pub struct WatchSet {
    /// The kinds to watch, with the CEL programs to run over their objects.
    pub kinds: BTreeMap<ResourceType, Vec<(ProgramId, Arc<Program>)>>,
    /// Whether the API server's metrics are of interest.
    pub api_server: bool,
}

/// What an evaluation changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvaluationChanges {
    /// Controls with a new verdict.
    pub controls: Vec<String>,
    /// Whether exceptions may stand differently.
    pub exceptions: bool,
}

/// The engine.
#[derive(Debug, Default)]
pub struct Engine {
    inventory: Inventory,
    catalog: Catalog,
    controls: BTreeMap<String, TrackedControl>,
    exceptions: Exceptions,
    evaluated: Option<Timestamp>,
    /// Exceptions came, changed or went: what each allows must be counted again.
    recount: bool,
    keeping: LapseCounter,
    /// Why nothing can be judged at all.
    withheld: Option<String>,
}

impl Engine {
    /// What is known of the cluster.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// What the cluster serves.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// An engine for manifests. They bind `cluster-admin` or `edit` without bringing them along, so
    /// the roles that every cluster is born with exist.
    pub fn for_manifests() -> Self {
        let mut engine = Self::default();
        engine.inventory.source = ObjectSource::Manifests;
        engine.inventory.rights.assume_default_roles();
        engine
    }

    /// Takes in what the cluster serves now. Kinds that went lose their objects.
    pub fn set_catalog(&mut self, catalog: Catalog, now: Timestamp) {
        if self.inventory.kubernetes != catalog.kubernetes {
            self.inventory.kubernetes = catalog.kubernetes;
            self.mark(&[Change::ApiServer], now);
        }
        self.recount |= self.catalog != catalog;
        self.catalog = catalog;
        let gone: Vec<KindId> = self
            .inventory
            .kinds()
            .filter(|(_, state)| {
                let resource = &state.resource;
                self.catalog.find_kind(&resource.group, &resource.kind).is_none()
                    && !self.catalog.unreachable_groups.contains(&resource.group)
                    && state.availability != Availability::NotServed
            })
            .map(|(id, _)| id)
            .collect();
        for id in gone {
            self.set_availability(id, Availability::NotServed, now);
        }
    }

    /// Takes in a control. `remembered` matters only when it is new to the engine.
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
            self.controls
                .insert(name.to_owned(), TrackedControl::new(name, generation, spec, remembered));
        }
    }

    /// Another knew better when the state and the findings of a control began: who wrote its status
    /// until now, or the evidence log. Only what still is so takes over its time.
    pub fn take_over(&mut self, name: &str, remembered: Remembered) {
        if let Some(tracked) = self.controls.get_mut(name) {
            tracked.take_over(remembered);
        }
    }

    /// Forgets a control.
    pub fn remove_control(&mut self, name: &str) {
        self.controls.remove(name);
        // Exceptions may name it.
        self.recount = true;
    }

    /// Takes in an exception; `created` is unknown for one from a file.
    pub fn upsert_exception(
        &mut self,
        name: &str,
        spec: &ControlExceptionSpec,
        created: Option<Timestamp>,
    ) {
        self.reclassify_for(name);
        self.exceptions.upsert(name, spec, created);
        self.recount = true;
        self.reclassify_for(name);
    }

    /// Forgets an exception.
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

    /// How an exception stands; None while the controls that it names are judged for the first time.
    pub fn exception(&self, name: &str, now: Timestamp) -> Option<exceptions::ExceptionState> {
        let standing = self.exceptions.standing(name, now, |control| {
            Some(match self.controls.get(control)?.verdict() {
                None => ControlProgress::Pending,
                Some(verdict) if verdict.state == State::Unknown => ControlProgress::Unknown,
                Some(_) => ControlProgress::Done,
            })
        })?;
        Some(exceptions::ExceptionState {
            unresolved_names: self.unresolved_names(name),
            ..standing
        })
    }

    /// What an exception names that does not exist, in words; empty when all of it does.
    pub fn unresolved_names(&self, exception: &str) -> Vec<String> {
        names::unknown_in_exception(
            self.exceptions.controls_of(exception),
            self.exceptions.resources_of(exception),
            &self.controls.keys().map(String::as_str),
            &self.catalog,
            self.inventory.source,
        )
    }

    /// Withdraws every verdict for this reason, until None: what all of them depend on, such as the
    /// specs of the controls themselves, is not known any more.
    pub fn withhold_all(&mut self, why: Option<String>) {
        self.withheld = why;
    }

    /// The names of all exceptions.
    pub fn exception_names(&self) -> impl Iterator<Item = &str> {
        self.exceptions.names()
    }

    /// How many of the kinds that controls need can't be read.
    pub fn unreadable(&self) -> UnreadableKinds {
        UnreadableKinds::count(&self.inventory)
    }

    /// What must be read for the controls there are. Kinds that are not served are left out until
    /// the catalog has them.
    pub fn watch_set(&self) -> WatchSet {
        let mut wanted = WatchSet::default();
        for tracked in self.controls.values() {
            for read in tracked.reads() {
                match read {
                    Dependency::Kind { group, kind, .. } => {
                        if let Some(resource) = self.readable(group, kind) {
                            wanted.kinds.entry(resource).or_default();
                        }
                    }
                    Dependency::Program { groups, versions, resources, program, .. } => {
                        let Some((_, compiled)) = tracked.program() else {
                            continue;
                        };
                        let types =
                            readiness::matching_types(&self.catalog, groups, versions, resources);
                        for matched in types.into_iter().take(readiness::MAX_KINDS) {
                            let resource = self.read_as(matched, &wanted);
                            let programs = wanted.kinds.entry(resource).or_default();
                            if !programs.iter().any(|(known, _)| known == program) {
                                programs.push((*program, Arc::clone(compiled)));
                            }
                        }
                    }
                    Dependency::ApiServer => wanted.api_server = true,
                    // Discovery tells what there is.
                    Dependency::Types { .. } => {}
                }
            }
        }
        wanted
    }

    /// The version in which a kind that a program matched is read. A kind is read in one version:
    /// that of its facts, else the one that an earlier control asks for.
    fn read_as(&self, matched: ResourceType, wanted: &WatchSet) -> ResourceType {
        let same =
            |known: &&ResourceType| known.group == matched.group && known.kind == matched.kind;
        if facts::projection(&matched.group, &matched.kind).is_some() {
            self.readable(&matched.group, &matched.kind).unwrap_or(matched)
        } else {
            wanted.kinds.keys().find(same).cloned().unwrap_or(matched)
        }
    }

    /// A kind in the version to read: the one its projection understands, else the preferred one.
    fn readable(&self, group: &str, kind: &str) -> Option<ResourceType> {
        let row = self.catalog.find_kind(group, kind)?;
        match facts::projection(group, kind) {
            None => Some(row.resource.clone()),
            Some(projection) => {
                let version = projection
                    .versions
                    .iter()
                    .find(|version| row.versions.iter().any(|served| served == *version))?;
                Some(ResourceType { version: (*version).to_owned(), ..row.resource.clone() })
            }
        }
    }

    /// The kinds that a verdict on a control is made from, as far as anybody reads them.
    pub fn kinds_of(&self, control: &str) -> BTreeSet<KindId> {
        let mut kinds = BTreeSet::new();
        let reads = self.controls.get(control).map_or(&[][..], TrackedControl::reads);
        for read in reads {
            match read {
                Dependency::Kind { group, kind, .. } => {
                    kinds.extend(self.inventory.find_kind(group, kind));
                }
                Dependency::Program { groups, versions, resources, .. } => {
                    let types =
                        readiness::matching_types(&self.catalog, groups, versions, resources);
                    let types = types.iter().take(readiness::MAX_KINDS);
                    kinds.extend(
                        types.filter_map(|of| self.inventory.find_kind(&of.group, &of.kind)),
                    );
                }
                Dependency::ApiServer | Dependency::Types { .. } => {}
            }
        }
        kinds
    }

    /// Whether a verdict on a control is made from the API server's metrics.
    pub fn reads_api_server(&self, control: &str) -> bool {
        let tracked = self.controls.get(control);
        tracked.is_some_and(|tracked| tracked.reads().contains(&Dependency::ApiServer))
    }

    /// The id of a kind in the inventory.
    pub fn kind(&mut self, resource: &ResourceType) -> KindId {
        self.inventory.kind(resource)
    }

    /// Starts a list of a kind.
    pub fn begin(&mut self, kind: KindId) {
        self.inventory.begin(kind);
    }

    /// Adds an object to the list under way.
    pub fn stage(&mut self, kind: KindId, object: ProjectedObject) {
        self.inventory.stage(kind, object);
    }

    /// The list is complete; `programs` judged its objects.
    pub fn commit(&mut self, kind: KindId, programs: Vec<ProgramId>, now: Timestamp) {
        let changes = self.inventory.commit(kind, programs);
        self.mark(&changes, now);
    }

    /// An object appeared or changed. True when its facts did.
    pub fn apply(&mut self, kind: KindId, object: ProjectedObject, now: Timestamp) -> bool {
        let change = self.inventory.apply(kind, object);
        self.mark(change.as_slice(), now);
        change.is_some()
    }

    /// An object went.
    pub fn remove(&mut self, kind: KindId, namespace: &str, name: &str, now: Timestamp) {
        let change = self.inventory.remove(kind, namespace, name);
        self.mark(change.as_slice(), now);
    }

    /// Notes whether a kind can be read.
    pub fn set_availability(&mut self, kind: KindId, availability: Availability, now: Timestamp) {
        let changes = self.inventory.set_availability(kind, availability);
        self.mark(&changes, now);
    }

    /// Nobody reads a kind any more: forgets its objects, which would only grow stale.
    pub fn release(&mut self, kind: KindId, now: Timestamp) {
        let changes = self.inventory.release(kind);
        self.mark(&changes, now);
    }

    /// Takes in what the API server says of itself.
    pub fn observe_api_server(&mut self, api_server: ApiServer, now: Timestamp) {
        let change = self.inventory.observe_api_server(api_server);
        self.mark(change.as_slice(), now);
    }

    fn mark(&mut self, changes: &[Change], now: Timestamp) {
        for change in changes {
            for tracked in self.controls.values_mut() {
                tracked.mark(&self.inventory, change, now);
            }
        }
    }

    /// Judges what changed, by objects, specs, exceptions or time.
    pub fn evaluate(&mut self, now: Timestamp) -> EvaluationChanges {
        self.evaluate_observed(now, |_| {})
    }

    /// As [`Engine::evaluate`]; `judged` is called after each control whose verdict changed, for
    /// who keeps a clock.
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
        let mut cluster_admin: Option<Arc<str>> = None;
        // What the others leave to a control about cluster-admin depends on its verdict.
        for first in [true, false] {
            for (name, tracked) in &mut self.controls {
                if tracked.is_cluster_admin_control() != first {
                    continue;
                }
                if expired.contains(name) {
                    tracked.reclassify();
                }
                tracked.leave_cluster_admin(&self.inventory, cluster_admin.as_ref());
                let keeping = &mut self.keeping;
                let changed = match &self.withheld {
                    Some(why) => tracked.withhold(why, now, keeping),
                    None => tracked.evaluate(
                        &self.inventory,
                        &self.catalog,
                        &self.exceptions,
                        now,
                        keeping,
                    ),
                };
                if changed {
                    judged(tracked.spec());
                    evaluated.controls.push(name.clone());
                }
            }
            if first {
                let mut telling =
                    self.controls.iter().filter(|(_, tracked)| tracked.tells_cluster_admin());
                cluster_admin = telling.next().map(|(name, _)| name.as_str().into());
            }
        }
        evaluated.controls.sort_unstable();
        let recount = std::mem::take(&mut self.recount);
        if !evaluated.controls.is_empty() || evaluated.exceptions || recount {
            let mut matched = BTreeMap::new();
            // Counting goes over every finding there is, so not on each change for nothing.
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

    /// When time alone will next change something.
    pub fn next_wake(&self) -> Option<Timestamp> {
        let now = self.evaluated?;
        self.controls
            .values()
            .filter_map(TrackedControl::next_deadline)
            .chain(self.exceptions.next_expiry(now))
            .min()
    }

    /// The verdict of a control, once there is one for its present spec.
    pub fn verdict(&self, control: &str) -> Option<&Verdict> {
        self.shared_verdict(control).map(Arc::as_ref)
    }

    /// The same, to be kept.
    pub fn shared_verdict(&self, control: &str) -> Option<&Arc<Verdict>> {
        self.controls.get(control)?.verdict()
    }

    /// The same of every control.
    pub fn all_recorded_elsewhere(&mut self, by: Timestamp) {
        for tracked in self.controls.values_mut() {
            tracked.lapsed_mut().forget(by);
        }
    }

    /// From now on verdicts that are over before they were recorded are set aside. Somebody has to
    /// record them.
    pub fn keep_lapsed_verdicts(&mut self) {
        self.keeping.on = true;
    }

    /// The number of the last verdict of a control that was set aside; 0 for none.
    pub fn last_lapsed(&self, control: &str) -> u64 {
        self.controls.get(control).map_or(0, |tracked| tracked.lapsed().last())
    }

    /// The verdicts of a control that were over before they were recorded, in order.
    pub fn lapsed(&mut self, control: &str, now: Timestamp) -> Vec<LapsedVerdict> {
        let tracked = self.controls.get_mut(control);
        tracked.map_or_else(Vec::new, |tracked| tracked.lapsed_mut().tell(now, &mut self.keeping))
    }

    /// What was set aside of a control up to this number, and the verdict that held then, are
    /// recorded.
    pub fn recorded(&mut self, control: &str, number: u64) {
        if let Some(tracked) = self.controls.get_mut(control) {
            tracked.lapsed_mut().recorded(number);
        }
    }

    /// Another recorded a control until this time: what was over by then is of no interest.
    pub fn recorded_elsewhere(&mut self, control: &str, by: Timestamp) {
        if let Some(tracked) = self.controls.get_mut(control) {
            tracked.lapsed_mut().forget(by);
        }
    }

    /// The names and specs of all controls.
    pub fn controls(&self) -> impl Iterator<Item = (&str, &ControlSpec)> {
        self.controls.iter().map(|(name, tracked)| (name.as_str(), tracked.spec()))
    }

    /// Every failing finding of a control, for reports.
    pub fn findings(&self, control: &str, now: Timestamp) -> Vec<ObservedFinding> {
        self.observed(control, now, |standing| standing == FindingState::Failing)
    }

    /// Every excepted finding of a control, for reports.
    pub fn excepted(&self, control: &str, now: Timestamp) -> Vec<ObservedFinding> {
        self.observed(control, now, |standing| matches!(standing, FindingState::Excepted(_)))
    }

    /// What is wrong with a control, excepted or not, the worst of it where it is very much: what
    /// evidence is made of.
    pub fn wrong(&self, control: &str, now: Timestamp) -> Vec<ObservedFinding> {
        let tracked = self.controls.get(control);
        tracked.map_or_else(Vec::new, |tracked| {
            tracked.worst(&self.inventory, &self.exceptions, now, RECORDED_FINDINGS)
        })
    }

    /// The items that a control judged, in no order; none while it is blocked.
    pub fn population(&self, control: &str) -> Vec<ResourceRef> {
        self.controls
            .get(control)
            .map(|tracked| tracked.population(&self.inventory))
            .unwrap_or_default()
    }

    /// Everything that could not be judged for a control, for reports.
    pub fn undecided(&self, control: &str, now: Timestamp) -> Vec<ObservedFinding> {
        self.observed(control, now, |standing| standing == FindingState::Unknown)
    }

    fn observed(
        &self,
        control: &str,
        now: Timestamp,
        which: impl Fn(FindingState) -> bool,
    ) -> Vec<ObservedFinding> {
        self.controls
            .get(control)
            .map(|tracked| tracked.findings(&self.inventory, &self.exceptions, now, which))
            .unwrap_or_default()
    }
}
