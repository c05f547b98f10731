//! The occurrences of a control, and which events opened them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::control::ControlState;
use crate::data::{
    AttestationData, AttestationRecord, OccurrenceDates, OccurrenceEvent, OccurrencePhase,
};
use comptroller_vocabulary::MAX_OCCURRENCE_RECORDS;

/// How many occurrences of the calendar are remembered of a control, the newest.
pub const MAX_OCCURRENCES: usize = 64;

/// How many closed occurrences that events opened are remembered of a control, the newest.
pub const MAX_CLOSED_EVENTS: usize = 256;

/// How many records of an occurrence are remembered, the newest. Twice as many as a status has: there
/// one that counts takes the place of one that does not, and what was forgotten is recorded again.
const MAX_RECORDS: usize = 2 * MAX_OCCURRENCE_RECORDS;

/// An occurrence of a human control.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OccurrenceState {
    /// Its dates and the digest of the rule, as they were frozen.
    pub dates: OccurrenceDates,
    /// What opened it. None of one of the calendar.
    #[serde(default)]
    pub event: Option<OccurrenceEvent>,
    /// How far it has come.
    pub phase: OccurrencePhase,
    /// When it entered the phase.
    pub since: Timestamp,
    /// The newest records that answer it, by entry.
    pub records: Vec<AttestationRecord>,
    /// The newest entry about it.
    pub entry: u64,
}

impl OccurrenceState {
    /// By when they open; those of one second by number, which has no zeros before it.
    fn order(&self) -> (Timestamp, usize, &str) {
        (self.dates.opens, self.dates.period.len(), &self.dates.period)
    }
}

/// Which events opened occurrences of a control: each opens one and no more, also when the
/// occurrence itself is forgotten here.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenedEvents {
    /// How many there were: the number of the newest.
    pub count: u32,
    /// By control, the entry since which it failed when that opened an occurrence last.
    pub failing: BTreeMap<String, u64>,
    /// The newest gap that opened one, by its entry.
    pub gap: Option<u64>,
}

/// The event of a control that fails, as entries call it.
pub const CONTROL_FAILING: &str = "ControlFailing";
/// The event of a time in which nobody could look, as entries call it.
pub const EVIDENCE_GAP: &str = "EvidenceGap";

impl OpenedEvents {
    fn opened(&mut self, event: &OccurrenceEvent) {
        self.count = self.count.saturating_add(1);
        match event.event.as_str() {
            CONTROL_FAILING => {
                self.failing.insert(event.name.clone(), event.entry);
            }
            EVIDENCE_GAP => self.gap = self.gap.max(Some(event.entry)),
            _ => {}
        }
    }
}

impl ControlState {
    /// Takes in a step of an occurrence, as the entry with this number says it.
    pub fn attestation(&mut self, index: u64, at: Timestamp, data: &AttestationData) {
        let dates = &data.occurrence;
        let place = self.occurrences.iter().position(|known| known.dates.period == dates.period);
        if let Some(known) = place.and_then(|place| self.occurrences.get_mut(place)) {
            if known.phase != data.phase {
                (known.phase, known.since) = (data.phase, at);
            }
            // The rule may have changed before the occurrence opened, and its dates with it.
            known.dates = dates.clone();
            known.entry = index;
            known.records.extend(data.record.clone());
            let surplus = known.records.len().saturating_sub(MAX_RECORDS);
            known.records.drain(..surplus);
        } else {
            // A late record of one that is forgotten here opens nothing anew.
            let opens = data.phase == OccurrencePhase::Open && data.record.is_none();
            if let Some(event) = data.event.as_ref().filter(|_| opens) {
                self.events.opened(event);
            }
            self.occurrences.push(OccurrenceState {
                dates: dates.clone(),
                event: data.event.clone(),
                phase: data.phase,
                since: at,
                records: data.record.clone().into_iter().collect(),
                entry: index,
            });
        }
        self.occurrences.sort_by(|a, b| a.order().cmp(&b.order()));
        self.forget_old_occurrences();
    }

    /// What is open is never forgotten: it has to end.
    fn forget_old_occurrences(&mut self) {
        let is_of_events = self.occurrences.iter().any(|one| one.event.is_some());
        let most = if is_of_events { MAX_CLOSED_EVENTS } else { MAX_OCCURRENCES };
        let counts = |one: &OccurrenceState| !is_of_events || one.phase.is_closed();
        let mut surplus = self.occurrences.iter().filter(|one| counts(one)).count();
        surplus = surplus.saturating_sub(most);
        self.occurrences.retain(|one| {
            let goes = surplus > 0 && counts(one);
            surplus -= usize::from(goes);
            !goes
        });
    }
}
