//! How long an append takes with all that makes it durable and signed, in a directory under
//! `COMPTROLLER_BENCH_DIR`, or the build's own folder. Goal: p99 below 20 ms.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark that fails must say where, and has nothing to document"
)]

use std::{sync::Arc, time::Instant};

use comptroller_evidence::{
    key::SigningKey,
    log::LogWriter,
    store::{DirectoryStore, Store},
};
use criterion::{Criterion, criterion_group, criterion_main};

const ORIGIN: &str = "comptroller.dev/evidence/bench";

/// How many appends the percentiles are of.
const APPENDS: usize = 2000;

fn leaf(number: usize) -> Vec<u8> {
    format!(r#"{{"number":{number},"text":"{}"}}"#, "x".repeat(600)).into_bytes()
}

fn append(criterion: &mut Criterion) {
    let parent = std::env::var_os("COMPTROLLER_BENCH_DIR")
        .unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    let folder = tempfile::tempdir_in(parent).unwrap();
    let store: Arc<dyn Store> = Arc::new(DirectoryStore::new(folder.path().join("log")));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let key = SigningKey::generate(ORIGIN).unwrap();
    let mut log = runtime.block_on(LogWriter::open(store, key, ORIGIN)).unwrap();
    let mut times = Vec::with_capacity(APPENDS);
    for number in 0..APPENDS {
        let started = Instant::now();
        runtime.block_on(log.append(&[leaf(number)])).unwrap();
        times.push(started.elapsed());
    }
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 1000).copied().unwrap_or_default();
    println!(
        "append of one entry: p50 {:?}, p99 {:?}, p99.9 {:?}, slowest {:?} of {APPENDS}",
        at(500),
        at(990),
        at(999),
        times.last().unwrap()
    );
    criterion.bench_function("evidence/append/1", |bencher| {
        bencher.iter(|| runtime.block_on(log.append(&[leaf(0)])).unwrap());
    });
}

criterion_group!(benches, append);
criterion_main!(benches);
