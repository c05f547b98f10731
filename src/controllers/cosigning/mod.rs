//! Has the log cosigned by witnesses, so that its key alone can't make up a past.
//!
//! Each new checkpoint is shown to every witness. What they cosign is kept beside the log and
//! published; that one of them refuses, since it saw another log, is said at once and everywhere.
//! A witness that is down holds up nothing: it is asked again, and a metric tells.

mod client;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use jiff::Timestamp;
use tokio::sync::watch;

use self::client::{Asked, WitnessClient};
use crate::telemetry::EvidenceMetrics;
use comptroller_evidence::{
    key::VerifierKey,
    log::LogReader,
    store,
    witness::{self, Policy, PolicyError},
};
use comptroller_recorder::{Evidence, SignedCheckpoint};

/// Entries of one batch follow one another: one cosignature has them all. Less than the checkpoint
/// publisher waits, so that it mostly publishes a checkpoint with its cosignatures.
const GATHER: Duration = Duration::from_secs(3);

/// How often at most: witnesses serve many logs.
const EVERY: Duration = Duration::from_secs(30);

/// How soon a witness that did not answer is asked again.
const RETRY: Duration = Duration::from_secs(10);

/// How often a log that does not grow is shown again, so that each day is vouched for.
const AGAIN: Duration = Duration::from_hours(6);

/// How long opening the log may take.
const READING: Duration = Duration::from_secs(30);

/// Why the witnesses can't be used.
#[derive(Debug, thiserror::Error)]
pub enum WitnessesError {
    /// The policy is not one.
    #[error("--witness-policy {path}: {source}", path = .path.display())]
    Policy { path: PathBuf, source: PolicyError },
    /// Nobody is to be asked.
    #[error(
        "--witness-policy {path} has no witness with a URL: add one to its `witness` lines, or give --witness URL",
        path = .0.display()
    )]
    NoUrl(PathBuf),
    /// A URL that can't be one of a witness.
    #[error(
        "the witness {url} can't be asked: {reason}; give the submission prefix of the witness, such as https://witness.example/prefix"
    )]
    Url { url: String, reason: String },
    /// HTTP does not work at all.
    #[error("no HTTP client for the witnesses: {0}")]
    Client(String),
}

/// The witnesses of the log.
#[derive(Clone, Debug)]
pub struct Witnesses {
    policy: Policy,
    clients: Vec<WitnessClient>,
}

/// A checkpoint with its cosignatures. None: nothing was cosigned yet.
pub type Cosigned = watch::Receiver<Option<Arc<str>>>;

impl Witnesses {
    /// The witnesses at these URLs, or without any those whose URLs the policy has.
    pub fn new(urls: &[String], policy: &Path) -> Result<Self, WitnessesError> {
        let path = policy;
        let policy = Policy::load(path)
            .map_err(|source| WitnessesError::Policy { path: path.to_owned(), source })?;
        let mut urls = urls.to_vec();
        if urls.is_empty() {
            urls = policy.witnesses().filter_map(|witness| witness.url.clone()).collect();
        }
        if urls.is_empty() {
            return Err(WitnessesError::NoUrl(path.to_owned()));
        }
        urls.sort_unstable();
        urls.dedup();
        let clients = urls.iter().map(|url| WitnessClient::new(url)).collect::<Result<_, _>>()?;
        Ok(Self { policy, clients })
    }
}

/// Shows each new checkpoint to the witnesses, for as long as the operator runs. The sender is told
/// what they cosigned.
pub async fn cosign(
    mut witnesses: Witnesses,
    evidence: Evidence,
    metrics: EvidenceMetrics,
    cosigned: watch::Sender<Option<Arc<str>>>,
) {
    let Some(mut checkpoint) = evidence.checkpoint() else {
        // Whoever waits for this task would take its end for a failure.
        return std::future::pending().await;
    };
    let location = evidence.location().unwrap_or_default().to_owned();
    for client in &witnesses.clients {
        metrics.witness_begun(client.url());
    }
    let mut failing: BTreeMap<String, String> = BTreeMap::new();
    let mut wait = AGAIN;
    loop {
        match tokio::time::timeout(wait, checkpoint.changed()).await {
            Ok(Err(_)) => return std::future::pending().await,
            Ok(Ok(())) => tokio::time::sleep(GATHER).await,
            Err(_) => {}
        }
        let Some(newest) = checkpoint.borrow_and_update().clone() else { continue };
        let asked = match tokio::time::timeout(READING, read(&location, &newest)).await {
            Ok(Ok(log)) => ask(&mut witnesses, &log, &metrics).await,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the log can't be read to have it cosigned");
                wait = RETRY;
                continue;
            }
            Err(_) => {
                tracing::warn!("the log did not answer in time to have it cosigned");
                wait = RETRY;
                continue;
            }
        };
        let Round { note, cosigned_by, refusal, failures } = asked;
        if let Some(note) = note {
            keep(&location, &witnesses.policy, &note).await;
            cosigned.send_replace(Some(note.into()));
        }
        // Not before it is kept: what is claimed can be looked up.
        for (url, at) in cosigned_by {
            metrics.witness_cosigned(&url, at);
        }
        evidence.witnesses_say(refusal).await;
        wait = if failures.is_empty() { AGAIN } else { RETRY };
        tell(&mut failing, failures);
        tokio::time::sleep(EVERY).await;
    }
}

/// What all witnesses said of a checkpoint.
#[derive(Debug, Default)]
struct Round {
    /// The checkpoint with their cosignatures. None: there is none.
    note: Option<String>,
    /// Who cosigned it, by their URLs, and when by their clocks.
    cosigned_by: Vec<(String, Timestamp)>,
    /// Why the first of those that refuse it does.
    refusal: Option<String>,
    /// Why others did not cosign it, by their URLs.
    failures: BTreeMap<String, String>,
}

/// Asks all witnesses at once.
async fn ask(witnesses: &mut Witnesses, log: &LogReader, metrics: &EvidenceMetrics) -> Round {
    let Witnesses { policy, clients } = witnesses;
    let asked = clients.iter_mut().map(|client| client.ask(log));
    let answers = futures::future::join_all(asked).await;
    let mut round = Round::default();
    let mut lines = String::new();
    for (client, answer) in clients.iter().zip(answers) {
        let url = client.url();
        match answer {
            Asked::Cosigned(signatures) => {
                let note = format!("{}{signatures}", log.checkpoint());
                let known = policy.cosignatures(note.as_bytes());
                if known.is_empty() {
                    let why = "what it answered is not a cosignature of this checkpoint by a witness of the policy: correct its key there";
                    metrics.witness_failed(url);
                    round.failures.insert(url.to_owned(), why.to_owned());
                    continue;
                }
                let newest = known.iter().map(|it| it.at).max().unwrap_or_default();
                round.cosigned_by.push((url.to_owned(), newest));
                // One witness may have two URLs.
                let new =
                    known.iter().map(|it| it.line.as_str()).filter(|line| !lines.contains(line));
                let new: String = new.flat_map(|line| [line, "\n"]).collect();
                lines.push_str(&new);
            }
            Asked::Refused(refusal) => {
                metrics.witness_refuses(url);
                let why = format!(
                    "the witness {url} does not cosign the log: {refusal}. Keep the log and the ConfigMap comptroller-evidence as a proof, find out who changed it, and restore the newest copy"
                );
                round.refusal.get_or_insert(why);
            }
            Asked::Failed(why) => {
                metrics.witness_failed(url);
                round.failures.insert(url.to_owned(), why);
            }
        }
    }
    round.note = (!lines.is_empty()).then(|| format!("{}{lines}", log.checkpoint()));
    round
}

/// The log as it lies there now, which is what the witnesses are to see.
async fn read(location: &str, newest: &SignedCheckpoint) -> Result<LogReader, String> {
    let key = VerifierKey::parse(&newest.verifier_key).map_err(|error| error.to_string())?;
    let store = store::open(location).map_err(|error| error.to_string())?;
    LogReader::open(store, Some(key)).boxed().await.map_err(|error| error.to_string())
}

/// Keeps what was cosigned beside the log. A failure costs a day that is vouched for at most.
async fn keep(location: &str, policy: &Policy, note: &str) {
    let kept = async {
        let store = store::open(location)?;
        witness::keep_policy(&*store, policy).await?;
        witness::keep(&*store, policy, note.as_bytes()).await
    };
    match tokio::time::timeout(READING, kept.boxed()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "a cosigned checkpoint can't be kept beside the log");
        }
        Err(_) => {
            tracing::warn!("a cosigned checkpoint can't be kept beside the log: no answer in time");
        }
    }
}

/// Logs which witnesses began to fail, or answer again; not each time.
fn tell(failing: &mut BTreeMap<String, String>, failures: BTreeMap<String, String>) {
    for (url, why) in &failures {
        if failing.get(url) != Some(why) {
            tracing::warn!(
                witness = url,
                "a witness does not cosign, and evidence is recorded all the same: {why}"
            );
        }
    }
    for url in failing.keys().filter(|url| !failures.contains_key(*url)) {
        tracing::info!(witness = url, "a witness answers again");
    }
    *failing = failures;
}
