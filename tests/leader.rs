//! Leader election on a real API server: who leads after a crash, a release, a theft, an outage.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]

mod controlplane;

use std::time::{Duration, Instant};

use comptroller::{
    controllers::leader::{ElectionConfig, LEASE, LeaderElector, Timing},
    telemetry::Metrics,
};
use comptroller_recorder::Clock;
use controlplane::{ControlPlane, wait};
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Namespace};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

/// How long anything may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// A leader that dies is replaced after 3 s.
fn quick() -> Timing {
    Timing::new(Duration::from_secs(3), Duration::from_secs(2), Duration::from_millis(200)).unwrap()
}

/// A leader that dies would be replaced after this test has failed.
fn patient() -> Timing {
    let retry = Duration::from_millis(200);
    Timing::new(Duration::from_mins(10), Duration::from_mins(9), retry).unwrap()
}

struct Replica {
    name: String,
    leading: watch::Receiver<bool>,
    metrics: Metrics,
    shutdown: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Replica {
    fn start(client: &Client, namespace: &str, timing: Timing) -> Self {
        // One pod name for all: what is unique must not depend on it.
        let config = ElectionConfig { timing, ..ElectionConfig::new(namespace, "pod") };
        let metrics = Metrics::new().unwrap();
        let elector =
            LeaderElector::new(client.clone(), config, metrics.clone(), Clock::default()).unwrap();
        let (shutdown, requested) = oneshot::channel::<()>();
        Self {
            name: elector.name().to_owned(),
            leading: elector.leading(),
            metrics,
            shutdown,
            task: tokio::spawn(elector.run(async {
                let _ = requested.await;
            })),
        }
    }

    fn leads(&self) -> bool {
        *self.leading.borrow()
    }

    async fn wait(&mut self, leads: bool) {
        let changed = self.leading.wait_for(|&is| is == leads);
        tokio::time::timeout(LIMIT, changed).await.unwrap().unwrap();
    }

    fn gauge(&self) -> String {
        let scrape = self.metrics.render().unwrap();
        scrape.lines().find(|line| line.starts_with("comptroller_leader ")).unwrap().to_owned()
    }
}

/// A namespace of its own, and the leases in it.
async fn leases(client: &Client, namespace: &str) -> Api<Lease> {
    let mut object = Namespace::default();
    object.metadata.name = Some(namespace.to_owned());
    Api::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
    Api::namespaced(client.clone(), namespace)
}

async fn holder(leases: &Api<Lease>) -> (Option<String>, i32) {
    let spec = leases.get(LEASE).await.unwrap().spec.unwrap();
    (spec.holder_identity, spec.lease_transitions.unwrap())
}

#[tokio::test]
async fn one_leads_and_after_a_crash_another() {
    let client = controlplane::shared().await.admin_client();
    let leases = leases(&client, "crash").await;
    let mut first = Replica::start(&client, "crash", quick());
    first.wait(true).await;
    let mut second = Replica::start(&client, "crash", quick());
    assert_eq!(holder(&leases).await, (Some(first.name.clone()), 0));

    // The second sees several renewals of the first and waits.
    let seen = leases.get(LEASE).await.unwrap().spec.unwrap().renew_time;
    wait::until("renewals", LIMIT, async || {
        let renewed = leases.get(LEASE).await.ok()?.spec?.renew_time?;
        (renewed.0 > seen.as_ref()?.0 + Duration::from_secs(4)).then_some(())
    })
    .await
    .unwrap();
    assert!(first.leads() && !second.leads());
    assert_eq!(first.gauge(), "comptroller_leader 1");
    assert_eq!(second.gauge(), "comptroller_leader 0");

    let died = Instant::now();
    first.task.abort();
    second.wait(true).await;
    // Not before the first would have stopped by itself.
    assert!(died.elapsed() > Duration::from_secs(2), "{:?}", died.elapsed());
    assert_eq!(holder(&leases).await, (Some(second.name.clone()), 1));
    assert_eq!(second.gauge(), "comptroller_leader 1");
}

#[tokio::test]
async fn a_leader_that_stops_hands_over_at_once() {
    let client = controlplane::shared().await.admin_client();
    let leases = leases(&client, "handover").await;
    let mut first = Replica::start(&client, "handover", patient());
    first.wait(true).await;
    let mut second = Replica::start(&client, "handover", patient());
    first.shutdown.send(()).unwrap();
    second.wait(true).await;
    first.task.await.unwrap();
    assert!(!*first.leading.borrow());
    assert_eq!(holder(&leases).await, (Some(second.name.clone()), 1));

    second.shutdown.send(()).unwrap();
    second.task.await.unwrap();
    assert_eq!(holder(&leases).await, (None, 1));
}

/// With the durations that the operator has: what users see at each rollout.
#[tokio::test]
async fn a_handover_takes_less_than_two_seconds() {
    let client = controlplane::shared().await.admin_client();
    leases(&client, "soon").await;
    let mut first = Replica::start(&client, "soon", Timing::default());
    first.wait(true).await;
    let mut second = Replica::start(&client, "soon", Timing::default());
    for _ in 0..3 {
        let asked = Instant::now();
        first.shutdown.send(()).unwrap();
        second.wait(true).await;
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
        first = second;
        second = Replica::start(&client, "soon", Timing::default());
    }
}

#[tokio::test]
async fn many_at_once_elect_one() {
    let client = controlplane::shared().await.admin_client();
    let leases = leases(&client, "crowd").await;
    let replicas: Vec<Replica> =
        (0..8).map(|_| Replica::start(&client, "crowd", patient())).collect();
    wait::until("a leader", LIMIT, async || replicas.iter().any(Replica::leads).then_some(()))
        .await
        .unwrap();
    let (name, transitions) = holder(&leases).await;
    let leaders: Vec<&Replica> = replicas.iter().filter(|replica| replica.leads()).collect();
    assert_eq!(leaders.len(), 1);
    assert_eq!(name.as_ref(), Some(&leaders[0].name));
    assert_eq!(transitions, 0);
}

#[tokio::test]
async fn a_leader_whose_lease_is_taken_stops_and_what_others_wrote_stays() {
    let client = controlplane::shared().await.admin_client();
    let leases = leases(&client, "theft").await;
    let mut replica = Replica::start(&client, "theft", quick());
    replica.wait(true).await;
    let theft = json!({
        "metadata": { "labels": { "team": "platform" } },
        "spec": { "holderIdentity": "thief" },
    });
    leases.patch(LEASE, &PatchParams::default(), &Patch::Merge(&theft)).await.unwrap();
    replica.wait(false).await;
    // The thief is silent, so the lease comes back.
    replica.wait(true).await;
    assert_eq!(holder(&leases).await, (Some(replica.name.clone()), 1));
    assert_eq!(leases.get(LEASE).await.unwrap().metadata.labels.unwrap()["team"], "platform");
}

#[tokio::test]
async fn a_leader_without_an_api_server_stops_before_others_may_start() {
    let mut plane = ControlPlane::builder().start().await.unwrap();
    let client = plane.admin_client();
    let leases = leases(&client, "outage").await;
    let mut replica = Replica::start(&client, "outage", quick());
    replica.wait(true).await;
    plane.stop_api_server();
    let gone = Instant::now();
    replica.wait(false).await;
    assert!(gone.elapsed() < quick().lease(), "{:?}", gone.elapsed());
    plane.start_api_server().await.unwrap();
    replica.wait(true).await;
    // It held the lease all the time: nobody else wrote.
    assert_eq!(holder(&leases).await, (Some(replica.name.clone()), 0));
}
