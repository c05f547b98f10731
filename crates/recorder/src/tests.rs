//! The task with those who ask it, on a log in a directory.

mod time;

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::FutureExt as _;
use serde_json::json;

use super::*;
use comptroller_core::engine::{Reason, Verdict};
use comptroller_evidence::{
    data::OperatorEvent,
    entry::{Data, Entry, EntrySubject},
    log::LogReader,
    replay::replay,
};

/// Counts what the recorder says of itself.
#[derive(Debug, Default)]
struct Counts {
    failures: AtomicU32,
    put_back: AtomicBool,
    appends: AtomicU32,
    finished: AtomicU64,
}

impl Counts {
    fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    fn appends(&self) -> u32 {
        self.appends.load(Ordering::Relaxed)
    }

    fn is_put_back(&self) -> bool {
        self.put_back.load(Ordering::Relaxed)
    }
}

impl Observer for Counts {
    fn begun(&self) {}

    fn appended(&self, _: u64, _: Timestamp) {
        self.appends.fetch_add(1, Ordering::Relaxed);
    }

    fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn put_back(&self, is: bool) {
        self.put_back.store(is, Ordering::Relaxed);
    }

    fn recovered(&self, finished: u64, _: usize) {
        self.finished.fetch_add(finished, Ordering::Relaxed);
    }

    fn register_recorded(&self, _: &str, _: u64, _: usize) {}

    fn ended(&self) {}
}

/// An operator's recorder on a log in a directory, and what others know of the log.
struct Bench {
    folder: tempfile::TempDir,
    known: Arc<Mutex<Result<ClusterKnowledge, String>>>,
    clock: Clock,
}

/// Who runs the operators of these tests.
fn identity() -> OperatorIdentity {
    OperatorIdentity {
        image: Some("registry/comptroller@sha256:00".to_owned()),
        node: Some("node-1".to_owned()),
        user: Some("jane@corp".to_owned()),
        flags: vec!["run".to_owned()],
    }
}

impl Bench {
    fn new() -> Self {
        let known = Arc::new(Mutex::new(Ok(ClusterKnowledge::default())));
        Self { folder: tempfile::tempdir().unwrap(), known, clock: Clock::default() }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn know(&self, knowledge: Result<ClusterKnowledge, String>) {
        *self.known.lock().unwrap() = knowledge;
    }

    fn start(&self, instance: &str, leadership: impl Into<Leadership>) -> (Evidence, Arc<Counts>) {
        let known = Arc::clone(&self.known);
        let config = EvidenceConfig {
            location: self.log().to_str().unwrap().to_owned(),
            key: None,
            instance: instance.to_owned(),
            clock: self.clock.clone(),
            identity: Box::new(|| async { identity() }.boxed()),
            cluster: Box::new(|| async { Ok("7d9e3a60".to_owned()) }.boxed()),
            knowledge: Box::new(move || {
                let known = known.lock().unwrap().clone();
                async move { known }.boxed()
            }),
        };
        let counts = Arc::<Counts>::default();
        let (evidence, recorder) = Recorder::new(config, leadership, counts.clone());
        tokio::spawn(recorder.run());
        (evidence, counts)
    }

    /// Runs an operator that records some controls and stops; what vouches for its log then.
    async fn run(&self, controls: &[&str]) -> SignedCheckpoint {
        let (_leads, leading) = watch::channel(true);
        let (evidence, _) = self.start("comptroller-0", leading);
        until_open(&evidence).await;
        for name in controls {
            record(&evidence, name).await;
        }
        evidence.stop().await;
        evidence.checkpoint().unwrap().borrow().clone().unwrap()
    }

    /// A copy of the log as it is, or as it was put back.
    fn copy(&self, from: &str, to: &str) {
        let (from, to) = (self.folder.path().join(from), self.folder.path().join(to));
        let _ = std::fs::remove_dir_all(&to);
        let status = std::process::Command::new("cp").arg("-a").args([from, to]).status();
        assert!(status.unwrap().success());
    }

    fn files(&self) -> Vec<String> {
        let output = std::process::Command::new("sh")
            .args([
                "-c",
                // What contradicts the log is kept beside it, and is no part of it.
                "find . -type f ! -name .lock ! -path '*/contradicted/*' -exec sha256sum {} + | sort",
            ])
            .current_dir(self.folder.path())
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey { name: name.to_owned(), uid: None }
}

fn control(name: &str) -> Batch {
    let record = ObjectRecord { kind: "Control", key: key(name), generation: 1, phase: None };
    let object = ObjectObservation {
        record,
        spec: Some(json!({})),
        recreated: false,
        created_at: None,
        written: None,
    };
    Batch { objects: vec![object], ..Batch::default() }
}

fn verdict_of(name: &str, verdict: &Arc<Verdict>) -> Batch {
    let observed = VerdictObservation {
        control: key(name),
        verdict: Arc::clone(verdict),
        findings: Vec::new(),
        lapsed: Vec::new(),
        gone: Vec::new(),
        population: PopulationObservation::default(),
    };
    Batch { verdicts: vec![observed], ..Batch::default() }
}

async fn try_record(evidence: &Evidence, batch: Batch) -> Result<Receipt, EvidenceError> {
    evidence.submit(batch).await.unwrap()
}

async fn record(evidence: &Evidence, name: &str) {
    let receipt = try_record(evidence, control(name)).await.unwrap();
    assert!(receipt.objects[0].entry().is_some());
}

/// Elected by a Lease that is renewed for as long as the test lasts.
fn elected(leading: watch::Receiver<bool>) -> Leadership {
    let until = Some(Instant::now() + Duration::from_hours(1));
    Leadership::elected(leading, watch::channel(until).1, watch::channel(3).1)
}

async fn until_failing(evidence: &Evidence) -> String {
    match until(evidence, |writing| matches!(writing, Writing::Failing { .. })).await {
        Writing::Failing { why, .. } => why.to_string(),
        other => panic!("{other:?}"),
    }
}

/// A status that was written so many seconds from now.
fn cited(log_size: u64, seconds: i64) -> Citation {
    let at = Timestamp::now() + SignedDuration::from_secs(seconds);
    Citation { log_size, at: Some(at), by: "Control c".to_owned() }
}

/// The reasons of all gaps, and how often an operator started.
async fn told(log: &Path) -> (Vec<String>, usize) {
    let store = comptroller_evidence::store::open(log.to_str().unwrap()).unwrap();
    let reader = LogReader::open(store, None).await.unwrap();
    let (mut gaps, mut started) = (Vec::new(), 0);
    let take = |_, entry: &Entry| match &entry.data {
        Data::Gap(gap) => gaps.push(gap.reason.clone()),
        Data::Operator(data) if data.event == OperatorEvent::Started => started += 1,
        _ => {}
    };
    replay(&reader, 0..reader.size(), take).await.unwrap();
    (gaps, started)
}

/// What is said of the log once it is so.
async fn until(evidence: &Evidence, is: impl Fn(&Writing) -> bool) -> Writing {
    let mut writing = evidence.subscribe();
    let limit = Duration::from_secs(30);
    let reached = tokio::time::timeout(limit, writing.wait_for(|writing| is(writing))).await;
    let reached = reached.map(|writing| writing.unwrap().clone());
    reached.unwrap_or_else(|_| panic!("it stays {:?}", evidence.writing()))
}

async fn until_open(evidence: &Evidence) {
    until(evidence, |writing| matches!(writing, Writing::Open(_))).await;
}

#[tokio::test]
async fn a_batch_is_one_append_and_what_comes_back_is_in_the_log() {
    let (_leads, leading) = watch::channel(true);
    let bench = Bench::new();
    let (evidence, counts) = bench.start("comptroller-0", leading);
    until_open(&evidence).await;
    let verdict =
        |reason| Arc::new(Verdict::blocked(1, reason, "why".to_owned(), Timestamp::UNIX_EPOCH));
    let invalid = verdict(Reason::InvalidSpec);
    let before = counts.appends();
    let mut batch = control("a");
    batch.objects.extend(control("b").objects);
    batch.verdicts.extend(verdict_of("a", &invalid).verdicts);
    batch.verdicts.extend(verdict_of("b", &invalid).verdicts);
    // No verdict is recorded of a control that the log does not know.
    batch.verdicts.extend(verdict_of("unknown", &invalid).verdicts);
    let receipt = try_record(&evidence, batch).await.unwrap();
    assert_eq!(counts.appends(), before + 1);
    let names: Vec<&str> = receipt.verdicts.iter().map(|(key, _)| key.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let (_, recorded) = &receipt.verdicts[0];
    let entry =
        evidence.read(|state| state.control("a").unwrap().verdict.as_ref().unwrap().last_entry);
    assert_eq!(recorded.entry(), entry.map(reference));
    // Said again, it needs no append, and says where it is.
    let again = try_record(&evidence, verdict_of("a", &invalid)).await.unwrap();
    assert_eq!(again.verdicts[0].1.entry(), recorded.entry());
    assert_eq!(counts.appends(), before + 1);
    // More that was judged is no news of the log; another reason is.
    let grown = Arc::new(Verdict { population: 7, ..Verdict::clone(&invalid) });
    let restated = evidence.restate(&key("a"), recorded, &grown).unwrap();
    assert_eq!((restated.value().population, restated.entry()), (7, recorded.entry()));
    assert!(evidence.restate(&key("a"), recorded, &verdict(Reason::Suspended)).is_none());
}

#[tokio::test]
async fn no_verdict_follows_the_deletion_of_its_control() {
    let (_leads, leading) = watch::channel(true);
    let bench = Bench::new();
    let (evidence, _) = bench.start("comptroller-0", leading);
    until_open(&evidence).await;
    record(&evidence, "c").await;
    let now = Timestamp::UNIX_EPOCH;
    let verdict = Arc::new(Verdict::blocked(1, Reason::NoFindings, "why".to_owned(), now));
    let deleted = vec![EntrySubject::control("c")];
    let batch = Batch { deleted, ..verdict_of("c", &verdict) };
    let receipt = try_record(&evidence, batch).await.unwrap();
    assert!(receipt.verdicts.is_empty());
    assert!(evidence.read(|state| state.control("c").is_none()).unwrap());
    // Nor is it said to hold still.
    let heartbeat = HeartbeatObservation {
        control: key("c"),
        verdict,
        population: PopulationObservation::default(),
    };
    let batch = Batch { heartbeats: vec![heartbeat], ..Batch::default() };
    assert!(try_record(&evidence, batch).await.unwrap().verdicts.is_empty());
}

#[tokio::test]
async fn another_uid_begins_again_in_one_batch() {
    let (_leads, leading) = watch::channel(true);
    let bench = Bench::new();
    let (evidence, _) = bench.start("comptroller-0", leading);
    until_open(&evidence).await;
    let now = Timestamp::UNIX_EPOCH;
    let verdict = Arc::new(Verdict::blocked(1, Reason::NoFindings, "why".to_owned(), now));
    let with_uid = |uid: &str| {
        let mut batch = control("c");
        batch.objects[0].record.key.uid = Some(uid.to_owned());
        batch.verdicts = verdict_of("c", &verdict).verdicts;
        batch.verdicts[0].control.uid = Some(uid.to_owned());
        batch
    };
    let first = try_record(&evidence, with_uid("1")).await.unwrap();
    let size = evidence.read(LogState::size).unwrap();
    let second = try_record(&evidence, with_uid("2")).await.unwrap();
    // It is deleted and created, and its verdict is recorded though it is the same.
    assert_eq!(evidence.read(LogState::size).unwrap(), size + 3);
    let index = |receipt: &Receipt| receipt.verdicts[0].1.entry().unwrap().index;
    assert!(index(&second) > index(&first));
}

#[tokio::test]
async fn an_older_copy_is_not_written_to_and_the_newest_is() {
    let bench = Bench::new();
    bench.run(&["a"]).await;
    bench.copy("log", "older");
    let published = bench.run(&["b"]).await;
    bench.copy("log", "newest");
    let size = published.text.lines().nth(1).unwrap().parse().unwrap();
    let mut statuses = ClusterKnowledge::default();
    statuses.cite(cited(size, 10));
    for knowledge in [ClusterKnowledge::of(Published::Checkpoint(published.clone())), statuses] {
        bench.know(Ok(knowledge));
        bench.copy("older", "log");
        let before = bench.files();
        let (leads, leading) = watch::channel(true);
        let (evidence, counts) = bench.start("comptroller-0", leading);
        let why = until_failing(&evidence).await;
        assert!(why.contains("older copy"), "{why}");
        assert_eq!(bench.files(), before, "nothing is written, nothing is signed");
        assert!(counts.is_put_back());
        assert_eq!(counts.failures(), 1);
        drop(leads);
        // What is to be restored is.
        bench.copy("newest", "log");
        let (_leads, leading) = watch::channel(true);
        let (evidence, counts) = bench.start("comptroller-0", leading);
        until_open(&evidence).await;
        assert!(!counts.is_put_back());
        evidence.stop().await;
    }
}

#[tokio::test]
async fn a_log_that_is_gone_with_its_key_is_begun_anew_only_with_consent() {
    let bench = Bench::new();
    let published = bench.run(&["a"]).await;
    let mut statuses = ClusterKnowledge::default();
    statuses.cite(cited(3, -10));
    std::fs::remove_dir_all(bench.log()).unwrap();
    std::fs::remove_file(comptroller_evidence::key::default_path(&bench.folder.path().join("log")))
        .unwrap();
    for knowledge in [ClusterKnowledge::of(Published::Checkpoint(published)), statuses.clone()] {
        bench.know(Ok(knowledge));
        let (_leads, leading) = watch::channel(true);
        let (evidence, _) = bench.start("comptroller-0", leading);
        let why = until_failing(&evidence).await;
        assert!(why.contains("there is no evidence log"), "{why}");
        assert_eq!(bench.files(), Vec::<String>::new(), "no key is made either");
    }
    let mut consent = ClusterKnowledge::of(Published::Withdrawn);
    consent.cite(cited(3, -10));
    bench.know(Ok(consent));
    // Twice: the second time the log is there, and the statuses still cite the old one.
    bench.run(&[]).await;
    bench.run(&["a"]).await;
}

#[tokio::test]
async fn nothing_is_appended_before_others_could_be_asked() {
    let bench = Bench::new();
    bench.know(Err("connection refused".to_owned()));
    let (_leads, leading) = watch::channel(true);
    let (evidence, _) = bench.start("comptroller-0", leading);
    let why = until_failing(&evidence).await;
    assert!(why.contains("connection refused"), "{why}");
    assert_eq!(bench.files(), Vec::<String>::new());
    bench.know(Ok(ClusterKnowledge::default()));
    until_open(&evidence).await;
}

#[tokio::test]
async fn a_log_that_is_replaced_under_its_writer_is_not_written_to() {
    let bench = Bench::new();
    bench.run(&["a"]).await;
    bench.copy("log", "older");
    let (_leads, leading) = watch::channel(true);
    let (evidence, counts) = bench.start("comptroller-0", leading);
    until_open(&evidence).await;
    record(&evidence, "b").await;
    std::fs::rename(bench.log(), bench.folder.path().join("taken")).unwrap();
    bench.copy("older", "log");
    let before = bench.files();
    let refused = try_record(&evidence, control("c")).await;
    assert!(matches!(refused, Err(EvidenceError::Unavailable(_))), "{refused:?}");
    let left = |files: Vec<String>| -> Vec<String> {
        files.into_iter().filter(|file| !file.contains("/.tmp/")).collect()
    };
    assert_eq!(left(bench.files()), left(before));
    assert_eq!(counts.failures(), 1);
}

#[tokio::test]
async fn who_lost_the_leadership_and_regained_it_says_so() {
    let bench = Bench::new();
    let (leads, leading) = watch::channel(true);
    let (evidence, _) = bench.start("comptroller-0", elected(leading));
    until_open(&evidence).await;
    record(&evidence, "a").await;
    leads.send_replace(false);
    until(&evidence, |writing| *writing == Writing::Standby).await;
    leads.send_replace(true);
    until(&evidence, |writing| *writing == Writing::Open(2)).await;
    // So short that nobody saw it but by its traces.
    leads.send_replace(false);
    leads.send_replace(true);
    until(&evidence, |writing| *writing == Writing::Open(3)).await;
    let (gaps, started) = told(&bench.log()).await;
    assert_eq!(started, 1);
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    assert!(gaps.iter().all(|why| why.contains("regained")), "{gaps:?}");

    // Another replica takes over from one that is gone.
    leads.send_replace(false);
    until(&evidence, |writing| *writing == Writing::Standby).await;
    let (_others, leading) = watch::channel(true);
    let (other, _) = bench.start("comptroller-1", elected(leading));
    until_open(&other).await;
    let (gaps, started) = told(&bench.log()).await;
    assert_eq!(started, 2);
    assert!(gaps[2].contains("comptroller-1 took over"), "{gaps:?}");
}

#[tokio::test]
async fn who_is_past_the_deadline_writes_nothing_and_claims_nothing() {
    let bench = Bench::new();
    let (_leads, leading) = watch::channel(true);
    let (deadline, limit) = watch::channel(Some(Instant::now() + Duration::from_hours(1)));
    let leadership = Leadership::elected(leading, limit, watch::channel(3).1);
    let (evidence, _) = bench.start("comptroller-0", leadership);
    until_open(&evidence).await;
    record(&evidence, "a").await;
    let before = bench.files();
    // It was stopped for longer than that, and nobody told it yet.
    deadline.send_replace(Some(Instant::now()));
    assert_eq!(evidence.writing(), Writing::Standby);
    let late = try_record(&evidence, control("b")).await;
    assert!(late.is_err(), "{late:?}");
    assert_eq!(bench.files(), before);
    until(&evidence, |writing| *writing == Writing::Standby).await;
    // It renewed in time after all.
    deadline.send_replace(Some(Instant::now() + Duration::from_hours(1)));
    until(&evidence, |writing| *writing == Writing::Open(2)).await;
}

#[tokio::test]
async fn of_two_operators_without_an_election_the_second_keeps_still() {
    let bench = Bench::new();
    let (first_leads, leading) = watch::channel(true);
    let (first, _) = bench.start("comptroller-0", leading);
    until_open(&first).await;
    let (_leads, leading) = watch::channel(true);
    let (second, counts) = bench.start("comptroller-1", leading);
    let mut displaced = second.displaced().unwrap();
    let limit = Duration::from_secs(30);
    tokio::time::timeout(limit, displaced.wait_for(|is| *is)).await.unwrap().unwrap();
    assert_eq!(second.writing(), Writing::Standby);
    assert!(counts.failures() > 0);
    record(&first, "a").await;
    first.stop().await;
    drop(first_leads);
    until_open(&second).await;
    assert!(!*second.displaced().unwrap().borrow());
    record(&second, "b").await;
}

#[tokio::test]
async fn who_is_elected_says_whose_lock_keeps_it_from_writing() {
    let bench = Bench::new();
    let (first_leads, leading) = watch::channel(true);
    let (first, _) = bench.start("comptroller-0", elected(leading));
    until_open(&first).await;
    let (_leads, leading) = watch::channel(true);
    let (second, _) = bench.start("comptroller-1", elected(leading));
    let why = until_failing(&second).await;
    assert!(why.contains("comptroller-0 holds the lock"), "{why}");
    assert!(!*second.displaced().unwrap().borrow());
    first_leads.send_replace(false);
    until_open(&second).await;
}

#[tokio::test]
async fn one_outage_is_one_gap_however_often_it_was_tried() {
    let bench = Bench::new();
    let (_leads, leading) = watch::channel(true);
    let (evidence, counts) = bench.start("comptroller-0", leading);
    until_open(&evidence).await;
    record(&evidence, "a").await;
    // The append is begun, and its tiles can't be written.
    let (tiles, aside) = (bench.log().join("tile"), bench.folder.path().join("tile"));
    std::fs::rename(&tiles, &aside).unwrap();
    std::fs::write(&tiles, "in the way").unwrap();
    let failed = try_record(&evidence, control("b")).await;
    assert!(matches!(failed, Err(EvidenceError::Unavailable(_))), "{failed:?}");
    let deadline = Instant::now() + Duration::from_secs(30);
    while counts.failures() < 3 {
        assert!(Instant::now() < deadline, "{} failures", counts.failures());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    std::fs::remove_file(&tiles).unwrap();
    std::fs::rename(&aside, &tiles).unwrap();
    until_open(&evidence).await;
    record(&evidence, "b").await;
    record(&evidence, "c").await;
    let (gaps, started) = told(&bench.log()).await;
    assert_eq!(started, 1);
    assert!(matches!(&gaps[..], [why] if why.contains("could not be written")), "{gaps:?}");
}
