//! The place of the evidence log fails: a bucket with each mistake that buckets make, a directory
//! whose files can't grow. What is claimed is recorded all the same, and recorded once.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use axum::http::Method;
use comptroller_core::api::State;
use futures::{StreamExt as _, stream};

use crate::{
    bucket::{Bucket, Fault, Rule, signing_key},
    case::Case,
    history::History,
    invariants::Finding,
    operator::LIMIT,
    record::Record,
    run::{MENDED, finish_with, judge},
    stand::{self, Stand},
};

const SEED: u64 = 7;
const KEY: &str = "evidence/log";

/// A mistake of the bucket, while a violation is to be recorded.
#[derive(Clone, Debug)]
pub struct Mistake {
    name: String,
    rule: Rule,
    lasts: Duration,
    /// Whether the operator is killed in it.
    kills: bool,
}

fn mistake(name: &str, method: Method, key: &'static str, times: usize, fault: Fault) -> Mistake {
    let rule = Rule { method, key, skip: 0, times, fault };
    let name = format!("bucket-{name}");
    Mistake { name, rule, lasts: Duration::from_secs(15), kills: false }
}

/// Every fault at every object that an append writes.
pub fn mistakes() -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (word, key) in [("pending", "pending"), ("tile", "tile"), ("checkpoint", "checkpoint")] {
        for (fault_word, fault, times) in [
            ("refused", Fault::Refuse(503), 1000),
            ("refused-after", Fault::RefuseAfter(500), 1),
            ("lost", Fault::LoseReply, 1),
            ("denied", Fault::Refuse(403), 1000),
            ("hangs", Fault::Hang, 1000),
            ("slow", Fault::Delay(Duration::from_secs(3)), 2),
        ] {
            let name = format!("{word}-{fault_word}");
            mistakes.push(mistake(&name, Method::PUT, key, times, fault));
            if matches!(fault, Fault::RefuseAfter(_) | Fault::LoseReply | Fault::Hang) {
                let mut kill = mistake(&format!("{name}-killed"), Method::PUT, key, times, fault);
                kill.kills = true;
                kill.lasts = Duration::from_secs(2);
                mistakes.push(kill);
            }
        }
    }
    mistakes.push(mistake("unreadable", Method::GET, "", 1000, Fault::Refuse(503)));
    mistakes
}

pub fn smoke() -> Vec<Mistake> {
    let wanted =
        ["pending-refused-after", "tile-refused", "checkpoint-lost", "pending-hangs-killed"];
    let named = |it: &Mistake| wanted.iter().any(|name| it.name == format!("bucket-{name}"));
    mistakes().into_iter().filter(named).collect()
}

pub async fn run_all(mistakes: &[Mistake], seed: u64) -> Vec<Finding> {
    let stand = stand::shared().await;
    let history = &History::start(stand.client());
    let runs = mistakes.iter().map(|mistake| async move {
        let ended = tokio::time::timeout(LIMIT * 5, run(stand, history, mistake, seed)).await;
        ended.unwrap_or_else(|_| vec![Finding::new("liveness", format!("{} hangs", mistake.name))])
    });
    let findings: Vec<Vec<Finding>> =
        stream::iter(runs).buffer_unordered(mistakes.len()).collect().await;
    findings.concat()
}

async fn run(stand: &Stand, history: &History, mistake: &Mistake, seed: u64) -> Vec<Finding> {
    let _slot = stand.slots.acquire().await.unwrap();
    let mut case = Case::new(stand, history, &mistake.name, seed).await;
    let bucket = Bucket::start().await;
    case.start.evidence = format!("s3://bucket/{KEY}");
    case.start.environment = bucket.environment();
    let key = case.folder.join("log.pem");
    write_key(&key);
    case.start.arguments = vec!["--evidence-key".to_owned(), key.display().to_string()];
    let mut findings = match attempt(&mut case, &bucket, mistake).await {
        Ok(findings) => findings,
        Err(text) => vec![Finding::new("liveness", text)],
    };
    case.clear().await;
    for finding in &mut findings {
        finding.text = format!("{}: {}", mistake.name, finding.text);
    }
    eprintln!("{}: {findings:#?}", mistake.name);
    findings
}

async fn attempt(
    case: &mut Case<'_>,
    bucket: &Bucket,
    mistake: &Mistake,
) -> Result<Vec<Finding>, String> {
    case.begin().await?;
    let first_verdict = Instant::now();
    let mut findings = Vec::new();
    let before = save(case, bucket, "before");
    bucket.set(vec![mistake.rule.clone()]);
    case.violate().await;
    tokio::time::sleep(mistake.lasts).await;
    let mut starts = 1;
    if mistake.kills {
        case.operator.take().ok_or("no operator")?.kill();
    }
    bucket.heal();
    if mistake.kills {
        case.start();
        starts += 1;
    }
    if bucket.hits() == 0 && mistake.rule.method == Method::PUT {
        findings.push(Finding::new("plan", "the fault was never met"));
    }
    case.until(State::Failing, LIMIT).await?;
    case.mend().await;
    case.until(State::Passing, LIMIT).await?;
    let settled = case.settled(LIMIT).await?;
    case.operator.take().ok_or("no operator")?.kill();
    case.start();
    starts += 1;
    case.operator.as_ref().ok_or("no operator")?.ready().await?;
    let again = case.settled(LIMIT).await?;
    if settled != again {
        let text = format!("since {settled:?}, and {again:?} after one more start");
        findings.push(Finding::new("since", text));
    }
    // The reader reads directories: what is in the bucket once nobody writes any more.
    case.stop().await?;
    let after = save(case, bucket, "after");
    case.start.evidence = after.display().to_string();
    let old = Record::in_directory(&before.display().to_string(), &[]).await?;
    if let Err(text) = Record::in_directory(&case.start.evidence, &[old.checkpoint]).await {
        findings.push(Finding::new("fork", text));
    }
    let rest = finish_with(case, first_verdict, Vec::new(), starts, Some(MENDED)).await;
    findings.extend(rest);
    Ok(findings)
}

fn save(case: &Case<'_>, bucket: &Bucket, name: &str) -> PathBuf {
    let folder = case.folder.join(name);
    bucket.save(KEY, &folder);
    folder
}

fn write_key(path: &std::path::Path) {
    std::fs::write(path, signing_key()).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_fails_loses_nothing() {
    judge(&run_all(&smoke(), SEED).await);
}
