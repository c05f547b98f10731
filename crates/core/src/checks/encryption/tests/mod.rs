//! Fixtures in, verdicts out: one table for each part of the test.

mod at_rest;
mod incremental;
mod tables;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize as _;
use serde_json::Value;

use crate::{
    checks::{self, Check, CheckContext, Finding, Item, Judgement, scope::ScopeFilter},
    inventory::{
        Change, Inventory, Projector, ResourceType,
        facts::{MetadataOnly, projections},
    },
};

pub const CERTIFICATES: &str =
    include_str!("../../../../../../tests/fixtures/encryption/certificates.yaml");
pub const GATEWAYS: &str =
    include_str!("../../../../../../tests/fixtures/encryption/gateways.yaml");
pub const GRPC: &str = include_str!("../../../../../../tests/fixtures/encryption/grpc.yaml");
pub const INGRESS: &str = include_str!("../../../../../../tests/fixtures/encryption/ingress.yaml");
pub const LINKERD: &str = include_str!("../../../../../../tests/fixtures/encryption/linkerd.yaml");
pub const MESH: &str = include_str!("../../../../../../tests/fixtures/encryption/mesh.yaml");
pub const STORAGE: &str = include_str!("../../../../../../tests/fixtures/encryption/storage.yaml");

/// When the fixtures are judged.
pub const NOW: &str = "2026-11-21T00:00:00Z";

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The documents of a YAML file.
pub fn documents(yaml: &str) -> Vec<Value> {
    yaml_serde::Deserializer::from_str(yaml)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

/// An inventory of whole lists of every kind that has facts.
pub fn inventory(objects: &[Value]) -> Inventory {
    let mut inventory = Inventory::default();
    for row in projections() {
        let id = inventory.kind(&resource_type(row.group, row.kind, row.versions[0]));
        inventory.begin(id);
        inventory.commit(id, Vec::new());
    }
    for object in objects {
        apply(&mut inventory, object);
    }
    inventory
}

fn resource_type(group: &str, kind: &str, version: &str) -> ResourceType {
    let cluster_scoped = ["IngressClass", "Namespace", "PersistentVolume", "StorageClass"];
    ResourceType {
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        plural: format!("{}s", kind.to_lowercase()),
        namespaced: !cluster_scoped.contains(&kind),
    }
}

fn resource_of(object: &Value) -> ResourceType {
    let api_version = object["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    resource_type(group, object["kind"].as_str().unwrap(), version)
}

pub fn apply(inventory: &mut Inventory, object: &Value) -> Option<Change> {
    let resource = resource_of(object);
    let id = inventory.kind(&resource);
    let projector = Projector::new(resource, Vec::new(), std::sync::Arc::default());
    inventory.apply(id, projector.project(object).unwrap())
}

pub fn remove(inventory: &mut Inventory, object: &Value) -> Option<Change> {
    let id = inventory.kind(&resource_of(object));
    let metadata = MetadataOnly::deserialize(object).unwrap().metadata;
    let namespace = metadata.namespace.unwrap_or_default();
    inventory.remove(id, &namespace, &metadata.name.unwrap())
}

/// The check of a spec in YAML.
pub fn check(spec: &str) -> Box<dyn Check> {
    let spec = yaml_serde::from_str(spec).unwrap();
    checks::encryption::build(&spec).unwrap().check
}

/// Every judgement, by item.
pub fn judge(
    check: &dyn Check,
    inventory: &Inventory,
    now: Timestamp,
) -> BTreeMap<Item, Judgement> {
    let scope = ScopeFilter::default();
    let context = CheckContext { inventory, scope: &scope, now, occurrences: &[] };
    let mut judgements = BTreeMap::new();
    check.items(&context, &mut |item| {
        if let Some(judgement) = check.judge(&context, item) {
            judgements.insert(item, judgement);
        }
    });
    judgements
}

/// Verdicts in words, one line for each item: `Ingress shop/good: pass`.
pub fn verdicts(spec: &str, inventory: &Inventory, now: &str) -> Vec<String> {
    let mut lines: Vec<(String, String)> = judge(check(spec).as_ref(), inventory, at(now))
        .iter()
        .map(|(item, judgement)| (name(inventory, *item), words(judgement)))
        .collect();
    lines.sort();
    lines.into_iter().map(|(name, words)| format!("{name}: {words}")).collect()
}

fn name(inventory: &Inventory, item: Item) -> String {
    let Item::Object(slot) = item else {
        return "cluster".to_owned();
    };
    let it = checks::reference(inventory, slot).unwrap();
    match it.namespace {
        Some(namespace) => format!("{} {namespace}/{}", it.kind, it.name),
        None => format!("{} {}", it.kind, it.name),
    }
}

pub fn words(judgement: &Judgement) -> String {
    let rules = |findings: &[Finding], state: &str| {
        let rules: Vec<&str> = findings.iter().map(|finding| &*finding.rule).collect();
        (!rules.is_empty()).then(|| format!("{state} {}", rules.join(", ")))
    };
    let parts: Vec<String> = rules(&judgement.failing, "fails")
        .into_iter()
        .chain(rules(&judgement.unknown, "unknown"))
        .collect();
    if parts.is_empty() { "pass".to_owned() } else { parts.join("; ") }
}
