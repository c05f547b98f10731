//! Each check: one item, and a control over 10,000 items after one of them changed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that fails must say where"
)]

mod support;

use std::{hint::black_box, sync::Arc, time::Duration};

use comptroller_core::{
    api::ControlSpec,
    checks::{self, CheckContext, Item, limit_counts::LimitCounts, scope::ScopeFilter},
    engine::judge_in_scope,
};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use support::{controls, now, samples, world::World};

const ITEMS: usize = 10_000;

/// A check with the kind of its items, and two states of an object between which its verdict turns.
struct Case {
    name: &'static str,
    test: Value,
    kind: &'static str,
    turn: fn(&mut Value),
}

/// Turns a field of an object.
fn set(object: &mut Value, pointer: &str, value: Value) {
    *object.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
}

fn privileged(object: &mut Value) {
    let path = "/spec/template/spec/containers/0/securityContext";
    set(object, path, json!({"privileged": true}));
}

fn cases() -> Vec<Case> {
    let without_tls = |object: &mut Value| set(object, "/spec/tls", json!([]));
    let listeners = |object: &mut Value| {
        set(object, "/spec/listeners/0", json!({"name": "x", "protocol": "HTTP", "port": 8080}));
    };
    vec![
        Case {
            name: "rbac",
            test: json!({"rbac": {"forbid": ["ClusterAdmin", "ReadSecrets", "Exec"]}}),
            kind: "RoleBinding",
            turn: |object| set(object, "/roleRef/name", json!("secrets")),
        },
        Case {
            name: "encryption.storageClasses",
            test: json!({"encryption": {"storageClasses": {}}}),
            kind: "StorageClass",
            turn: |object| set(object, "/parameters/encrypted", json!("false")),
        },
        Case {
            name: "encryption.ingress",
            test: json!({"encryption": {"ingress": {"minValidity": "30d"}}}),
            kind: "Ingress",
            turn: without_tls,
        },
        Case {
            name: "encryption.gateways",
            test: json!({"encryption": {"gateways": {}}}),
            kind: "Gateway",
            turn: listeners,
        },
        Case {
            name: "encryption.mesh",
            test: json!({"encryption": {"mesh": {}}}),
            kind: "PeerAuthentication",
            turn: |object| set(object, "/spec/mtls/mode", json!("PERMISSIVE")),
        },
        Case {
            name: "encryption.certificates",
            test: json!({"encryption": {"certificates": {"minValidity": "30d"}}}),
            kind: "Certificate",
            turn: |object| set(object, "/status/notAfter", json!("2026-11-22T00:00:00Z")),
        },
        Case {
            name: "backup",
            test: json!({"backup": {"of": "PersistentVolumeClaims", "maxAge": "24h"}}),
            kind: "PersistentVolumeClaim",
            turn: |object| {
                set(object, "/metadata/labels", json!({"velero.io/exclude-from-backup": "true"}));
            },
        },
        Case {
            name: "workload",
            test: json!({"workload": {"require": ["NoPrivileged", "ImageDigest", "ResourceLimits"]}}),
            kind: "Deployment",
            turn: privileged,
        },
        Case {
            name: "podSecurity",
            test: json!({"podSecurity": {"minimum": "baseline"}}),
            kind: "Deployment",
            turn: privileged,
        },
        Case {
            name: "cel",
            test: json!({"cel": {
                "resources": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}],
                "validations": [{"expression": "object.spec.replicas > 1"}],
            }}),
            kind: "Deployment",
            turn: |object| set(object, "/spec/replicas", json!(1)),
        },
        // The worst case: one item, the cluster, that is made of all of them.
        Case {
            name: "presence",
            test: json!({"presence": {
                "resources": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}],
                "healthy": "object.spec.replicas > 1",
            }}),
            kind: "Deployment",
            turn: |object| set(object, "/spec/replicas", json!(1)),
        },
    ]
}

/// 10,000 objects of the kind, and one of every other kind that the check may read.
fn objects(kind: &str) -> Vec<Value> {
    let samples = samples::samples();
    let items = samples.iter().filter(|sample| sample.projection.kind == kind);
    let mut objects: Vec<Value> = samples
        .iter()
        .filter(|sample| sample.projection.kind != kind)
        .map(|sample| sample.object.clone())
        .collect();
    objects.extend(items.flat_map(|sample| (0..ITEMS).map(|number| sample.renamed(number))));
    objects.push(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "secrets", "namespace": "team-0"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
    }));
    objects
}

/// Judges one item that a change of the first object affects.
fn judge_one(criterion: &mut Criterion, case: &Case, spec: &ControlSpec, world: &World) {
    let built = checks::build(&spec.test).expect("a test that is right");
    let inventory = world.engine.inventory();
    let scope = ScopeFilter::default();
    let context = CheckContext { inventory, scope: &scope, occurrences: &[], now: now() };
    let mut items = Vec::new();
    // The first that counts will do; a walk over all 10,000 would only take longer.
    built.check.items(&context, &mut |item| {
        if items.len() < 1000 {
            items.push(item);
        }
    });
    let limit_counts = LimitCounts::default();
    let counts =
        |item: &Item| judge_in_scope(&*built.check, &context, *item, &limit_counts).is_some();
    let item = items.into_iter().find(counts).unwrap_or_else(|| panic!("{}: no item", case.name));
    criterion.bench_function(&format!("check/one item/{}", case.name), |bencher| {
        bencher.iter(|| black_box(judge_in_scope(&*built.check, &context, item, &limit_counts)));
    });
}

/// A change of one object until the control has its verdict again.
fn judge_change(criterion: &mut Criterion, case: &Case, world: &mut World, objects: &[Value]) {
    let calm = objects.iter().find(|object| object["kind"] == case.kind).unwrap().clone();
    // Back and forth, so that every iteration is a change of facts and no iteration finds what the last
    // one left.
    let mut turned = calm.clone();
    (case.turn)(&mut turned);
    let states = [turned, calm].map(|state| world.project(&state).expect("a kind that is read"));
    let mut turn = states.into_iter().cycle();
    let label = format!("check/a change among 10,000 items/{}", case.name);
    criterion.bench_function(&label, |bencher| {
        bencher.iter(|| {
            let (id, object) = turn.next().unwrap();
            // A change that alters no fact would measure nothing.
            assert!(world.engine.apply(id, object, now()), "the facts differ");
            black_box(world.evaluate())
        });
    });
}

fn judge(criterion: &mut Criterion) {
    for case in cases() {
        let spec = controls::control(&case.test);
        let objects = objects(case.kind);
        let mut world = World::of(&vec![(case.name.to_owned(), Arc::clone(&spec))], &objects);
        world.assert_judged();
        judge_one(criterion, &case, &spec, &world);
        judge_change(criterion, &case, &mut world, &objects);
    }
}

/// What the API server says of itself is one item for each resource.
fn at_rest(criterion: &mut Criterion) {
    let spec = controls::control(&json!({"encryption": {"atRest": {"resources": ["secrets"]}}}));
    let world = World::of(&vec![("at rest".to_owned(), Arc::clone(&spec))], &[]);
    let case = Case { name: "encryption.atRest", test: json!({}), kind: "", turn: |_| {} };
    judge_one(criterion, &case, &spec, &world);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500));
    targets = judge, at_rest
}
criterion_main!(benches);
