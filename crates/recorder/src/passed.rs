//! What was over before it was recorded, on its way to the log: once, and with the log's names.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use rustc_hash::FxHashMap;

use super::{Evidence, EvidenceError, draft::PassedDraft, recall};
use comptroller_core::{
    api::{EvidenceRef, ResourceRef},
    engine::{ObservedFinding, lapsed::LapsedVerdict, memory::FindingHash},
};
use comptroller_evidence::{fold, privacy::Pseudonymizer};

/// What there is to record of a control beside its verdict.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Everything that is wrong, excepted or not.
    pub wrong: Vec<ObservedFinding>,
    /// What was so and was over before, and in no record, in order.
    pub passed: Vec<LapsedVerdict>,
    /// The number up to which all is told then.
    pub until: u64,
    /// What was judged, if it was asked for.
    pub population: Option<Vec<ResourceRef>>,
}

/// Findings that name people, as the log knows them.
pub(super) type People = FxHashMap<FindingHash, fold::FindingKey>;

/// Records that may be in the log though they failed, by control.
pub(super) type Doubts = Mutex<HashMap<String, Doubt>>;

/// The first record that failed since the last that did not.
#[derive(Debug)]
pub(super) struct Doubt {
    /// The entry that spoke of the control before it.
    before: Option<u64>,
    /// Up to where the last of them would have told what was over.
    until: u64,
    /// Up to where an earlier one turned out to have.
    told: u64,
}

impl Doubt {
    /// Up to where what was over is in the log, of which this is the newest entry.
    fn known(&self, newest: Option<u64>) -> u64 {
        if self.before == newest { self.told } else { self.until }
    }
}

/// The findings whose names the log has not, by the engine's key.
pub(super) fn people(wrong: &[ObservedFinding], pseudonymizer: &Pseudonymizer<'_>) -> People {
    let keys = wrong.iter().map(|observed| {
        (
            FindingHash::of_finding(&observed.finding),
            recall::key_of(&observed.finding, pseudonymizer),
        )
    });
    keys.filter(|(key, logged)| engine_key(logged) != *key).collect()
}

/// The engine's key of a finding that names no person.
fn engine_key(key: &fold::FindingKey) -> FindingHash {
    FindingHash::new(&key.rule, &key.resource, key.subject.as_deref())
}

impl Evidence {
    /// What is to be written of what was over: all but what the log turned out to have.
    pub(super) fn over(
        &self,
        control: &str,
        seen: &Seen,
        pseudonymizer: &Pseudonymizer<'_>,
    ) -> Vec<PassedDraft> {
        let known = self.unless_doubtful(control);
        let over = || seen.passed.iter().filter(|passed| passed.number > known);
        if over().next().is_none() {
            return Vec::new();
        }
        let mut names = self.with_recorded(|recorded| {
            recorded.get(control).map(|known| known.people.clone()).unwrap_or_default()
        });
        let names = names.get_or_insert_default();
        let logged = self.read(|state| {
            let verdict = state.control(control).and_then(|control| control.verdict.as_ref());
            let keys = verdict.into_iter().flat_map(|verdict| verdict.findings.keys());
            keys.map(|key| (engine_key(key), key.clone())).collect::<Vec<_>>()
        });
        names.extend(logged.into_iter().flatten());
        let worded = over().flat_map(|passed| &passed.found).chain(&seen.wrong);
        names.extend(worded.map(|observed| {
            (
                FindingHash::of_finding(&observed.finding),
                recall::key_of(&observed.finding, pseudonymizer),
            )
        }));
        over()
            .map(|passed| {
                let gone = passed.gone.iter().filter_map(|key| names.get(key).cloned()).collect();
                PassedDraft::new(passed, gone, pseudonymizer)
            })
            .collect()
    }

    /// The number up to which a record that failed turned out to be in the log; 0 for none.
    fn unless_doubtful(&self, control: &str) -> u64 {
        self.with_doubts(|doubts| {
            doubts.get(control).map_or(0, |doubt| doubt.known(self.newest(control)))
        })
        .unwrap_or(0)
    }

    /// Waits for the answer to a record, and remembers that it is in doubt if it failed.
    pub(super) async fn attempt(
        &self,
        control: &str,
        until: u64,
        asked: impl Future<Output = Result<Option<EvidenceRef>, EvidenceError>>,
    ) -> Result<Option<EvidenceRef>, EvidenceError> {
        let before = self.newest(control);
        let answer = asked.await;
        self.with_doubts(|doubts| match &answer {
            Ok(_) => drop(doubts.remove(control)),
            Err(EvidenceError::Unavailable(_)) => {
                let told = doubts.get(control).map_or(0, |doubt| doubt.known(before));
                doubts.insert(control.to_owned(), Doubt { before, until, told });
            }
            Err(EvidenceError::Standby | EvidenceError::Outdated) => {}
        });
        answer
    }

    /// The newest entry that says how a control stands.
    fn newest(&self, control: &str) -> Option<u64> {
        let entry = self.read(|state| Some(state.control(control)?.verdict.as_ref()?.last_entry));
        entry.flatten()
    }

    fn with_doubts<T>(&self, with: impl FnOnce(&mut HashMap<String, Doubt>) -> T) -> Option<T> {
        let log = self.log.as_ref()?;
        Some(with(&mut log.doubts.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}
