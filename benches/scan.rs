//! `scan` of 10,000 objects in YAML, a file for each namespace, against merely parsing the same
//! files into an untyped tree with the same library.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that fails must say where"
)]

mod support;

use std::{
    fs,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use comptroller::cli::scan::{ScanArgs, evaluate};
use criterion::{Criterion, criterion_group};
use serde::Deserialize;
use support::{company, now, process};

const OBJECTS: usize = 10_000;
const ROUNDS: usize = 5;

fn parse(folder: &Path) -> usize {
    let mut documents = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read(entry.unwrap().path()).unwrap();
        for document in yaml_serde::Deserializer::from_slice(&text) {
            drop(black_box(serde_json::Value::deserialize(document).unwrap()));
            documents += 1;
        }
    }
    documents
}

fn scan(folder: &Path) -> usize {
    let args =
        ScanArgs { paths: vec![folder.to_owned()], max_document_size: 64, ..ScanArgs::default() };
    let evaluation = evaluate(&args, now()).unwrap();
    assert!(evaluation.errors.is_empty(), "{:?}", evaluation.errors.first());
    evaluation.summary.objects
}

fn benches(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let objects = company::write(&company::company(OBJECTS), folder.path());
    for (name, work) in [("parse alone", parse as fn(&Path) -> usize), ("scan", scan)] {
        criterion.bench_function(&format!("10,000 objects in YAML/{name}"), |bencher| {
            bencher.iter(|| assert_eq!(work(folder.path()), objects));
        });
    }
    compare(folder.path());
}

/// In turns, so that whatever slows the machine down slows both.
fn compare(folder: &Path) {
    let mut spent = [Duration::ZERO; 2];
    for _ in 0..ROUNDS {
        spent[0] += process::cpu_of(|| parse(folder)).0;
        spent[1] += process::cpu_of(|| scan(folder)).0;
    }
    let [parsed, scanned] = spent.map(|total| total / u32::try_from(ROUNDS).unwrap());
    println!(
        "scan takes {:.2} times the CPU time of parsing: {scanned:.0?} against {parsed:.0?}, mean of {ROUNDS} runs in turn",
        scanned.as_secs_f64() / parsed.as_secs_f64(),
    );
}

/// Memory is that of a process that does nothing else, so this program runs itself.
fn memory() {
    println!("| objects | files | peak memory of scan |\n|---|---|---|");
    for objects in [1_000, OBJECTS, 50_000] {
        let folder = tempfile::tempdir().unwrap();
        let folders = company::company(objects);
        let count = company::write(&folders, folder.path());
        let program = std::env::current_exe().unwrap();
        let run = std::process::Command::new(program).env(ALONE, folder.path()).output().unwrap();
        let peak = String::from_utf8(run.stdout).unwrap();
        println!("| {count} | {} | {} MiB |", folders.len(), peak.trim());
    }
}

/// Names the folder that this process is to scan, and nothing else.
const ALONE: &str = "COMPTROLLER_BENCH_SCAN";

criterion_group! {
    name = group;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(5));
    targets = benches
}

fn main() {
    if let Some(folder) = std::env::var_os(ALONE) {
        scan(Path::new(&folder));
        println!("{}", process::peak() >> 20);
        return;
    }
    let start = Instant::now();
    group();
    memory();
    Criterion::default().configure_from_args().final_summary();
    eprintln!("took {:.0?}", start.elapsed());
}
