//! How one control stands.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::findings::{FindingKey, OpenFinding};
use crate::data::{
    AttestationData, AttestationRecord, EntryFinding, Heartbeat, OccurrenceDates, OccurrencePhase,
    PopulationList, VerdictData,
};
use comptroller_vocabulary::{MAX_OCCURRENCE_RECORDS, State};

/// How many occurrences of a control are remembered, the newest.
pub const MAX_OCCURRENCES: usize = 64;

/// How many records of an occurrence are remembered, the newest. Twice as many as a status has: there
/// one that counts takes the place of one that does not, and what was forgotten is recorded again.
const MAX_RECORDS: usize = 2 * MAX_OCCURRENCE_RECORDS;

/// How a control stands, by the log.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControlState {
    /// Its newest verdict; None when it has none yet, when it was deleted, or when the data of the
    /// newest is missing beside the log.
    pub verdict: Option<VerdictState>,
    /// The newest occurrences of a human control, by when they open.
    pub occurrences: Vec<OccurrenceState>,
    /// The entry by which it was deleted; None while it is not.
    pub deleted: Option<u64>,
}

/// The newest verdict of a control, with what heartbeats added.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerdictState {
    /// The state that it is in.
    pub state: State,
    /// Why, in one CamelCase word; of a heartbeat without a verdict before it, nothing.
    pub reason: String,
    /// When it entered the state.
    pub since: Timestamp,
    /// The generation that was judged.
    pub generation: i64,
    /// How many items were judged.
    pub population: u64,
    /// How many of them fail.
    pub failing: u64,
    /// How many of them fail only in what exceptions allow.
    pub excepted: u64,
    /// How many of them could not be judged.
    pub unknown: u64,
    /// The digest of the whole set of findings.
    pub findings_digest: String,
    /// The findings that are open, those excepted too.
    #[serde(with = "super::findings::list")]
    pub findings: BTreeMap<FindingKey, OpenFinding>,
    /// When the last verdict or heartbeat was written.
    pub last_at: Timestamp,
    /// The last verdict or heartbeat.
    pub last_entry: u64,
    /// The newest list of the population, and when it was written.
    pub population_list: Option<(PopulationList, Timestamp)>,
    /// The digest of who was in the population when it was last judged; None where no entry has it.
    pub population_digest: Option<String>,
    /// The digest of who is in that list; None where no entry has it.
    pub listed_digest: Option<String>,
}

impl VerdictState {
    /// What an entry says, with the findings that are open after it. `last` is where and when it is
    /// written.
    pub fn of(
        data: &VerdictData,
        findings: BTreeMap<FindingKey, OpenFinding>,
        last: (u64, Timestamp),
        population_list: Option<(PopulationList, Timestamp)>,
    ) -> Self {
        let (last_entry, last_at) = last;
        Self {
            state: data.state,
            reason: data.reason.clone(),
            since: data.since,
            generation: data.generation,
            population: data.population,
            failing: data.failing,
            excepted: data.excepted,
            unknown: data.unknown,
            findings_digest: data.findings.clone(),
            findings,
            last_at,
            last_entry,
            population_list,
            population_digest: data.population_digest.clone(),
            listed_digest: None,
        }
    }

    /// The open findings as entries hold them, without their messages.
    pub fn open_findings(&self) -> impl Iterator<Item = EntryFinding> {
        self.findings.iter().map(|(key, finding)| finding.to_entry(key))
    }
}

/// An occurrence of a human control.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OccurrenceState {
    /// Its dates and the digest of the rule, as they were frozen.
    pub dates: OccurrenceDates,
    /// How far it has come.
    pub phase: OccurrencePhase,
    /// When it entered the phase.
    pub since: Timestamp,
    /// The newest records that answer it, by entry.
    pub records: Vec<AttestationRecord>,
    /// The newest entry about it.
    pub entry: u64,
}

impl ControlState {
    pub(super) fn verdict(&mut self, index: u64, at: Timestamp, data: &VerdictData) {
        // A control of this name was declared again: the old one's occurrences are kept, not its end.
        self.deleted = None;
        let before = self.verdict.take();
        let (mut findings, list, members, listed) = before
            .map(|before| {
                let VerdictState { findings, population_list, population_digest, .. } = before;
                (findings, population_list, population_digest, before.listed_digest)
            })
            .unwrap_or_default();
        // A finding whose exception changed may be listed both as gone and as new.
        for gone in &data.removed {
            findings.remove(&FindingKey::of(gone));
        }
        for new in &data.added {
            findings.insert(FindingKey::of(new), OpenFinding::new(index, new));
        }
        let list = newest(data.population_list.as_ref(), at, list);
        let mut verdict = VerdictState::of(data, findings, (index, at), list);
        // While nothing is judged, who was in the population is what the next verdict goes on from.
        verdict.population_digest = verdict.population_digest.or(members);
        verdict.listed_digest = match &data.population_list {
            Some(_) => data.population_digest.clone(),
            None => listed,
        };
        self.verdict = Some(verdict);
    }

    pub(super) fn heartbeat(&mut self, index: u64, at: Timestamp, data: &Heartbeat) {
        self.deleted = None;
        let verdict = self.verdict.get_or_insert_with(|| VerdictState {
            state: data.state,
            reason: String::new(),
            since: at,
            generation: data.generation,
            population: 0,
            failing: 0,
            excepted: 0,
            unknown: 0,
            findings_digest: String::new(),
            findings: BTreeMap::new(),
            last_at: at,
            last_entry: index,
            population_list: None,
            population_digest: None,
            listed_digest: None,
        });
        // A heartbeat repeats the last verdict. Another state means that a verdict before it could not be
        // read, and then nothing is known of the reason.
        if verdict.state != data.state {
            (verdict.state, verdict.since, verdict.reason) = (data.state, at, String::new());
        }
        verdict.generation = data.generation;
        verdict.population = data.population;
        verdict.failing = data.failing;
        verdict.excepted = data.excepted;
        verdict.unknown = data.unknown;
        if verdict.findings_digest != data.findings {
            verdict.findings_digest.clone_from(&data.findings);
        }
        if data.population_digest.is_some() {
            verdict.population_digest.clone_from(&data.population_digest);
        }
        if data.population_list.is_some() {
            verdict.listed_digest.clone_from(&data.population_digest);
        }
        verdict.last_at = at;
        verdict.last_entry = index;
        verdict.population_list =
            newest(data.population_list.as_ref(), at, verdict.population_list.take());
    }

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
            self.occurrences.push(OccurrenceState {
                dates: dates.clone(),
                phase: data.phase,
                since: at,
                records: data.record.clone().into_iter().collect(),
                entry: index,
            });
        }
        self.occurrences.sort_by(|a, b| {
            (a.dates.opens, &a.dates.period).cmp(&(b.dates.opens, &b.dates.period))
        });
        let surplus = self.occurrences.len().saturating_sub(MAX_OCCURRENCES);
        self.occurrences.drain(..surplus);
    }

    pub(super) fn forget_verdict(&mut self) {
        self.verdict = None;
    }

    pub(super) fn delete(&mut self, index: u64) {
        self.verdict = None;
        self.deleted = Some(index);
    }
}

fn newest(
    list: Option<&PopulationList>,
    at: Timestamp,
    before: Option<(PopulationList, Timestamp)>,
) -> Option<(PopulationList, Timestamp)> {
    list.map(|list| (list.clone(), at)).or(before)
}
