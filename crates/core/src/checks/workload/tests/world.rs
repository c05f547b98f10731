//! A small cluster for tests of checks: objects go in, outcomes come out.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use crate::{
    checks::{Check, CheckContext, Item, Judgement, scope::ScopeFilter},
    inventory::{Change, Inventory, KindId, Projector, ResourceType},
};

/// What a check said of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passing,
    Failing(Vec<String>),
    Unknown(String),
}

/// Objects, and what a check said of each at one time with what changed since.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) inventory: Inventory,
    followed: Option<BTreeMap<Item, Outcome>>,
    changes: Vec<Change>,
}

impl World {
    fn kind(&mut self, group: &str, kind: &str) -> (KindId, Projector) {
        let resource = ResourceType {
            group: group.into(),
            version: "v1".into(),
            kind: kind.into(),
            plural: format!("{}s", kind.to_lowercase()),
            namespaced: kind != "Namespace" && !kind.starts_with("ValidatingAdmission"),
        };
        (self.inventory.kind(&resource), Projector::new(resource, Vec::new(), Arc::default()))
    }

    pub(crate) fn apply(&mut self, group: &str, kind: &str, object: &Value) {
        let (id, projector) = self.kind(group, kind);
        let change = self.inventory.apply(id, projector.project(object).unwrap());
        self.note(change);
    }

    pub(crate) fn remove(&mut self, group: &str, kind: &str, name: &str) {
        let (id, _) = self.kind(group, kind);
        let namespaced = self.inventory.kind_state(id).unwrap().resource.namespaced;
        let change = self.inventory.remove(id, if namespaced { "default" } else { "" }, name);
        self.note(change);
    }

    /// Remembers what the check says now, and from now on every change.
    pub(crate) fn follow(&mut self, check: &dyn Check) {
        self.followed = Some(self.judge_all(check));
    }

    fn note(&mut self, change: Option<Change>) {
        if self.followed.is_some() {
            self.changes.extend(change);
        }
    }

    /// Fails unless judging what was affected by each change gave what judging everything gives.
    pub(crate) fn assert_followed(&self, check: &dyn Check) {
        let mut followed = self.followed.clone().expect("follow was called");
        for change in &self.changes {
            let mut affected = Vec::new();
            self.with_context(|context| {
                check.affected(context, change, &mut |item| affected.push(item));
            });
            for item in affected {
                match self.outcome_of(check, item) {
                    Some(outcome) => followed.insert(item, outcome),
                    None => followed.remove(&item),
                };
            }
        }
        assert_eq!(followed, self.judge_all(check));
    }

    pub(crate) fn with_context<T>(&self, run: impl FnOnce(&CheckContext<'_>) -> T) -> T {
        let scope = ScopeFilter::default();
        let now = jiff::Timestamp::UNIX_EPOCH;
        run(&CheckContext { inventory: &self.inventory, scope: &scope, now, occurrences: &[] })
    }

    fn judge_all(&self, check: &dyn Check) -> BTreeMap<Item, Outcome> {
        let mut items = Vec::new();
        self.with_context(|context| check.items(context, &mut |item| items.push(item)));
        items.into_iter().filter_map(|item| Some((item, self.outcome_of(check, item)?))).collect()
    }

    fn outcome_of(&self, check: &dyn Check, item: Item) -> Option<Outcome> {
        let judgement = self.with_context(|context| check.judge(context, item))?;
        if let Some(finding) = judgement.unknown.first() {
            return Some(Outcome::Unknown(finding.rule.to_string()));
        }
        let rules: Vec<String> =
            judgement.failing.iter().map(|finding| finding.rule.to_string()).collect();
        Some(if rules.is_empty() { Outcome::Passing } else { Outcome::Failing(rules) })
    }

    fn find(&self, kind: &str, name: &str) -> Item {
        let found = self.inventory.iter().find(|(_, object)| {
            let state = self.inventory.kind_state(object.kind).unwrap();
            state.resource.kind == kind && *object.name == *name
        });
        Item::Object(found.expect("an object").0)
    }

    /// What the check says of an object; None when it is not of the population.
    pub(crate) fn judge(&self, check: &dyn Check, kind: &str, name: &str) -> Option<Judgement> {
        let item = self.find(kind, name);
        self.with_context(|context| check.judge(context, item))
    }

    pub(crate) fn outcome(&self, check: &dyn Check, kind: &str, name: &str) -> Option<Outcome> {
        self.outcome_of(check, self.find(kind, name))
    }

    /// The one message about an object of the population; nothing when it passes.
    pub(crate) fn message(&self, check: &dyn Check, kind: &str, name: &str) -> Option<String> {
        let judgement = self.judge(check, kind, name).expect("of the population");
        assert_eq!(judgement.unknown, []);
        assert!(judgement.failing.len() <= 1, "{judgement:?}");
        judgement.failing.into_iter().next().map(|finding| finding.message)
    }

    /// Kind, name and outcome of the whole population, by name.
    pub(crate) fn outcomes(&self, check: &dyn Check) -> Vec<(String, String, Outcome)> {
        let mut outcomes: Vec<_> = self
            .judge_all(check)
            .into_iter()
            .map(|(item, outcome)| {
                let Item::Object(slot) = item else { panic!("{item:?}") };
                let object = self.inventory.get(slot).unwrap();
                let kind = &self.inventory.kind_state(object.kind).unwrap().resource.kind;
                (kind.clone(), object.name.to_string(), outcome)
            })
            .collect();
        outcomes.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
        outcomes
    }
}

/// A bare pod.
pub(crate) fn pod(name: &str, spec: &Value) -> Value {
    json!({"metadata": {"name": name, "namespace": "default"}, "spec": spec})
}

/// An object with a pod template, and what controls it.
pub(crate) fn workload(name: &str, controller: Option<(&str, &str)>, spec: &Value) -> Value {
    let owners = controller.map(|(kind, name)| owner(kind, name));
    json!({
        "metadata": {"name": name, "namespace": "default", "ownerReferences": owners},
        "spec": {"replicas": 1, "template": {"spec": spec}},
    })
}

/// Owner references to a controller of the group apps.
pub(crate) fn owner(kind: &str, name: &str) -> Value {
    json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": true}])
}
