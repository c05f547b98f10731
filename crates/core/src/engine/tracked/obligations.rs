//! What events oblige to in one control.

use std::sync::Arc;

use super::{CompiledTest, TrackedControl};
use crate::{
    api::Occurrence,
    checks::attestation::rule_digest,
    engine::{attestation_state::PeopleOfLog, obligations::EventRule},
};

impl TrackedControl {
    /// The rule by which events open occurrences of it. None for a control without one, and while its
    /// spec can't be evaluated. One that is suspended misses no event: it is judged later.
    pub fn event_rule(&self) -> Option<EventRule> {
        let test = self.spec.test.attestation.as_ref()?;
        let CompiledTest::Ready { .. } = &self.test else { return None };
        Some(EventRule {
            control: self.name.clone(),
            on: test.on.clone()?,
            open_for: test.open_for?,
            grace: test.grace,
            not_by: test.not_by.clone(),
            digest: rule_digest(test),
        })
    }

    /// Takes in occurrences that events opened, as the log tells.
    pub fn open_occurrences(&mut self, opened: Vec<Occurrence>) {
        self.attestation.open(&self.spec, opened);
    }

    /// Takes in which occurrences the log holds, as they are.
    pub fn confirm_occurrences(&mut self, recorded: &[Occurrence]) {
        self.attestation.confirm(recorded);
    }

    /// Takes in that a log is kept.
    pub fn keep_log(&mut self) {
        self.attestation.keep_log();
    }

    /// Takes in how the log names people.
    pub fn set_people(&mut self, people: &Arc<dyn PeopleOfLog>) {
        self.attestation.set_people(Arc::clone(people));
    }
}
