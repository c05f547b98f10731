//! What was so for a time and was over before it could be recorded, as entries of its own: a reader
//! of the log sees that it was found, and that it is gone.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Endings, blind, end, entry_finding, is_blocked, since, unjudged, verdict_data};
use comptroller_core::engine::{Ending, lapsed::LapsedVerdict};
use comptroller_evidence::{
    data::{EntryFinding, VerdictData},
    entry::{Data, EntrySubject},
    fold::{FindingKey, OpenFinding, VerdictState, findings_digest},
    privacy::Pseudonymizer,
};

/// A verdict that is over.
#[derive(Clone, Debug)]
pub struct PassedDraft {
    /// The entry, without its findings and what the log decides.
    data: VerdictData,
    /// What came before it was over, or what exceptions changed of.
    found: Vec<EntryFinding>,
    /// What went before it was over, and why.
    gone: Endings,
}

impl PassedDraft {
    /// The draft of a verdict that is over. `gone` are the findings that went before it was.
    pub fn new(passed: &LapsedVerdict, gone: Endings, pseudonymizer: &Pseudonymizer<'_>) -> Self {
        let mut data = verdict_data(&passed.verdict, &[], pseudonymizer);
        if passed.unnamed > 0 {
            let more = format!("; {} more findings came and went", passed.unnamed);
            data.message.push_str(&more);
        }
        let found =
            passed.found.iter().map(|observed| entry_finding(observed, pseudonymizer)).collect();
        Self { data, found, gone }
    }

    /// Whether the control could not be evaluated: then nothing is claimed of its findings.
    fn is_blocked(&self) -> bool {
        is_blocked(&self.data)
    }
}

/// How a control goes on from what the log says of it, a verdict at a time.
#[derive(Debug)]
pub struct Course {
    /// As the log will have it.
    pub known: Option<VerdictState>,
    /// Why it could not be evaluated until now.
    pub blocked: Option<String>,
    /// Findings that a blocked verdict does not claim, until another does.
    hidden: Option<BTreeMap<FindingKey, OpenFinding>>,
}

impl Course {
    /// From what the log says.
    pub fn new(known: Option<&VerdictState>, blocked: Option<String>) -> Self {
        Self { known: known.cloned(), blocked, hidden: None }
    }

    /// The entries of the next verdict; none if the log says that already.
    pub fn step(
        &mut self,
        subject: &EntrySubject,
        passed: PassedDraft,
        now: Timestamp,
    ) -> Vec<(EntrySubject, Data)> {
        let is_blocked = passed.is_blocked();
        let PassedDraft { mut data, found, gone } = passed;
        let mut findings =
            self.known.as_ref().map(|known| known.findings.clone()).unwrap_or_default();
        let mut changes = Changes::default();
        if let Some(hidden) = self.hidden.take() {
            findings = hidden;
            changes.add_all(&findings);
        }
        for (key, ending) in gone {
            changes.remove(&mut findings, &key, Some(ending));
        }
        for finding in found {
            changes.add(&mut findings, finding, self.known.as_ref(), now);
        }
        if is_blocked {
            self.hidden = Some(std::mem::take(&mut findings));
            changes = Changes::default();
            changes.remove_all(self.known.as_ref(), unjudged(&data).as_ref());
        } else if data.failing == 0 && data.excepted == 0 {
            // Whatever else was there is gone.
            for key in findings.keys().cloned().collect::<Vec<_>>() {
                changes.remove(&mut findings, &key, None);
            }
        }
        (data.added, data.removed) = changes.lists();
        let rows: Vec<EntryFinding> =
            findings.iter().map(|(key, finding)| finding.to_entry(key)).collect();
        data.findings = findings_digest(&rows);
        let mut entries = Vec::new();
        if let Some(known) = &self.known {
            let same = known.state == data.state
                && known.reason == data.reason
                && known.generation == data.generation;
            if same && data.added.is_empty() && data.removed.is_empty() {
                return entries;
            }
            data.since = since(known, data.state, data.since, now);
            let gap = blind(known, &data.reason, self.blocked.as_deref(), now);
            entries.extend(gap.map(|gap| (subject.clone(), gap)));
        }
        self.blocked = Some(data.message.clone());
        self.known = Some(after(self.known.take(), &data, findings, now));
        entries.push((subject.clone(), Data::Verdict(Box::new(data))));
        entries
    }
}

/// What an entry says of findings.
#[derive(Default)]
struct Changes {
    added: BTreeMap<FindingKey, EntryFinding>,
    removed: BTreeMap<FindingKey, EntryFinding>,
}

impl Changes {
    fn add_all(&mut self, findings: &BTreeMap<FindingKey, OpenFinding>) {
        let entries = findings.iter().map(|(key, open)| (key.clone(), open.to_entry(key)));
        self.added.extend(entries);
    }

    fn remove_all(&mut self, known: Option<&VerdictState>, ending: Option<&Ending>) {
        let entries = known.into_iter().flat_map(VerdictState::open_findings);
        self.removed.extend(entries.map(|mut finding| {
            end(&mut finding, ending.cloned());
            (FindingKey::of(&finding), finding)
        }));
    }

    fn add(
        &mut self,
        findings: &mut BTreeMap<FindingKey, OpenFinding>,
        mut finding: EntryFinding,
        known: Option<&VerdictState>,
        now: Timestamp,
    ) {
        let key = FindingKey::of(&finding);
        match findings.get(&key) {
            Some(open) if open.exception == finding.exception => return,
            Some(open) => finding.since = open.since,
            None => finding.since = super::found(known, finding.since, now),
        }
        let open = OpenFinding::new(u64::MAX, &finding);
        findings.insert(key.clone(), open);
        self.removed.remove(&key);
        self.added.insert(key, finding);
    }

    fn remove(
        &mut self,
        findings: &mut BTreeMap<FindingKey, OpenFinding>,
        key: &FindingKey,
        ending: Option<Ending>,
    ) {
        let Some(open) = findings.remove(key) else { return };
        if self.added.remove(key).is_none() {
            let mut finding = open.to_entry(key);
            end(&mut finding, ending);
            self.removed.insert(key.clone(), finding);
        }
    }

    fn lists(self) -> (Vec<EntryFinding>, Vec<EntryFinding>) {
        (self.added.into_values().collect(), self.removed.into_values().collect())
    }
}

/// The verdict as the log will have it. Where its entries will be is not known yet.
fn after(
    before: Option<VerdictState>,
    data: &VerdictData,
    findings: BTreeMap<FindingKey, OpenFinding>,
    now: Timestamp,
) -> VerdictState {
    let last_at = before.as_ref().map_or(now.min(data.since), |before| before.last_at);
    let (population_list, population_digest) =
        before.map(|before| (before.population_list, before.population_digest)).unwrap_or_default();
    let state = VerdictState::of(data, findings, (u64::MAX, last_at), population_list);
    VerdictState { population_digest, ..state }
}
