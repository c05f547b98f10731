//! What the log does not hold yet of the occurrences of human controls. Pure.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;

use crate::GuardHistory;
use comptroller_core::{
    api::{Occurrence, OccurrencePhase, OccurrenceRecord, time::whole_seconds},
    engine::Verdict,
    inventory::records::AttestationFacts,
};
use comptroller_evidence::{
    data::{ArtifactRef, AttestationData, AttestationRecord, OccurrenceDates, OccurrenceEvent},
    entry::Data,
    fold::{ControlState, OccurrenceState},
    privacy::Pseudonymizer,
};

/// The occurrences of a control as the log will have them, a verdict at a time: the steps of one
/// batch must not be compared with the log alone, which has none of them yet.
pub(super) struct OccurrenceCourse<'a> {
    known: ControlState,
    now: Timestamp,
    /// When the policies that bind an attestation to its author were in force. None: not known.
    pub(super) authors: Option<&'a GuardHistory>,
}

/// What is recorded of an attestation beside what it says itself.
struct Seen<'a> {
    at: Timestamp,
    authors: Option<&'a GuardHistory>,
}

impl OccurrenceCourse<'_> {
    /// From what the log says.
    pub fn new(logged: Option<&ControlState>, now: Timestamp) -> Self {
        let occurrences = logged.map(|control| control.occurrences.clone()).unwrap_or_default();
        let known = ControlState { occurrences, ..ControlState::default() };
        Self { known, now, authors: None }
    }

    /// The entries of the next verdict.
    pub fn steps(&mut self, verdict: &Verdict, pseudonym: &dyn Fn(&str) -> String) -> Vec<Data> {
        // No verdict of another kind of control has any.
        if verdict.occurrences.is_empty() {
            return Vec::new();
        }
        let seen = Seen { at: whole_seconds(self.now).0, authors: self.authors };
        let known = self.known.occurrences.iter();
        let steps = steps(known, &verdict.occurrences, &verdict.records, pseudonym, &seen);
        for step in &steps {
            if let Data::Attestation(data) = step {
                // Where the entry will be is not known yet, and nothing here asks for it.
                self.known.attestation(u64::MAX, self.now, data);
            }
        }
        steps
    }
}

/// What the log does not hold yet: each phase that an occurrence entered, and each record that
/// reached it. `pseudonym` hides who a person is.
fn steps<'a>(
    log: impl Iterator<Item = &'a OccurrenceState>,
    present: &[Occurrence],
    records: &[Arc<AttestationFacts>],
    pseudonym: &dyn Fn(&str) -> String,
    seen: &Seen<'_>,
) -> Vec<Data> {
    let log: HashMap<&str, &OccurrenceState> =
        log.map(|known| (known.dates.period.as_str(), known)).collect();
    let mut steps = Vec::new();
    for occurrence in present {
        let known = log.get(occurrence.period.as_str());
        // The log opened it, and has forgotten it since: it forgets only what it knows to be closed.
        if known.is_none() && occurrence.event.is_some() {
            continue;
        }
        for record in &occurrence.records {
            let is_known =
                |known: &&OccurrenceState| known.records.iter().any(|one| one.name == record.name);
            let facts = records.iter().find(|facts| facts.name == record.name);
            if let Some(facts) = facts.filter(|_| !known.is_some_and(is_known)) {
                let data = data_of(facts, record.counts, pseudonym, seen);
                // An answer opens nothing and closes nothing: the phase has a step of its own.
                let phase = known.map_or(OccurrencePhase::Open, |known| known.phase);
                steps.push(step(occurrence, phase, Some(data), note_of(record)));
            }
        }
        let same = known.is_some_and(|known| {
            known.phase == occurrence.phase && known.dates == dates(occurrence)
        });
        if !same {
            steps.push(step(occurrence, occurrence.phase, None, explain(occurrence)));
        }
    }
    steps
}

fn step(
    occurrence: &Occurrence,
    phase: OccurrencePhase,
    record: Option<AttestationRecord>,
    message: String,
) -> Data {
    Data::Attestation(Box::new(AttestationData {
        occurrence: dates(occurrence),
        event: occurrence.event.as_ref().map(logged_event),
        phase,
        record,
        message,
    }))
}

pub(super) fn dates(occurrence: &Occurrence) -> OccurrenceDates {
    OccurrenceDates {
        period: occurrence.period.clone(),
        opens: occurrence.opens.0,
        due: occurrence.due.0,
        grace_until: occurrence.grace_until.0,
        rule_digest: occurrence.rule_digest.clone(),
    }
}

fn logged_event(event: &comptroller_core::api::OccurrenceEvent) -> OccurrenceEvent {
    let comptroller_core::api::OccurrenceEvent { event, kind, name, item, entry, at, not_by } =
        event;
    OccurrenceEvent {
        event: event.clone(),
        kind: kind.clone(),
        name: name.clone(),
        item: item.clone(),
        entry: u64::try_from(*entry).unwrap_or_default(),
        at: at.0,
        not_by: not_by.clone(),
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

fn data_of(
    facts: &AttestationFacts,
    counts: bool,
    pseudonym: &dyn Fn(&str) -> String,
    seen: &Seen<'_>,
) -> AttestationRecord {
    let mut people: Vec<&str> = std::iter::once(facts.attested_by.as_str())
        .chain(facts.recorded_by.as_deref())
        .chain(facts.participants.iter().map(String::as_str))
        .collect();
    // Longer names first: one may be a part of another.
    people.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let pseudonymized = |text: &str| Pseudonymizer::new(pseudonym).text(text, &people);
    AttestationRecord {
        summary: pseudonymized(&facts.summary),
        author_bound: facts
            .recorded_at
            .and_then(|at| seen.authors.and_then(|authors| authors.covers_second(at))),
        recorded_by: facts
            .recorded_by
            .as_deref()
            .map(|user| Pseudonymizer::new(pseudonym).user(user)),
        seen_at: Some(seen.at),
        name: facts.name.clone(),
        counts,
        attested_by: pseudonym(&facts.attested_by),
        on_behalf: facts.recorded_by.is_some(),
        performed_at: facts.performed_at,
        recorded_at: facts.recorded_at.unwrap_or(facts.performed_at),
        outcome: facts.outcome.as_str().to_owned(),
        version: facts.version.as_deref().map(pseudonymized),
        participants: u64::try_from(facts.participants.len()).unwrap_or(u64::MAX),
        artifacts: facts
            .artifacts
            .iter()
            .map(|artifact| ArtifactRef {
                uri: pseudonymized(&artifact.uri),
                digest: format!("sha256:{}", artifact.sha256),
            })
            .collect(),
        spec_digest: facts.spec_digest.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::remembered_occurrences;
    use comptroller_core::api::{Artifact, AttestationOutcome, occurrence::MAX_RECORDS};
    use comptroller_evidence::{
        entry::{Entry, EntrySubject},
        fold::LogState,
    };

    fn occurrence(period: &str, phase: &str, more: &Value) -> Occurrence {
        let mut occurrence = json!({
            "period": period, "phase": phase, "ruleDigest": "sha256:1",
            "opens": "2026-10-01T00:00:00Z", "due": "2027-01-01T00:00:00Z",
            "graceUntil": "2027-01-15T00:00:00Z",
        });
        for (field, value) in more.as_object().unwrap() {
            occurrence[field] = value.clone();
        }
        serde_json::from_value(occurrence).unwrap()
    }

    fn record(name: &str) -> Arc<AttestationFacts> {
        let at = "2026-11-01T00:00:00Z".parse().unwrap();
        Arc::new(AttestationFacts {
            name: name.to_owned(),
            control: "risks".to_owned(),
            period: "2026-Q4".to_owned(),
            attested_by: "sam@corp".to_owned(),
            recorded_by: Some("ci".to_owned()),
            performed_at: at,
            recorded_at: Some(at),
            outcome: AttestationOutcome::Completed,
            version: None,
            participants: Box::new(["sam@corp".to_owned(), "jo@corp".to_owned()]),
            summary: "Assessed by sam@corp with jo@corp.".into(),
            artifacts: Box::new([Artifact {
                uri: "https://minutes.example/by/sam@corp/1".to_owned(),
                sha256: "0a".repeat(32),
                media_type: None,
            }]),
            corrects: None,
            spec_digest: "sha256:2".to_owned(),
        })
    }

    const SEEN: Seen<'static> = Seen { at: Timestamp::UNIX_EPOCH, authors: None };

    fn noted(name: &str, counts: bool) -> Value {
        json!({"records": [{"name": name, "counts": counts, "note": ""}]})
    }

    fn log(state: &mut LogState, present: &[Occurrence]) -> Vec<String> {
        let pseudonym = |_: &str| "person:1".to_owned();
        let steps = steps(state.occurrences("risks"), present, &[record("a")], &pseudonym, &SEEN);
        let told = steps.iter().map(|data| match data {
            Data::Attestation(data) => {
                let record = data.record.as_ref().map(|record| format!(" {}", record.name));
                format!("{} {}{}", data.occurrence.period, data.phase, record.unwrap_or_default())
            }
            other => panic!("{other:?}"),
        });
        let told = told.collect();
        for data in steps {
            let at = "2026-11-02T00:00:00Z".parse().unwrap();
            let entry = Entry {
                clock: comptroller_evidence::entry::ClockReading::default(),
                at,
                epoch: 1,
                subject: EntrySubject::control("risks"),
                data,
            };
            state.apply(state.size(), &entry);
        }
        told
    }

    #[test]
    fn each_step_is_recorded_once() {
        let mut state = LogState::default();
        let open = [occurrence("2026-Q4", "Open", &json!({}))];
        assert_eq!(log(&mut state, &open), ["2026-Q4 Open"]);
        assert_eq!(log(&mut state, &open), [""; 0]);
        let done = [occurrence("2026-Q4", "Completed", &noted("a", true))];
        assert_eq!(log(&mut state, &done), ["2026-Q4 Open a", "2026-Q4 Completed"]);
        assert_eq!(log(&mut state, &done), [""; 0]);
        let logged = state.occurrences("risks").next().unwrap();
        assert_eq!(logged.records[0].attested_by, "person:1");
        assert!(logged.records[0].on_behalf && logged.records[0].counts);
        let uri = &logged.records[0].artifacts[0].uri;
        assert_eq!(uri, "https://minutes.example/by/person:1/1");
    }

    #[test]
    fn a_record_says_who_wrote_it_and_whether_that_was_bound() {
        let pseudonym = |_: &str| "person:1".to_owned();
        let at = record("a").recorded_at.unwrap();
        let mut authors = GuardHistory::default();
        let data = |authors: &GuardHistory| {
            let seen = Seen { at, authors: Some(authors) };
            data_of(&record("a"), true, &pseudonym, &seen)
        };
        assert_eq!(data(&authors).author_bound, None);
        let second = jiff::SignedDuration::from_secs;
        authors.hold("a", at - second(60), at);
        let bound = data(&authors);
        assert_eq!(bound.author_bound, Some(true));
        assert_eq!(bound.recorded_by.as_deref(), Some("person:1"));
        assert_eq!(bound.summary, "Assessed by person:1 with person:1.");
        authors.lapse(at - second(1), at + second(1));
        assert_eq!(data(&authors).author_bound, Some(false));
    }

    #[test]
    fn a_record_is_recorded_once_however_many_there_are() {
        let facts: Vec<_> = (0..=MAX_RECORDS).map(|n| record(&format!("r{n:02}"))).collect();
        let of = |numbers: Vec<usize>| {
            let noted =
                |n: &usize| json!({"name": format!("r{n:02}"), "counts": false, "note": "x"});
            let records: Vec<Value> = numbers.iter().map(noted).collect();
            [occurrence("2026-Q4", "Open", &json!({"records": records}))]
        };
        let mut state = LogState::default();
        let mut tell = |present: &[Occurrence]| {
            let pseudonym = |_: &str| "person:1".to_owned();
            let told = steps(state.occurrences("risks"), present, &facts, &pseudonym, &SEEN);
            let count = told.len();
            for data in told {
                let at = "2026-11-02T00:00:00Z".parse().unwrap();
                let entry = Entry {
                    clock: comptroller_evidence::entry::ClockReading::default(),
                    at,
                    epoch: 1,
                    subject: EntrySubject::control("risks"),
                    data,
                };
                state.apply(state.size(), &entry);
            }
            count
        };
        assert_eq!(tell(&of((0..MAX_RECORDS).collect())), MAX_RECORDS + 1);
        let replaced = of((0..MAX_RECORDS - 1).chain([MAX_RECORDS]).collect());
        assert_eq!(tell(&replaced), 1);
        assert_eq!(tell(&replaced), 0);
    }

    #[test]
    fn a_record_that_does_not_count_is_recorded_and_recalled_as_one() {
        let mut state = LogState::default();
        log(&mut state, &[occurrence("2026-Q4", "Missed", &noted("a", false))]);
        let logged = state.occurrences("risks").next().unwrap();
        assert!(!logged.records[0].counts);
        let known = remembered_occurrences(state.occurrences("risks"), &[]);
        assert!(!known[0].records[0].counts);
    }

    #[test]
    fn the_log_outranks_the_status() {
        let mut state = LogState::default();
        log(&mut state, &[occurrence("2026-Q4", "Missed", &json!({}))]);
        let known =
            |status: &[Occurrence]| remembered_occurrences(state.occurrences("risks"), status);
        for forged in [
            occurrence("2026-Q4", "Completed", &json!({})),
            occurrence("2026-Q4", "Missed", &json!({"due": "2028-01-01T00:00:00Z"})),
            occurrence("2026-Q3", "Completed", &json!({})),
        ] {
            let known = known(&[forged]);
            let told: Vec<_> = known.iter().map(|one| (one.period.as_str(), one.phase)).collect();
            assert_eq!(told, [("2026-Q4", OccurrencePhase::Missed)]);
            assert_eq!(known[0].due.0.to_string(), "2027-01-01T00:00:00Z");
        }
        // What the log does not keep is the status's to tell.
        let told = occurrence("2026-Q4", "Missed", &json!({"waivedBy": "x"}));
        assert_eq!(known(std::slice::from_ref(&told)), [told]);
    }

    #[test]
    fn a_log_that_began_later_takes_over_what_the_status_says() {
        let status = [occurrence("2026-Q4", "Missed", &json!({}))];
        assert_eq!(
            remembered_occurrences(LogState::default().occurrences("risks"), &status),
            status
        );
    }

    #[test]
    fn an_occurrence_that_an_earlier_rule_scheduled_is_not_remembered() {
        let mut state = LogState::default();
        log(&mut state, &[occurrence("2027", "Scheduled", &json!({}))]);
        log(&mut state, &[occurrence("2026-Q4", "Scheduled", &json!({}))]);
        let known = remembered_occurrences(state.occurrences("risks"), &[]);
        assert_eq!(known.len(), 1);
        assert_eq!(known[0].period, "2026-Q4");
    }
}
