//! The sample company: what a cluster of three teams holds, some of it wrong.

use std::{path::Path, time::Duration};

use comptroller_core::api::ControlException;
use jiff::Timestamp;
use k8s_openapi::{
    api::apps::v1::{DaemonSet, Deployment, StatefulSet},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams, Patch, PatchParams},
    core::GroupVersionKind,
    discovery::{Scope, pinned_kind},
};
use serde_json::{Value, json};

use crate::{Result, controlplane::wait, documents, kubectl::Kubectl, steps::Step};

/// Where its manifests are, from the top of the repository.
pub const FOLDER: &str = "config/samples/company";

/// The definitions of the tools that it uses, reduced to what their objects need.
pub const DEFINITIONS: &str = "config/samples/crds";

/// The controls that its mistakes break.
pub const EXPECTED_FAILING: &[&str] = &[
    "changes-go-through-delivery",
    "images-are-pinned-and-known",
    "ingress-has-tls",
    "no-privilege-escalation-rights",
    "no-standing-cluster-admin",
    "rights-come-through-groups",
    "users-are-known",
    "volumes-are-backed-up",
];

/// How long its workloads may take to run.
const RUNNING_LIMIT: Duration = Duration::from_mins(1);

/// Installs it and waits until its workloads run.
pub async fn install(client: &Client, kubectl: &Kubectl, step: &Step) -> Result<()> {
    step.say("definitions of the tools it uses");
    let definitions = missing(client, read(DEFINITIONS)?).await?;
    apply(kubectl, &definitions.iter().collect::<Vec<_>>()).await?;
    established(kubectl, &definitions).await?;

    let objects = without_known_exceptions(client, read(FOLDER)?).await?;
    let (namespaces, rest): (Vec<_>, Vec<_>) =
        objects.iter().partition(|object| object["kind"] == "Namespace");
    step.say(format!("{} objects in {} namespaces", objects.len(), namespaces.len()));
    apply(kubectl, &namespaces).await?;
    apply(kubectl, &rest).await?;
    for object in rest.iter().filter(|object| object.get("status").is_some()) {
        write_status(client, object).await?;
    }
    running(client).await
}

fn read(folder: &str) -> Result<Vec<Value>> {
    documents::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), Timestamp::now())
}

/// The definitions that the cluster lacks: the real ones of a tool are never replaced.
async fn missing(client: &Client, mut definitions: Vec<Value>) -> Result<Vec<Value>> {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let present = api.list_metadata(&ListParams::default()).await?;
    definitions.retain(|wanted| {
        present.items.iter().all(|known| wanted["metadata"]["name"] != known.name_any())
    });
    Ok(definitions)
}

/// Leaves out the exceptions of an earlier run: an approved one never changes, its dates included.
async fn without_known_exceptions(client: &Client, mut objects: Vec<Value>) -> Result<Vec<Value>> {
    let known = Api::<ControlException>::all(client.clone()).list(&ListParams::default()).await?;
    objects.retain(|object| {
        object["kind"] != "ControlException"
            || known.iter().all(|exception| object["metadata"]["name"] != exception.name_any())
    });
    Ok(objects)
}

async fn apply(kubectl: &Kubectl, objects: &[&Value]) -> Result<()> {
    if objects.is_empty() {
        return Ok(());
    }
    let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    kubectl.run_with(&arguments, documents::list(objects)).await.map(drop)
}

async fn established(kubectl: &Kubectl, definitions: &[Value]) -> Result<()> {
    if definitions.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = definitions
        .iter()
        .filter_map(|definition| Some(format!("crd/{}", definition["metadata"]["name"].as_str()?)))
        .collect();
    let mut arguments = vec!["wait", "--for=condition=Established", "--timeout=60s"];
    arguments.extend(names.iter().map(String::as_str));
    kubectl.run(&arguments).await.map(drop)
}

/// Writes the status that a tool of the company would: of the backup that ran last night, say.
async fn write_status(client: &Client, object: &Value) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(object.clone())?;
    let types = object.types.clone().ok_or("an object without apiVersion and kind")?;
    let name = object.name_any();
    let (resource, capabilities) =
        pinned_kind(client, &GroupVersionKind::try_from(&types)?).await?;
    // Without the subresource, the status came with the object.
    if !capabilities.subresources.iter().any(|(subresource, _)| subresource.plural == "status") {
        return Ok(());
    }
    let api: Api<DynamicObject> = match (capabilities.scope, object.namespace()) {
        (Scope::Namespaced, Some(namespace)) => {
            Api::namespaced_with(client.clone(), &namespace, &resource)
        }
        (Scope::Namespaced, None) => Api::default_namespaced_with(client.clone(), &resource),
        (Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
    };
    let patch = json!({"status": object.data["status"]});
    api.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .map_err(|error| format!("status of {} {name}: {error}", types.kind))?;
    Ok(())
}

/// Waits until every workload has the pods that it asks for.
async fn running(client: &Client) -> Result<()> {
    let mut waiting = Vec::new();
    let result = wait::until("every workload runs", RUNNING_LIMIT, async || {
        waiting = unfinished(client).await.ok()?;
        waiting.is_empty().then_some(())
    })
    .await;
    result.map_err(|error| format!("{error}; still starting: {}", waiting.join(", ")).into())
}

/// The workloads that lack pods.
async fn unfinished(client: &Client) -> kube::Result<Vec<String>> {
    let all = ListParams::default();
    let mut lacking = Vec::new();
    for workload in Api::<Deployment>::all(client.clone()).list(&all).await? {
        let wanted = workload.spec.replicas;
        let ready = workload.status.as_ref().and_then(|status| status.ready_replicas);
        note(&mut lacking, &workload, wanted, ready);
    }
    for workload in Api::<StatefulSet>::all(client.clone()).list(&all).await? {
        let wanted = workload.spec.replicas;
        let ready = workload.status.as_ref().and_then(|status| status.ready_replicas);
        note(&mut lacking, &workload, wanted, ready);
    }
    for workload in Api::<DaemonSet>::all(client.clone()).list(&all).await? {
        let status = workload.status.as_ref();
        let wanted = status.map(|status| status.desired_number_scheduled);
        note(&mut lacking, &workload, wanted, status.map(|status| status.number_ready));
    }
    Ok(lacking)
}

fn note(
    lacking: &mut Vec<String>,
    object: &impl ResourceExt,
    wanted: Option<i32>,
    ready: Option<i32>,
) {
    if ready.unwrap_or_default() < wanted.unwrap_or(1) {
        let namespace = object.namespace().unwrap_or_default();
        lacking.push(format!("{namespace}/{}", object.name_any()));
    }
}
