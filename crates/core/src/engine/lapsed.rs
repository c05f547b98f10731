//! Verdicts that were over before they could be recorded.
//!
//! A record compares the present with the log, so that what came and went between two records would be
//! in neither. Therefore changes are gathered for as long as they only add up; before a change that
//! would undo a part of them, what held until then is set aside as a verdict of its own.

use std::sync::Arc;

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    memory::{FindingHash, FindingState, RememberedFinding},
    movements::Ending,
    verdict::{ObservedFinding, Verdict},
};
use crate::{
    api::time::whole_seconds,
    checks::{Finding, Item, Judgement},
};

/// How many lapsed verdicts are kept for a control. Of what comes and goes beyond, only the number is
/// kept: a control that flaps while the log is down must not fill the memory.
pub const MAX_PASSED: usize = 128;

/// How many findings of a control are kept with their texts until they are recorded.
pub const MAX_FOUND: usize = 500;

/// The same for the first verdict of a process, most of which the log has already.
const MAX_FIRST: usize = 100;

/// How many findings that went are kept by their key; the others are not recorded as gone.
const MAX_GONE: usize = 10_000;

/// A verdict that was over before it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct LapsedVerdict {
    /// Counts all lapsed verdicts of the process, over all controls: a later one has a higher number.
    pub number: u64,
    /// When it was replaced by another verdict.
    pub ended: Timestamp,
    /// The verdict as it was.
    pub verdict: Arc<Verdict>,
    /// Findings that appeared before it was over, or whose exception changed.
    pub found: Vec<ObservedFinding>,
    /// Findings that disappeared before it was over, and why.
    pub gone: Vec<(FindingHash, Ending)>,
    /// How many findings came and went that nobody can name any more.
    pub unnamed: usize,
    /// Whether it is the first verdict of the process: its findings may have been known for long.
    first: bool,
}

/// What is to be recorded of a control beside its present verdict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lapsed {
    /// The verdicts that lapsed, the oldest first.
    pub over: Vec<LapsedVerdict>,
    /// The findings that disappeared since the last of them, and why.
    pub gone: Vec<(FindingHash, Ending)>,
}

/// What an evaluation changed in the findings of a control. Items that can't be judged are not findings
/// here: the log counts them only.
#[derive(Debug, Default)]
pub struct FindingChanges {
    found: Vec<(FindingHash, ObservedFinding)>,
    /// Found as well, but too many to keep their texts.
    unworded: Vec<FindingHash>,
    gone: Vec<(FindingHash, Ending)>,
    /// Findings of before this process that are not there, and why.
    pub missing: Vec<(FindingHash, Ending)>,
}

/// Numbers lapsed verdicts over all controls.
#[derive(Debug, Default)]
pub struct LapseCounter {
    /// Whether lapsed verdicts are kept at all. False where nobody records them, as in a scan.
    pub on: bool,
    last: u64,
}

/// The lapsed verdicts of one control, and what has changed since the last one.
#[derive(Debug, Default)]
pub struct LapsedVerdicts {
    over: Vec<LapsedVerdict>,
    last: u64,
    /// The verdict that the last record, or the last lapsed verdict, ended with.
    base: Option<Arc<Verdict>>,
    present: Option<Arc<Verdict>>,
    found: FxHashMap<FindingHash, ObservedFinding>,
    unworded: FxHashSet<FindingHash>,
    gone: FxHashMap<FindingHash, Ending>,
    unnamed: usize,
}

impl FindingChanges {
    /// Takes in how another judgement changed the findings of an item. `elsewhere` has what was found
    /// before everything was judged again; `ending` says why a finding is gone; `exception` names an
    /// exception by its number.
    pub fn compare<'a>(
        &mut self,
        (old, new): (&[RememberedFinding], &[RememberedFinding]),
        judgement: Option<&Judgement>,
        elsewhere: &FxHashMap<FindingHash, (Item, RememberedFinding)>,
        ending: impl Fn(&RememberedFinding) -> Ending,
        exception: impl Fn(u16) -> Option<&'a str>,
    ) {
        let find =
            |list: &[RememberedFinding], key| list.iter().find(|record| record.key == key).copied();
        for record in old.iter().filter(|record| is_wrong(record)) {
            if find(new, record.key).is_none_or(|new| !is_wrong(&new)) {
                self.gone.push((record.key, ending(record)));
            }
        }
        let findings = judgement
            .into_iter()
            .flat_map(|judgement| judgement.failing.iter().chain(&judgement.unknown));
        for (record, finding) in new.iter().zip(findings) {
            let before = find(old, record.key)
                .or_else(|| elsewhere.get(&record.key).map(|(_, record)| *record));
            let same = before.is_some_and(|before| before.standing == record.standing);
            if is_wrong(record) && !same {
                self.find(record, finding, &exception);
            }
        }
    }

    /// Everything was judged again, and `now` are all findings: those of `before` that are not among them
    /// are gone, and `ending` says why.
    pub fn complete<'a>(
        &mut self,
        before: &FxHashMap<FindingHash, (Item, RememberedFinding)>,
        now: impl Iterator<Item = &'a RememberedFinding>,
        ending: impl Fn(Item, &RememberedFinding) -> Ending,
    ) {
        if before.is_empty() {
            return;
        }
        let present: FxHashSet<FindingHash> =
            now.filter(|record| is_wrong(record)).map(|record| record.key).collect();
        let gone = before
            .values()
            .filter(|(_, record)| is_wrong(record) && !present.contains(&record.key))
            .map(|(item, record)| (record.key, ending(*item, record)));
        self.gone.extend(gone);
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
    /// Takes in a new verdict with what it changed, and sets the one before aside if it would be lost.
    pub fn note(
        &mut self,
        changes: FindingChanges,
        verdict: &Arc<Verdict>,
        now: Timestamp,
        lapse_counter: &mut LapseCounter,
    ) {
        if !lapse_counter.on {
            return;
        }
        // These came without their text and go again: nobody can name them any more.
        self.unnamed += changes.gone.iter().filter(|(key, _)| self.unworded.contains(key)).count();
        // Before the change is taken in: what it undoes would be gone.
        if self.loses(&changes, verdict) && self.over.len() < MAX_PASSED {
            self.set_aside(now, lapse_counter);
        }
        for (key, ending) in changes.gone {
            self.unworded.remove(&key);
            if self.found.remove(&key).is_some() {
                self.unnamed += 1;
            } else if self.gone.len() < MAX_GONE {
                self.gone.insert(key, ending);
            }
        }
        self.note_missing(changes.missing);
        for key in changes.unworded {
            self.find(key, None);
        }
        for (key, observed) in changes.found {
            self.find(key, Some(observed));
        }
        self.present = Some(Arc::clone(verdict));
    }

    /// Takes in why findings of before this process are not there, though the verdict may be as it was.
    pub fn note_missing(&mut self, missing: Vec<(FindingHash, Ending)>) {
        for (key, ending) in missing {
            // Of what this process saw go itself, it knows more.
            if !self.found.contains_key(&key) && self.gone.len() < MAX_GONE {
                self.gone.entry(key).or_insert(ending);
            }
        }
    }

    fn find(&mut self, key: FindingHash, observed: Option<ObservedFinding>) {
        // It is back before its disappearance was recorded.
        self.gone.remove(&key);
        // The first verdict has everything that was found before this process began.
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

    /// Whether the next record would not show something that held until now: a finding that came since the
    /// last record is gone again, one that went is back, or the state turned twice.
    fn loses(&self, changes: &FindingChanges, verdict: &Verdict) -> bool {
        let came = |key: &FindingHash| self.found.contains_key(key) || self.unworded.contains(key);
        let Some(present) = &self.present else { return false };
        changes.gone.iter().any(|(key, _)| came(key))
            || changes.keys().any(|key| came(key) || self.gone.contains_key(key))
            || (!are_alike(present, verdict) && self.has_turned())
    }

    /// Whether the state or the occurrences differ from those at the last record.
    fn has_turned(&self) -> bool {
        self.present
            .as_ref()
            .is_some_and(|present| self.base.as_ref().is_none_or(|base| !are_alike(base, present)))
    }

    fn set_aside(&mut self, now: Timestamp, lapse_counter: &mut LapseCounter) {
        let Some(verdict) = self.present.clone() else { return };
        lapse_counter.last += 1;
        self.last = lapse_counter.last;
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

    /// The number of the last lapsed verdict; 0 if there was none.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The lapsed verdicts, oldest first, to be recorded before the present one. The present one is set
    /// aside as well, since it may be over before the attempt to record it has succeeded.
    pub fn tell(&mut self, now: Timestamp, lapse_counter: &mut LapseCounter) -> Lapsed {
        // Copies: they are dropped only when the log has confirmed them.
        let over = self.over.clone();
        let gone = self.gone.iter().map(|(key, ending)| (*key, ending.clone())).collect();
        let changed = self.has_turned()
            || self.unnamed > 0
            || !(self.found.is_empty() && self.unworded.is_empty() && self.gone.is_empty());
        if lapse_counter.on && changed && self.over.len() < MAX_PASSED {
            self.set_aside(now, lapse_counter);
        }
        Lapsed { over, gone }
    }

    /// Lapsed verdicts up to this number are recorded, and not needed any more.
    pub fn recorded(&mut self, number: u64) {
        self.over.retain(|over| over.number > number);
    }

    /// Drops what was over by this time, because another process has recorded it. The log keeps whole
    /// seconds, so that is what is compared.
    pub fn forget(&mut self, by: Timestamp) {
        self.over.retain(|over| whole_seconds(over.ended).0 > by);
    }

    /// Drops everything, since it never was true. Numbers go on, so that none is given twice.
    pub fn forget_all(&mut self) {
        *self = Self { last: self.last, ..Self::default() };
    }

    /// Whether the state changed since the last record, so that its time is known better here.
    pub fn is_ahead(&self) -> bool {
        !self.over.is_empty()
    }

    /// Whether a finding appeared since the last record, so that its time is known better here.
    pub fn knows(&self, key: FindingHash) -> bool {
        (self.base.is_some() && self.found.contains_key(&key))
            || self.over.iter().filter(|over| !over.first).any(|over| {
                over.found.iter().any(|observed| FindingHash::of_finding(&observed.finding) == key)
            })
    }
}

/// Whether the log would list this finding.
fn is_wrong(record: &RememberedFinding) -> bool {
    record.standing != FindingState::Unknown
}

/// Whether two verdicts say the same, apart from findings and counts.
fn are_alike(a: &Verdict, b: &Verdict) -> bool {
    (a.state, a.reason, a.generation) == (b.state, b.reason, b.generation)
        && a.occurrences == b.occurrences
}

#[cfg(test)]
mod tests;
