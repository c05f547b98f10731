//! The generator of the cluster benchmark: what it claims to have planted is what a reader, and the
//! engine, find in it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

#[path = "../benches/load/expect.rs"]
mod expect;
#[path = "pack/files.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod files;
#[path = "../benches/load/generate/mod.rs"]
#[allow(dead_code, unused_imports, reason = "a part of it is used here")]
mod generate;
#[path = "../benches/load/percentiles.rs"]
mod percentiles;
#[path = "pack/world.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use comptroller_core::{
    api::{Control, structural},
    inventory::{
        ApiServer,
        api_server::{Direction, Transformation},
    },
};
use expect::{ATTESTED, JUDGED, Ledger, Verdict, differences};
use generate::generate;
use percentiles::Latency;
use serde_json::{Value, json};

fn pack() -> Vec<Control> {
    // The generated cluster has this restore tool.
    let pack = comptroller::cli::pack::render(&["velero".to_owned()]).unwrap();
    files::objects("pack", &pack).iter().map(|object| structural::read(object).unwrap()).collect()
}

/// What a cluster is born with, as far as controls judge it and the ledger names it.
fn born() -> [Value; 3] {
    [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}),
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kubernetes", "namespace": "default"},
            "spec": {"type": "ClusterIP", "ports": [{"port": 443}]},
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "cluster-admin"},
            "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
        }),
    ]
}

fn encrypted() -> ApiServer {
    let row = |direction| Transformation {
        resource: "secrets".to_owned(),
        direction,
        prefix: "k8s:enc:aescbc:v1:test".to_owned(),
    };
    ApiServer::Observed([row(Direction::ToStorage), row(Direction::FromStorage)].into())
}

fn judged(mut objects: Vec<Value>) -> BTreeMap<String, Verdict> {
    objects.extend(born());
    for object in &mut objects {
        object["metadata"]["creationTimestamp"] = world::now().to_string().into();
    }
    let count = |number: usize| i64::try_from(number).unwrap();
    world::judge(pack(), &[], &objects, encrypted())
        .into_iter()
        .map(|(name, verdict)| {
            let verdict = Verdict {
                state: verdict.state.as_str().to_owned(),
                population: count(verdict.population),
                failing: count(verdict.failing),
                unknown: count(verdict.unknown),
            };
            (name, verdict)
        })
        .collect()
}

#[test]
fn the_engine_finds_what_was_planted_and_nothing_else() {
    for seed in 0..5 {
        let world = generate(900, seed, world::now());
        let wrong = differences(&world.expected.verdicts(), &judged(world.objects));
        assert!(wrong.is_empty(), "seed {seed}:\n{}", wrong.join("\n"));
    }
}

#[test]
fn a_verdict_that_differs_is_named_with_both() {
    let mut ledger = Ledger::default();
    ledger.judge("ingress-has-tls", "a/b", true);
    ledger.judge("ingress-has-tls", "a/b", false);
    let expected = ledger.verdicts();
    assert_eq!(expected["ingress-has-tls"].population, 1);
    assert!(differences(&expected, &expected).is_empty());
    let mut got = expected.clone();
    got.get_mut("ingress-has-tls").unwrap().failing = 0;
    got.remove("exec-is-restricted");
    assert_eq!(
        differences(&expected, &got),
        [
            "exec-is-restricted: expected NotApplicable, 0 failing of 0; got no verdict",
            "ingress-has-tls: expected Failing, 1 failing of 1; got Failing, 0 failing of 1",
        ]
    );
}

#[test]
fn every_control_of_the_pack_has_something_to_find() {
    let names: BTreeSet<String> =
        pack().into_iter().map(|control| control.metadata.name.unwrap()).collect();
    assert_eq!(names, JUDGED.iter().chain(&ATTESTED).map(ToString::to_string).collect());
    let verdicts = generate(10_000, 7, world::now()).expected.verdicts();
    for (name, verdict) in JUDGED.map(|name| (name, &verdicts[name])) {
        // The control plane of the benchmark encrypts.
        let planted = verdict.failing > 0 || name == "secrets-encrypted-at-rest";
        assert!(planted && verdict.failing < verdict.population.max(2), "{name}: {verdict}");
    }
}

#[test]
fn a_cluster_is_of_its_size_and_seed_and_of_every_kind() {
    let world = generate(3_000, 7, world::now());
    assert!((3_000..3_100).contains(&world.objects.len()), "{}", world.objects.len());
    assert_eq!(world.objects, generate(3_000, 7, world::now()).objects);
    assert_ne!(world.objects, generate(3_000, 8, world::now()).objects);
    assert!(!world.production.is_empty());
    let names: BTreeSet<String> = world
        .objects
        .iter()
        .map(|object| {
            let of = &object["metadata"];
            format!(
                "{} {} {} {}",
                object["apiVersion"], object["kind"], of["namespace"], of["name"]
            )
        })
        .collect();
    assert_eq!(names.len(), world.objects.len(), "two objects of one name");
    let kinds: BTreeSet<&str> =
        world.objects.iter().filter_map(|object| object["kind"].as_str()).collect();
    for kind in [
        "Namespace",
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "ReplicaSet",
        "Pod",
        "CronJob",
        "ServiceAccount",
        "Role",
        "ClusterRole",
        "RoleBinding",
        "ClusterRoleBinding",
        "PersistentVolumeClaim",
        "PersistentVolume",
        "StorageClass",
        "Ingress",
        "NetworkPolicy",
        "Service",
        "Certificate",
        "Gateway",
        "Backup",
        "Schedule",
        "Restore",
        "VolumeSnapshot",
    ] {
        assert!(kinds.contains(kind), "no {kind}");
    }
}

#[test]
fn percentiles_are_latencies_that_were_measured() {
    let samples: Vec<Duration> = (1..=200).rev().map(Duration::from_millis).collect();
    let expected = Latency { count: 200, p50: 100.0, p95: 190.0, p99: 198.0, worst: 200.0 };
    assert_eq!(Latency::of(samples), expected);
    let one = Latency::of(vec![Duration::from_millis(3)]);
    assert_eq!((one.p50, one.p99, one.worst), (3.0, 3.0, 3.0));
    assert!(Latency::of(Vec::new()).p99.is_nan(), "nothing measured reaches no goal");
}
