//! What came into the population of a control and left it, and why a finding is gone: decided where
//! it is known, with every change since the last evaluation at hand.

use std::sync::Arc;

use jiff::Timestamp;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    memory::{RememberedFinding, ResourceHash},
    population::{self, JudgedItem},
};
use crate::{
    api::ResourceRef,
    checks::{CheckContext, Item, Judgement, scope::Admission},
    inventory::{Availability, Change, Facts, Inventory, Object, Slot, Symbol, facts::Labels},
};
use comptroller_vocabulary::{FindingEnding, PopulationCause};

/// How many movements of a control are kept until they are recorded. Beyond it the whole list is
/// recorded instead.
pub const MAX_MOVEMENTS: usize = 500;

/// How many labels a sentence names.
const MAX_LABELS: usize = 8;

/// Why a finding is gone, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// What ended it. None when the item can't be judged any more: then nothing ended it.
    pub kind: Option<FindingEnding>,
    /// What that rests on, in one sentence. Empty where the kind says it all.
    pub detail: Arc<str>,
}

impl Ending {
    /// An ending of which the kind says it all.
    pub fn plain(kind: FindingEnding) -> Self {
        Self { kind: Some(kind), detail: "".into() }
    }

    fn because(kind: FindingEnding, detail: &str) -> Self {
        Self { kind: Some(kind), detail: detail.into() }
    }

    fn undecided() -> Self {
        Self { kind: None, detail: "the item can't be judged any more".into() }
    }
}

/// An item that came into a population or left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Whether it came. Otherwise it left.
    pub entered: bool,
    /// The item, with its uid.
    pub item: JudgedItem,
    /// The evaluation that saw it.
    pub at: Timestamp,
    pub why: PopulationCause,
    /// What decided it, in one sentence. Empty where the cause says it all.
    pub detail: Arc<str>,
}

/// What happened to objects since the last evaluation, as far as causes depend on it.
#[derive(Debug, Default)]
pub struct RecentChanges {
    /// The labels that namespaces had at the last evaluation.
    relabelled: FxHashMap<Symbol, Labels>,
    appeared: FxHashSet<Slot>,
    vanished: FxHashSet<ResourceHash>,
}

impl RecentChanges {
    /// Takes in a change that the inventory has taken in.
    pub fn note(&mut self, inventory: &Inventory, change: &Change) {
        let Change::Object { slot, before } = change else { return };
        let after = inventory.get(*slot);
        let Some(before) = before else {
            self.appeared.insert(*slot);
            return;
        };
        if !after.is_some_and(|after| after.is_same(before)) {
            self.vanished.insert(ResourceHash::of_object(inventory, before));
            return;
        }
        if let (Facts::Namespace(old), Some(Facts::Namespace(new))) =
            (&before.facts, after.map(|after| &after.facts))
            && old.labels != new.labels
        {
            self.relabelled.entry(before.name.clone()).or_insert_with(|| old.labels.clone());
        }
    }

    /// The labels of a namespace before and after, in one sentence. None if they are as they were.
    fn relabelled(&self, inventory: &Inventory, namespace: &str) -> Option<String> {
        let before = self.relabelled.get(namespace)?;
        let after = inventory.namespace(namespace)?;
        Some(format!(
            "the labels of Namespace {namespace} changed from {} to {}",
            listed(before, &after.labels),
            listed(&after.labels, before)
        ))
    }
}

/// The labels that the other does not have in this way.
fn listed(labels: &Labels, other: &Labels) -> String {
    let differ = labels.iter().filter(|(key, value)| other.get(key) != Some(value.as_str()));
    let mut texts: Vec<String> =
        differ.map(|(key, value)| format!("{key}={value}")).take(MAX_LABELS + 1).collect();
    if texts.len() > MAX_LABELS {
        texts.truncate(MAX_LABELS);
        texts.push("…".to_owned());
    }
    if texts.is_empty() { "none of these".to_owned() } else { texts.join(", ") }
}

/// The population of a control in time, until it is recorded.
#[derive(Debug, Default)]
pub struct PopulationCourse {
    /// Whether there was a population to compare with.
    known: bool,
    /// Items whose object went, or was replaced, since they were judged.
    gone: FxHashMap<Item, JudgedItem>,
    waiting: Vec<(u64, Movement)>,
    last: u64,
    /// The number at which the movements were last not told one by one.
    untold: Option<u64>,
}

impl PopulationCourse {
    /// Takes in that an object of the population may be gone.
    pub fn note_change(&mut self, inventory: &Inventory, slot: Slot, before: &Object) {
        if inventory.get(slot).is_some_and(|after| after.is_same(before)) {
            return;
        }
        if let Some(item) = population::object(inventory, before) {
            // The first one is the one that was judged; another under its number was not yet.
            self.gone.entry(Item::Object(slot)).or_insert(item);
        }
    }

    /// The items whose object went since the last evaluation.
    pub fn take_gone(&mut self) -> FxHashMap<Item, JudgedItem> {
        std::mem::take(&mut self.gone)
    }

    /// Begins to compare. False the first time, when there is nothing to compare with.
    pub fn begin(&mut self) -> bool {
        std::mem::replace(&mut self.known, true)
    }

    /// Takes in whether an item was judged before and is judged now.
    pub fn note(&mut self, causes: &Causes<'_>, item: Item, was: bool, is: bool) {
        let replaced = causes.gone.get(&item).filter(|_| was);
        if was && (replaced.is_some() || !is) {
            let (why, detail) = match replaced {
                Some(_) => (PopulationCause::Object, String::new()),
                None => causes.why_left(item),
            };
            let named = replaced.cloned().or_else(|| causes.named(item));
            self.push(causes, named, false, why, detail);
        }
        if is && (!was || replaced.is_some()) {
            let (why, detail) = causes.why_entered(item);
            self.push(causes, causes.named(item), true, why, detail);
        }
    }

    fn push(
        &mut self,
        causes: &Causes<'_>,
        item: Option<JudgedItem>,
        entered: bool,
        why: PopulationCause,
        detail: String,
    ) {
        self.last += 1;
        match item {
            Some(item) if self.untold.is_none() && self.waiting.len() < MAX_MOVEMENTS => {
                let at = causes.context.now;
                let movement = Movement { entered, item, at, why, detail: detail.into() };
                self.waiting.push((self.last, movement));
            }
            _ => self.give_up(),
        }
    }

    /// What moved is not told one by one: the list is recorded instead.
    pub fn give_up(&mut self) {
        self.last += 1;
        self.waiting = Vec::new();
        self.untold = Some(self.last);
    }

    /// Counts the changes of the population: two that are equal mean the same population.
    pub fn version(&self) -> u64 {
        self.last
    }

    /// What moved since the last record. None when it can't be told one by one.
    pub fn movements(&self) -> Option<Vec<Movement>> {
        let all = self.waiting.iter().map(|(_, movement)| movement.clone());
        self.untold.is_none().then(|| all.collect())
    }

    /// Whether something moved by another cause than that objects come and go, which is worth an
    /// entry of its own: it decides what the control looks at.
    pub fn is_steered(&self) -> bool {
        self.waiting.iter().any(|(_, movement)| movement.why != PopulationCause::Object)
    }

    /// What moved up to this version is in the log.
    pub fn recorded(&mut self, version: u64) {
        self.waiting.retain(|(number, _)| *number > version);
        self.untold = self.untold.filter(|number| *number > version);
    }
}

/// All that tells why an item is not what it was at the last evaluation.
pub struct Causes<'a> {
    pub context: CheckContext<'a>,
    pub recent: &'a RecentChanges,
    pub gone: &'a FxHashMap<Item, JudgedItem>,
    /// The fields of the spec that were edited since, in one sentence. None if the rule is the same.
    pub edited: Option<&'a str>,
    /// Whether another control says now who holds cluster-admin, or no other does any more.
    pub referred: bool,
}

impl Causes<'_> {
    fn named(&self, item: Item) -> Option<JudgedItem> {
        population::named(self.context.inventory, item)
    }

    /// Why an item, which was judged, no longer is.
    fn why_left(&self, item: Item) -> (PopulationCause, String) {
        let Item::Object(slot) = item else {
            return match self.edited {
                Some(edited) => (PopulationCause::RuleChanged, edited.to_owned()),
                None => (PopulationCause::Object, String::new()),
            };
        };
        let Some(object) = self.context.inventory.get(slot) else {
            return (PopulationCause::Object, String::new());
        };
        self.why_out(object)
    }

    /// Why an object that is there is not judged.
    fn why_out(&self, object: &Object) -> (PopulationCause, String) {
        let CheckContext { inventory, scope, .. } = self.context;
        if let Some(edited) = self.edited {
            return (PopulationCause::RuleChanged, edited.to_owned());
        }
        let namespace = namespace_of(object);
        if scope.selects() && scope.admits(inventory, namespace) == Admission::Out {
            let detail = self.recent.relabelled(inventory, namespace).unwrap_or_else(|| {
                format!("spec.scope.namespaces does not select Namespace {namespace} by its labels")
            });
            return (PopulationCause::NamespaceLabels, detail);
        }
        let detail = "the object changed, and spec.test does not select it any more";
        (PopulationCause::Selection, detail.to_owned())
    }

    /// Why an item is judged that was not.
    fn why_entered(&self, item: Item) -> (PopulationCause, String) {
        if let Some(edited) = self.edited {
            return (PopulationCause::RuleChanged, edited.to_owned());
        }
        let Item::Object(slot) = item else { return (PopulationCause::Object, String::new()) };
        let CheckContext { inventory, scope, .. } = self.context;
        let relabelled = inventory
            .get(slot)
            .filter(|_| scope.selects())
            .and_then(|object| self.recent.relabelled(inventory, namespace_of(object)));
        match relabelled {
            _ if self.recent.appeared.contains(&slot) || self.gone.contains_key(&item) => {
                (PopulationCause::Object, String::new())
            }
            Some(detail) => (PopulationCause::NamespaceLabels, detail),
            None => (PopulationCause::Selection, String::new()),
        }
    }

    /// Why a finding of an item is gone, given how the item is judged now.
    pub fn ending(
        &self,
        item: Item,
        finding: &RememberedFinding,
        judgement: Option<&Judgement>,
    ) -> Ending {
        if let Item::Object(slot) = item {
            // Where another object has the number by now, the one that was judged is gone.
            if self.context.inventory.get(slot).is_none() || self.gone.contains_key(&item) {
                return Ending::plain(FindingEnding::ObjectGone);
            }
        }
        if self.recent.vanished.contains(&finding.resource) {
            return Ending::plain(FindingEnding::ObjectGone);
        }
        // That an engine reports no more proves nothing about the resource.
        if judgement.is_none() && matches!(item, Item::Reported(_)) && self.edited.is_none() {
            return Ending {
                kind: None,
                detail: "no report that counts is about it any more".into(),
            };
        }
        match judgement {
            Some(judgement) if !judgement.unknown.is_empty() => Ending::undecided(),
            None if matches!(item, Item::Object(_)) => {
                let (_, detail) = self.why_left(item);
                Ending::because(FindingEnding::LeftScope, &detail)
            }
            // What is not an object has no namespace: a scope decides which of its rights count.
            _ if !matches!(item, Item::Object(_)) && self.any_relabelled().is_some() => {
                let detail = self.any_relabelled().unwrap_or_default();
                Ending::because(FindingEnding::LeftScope, &detail)
            }
            _ => self.by_rule().unwrap_or_else(|| Ending::plain(FindingEnding::Mended)),
        }
    }

    fn by_rule(&self) -> Option<Ending> {
        if let Some(edited) = self.edited {
            return Some(Ending::because(FindingEnding::RuleChanged, edited));
        }
        self.referred.then(|| {
            let detail = "who holds cluster-admin is left to another control";
            Ending::because(FindingEnding::RuleChanged, detail)
        })
    }

    /// How a namespace was labelled anew by which the scope selects. None if none was.
    fn any_relabelled(&self) -> Option<String> {
        let names = self.recent.relabelled.keys().filter(|_| self.context.scope.selects());
        // The first by name, so that the sentence does not depend on the order of a hash.
        self.recent.relabelled(self.context.inventory, names.min()?)
    }

    /// Why a finding is gone that was found before this process. `judges` says whether an item is
    /// judged now; None where the items of the control are no objects.
    pub fn ending_of_resource(
        &self,
        resource: &ResourceRef,
        judges: impl Fn(Item) -> Option<bool>,
    ) -> Option<Ending> {
        let inventory = self.context.inventory;
        let group = resource.api_version.split_once('/').map_or("", |(group, _)| group);
        let id = inventory.find_kind(group, &resource.kind)?;
        if inventory.kind_state(id)?.availability != Availability::Complete {
            return None;
        }
        let namespace = resource.namespace.as_deref().unwrap_or_default();
        let Some(slot) = inventory.find(id, namespace, &resource.name) else {
            return Some(Ending::plain(FindingEnding::ObjectGone));
        };
        if judges(Item::Object(slot)) == Some(false) {
            let (_, detail) = self.why_out(inventory.get(slot)?);
            return Some(Ending::because(FindingEnding::LeftScope, &detail));
        }
        Some(self.by_rule().unwrap_or_else(|| Ending::plain(FindingEnding::Mended)))
    }
}

/// The namespace that an object lies in, or is.
fn namespace_of(object: &Object) -> &Symbol {
    match &object.facts {
        Facts::Namespace(_) => &object.name,
        _ => &object.namespace,
    }
}

#[cfg(test)]
mod tests;
