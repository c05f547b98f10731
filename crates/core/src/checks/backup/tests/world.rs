//! An inventory of objects, and what the check says of it.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde_json::Value;

use super::scenarios::{NOW, Scenario};
use crate::{
    api::test_spec::backup::BackupTest,
    checks::{Check, CheckContext, Item, Judgement, backup, scope::ScopeFilter},
    inventory::{
        Change, Facts, Interner, Inventory, KindId, ObjectSource, Projector, ResourceType,
    },
};

#[derive(Default)]
pub struct World {
    pub inventory: Inventory,
    interner: Arc<Interner>,
    scope: ScopeFilter,
}

pub fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub fn check(scenario: &Scenario) -> Box<dyn Check> {
    let test: BackupTest = serde_json::from_value(scenario.test()).unwrap();
    backup::build(&test).unwrap().check
}

fn resource(object: &Value) -> ResourceType {
    let api_version = object["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = object["kind"].as_str().unwrap();
    ResourceType {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: format!("{}s", kind.to_lowercase()),
        namespaced: !matches!(kind, "Namespace" | "PersistentVolume" | "VolumeSnapshotContent"),
    }
}

impl World {
    pub fn new(objects: &[Value]) -> Self {
        let mut world = Self::default();
        world.apply_all(objects);
        world
    }

    /// Where the objects of a scenario come from, without them.
    pub fn empty_for(scenario: &Scenario) -> Self {
        let mut world = Self::default();
        world.inventory.source =
            if scenario.files { ObjectSource::Manifests } else { ObjectSource::Cluster };
        world
    }

    /// The objects of a scenario. Kinds that it has none of are not served.
    pub fn of(scenario: &Scenario) -> Self {
        let mut world = Self::empty_for(scenario);
        world.apply_all(&scenario.objects);
        world
    }

    pub fn apply_all(&mut self, objects: &[Value]) {
        for object in objects {
            self.apply(object);
        }
    }

    fn kind(&mut self, object: &Value) -> (KindId, ResourceType) {
        let resource = resource(object);
        let id = self.inventory.kind(&resource);
        // An empty list completes the kind and keeps what is known of it.
        if self.inventory.slots(id).next().is_none() {
            self.inventory.commit(id, Vec::new());
        }
        (id, resource)
    }

    pub fn apply(&mut self, object: &Value) -> Option<Change> {
        let (id, resource) = self.kind(object);
        let projector = Projector::new(resource, Vec::new(), Arc::clone(&self.interner));
        let projected = projector.project(object).unwrap();
        self.inventory.apply(id, projected)
    }

    pub fn remove(&mut self, object: &Value) -> Option<Change> {
        let (id, resource) = self.kind(object);
        let namespace =
            if resource.namespaced { &object["metadata"]["namespace"] } else { &Value::Null };
        let name = object["metadata"]["name"].as_str().unwrap();
        self.inventory.remove(id, namespace.as_str().unwrap_or_default(), name)
    }

    pub fn has_malformed(&self) -> bool {
        self.inventory.iter().any(|(_, object)| matches!(object.facts, Facts::Malformed(_)))
    }

    pub fn context(&self, now: Timestamp) -> CheckContext<'_> {
        CheckContext { inventory: &self.inventory, scope: &self.scope, now, occurrences: &[] }
    }

    /// What the check says of each item.
    pub fn judge(&self, check: &dyn Check, now: Timestamp) -> BTreeMap<Item, Judgement> {
        let context = self.context(now);
        let mut items = Vec::new();
        check.items(&context, &mut |item| items.push(item));
        let judged = items.into_iter().map(|item| (item, check.judge(&context, item)));
        judged.filter_map(|(item, judgement)| Some((item, judgement?))).collect()
    }

    /// The same in the words of [`Scenario::expect`].
    pub fn said(&self, scenario: &Scenario) -> String {
        let mut said: Vec<(String, String)> = self
            .judge(check(scenario).as_ref(), now())
            .into_iter()
            .map(|(item, judgement)| (self.name(item), rules(&judgement)))
            .collect();
        // The drill is an item as well, and the last one.
        said.sort_by_key(|(name, _)| name == "drill");
        let said: Vec<_> = said
            .into_iter()
            .map(|(name, rules)| if name == "drill" { format!("drill {rules}") } else { rules })
            .collect();
        if said.is_empty() { "none".to_owned() } else { said.join("; ") }
    }

    fn name(&self, item: Item) -> String {
        let Item::Object(slot) = item else { panic!("not an object") };
        self.inventory.get(slot).unwrap().name.to_string()
    }
}

fn rules(judgement: &Judgement) -> String {
    match (judgement.failing.as_slice(), judgement.unknown.as_slice()) {
        ([], []) if judgement.pending => "pending".to_owned(),
        ([], []) => "pass".to_owned(),
        ([], [_]) => "unknown".to_owned(),
        (failing, []) => {
            failing.iter().map(|finding| finding.rule.as_ref()).collect::<Vec<_>>().join(", ")
        }
        _ => panic!("both failing and unknown: {judgement:?}"),
    }
}
