//! The task with those who ask it, on a log in a directory.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::{Duration, Instant},
};

use futures::FutureExt as _;
use serde_json::json;

use super::*;
use comptroller_evidence::{data::OperatorEvent, entry::Entry, log::LogReader, replay::replay};

/// Counts what the recorder says of itself.
#[derive(Debug, Default)]
struct Counts {
    failures: AtomicU32,
    put_back: AtomicBool,
}

impl Counts {
    fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    fn is_put_back(&self) -> bool {
        self.put_back.load(Ordering::Relaxed)
    }
}

impl Observer for Counts {
    fn begun(&self) {}

    fn appended(&self, _: u64, _: Timestamp) {}

    fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn put_back(&self, is: bool) {
        self.put_back.store(is, Ordering::Relaxed);
    }

    fn ended(&self) {}
}

/// An operator's recorder on a log in a directory, and what others know of the log.
struct Bench {
    folder: tempfile::TempDir,
    known: Arc<Mutex<Result<Witness, String>>>,
}

impl Bench {
    fn new() -> Self {
        let known = Arc::new(Mutex::new(Ok(Witness::default())));
        Self { folder: tempfile::tempdir().unwrap(), known }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn know(&self, witness: Result<Witness, String>) {
        *self.known.lock().unwrap() = witness;
    }

    fn start(
        &self,
        instance: &str,
        terms: Terms,
        leadership: impl Into<Leadership>,
    ) -> (Evidence, Arc<Counts>) {
        let known = Arc::clone(&self.known);
        let config = EvidenceConfig {
            location: self.log().to_str().unwrap().to_owned(),
            key: None,
            instance: instance.to_owned(),
            cluster: Box::new(|| async { Ok("7d9e3a60".to_owned()) }.boxed()),
            witness: Box::new(move || {
                let known = known.lock().unwrap().clone();
                async move { known }.boxed()
            }),
        };
        let counts = Arc::<Counts>::default();
        let (evidence, recorder) = Recorder::new(config, terms, leadership, counts.clone());
        tokio::spawn(recorder.run());
        (evidence, counts)
    }

    /// Runs an operator that records some controls and stops; what vouches for its log then.
    async fn run(&self, controls: &[&str]) -> Anchor {
        let (_leads, leading) = watch::channel(true);
        let (evidence, _) = self.start("comptroller-0", Terms::Sole, leading);
        until_open(&evidence).await;
        for name in controls {
            record(&evidence, name).await;
        }
        evidence.stop().await;
        evidence.anchor().unwrap().borrow().clone().unwrap()
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
            .args(["-c", "find . -type f ! -name .lock -exec sha256sum {} + | sort"])
            .current_dir(self.folder.path())
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

async fn record(evidence: &Evidence, name: &str) -> Option<EvidenceRef> {
    let subject = EntrySubject::control(name);
    evidence.record_object(subject, None, 1, Some(&json!({})), None).await.unwrap()
}

async fn until_failing(evidence: &Evidence) -> String {
    match until(evidence, |writing| matches!(writing, Writing::Failing(_))).await {
        Writing::Failing(why) => why.to_string(),
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
async fn no_verdict_follows_the_deletion_of_its_control() {
    let (_leads, leading) = watch::channel(true);
    let bench = Bench::new();
    let (evidence, _) = bench.start("comptroller-0", Terms::Sole, leading);
    until_open(&evidence).await;
    let control = EntrySubject::control("c");
    evidence.record_object(control.clone(), None, 1, Some(&json!({})), None).await.unwrap();
    let now = Timestamp::UNIX_EPOCH;
    let verdict = Verdict::blocked(1, Reason::NoFindings, "why".to_owned(), now);
    // Both wait when the task looks, so that they are taken together.
    let (gone, recorded) = tokio::join!(
        evidence.record_gone(control),
        evidence.record_verdict("c", None, &verdict, Seen::default(), now),
    );
    gone.unwrap();
    assert!(matches!(recorded, Err(EvidenceError::Outdated)), "{recorded:?}");
    assert!(evidence.read(|state| state.control("c").is_none()).unwrap());
}

#[tokio::test]
async fn a_heartbeat_of_what_is_not_recorded_is_not_believed_again() {
    let (_leads, leading) = watch::channel(true);
    let bench = Bench::new();
    let (evidence, _) = bench.start("comptroller-0", Terms::Sole, leading);
    until_open(&evidence).await;
    evidence
        .record_object(EntrySubject::control("c"), None, 1, Some(&json!({})), None)
        .await
        .unwrap();
    let now = Timestamp::UNIX_EPOCH;
    let verdict = Verdict::blocked(1, Reason::NoFindings, "why".to_owned(), now);
    evidence.record_verdict("c", None, &verdict, Seen::default(), now).await.unwrap();
    assert!(evidence.cited("c", None, &verdict, 0).is_some());
    // Something was over meanwhile, and is in no entry.
    assert!(evidence.cited("c", None, &verdict, 1).is_none());
    let other = Verdict { generation: 2, ..verdict.clone() };
    let beaten = evidence.record_heartbeat("c", &other, None, now).await;
    assert!(matches!(beaten, Err(EvidenceError::Outdated)), "{beaten:?}");
    assert!(evidence.cited("c", None, &verdict, 0).is_none());
}

#[tokio::test]
async fn an_older_copy_is_not_written_to_and_the_newest_is() {
    let bench = Bench::new();
    bench.run(&["a"]).await;
    bench.copy("log", "older");
    let published = bench.run(&["b"]).await;
    bench.copy("log", "newest");
    let size = published.checkpoint.lines().nth(1).unwrap().parse().unwrap();
    let mut statuses = Witness::default();
    statuses.cite(cited(size, 10));
    for witness in [Witness::of(Published::Checkpoint(published.clone())), statuses] {
        bench.know(Ok(witness));
        bench.copy("older", "log");
        let before = bench.files();
        let (leads, leading) = watch::channel(true);
        let (evidence, counts) = bench.start("comptroller-0", Terms::Sole, leading);
        let why = until_failing(&evidence).await;
        assert!(why.contains("older copy"), "{why}");
        assert_eq!(bench.files(), before, "nothing is written, nothing is signed");
        assert!(counts.is_put_back());
        assert_eq!(counts.failures(), 1);
        drop(leads);
        // What is to be restored is.
        bench.copy("newest", "log");
        let (_leads, leading) = watch::channel(true);
        let (evidence, counts) = bench.start("comptroller-0", Terms::Sole, leading);
        until_open(&evidence).await;
        assert!(!counts.is_put_back());
        evidence.stop().await;
    }
}

#[tokio::test]
async fn a_log_that_is_gone_with_its_key_is_begun_anew_only_with_consent() {
    let bench = Bench::new();
    let published = bench.run(&["a"]).await;
    let mut statuses = Witness::default();
    statuses.cite(cited(3, -10));
    std::fs::remove_dir_all(bench.log()).unwrap();
    std::fs::remove_file(bench.folder.path().join("log.key")).unwrap();
    for witness in [Witness::of(Published::Checkpoint(published)), statuses.clone()] {
        bench.know(Ok(witness));
        let (_leads, leading) = watch::channel(true);
        let (evidence, _) = bench.start("comptroller-0", Terms::Sole, leading);
        let why = until_failing(&evidence).await;
        assert!(why.contains("there is no evidence log"), "{why}");
        assert_eq!(bench.files(), Vec::<String>::new(), "no key is made either");
    }
    let mut consent = Witness::of(Published::Withdrawn);
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
    let (evidence, _) = bench.start("comptroller-0", Terms::Sole, leading);
    let why = until_failing(&evidence).await;
    assert!(why.contains("connection refused"), "{why}");
    assert_eq!(bench.files(), Vec::<String>::new());
    bench.know(Ok(Witness::default()));
    until_open(&evidence).await;
}

#[tokio::test]
async fn a_log_that_is_replaced_under_its_writer_is_not_written_to() {
    let bench = Bench::new();
    bench.run(&["a"]).await;
    bench.copy("log", "older");
    let (_leads, leading) = watch::channel(true);
    let (evidence, counts) = bench.start("comptroller-0", Terms::Sole, leading);
    until_open(&evidence).await;
    record(&evidence, "b").await;
    std::fs::rename(bench.log(), bench.folder.path().join("taken")).unwrap();
    bench.copy("older", "log");
    let before = bench.files();
    let refused =
        evidence.record_object(EntrySubject::control("c"), None, 1, Some(&json!({})), None).await;
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
    let terms = || Terms::Elected(watch::channel(3).1);
    let (evidence, _) = bench.start("comptroller-0", terms(), leading);
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
    let (other, _) = bench.start("comptroller-1", terms(), leading);
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
    let leadership = Leadership::elected(leading, limit);
    let terms = Terms::Elected(watch::channel(3).1);
    let (evidence, _) = bench.start("comptroller-0", terms, leadership);
    until_open(&evidence).await;
    record(&evidence, "a").await;
    let before = bench.files();
    // It was stopped for longer than that, and nobody told it yet.
    deadline.send_replace(Some(Instant::now()));
    assert_eq!(evidence.writing(), Writing::Standby);
    let late =
        evidence.record_object(EntrySubject::control("b"), None, 1, Some(&json!({})), None).await;
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
    let (first, _) = bench.start("comptroller-0", Terms::Sole, leading);
    until_open(&first).await;
    let (_leads, leading) = watch::channel(true);
    let (second, counts) = bench.start("comptroller-1", Terms::Sole, leading);
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
    let terms = || Terms::Elected(watch::channel(3).1);
    let (first_leads, leading) = watch::channel(true);
    let (first, _) = bench.start("comptroller-0", terms(), leading);
    until_open(&first).await;
    let (_leads, leading) = watch::channel(true);
    let (second, _) = bench.start("comptroller-1", terms(), leading);
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
    let (evidence, counts) = bench.start("comptroller-0", Terms::Sole, leading);
    until_open(&evidence).await;
    record(&evidence, "a").await;
    // The append is begun, and its tiles can't be written.
    let (tiles, aside) = (bench.log().join("tile"), bench.folder.path().join("tile"));
    std::fs::rename(&tiles, &aside).unwrap();
    std::fs::write(&tiles, "in the way").unwrap();
    let failed =
        evidence.record_object(EntrySubject::control("b"), None, 1, Some(&json!({})), None).await;
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
