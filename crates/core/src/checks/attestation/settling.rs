//! How an occurrence ends: by the records that answer it, by an exception, or by nobody in time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    ledger::{LedgerInputs, rule_digest},
    requirements::{self, RecordRejection},
};
use crate::{
    api::{
        Occurrence, OccurrencePhase, OccurrenceRecord, occurrence::MAX_RECORDS,
        test_spec::AttestationTest,
    },
    inventory::records::AttestationFacts,
};

/// How long after the grace an occurrence is declared missed: a record that reached the API server
/// in the last second of it may arrive here a little later, and missed is for ever.
const SETTLE: SignedDuration = SignedDuration::from_mins(5);

/// Of what an event opened for a short time, no more than this part of it.
const SETTLE_SHARE: i32 = 10;

/// How far the clock of who writes a record may be ahead of the API server's.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// The note of a record that says that what was missed was done late.
const CATCH_UP: &str = "it came too late and is kept as a catch-up: the occurrence stays Missed";

/// Records by the period that they answer, the first come first, and those of one second by name.
pub(super) struct RecordsByPeriod<'a>(BTreeMap<&'a str, Vec<&'a AttestationFacts>>);

impl<'a> RecordsByPeriod<'a> {
    /// Of records by name.
    pub(super) fn new(records: &[&'a std::sync::Arc<AttestationFacts>]) -> Self {
        let mut by_period: BTreeMap<&str, Vec<&AttestationFacts>> = BTreeMap::new();
        for record in records {
            by_period.entry(&record.period).or_default().push(record);
        }
        for records in by_period.values_mut() {
            records.sort_by_key(|record| record.recorded_at);
        }
        Self(by_period)
    }

    pub(super) fn of(&self, period: &str) -> &[&'a AttestationFacts] {
        self.0.get(period).map_or(&[], Vec::as_slice)
    }
}

/// When an open occurrence is declared missed.
pub(super) fn missed_at(occurrence: &Occurrence) -> Timestamp {
    let end = occurrence.grace_until.0;
    let settle = match &occurrence.event {
        Some(_) => SETTLE.min(end.duration_since(occurrence.opens.0) / SETTLE_SHARE),
        None => SETTLE,
    };
    end + settle
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

/// Completes, waives or misses an open occurrence, or reminds of it.
pub(super) fn settle(
    occurrence: &mut Occurrence,
    records: &[&AttestationFacts],
    inputs: &LedgerInputs<'_>,
) {
    let rule = frozen(occurrence, inputs).clone();
    let mut people = BTreeSet::new();
    let mut completed = None;
    for record in records {
        let verdict = judge(record, occurrence, &rule, inputs);
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
    } else if inputs.now >= missed_at(occurrence) {
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
    inputs: &LedgerInputs<'_>,
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
    admit(record, occurrence, rule, inputs)
}

/// Whether a record has what the rule requires, by somebody who may attest, whenever it came.
fn admit(
    record: &AttestationFacts,
    occurrence: &Occurrence,
    rule: &AttestationTest,
    inputs: &LedgerInputs<'_>,
) -> Result<String, RecordRejection> {
    requirements::check_parts(record, rule)?;
    if let Some(event) = &occurrence.event {
        requirements::check_not_barred(&record.attested_by, &event.not_by, inputs.pseudonym)?;
    }
    requirements::check_attester(&record.attested_by, rule)
}

/// Notes the records that reach a closed occurrence. They change nothing about how it closed.
pub(super) fn note_late_records(
    occurrence: &mut Occurrence,
    records: &[&AttestationFacts],
    inputs: &LedgerInputs<'_>,
) {
    for record in records {
        // Noted once: what was judged while the occurrence was open keeps its note.
        let is_noted = |known: &OccurrenceRecord| {
            known.name == record.name && !is_unexplained(known, record, occurrence)
        };
        if occurrence.records.iter().any(is_noted) {
            continue;
        }
        let note = if occurrence.phase == OccurrencePhase::Missed {
            // What does not do as an answer does not do as a late one.
            let admitted = occurrence
                .event
                .as_ref()
                .map(|_| admit(record, occurrence, frozen(occurrence, inputs), inputs));
            match admitted {
                Some(Err(why)) => why.to_string(),
                Some(Ok(_)) | None => CATCH_UP.to_owned(),
            }
        } else {
            format!("it arrived when the occurrence was already {}", occurrence.phase)
        };
        note_record(occurrence, record, false, note);
    }
}

/// Whether a late record lost its note, as after a restart: the log keeps none.
fn is_unexplained(
    known: &OccurrenceRecord,
    record: &AttestationFacts,
    occurrence: &Occurrence,
) -> bool {
    occurrence.event.is_some()
        && known.note.is_empty()
        && !known.counts
        && record.recorded_at.is_some_and(|at| at > occurrence.grace_until.0)
}

/// Whether somebody did late what was missed.
pub(super) fn is_caught_up(occurrence: &Occurrence) -> bool {
    occurrence.records.iter().any(|record| !record.counts && record.note == CATCH_UP)
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
