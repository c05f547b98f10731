//! Taking over: since when things are as they are is known best to who wrote it down until now.

use std::collections::HashMap;

use rustc_hash::FxHashMap;

use super::occurrences;
use crate::{
    api::Control,
    engine::{Engine, Remembered, memory::FindingKey},
    evidence::{Evidence, Writing, fold::State},
};

/// What an engine adopts when its process begins to lead: the log outranks the statuses.
#[derive(Debug)]
pub struct Adoption {
    evidence: Evidence,
    adopted: u64,
    /// What the statuses said last, while another writes them.
    seen: HashMap<String, Remembered>,
}

impl Adoption {
    /// Nothing is adopted yet.
    pub fn new(evidence: Evidence) -> Self {
        Self { evidence, adopted: 0, seen: HashMap::new() }
    }

    /// What is remembered of a control that is new to the engine, or whose status changed.
    pub fn see(&mut self, name: &str, control: &Control) -> Remembered {
        let remembered = remembered(control);
        if matches!(self.evidence.writing(), Writing::Open(term) if term == self.adopted) {
            return self.recall(name, remembered);
        }
        self.seen.insert(name.to_owned(), remembered.clone());
        remembered
    }

    /// What the log says, with what only the status knows.
    fn recall(&self, name: &str, status: Remembered) -> Remembered {
        let Some(log) = self.evidence.recollect(name) else { return status };
        let Remembered { created, occurrences, .. } = status;
        let logged = |state: &State| occurrences::outrank(state.occurrences(name), &occurrences);
        let occurrences = self.evidence.read(logged).unwrap_or_default();
        Remembered { created, occurrences, ..log }
    }

    /// Forgets a control.
    pub fn forget(&mut self, control: &str) {
        self.seen.remove(control);
    }

    /// Lets the engine adopt what is remembered, once for each leadership; which one is new.
    pub fn adopt(&mut self, engine: &mut Engine) -> Option<u64> {
        let Writing::Open(term) = self.evidence.writing() else { return None };
        if term == self.adopted {
            return None;
        }
        self.adopted = term;
        let mut seen = std::mem::take(&mut self.seen);
        let names: Vec<String> = engine.controls().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            let status = seen.remove(&name).unwrap_or_default();
            let remembered = self.recall(&name, status);
            engine.adopt(&name, remembered);
        }
        Some(term)
    }
}

/// What a status remembers, so that `since` and occurrences survive a restart.
pub fn remembered(control: &Control) -> Remembered {
    let created = control.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let Some(status) = &control.status else {
        return Remembered { created, ..Remembered::default() };
    };
    let findings: FxHashMap<_, _> = status
        .findings
        .iter()
        .chain(&status.unknown_items)
        .filter_map(|finding| {
            let key = FindingKey::new(&finding.rule, &finding.resource, finding.subject.as_deref());
            Some((key, finding.since.as_ref()?.0))
        })
        .collect();
    Remembered {
        state: status.since.as_ref().map(|since| (status.state, since.0)),
        findings: Some(std::sync::Arc::new(findings)),
        created,
        occurrences: status.occurrences.clone(),
    }
}
