//! What the log remembers of the occurrences of human controls. Pure.

use super::occurrences::dates;
use comptroller_core::api::{
    MAX_OCCURRENCES, Occurrence, OccurrenceEvent, OccurrencePhase, OccurrenceRecord,
    occurrence::MAX_RECORDS, time::Time,
};
use comptroller_evidence::fold::OccurrenceState;

/// What is remembered of occurrences: the log outranks the status, which many may write. Only what
/// the log does not keep is taken from the status.
pub fn remembered_occurrences<'a>(
    log: impl Iterator<Item = &'a OccurrenceState>,
    status: &[Occurrence],
) -> Vec<Occurrence> {
    // What an event opened is known by the log alone: in another log it was another event's.
    let calendar = || status.iter().filter(|one| one.event.is_none()).cloned().collect();
    let log: Vec<&OccurrenceState> = log.collect();
    let is_ahead = |one: &OccurrenceState| one.phase == OccurrencePhase::Scheduled;
    // One that was scheduled by an earlier rule never opens, and stays in the log as it was.
    let ahead = log.iter().filter(|one| is_ahead(one)).map(|one| one.entry).max();
    let mut known: Vec<Occurrence> = log
        .into_iter()
        .filter(|one| !is_ahead(one) || Some(one.entry) == ahead)
        .map(|logged| remembered_occurrence(logged, status))
        .collect();
    if known.is_empty() {
        // The log began after them.
        return calendar();
    }
    // Of those that events opened the log keeps no more than is wanted.
    if known.iter().all(|one| one.event.is_none()) {
        known.drain(..known.len().saturating_sub(MAX_OCCURRENCES));
    }
    known
}

/// The occurrences of a control that events opened and that are not closed, as the log tells.
pub fn open_event_occurrences<'a>(
    log: impl Iterator<Item = &'a OccurrenceState>,
) -> Vec<Occurrence> {
    log.filter(|one| one.event.is_some() && !one.phase.is_closed())
        .map(|logged| remembered_occurrence(logged, &[]))
        .collect()
}

fn remembered_occurrence(logged: &OccurrenceState, status: &[Occurrence]) -> Occurrence {
    let OccurrenceState { dates: frozen, event, phase, since, records, .. } = logged;
    let told = status
        .iter()
        .find(|told| told.period == frozen.period)
        .filter(|told| told.phase == *phase && dates(told) == *frozen)
        .filter(|told| told.event.is_some() == event.is_some())
        .cloned();
    told.unwrap_or_else(|| Occurrence {
        period: frozen.period.clone(),
        phase: *phase,
        opens: Time(frozen.opens),
        due: Time(frozen.due),
        grace_until: Time(frozen.grace_until),
        rule_digest: frozen.rule_digest.clone(),
        event: event.as_ref().map(|event| OccurrenceEvent {
            event: event.event.clone(),
            kind: event.kind.clone(),
            name: event.name.clone(),
            item: event.item.clone(),
            entry: i64::try_from(event.entry).unwrap_or(i64::MAX),
            at: Time(event.at),
            not_by: event.not_by.clone(),
        }),
        // A rule that is in no status any more may be in that of an occurrence that opened by it.
        rule: (event.is_some() && !phase.is_closed())
            .then(|| {
                status
                    .iter()
                    .find(|one| one.rule_digest == frozen.rule_digest && one.rule.is_some())
            })
            .flatten()
            .and_then(|one| one.rule.clone()),
        reminded: None,
        closed: phase.is_closed().then_some(Time(*since)),
        waived_by: None,
        records: records
            .iter()
            .skip(records.len().saturating_sub(MAX_RECORDS))
            .map(|record| OccurrenceRecord {
                name: record.name.clone(),
                counts: record.counts,
                note: String::new(),
            })
            .collect(),
    })
}
