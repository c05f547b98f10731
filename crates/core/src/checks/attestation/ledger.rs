//! The occurrences of one control through time: opened, answered, closed, and never changed after.

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    calendar::{Calendar, Dates},
    requirements::{self, RecordRejection},
};
use crate::{
    api::{
        MAX_OCCURRENCES, Occurrence, OccurrencePhase, OccurrenceRecord, occurrence::MAX_RECORDS,
        test_spec::AttestationTest,
    },
    inventory::records::AttestationFacts,
};
use comptroller_vocabulary::canonical;

/// How long after the grace an occurrence is declared missed: a record that reached the API server
/// in the last second of it may arrive here a little later, and missed is for ever.
const SETTLE: SignedDuration = SignedDuration::from_mins(5);

/// How far the clock of who writes a record may be ahead of the API server's.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

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
}

impl OccurrenceLedger {
    /// The ledger as a status or the evidence log recorded it.
    pub fn restored(mut occurrences: Vec<Occurrence>) -> Self {
        occurrences.sort_by_key(|occurrence| occurrence.opens.0);
        Self { occurrences }
    }

    /// All that are kept, the oldest first and the scheduled one last.
    pub fn occurrences(&self) -> &[Occurrence] {
        &self.occurrences
    }

    /// Brings the occurrences up to `now`. True when something changed. Advancing twice by the same inputs
    /// changes nothing the second time.
    pub fn advance(&mut self, inputs: &LedgerInputs<'_>) -> bool {
        let before = self.occurrences.clone();
        self.schedule(inputs);
        for occurrence in &mut self.occurrences {
            if occurrence.phase == OccurrencePhase::Open {
                settle(occurrence, inputs);
            }
            if occurrence.phase.is_closed() {
                note_late_records(occurrence, inputs);
            }
        }
        // A status is bounded. What goes is in the evidence log.
        let surplus = self.occurrences.len().saturating_sub(MAX_OCCURRENCES);
        self.occurrences.drain(..surplus);
        self.occurrences != before
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
        rule: (!ahead).then(|| inputs.rule.clone()),
        reminded: None,
        closed: None,
        waived_by: None,
        records: Vec::new(),
    }
}

/// The rule that an occurrence froze when it opened. One that does not fit its digest, or is gone, may
/// have been changed by hand: then the rule in force is all there is.
fn frozen<'a>(occurrence: &'a Occurrence, inputs: &LedgerInputs<'a>) -> &'a AttestationTest {
    occurrence
        .rule
        .as_ref()
        .filter(|rule| rule_digest(rule) == occurrence.rule_digest)
        .unwrap_or(inputs.rule)
}

fn next_of_open(occurrence: &Occurrence) -> Timestamp {
    let remind = occurrence
        .rule
        .as_ref()
        .and_then(|rule| rule.remind_before)
        .filter(|_| occurrence.reminded.is_none())
        .map(|before| before.subtract_from(occurrence.due.0));
    let missed = occurrence.grace_until.0 + SETTLE;
    remind.map_or(missed, |remind| remind.min(missed))
}

/// Completes, waives or misses an open occurrence, or reminds of it.
fn settle(occurrence: &mut Occurrence, inputs: &LedgerInputs<'_>) {
    let rule = frozen(occurrence, inputs).clone();
    let mut records: Vec<_> =
        inputs.records.iter().filter(|record| record.period == occurrence.period).collect();
    // The first come first, and those of one second by name.
    records.sort_by_key(|record| record.recorded_at);
    let mut people = BTreeSet::new();
    let mut completed = None;
    for record in records {
        let verdict = judge(record, occurrence, &rule);
        let counts = verdict.is_ok() && completed.is_none();
        if counts {
            people.insert(record.attested_by.as_str());
            if people.len() >= rule.min_attesters() {
                completed = record.recorded_at;
            }
        }
        let note = match verdict {
            Ok(note) if counts => note,
            Ok(_) => "the occurrence was complete without it".to_owned(),
            Err(why) => why.to_string(),
        };
        note_record(occurrence, record, counts, note);
    }
    let due = occurrence.due.0;
    if let Some(at) = completed {
        let phase =
            if at <= due { OccurrencePhase::Completed } else { OccurrencePhase::CompletedLate };
        close(occurrence, phase, at);
    } else if inputs.now <= due
        && let Some(exception) = (inputs.waiver)(&occurrence.period, due)
    {
        close(occurrence, OccurrencePhase::Waived, inputs.now);
        occurrence.waived_by = Some(exception);
    } else if inputs.now >= occurrence.grace_until.0 + SETTLE {
        let at = occurrence.grace_until.0;
        close(occurrence, OccurrencePhase::Missed, at);
    } else if occurrence.reminded.is_none()
        && rule.remind_before.is_some_and(|before| before.subtract_from(due) <= inputs.now)
    {
        occurrence.reminded = Some(crate::api::time::whole_seconds(inputs.now));
    }
}

fn close(occurrence: &mut Occurrence, phase: OccurrencePhase, at: Timestamp) {
    occurrence.phase = phase;
    occurrence.closed = Some(crate::api::time::whole_seconds(at));
    occurrence.rule = None;
}

/// Whether a record counts for an open occurrence: Ok with a note about it, which may be empty. What
/// decides is when it reached the API server, whatever it claims itself.
fn judge(
    record: &AttestationFacts,
    occurrence: &Occurrence,
    rule: &AttestationTest,
) -> Result<String, RecordRejection> {
    let Some(recorded) = record.recorded_at else {
        return Err(RecordRejection::NeverStored);
    };
    if recorded < occurrence.opens.0 {
        return Err(RecordRejection::TooEarly { opens: occurrence.opens.0 });
    }
    if recorded > occurrence.grace_until.0 {
        return Err(RecordRejection::TooLate { grace_until: occurrence.grace_until.0 });
    }
    if record.performed_at > recorded + CLOCK_SKEW {
        return Err(RecordRejection::NotYetPerformed { performed: record.performed_at });
    }
    if record.performed_at < occurrence.opens.0 {
        return Err(RecordRejection::PerformedTooEarly {
            performed: record.performed_at,
            opens: occurrence.opens.0,
        });
    }
    requirements::check_parts(record, rule)?;
    requirements::check_attester(&record.attested_by, rule)
}

/// Notes the records that reach a closed occurrence. They change nothing about how it closed.
fn note_late_records(occurrence: &mut Occurrence, inputs: &LedgerInputs<'_>) {
    for record in &inputs.records {
        // Noted once: what was judged while the occurrence was open keeps its note.
        let known = occurrence.records.iter().any(|known| known.name == record.name);
        if known || record.period != occurrence.period {
            continue;
        }
        let note = if occurrence.phase == OccurrencePhase::Missed {
            "it came too late and is kept as a catch-up: the occurrence stays Missed".to_owned()
        } else {
            format!("it arrived when the occurrence was already {}", occurrence.phase)
        };
        note_record(occurrence, record, false, note);
    }
}

fn note_record(occurrence: &mut Occurrence, record: &AttestationFacts, counts: bool, note: String) {
    let records = &mut occurrence.records;
    let new = OccurrenceRecord { name: record.name.clone(), counts, note };
    if let Some(known) = records.iter_mut().find(|known| known.name == record.name) {
        *known = new;
    } else if records.len() < MAX_RECORDS {
        records.push(new);
    } else if counts && let Some(last) = records.iter_mut().rev().find(|known| !known.counts) {
        // What counts must be seen, however much there is that does not.
        *last = new;
    }
}
