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
            "spec.test.attestation.closedBy: this version does not look at the register {:?}, so nothing would ever close an occurrence; leave closedBy out, and have a person attest",
            closed_by.register
        ));
    }
    let Some(on) = &test.on else { return Ok(()) };
    match (on.event, &on.register) {
        (Some(event), _) if is_recorded(event) => Ok(()),
        (Some(event), _) => Err(format!(
            "spec.test.attestation.on.event: this version opens nothing for {event}, so no occurrence would ever come of it; use another event, or every"
        )),
        (None, Some(register)) => Err(format!(
            "spec.test.attestation.on.register: this version opens nothing for changes of the register {register:?}, so no occurrence would ever come of it; use an event, or every"
        )),
        (None, None) => Ok(()),
    }
}

/// Whether entries of the log tell of such events.
const fn is_recorded(event: EventKind) -> bool {
    match event {
        EventKind::ControlFailing
        | EventKind::DeviationOpened
        | EventKind::ExceptionGranted
        | EventKind::EvidenceGap
        | EventKind::ControlChanged
        | EventKind::ControlDeleted => true,
        EventKind::PersonJoined
        | EventKind::PersonMoved
        | EventKind::PersonLeft
        | EventKind::BreakGlassUsed => false,
    }
}

#[cfg(test)]
mod tests;
