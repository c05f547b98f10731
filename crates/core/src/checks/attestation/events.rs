//! Occurrences that events open: what they are called, and which events this version can tell of.

use crate::api::test_spec::{AttestationTest, EventKind};

/// How the period of an occurrence begins that an event opened; its number follows.
const PREFIX: &str = "event-";

/// The period of the occurrence that the event with this number opened. Each control numbers its
/// events from 1 on without a gap.
pub fn event_period(number: u32) -> String {
    format!("{PREFIX}{number}")
}

/// The number of the event that opened an occurrence, by its period; None for one of the calendar.
pub fn event_number(period: &str) -> Option<u32> {
    period.strip_prefix(PREFIX)?.parse().ok()
}

/// Refuses what nothing tells of yet: accepted, it would look as if nothing ever happened.
pub(super) fn check(test: &AttestationTest) -> Result<(), String> {
    if let Some(closed_by) = &test.closed_by {
        return Err(format!(
            "spec.test.attestation.closedBy: this version keeps no register {:?} to be looked at; leave closedBy out, and have a person attest",
            closed_by.register
        ));
    }
    let Some(on) = &test.on else { return Ok(()) };
    match (on.event, &on.register) {
        (
            Some(
                EventKind::ControlFailing
                | EventKind::DeviationOpened
                | EventKind::ExceptionGranted
                | EventKind::EvidenceGap
                | EventKind::ControlChanged
                | EventKind::ControlDeleted,
            ),
            _,
        ) => Ok(()),
        (Some(event), _) => Err(format!(
            "spec.test.attestation.on.event: this version does not record {event}, so no occurrence would ever open; use another event, or every"
        )),
        (None, Some(register)) => Err(format!(
            "spec.test.attestation.on.register: this version keeps no register {register:?}, so no occurrence would ever open; use an event, or every"
        )),
        (None, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
