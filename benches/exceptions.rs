//! Which exception allows a finding, among as many as a company has.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that fails must say where"
)]

mod support;

use std::{hint::black_box, time::Duration};

use comptroller_core::{
    api::{ControlExceptionSpec, ResourceRef},
    engine::exceptions::Exceptions,
};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use support::now;

/// An approved exception of one of 25 controls for a team's workloads.
fn exception(number: usize) -> ControlExceptionSpec {
    serde_json::from_value(json!({
        "controls": [format!("control-{}", number % 25)],
        "resources": [{"kind": "Deployment", "namespace": format!("team-{number}-*"), "name": "api-*"}],
        "reason": "r", "requestedBy": "jane", "approvedBy": "sam", "expires": "2027-01-01T00:00:00Z",
    }))
    .unwrap()
}

fn matching(criterion: &mut Criterion) {
    for count in [10, 100, 1000] {
        let mut exceptions = Exceptions::default();
        for number in 0..count {
            exceptions.upsert(&format!("exception-{number:04}"), &exception(number), None);
        }
        let resource = |team: usize| ResourceRef {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: Some(format!("team-{team}-production")),
            name: "api-7d9c5b8f4".to_owned(),
        };
        let control = format!("control-{}", (count - 1) % 25);
        // Of the last exception and of none: both are compared with every one before.
        let (allowed, refused) = (resource(count - 1), resource(count));
        assert!(exceptions.allowing(&control, &allowed, now()).is_some());
        assert!(exceptions.allowing(&control, &refused, now()).is_none());
        for (name, resource) in [("allowed by the last", allowed), ("allowed by none", refused)] {
            let label = format!("exceptions/one finding against {count}/{name}");
            criterion.bench_function(&label, |bencher| {
                bencher.iter(|| black_box(exceptions.allowing(&control, &resource, now())));
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500));
    targets = matching
}
criterion_main!(benches);
