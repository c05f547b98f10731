//! The occurrences of one control through time: opened, answered, closed, and never changed after.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    calendar::{Calendar, Dates},
    settling::{RecordsByPeriod, missed_at, note_late_records, settle},
};
use crate::{
    api::{MAX_OCCURRENCES, Occurrence, OccurrencePhase, test_spec::AttestationTest},
    inventory::records::AttestationFacts,
};
use comptroller_vocabulary::canonical;

/// How many closed occurrences that events opened are kept, the newest. The log has all.
pub const MAX_CLOSED_EVENTS: usize = 256;

/// All that decides how the occurrences of a control advance.
pub struct LedgerInputs<'a> {
    /// The rule in force now.
    pub rule: &'a AttestationTest,
    /// The digest of `rule`, by which an occurrence remembers under which rule it opened.
    pub digest: &'a str,
    /// When the control was created.
    pub created: Timestamp,
    /// The records that name the control, by name.
    pub records: Vec<&'a Arc<AttestationFacts>>,
    /// Finds the exception that waives an occurrence now, by its period and due date; None when none does.
    pub waiver: &'a dyn Fn(&str, Timestamp) -> Option<String>,
    /// The pseudonym of a user in the log, by which events name people. None while no log is open.
    pub pseudonym: Option<&'a dyn Fn(&str) -> String>,
    pub now: Timestamp,
}

/// The digest of a rule, as occurrences freeze it.
pub fn rule_digest(rule: &AttestationTest) -> String {
    // A rule has no fraction, so it always has a canonical text.
    canonical::digest(rule).unwrap_or_default()
}

/// The occurrences of a control, the oldest first, the scheduled one last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OccurrenceLedger {
    occurrences: Vec<Occurrence>,
    /// Those that an event opened and whose end the log holds, by period: they may be forgotten.
    recorded: BTreeSet<String>,
}

impl OccurrenceLedger {
    /// The ledger as a status or the evidence log recorded it.
    pub fn restored(mut occurrences: Vec<Occurrence>) -> Self {
        sort(&mut occurrences);
        let mut ledger = Self { recorded: BTreeSet::new(), occurrences: Vec::new() };
        ledger.confirm(&occurrences);
        ledger.occurrences = occurrences;
        ledger
    }

    /// Takes in occurrences that events opened, as the log tells. True if one was not known.
    pub fn open(&mut self, opened: Vec<Occurrence>) -> bool {
        let known: BTreeSet<String> =
            self.occurrences.iter().map(|known| known.period.clone()).collect();
        let before = self.occurrences.len();
        self.occurrences.extend(opened.into_iter().filter(|one| !known.contains(&one.period)));
        sort(&mut self.occurrences);
        self.occurrences.len() > before
    }

    /// Takes in what the log holds, so that it may be forgotten here once it is old.
    pub fn confirm(&mut self, recorded: &[Occurrence]) {
        let closed = recorded.iter().filter(|one| one.event.is_some() && one.phase.is_closed());
        self.recorded.extend(closed.map(|one| one.period.clone()));
    }

    /// All that are kept, the oldest first and the scheduled one last.
    pub fn occurrences(&self) -> &[Occurrence] {
        &self.occurrences
    }

    /// Brings the occurrences up to `now`. True when something changed. Advancing twice by the same inputs
    /// changes nothing the second time.
    pub fn advance(&mut self, inputs: &LedgerInputs<'_>) -> bool {
        let before = self.occurrences.clone();
        // What an event opens, the log says: the calendar has no part in it.
        if inputs.rule.on.is_none() {
            self.schedule(inputs);
        }
        let records = RecordsByPeriod::new(&inputs.records);
        for occurrence in &mut self.occurrences {
            let records = records.of(&occurrence.period);
            if occurrence.phase == OccurrencePhase::Open {
                settle(occurrence, records, inputs);
            }
            if occurrence.phase.is_closed() {
                note_late_records(occurrence, records, inputs);
            }
        }
        self.forget_old(inputs.rule);
        self.occurrences != before
    }

    /// A status is bounded, and so is memory. What goes is in the evidence log.
    fn forget_old(&mut self, rule: &AttestationTest) {
        if rule.on.is_none() {
            let surplus = self.occurrences.len().saturating_sub(MAX_OCCURRENCES);
            self.occurrences.drain(..surplus);
            return;
        }
        let closed = self.occurrences.iter().filter(|one| one.phase.is_closed()).count();
        let mut surplus = closed.saturating_sub(MAX_CLOSED_EVENTS);
        let recorded = &mut self.recorded;
        self.occurrences.retain(|one| {
            let goes = surplus > 0 && one.phase.is_closed() && recorded.remove(&one.period);
            surplus -= usize::from(goes);
            !goes
        });
    }

    /// When time alone next changes something; None when nothing is scheduled or open.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.occurrences
            .iter()
            .filter_map(|occurrence| match occurrence.phase {
                OccurrencePhase::Scheduled => Some(occurrence.opens.0),
                OccurrencePhase::Open => Some(next_of_open(occurrence)),
                _ => None,
            })
            .min()
    }

    /// Opens the occurrences whose time has come, and schedules the next one.
    fn schedule(&mut self, inputs: &LedgerInputs<'_>) {
        let scheduled = self.take_scheduled();
        // A rule that changed holds for what opens from now on.
        let changed = scheduled.as_ref().or(self.occurrences.last());
        let changed = changed.is_some_and(|known| known.rule_digest != inputs.digest);
        let mut earliest = Timestamp::MIN;
        match scheduled {
            // Whatever became of the rule since, what was announced takes place.
            Some(known) if known.opens.0 <= inputs.now => self.occurrences.push(Occurrence {
                phase: OccurrencePhase::Open,
                rule_digest: inputs.digest.to_owned(),
                rule: Some(inputs.rule.clone()),
                ..known
            }),
            Some(known) if !changed => earliest = known.opens.0,
            _ => {}
        }
        let calendar = Calendar::new(inputs.rule);
        let first = self.first_number(&calendar, inputs);
        // After a long pause of the operator only the latest are opened: more would be drained at once.
        let mut number = first.max(calendar.number_at(inputs.now) - max_backlog());
        // Everything up to the first that lies ahead; the bound above makes that few.
        while let Some(dates) = calendar.occurrence(number) {
            number += 1;
            let follows = self.occurrences.last().is_none_or(|last| dates.opens >= last.due.0);
            let skipped = dates.opens < earliest || (changed && dates.opens <= inputs.now);
            if !follows || skipped {
                continue;
            }
            let ahead = dates.opens > inputs.now;
            self.occurrences.push(occurrence(dates, inputs, ahead));
            if ahead {
                break;
            }
        }
    }

    fn take_scheduled(&mut self) -> Option<Occurrence> {
        let last = self.occurrences.last()?;
        (last.phase == OccurrencePhase::Scheduled).then(|| self.occurrences.pop()).flatten()
    }

    /// Where counting begins: behind what is known; else at `start`; else with the first that was
    /// not due before the control existed.
    fn first_number(&self, calendar: &Calendar<'_>, inputs: &LedgerInputs<'_>) -> i64 {
        if let Some(last) = self.occurrences.last() {
            return calendar.number_at(last.opens.0);
        }
        if inputs.rule.start_date().is_some() {
            return 0;
        }
        let number = calendar.number_at(inputs.created);
        let overdue = calendar.occurrence(number).is_some_and(|dates| dates.due <= inputs.created);
        number + i64::from(overdue)
    }
}

/// How many occurrences may open at once. Two less than are kept, for the one before them and the scheduled
/// one.
fn max_backlog() -> i64 {
    i64::try_from(MAX_OCCURRENCES).unwrap_or(i64::MAX) - 2
}

fn occurrence(dates: Dates, inputs: &LedgerInputs<'_>, ahead: bool) -> Occurrence {
    Occurrence {
        period: dates.period,
        phase: if ahead { OccurrencePhase::Scheduled } else { OccurrencePhase::Open },
        opens: Time(dates.opens),
        due: Time(dates.due),
        grace_until: Time(dates.grace_until),
        rule_digest: inputs.digest.to_owned(),
        event: None,
        rule: (!ahead).then(|| inputs.rule.clone()),
        reminded: None,
        closed: None,
        waived_by: None,
        records: Vec::new(),
    }
}

fn next_of_open(occurrence: &Occurrence) -> Timestamp {
    let remind = occurrence
        .rule
        .as_ref()
        .and_then(|rule| rule.remind_before)
        .filter(|_| occurrence.reminded.is_none())
        .map(|before| before.subtract_from(occurrence.due.0));
    let missed = missed_at(occurrence);
    remind.map_or(missed, |remind| remind.min(missed))
}

/// By when they open; those of one second by number, which has no zeros before it.
fn sort(occurrences: &mut [Occurrence]) {
    occurrences.sort_by(|a, b| {
        (a.opens.0, a.period.len(), &a.period).cmp(&(b.opens.0, b.period.len(), &b.period))
    });
}
