//! Rights at 20,000 bindings: building their graph, following a change, judging it, asking it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that fails must say where"
)]

mod support;

use std::{collections::BTreeMap, hint::black_box, sync::Arc, time::Duration};

use comptroller_core::inventory::{
    Catalog, Interner, Inventory, KindId, ProjectedObject, Projector,
    rbac::{AccessRequest, RequestTarget},
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use serde_json::Value;
use support::{
    controls,
    rights::{changes, rights},
    world::{Controls, World},
};

const BINDINGS: usize = 20_000;
const RBAC: &str = "rbac.authorization.k8s.io";
const KINDS: [(&str, &str); 6] = [
    ("", "Namespace"),
    ("", "ServiceAccount"),
    (RBAC, "ClusterRole"),
    (RBAC, "Role"),
    (RBAC, "ClusterRoleBinding"),
    (RBAC, "RoleBinding"),
];

/// An inventory of rights, without controls.
struct Graph {
    inventory: Inventory,
    kinds: BTreeMap<String, (KindId, Projector)>,
}

impl Graph {
    fn new() -> Self {
        let (catalog, interner) = (Catalog::builtin(), Arc::new(Interner::default()));
        let mut inventory = Inventory::default();
        let mut kind = |(group, kind): (&str, &str)| {
            let resource = catalog.find_kind(group, kind).unwrap().resource.clone();
            let id = inventory.kind(&resource);
            let projector = Projector::new(resource, Vec::new(), Arc::clone(&interner));
            (kind.to_owned(), (id, projector))
        };
        let kinds = KINDS.into_iter().map(&mut kind).collect();
        Self { inventory, kinds }
    }

    fn project(&self, object: &Value) -> (KindId, ProjectedObject) {
        let (id, projector) = &self.kinds[object["kind"].as_str().unwrap()];
        (*id, projector.project(object).unwrap())
    }

    fn list(mut self, objects: Vec<(KindId, ProjectedObject)>) -> Self {
        for (id, object) in objects {
            self.inventory.stage(id, object);
        }
        for (id, _) in self.kinds.values() {
            self.inventory.commit(*id, Vec::new());
        }
        self
    }
}

fn build(criterion: &mut Criterion) {
    let objects = rights(BINDINGS);
    let graph = Graph::new();
    let projected: Vec<_> = objects.iter().map(|object| graph.project(object)).collect();
    criterion.bench_function("rbac graph/build", |bencher| {
        bencher.iter_batched(
            || (Graph::new(), projected.clone()),
            |(graph, projected)| graph.list(projected),
            BatchSize::PerIteration,
        );
    });
}

/// The graph alone, with nobody to judge it.
fn update(criterion: &mut Criterion) {
    let graph = Graph::new();
    let projected = rights(BINDINGS).iter().map(|object| graph.project(object)).collect();
    let mut graph = graph.list(projected);
    for change in changes() {
        let states = change.states.map(|state| graph.project(&state));
        let mut turn = states.into_iter().cycle();
        criterion.bench_function(&format!("rbac graph/update/{}", change.name), |bencher| {
            bencher.iter(|| {
                let (id, object) = turn.next().unwrap();
                black_box(graph.inventory.apply(id, object)).expect("the facts differ")
            });
        });
    }
}

/// A change until every control about rights has its verdict again.
fn judge(criterion: &mut Criterion) {
    let pack = controls::rights();
    let limit: Controls = vec![("few-read-secrets".to_owned(), controls::few_read_secrets())];
    let objects = rights(BINDINGS);
    for (name, controls) in [("the pack and maxSubjects", pack), ("maxSubjects alone", limit)] {
        let mut world = World::of(&controls, &objects);
        world.assert_judged();
        for change in changes() {
            let states = change.states.map(|state| world.project(&state).unwrap());
            let mut turn = states.into_iter().cycle();
            let label = format!("rbac change to verdict/{name}/{}", change.name);
            criterion.bench_function(&label, |bencher| {
                bencher.iter(|| {
                    let (id, object) = turn.next().unwrap();
                    assert!(world.engine.apply(id, object, support::now()));
                    black_box(world.evaluate())
                });
            });
        }
    }
}

fn who_can(criterion: &mut Criterion) {
    let graph = Graph::new();
    let projected = rights(BINDINGS).iter().map(|object| graph.project(object)).collect();
    let graph = graph.list(projected);
    let target = RequestTarget::Resource {
        group: "",
        resource: "secrets",
        subresource: "",
        namespace: "team-1",
        name: "",
    };
    let request = AccessRequest { verb: "get", target };
    criterion.bench_function("rbac graph/who can", |bencher| {
        bencher.iter(|| black_box(graph.inventory.rights.who_can(&request)));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = build, update, judge, who_can
}
criterion_main!(benches);
