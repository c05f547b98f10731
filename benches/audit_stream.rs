//! The audit stream on one core: how long a batch of events takes, from bytes to facts, and what is held
//! however many different ones come. It must take 2,000 events a second with room to spare.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that fails must say where"
)]

mod support;

use std::{
    fmt::Write as _,
    hint::black_box,
    time::{Duration, Instant},
};

use comptroller_usage::{BreakGlass, Limits, Reducer, read_list};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use support::process;

/// Events of a batch, as kube-apiserver sends them by default.
const BATCH: usize = 400;

/// What the stream must take, on one core.
const EVENTS_A_SECOND: f64 = 2_000.0;

/// What the operator may hold of it, in bytes, whatever is sent.
const MEMORY: usize = 64 * 1024 * 1024;

/// A batch as the API server writes it at the level Metadata. Of `users` users, each event is another
/// request.
fn batch(first: usize, users: usize) -> String {
    let mut text =
        r#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":["#.to_owned();
    for number in first..first + BATCH {
        let separator = if number == first { "" } else { "," };
        let (user, verb) = (number % users, ["get", "list", "watch", "patch"][number % 4]);
        let resource = ["secrets", "configmaps", "pods", "services"][number / 4 % 4];
        write!(
            text,
            r#"{separator}{{"level":"Metadata","auditID":"3a7e2f6c-9f07-4b53-8f8e-{number:012}","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/team-{team}/{resource}/name-{number}?fieldManager=kubectl","verb":"{verb}","user":{{"username":"user-{user}@acme.example","uid":"7d9e3a60","groups":["team-{team}","oncall","system:authenticated"],"extra":{{"authentication.kubernetes.io/credential-id":["X509SHA256=8a1f0f6f7b"]}}}},"sourceIPs":["10.0.0.7","10.0.0.1"],"userAgent":"kubectl/v1.37.0 (linux/amd64) kubernetes/0f0f0f0","objectRef":{{"resource":"{resource}","namespace":"team-{team}","name":"name-{number}","apiVersion":"v1"}},"responseStatus":{{"metadata":{{}},"code":200}},"requestReceivedTimestamp":"2026-11-20T09:14:03.123456Z","stageTimestamp":"2026-11-20T09:14:03.133456Z","annotations":{{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by RoleBinding \"edit/team-{team}\" of ClusterRole \"edit\" to Group \"team-{team}\""}}}}"#,
            team = user % 50,
        )
        .unwrap();
    }
    text.push_str("]}");
    text
}

fn reducer() -> Reducer {
    let rules =
        BreakGlass::parse(&["user:emergency-*", "group:break-glass", "binding:emergency-*"]);
    Reducer::new(Limits::OPERATOR, rules.unwrap())
}

fn take(reducer: &mut Reducer, body: &str) {
    let now = "2026-11-20T09:14:10Z".parse().unwrap();
    let read = read_list(body.as_bytes(), |event| {
        black_box(reducer.take(event, Some(now)));
    });
    assert_eq!(usize::try_from(read.unwrap()).unwrap(), BATCH);
}

fn batches(criterion: &mut Criterion) {
    // First, since what an allocator got back from others would hide what is held.
    limits();
    let mut group = criterion.benchmark_group("audit_stream");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, users) in [("few users", 20), ("many users", 5_000)] {
        let (mut reducer, mut next) = (reducer(), 0);
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let mut taken = Duration::ZERO;
                for _ in 0..rounds {
                    let body = batch(next, users);
                    next += BATCH;
                    let begun = Instant::now();
                    take(&mut reducer, &body);
                    taken += begun.elapsed();
                }
                taken
            });
        });
    }
    group.finish();
}

/// Half a million different uses: what is held is bounded, and each second takes a part of a core.
fn limits() {
    let before = process::resident();
    let mut reducer = reducer();
    let (events, mut taken) = (500_000, Duration::ZERO);
    for first in (0..events).step_by(BATCH) {
        let body = batch(first, events);
        let begun = Instant::now();
        take(&mut reducer, &body);
        taken += begun.elapsed();
    }
    let held = process::resident().saturating_sub(before);
    let rate = f64::from(u32::try_from(events).unwrap()) / taken.as_secs_f64();
    let (facts, counts) = reducer.take_out();
    println!(
        "{events} events of as many users: {rate:.0} a second, {} KiB held, {} facts, {} had no room",
        held / 1024,
        facts.len(),
        counts.overflow
    );
    assert!(rate > EVENTS_A_SECOND, "{rate} events a second");
    assert!(held < MEMORY, "{held} bytes");
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    targets = batches
}
criterion_main!(benches);
