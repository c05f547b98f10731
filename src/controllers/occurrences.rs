//! What to say of the occurrences of a human control: how they stand, what to announce, and what
//! to record. Pure.

use std::sync::Arc;

use crate::{
    api::{Occurrence, OccurrencePhase, OccurrenceRecord},
    evidence::{
        data::{ArtifactRef, AttestationData, AttestationRecord, OccurrenceDates},
        entry::Data,
    },
    inventory::records::AttestationFacts,
};

/// How the newest occurrence stands, for the condition Ready. None when there is none.
pub fn standing(occurrences: &[Occurrence]) -> Option<String> {
    let open = occurrences.iter().rev().find(|one| one.phase == OccurrencePhase::Open);
    if let Some(open) = open {
        let counted = open.records.iter().filter(|record| record.counts).count();
        let wanted = open.rule.as_ref().map_or(1, |rule| rule.min_attesters());
        let reminder = if open.reminded.is_some() { "reminder: " } else { "" };
        return Some(format!(
            "{reminder}{} is open and due at {}; {counted} of {wanted} attested it so far: see comptroller attest",
            open.period, open.due.0
        ));
    }
    let next = occurrences.iter().rev().find(|one| one.phase == OccurrencePhase::Scheduled)?;
    Some(format!("{} opens at {} and is due at {}", next.period, next.opens.0, next.due.0))
}

/// A reminder or an end that is worth an event, as its reason and its note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// In one CamelCase word.
    pub reason: &'static str,
    /// For a person.
    pub note: String,
    /// Whether somebody should act.
    pub warning: bool,
}

/// What changed between two looks that somebody should hear of.
pub fn announcements(before: &[Occurrence], after: &[Occurrence]) -> Vec<Announcement> {
    let mut announcements = Vec::new();
    for occurrence in after {
        let known = find(before, &occurrence.period);
        let phase = known.map(|known| known.phase);
        let due = occurrence.due.0;
        let period = &occurrence.period;
        let mut say = |reason, note, warning| {
            announcements.push(Announcement { reason, note, warning });
        };
        let entered = phase != Some(occurrence.phase);
        match occurrence.phase {
            OccurrencePhase::Open if entered => {
                say("OccurrenceOpened", format!("{period} can be attested until {due}"), false);
            }
            OccurrencePhase::Missed if entered => say(
                "OccurrenceMissed",
                format!("{period} was due at {due} and nobody attested it in time"),
                true,
            ),
            OccurrencePhase::Completed
            | OccurrencePhase::CompletedLate
            | OccurrencePhase::Waived
                if entered =>
            {
                say("OccurrenceClosed", format!("{period} is {}", occurrence.phase), false);
            }
            _ => {}
        }
        let reminded = known.and_then(|known| known.reminded.as_ref());
        if occurrence.reminded.is_some() && reminded.is_none() {
            let note = format!("{period} is due at {due} and not attested yet");
            say("OccurrenceDue", note, true);
        }
    }
    announcements
}

/// What to record of a change between two looks: each phase that an occurrence entered, and each
/// record that reached it. `pseudonym` hides who a person is.
pub fn steps(
    before: &[Occurrence],
    after: &[Occurrence],
    records: &[Arc<AttestationFacts>],
    pseudonym: &dyn Fn(&str) -> String,
) -> Vec<Data> {
    let mut steps = Vec::new();
    for occurrence in after {
        let known = find(before, &occurrence.period);
        for record in &occurrence.records {
            let is_new = known.is_none_or(|known| !known.records.contains(record));
            let facts = records.iter().find(|facts| facts.name == record.name);
            if let Some(facts) = facts.filter(|_| is_new) {
                let record_data = data_of(facts, pseudonym);
                steps.push(step(occurrence, Some(record_data), note_of(record)));
            }
        }
        let same = known.is_some_and(|known| {
            known.phase == occurrence.phase && dates(known) == dates(occurrence)
        });
        if !same {
            steps.push(step(occurrence, None, explain(occurrence)));
        }
    }
    steps
}

fn find<'a>(occurrences: &'a [Occurrence], period: &str) -> Option<&'a Occurrence> {
    occurrences.iter().find(|occurrence| occurrence.period == period)
}

fn step(occurrence: &Occurrence, record: Option<AttestationRecord>, message: String) -> Data {
    Data::Attestation(Box::new(AttestationData {
        occurrence: dates(occurrence),
        phase: occurrence.phase,
        record,
        message,
    }))
}

fn dates(occurrence: &Occurrence) -> OccurrenceDates {
    OccurrenceDates {
        period: occurrence.period.clone(),
        opens: occurrence.opens.0,
        due: occurrence.due.0,
        grace_until: occurrence.grace_until.0,
        rule_digest: occurrence.rule_digest.clone(),
    }
}

fn note_of(record: &OccurrenceRecord) -> String {
    match (record.counts, record.note.as_str()) {
        (true, "") => "the record counts".to_owned(),
        (true, note) => format!("the record counts; {note}"),
        (false, note) => format!("the record does not count: {note}"),
    }
}

fn explain(occurrence: &Occurrence) -> String {
    match (&occurrence.waived_by, occurrence.phase) {
        (Some(exception), _) => format!("waived by ControlException {exception}"),
        (None, OccurrencePhase::Missed) => "nobody attested it in time".to_owned(),
        _ => String::new(),
    }
}

fn data_of(facts: &AttestationFacts, pseudonym: &dyn Fn(&str) -> String) -> AttestationRecord {
    AttestationRecord {
        name: facts.name.clone(),
        attested_by: pseudonym(&facts.attested_by),
        on_behalf: facts.recorded_by.is_some(),
        performed_at: facts.performed_at,
        recorded_at: facts.recorded_at.unwrap_or(facts.performed_at),
        outcome: facts.outcome.as_str().to_owned(),
        version: facts.version.clone(),
        participants: u64::try_from(facts.participants).unwrap_or(u64::MAX),
        artifacts: facts
            .artifacts
            .iter()
            .map(|artifact| ArtifactRef {
                uri: artifact.uri.clone(),
                digest: format!("sha256:{}", artifact.sha256),
            })
            .collect(),
        spec_digest: facts.spec_digest.clone(),
    }
}
