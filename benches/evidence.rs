//! What the log of a year costs: to keep, to verify, to start from, and to report on.
//!
//! `make bench-evidence`. Each step is a process of its own, so that its peak memory is its own.
//! `EVIDENCE_BENCH_ENTRIES` is how many entries, `EVIDENCE_BENCH_DIR` keeps the log and uses it
//! again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that fails must say where"
)]

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
    time::{Duration, Instant},
};

#[path = "evidence/year.rs"]
mod year;

use comptroller_core::api::criteria::Category;
use comptroller_evidence::{
    fold,
    key::SigningKey,
    log::{LogReader, LogWriter},
    replay::replay,
    snapshot,
    store::{self, Store},
};
use comptroller_report::period::{
    fold::PeriodFold,
    model::{PolicySource, Provenance, ReportPeriod, Span},
};
use jiff::{SignedDuration, Timestamp};
use year::{CONTROLS, Written, YEAR, begin, time, written};

const ORIGIN: &str = "comptroller.dev/evidence/7d9e3a60-3a5e-4c0f-9c1e-8f4f1f6f2a11";
const BATCH: usize = 5_000;
/// The most that a year may take, in MiB.
const SIZE: u64 = 1024;

/// A step: its name, the longest it may take, and what it runs.
struct Step {
    name: &'static str,
    limit: Duration,
    run: fn(&Path) -> Command,
}

const STEPS: [Step; 4] = [
    Step { name: "verify", limit: Duration::from_secs(10), run: verify },
    Step {
        name: "start with a snapshot",
        limit: Duration::from_secs(2),
        run: |log| own(log, "start"),
    },
    Step { name: "start without one", limit: Duration::from_secs(20), run: |log| own(log, "fold") },
    Step { name: "Type II report", limit: Duration::from_secs(5), run: |log| own(log, "report") },
];

/// The most memory that a step may take, in KiB.
const MEMORY: u64 = 100 * 1024;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, step, log] = arguments.as_slice()
        && flag == "--step"
    {
        runtime().block_on(perform(step, log));
        return ExitCode::SUCCESS;
    }
    let entries = std::env::var("EVIDENCE_BENCH_ENTRIES")
        .map_or(YEAR, |text| text.parse().expect("EVIDENCE_BENCH_ENTRIES is a number"));
    let kept = std::env::var_os("EVIDENCE_BENCH_DIR").map(PathBuf::from);
    let folder = tempfile::tempdir().unwrap();
    let log = kept.unwrap_or_else(|| folder.path().to_owned()).join("log");
    if !log.join("checkpoint").exists() {
        let begun = Instant::now();
        runtime().block_on(generate(&log, entries));
        println!("{entries} entries written in {:.1} s", begun.elapsed().as_secs_f64());
    }
    let size = size(&log);
    println!("the log takes {size} MiB, and at most {SIZE} in a year");
    println!(
        "{:<24} {:>9} {:>9} {:>11} {:>11}",
        "step", "seconds", "at most", "peak MiB", "at most"
    );
    let mut good = entries > YEAR || size <= SIZE;
    for step in STEPS {
        good &= measure(&step, &log);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

/// The command line's own verification: what an auditor runs.
fn verify(log: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comptroller"));
    command.args(["evidence", "verify"]).arg(log);
    command
}

fn own(log: &Path, step: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--step", step]).arg(log);
    command
}

fn measure(step: &Step, log: &Path) -> bool {
    let begun = Instant::now();
    let mut child = (step.run)(log).stdout(std::process::Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let exit = loop {
        // The kernel's own high-water mark, so that looking now and then is enough.
        peak = peak.max(high_water(&status));
        if let Some(exit) = child.try_wait().unwrap() {
            break exit;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let taken = begun.elapsed();
    let good = exit.success() && taken <= step.limit && peak <= MEMORY;
    println!(
        "{:<24} {:>9.2} {:>9} {:>11} {:>11} {}",
        step.name,
        taken.as_secs_f64(),
        step.limit.as_secs(),
        peak.div_ceil(1024),
        MEMORY / 1024,
        if good { "" } else { "MISSED" },
    );
    good
}

fn high_water(status: &str) -> u64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

async fn perform(step: &str, log: &str) {
    let store = store::open(log).unwrap();
    let reader = LogReader::open(store, None).await.unwrap();
    match step {
        "start" => {
            assert!(snapshot::load(&reader).await.is_some(), "the snapshot counts");
            let state = snapshot::load_state(&reader).await.unwrap();
            assert_eq!(state.size(), reader.size());
        }
        "fold" => {
            let mut state = fold::LogState::default();
            replay(&reader, 0..reader.size(), |index, entry| state.apply(index, entry))
                .await
                .unwrap();
            assert_eq!(state.controls().count() as u64, CONTROLS);
        }
        "report" => report(&reader).await,
        other => panic!("{other} is no step"),
    }
}

async fn report(reader: &LogReader) {
    let span =
        Span::TypeII { from: begin() + SignedDuration::from_hours(24), to: time(reader.size()) };
    let mut fold = PeriodFold::new(span, Category::ALL);
    replay(reader, 0..reader.size(), |index, entry| fold.apply(index, entry)).await.unwrap();
    let period = ReportPeriod { name: "year".to_owned(), span, categories: Category::ALL.to_vec() };
    let report = fold.finish(period, provenance(reader));
    assert_eq!(report.controls.len() as u64, CONTROLS);
    assert!(report.summary.deviations > 0);
    serde_json::to_writer(std::io::stdout().lock(), &report).unwrap();
}

fn provenance(reader: &LogReader) -> Provenance {
    Provenance {
        cluster: String::new(),
        origin: reader.origin().to_owned(),
        source: String::new(),
        checkpoint: reader.checkpoint().to_owned(),
        verifier_key: reader.verifier_key().to_owned(),
        log_size: reader.size(),
        first_entry: 0,
        verification: String::new(),
        run_at: Timestamp::MAX,
        run_by: String::new(),
        version: String::new(),
        command: String::new(),
        verify_command: String::new(),
        completeness: String::new(),
        operators: Vec::new(),
        cosignatures: Vec::new(),
        policy: PolicySource::None,
        contradictions: Vec::new(),
        lists: Vec::new(),
    }
}

async fn generate(log: &Path, entries: u64) {
    std::fs::create_dir_all(log).unwrap();
    let store: Arc<dyn Store> = store::open(log.to_str().unwrap()).unwrap();
    let key = SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap();
    let mut writer = LogWriter::open(Arc::clone(&store), key.clone(), ORIGIN).await.unwrap();
    let mut state = fold::LogState::default();
    let snapshot_at = entries.saturating_sub(snapshot::EVERY);
    let mut batch = Vec::with_capacity(BATCH);
    for index in 0..entries {
        let Written { entry, stored } = written(index);
        if index < snapshot_at {
            state.apply(index, &entry);
        }
        batch.push(entry.to_text().unwrap().into_bytes());
        for list in stored {
            writer.put_stored(&list).await.unwrap();
        }
        let due = index + 1 == snapshot_at || index + 1 == entries || batch.len() == BATCH;
        if due {
            writer.append(&batch).await.unwrap();
            batch.clear();
        }
        if index + 1 == snapshot_at {
            snapshot::save(store.as_ref(), &key, writer.checkpoint(), &state).await.unwrap();
        }
    }
}

/// What the files of a log take, in MiB of whole blocks.
fn size(folder: &Path) -> u64 {
    fn blocks(folder: &Path) -> u64 {
        let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
        entries
            .map(|entry| {
                let data = entry.metadata().unwrap();
                if data.is_dir() { blocks(&entry.path()) } else { data.blocks() }
            })
            .sum()
    }
    (blocks(folder) * 512).div_ceil(1024 * 1024)
}
