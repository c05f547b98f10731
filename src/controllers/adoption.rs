//! Taking over: since when things are as they are is known best to who wrote it down until now.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use super::occurrences;
use comptroller_core::{
    api::{Control, StatusFinding as Told},
    checks::Finding,
    engine::{Engine, Recollection, Remembered, memory::FindingHash},
};
use comptroller_evidence::fold::LogState;
use comptroller_recorder::{Evidence, Writing};

/// What an engine adopts each time that the log was opened: the log outranks the statuses, and what
/// the engine remembers, since an append that was given up may be in it.
#[derive(Debug)]
pub struct Adoption {
    evidence: Evidence,
    adopted: u64,
    /// The epoch of the log when it was adopted: as long as it stays, nobody else wrote.
    epoch: Option<u64>,
    /// What the statuses said last, while another writes them.
    seen: HashMap<String, Seen>,
    uids: HashMap<String, String>,
}

/// What a status remembers.
#[derive(Clone, Debug, Default)]
struct Seen {
    all: Remembered,
    /// Since when what could not be judged is so: no entry says that.
    undecided: Arc<FxHashMap<FindingHash, Timestamp>>,
}

impl Adoption {
    /// Nothing is adopted yet.
    pub fn new(evidence: Evidence) -> Self {
        Self { evidence, adopted: 0, epoch: None, seen: HashMap::new(), uids: HashMap::new() }
    }

    /// What is remembered of a control that is new to the engine, or whose status changed.
    pub fn see(&mut self, name: &str, control: &Control) -> Remembered {
        let seen = seen(control);
        match &control.metadata.uid {
            Some(uid) => self.uids.insert(name.to_owned(), uid.clone()),
            None => self.uids.remove(name),
        };
        if matches!(self.evidence.writing(), Writing::Open(term) if term == self.adopted) {
            return self.recall(name, seen);
        }
        let all = seen.all.clone();
        self.seen.insert(name.to_owned(), seen);
        all
    }

    /// What the log says, with what only the status knows.
    fn recall(&self, name: &str, seen: Seen) -> Remembered {
        let uid = self.uids.get(name).map(String::as_str);
        let Some(log) = self.evidence.recollect(name, uid) else { return seen.all };
        let Remembered { created, occurrences, .. } = seen.all;
        let logged = |state: &LogState| occurrences::outrank(state.occurrences(name), &occurrences);
        let occurrences = self.evidence.read(logged).unwrap_or_default();
        let findings = Arc::new(Both { log: log.findings.clone(), undecided: seen.undecided });
        Remembered { created, occurrences, findings: Some(findings), ..log }
    }

    /// Forgets a control.
    pub fn forget(&mut self, control: &str) {
        self.seen.remove(control);
        self.uids.remove(control);
    }

    /// Lets the engine adopt what is remembered, once for each opening; which one is new.
    pub fn adopt(&mut self, engine: &mut Engine) -> Option<u64> {
        let Writing::Open(term) = self.evidence.writing() else { return None };
        if term == self.adopted {
            return None;
        }
        self.adopted = term;
        let epoch = self.evidence.read(LogState::epoch);
        // Nobody else moved the occurrences, and no entry has all that the engine knows of them.
        let ours = epoch.is_some() && std::mem::replace(&mut self.epoch, epoch) == epoch;
        let mut seen = std::mem::take(&mut self.seen);
        let names: Vec<String> = engine.controls().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            if ours {
                self.adopt_one(engine, &name);
            } else {
                let seen = seen.remove(&name).unwrap_or_default();
                self.leave_to_others(engine, &name);
                engine.take_over(&name, self.recall(&name, seen));
            }
        }
        Some(term)
    }

    /// What was over when another recorded the control last, it has recorded.
    fn leave_to_others(&self, engine: &mut Engine, name: &str) {
        let last = self.evidence.read(|state| Some(state.control(name)?.verdict.as_ref()?.last_at));
        if let Some(last) = last.flatten() {
            engine.recorded_elsewhere(name, last);
        }
    }

    /// Lets the engine adopt when the log says that the state and the findings of a control began.
    pub fn adopt_one(&self, engine: &mut Engine, name: &str) {
        let remembered = self.recall(name, Seen::default());
        engine.take_over(name, Remembered { occurrences: Vec::new(), ..remembered });
    }
}

/// The findings of the log, and beside them what only a status tells of.
#[derive(Debug)]
struct Both {
    log: Option<Arc<dyn Recollection>>,
    undecided: Arc<FxHashMap<FindingHash, Timestamp>>,
}

impl Recollection for Both {
    fn since(&self, finding: &Finding) -> Option<Timestamp> {
        let logged = self.log.as_ref().and_then(|log| log.since(finding));
        logged.or_else(|| self.undecided.since(finding))
    }
}

/// What a status remembers, so that `since` and occurrences survive a restart.
pub fn remembered(control: &Control) -> Remembered {
    seen(control).all
}

fn seen(control: &Control) -> Seen {
    let created = control.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let Some(status) = &control.status else {
        return Seen { all: Remembered { created, ..Remembered::default() }, ..Seen::default() };
    };
    let undecided: FxHashMap<_, _> = status.unknown_items.iter().filter_map(since).collect();
    let mut findings: FxHashMap<_, _> = status.findings.iter().filter_map(since).collect();
    findings.extend(&undecided);
    Seen {
        all: Remembered {
            state: status.since.as_ref().map(|since| (status.state, since.0)),
            findings: Some(Arc::new(findings)),
            created,
            occurrences: status.occurrences.clone(),
        },
        undecided: Arc::new(undecided),
    }
}

fn since(finding: &Told) -> Option<(FindingHash, Timestamp)> {
    let key = FindingHash::new(&finding.rule, &finding.resource, finding.subject.as_deref());
    Some((key, finding.since.as_ref()?.0))
}
