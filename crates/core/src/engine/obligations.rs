//! What events oblige people to: which events open occurrences of which controls.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Engine, attestation_state::PeopleOfLog};
use crate::api::{
    Duration, Occurrence, Severity,
    test_spec::{BarredPerson, EventTrigger},
};

/// By which rule events open occurrences of a control.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRule {
    /// The control that somebody attests to.
    pub control: String,
    /// The events.
    pub on: EventTrigger,
    /// How long an occurrence is open.
    pub open_for: Duration,
    /// How long it is late after that. None: not at all.
    pub grace: Option<Duration>,
    /// Who of the event may not attest.
    pub not_by: Vec<BarredPerson>,
    /// The digest of the rule, which an occurrence freezes.
    pub digest: String,
}

/// The rules of all controls, and what they need to know of the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventRules {
    /// By the names of their controls.
    pub rules: Vec<EventRule>,
    /// How severe each control is. Of one that is not here that is not known, and it may be.
    pub severities: BTreeMap<String, Severity>,
    /// Controls whose failures oblige nobody: each is about obligations itself, and one that nobody
    /// answers would open another for ever.
    pub exempt: BTreeSet<String>,
}

impl Engine {
    /// Which events oblige somebody, by the controls as they are. Empty if no control asks for any.
    pub fn event_rules(&self) -> EventRules {
        let rules: Vec<EventRule> =
            self.controls.values().filter_map(super::TrackedControl::event_rule).collect();
        if rules.is_empty() {
            return EventRules::default();
        }
        let specs = || self.controls().map(|(name, spec)| (name.to_owned(), spec));
        EventRules {
            rules,
            severities: specs().map(|(name, spec)| (name, spec.severity)).collect(),
            exempt: specs()
                .filter(|(_, spec)| {
                    spec.test.attestation.as_ref().is_some_and(|test| test.on.is_some())
                })
                .map(|(name, _)| name)
                .collect(),
        }
    }

    /// Takes in occurrences that events opened, as the log tells. Those that are known stay as they
    /// are.
    pub fn open_occurrences(&mut self, control: &str, opened: Vec<Occurrence>) {
        if let Some(tracked) = self.controls.get_mut(control) {
            tracked.open_occurrences(opened);
        }
    }

    /// Takes in which occurrences of a control the log holds, as they are.
    pub fn occurrences_recorded(&mut self, control: &str, recorded: &[Occurrence]) {
        if let Some(tracked) = self.controls.get_mut(control) {
            tracked.confirm_occurrences(recorded);
        }
    }

    /// Takes in that a log is kept: what events oblige to is known once it is open. To be said before
    /// any control is taken in.
    pub fn keep_log(&mut self) {
        self.keeps_log = true;
    }

    /// Takes in how the log names people, for controls that are known.
    pub fn set_people(&mut self, people: &Arc<dyn PeopleOfLog>) {
        for tracked in self.controls.values_mut() {
            tracked.set_people(people);
        }
        self.people = Some(Arc::clone(people));
    }
}

impl EventRules {
    /// Whether a control is at least as severe as asked. One of which that is not known is.
    pub fn is_severe(&self, control: &str, lowest: Option<Severity>) -> bool {
        let severity = self.severities.get(control);
        lowest.is_none_or(|lowest| severity.is_none_or(|severity| *severity >= lowest))
    }
}
