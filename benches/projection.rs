//! From an object as JSON to its facts, for every kind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that fails must say where"
)]

mod support;

use std::{hint::black_box, sync::Arc, time::Duration};

use comptroller_core::inventory::{Catalog, Facts, Interner, Projector};
use criterion::{Criterion, criterion_group, criterion_main};
use support::samples::samples;

fn project(criterion: &mut Criterion) {
    let (catalog, interner) = (Catalog::builtin(), Arc::new(Interner::default()));
    let mut group = criterion.benchmark_group("projection");
    for sample in samples() {
        let kind = catalog.find_kind(sample.projection.group, sample.projection.kind);
        let resource = kind.expect("a kind of the catalog").resource.clone();
        let projector = Projector::new(resource, Vec::new(), Arc::clone(&interner));
        let facts = projector.project(&sample.object).unwrap().facts;
        // A sample that can't be read is projected faster than one that can.
        assert!(!matches!(facts, Facts::Malformed(_)), "{}: {facts:?}", sample.label());
        group.bench_function(sample.label(), |bencher| {
            bencher.iter(|| black_box(projector.project(&sample.object)));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(250));
    targets = project
}
criterion_main!(benches);
