//! What the engine says: verdicts, their findings, how exceptions stand, and what lapsed unrecorded.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Engine,
    exceptions::{self, ControlProgress},
    lapsed::Lapsed,
    memory::FindingState,
    movements::Movement,
    names,
    population::{FactsDigest, JudgedItem},
    tracked::TrackedControl,
    verdict::{ObservedFinding, RECORDED_FINDINGS, Verdict},
};
use crate::api::{ControlSpec, State};

impl Engine {
    /// The verdict of a control. None until there is one for its present spec.
    pub fn verdict(&self, control: &str) -> Option<&Verdict> {
        self.shared_verdict(control).map(Arc::as_ref)
    }

    /// Like [`Engine::verdict`], to be kept without a copy.
    pub fn shared_verdict(&self, control: &str) -> Option<&Arc<Verdict>> {
        self.controls.get(control)?.verdict()
    }

    /// Every failing finding of a control, for reports. Judges the items with findings again.
    pub fn findings(&self, control: &str, now: Timestamp) -> Vec<ObservedFinding> {
        self.observed(control, now, |standing| standing == FindingState::Failing)
    }

    /// Every excepted finding of a control, for reports.
    pub fn excepted(&self, control: &str, now: Timestamp) -> Vec<ObservedFinding> {
        self.observed(control, now, |standing| matches!(standing, FindingState::Excepted(_)))
    }

    /// Everything that could not be judged for a control, for reports.
    pub fn undecided(&self, control: &str, now: Timestamp) -> Vec<ObservedFinding> {
        self.observed(control, now, |standing| standing == FindingState::Unknown)
    }

    /// What the evidence log records of a control: its findings, excepted or not, the worst
    /// [`RECORDED_FINDINGS`] of them.
    pub fn wrong(&self, control: &str, now: Timestamp) -> Vec<ObservedFinding> {
        let tracked = self.controls.get(control);
        tracked.map_or_else(Vec::new, |tracked| {
            tracked.worst(&self.inventory, &self.exceptions, now, RECORDED_FINDINGS)
        })
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

    /// The items that a control judged, in no order. Empty while it is blocked.
    pub fn population(&self, control: &str) -> Vec<JudgedItem> {
        self.population_on(control, &mut |_, _| None)
    }

    /// The same, with the digests of the facts that the items were judged on.
    pub fn population_on(&self, control: &str, digest: &mut FactsDigest<'_>) -> Vec<JudgedItem> {
        self.controls
            .get(control)
            .map(|tracked| tracked.population(&self.inventory, digest))
            .unwrap_or_default()
    }

    /// The state of an exception. None for one that is not known, and while the controls that it names
    /// are judged for the first time: a phase now might be another in a second.
    pub fn exception(&self, name: &str, now: Timestamp) -> Option<exceptions::ExceptionState> {
        // Names are looked up separately, since they need the catalog and all controls.
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

    /// What an exception names that does not exist, each as a sentence. Empty if all of it exists.
    pub fn unresolved_names(&self, exception: &str) -> Vec<String> {
        names::unknown_in_exception(
            self.exceptions.controls_of(exception),
            self.exceptions.resources_of(exception),
            &self.controls.keys().map(String::as_str),
            &self.catalog,
            self.inventory.source,
        )
    }

    /// The names of all exceptions.
    pub fn exception_names(&self) -> impl Iterator<Item = &str> {
        self.exceptions.names()
    }

    /// The spec of a control. None for one that is not known, or can't be read.
    pub fn spec(&self, control: &str) -> Option<&ControlSpec> {
        self.controls.get(control).map(TrackedControl::spec)
    }

    /// The names and specs of all controls, by name.
    pub fn controls(&self) -> impl Iterator<Item = (&str, &ControlSpec)> {
        self.controls.iter().map(|(name, tracked)| (name.as_str(), tracked.spec()))
    }
}

/// Verdicts that were over before anybody recorded them.
impl Engine {
    /// From now on, verdicts that are over before they were recorded are kept. Only for a caller that
    /// records them, since nothing else drops them.
    pub fn keep_lapsed_verdicts(&mut self) {
        self.lapse_counter.on = true;
    }

    /// The number of the last verdict of a control that lapsed unrecorded; 0 if none has.
    pub fn last_lapsed(&self, control: &str) -> u64 {
        self.controls.get(control).map_or(0, |tracked| tracked.lapsed().last())
    }

    /// The verdicts of a control that were over before they were recorded, the oldest first. They stay
    /// until [`Engine::recorded`] confirms them. With what went since.
    pub fn lapsed(&mut self, control: &str, now: Timestamp) -> Lapsed {
        let tracked = self.controls.get_mut(control);
        tracked.map_or_else(Lapsed::default, |tracked| {
            tracked.lapsed_mut().tell(now, &mut self.lapse_counter)
        })
    }

    /// The verdicts of a control that lapsed up to this number are in the log now, and so is the one that
    /// held then: none of them is needed any more.
    pub fn recorded(&mut self, control: &str, number: u64) {
        if let Some(tracked) = self.controls.get_mut(control) {
            tracked.lapsed_mut().recorded(number);
        }
    }

    /// Another process recorded this control up to this time: what lapsed by then is in the log.
    pub fn recorded_elsewhere(&mut self, control: &str, by: Timestamp) {
        if let Some(tracked) = self.controls.get_mut(control) {
            tracked.lapsed_mut().forget(by);
            // What another recorded of the population is not known here.
            tracked.course_mut().give_up();
        }
    }

    /// The version of a control's population: another one means that something came or left.
    pub fn population_version(&self, control: &str) -> u64 {
        self.controls.get(control).map_or(0, |tracked| tracked.course().version())
    }

    /// What came into the population of a control and left it since the last record. None when that
    /// can't be told one by one: then the whole list tells.
    pub fn movements(&self, control: &str) -> Option<Vec<Movement>> {
        self.controls.get(control)?.course().movements()
    }

    /// Whether something moved by another cause than that objects come and go: that is recorded at
    /// once, since it decides what a control looks at.
    pub fn is_steered(&self, control: &str) -> bool {
        self.controls.get(control).is_some_and(|tracked| tracked.course().is_steered())
    }

    /// What moved in the population of a control up to this version is in the log.
    pub fn population_recorded(&mut self, control: &str, version: u64) {
        if let Some(tracked) = self.controls.get_mut(control) {
            tracked.course_mut().recorded(version);
        }
    }
}
