//! Violations that are over in a moment, under cover of harmless changes: each that the API server
//! tells of is in the log, as found and as gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use comptroller_core::api::State;
use comptroller_evidence::entry::{Data, Entry};
use futures::{StreamExt, future::join_all};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, PostParams, WatchEvent, WatchParams},
};
use serde_json::json;

use crate::{
    controlplane::{ControlPlane, wait},
    log::entries,
    process::{Bench, LIMIT},
};

const CONTROL: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: no-admins}
spec:
  title: Nobody may do everything
  criteria: [CC6.1]
  owner: platform
  severity: High
  test:
    rbac:
      forbid: [ClusterAdmin]
      allow: [{kind: Group, name: 'system:*'}]
";

fn binding(name: &str, role: &str) -> ClusterRoleBinding {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": format!("{name}@corp")}],
    }))
    .unwrap()
}

/// Makes a violation that is gone in a moment.
async fn violate(client: &Client, name: &str, lives: Duration) {
    let api = Api::<ClusterRoleBinding>::all(client.clone());
    api.create(&PostParams::default(), &binding(name, "cluster-admin")).await.unwrap();
    tokio::time::sleep(lives).await;
    let _ = api.delete(name, &DeleteParams::default()).await.unwrap();
}

/// Changes something that is allowed, so that a status is written and more is gathered after it.
async fn cover(client: &Client, name: &str) {
    let api = Api::<ClusterRoleBinding>::all(client.clone());
    api.create(&PostParams::default(), &binding(name, "view")).await.unwrap();
}

/// The bindings that a watch has told of as added, and of as deleted.
async fn witness(client: Client, added: Arc<Mutex<BTreeSet<String>>>, gone: Arc<Mutex<usize>>) {
    let api = Api::<ClusterRoleBinding>::all(client);
    let from = api.list(&kube::api::ListParams::default()).await.unwrap();
    let from = from.metadata.resource_version.unwrap();
    let events = api.watch(&WatchParams::default(), &from).await.unwrap();
    futures::pin_mut!(events);
    while let Some(event) = events.next().await {
        match event.unwrap() {
            WatchEvent::Added(binding) if binding.name_any().starts_with("short-") => {
                added.lock().unwrap().insert(binding.name_any());
            }
            WatchEvent::Deleted(_) => *gone.lock().unwrap() += 1,
            _ => {}
        }
    }
}

/// How often each violation was found, and how often it was gone.
fn told(entries: &[Entry]) -> BTreeMap<String, (usize, usize)> {
    let mut told = BTreeMap::<String, (usize, usize)>::new();
    for entry in entries {
        let Data::Verdict(data) = &entry.data else { continue };
        for finding in &data.added {
            told.entry(finding.resource.name.clone()).or_default().0 += 1;
        }
        for finding in &data.removed {
            told.entry(finding.resource.name.clone()).or_default().1 += 1;
        }
    }
    told
}

struct Scene {
    bench: Bench,
    log: PathBuf,
    added: Arc<Mutex<BTreeSet<String>>>,
    gone: Arc<Mutex<usize>>,
}

impl Scene {
    async fn new() -> Self {
        let plane = ControlPlane::builder().start().await.unwrap();
        let mut bench = Bench::without_operator(plane).await;
        let log = bench.plane.dir().join("evidence");
        let kubeconfig = bench.plane.kubeconfig("admin");
        bench.start_operator_as(kubeconfig, &["--evidence", log.to_str().unwrap()]).await;
        // Somebody has to be there to be judged.
        cover(&bench.client, "resident").await;
        bench.apply(CONTROL).await;
        bench.until_state("no-admins", State::Passing).await;
        let (added, gone) = (Arc::default(), Arc::default());
        tokio::spawn(witness(bench.client.clone(), Arc::clone(&added), Arc::clone(&gone)));
        Self { bench, log, added, gone }
    }

    /// Every violation that the API server told of is in the log, once each way.
    async fn all_are_told(mut self, made: usize) {
        wait::until("all are gone", LIMIT, async || {
            (*self.gone.lock().unwrap() >= made).then_some(())
        })
        .await
        .unwrap();
        let delivered = self.added.lock().unwrap().clone();
        assert_eq!(delivered.len(), made, "the API server tells of each");
        let mut last = BTreeMap::new();
        let complete = wait::until("each is told", Duration::from_secs(20), async || {
            last = told(&entries(&self.log).await);
            delivered.iter().all(|name| last.get(name) == Some(&(1, 1))).then_some(())
        });
        let complete = complete.await;
        let lacking: Vec<_> = delivered
            .iter()
            .filter(|name| last.get(*name) != Some(&(1, 1)))
            .map(|name| (name, last.get(name)))
            .collect();
        assert!(complete.is_ok(), "{} of {made} are not told: {lacking:?}", lacking.len());
        // At rest it passes, and an entry that says so is the last.
        self.bench
            .until("no-admins", "passes by the last entry", |status| {
                status.state == State::Passing && status.evidence.is_some()
            })
            .await;
        self.bench.stop_operator().await;
        let all = entries(&self.log).await;
        let verdicts = all.iter().filter_map(|entry| match &entry.data {
            Data::Verdict(data) => Some(data),
            _ => None,
        });
        // The first word on the control may come before that on the one who is to be judged.
        let verdicts = verdicts.skip_while(|verdict| verdict.state == State::NotApplicable);
        let mut open = BTreeSet::new();
        for verdict in verdicts {
            for gone in &verdict.removed {
                assert!(open.remove(&gone.resource.name), "{verdict:?}");
            }
            for new in &verdict.added {
                assert!(open.insert(new.resource.name.clone()), "{verdict:?}");
            }
            assert_eq!(verdict.state == State::Passing, open.is_empty(), "{verdict:?}");
        }
    }
}

#[tokio::test]
async fn a_violation_of_a_moment_is_recorded_as_found_and_gone() {
    let scene = Scene::new().await;
    for number in 0..60 {
        cover(&scene.bench.client, &format!("cover-{number}")).await;
        let lives = Duration::from_millis(20 + number % 31);
        violate(&scene.bench.client, &format!("short-{number}"), lives).await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    scene.all_are_told(60).await;
}

#[tokio::test]
async fn bursts_of_such_violations_are_recorded_whole() {
    let scene = Scene::new().await;
    // One after another, then all at once, then gone as soon as they are there.
    for number in 0..20 {
        violate(&scene.bench.client, &format!("short-row-{number}"), Duration::from_millis(30))
            .await;
    }
    cover(&scene.bench.client, "cover").await;
    let names: Vec<String> = (0..20).map(|number| format!("short-once-{number}")).collect();
    let client = &scene.bench.client;
    let lives = |number: u64| Duration::from_millis(20 + number);
    join_all((0..).zip(&names).map(|(number, name)| violate(client, name, lives(number)))).await;
    for number in 0..20 {
        violate(client, &format!("short-blink-{number}"), Duration::ZERO).await;
    }
    scene.all_are_told(60).await;
}
