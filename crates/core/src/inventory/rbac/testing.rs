//! A small cluster for tests, in a few words.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::new_without_default,
    reason = "only tests use it, and a fixture that is wrong must say where"
)]

use std::sync::Arc;

use serde_json::{Value, json};

use crate::inventory::{Change, Interner, Inventory, Projector, ResourceType};

const RBAC: &str = "rbac.authorization.k8s.io";

const KINDS: &[(&str, &str, &str, bool)] = &[
    (RBAC, "ClusterRole", "clusterroles", false),
    (RBAC, "Role", "roles", true),
    (RBAC, "ClusterRoleBinding", "clusterrolebindings", false),
    (RBAC, "RoleBinding", "rolebindings", true),
    ("", "ServiceAccount", "serviceaccounts", true),
    ("", "ResourceQuota", "resourcequotas", true),
    ("", "Namespace", "namespaces", false),
    ("", "Pod", "pods", true),
    ("apps", "Deployment", "deployments", true),
    ("comptroller.dev", "Person", "people", false),
];

/// An inventory that takes objects as JSON.
#[derive(Debug)]
pub struct World {
    pub inventory: Inventory,
    interner: Arc<Interner>,
}

impl World {
    pub fn new() -> Self {
        let mut inventory = Inventory::default();
        for row in KINDS {
            inventory.kind(&resource_type(row));
        }
        Self { inventory, interner: Arc::default() }
    }

    pub fn of(objects: impl IntoIterator<Item = Value>) -> Self {
        let mut world = Self::new();
        for object in objects {
            world.apply(&object);
        }
        world
    }

    pub fn apply(&mut self, object: &Value) -> Option<Change> {
        let row = row_of(object);
        let resource = resource_type(row);
        let id = self.inventory.kind(&resource);
        let projector = Projector::new(resource, Vec::new(), Arc::clone(&self.interner));
        self.inventory.apply(id, projector.project(object).unwrap())
    }

    pub fn remove(&mut self, object: &Value) -> Option<Change> {
        let row = row_of(object);
        let id = self.inventory.find_kind(row.0, row.1).unwrap();
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
        self.inventory.remove(id, text("namespace"), text("name"))
    }
}

fn row_of(object: &Value) -> &'static (&'static str, &'static str, &'static str, bool) {
    let kind = object["kind"].as_str().unwrap();
    KINDS.iter().find(|row| row.1 == kind).unwrap()
}

fn resource_type(row: &(&str, &str, &str, bool)) -> ResourceType {
    ResourceType {
        group: row.0.to_owned(),
        version: "v1".to_owned(),
        kind: row.1.to_owned(),
        plural: row.2.to_owned(),
        namespaced: row.3,
    }
}

/// `get,list core pods [names]`: verbs, groups, resources, names; `core` is the core group.
pub fn rule(text: &str) -> Value {
    let mut parts = text.split(' ').map(|part| -> Vec<&str> {
        part.split(',').map(|word| if word == "core" { "" } else { word }).collect()
    });
    let verbs = parts.next().unwrap();
    let groups = parts.next().unwrap();
    let resources = parts.next().unwrap();
    let mut rule = json!({"verbs": verbs, "apiGroups": groups, "resources": resources});
    if let Some(names) = parts.next() {
        rule["resourceNames"] = json!(names);
    }
    rule
}

fn rules(rules: &[&str]) -> Vec<Value> {
    rules.iter().map(|text| rule(text)).collect()
}

pub fn cluster_role(name: &str, texts: &[&str]) -> Value {
    json!({"kind": "ClusterRole", "metadata": {"name": name}, "rules": rules(texts)})
}

pub fn role(namespace: &str, name: &str, texts: &[&str]) -> Value {
    json!({
        "kind": "Role",
        "metadata": {"name": name, "namespace": namespace},
        "rules": rules(texts),
    })
}

/// A `ClusterRole` that aggregates those with the label.
pub fn aggregating(name: &str, label: &str) -> Value {
    json!({
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]},
    })
}

pub fn labelled(mut object: Value, label: &str) -> Value {
    object["metadata"]["labels"][label] = json!("true");
    object
}

/// Subjects are `User/jane`, `Group/devs`, `ServiceAccount/prod/ci`.
fn subjects(names: &[&str]) -> Vec<Value> {
    names
        .iter()
        .map(|text| match text.split_once('/').unwrap() {
            ("ServiceAccount", rest) => {
                let (namespace, name) = rest.split_once('/').unwrap();
                json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
            }
            (kind, name) => json!({"kind": kind, "name": name}),
        })
        .collect()
}

pub fn bind(name: &str, cluster_role: &str, to: &[&str]) -> Value {
    json!({
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"kind": "ClusterRole", "name": cluster_role},
        "subjects": subjects(to),
    })
}

/// The role is `ClusterRole/view` or `Role/deployer`.
pub fn bind_in(namespace: &str, name: &str, role: &str, to: &[&str]) -> Value {
    let (kind, role) = role.split_once('/').unwrap();
    json!({
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"kind": kind, "name": role},
        "subjects": subjects(to),
    })
}

pub fn named(kind: &str, namespace: &str, name: &str) -> Value {
    json!({"kind": kind, "metadata": {"name": name, "namespace": namespace}})
}
