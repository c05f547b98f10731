//! Memory per object by kind: what the facts of 100,000 objects of a kind add to a process that
//! holds nothing else, indexes and names included. One process for each kind, since an allocator
//! gives back what it likes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that fails must say where"
)]

mod support;

use std::{hint::black_box, process::Command, sync::Arc};

use comptroller_core::inventory::{Catalog, Interner, Inventory, Projector};
use support::{
    process,
    samples::{Sample, samples},
};

const OBJECTS: usize = 100_000;
/// Names the kind that this process is to hold.
const KIND: &str = "COMPTROLLER_BENCH_KIND";

/// Bytes for each object of a kind.
fn measure(sample: &Sample) -> usize {
    let catalog = Catalog::builtin();
    let found = catalog.find_kind(sample.projection.group, sample.projection.kind);
    let resource = found.expect("a kind of the catalog").resource.clone();
    let projector = Projector::new(resource.clone(), Vec::new(), Arc::new(Interner::default()));
    let mut inventory = Inventory::default();
    let kind = inventory.kind(&resource);
    // After the catalog and the projector, which every process holds once.
    let before = process::resident();
    for number in 0..OBJECTS {
        let object = sample.renamed(number);
        inventory.apply(kind, projector.project(&object).unwrap());
    }
    let after = process::resident();
    // Read after the measurement, so that nothing is freed before it.
    assert_eq!(black_box(&inventory).len(), OBJECTS);
    after.saturating_sub(before) / OBJECTS
}

fn main() {
    let samples = samples();
    if let Ok(label) = std::env::var(KIND) {
        let sample = samples.iter().find(|sample| sample.label() == label).expect("a known kind");
        println!("{}", measure(sample));
        return;
    }
    println!("| kind | bytes as JSON | bytes in memory |\n|---|---|---|");
    for sample in &samples {
        let label = sample.label();
        let program = std::env::current_exe().expect("a program that runs");
        let run = Command::new(program).env(KIND, &label).output().expect("this program runs");
        assert!(run.status.success(), "{label}: {}", String::from_utf8_lossy(&run.stderr));
        let bytes = String::from_utf8_lossy(&run.stdout);
        println!("| {label} | {} | {} |", sample.object.to_string().len(), bytes.trim());
    }
}
