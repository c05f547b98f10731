//! Which entries oblige somebody: the occurrences that events open, each by exactly one entry. Pure.
//!
//! Most events are an entry themselves, and their occurrence opens in the same append
//! ([`openings`]). That a control has failed for long is no entry, and the gap of a start is written
//! before any control is known: what of that is not opened yet follows from the fold ([`due`]).

mod events;

use jiff::{SignedDuration, Timestamp};

use self::events::Event;
use crate::{
    batch::open_event_occurrences,
    draft::{self, Entries},
};
use comptroller_core::{
    api::{Duration, Occurrence, test_spec::EventKind},
    checks::attestation::event_period,
    engine::{EventRule, EventRules},
};
use comptroller_evidence::{
    data::{AttestationData, ChangeKind, OccurrenceDates, OccurrencePhase},
    entry::{Data, EntrySubject},
    fold::{FailingSince, GapState, LogState},
};

/// The kind of a control, as the subject of an entry.
const CONTROL: &str = "Control";

/// What the entries of one append oblige to: the first of them gets the number `first`, and they
/// are written at `at`. Entries come after the control that they oblige.
pub fn openings(
    state: &LogState,
    rules: &EventRules,
    drafts: &[(EntrySubject, Data)],
    first: u64,
    at: Timestamp,
) -> Entries {
    let mut entries = Entries::new();
    for rule in &rules.rules {
        let mut opening = Opening::new(state, rule, at);
        let mut is_declared = state.object(CONTROL, &rule.control).is_some();
        for (place, entry) in (0_u64..).zip(drafts) {
            let (subject, data) = entry;
            if let (Data::ControlChanged(change), true) = (data, subject.name == rule.control) {
                is_declared = change.change != ChangeKind::Deleted;
            }
            if is_declared {
                let before = drafts.get(..usize::try_from(place).unwrap_or_default());
                let written = events::Written {
                    state,
                    before: before.unwrap_or_default(),
                    index: first.saturating_add(place),
                    at,
                };
                for event in events::of_entry(&written, rules, rule, subject, data) {
                    opening.open(event);
                }
            }
        }
        entries.extend(opening.entries);
    }
    entries
}

/// What is due at `now` by the log, and no entry opens yet.
pub fn due(state: &LogState, rules: &EventRules, now: Timestamp) -> Entries {
    let at = comptroller_core::api::time::whole_seconds(now).0;
    let mut entries = Entries::new();
    for rule in &rules.rules {
        let mut opening = Opening::new(state, rule, at);
        for gap in unopened_gaps(state, rule) {
            opening.open(events::of_gap(gap));
        }
        for (name, since) in unopened_failures(state, rules, rule) {
            if begins(rule, since) <= now {
                opening.open(events::of_failing(name, since));
            }
        }
        entries.extend(opening.entries);
    }
    entries
}

/// When time alone next opens an occurrence. None if it does not.
pub fn next_due(state: &LogState, rules: &EventRules) -> Option<Timestamp> {
    let rules_of_time = rules.rules.iter();
    rules_of_time
        .flat_map(|rule| {
            let gaps = unopened_gaps(state, rule).map(|gap| gap.at);
            let failures = unopened_failures(state, rules, rule);
            gaps.chain(failures.map(|(_, since)| begins(rule, since)))
        })
        .min()
}

/// The occurrences that events opened since the log had a size, by control.
pub fn opened_since(
    state: &LogState,
    rules: &EventRules,
    size: u64,
) -> Vec<(String, Vec<Occurrence>)> {
    let opened = rules.rules.iter().map(|rule| {
        let occurrences = state.occurrences(&rule.control).filter(|one| one.entry >= size);
        (rule.control.clone(), open_event_occurrences(occurrences))
    });
    opened.filter(|(_, occurrences)| !occurrences.is_empty()).collect()
}

/// Occurrences of one control on their way into the log.
struct Opening<'a> {
    rule: &'a EventRule,
    at: Timestamp,
    /// The number of the newest.
    number: u32,
    entries: Entries,
}

impl<'a> Opening<'a> {
    fn new(state: &LogState, rule: &'a EventRule, at: Timestamp) -> Self {
        let number = state.control(&rule.control).map_or(0, |control| control.events.count);
        Self { rule, at, number, entries: Entries::new() }
    }

    fn open(&mut self, event: Event) {
        self.number = self.number.saturating_add(1);
        let due = self.rule.open_for.add_to(self.at);
        let grace_until = self.rule.grace.map_or(due, |grace| grace.add_to(due));
        let data = AttestationData {
            occurrence: OccurrenceDates {
                period: event_period(self.number),
                opens: self.at,
                due,
                grace_until,
                rule_digest: self.rule.digest.clone(),
            },
            event: Some(event),
            phase: OccurrencePhase::Open,
            record: None,
            message: String::new(),
        };
        let subject = EntrySubject::control(&self.rule.control);
        self.entries.push((subject, Data::Attestation(Box::new(data))));
    }
}

/// The gaps that are long enough, and that came after the control and after the last that opened
/// one.
fn unopened_gaps<'a>(
    state: &'a LogState,
    rule: &'a EventRule,
) -> impl Iterator<Item = &'a GapState> {
    let wants = rule.on.event == Some(EventKind::EvidenceGap);
    let control = state.object(CONTROL, &rule.control).filter(|_| wants);
    let opened = state.control(&rule.control).and_then(|control| control.events.gap);
    let gaps = control.into_iter().flat_map(move |control| {
        // A rule that was edited counts from its edit on.
        let after = opened.unwrap_or_default().max(control.entry);
        state.gaps().filter(move |gap| gap.entry > after)
    });
    gaps.filter(|gap| {
        rule.on.longer_than.is_none_or(|length| length.add_to(gap.data.from) <= gap.data.to)
    })
}

/// The controls that fail by the log, are severe enough, and have opened nothing for it.
fn unopened_failures<'a>(
    state: &'a LogState,
    rules: &'a EventRules,
    rule: &'a EventRule,
) -> impl Iterator<Item = (&'a str, FailingSince)> {
    let wants = rule.on.event == Some(EventKind::ControlFailing)
        && state.object(CONTROL, &rule.control).is_some();
    let opened = state.control(&rule.control).map(|control| &control.events.failing);
    let controls = state.controls().filter(move |_| wants);
    controls.filter_map(move |(name, control)| {
        let since = control.failing?;
        let is_opened = opened
            .is_some_and(|opened| opened.get(name).is_some_and(|known| *known == since.entry));
        let counts = !is_opened
            && !rules.exempt.contains(name)
            && state.object(CONTROL, name).is_some()
            && rules.is_severe(name, rule.on.severity);
        counts.then_some((name, since))
    })
}

/// From when on a control that fails obliges somebody.
fn begins(rule: &EventRule, since: FailingSince) -> Timestamp {
    let longer = rule.on.longer_than.filter(|length: &Duration| !length.is_zero());
    // An entry is dated by whole seconds, so a second passes before the whole length surely has.
    longer.map_or(since.at, |length| length.add_to(since.at) + SignedDuration::from_secs(1))
}

/// The kind of exceptions, as entries name it.
const EXCEPTION: &str = draft::EXCEPTION;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
