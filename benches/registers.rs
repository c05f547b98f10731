//! What the register of grants costs: 20,000 bindings that give 200,000 grants, and 2,000 grants that
//! come, go or change on a day, each binding by itself. Prints a Markdown table; below 2 minutes.
//!
//! A year of log is extrapolated from the entries of some days: what they have beside the log and the
//! hashes of the tree count.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a benchmark that fails must say where, and has nothing to document"
)]

mod support;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use comptroller_core::{
    engine::Engine,
    inventory::{Availability, Catalog, Interner, KindId, Projector, ResourceType},
    registers::Register,
};
use comptroller_recorder::{
    Batch, Clock, ClusterKnowledge, Evidence, EvidenceConfig, ListObservation, Observer,
    OperatorIdentity, Recorder, RegisterObservation, Writing,
};
use futures::FutureExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use support::process;
use tokio::sync::watch;

const RBAC: &str = "rbac.authorization.k8s.io";
const BINDINGS: usize = 20_000;
const SUBJECTS: usize = 10;
/// Bindings that change on a day: 2,000 grants.
const CHANGES: usize = 2_000 / SUBJECTS;
/// Days that are written.
const DAYS: usize = 3;
/// As many objects as the operator records at a time.
const OBJECTS: usize = 200;
const MIB: f64 = 1024.0 * 1024.0;

#[derive(Debug, Default)]
struct Entries(Mutex<u64>);

impl Observer for Entries {
    fn begun(&self) {}
    fn appended(&self, size: u64, _: Timestamp) {
        *self.0.lock().unwrap() = size;
    }
    fn register_recorded(&self, _: &str, _: u64, _: usize) {}
    fn failed(&self) {}
    fn put_back(&self, _: bool) {}
    fn recovered(&self, _: u64, _: usize) {}
    fn ended(&self) {}
}

struct Cluster {
    engine: Engine,
    kind: KindId,
    resource: ResourceType,
    projector: Projector,
}

impl Cluster {
    fn new() -> Self {
        let mut engine = Engine::default();
        engine.set_catalog(Catalog::builtin(), support::now());
        let catalog = Catalog::builtin();
        let resource = catalog.find_kind(RBAC, "RoleBinding").unwrap().resource.clone();
        let interner: Arc<Interner> = Arc::default();
        for kind in ["ClusterRole", "ClusterRoleBinding", "Role"] {
            let resource = catalog.find_kind(RBAC, kind).unwrap().resource.clone();
            let id = engine.kind(&resource);
            engine.set_availability(id, Availability::Complete, support::now());
            if kind == "ClusterRole" {
                let projector = Projector::new(resource, Vec::new(), Arc::clone(&interner));
                let rules = json!([{"apiGroups": ["", "apps"], "resources": ["pods", "secrets", "deployments"], "verbs": ["get", "list", "create"]}]);
                let role = json!({"metadata": {"name": "deployer", "uid": "r"}, "rules": rules});
                engine.apply(id, projector.project(&role).unwrap(), support::now());
            }
        }
        let kind = engine.kind(&resource);
        engine.set_availability(kind, Availability::Complete, support::now());
        let projector = Projector::new(resource.clone(), Vec::new(), interner);
        Self { engine, kind, resource, projector }
    }

    fn put(&mut self, number: usize, version: usize) {
        let binding = binding(number, version);
        self.engine.apply(self.kind, self.projector.project(&binding).unwrap(), support::now());
    }

    fn remove(&mut self, number: usize) {
        let (namespace, name) = name_of(number);
        self.engine.remove(self.kind, &namespace, &name, support::now());
    }

    /// Hands over what waits, as the operator does.
    async fn record(&mut self, evidence: &Evidence) {
        let register = Register::find("grants").unwrap();
        loop {
            let (tracker, inventory) = self.engine.registers();
            let Some((changes, _)) = tracker.take(inventory, register, OBJECTS) else { return };
            let list = ListObservation {
                resource: self.resource.clone(),
                availability: Some(Availability::Complete),
                origin: None,
                count: BINDINGS as u64,
            };
            let observed = RegisterObservation {
                register: register.name,
                lists: vec![list],
                changes: Some(changes),
                unknown_since: None,
                whole: None,
            };
            let batch = Batch { registers: vec![observed], ..Batch::default() };
            evidence.submit(batch).await.unwrap().unwrap();
        }
    }
}

fn name_of(number: usize) -> (String, String) {
    (format!("team-{}", number % 400), format!("deployers-{number}"))
}

fn binding(number: usize, version: usize) -> Value {
    let (namespace, name) = name_of(number);
    let subject = |at: usize| match at % 3 {
        0 => {
            json!({"kind": "User", "name": format!("user-{}@acme.example", number * 3 + at + version)})
        }
        1 => json!({"kind": "Group", "name": format!("oidc:team-{}-{at}-{version}", number % 400)}),
        _ => {
            json!({"kind": "ServiceAccount", "namespace": namespace, "name": format!("robot-{at}-{version}")})
        }
    };
    json!({
        "metadata": {"name": name, "namespace": namespace, "uid": format!("{number}-{version}"),
                     "creationTimestamp": "2026-11-20T09:00:00Z"},
        "roleRef": {"kind": "ClusterRole", "name": "deployer"},
        "subjects": (0..SUBJECTS).map(subject).collect::<Vec<_>>(),
    })
}

/// The bytes of all files in a folder.
fn bytes_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let sizes = entries.map(|entry| match entry.metadata().unwrap() {
        data if data.is_dir() => bytes_of(&entry.path()),
        data => data.len(),
    });
    sizes.sum()
}

async fn open(folder: &Path) -> Evidence {
    let config = EvidenceConfig {
        location: folder.join("log").to_str().unwrap().to_owned(),
        key: None,
        instance: "comptroller-0".to_owned(),
        clock: Clock::default(),
        identity: Box::new(|| async { OperatorIdentity::default() }.boxed()),
        cluster: Box::new(|| async { Ok("7d9e3a60".to_owned()) }.boxed()),
        knowledge: Box::new(|| async { Ok(ClusterKnowledge::default()) }.boxed()),
    };
    let (leads, leading) = watch::channel(true);
    // It leads for as long as this process runs.
    std::mem::forget(leads);
    let (evidence, recorder) = Recorder::new(config, leading, Arc::<Entries>::default());
    tokio::spawn(recorder.run());
    let mut writing = evidence.subscribe();
    let open = |writing: &Writing| matches!(writing, Writing::Open(_));
    writing.wait_for(open).await.unwrap();
    evidence
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let parent = std::env::var_os("COMPTROLLER_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let folder = tempfile::tempdir_in(parent).unwrap();
    let mut cluster = Cluster::new();
    for number in 0..BINDINGS {
        cluster.put(number, 0);
    }
    let evidence = open(folder.path()).await;
    let before = process::resident();
    cluster.engine.registers().0.follow();
    let register = Register::find("grants").unwrap();
    let (tracker, inventory) = cluster.engine.registers();
    tracker.compare(inventory, register);
    let started = Instant::now();
    cluster.record(&evidence).await;
    let first = started.elapsed();
    let memory = process::resident().saturating_sub(before);
    let of_list = bytes_of(folder.path());

    let mut times: Vec<Duration> = Vec::new();
    for day in 0..DAYS {
        for at in 0..CHANGES {
            let number = (day * CHANGES + at) * 7 % BINDINGS;
            let started = Instant::now();
            // As many bindings come as go: what went last comes back as another.
            if at % 2 == 0 {
                cluster.remove(number);
            } else {
                cluster.put(BINDINGS + day * CHANGES + at, day);
            }
            cluster.record(&evidence).await;
            times.push(started.elapsed());
        }
    }
    let of_day = (bytes_of(folder.path()) - of_list) / DAYS as u64;
    let year = (of_list + of_day * 365) as f64 / MIB;
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap();
    println!("| what | goal | measured |\n|---|---|---|");
    println!("| first list of 200,000 grants | | {first:.1?}, {:.0} MiB |", of_list as f64 / MIB);
    println!("| one change, until it is durable | 5 ms | p50 {:.1?}, p99 {:.1?} |", at(50), at(99));
    println!("| memory for it | 60 MiB | {:.0} MiB |", memory as f64 / MIB);
    println!("| a year of log | 200 MiB | {year:.0} MiB |");
}
