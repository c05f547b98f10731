//! Puts a generated cluster, the definitions and the pack into the API server.

use std::{fs, path::Path, time::Duration};

use axum::http::{Method, Request};
use futures::{TryStreamExt, stream};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Resource,
    api::{DynamicObject, ListParams},
    core::{ApiResource, GroupVersionKind},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Result, controlplane::wait, expect::Ledger};

/// Requests under way at a time: more would only queue in an API server on 2 cores.
const CONCURRENCY: usize = 16;

/// How long definitions may take until they are served.
const ESTABLISHED_LIMIT: Duration = Duration::from_mins(2);

/// Small definitions without a schema, under the names of the real ones.
const STAND_INS: &str = "config/samples/crds";

/// Installs the definitions: ours, and stand-ins for those of other tools.
pub async fn definitions(client: &Client) -> Result<()> {
    let mut all = documents("crds")?;
    all.extend(documents(STAND_INS)?);
    all.extend(gateway_api());
    let crds = Api::<CustomResourceDefinition>::all(client.clone());
    for definition in &all {
        create(client, definition).await?;
    }
    let names: Vec<&str> = all.iter().filter_map(|crd| crd["metadata"]["name"].as_str()).collect();
    wait::until("definitions", ESTABLISHED_LIMIT, async || {
        let served = crds.list(&ListParams::default()).await.ok()?;
        let established = served.items.iter().filter(|crd| {
            let conditions =
                crd.status.iter().flat_map(|status| status.conditions.iter().flatten());
            conditions.clone().any(|c| c.type_ == "Established" && c.status == "True")
        });
        // At least: the control plane has definitions of its own.
        (established.count() >= names.len()).then_some(())
    })
    .await?;
    Ok(())
}

/// The kinds that the pack's control of gateways asks for.
fn gateway_api() -> impl Iterator<Item = Value> {
    let group = "gateway.networking.k8s.io";
    let kinds = [("Gateway", "gateways"), ("HTTPRoute", "httproutes"), ("GRPCRoute", "grpcroutes")];
    kinds.into_iter().map(move |(kind, plural)| {
        let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": format!("{plural}.{group}"),
                "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in"},
            },
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
                "versions": [{
                    "name": "v1",
                    "served": true,
                    "storage": true,
                    "schema": {"openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": open, "status": open},
                    }},
                }],
            },
        })
    })
}

/// Applies the pack, with the profile of the restore tool that the cluster has; the names of its
/// controls.
pub async fn pack(client: &Client) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let pack = comptroller::cli::pack::render(&["velero".to_owned()])?;
    for document in yaml_serde::Deserializer::from_str(&pack) {
        let control = Value::deserialize(document)?;
        create(client, &control).await?;
        names.extend(control["metadata"]["name"].as_str().map(str::to_owned));
    }
    Ok(names)
}

/// The objects of every YAML file of a folder of the project.
fn documents(folder: &str) -> Result<Vec<Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut objects = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
        if !is_yaml || path.file_name().is_some_and(|name| name == "kustomization.yaml") {
            continue;
        }
        for document in yaml_serde::Deserializer::from_str(&fs::read_to_string(&path)?) {
            let object = Value::deserialize(document)?;
            if object.is_object() {
                objects.push(object);
            }
        }
    }
    Ok(objects)
}

/// Expects a verdict on the bindings that every API server makes by default. They are read before
/// anything else is there.
pub async fn default_bindings(client: &Client, expected: &mut Ledger) -> Result<()> {
    for kind in ["ClusterRoleBinding", "RoleBinding"] {
        let kind = GroupVersionKind::gvk("rbac.authorization.k8s.io", "v1", kind);
        let bindings =
            Api::<DynamicObject>::all_with(client.clone(), &ApiResource::from_gvk(&kind));
        for binding in bindings.list(&ListParams::default()).await? {
            let metadata = binding.metadata;
            let item = format!("{} {:?} {:?}", kind.kind, metadata.namespace, metadata.name);
            expected.judge("rights-come-through-groups", &item, false);
        }
    }
    Ok(())
}

/// Creates the objects, several at a time, and writes the status of pods as a kubelet does.
pub async fn load(client: &Client, objects: &[Value]) -> Result<()> {
    // A volume must be younger than its class, a backup than what it holds, and everything needs
    // its namespace.
    let stage_of = |object: &Value| match object["kind"].as_str() {
        Some("Namespace" | "StorageClass") => 0,
        Some("PersistentVolumeClaim" | "PersistentVolume" | "Cluster") => 1,
        Some("Backup") => 2,
        _ => 3,
    };
    // A stage ends before the next begins; within one, any order will do.
    for number in 0..4 {
        let stage: Vec<&Value> =
            objects.iter().filter(|object| stage_of(object) == number).collect();
        stream::iter(stage.into_iter().map(Ok))
            .try_for_each_concurrent(CONCURRENCY, async |object| create_whole(client, object).await)
            .await?;
    }
    Ok(())
}

async fn create_whole(client: &Client, object: &Value) -> Result<()> {
    create(client, object).await?;
    // The API server drops the status of a pod that is created, and nothing here runs pods.
    if object["kind"] == "Pod" {
        let status = json!({"status": object["status"]});
        let path = format!("{}/{}/status", collection(object), name(object));
        let request = Request::patch(path)
            .header("Content-Type", "application/merge-patch+json")
            .body(serde_json::to_vec(&status)?)?;
        client
            .request_text(request)
            .await
            .map_err(|error| request_error("write the status of", object, &error))?;
    }
    Ok(())
}

/// Creates an object at the path of its kind, without a discovery.
pub async fn create(client: &Client, object: &Value) -> Result<()> {
    let request = Request::post(collection(object))
        .header("Content-Type", "application/json")
        .body(serde_json::to_vec(object)?)?;
    client.request_text(request).await.map_err(|error| request_error("create", object, &error))?;
    Ok(())
}

/// Deletes an object, and does not wait for finalizers.
pub async fn delete(client: &Client, object: &Value) -> Result<()> {
    let path = format!("{}/{}", collection(object), name(object));
    let request = Request::builder().method(Method::DELETE).uri(path).body(Vec::new())?;
    client.request_text(request).await.map_err(|error| request_error("delete", object, &error))?;
    Ok(())
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn collection(object: &Value) -> String {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
    let kind = GroupVersionKind::gvk(group, version, text("kind"));
    let mut resource = ApiResource::from_gvk(&kind);
    if kind.kind == "Person" {
        "people".clone_into(&mut resource.plural);
    }
    DynamicObject::url_path(&resource, object["metadata"]["namespace"].as_str())
}

fn request_error(what: &str, object: &Value, error: &kube::Error) -> String {
    format!("cannot {what} {} {}: {error}", object["kind"], object["metadata"]["name"])
}
