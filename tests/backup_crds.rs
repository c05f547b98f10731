//! The situations of the backup check against the schemas that the tools really ship: an API
//! server prunes fields that don't exist and refuses values that can't be, so no verdict relies on
//! either.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails there fails the test")]

mod controlplane;
#[allow(dead_code, reason = "the table serves the unit tests, too")]
#[path = "../crates/core/src/checks/backup/tests/scenarios/mod.rs"]
mod scenarios;

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use comptroller_core::{
    checks::{CheckContext, Item, Judgement, backup, scope::ScopeFilter},
    inventory::{Facts, Interner, Inventory, ObjectSource, Projector, ResourceType},
};
use controlplane::ControlPlane;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use scenarios::{NOW, SHOP, Scenario, TOOLS};
use serde_json::{Value, json};

/// Resource definitions of other projects, which this one does not copy.
const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/crds");

/// Groups of which a definition is there.
const GROUPS: [&str; 5] =
    ["velero.io", "k8up.io", "longhorn.io", "postgresql.cnpg.io", "snapshot.storage.k8s.io"];

/// What the server writes and a test can't: put back after reading.
const OWNED: [&str; 3] = ["creationTimestamp", "deletionTimestamp", "uid"];

#[tokio::test]
async fn situations_are_judged_the_same_behind_the_real_schemas() {
    if !Path::new(CRDS).is_dir() {
        eprintln!("skipped: {CRDS} is not there");
        return;
    }
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.keep_logs_on_panic();
    let served = install(&plane).await;
    let mut wrong = Vec::new();
    let mut judged = BTreeSet::new();
    let mut count = 0;
    for (number, scenario) in scenarios::all().into_iter().enumerate() {
        let is_served = |object: &Value| match object["apiVersion"].as_str().unwrap() {
            "v1" | "batch/v1" => true,
            _ => served.contains(&plural(object)),
        };
        // The schemas refuse what is malformed.
        if scenario.name.starts_with("malformed:") || !scenario.objects.iter().all(is_served) {
            continue;
        }
        let objects = store(&plane, number, &scenario).await;
        let said = judge(&scenario, &objects);
        if said != scenario.expect {
            wrong.push(format!("{}: expected {}, said {said}", scenario.name, scenario.expect));
        }
        count += 1;
        judged.extend(scenario.objects.iter().map(plural));
    }
    assert!(count > 150, "only {count} situations were judged");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let missed: Vec<_> = served.difference(&judged).filter(|name| is_read(name)).collect();
    assert!(missed.is_empty(), "no situation has {missed:?}");
}

/// Classes carry nothing that the check reads.
fn is_read(name: &str) -> bool {
    !name.starts_with("volumesnapshotclasses.")
}

/// Installs the definitions and names them.
async fn install(plane: &ControlPlane) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(CRDS).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let Some((group, plural)) = name.split_once('_') else { continue };
        if GROUPS.contains(&group) {
            let text = fs::read_to_string(&path).unwrap();
            run(plane, &["create", "-f", "-"], &text).await;
            names.insert(format!("{plural}.{group}"));
        }
    }
    let all: Vec<&String> = names.iter().collect();
    plane.until_served(&all).await.unwrap();
    names
}

async fn run(plane: &ControlPlane, arguments: &[&str], input: &str) {
    let output = plane.kubectl_with_input("admin", arguments, input).await.unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {complaint}");
}

/// Creates a situation in namespaces of its own, and reads back what became of it.
async fn store(plane: &ControlPlane, number: usize, scenario: &Scenario) -> Vec<Value> {
    let client = plane.admin_client();
    let (shop, tools) = (format!("{SHOP}{number}"), format!("{TOOLS}{number}"));
    for name in [&shop, &tools] {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        put(&client, &namespace, &scenario.name).await;
    }
    let mut stored = Vec::new();
    for object in &scenario.objects {
        let text = object.to_string().replace(SHOP, &shop).replace(TOOLS, &tools);
        let object: Value = serde_json::from_str(&text).unwrap();
        stored.push(put(&client, &object, &scenario.name).await);
    }
    stored
}

/// Writes an object and its status, and reads it back.
async fn put(client: &Client, object: &Value, scenario: &str) -> Value {
    let api = api(client, object);
    let name = object["metadata"]["name"].as_str().unwrap();
    let mut sent = object.clone();
    for field in OWNED {
        sent["metadata"].as_object_mut().unwrap().remove(field);
    }
    let fail = |error: kube::Error| -> DynamicObject { panic!("{scenario}: {name}: {error}") };
    // Namespaces are there already, with what a situation says of them still to come.
    if object["kind"] == "Namespace" {
        let options = PatchParams::apply("test");
        api.patch(name, &options, &Patch::Apply(&sent)).await.unwrap_or_else(fail);
    } else {
        let dynamic = serde_json::from_value(sent.clone()).unwrap();
        let created = api.create(&PostParams::default(), &dynamic).await.unwrap_or_else(fail);
        if let Some(status) =
            object.get("status").filter(|_| created.data.get("status") != object.get("status"))
        {
            let patch = Patch::Merge(json!({ "status": status }));
            let options = PatchParams::default();
            api.patch_status(name, &options, &patch).await.unwrap_or_else(fail);
        }
    }
    let stored = api.get(name).await.unwrap_or_else(fail);
    let mut stored = serde_json::to_value(stored).unwrap();
    for field in OWNED {
        stored["metadata"].as_object_mut().unwrap().remove(field);
        if let Some(value) = object["metadata"].get(field) {
            stored["metadata"][field] = value.clone();
        }
    }
    stored
}

fn api(client: &Client, object: &Value) -> Api<DynamicObject> {
    let resource = resource(object);
    let kind = GroupVersionKind::gvk(&resource.group, &resource.version, &resource.kind);
    let api = ApiResource::from_gvk_with_plural(&kind, &resource.plural);
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &api),
        None => Api::all_with(client.clone(), &api),
    }
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

fn plural(object: &Value) -> String {
    resource(object).to_string()
}

/// What the check says of the items, in the words of [`Scenario::expect`].
fn judge(scenario: &Scenario, objects: &[Value]) -> String {
    let mut inventory = Inventory::default();
    if scenario.files {
        inventory.source = ObjectSource::Manifests;
    }
    let interner = Arc::new(Interner::default());
    for object in objects {
        let resource = resource(object);
        let kind = inventory.kind(&resource);
        let projector = Projector::new(resource, Vec::new(), Arc::clone(&interner));
        let projected = projector.project(object).unwrap();
        if let Facts::Malformed(error) = &projected.facts {
            return format!("malformed: {error}");
        }
        inventory.apply(kind, projected);
    }
    let test = serde_json::from_value(scenario.test()).unwrap();
    let check = backup::build(&test).unwrap().check;
    let scope = ScopeFilter::default();
    let context = CheckContext {
        inventory: &inventory,
        scope: &scope,
        now: NOW.parse().unwrap(),
        occurrences: &[],
    };
    let mut said = Vec::new();
    check.items(&context, &mut |item| {
        let Item::Object(slot) = item else { return };
        if let Some(judgement) = check.judge(&context, item) {
            said.push((slot, inventory.get(slot).unwrap().name.to_string(), rules(&judgement)));
        }
    });
    said.sort_by_key(|(slot, name, _)| (name == "drill", *slot));
    let said: Vec<_> = said
        .into_iter()
        .map(|(_, name, rules)| if name == "drill" { format!("drill {rules}") } else { rules })
        .collect();
    if said.is_empty() { "none".to_owned() } else { said.join("; ") }
}

fn rules(judgement: &Judgement) -> String {
    let names: Vec<_> = judgement.failing.iter().map(|finding| finding.rule.as_ref()).collect();
    match (names.is_empty(), judgement.unknown.is_empty()) {
        _ if judgement.pending => "pending".to_owned(),
        (true, true) => "pass".to_owned(),
        (true, false) => "unknown".to_owned(),
        _ => names.join(", "),
    }
}
