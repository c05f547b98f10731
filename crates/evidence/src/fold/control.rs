//! How one control stands.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    findings::{FindingKey, OpenFinding},
    occurrences::{OccurrenceState, OpenedEvents},
};
use crate::data::{EntryFinding, Heartbeat, PopulationList, VerdictData};
use comptroller_vocabulary::State;

/// How a control stands, by the log.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControlState {
    /// Its newest verdict; None when it has none yet, when it was deleted, or when the data of the
    /// newest is missing beside the log.
    pub verdict: Option<VerdictState>,
    /// The newest occurrences of a human control, by when they open, and all that are open.
    pub occurrences: Vec<OccurrenceState>,
    /// Which events opened occurrences of it so far.
    #[serde(default)]
    pub events: OpenedEvents,
    /// Since when it fails. None while it does not. That it could not be judged for a time does not
    /// end it.
    #[serde(default)]
    pub failing: Option<FailingSince>,
    /// Whether it was ever judged since it was declared: what failed at first had begun before.
    #[serde(default)]
    pub judged: bool,
    /// The entry by which it was deleted; None while it is not.
    pub deleted: Option<u64>,
}

/// The beginning of a time in which a control fails.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FailingSince {
    /// The entry that first says so.
    pub entry: u64,
    /// When it was written.
    pub at: Timestamp,
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

impl ControlState {
    pub(super) fn verdict(&mut self, index: u64, at: Timestamp, data: &VerdictData) {
        // A control of this name was declared again: the old one's occurrences are kept, not its end.
        self.deleted = None;
        self.note_state(index, at, data.state);
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
        self.note_state(index, at, data.state);
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

    fn note_state(&mut self, index: u64, at: Timestamp, state: State) {
        self.judged |= state != State::Unknown;
        match state {
            State::Failing => {
                self.failing.get_or_insert(FailingSince { entry: index, at });
            }
            // Nobody could look: it may fail all the time.
            State::Unknown => {}
            State::Passing | State::Excepted | State::NotApplicable => self.failing = None,
        }
    }

    pub(super) fn forget_verdict(&mut self) {
        self.verdict = None;
    }

    pub(super) fn delete(&mut self, index: u64) {
        self.verdict = None;
        self.failing = None;
        self.judged = false;
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
