//! Encryption at rest, as a real API server shows it in its metrics.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails there fails the test")]

mod controlplane;

use std::collections::BTreeMap;

use comptroller_core::{
    checks::{self, CheckContext, Item, scope::ScopeFilter},
    inventory::{ApiServer, Inventory},
};
use controlplane::ControlPlane;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Client,
    api::{Api, ListParams, PostParams},
};

#[tokio::test]
async fn an_encrypted_write_proves_it_for_its_resource_alone() {
    let plane = ControlPlane::builder().encryption(&["secrets"]).start().await.unwrap();
    let client = plane.client("admin");
    write_and_read_a_secret(&client).await;
    let found = rules(&client).await;
    assert_eq!(found["secrets"], "");
    assert_eq!(found["configmaps"], "unknown NotShown");
}

#[tokio::test]
async fn without_a_provider_nothing_is_encrypted() {
    let plane = ControlPlane::builder().start().await.unwrap();
    let client = plane.client("admin");
    // The API server counts what it stores about once a minute. Until then nothing tells that it
    // handled a Secret in the clear; afterwards the check fails. It never passes.
    assert_eq!(rules(&client).await["secrets"], "unknown NotShown");
    write_and_read_a_secret(&client).await;
    assert_ne!(rules(&client).await["secrets"], "");
}

async fn write_and_read_a_secret(client: &Client) {
    let secrets = Api::<Secret>::default_namespaced(client.clone());
    let secret = serde_json::from_value(serde_json::json!({"metadata": {"name": "canary"}}));
    secrets.create(&PostParams::default(), &secret.unwrap()).await.unwrap();
    secrets.list(&ListParams::default()).await.unwrap();
}

/// What the check finds of each resource, in words.
async fn rules(client: &Client) -> BTreeMap<&'static str, String> {
    let request = axum::http::Request::get("/metrics").body(Vec::new()).unwrap();
    let metrics = client.request_text(request).await.unwrap();
    let mut inventory = Inventory::default();
    inventory.observe_api_server(ApiServer::from_metrics(metrics.lines()));
    let spec = yaml_serde::from_str("atRest: {resources: [secrets, configmaps]}").unwrap();
    let check = checks::encryption::build(&spec).unwrap().check;
    let scope = ScopeFilter::default();
    let now = "2026-11-21T00:00:00Z".parse().unwrap();
    let context = CheckContext { inventory: &inventory, scope: &scope, now, occurrences: &[] };
    let words = |number| {
        let judgement = check.judge(&context, Item::Cluster(number)).unwrap();
        let failing = judgement.failing.iter().map(|finding| format!("fails {}", finding.rule));
        let unknown = judgement.unknown.iter().map(|finding| format!("unknown {}", finding.rule));
        failing.chain(unknown).collect::<Vec<_>>().join(", ")
    };
    BTreeMap::from([("secrets", words(0)), ("configmaps", words(1))])
}
