//! Taking over: since when things are as they are is known best to who wrote it down until now.

use std::collections::HashMap;

use rustc_hash::FxHashMap;

use crate::{
    api::ControlStatus,
    engine::{Engine, Remembered, memory::FindingKey},
    evidence::{Evidence, Writing},
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
    pub fn see(&mut self, control: &str, status: Option<&ControlStatus>) -> Remembered {
        let remembered = status.map(remembered).unwrap_or_default();
        if matches!(self.evidence.writing(), Writing::Open(term) if term == self.adopted) {
            return self.evidence.recollect(control).unwrap_or(remembered);
        }
        self.seen.insert(control.to_owned(), remembered.clone());
        remembered
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
            let remembered = self.evidence.recollect(&name).or_else(|| seen.remove(&name));
            engine.adopt(&name, remembered.unwrap_or_default());
        }
        Some(term)
    }
}

/// What a status remembers, so that `since` survives a restart.
fn remembered(status: &ControlStatus) -> Remembered {
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
    }
}
