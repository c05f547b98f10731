//! What a log of a million entries costs: to verify, to start from, and to report on.
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
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
    time::{Duration, Instant},
};

use comptroller_core::api::{ResourceRef, Severity, State, criteria::Category};
use comptroller_evidence::{
    data::{
        ChangeKind, EntryFinding, Heartbeat, ObjectChange, OperatorData, OperatorEvent,
        PopulationList, VerdictData,
    },
    entry::{Data, Entry, EntrySubject},
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
use comptroller_vocabulary::canonical;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

const ORIGIN: &str = "comptroller.dev/evidence/7d9e3a60-3a5e-4c0f-9c1e-8f4f1f6f2a11";
const CONTROLS: u64 = 25;
const ENTRIES: u64 = 1_000_000;
const BATCH: usize = 5_000;
/// A heartbeat every 13 minutes makes a million entries of 25 controls a year.
const HEARTBEAT: SignedDuration = SignedDuration::from_mins(13);
const ROUNDS_A_DAY: u64 = 110;

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
        .map_or(ENTRIES, |text| text.parse().expect("EVIDENCE_BENCH_ENTRIES is a number"));
    let kept = std::env::var_os("EVIDENCE_BENCH_DIR").map(PathBuf::from);
    let folder = tempfile::tempdir().unwrap();
    let log = kept.unwrap_or_else(|| folder.path().to_owned()).join("log");
    if !log.join("checkpoint").exists() {
        let begun = Instant::now();
        runtime().block_on(generate(&log, entries));
        println!("{entries} entries written in {:.1} s", begun.elapsed().as_secs_f64());
    }
    println!(
        "{:<24} {:>9} {:>9} {:>11} {:>11}",
        "step", "seconds", "at most", "peak MiB", "at most"
    );
    let mut good = true;
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
    let mut stored = BTreeSet::new();
    for index in 0..entries {
        let entry = entry(index);
        if index < snapshot_at {
            state.apply(index, &entry);
        }
        batch.push(entry.to_text().unwrap().into_bytes());
        if lists_population(index) && stored.insert((index % CONTROLS, week(index))) {
            writer.put_stored(population(index).as_bytes()).await.unwrap();
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

fn begin() -> Timestamp {
    "2025-11-20T00:00:00Z".parse().unwrap()
}

/// When the entry with this number was written: a round of all controls at each heartbeat.
fn time(index: u64) -> Timestamp {
    let rounds = i64::try_from(index / CONTROLS).unwrap();
    begin() + SignedDuration::from_secs(HEARTBEAT.as_secs() * rounds)
}

/// The declarations first; then heartbeats, with a change of a control's findings in one entry of a
/// hundred and a restart of the operator every ten thousand.
fn entry(index: u64) -> Entry {
    let number = index % CONTROLS;
    let name = format!("control-{number:02}");
    let round = index / CONTROLS;
    let (subject, data) = if index < CONTROLS {
        (EntrySubject::control(&name), declared(&name))
    } else if index.is_multiple_of(10_007) {
        let stopped = (index / 10_007).is_multiple_of(2);
        let event = if stopped { OperatorEvent::Stopped } else { OperatorEvent::Started };
        let data = OperatorData::new(event, "0.1.0".to_owned());
        (EntrySubject::new("Operator", "comptroller-0"), Data::Operator(Box::new(data)))
    } else if round == 1 || index.is_multiple_of(101) {
        (EntrySubject::control(&name), verdict(index))
    } else {
        (EntrySubject::control(&name), heartbeat(index))
    };
    Entry {
        clock: comptroller_evidence::entry::ClockReading::default(),
        at: time(index),
        epoch: 1 + index / 20_014,
        subject,
        data,
    }
}

fn declared(name: &str) -> Data {
    let spec = json!({
        "title": format!("{name} holds"), "criteria": ["CC6.1", "CC6.3"], "owner": "platform",
        "severity": "High", "heartbeat": "13m",
        "test": {"rbac": {"forbid": ["ClusterAdmin", "Escalate"], "allow": [{"kind": "Group", "name": "ops"}]}},
    });
    Data::ControlChanged(Box::new(ObjectChange {
        change: ChangeKind::Created,
        uid: None,
        generation: Some(1),
        phase: None,
        spec_digest: canonical::digest(&spec).ok(),
        previous_digest: None,
        spec: Some(spec),
        created_at: None,
        author_bound: None,
        fields: Vec::new(),
    }))
}

fn heartbeat(index: u64) -> Data {
    let list = || {
        let text = population(index);
        let count = text.lines().count() as u64;
        PopulationList { digest: canonical::sha256(text.as_bytes()), count }
    };
    Data::Heartbeat(Box::new(Heartbeat {
        entered: Vec::new(),
        left: Vec::new(),
        population_digest: None,
        generation: 1,
        state: if index % CONTROLS == 3 { State::Failing } else { State::Passing },
        population: 400 + index % 7,
        failing: 0,
        excepted: 0,
        unknown: 0,
        findings: canonical::sha256(&(index % CONTROLS).to_be_bytes()),
        population_list: lists_population(index).then(list),
    }))
}

/// Once a day, as the operator does.
fn lists_population(index: u64) -> bool {
    (index / CONTROLS).is_multiple_of(ROUNDS_A_DAY)
}

/// A population changes once a week.
fn week(index: u64) -> u64 {
    index / CONTROLS / (7 * ROUNDS_A_DAY)
}

fn population(index: u64) -> String {
    let (number, week) = (index % CONTROLS, week(index));
    (0..400 + week).fold(String::new(), |mut text, item| {
        let _ = writeln!(text, "v1\tPod\tteam-{number:02}\tweb-{item:04}");
        text
    })
}

fn verdict(index: u64) -> Data {
    // What one verdict finds, the next of the same control finds mended.
    let turn = index / (CONTROLS * 101);
    let found = vec![finding(turn / 2, time(index)), finding(turn / 2 + 1, time(index))];
    let (added, removed) =
        if turn.is_multiple_of(2) { (found, Vec::new()) } else { (Vec::new(), found) };
    Data::Verdict(Box::new(VerdictData {
        entered: Vec::new(),
        left: Vec::new(),
        population_digest: None,
        generation: 1,
        state: if added.is_empty() { State::Passing } else { State::Failing },
        reason: if added.is_empty() { "NoFindings" } else { "FindingsOpen" }.to_owned(),
        message: format!("{} of 400 fail", added.len()),
        since: time(index),
        population: 400,
        failing: added.len() as u64,
        excepted: 0,
        unknown: 0,
        findings: fold::findings_digest(&added),
        population_list: None,
        added,
        removed,
    }))
}

fn finding(number: u64, since: Timestamp) -> EntryFinding {
    EntryFinding {
        ending: None,
        ending_detail: String::new(),
        rule: "ClusterAdmin".to_owned(),
        resource: ResourceRef {
            api_version: "rbac.authorization.k8s.io/v1".to_owned(),
            kind: "ClusterRoleBinding".to_owned(),
            namespace: None,
            name: format!("legacy-{number}"),
        },
        subject: Some("Group ops".to_owned()),
        message: "holds cluster-admin, and nobody may without a reason".to_owned(),
        severity: Severity::High,
        since,
        exception: None,
    }
}
