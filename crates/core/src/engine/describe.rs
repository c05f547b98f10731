//! Findings with their texts. Memory holds none: the items whose findings are shown are judged again.

use rustc_hash::FxHashSet;

use super::{
    exceptions::Exceptions,
    judging::judge_in_scope,
    memory::{ControlMemory, FindingHash, FindingState, RememberedFinding},
    verdict::ObservedFinding,
};
use crate::{
    checks::{Check, CheckContext, Item},
    inventory::Inventory,
};

/// What it takes to describe the remembered findings of a control.
#[derive(Debug)]
pub struct FindingDescriber<'a> {
    /// The check that found them.
    pub check: &'a dyn Check,
    /// The facts and the scope that it judges by.
    pub context: CheckContext<'a>,
    /// The findings, without their texts.
    pub memory: &'a ControlMemory,
    /// The exceptions, for their names.
    pub exceptions: &'a Exceptions,
}

impl FindingDescriber<'_> {
    /// The worst findings in the states that `which` admits, at most `most`: by severity, then since, then
    /// name.
    pub fn worst(&self, most: usize, which: impl Fn(FindingState) -> bool) -> Vec<ObservedFinding> {
        let inventory = self.context.inventory;
        let mut records: Vec<(Item, &RememberedFinding)> =
            self.memory.records().filter(|(_, record)| which(record.standing)).collect();
        let order = |a: &(Item, &RememberedFinding), b: &(Item, &RememberedFinding)| {
            (b.1.severity.cmp(&a.1.severity))
                .then_with(|| a.1.since.cmp(&b.1.since))
                .then_with(|| name_of(inventory, a.0).cmp(&name_of(inventory, b.0)))
                .then_with(|| a.1.key.cmp(&b.1.key))
        };
        // Of 10,000 findings a status shows 20: to select them costs less than to sort all.
        if records.len() > most {
            records.select_nth_unstable_by(most, order);
            records.truncate(most);
        }
        let items: FxHashSet<Item> = records.iter().map(|(item, _)| *item).collect();
        let keys: FxHashSet<FindingHash> = records.iter().map(|(_, record)| record.key).collect();
        let mut worst = self.describe(items.into_iter(), |record| {
            which(record.standing) && keys.contains(&record.key)
        });
        worst.truncate(most);
        worst
    }

    /// Every finding in the states that `which` admits, by severity, then since, then name.
    pub fn all(&self, which: impl Fn(FindingState) -> bool) -> Vec<ObservedFinding> {
        // Reports ask for each state in turn: only the items with findings in it are judged again.
        let items: FxHashSet<Item> = self
            .memory
            .records()
            .filter(|(_, record)| which(record.standing))
            .map(|(item, _)| item)
            .collect();
        self.describe(items.into_iter(), |record| which(record.standing))
    }

    /// The findings about one item in the states that `which` admits.
    pub fn about(&self, item: Item, which: impl Fn(FindingState) -> bool) -> Vec<ObservedFinding> {
        self.describe(std::iter::once(item), |record| which(record.standing))
    }

    fn describe(
        &self,
        items: impl Iterator<Item = Item>,
        which: impl Fn(&RememberedFinding) -> bool,
    ) -> Vec<ObservedFinding> {
        let mut described = Vec::new();
        for item in items {
            let limit_counts = self.memory.limit_counts();
            let Some(judgement) = judge_in_scope(self.check, &self.context, item, limit_counts)
            else {
                continue;
            };
            for finding in judgement.failing.into_iter().chain(judgement.unknown) {
                let record = self.memory.record(item, FindingHash::of_finding(&finding));
                let Some(record) = record.filter(|record| which(record)) else {
                    continue;
                };
                described.push(ObservedFinding {
                    severity: record.severity,
                    since: record.since,
                    exception: match record.standing {
                        FindingState::Excepted(place) => {
                            self.exceptions.name(place).map(str::to_owned)
                        }
                        FindingState::Failing | FindingState::Unknown => None,
                    },
                    finding,
                });
            }
        }
        sort(&mut described);
        described
    }
}

fn sort(observed: &mut [ObservedFinding]) {
    observed.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then_with(|| a.since.cmp(&b.since))
            .then_with(|| a.finding.resource.namespace.cmp(&b.finding.resource.namespace))
            .then_with(|| a.finding.resource.name.cmp(&b.finding.resource.name))
            .then_with(|| a.finding.rule.cmp(&b.finding.rule))
            .then_with(|| a.finding.subject.cmp(&b.finding.subject))
    });
}

/// Breaks ties by the name of the item: an order by texts would need every item to be judged again.
fn name_of(inventory: &Inventory, item: Item) -> (&str, &str) {
    match item {
        Item::Object(slot) => inventory
            .get(slot)
            .map_or(("", ""), |object| (object.namespace.as_str(), object.name.as_str())),
        Item::Subject(id) => inventory.rights.subject(id).map_or(("", ""), |node| {
            let namespace = node.subject.namespace().map_or("", |namespace| namespace.as_str());
            (namespace, node.subject.name().as_str())
        }),
        Item::Reported(id) => inventory
            .reports
            .resource(id)
            .map_or(("", ""), |resource| (resource.namespace.as_str(), resource.name.as_str())),
        Item::Cluster(_) => ("", ""),
    }
}
