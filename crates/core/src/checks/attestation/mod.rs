//! `attestation`: procedures that people perform, and attest.
//!
//! What is judged are occurrences, which the engine keeps in a [`OccurrenceLedger`] and shows to the check:
//! those that are closed, and those that are past due. One that lies ahead or is open proves
//! nothing yet, and is no part of the population.

mod calendar;
mod events;
mod ledger;
pub mod requirements;
mod settling;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

pub use self::events::{event_number, event_period};
pub(crate) use self::ledger::{LedgerInputs, OccurrenceLedger, rule_digest};
use self::settling::is_caught_up;
use super::{BuildError, Built, Check, CheckContext, Dependency, Finding, Item, Judgement};
use crate::{
    api::{GROUP, Occurrence, OccurrencePhase, ResourceRef, VERSION, test_spec::AttestationTest},
    inventory::{Availability, Change, Facts, Inventory},
};

/// The kind under which findings and exceptions name an occurrence; its name is the period.
pub(crate) const OCCURRENCE: &str = "Occurrence";

/// An `attestation` test, compiled: all that it judges by is in the ledger.
#[derive(Debug)]
struct AttestationCheck;

/// Compiles an `attestation` test: its spec is the rule itself, which the ledger reads.
///
/// # Errors
/// An event of which nothing tells in this version.
pub fn build(test: &AttestationTest) -> Result<Built, BuildError> {
    events::check(test).map_err(BuildError::Invalid)?;
    Ok(AttestationCheck.into())
}

/// Whether the cluster can hold records at all. One that can't, such as one that is only scanned,
/// has no occurrences.
pub(crate) fn is_served(inventory: &Inventory) -> bool {
    inventory.availability(GROUP, "Attestation") == Availability::Complete
}

/// An occurrence as findings name it.
pub(crate) fn reference(period: &str) -> ResourceRef {
    ResourceRef {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: OCCURRENCE.to_owned(),
        namespace: None,
        name: period.to_owned(),
    }
}

/// The item of an occurrence, by the number of its event or the day on which it begins: no two of a
/// control have the same.
pub(crate) fn item(occurrence: &Occurrence) -> Item {
    if let Some(number) = event_number(&occurrence.period) {
        return Item::Cluster(number);
    }
    Item::Cluster(u32::try_from(occurrence.opens.0.as_second() / 86_400).unwrap_or_default())
}

impl Check for AttestationCheck {
    fn reads(&self) -> Vec<Dependency> {
        vec![Dependency::optional(GROUP, "Attestation")]
    }

    fn items(&self, context: &CheckContext<'_>, visit: &mut dyn FnMut(Item)) {
        context.occurrences.iter().map(item).for_each(visit);
    }

    fn affected(&self, context: &CheckContext<'_>, change: &Change, visit: &mut dyn FnMut(Item)) {
        if let Change::Object { slot, before } = change {
            let is_record = |facts: &Facts| matches!(facts, Facts::Attestation(_));
            if before.as_ref().is_some_and(|object| is_record(&object.facts))
                || context.inventory.get(*slot).is_some_and(|object| is_record(&object.facts))
            {
                // Which occurrence a record is for is the ledger's business, and the engine advances that
                // whenever any item of the control is marked.
                visit(Item::Cluster(0));
            }
        }
    }

    fn judges_manifests(&self) -> bool {
        false
    }

    fn judge(&self, context: &CheckContext<'_>, wanted: Item) -> Option<Judgement> {
        let at = context.occurrences.iter().position(|occurrence| item(occurrence) == wanted)?;
        let (occurrence, later) = context.occurrences.get(at..)?.split_first()?;
        let due = occurrence.due.0;
        match occurrence.phase {
            OccurrencePhase::Scheduled | OccurrencePhase::Waived => None,
            // Open and not due proves nothing: counting it as passed would hide the one before it.
            OccurrencePhase::Open if context.now <= due => None,
            // Without its CRD nobody could attest, so that nobody did says nothing.
            OccurrencePhase::Open if !is_served(context.inventory) => Some(unserved(occurrence)),
            OccurrencePhase::Open => Some(finding(occurrence, "Overdue", overdue(occurrence))),
            OccurrencePhase::Completed | OccurrencePhase::CompletedLate => {
                Some(Judgement::default())
            }
            // Another event's obligation is none of this one's.
            OccurrencePhase::Missed if occurrence.event.is_some() => {
                Some(if is_caught_up(occurrence) {
                    Judgement::default()
                } else {
                    finding(occurrence, "Missed", missed(occurrence))
                })
            }
            // Until a later one was performed, the control is as the missed one left it.
            OccurrencePhase::Missed if later.iter().any(|other| other.phase.is_completed()) => {
                Some(Judgement::default())
            }
            OccurrencePhase::Missed => Some(finding(occurrence, "Missed", missed(occurrence))),
        }
    }
}

/// When an open occurrence next turns overdue; None when none will. It is due through that instant, and the
/// ledger keeps it open, so this deadline is the check's own.
pub(crate) fn next_overdue(occurrences: &[Occurrence], now: Timestamp) -> Option<Timestamp> {
    occurrences
        .iter()
        .filter(|occurrence| occurrence.phase == OccurrencePhase::Open && occurrence.due.0 >= now)
        .map(|occurrence| occurrence.due.0 + jiff::SignedDuration::from_nanos(1))
        .min()
}

fn finding(occurrence: &Occurrence, rule: &'static str, message: String) -> Judgement {
    let finding = Finding {
        rule: rule.into(),
        severity: None,
        resource: reference(&occurrence.period),
        subject: None,
        message,
    };
    Judgement { failing: vec![finding], ..Judgement::default() }
}

fn unserved(occurrence: &Occurrence) -> Judgement {
    let finding = Finding {
        rule: "NotServed".into(),
        severity: None,
        resource: reference(&occurrence.period),
        subject: None,
        message: "the cluster does not serve Attestation of comptroller.dev, so nobody could attest it: install its CRD".to_owned(),
    };
    Judgement { unknown: vec![finding], ..Judgement::default() }
}

fn overdue(occurrence: &Occurrence) -> String {
    format!(
        "{}was due at {} and nobody has attested it{}: perform it and attest it before {}, or it will be missed",
        opened_by(occurrence),
        occurrence.due.0,
        refused(occurrence),
        occurrence.grace_until.0
    )
}

fn missed(occurrence: &Occurrence) -> String {
    let late = occurrence.records.iter().any(|record| !record.counts);
    let late = if late { "; what was recorded does not count for it" } else { "" };
    let until = if occurrence.event.is_some() {
        "it is attested all the same"
    } else {
        "a later occurrence is attested"
    };
    format!(
        "{}was due at {} and nobody attested it by {}{late}: it stays missed, and the control fails until {until}",
        opened_by(occurrence),
        occurrence.due.0,
        occurrence.grace_until.0
    )
}

/// What happened, as the beginning of a sentence; empty for an occurrence of the calendar.
fn opened_by(occurrence: &Occurrence) -> String {
    let Some(event) = &occurrence.event else { return String::new() };
    let item = event.item.as_ref().map(|item| format!(", {item}")).unwrap_or_default();
    format!("{} of {} {}{item} at {}: ", event.event, event.kind, event.name, event.at.0)
}

fn refused(occurrence: &Occurrence) -> String {
    let counted = occurrence.records.iter().filter(|record| record.counts).count();
    let wanted = occurrence.rule.as_ref().map_or(1, AttestationTest::min_attesters);
    let last = occurrence.records.iter().rev().find(|record| !record.counts);
    match (counted, last) {
        (0, None) => String::new(),
        (0, Some(record)) => format!(" validly (Attestation {}: {})", record.name, record.note),
        _ => format!(" by {wanted} people yet"),
    }
}
