//! Clusters that somebody filled to be as large as an API server takes: the operator starts, stays
//! small, and calls nothing a pass that it could not look at.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]
#![allow(dead_code, reason = "modules that other tests use whole")]

#[path = "../controlplane/mod.rs"]
mod controlplane;
#[path = "../operator/process.rs"]
mod process;

mod objects;

use std::time::{Duration, Instant};

use comptroller_core::api::{Control, State};
use futures::{StreamExt, stream};
use kube::{Api, Client, ResourceExt, api::ListParams};
use process::{Bench, kubectl};
use serde_json::Value;

use crate::controlplane::{ControlPlane, wait};

/// How long the first verdicts may take on a busy machine, unoptimized.
const LIMIT: Duration = Duration::from_mins(4);

const MIB: u64 = 1024 * 1024;

/// Creates objects at a path of the API, several at a time.
async fn create(client: &Client, objects: impl Iterator<Item = (String, Value)>) {
    stream::iter(objects)
        .for_each_concurrent(4, async |(path, object)| {
            let request = axum::http::Request::post(&path)
                .header("content-type", "application/json")
                .body(serde_json::to_vec(&object).unwrap())
                .unwrap();
            let created = client.request::<Value>(request).await;
            created.unwrap_or_else(|error| panic!("{path}: {error}"));
        })
        .await;
}

/// Starts the operator with the whole pack and a log, and waits for its first verdicts.
async fn run(plane: ControlPlane, objects: Vec<(String, Value)>) -> (Bench, u64) {
    let mut bench = Bench::without_operator(plane).await;
    let pack = concat!(env!("CARGO_MANIFEST_DIR"), "/config/soc2");
    create(&bench.client, objects.into_iter()).await;
    kubectl(&bench.plane, &["apply", "--server-side", "-k", pack]).await;
    start(&mut bench).await;
    let peak = bench.peak_memory();
    (bench, peak)
}

/// Starts the operator, and waits for its first verdicts.
async fn start(bench: &mut Bench) {
    let evidence = bench.plane.dir().join("evidence").display().to_string();
    let kubeconfig = bench.plane.kubeconfig("admin");
    let arguments = ["--evidence", &evidence, "--leader-elect-namespace", "kube-system"];
    bench.start_operator_as(kubeconfig, &arguments).await;
    let started = Instant::now();
    let api: Api<Control> = bench.controls();
    wait::until("every control has a verdict", LIMIT, async || {
        let controls = api.list(&ListParams::default()).await.ok()?;
        let mut waiting = controls.iter().filter(|control| {
            control.status.as_ref().is_none_or(|status| status.conditions.is_empty())
        });
        waiting.next().is_none().then_some(())
    })
    .await
    .unwrap();
    println!("peak {} MiB after {:?}", bench.peak_memory() / MIB, started.elapsed());
}

/// How much more memory than in an empty cluster the operator may ever take. The register of grants has some
/// 25 MiB of it: the keys and digests of 100,000 grants.
const GROWTH: u64 = 120 * MIB;

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_cluster_starts_small_and_nothing_of_it_passes_unseen() {
    let plane = ControlPlane::builder().start().await.unwrap();
    let (mut bench, empty) = run(plane, Vec::new()).await;
    bench.kill_operator();

    let mut hostile: Vec<(String, Value)> = (0..60).map(objects::large_deployment).collect();
    hostile.extend((0..2).map(|n| objects::deployment_of_containers(n, 5_000)));
    hostile.extend((0..20).map(|n| objects::cluster_binding(n, 5_000, "cluster-admin")));
    hostile.extend((0..5).map(objects::long_user));
    create(&bench.client, hostile.into_iter()).await;
    start(&mut bench).await;
    let status = bench
        .until("no-standing-cluster-admin", "names what it could not judge", |status| {
            status.state == State::Failing && !status.unknown_items.is_empty()
        })
        .await;
    // Each binding is judged, or is unknown by name: none is left out.
    assert!(status.failing >= 5_000, "{}", status.failing);
    assert!(status.unknown >= 5 + 10, "{}", status.unknown);
    let peak = bench.peak_memory();
    assert!(peak < empty + GROWTH, "{} MiB, {} in an empty cluster", peak / MIB, empty / MIB);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: say how many of which with DEPLOYMENTS, CONTAINERS, BINDINGS, ADMINS, ROLES, LONG"]
async fn measured() {
    let count = |name: &str| -> usize {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
    };
    let plane = ControlPlane::builder().start().await.unwrap();
    let mut all = Vec::new();
    all.extend((0..count("DEPLOYMENTS")).map(objects::large_deployment));
    all.extend((0..count("CONTAINERS")).map(|n| objects::deployment_of_containers(n, 5_000)));
    all.extend((0..count("BINDINGS")).map(|n| objects::binding(n, 5_000)));
    all.extend((0..count("ADMINS")).map(|n| objects::cluster_binding(n, 5_000, "cluster-admin")));
    all.extend((0..count("ROLES")).map(|n| objects::role(n, 5_000)));
    all.extend((0..count("LONG")).map(objects::long_user));
    let (bench, peak) = run(plane, all).await;
    for control in bench.controls().list(&ListParams::default()).await.unwrap() {
        let status = control.status.clone().unwrap();
        println!("{} {} {:?}", control.name_any(), status.state.as_str(), status.population);
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    println!("later {} MiB, then {}", bench.peak_memory() / MIB, peak / MIB);
}
