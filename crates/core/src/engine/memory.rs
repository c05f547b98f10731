//! What was found before: every outcome that is not a pass, and when time will change one.
//!
//! Memory holds no texts. A judgement is pure, so its text is made again for the few findings that a
//! status shows; 10,000 failing objects cost a few hundred kilobytes.

use std::{
    collections::BTreeSet,
    hash::{Hash, Hasher},
};

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHasher};

use crate::checks::{items::ItemSet, limit_counts::LimitCounts};
use crate::{
    api::{ResourceRef, Severity},
    checks::{Finding, Item, Judgement, LimitMembership},
    inventory::{Inventory, Object},
};

/// Tells the findings of one control apart: a hash of rule, resource and subject, the same in each
/// process of one build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindingHash(u64);

impl FindingHash {
    /// The hash of a finding by its parts.
    pub fn new(rule: &str, resource: &ResourceRef, subject: Option<&str>) -> Self {
        let mut hasher = FxHasher::default();
        (rule, &resource.kind, &resource.namespace, &resource.name, subject).hash(&mut hasher);
        Self(hasher.finish())
    }

    /// The hash of a finding that a check made.
    pub fn of_finding(finding: &Finding) -> Self {
        Self::new(&finding.rule, &finding.resource, finding.subject.as_deref())
    }
}

/// Tells objects apart by kind, namespace and name, the same in each process of one build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResourceHash(u64);

impl ResourceHash {
    /// The hash of what a finding is about.
    pub fn new(resource: &ResourceRef) -> Self {
        Self::of(&resource.kind, resource.namespace.as_deref().unwrap_or_default(), &resource.name)
    }

    /// The hash of an object, which may be gone.
    pub fn of_object(inventory: &Inventory, object: &Object) -> Self {
        let kind = inventory.kind_state(object.kind).map_or("", |state| &state.resource.kind);
        Self::of(kind, &object.namespace, &object.name)
    }

    fn of(kind: &str, namespace: &str, name: &str) -> Self {
        let mut hasher = FxHasher::default();
        (kind, namespace, name).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// What is remembered of a finding, without its text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RememberedFinding {
    /// Tells it apart from the others of its control.
    pub key: FindingHash,
    /// What it is about.
    pub resource: ResourceHash,
    /// When it was first found.
    pub since: Timestamp,
    /// The severity of its rule, or of the control.
    pub severity: Severity,
    /// Whether it fails, is excepted, or could not be judged.
    pub standing: FindingState,
}

impl RememberedFinding {
    /// A digest of findings and their states, whatever their order. Numbers of exceptions depend on
    /// history, so the digest takes their names, which `name` knows.
    pub fn digest<'a>(
        records: impl Iterator<Item = &'a Self>,
        name: impl Fn(u16) -> Option<&'a str>,
    ) -> u64 {
        records.fold(0, |digest, record| {
            let standing = match record.standing {
                FindingState::Failing => (0, None),
                FindingState::Excepted(place) => (1, name(place)),
                FindingState::Unknown => (2, None),
            };
            let mut hasher = FxHasher::default();
            (record.key, standing).hash(&mut hasher);
            digest ^ hasher.finish()
        })
    }
}

/// Whether a finding fails, is excepted, or could not be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingState {
    /// It fails, and no exception allows it.
    Failing,
    /// It fails, and the exception with this number allows it.
    Excepted(u16),
    /// It could not be judged.
    Unknown,
}

/// How many items are in each state. An item counts once, by its worst finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerdictCounts {
    /// All items that were judged, whatever the result.
    pub population: usize,
    /// Items with a finding that nothing excepts.
    pub failing: usize,
    /// Items of which every finding is excepted.
    pub excepted: usize,
    /// Items that could not be judged, without a failing finding.
    pub unknown: usize,
    /// Failing findings, of which an item may have several.
    pub findings: usize,
}

/// What one control found: its population, the items with findings, and when each is due.
#[derive(Debug, Default)]
pub struct ControlMemory {
    population: ItemSet,
    open: FxHashMap<Item, Box<[RememberedFinding]>>,
    deadlines: BTreeSet<(Timestamp, Item)>,
    deadline_of: FxHashMap<Item, Timestamp>,
    counts: VerdictCounts,
    limit_counts: LimitCounts,
    deferred: ItemSet,
}

impl ControlMemory {
    /// The counts over all items.
    pub fn counts(&self) -> VerdictCounts {
        VerdictCounts { population: self.population.len(), ..self.counts }
    }

    /// The items that count towards a limit.
    pub fn limit_counts(&self) -> &LimitCounts {
        &self.limit_counts
    }

    /// How many items leave something to another control.
    pub fn deferred(&self) -> usize {
        self.deferred.len()
    }

    /// Every finding with its item, in no order.
    pub fn records(&self) -> impl Iterator<Item = (Item, &RememberedFinding)> {
        self.open
            .iter()
            .flat_map(|(item, records)| records.iter().map(move |record| (*item, record)))
    }

    /// The items that were judged, in no order.
    pub fn population(&self) -> impl Iterator<Item = Item> {
        self.population.iter()
    }

    /// Whether an item was judged.
    pub fn judges(&self, item: Item) -> bool {
        self.population.contains(item)
    }

    /// The items that were judged, of a memory that is over.
    pub fn into_population(self) -> ItemSet {
        self.population
    }

    /// What is remembered of a finding of an item. None if it was not found there.
    pub fn record(&self, item: Item, key: FindingHash) -> Option<&RememberedFinding> {
        self.open.get(&item)?.iter().find(|record| record.key == key)
    }

    /// The items with a finding, in no order.
    pub fn open_items(&self) -> impl Iterator<Item = Item> {
        self.open.keys().copied()
    }

    /// When each finding was first found.
    pub fn first_found(&self) -> FxHashMap<FindingHash, Timestamp> {
        self.records().map(|(_, record)| (record.key, record.since)).collect()
    }

    /// When time will next change an outcome. None if it will not.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The items whose outcome held only until `now` or earlier.
    pub fn due(&self, now: Timestamp) -> Vec<Item> {
        self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, item)| *item).collect()
    }

    /// Remembers the judgement of an item, or removes one that is not part of the population (None). True
    /// if anything that a verdict shows has changed. `record` makes what is remembered of a finding: it
    /// gets whether the finding fails, and what was known of it. `changed` is called with the findings
    /// before and after, if they differ.
    pub fn remember(
        &mut self,
        item: Item,
        judgement: Option<&Judgement>,
        record: impl Fn(&Finding, bool, Option<&RememberedFinding>) -> RememberedFinding,
        changed: impl FnOnce(&[RememberedFinding], &[RememberedFinding], Option<&Judgement>),
    ) -> bool {
        let before = self.open.remove(&item);
        let size = self.population.len();
        // First the old findings are taken out of the counts, then the new ones put in, so that counts
        // never need a walk over all items.
        self.uncount(before.as_deref());
        self.set_deadline(item, judgement.and_then(|judgement| judgement.valid_until));
        // A pending item is due later, but is not part of the population until then.
        let judgement = judgement.filter(|judgement| !judgement.pending);
        let limit_membership =
            judgement.map_or(LimitMembership::No, |judgement| judgement.limit_membership);
        self.limit_counts.note(item, limit_membership);
        let deferred = self.deferred.len();
        if judgement.is_some_and(|judgement| judgement.deferred) {
            self.deferred.insert(item);
        } else {
            self.deferred.remove(item);
        }
        let deferred = self.deferred.len() != deferred;
        let Some(judgement) = judgement else {
            self.population.remove(item);
            if let Some(before) = &before {
                changed(before, &[], None);
            }
            return deferred || before.is_some() || self.population.len() != size;
        };
        self.population.insert(item);
        let old = before.as_deref().unwrap_or_default();
        let known = |finding: &Finding| {
            let key = FindingHash::of_finding(finding);
            old.iter().find(|record| record.key == key)
        };
        let records: Box<[RememberedFinding]> = judgement
            .failing
            .iter()
            .map(|finding| record(finding, true, known(finding)))
            .chain(judgement.unknown.iter().map(|finding| record(finding, false, known(finding))))
            .collect();
        let differ = *old != *records;
        if differ {
            changed(old, &records, Some(judgement));
        }
        let changed = deferred || differ || self.population.len() != size;
        if !records.is_empty() {
            self.count(&records);
            self.open.insert(item, records);
        }
        changed
    }

    fn set_deadline(&mut self, item: Item, at: Option<Timestamp>) {
        if let Some(old) = self.deadline_of.remove(&item) {
            self.deadlines.remove(&(old, item));
        }
        if let Some(at) = at {
            self.deadline_of.insert(item, at);
            self.deadlines.insert((at, item));
        }
    }

    fn count(&mut self, records: &[RememberedFinding]) {
        let (standing, findings) = summarize(records);
        self.counts.findings += findings;
        *self.counted(standing) += 1;
    }

    fn uncount(&mut self, records: Option<&[RememberedFinding]>) {
        if let Some(records) = records {
            let (standing, findings) = summarize(records);
            self.counts.findings -= findings;
            *self.counted(standing) -= 1;
        }
    }

    fn counted(&mut self, standing: FindingState) -> &mut usize {
        match standing {
            FindingState::Failing => &mut self.counts.failing,
            FindingState::Excepted(_) => &mut self.counts.excepted,
            FindingState::Unknown => &mut self.counts.unknown,
        }
    }
}

/// The state of an item with these findings, and how many of them fail.
fn summarize(records: &[RememberedFinding]) -> (FindingState, usize) {
    let failing = records.iter().filter(|record| record.standing == FindingState::Failing).count();
    let unknown = records.iter().any(|record| record.standing == FindingState::Unknown);
    let standing = match (failing, unknown) {
        (1.., _) => FindingState::Failing,
        (0, true) => FindingState::Unknown,
        (0, false) => FindingState::Excepted(0),
    };
    (standing, failing)
}
