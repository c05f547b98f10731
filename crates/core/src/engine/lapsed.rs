//! What was so for a time and was over before it could be recorded.
//!
//! A record compares the present with the log, and what came and went between two records would be
//! in none. So what changes is gathered for as long as it only adds up; before a change that would
//! undo a part of it, what was so until then is set aside as a verdict of its own.

use std::sync::Arc;

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    memory::{FindingHash, FindingState, RememberedFinding},
    verdict::{ObservedFinding, Verdict},
};
use crate::{
    api::time::whole_seconds,
    checks::{Finding, Judgement},
};

/// How many verdicts of a control are set aside. What comes and goes beyond is only counted.
pub const MAX_PASSED: usize = 128;

/// How many findings of a control are kept with their words until they are recorded.
pub const MAX_FOUND: usize = 500;

/// The same for the first verdict of a process, most of which the log has.
const MAX_FIRST: usize = 100;

/// How many findings that went are told apart.
const MAX_GONE: usize = 10_000;

/// A verdict that was over before it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct LapsedVerdict {
    /// Later ones have higher numbers, whatever their control.
    pub number: u64,
    /// When it was over.
    pub ended: Timestamp,
    /// The verdict.
    pub verdict: Arc<Verdict>,
    /// Findings that came before it was over, or whose exception changed.
    pub found: Vec<ObservedFinding>,
    /// Findings that went before it was over.
    pub gone: Vec<FindingHash>,
    /// How many findings came and went of which no more is known.
    pub unnamed: usize,
    /// Whether it is from before there was another verdict: what was found may be long known.
    first: bool,
}

/// What an evaluation changed in the findings of a control, those left aside that can't be judged.
#[derive(Debug, Default)]
pub struct FindingChanges {
    found: Vec<(FindingHash, ObservedFinding)>,
    /// Found as well, and too many to keep their words.
    unworded: Vec<FindingHash>,
    gone: Vec<FindingHash>,
}

/// Whether verdicts are set aside at all, and the number of the last.
#[derive(Debug, Default)]
pub struct LapseCounter {
    /// They are, since somebody records them.
    pub on: bool,
    last: u64,
}

/// What is set aside of one control, and what has changed since.
#[derive(Debug, Default)]
pub struct LapsedVerdicts {
    over: Vec<LapsedVerdict>,
    last: u64,
    base: Option<Arc<Verdict>>,
    present: Option<Arc<Verdict>>,
    found: FxHashMap<FindingHash, ObservedFinding>,
    unworded: FxHashSet<FindingHash>,
    gone: FxHashSet<FindingHash>,
    unnamed: usize,
}

impl FindingChanges {
    /// Takes in what another judgement of an item changed. `elsewhere` knows what was found of other
    /// items or by an earlier spec.
    pub fn compare<'a>(
        &mut self,
        old: &[RememberedFinding],
        new: &[RememberedFinding],
        judgement: Option<&Judgement>,
        elsewhere: &FxHashMap<FindingHash, RememberedFinding>,
        exception: impl Fn(u16) -> Option<&'a str>,
    ) {
        let find =
            |list: &[RememberedFinding], key| list.iter().find(|record| record.key == key).copied();
        for record in old.iter().filter(|record| is_wrong(record)) {
            if find(new, record.key).is_none_or(|new| !is_wrong(&new)) {
                self.gone.push(record.key);
            }
        }
        let findings = judgement
            .into_iter()
            .flat_map(|judgement| judgement.failing.iter().chain(&judgement.unknown));
        for (record, finding) in new.iter().zip(findings) {
            let before = find(old, record.key).or_else(|| elsewhere.get(&record.key).copied());
            let same = before.is_some_and(|before| before.standing == record.standing);
            if is_wrong(record) && !same {
                self.find(record, finding, &exception);
            }
        }
    }

    /// Takes in that everything was judged anew, and these are the findings there are.
    pub fn complete<'a>(
        &mut self,
        before: &FxHashMap<FindingHash, RememberedFinding>,
        now: impl Iterator<Item = &'a RememberedFinding>,
    ) {
        if before.is_empty() {
            return;
        }
        let present: FxHashSet<FindingHash> =
            now.filter(|record| is_wrong(record)).map(|record| record.key).collect();
        let gone = before.values().filter(|record| is_wrong(record)).map(|record| record.key);
        self.gone.extend(gone.filter(|key| !present.contains(key)));
    }

    fn find<'a>(
        &mut self,
        record: &RememberedFinding,
        finding: &Finding,
        exception: &impl Fn(u16) -> Option<&'a str>,
    ) {
        if self.found.len() >= MAX_FOUND {
            self.unworded.push(record.key);
            return;
        }
        let observed = ObservedFinding {
            finding: finding.clone(),
            severity: record.severity,
            since: record.since,
            exception: match record.standing {
                FindingState::Excepted(place) => exception(place).map(str::to_owned),
                FindingState::Failing | FindingState::Unknown => None,
            },
        };
        self.found.push((record.key, observed));
    }

    fn keys(&self) -> impl Iterator<Item = &FindingHash> {
        self.found.iter().map(|(key, _)| key).chain(&self.unworded)
    }
}

impl LapsedVerdicts {
    /// Takes in a verdict and what it changed.
    pub fn note(
        &mut self,
        changes: FindingChanges,
        verdict: &Arc<Verdict>,
        now: Timestamp,
        keeping: &mut LapseCounter,
    ) {
        if !keeping.on {
            return;
        }
        self.unnamed += changes.gone.iter().filter(|key| self.unworded.contains(key)).count();
        if self.loses(&changes, verdict) && self.over.len() < MAX_PASSED {
            self.set_aside(now, keeping);
        }
        for key in changes.gone {
            self.unworded.remove(&key);
            if self.found.remove(&key).is_some() {
                self.unnamed += 1;
            } else if self.gone.len() < MAX_GONE {
                self.gone.insert(key);
            }
        }
        for key in changes.unworded {
            self.find(key, None);
        }
        for (key, observed) in changes.found {
            self.find(key, Some(observed));
        }
        self.present = Some(Arc::clone(verdict));
    }

    fn find(&mut self, key: FindingHash, observed: Option<ObservedFinding>) {
        self.gone.remove(&key);
        let most = if self.present.is_none() { MAX_FIRST } else { MAX_FOUND };
        let kept = self.found.len() + self.over.iter().map(|over| over.found.len()).sum::<usize>();
        match observed {
            Some(observed) if kept < most || self.found.contains_key(&key) => {
                self.found.insert(key, observed);
            }
            // Of what was there from the start the log may know all.
            _ if self.present.is_some() => {
                self.unworded.insert(key);
            }
            _ => {}
        }
    }

    /// Whether what was so until now would be lost in what comes.
    fn loses(&self, changes: &FindingChanges, verdict: &Verdict) -> bool {
        let came = |key| self.found.contains_key(key) || self.unworded.contains(key);
        let Some(present) = &self.present else { return false };
        changes.gone.iter().any(came)
            || changes.keys().any(|key| came(key) || self.gone.contains(key))
            || (!are_alike(present, verdict) && self.has_turned())
    }

    /// Whether the verdict is another than that of the last record.
    fn has_turned(&self) -> bool {
        self.present
            .as_ref()
            .is_some_and(|present| self.base.as_ref().is_none_or(|base| !are_alike(base, present)))
    }

    fn set_aside(&mut self, now: Timestamp, keeping: &mut LapseCounter) {
        let Some(verdict) = self.present.clone() else { return };
        keeping.last += 1;
        self.last = keeping.last;
        let first = self.base.replace(Arc::clone(&verdict)).is_none();
        self.unworded.clear();
        self.over.push(LapsedVerdict {
            number: self.last,
            ended: now,
            verdict,
            found: self.found.drain().map(|(_, observed)| observed).collect(),
            gone: self.gone.drain().collect(),
            unnamed: std::mem::take(&mut self.unnamed),
            first,
        });
    }

    /// The number of the last verdict that was set aside.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// What was over before now, in order, for who records it and then the present. That is set
    /// aside as well: it may be over before the record of it has succeeded.
    pub fn tell(&mut self, now: Timestamp, keeping: &mut LapseCounter) -> Vec<LapsedVerdict> {
        let over = self.over.clone();
        let changed = self.has_turned()
            || self.unnamed > 0
            || !(self.found.is_empty() && self.unworded.is_empty() && self.gone.is_empty());
        if keeping.on && changed && self.over.len() < MAX_PASSED {
            self.set_aside(now, keeping);
        }
        over
    }

    /// What was told up to this number is recorded.
    pub fn recorded(&mut self, number: u64) {
        self.over.retain(|over| over.number > number);
    }

    /// What was over by this time, of which no more than the second is known, is of no interest:
    /// another has recorded it.
    pub fn forget(&mut self, by: Timestamp) {
        self.over.retain(|over| whole_seconds(over.ended).0 > by);
    }

    /// Nothing that was set aside, or would be, was ever so.
    pub fn forget_all(&mut self) {
        *self = Self { last: self.last, ..Self::default() };
    }

    /// Whether the state turned since the last record, so that since when it is so is known here.
    pub fn is_ahead(&self) -> bool {
        !self.over.is_empty()
    }

    /// Whether a finding came since the last record, so that since when is known here.
    pub fn knows(&self, key: FindingHash) -> bool {
        (self.base.is_some() && self.found.contains_key(&key))
            || self.over.iter().filter(|over| !over.first).any(|over| {
                over.found.iter().any(|observed| FindingHash::of_finding(&observed.finding) == key)
            })
    }
}

/// Whether a log would keep this finding.
fn is_wrong(record: &RememberedFinding) -> bool {
    record.standing != FindingState::Unknown
}

/// Whether two verdicts say the same, but for findings and numbers.
fn are_alike(a: &Verdict, b: &Verdict) -> bool {
    (a.state, a.reason, a.generation) == (b.state, b.reason, b.generation)
        && a.occurrences == b.occurrences
}

#[cfg(test)]
mod tests;
