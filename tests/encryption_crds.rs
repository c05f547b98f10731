//! The fixtures of the encryption check against the real resource definitions: the API server
//! admits each and keeps every field, so no verdict hangs on a field that does not exist.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails there fails the test"
)]

mod controlplane;

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use comptroller_core::{
    checks::{self, CheckContext, scope::ScopeFilter},
    inventory::{Inventory, Projector, ResourceType},
};
use controlplane::{ControlPlane, wait};
use k8s_openapi::{
    api::core::v1::Namespace,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Client, Resource,
    api::{Api, DynamicObject, PostParams},
    core::{ApiResource, GroupVersionKind},
    discovery::{Scope as KindScope, pinned_kind},
};
use serde::Deserialize as _;
use serde_json::Value;

const GATEWAYS: &str = "gateway.networking.k8s.io_gateways.yaml";

/// The definitions that are tried, where the folder has them.
const DEFINITIONS: &[&str] =
    &["cert-manager.io_certificates.yaml", GATEWAYS, "gateway.networking.k8s.io_httproutes.yaml"];
const FIXTURES: &[&str] = &["certificates.yaml", "gateways.yaml", "ingress.yaml", "storage.yaml"];
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_api_server_keeps_what_the_fixtures_say() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/crds");
    if !folder.is_dir() {
        println!("skipped: no resource definitions in {}", folder.display());
        return;
    }
    let plane = ControlPlane::builder().start().await.unwrap();
    let client = plane.client("admin");
    for file in DEFINITIONS {
        install(&plane, &fs::read_to_string(folder.join(file)).unwrap()).await;
    }
    for name in ["shop", "bank", "edge"] {
        let namespace = serde_json::from_value(serde_json::json!({"metadata": {"name": name}}));
        let namespaces = Api::<Namespace>::all(client.clone());
        namespaces.create(&PostParams::default(), &namespace.unwrap()).await.unwrap();
    }
    let mut written = Vec::new();
    let mut stored = Vec::new();
    for fixture in fixtures() {
        let object = create(&client, &fixture).await;
        if let Some(lost) = first_lost(&without_creation(&fixture), &object, "") {
            panic!("the API server drops {lost} of {}", fixture["metadata"]);
        }
        written.push(fixture);
        stored.push(object);
    }
    let expected = verdicts(&written);
    assert_eq!(verdicts(&stored), expected);
    assert!(expected.len() > 20, "{expected:#?}");
}

/// The definition of Gateways is the judge of what a listener may say about TLS: what it refuses must
/// not pass in a manifest, and what it admits passes only with a certificate or handed on.
#[tokio::test]
async fn a_listener_that_the_api_server_refuses_does_not_pass() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/crds");
    let Ok(definition) = fs::read_to_string(folder.join(GATEWAYS)) else {
        println!("skipped: no resource definitions in {}", folder.display());
        return;
    };
    let plane = ControlPlane::builder().start().await.unwrap();
    let client = plane.client("admin");
    install(&plane, &definition).await;
    let reference = serde_json::json!([{"name": "certificate"}]);
    let (mut admitted, mut refused) = (0, 0);
    for protocol in ["HTTP", "HTTPS", "TLS", "TCP"] {
        for mode in [None, Some("Terminate"), Some("Passthrough")] {
            for certificates in [Value::Null, serde_json::json!([]), reference.clone()] {
                let mut tls = serde_json::json!({"mode": mode, "certificateRefs": certificates});
                tls.as_object_mut().unwrap().retain(|_, value| !value.is_null());
                let named = tls["certificateRefs"].as_array().is_some_and(|refs| !refs.is_empty());
                let gateway = serde_json::json!({
                    "apiVersion": "gateway.networking.k8s.io/v1",
                    "kind": "Gateway",
                    "metadata": {"name": "g", "namespace": "default"},
                    "spec": {"gatewayClassName": "c", "listeners": [
                        {"name": "l", "protocol": protocol, "port": 443, "tls": tls},
                    ]},
                });
                let (resource, _) = resource_of(&client, &gateway).await;
                let api: Api<DynamicObject> =
                    Api::default_namespaced_with(client.clone(), &resource);
                let object = serde_json::from_value(gateway.clone()).unwrap();
                let try_only = PostParams { dry_run: true, ..PostParams::default() };
                let taken = match api.create(&try_only, &object).await {
                    Ok(_) => true,
                    Err(kube::Error::Api(status)) if status.code == 422 => false,
                    Err(error) => panic!("{gateway}: {error}"),
                };
                let passes = verdicts(std::slice::from_ref(&gateway))[0].ends_with("[] []");
                if taken {
                    admitted += 1;
                    assert_eq!(passes, mode == Some("Passthrough") || named, "{gateway}");
                } else {
                    refused += 1;
                    assert!(!passes, "{gateway}");
                }
            }
        }
    }
    assert!(admitted > 4 && refused > 10, "{admitted} admitted, {refused} refused");
}

async fn install(plane: &ControlPlane, yaml: &str) {
    let definition: CustomResourceDefinition = yaml_serde::from_str(yaml).unwrap();
    let name = definition.meta().name.clone().unwrap();
    let definitions = Api::<CustomResourceDefinition>::all(plane.admin_client());
    definitions.create(&PostParams::default(), &definition).await.unwrap();
    plane.until_served(&[name]).await.unwrap();
}

fn fixtures() -> Vec<Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/encryption");
    FIXTURES
        .iter()
        .flat_map(|file| {
            let yaml = fs::read_to_string(folder.join(file)).unwrap();
            yaml_serde::Deserializer::from_str(&yaml)
                .map(|document| Value::deserialize(document).unwrap())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The server sets the time itself.
fn without_creation(fixture: &Value) -> Value {
    let mut fixture = fixture.clone();
    fixture["metadata"].as_object_mut().unwrap().remove("creationTimestamp");
    fixture
}

/// Creates an object and then its status, as its controller would; what the server stored.
async fn create(client: &Client, fixture: &Value) -> Value {
    let (resource, scope) = resource_of(client, fixture).await;
    let object: DynamicObject = serde_json::from_value(without_creation(fixture)).unwrap();
    let api: Api<DynamicObject> = match (&scope, &object.metadata.namespace) {
        (KindScope::Namespaced, Some(namespace)) => {
            Api::namespaced_with(client.clone(), namespace, &resource)
        }
        _ => Api::all_with(client.clone(), &resource),
    };
    let name = object.metadata.name.clone().unwrap();
    let created = api
        .create(&PostParams::default(), &object)
        .await
        .unwrap_or_else(|error| panic!("{} {name}: {error}", resource.kind));
    let stored = if fixture["status"].is_null() {
        created
    } else {
        let mut object = created;
        object.data["status"] = fixture["status"].clone();
        api.replace_status(&name, &PostParams::default(), &object)
            .await
            .unwrap_or_else(|error| panic!("status of {} {name}: {error}", resource.kind))
    };
    serde_json::to_value(stored).unwrap()
}

async fn resource_of(client: &Client, fixture: &Value) -> (ApiResource, KindScope) {
    let api_version = fixture["apiVersion"].as_str().unwrap();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = GroupVersionKind::gvk(group, version, fixture["kind"].as_str().unwrap());
    let what = format!("{kind:?} served");
    let served = wait::until(&what, LIMIT, async || pinned_kind(client, &kind).await.ok());
    let (resource, capabilities) = served.await.unwrap();
    (resource, capabilities.scope)
}

/// The path of the first field that the fixture sets and the stored object lacks or changes.
fn first_lost(fixture: &Value, stored: &Value, path: &str) -> Option<String> {
    match (fixture, stored) {
        (Value::Object(fields), Value::Object(kept)) => fields.iter().find_map(|(name, value)| {
            first_lost(value, kept.get(name).unwrap_or(&Value::Null), &format!("{path}.{name}"))
        }),
        (Value::Array(items), Value::Array(kept)) if items.len() == kept.len() => items
            .iter()
            .zip(kept)
            .enumerate()
            .find_map(|(at, (item, kept))| first_lost(item, kept, &format!("{path}[{at}]"))),
        // An empty list may be left out.
        (Value::Array(items), Value::Null) if items.is_empty() => None,
        _ => (fixture != stored).then(|| path.to_owned()),
    }
}

/// What the check says of the objects that it judges without the time they were made.
fn verdicts(objects: &[Value]) -> Vec<String> {
    let mut inventory = Inventory::default();
    for object in objects {
        let api_version = object["apiVersion"].as_str().unwrap();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = object["kind"].as_str().unwrap();
        let resource = ResourceType {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: format!("{}s", kind.to_lowercase()),
            namespaced: !object["metadata"]["namespace"].is_null(),
        };
        let id = inventory.kind(&resource);
        let projector = Projector::new(resource, Vec::new(), Arc::default());
        inventory.apply(id, projector.project(object).unwrap());
    }
    let spec = "{ingress: {minValidity: 30d}, gateways: {}, certificates: {minValidity: 30d}}";
    let check = checks::encryption::build(&yaml_serde::from_str(spec).unwrap()).unwrap().check;
    let scope = ScopeFilter::default();
    let now = "2026-11-21T00:00:00Z".parse().unwrap();
    let context = CheckContext { inventory: &inventory, scope: &scope, now, occurrences: &[] };
    let mut lines = Vec::new();
    check.items(&context, &mut |item| {
        let checks::Item::Object(slot) = item else {
            return;
        };
        if let Some(judgement) = check.judge(&context, item) {
            let name = checks::reference(&inventory, slot);
            lines.push(format!("{name:?} {:?} {:?}", judgement.failing, judgement.unknown));
        }
    });
    lines.sort();
    lines
}
