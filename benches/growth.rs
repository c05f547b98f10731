//! How cost grows: with objects, with controls, with changes a second. Prints Markdown tables.
//!
//! The best of several runs, in CPU time where it is long: what else the machine does is no growth.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that fails must say where"
)]

mod support;

use std::{hint::black_box, time::Duration};

use serde_json::{Value, json};
use support::{
    company, controls, now, process,
    rights::{changes, rights},
    world::{Controls, World},
};

/// The best of several runs.
fn best(runs: usize, mut work: impl FnMut() -> Duration) -> Duration {
    (0..runs).map(|_| work()).min().unwrap_or_default()
}

/// A cluster and pods of it that something happens to.
struct Cluster {
    objects: Vec<Value>,
    pods: Vec<Value>,
}

impl Cluster {
    fn of(count: usize) -> Self {
        let objects = company::objects(count);
        let pods = objects.iter().filter(|object| object["kind"] == "Pod").cloned().collect();
        Self { objects, pods }
    }

    /// From a list of everything to all verdicts; the parts are projecting, and judging.
    fn first_verdicts(&self, controls: &Controls) -> [Duration; 2] {
        let mut world = World::new(controls);
        let (listing, ()) = process::cpu_of(|| world.list(&self.objects));
        let (judging, _) = process::cpu_of(|| world.evaluate());
        [listing, judging]
    }
}

/// A pod as it is, and the same pod privileged.
fn states(pod: &Value) -> [Value; 2] {
    let mut privileged = pod.clone();
    // Its owner vouches for what it shares with its template; a pod of its own is judged itself.
    privileged["metadata"]["ownerReferences"] = json!([]);
    privileged["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    [privileged, pod.clone()]
}

/// Time of one change until all verdicts stand again, when so many come in one window.
fn change(world: &mut World, pods: &[Value], together: usize) -> Duration {
    let states: Vec<[Value; 2]> = pods.iter().take(together).map(states).collect();
    // Every second run takes back what the one before did.
    let mut turn = 0;
    let total = best(20, || {
        turn += 1;
        let (spent, _) = process::cpu_of(|| {
            for pod in &states {
                assert!(world.put(&pod[(turn + 1) % 2]));
            }
            black_box(world.evaluate())
        });
        spent
    });
    total / u32::try_from(states.len()).unwrap()
}

/// Time of a change that alters no fact, such as a restart that a pod's status counts.
fn churn(world: &mut World, pod: &Value) -> Duration {
    let mut turn = 0;
    best(20, || {
        turn += 1;
        let mut pod = pod.clone();
        pod["status"] = json!({"containerStatuses": [{"name": "a", "restartCount": turn}]});
        let (spent, ()) = process::cpu_of(|| {
            // Projected, found equal and dropped: no control may be judged for it.
            assert!(!world.put(&pod));
            assert!(world.evaluate().controls.is_empty());
        });
        spent
    })
}

/// One row: first verdicts, a change, a change of nothing.
fn row(label: &str, cluster: &Cluster, controls: &Controls) {
    let runs: Vec<[Duration; 2]> = (0..3).map(|_| cluster.first_verdicts(controls)).collect();
    let least = |at: usize| runs.iter().map(|run| run[at]).min().unwrap_or_default();
    let mut world = World::of(controls, &cluster.objects);
    let changed = change(&mut world, &cluster.pods, 1);
    let unchanged = churn(&mut world, &cluster.pods[0]);
    println!("| {label} | {:.1?} | {:.1?} | {changed:.1?} | {unchanged:.1?} |", least(0), least(1));
}

/// A change of rights until every control about them has its verdict again.
fn rights_row(bindings: usize) {
    let mut world = World::of(&controls::rights(), &rights(bindings));
    let spent = changes().into_iter().map(|change| {
        let states = change.states.map(|state| world.project(&state).expect("a kind that is read"));
        let mut turn = states.into_iter().cycle();
        let least = best(40, || {
            let (id, object) = turn.next().expect("a cycle");
            let (spent, _) = process::cpu_of(|| {
                assert!(world.engine.apply(id, object, now()));
                black_box(world.evaluate())
            });
            spent
        });
        format!("{least:.1?}")
    });
    let spent: Vec<String> = spent.collect();
    println!("| {bindings} | {} |", spent.join(" | "));
}

fn header(first: &str) {
    println!(
        "\n| {first} | project and list all | judge all | one change | one change of no fact |"
    );
    println!("|---|---|---|---|---|");
}

fn main() {
    let pack = controls::pack();
    header("objects (the pack's controls)");
    for count in [1_000, 10_000, 50_000] {
        row(&count.to_string(), &Cluster::of(count), &pack);
    }
    let cluster = Cluster::of(10_000);
    header("controls (10,000 objects)");
    for count in [5, 25, 100] {
        row(&count.to_string(), &cluster, &controls::packs(count));
    }
    println!("\n| changes in one window (10,000 objects, the pack) | a change |\n|---|---|");
    let mut world = World::of(&pack, &cluster.objects);
    for together in [1, 20, 100, 1_000] {
        println!("| {together} | {:.1?} |", change(&mut world, &cluster.pods, together));
    }
    let names: Vec<&str> = changes().iter().map(|change| change.name).collect();
    let names = names.join(" | ");
    println!(
        "\n| bindings (the pack's controls of rights and a maxSubjects) | {names} |\n|---|---|---|---|"
    );
    for bindings in [2_000, 20_000, 50_000] {
        rights_row(bindings);
    }
}
