//! What people owe: the occurrences of controls that are attested, and the commands that answer them.

use comptroller_core::api::{Occurrence, OccurrencePhase};
use comptroller_report::attest_command;
use jiff::Timestamp;

use super::controls::{KnownControl, KnownControls};

/// An occurrence with the control that it is of.
#[derive(Clone, Copy, Debug)]
pub struct Obligation<'s> {
    /// The control.
    pub control: KnownControl<'s>,
    /// The occurrence.
    pub occurrence: &'s Occurrence,
    /// Whether it is open and past its due date.
    pub is_overdue: bool,
}

impl Obligation<'_> {
    /// The command with which a person answers it.
    pub fn command(&self) -> String {
        let test = self.occurrence.rule.as_ref();
        let test = test.or(self.control.control.spec.test.attestation.as_ref());
        attest_command(self.control.name, &self.occurrence.period, test)
    }
}

/// All occurrences of a site that wait for people, the most urgent first; or those that are over, the
/// newest first.
pub fn waiting<'s>(controls: &KnownControls<'s>, now: Timestamp) -> Vec<Obligation<'s>> {
    let mut waiting = of(controls, now, |phase| !phase.is_closed());
    waiting.sort_by_key(|one| (one.occurrence.due.0, one.control.name));
    waiting
}

/// All occurrences that are over, the newest first.
pub fn closed<'s>(controls: &KnownControls<'s>, now: Timestamp) -> Vec<Obligation<'s>> {
    let mut closed = of(controls, now, OccurrencePhase::is_closed);
    closed.sort_by_key(|one| (std::cmp::Reverse(one.occurrence.due.0), one.control.name));
    closed
}

fn of<'s>(
    controls: &KnownControls<'s>,
    now: Timestamp,
    admits: impl Fn(OccurrencePhase) -> bool,
) -> Vec<Obligation<'s>> {
    let mut found = Vec::new();
    for control in &controls.all {
        let occurrences = control.status().map(|status| status.occurrences.as_slice());
        for occurrence in occurrences.unwrap_or_default() {
            if admits(occurrence.phase) {
                found.push(obligation(*control, occurrence, now));
            }
        }
    }
    found
}

/// An occurrence of a control.
pub fn obligation<'s>(
    control: KnownControl<'s>,
    occurrence: &'s Occurrence,
    now: Timestamp,
) -> Obligation<'s> {
    let is_overdue = occurrence.phase == OccurrencePhase::Open && occurrence.due.0 < now;
    Obligation { control, occurrence, is_overdue }
}
