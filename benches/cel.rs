//! CEL controls of the pack: compiling their expressions, and running them over an object.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that fails must say where"
)]

mod support;

use std::{hint::black_box, time::Duration};

use comptroller_core::{
    checks::cel,
    inventory::{
        Catalog, Interner, ObjectSource, ProgramResult,
        program::{WholeObject, run_all},
    },
};
use criterion::{Criterion, criterion_group, criterion_main};
use support::{controls, samples};

fn programs(criterion: &mut Criterion) {
    let (catalog, samples) = (Catalog::builtin(), samples::samples());
    let interner = Interner::default();
    for (name, spec) in controls::pack() {
        let Some(test) = &spec.test.cel else {
            continue;
        };
        criterion.bench_function(&format!("cel/compile/{name}"), |bencher| {
            bencher.iter(|| black_box(cel::build(test)));
        });
        let built = cel::build(test).expect("the pack compiles");
        let (_, program) = built.program.expect("a program");
        let listed = |plural: &str| {
            test.resources.iter().any(|rule| rule.resources.iter().any(|named| named == plural))
        };
        let found = samples.iter().find_map(|sample| {
            let row = catalog.find_kind(sample.projection.group, sample.projection.kind)?;
            listed(&row.resource.plural).then_some((sample, &row.resource))
        });
        // Some controls are about kinds that nothing but CEL reads.
        let Some((sample, resource)) = found else {
            continue;
        };
        let run = || {
            let whole = WholeObject::new(
                &sample.object,
                resource,
                ("pay", "api"),
                ObjectSource::Cluster,
                &interner,
            );
            run_all(std::iter::once(&*program), &whole)
        };
        // An undecided program stops early, and would look fast.
        assert!(!matches!(&*run(), [ProgramResult::Unknown(_)]), "{name}: {:?}", run());
        criterion.bench_function(&format!("cel/evaluate/{name}"), |bencher| {
            bencher.iter(|| black_box(run()));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500));
    targets = programs
}
criterion_main!(benches);
