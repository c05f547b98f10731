//! What is recorded of controls, with all their findings: more than a status has room for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::served::ServedApis;
use comptroller_core::{
    api::{ControlSpec, Severity},
    engine::{ObservedFinding, Verdict},
    inventory::Catalog,
};
use comptroller_recorder::{ObjectKey, Recorded};

/// How many findings of all controls together are kept, the worst of each: 20,000 take some 12 MiB.
const MOST_FINDINGS: usize = 20_000;

/// How many findings a control may keep however many the others have.
const AT_LEAST: usize = 100;

/// The findings of a verdict, as of the evaluation that came to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FindingLists {
    /// What fails, and then what exceptions allow; each with the worst first.
    pub findings: Vec<ObservedFinding>,
    /// What could not be judged.
    pub undecided: Vec<ObservedFinding>,
}

impl FindingLists {
    pub fn new(mut findings: Vec<ObservedFinding>, undecided: Vec<ObservedFinding>) -> Self {
        findings.sort_by_key(|one| one.exception.is_some());
        Self { findings, undecided }
    }

    fn len(&self) -> usize {
        self.findings.len() + self.undecided.len()
    }

    fn truncate(&mut self, most: usize) {
        self.findings.truncate(most);
        self.undecided.truncate(most.saturating_sub(self.findings.len()));
        self.findings.shrink_to_fit();
        self.undecided.shrink_to_fit();
    }
}

/// A recorded verdict with its findings, and what its control is.
#[derive(Clone, Debug)]
pub struct RecordedFindings {
    /// The verdict, which the log holds.
    pub recorded: Recorded<Verdict>,
    /// The findings of that verdict.
    pub lists: Arc<FindingLists>,
    /// The criteria that the control serves. Empty while its spec can't be read.
    pub criteria: Arc<[String]>,
    /// Who answers for it. Empty while its spec can't be read.
    pub owner: Arc<str>,
    /// How bad a failure is.
    pub severity: Severity,
}

/// Where recorded findings are published. The engine's task writes.
#[derive(Debug)]
pub struct FindingsBoard {
    /// Whether findings are kept at all; without reports nobody reads them.
    keeps_findings: bool,
    content: Mutex<Content>,
    version: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Content {
    /// Of which opening of the log what is published is.
    opening: u64,
    /// Whether every control had its verdict since then.
    whole: bool,
    served: ServedApis,
    controls: BTreeMap<ObjectKey, Arc<RecordedFindings>>,
    /// How many findings are kept.
    kept: usize,
    /// How many findings of each control are not, for want of room.
    kept_back: BTreeMap<ObjectKey, usize>,
}

/// What the board says at one time.
#[derive(Debug)]
pub struct FindingsSnapshot {
    opening: u64,
    whole: bool,
    served: ServedApis,
    controls: Vec<(String, Arc<RecordedFindings>)>,
}

impl FindingsSnapshot {
    /// Whether every control has its verdict by this opening of the log: what is missing is gone.
    pub fn is_whole_of(&self, opening: u64) -> bool {
        self.whole && self.opening == opening
    }

    /// The same of any opening.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Which APIs of reports the cluster serves.
    pub fn served(&self) -> ServedApis {
        self.served
    }

    /// The controls by name.
    pub fn controls(&self) -> &[(String, Arc<RecordedFindings>)] {
        &self.controls
    }
}

impl FindingsBoard {
    pub fn new(keeps_findings: bool) -> Self {
        let version = watch::Sender::new(0);
        Self { keeps_findings, content: Mutex::default(), version }
    }

    /// Whether it wants the findings of verdicts.
    pub fn keeps_findings(&self) -> bool {
        self.keeps_findings
    }

    /// To be told when something changed.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// What it says now.
    pub fn snapshot(&self) -> FindingsSnapshot {
        let content = self.lock();
        let controls =
            content.controls.iter().map(|(key, known)| (key.name.clone(), Arc::clone(known)));
        FindingsSnapshot {
            opening: content.opening,
            whole: content.whole,
            served: content.served,
            controls: controls.collect(),
        }
    }

    /// How many findings are not kept, for want of room.
    pub fn kept_back(&self) -> usize {
        self.lock().kept_back.values().sum()
    }

    /// The log was opened again: what was published before is to be compared with it first.
    pub fn begin(&self, opening: u64) {
        self.change(|content| {
            let served = content.served;
            *content = Content { opening, served, ..Content::default() };
        });
    }

    /// Every control has a verdict that the log holds.
    pub fn complete(&self) {
        self.change(|content| content.whole = true);
    }

    /// Takes in what the cluster serves.
    pub fn note_catalog(&self, catalog: &Catalog) {
        let before = self.lock().served;
        let served = ServedApis::by(catalog, before);
        if served != before {
            self.change(|content| content.served = served);
        }
    }

    /// Publishes a recorded verdict with its findings. None as the spec: it can't be read. None as the
    /// lists: they are those of the verdict before.
    pub fn publish(
        &self,
        control: &ObjectKey,
        spec: Option<&ControlSpec>,
        recorded: Recorded<Verdict>,
        lists: Option<FindingLists>,
    ) {
        let mut content = self.lock();
        let known = content.controls.get(control).cloned();
        let is_news = lists.is_some()
            || known.as_ref().is_none_or(|known| {
                let (before, now) = (known.recorded.value(), recorded.value());
                (before.state, before.since) != (now.state, now.since)
            });
        let lists = match (lists, &known) {
            (Some(lists), _) => content.keep(control, lists),
            (None, Some(known)) => Arc::clone(&known.lists),
            (None, None) => Arc::default(),
        };
        let criteria = match (spec, &known) {
            (Some(spec), Some(known)) if is_same(spec, &known.criteria) => {
                Arc::clone(&known.criteria)
            }
            (Some(spec), _) => spec.criteria.iter().map(|one| one.as_str().to_owned()).collect(),
            (None, _) => Arc::default(),
        };
        let owner = spec.map_or("", |spec| spec.owner.as_str()).into();
        let severity = spec.map_or(Severity::Medium, |spec| spec.severity);
        let published = RecordedFindings { recorded, lists, criteria, owner, severity };
        content.controls.insert(control.clone(), Arc::new(published));
        drop(content);
        // A heartbeat, or another number of items, is in no report.
        if is_news {
            self.version.send_modify(|version| *version += 1);
        }
    }

    /// Takes a control off the board.
    pub fn forget(&self, control: &ObjectKey) {
        self.change(|content| {
            if let Some(known) = content.controls.remove(control) {
                content.kept -= known.lists.len();
            }
            content.kept_back.remove(control);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Content)) {
        change(&mut self.lock());
        self.version.send_modify(|version| *version += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        // A panic elsewhere leaves it whole: it is changed in one step.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    /// Keeps as many findings of a control as there is room for.
    fn keep(&mut self, control: &ObjectKey, mut lists: FindingLists) -> Arc<FindingLists> {
        if let Some(known) = self.controls.get(control) {
            self.kept -= known.lists.len();
        }
        let all = lists.len();
        lists.truncate(MOST_FINDINGS.saturating_sub(self.kept).max(AT_LEAST));
        self.kept += lists.len();
        self.kept_back.insert(control.clone(), all - lists.len());
        Arc::new(lists)
    }
}

fn is_same(spec: &ControlSpec, criteria: &[String]) -> bool {
    spec.criteria.iter().map(comptroller_core::api::Criterion::as_str).eq(criteria)
}
