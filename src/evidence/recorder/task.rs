//! The task that writes the log while this process leads.

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use futures::FutureExt;
use jiff::Timestamp;
use kube::runtime::watcher::DefaultBackoff;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    Anchor, Current, Evidence, EvidenceConfig, EvidenceError, Log, QUEUE, Terms, Writing,
    draft::{Draft, Resolved},
    opening::{self, OpenError, Opened, first_words},
    reference,
};
use crate::{
    api::{EvidenceRef, time::whole_seconds},
    evidence::{
        canonical,
        data::{Gap, OperatorEvent, StoredData},
        entry::{Data, Entry, EntryError, MAX_ENTRY, Subject},
        key::{SigningKey, VerifierKey},
        log::{Appended, LogError, LogWriter},
        snapshot,
        store::Store,
    },
    telemetry::Metrics,
};

/// How many requests may share a checkpoint.
const BATCH: usize = 256;

/// A store that hangs is one that fails. Longer than its own retries of a lost connection take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The same for opening the log, in which all of it may have to be read.
const OPENING: Duration = Duration::from_mins(5);

/// The longest wait before the log is opened again.
const LONGEST: Duration = Duration::from_secs(30);

type Reply = oneshot::Sender<Result<Option<EvidenceRef>, EvidenceError>>;

/// What the task is asked.
#[derive(Debug)]
pub(super) enum Request {
    /// To record something.
    Record(Draft, Reply),
    /// To end.
    Stop(oneshot::Sender<()>),
}

/// Why nothing could be written.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("an entry has no text: {0}")]
    Entry(#[from] EntryError),
    #[error("the store did not answer in time")]
    Late,
}

/// The task, before it runs.
pub struct Recorder {
    config: EvidenceConfig,
    terms: Terms,
    leading: watch::Receiver<bool>,
    metrics: Metrics,
    inbox: mpsc::Receiver<Request>,
    log: Arc<Log>,
    writing: watch::Sender<Writing>,
    stage: Stage,
    /// How many leaderships there were.
    term: u64,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("config", &self.config).finish_non_exhaustive()
    }
}

enum Stage {
    Standby,
    Open(Box<Open>),
    /// Opened again at a time, or not at all while another leads.
    Failing {
        since: Timestamp,
        why: Arc<str>,
        retry: Instant,
        backoff: Box<DefaultBackoff>,
        begun: bool,
    },
}

#[derive(Debug)]
struct Open {
    writer: LogWriter,
    key: SigningKey,
    verifier: VerifierKey,
    store: Arc<dyn Store>,
    epoch: u64,
    /// How many entries the snapshot covers that this process kept.
    kept: u64,
}

impl Recorder {
    /// A recorder and the hand on it. Nothing is touched before this process leads.
    pub fn new(
        config: EvidenceConfig,
        terms: Terms,
        leading: watch::Receiver<bool>,
        metrics: Metrics,
    ) -> (Evidence, Self) {
        let (requests, inbox) = mpsc::channel(QUEUE);
        let log = Arc::new(Log {
            location: config.location.clone(),
            requests,
            current: RwLock::default(),
            recorded: Mutex::default(),
            uids: Mutex::default(),
            anchor: watch::Sender::new(None),
        });
        metrics.evidence().begin();
        let writing = watch::Sender::new(Writing::Standby);
        let evidence = Evidence { writing: writing.subscribe(), log: Some(Arc::clone(&log)) };
        let stage = Stage::Standby;
        let recorder =
            Self { config, terms, leading, metrics, inbox, log, writing, stage, term: 0 };
        (evidence, recorder)
    }

    /// Writes until it is told to stop.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            self.follow_leadership().await;
            let retry = match &self.stage {
                Stage::Failing { retry, .. } => Some(*retry),
                Stage::Standby | Stage::Open(_) => None,
            };
            tokio::select! {
                biased;
                changed = self.leading.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = tokio::time::sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => {
                    self.open().await;
                }
                taken = self.inbox.recv_many(&mut batch, BATCH) => {
                    if taken == 0 || self.take(&mut batch).await {
                        return;
                    }
                }
            }
        }
    }

    /// Opens the log when this process begins to lead, and lets go of it when it no longer does.
    async fn follow_leadership(&mut self) {
        let leads = *self.leading.borrow_and_update();
        match (&self.stage, leads) {
            (Stage::Standby, true) => {
                self.term += 1;
                // What another leader wrote meanwhile is read, and what was known is forgotten.
                self.log.recorded.lock().unwrap_or_else(PoisonError::into_inner).clear();
                self.say(&Writing::Opening);
                self.stage = Stage::Failing {
                    since: Timestamp::now(),
                    why: "the log is being opened".into(),
                    retry: Instant::now(),
                    backoff: Box::default(),
                    begun: false,
                };
                self.open().await;
            }
            (Stage::Open(_) | Stage::Failing { .. }, false) => {
                self.stage = Stage::Standby;
                self.metrics.evidence().end();
                self.say(&Writing::Standby);
            }
            _ => {}
        }
    }

    /// Tries to open the log, for as long as this process leads.
    async fn open(&mut self) {
        let known = self.read(|current| current.state.clone());
        let mut leading = self.leading.clone();
        let opened = tokio::select! {
            biased;
            _ = leading.wait_for(|leads| !leads) => return,
            opened = tokio::time::timeout(OPENING, opening::open(&self.config, known)) => opened,
        };
        let result = match opened {
            Ok(Ok(opened)) => self.begin(opened).await,
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(WriteError::Late),
        };
        if let Err(error) = result {
            self.fail(&error);
        }
    }

    /// The log is open: says what is to be said first, then takes requests.
    async fn begin(&mut self, opened: Opened) -> Result<(), WriteError> {
        let Opened { writer, state, pseudonyms, key, store } = opened;
        let now = Timestamp::now();
        let origin = writer.origin().to_owned();
        let (first, epoch) = if let Stage::Failing { begun: true, since, why, .. } = &self.stage {
            // The same leadership goes on.
            let cluster = origin.rsplit('/').next().unwrap_or_default();
            let gap = Gap {
                from: whole_seconds(*since).0,
                to: whole_seconds(now).0,
                reason: format!("the log could not be written: {why}"),
            };
            (vec![(Subject::new("Cluster", cluster), Data::Gap(gap))], state.epoch())
        } else {
            let words = first_words(&state, &origin, &self.config.instance, now);
            (words, self.terms.epoch(&state))
        };
        {
            let mut current = self.log.current.write().unwrap_or_else(PoisonError::into_inner);
            *current = Current { state, pseudonyms: Some(pseudonyms) };
        }
        let verifier = key.verifier();
        let mut open = Open { writer, key, verifier, store, epoch, kept: 0 };
        Self::append(&self.log, &self.metrics, &mut open, first, Vec::new(), now).await?;
        tracing::info!(origin, entries = open.writer.size(), epoch, "the evidence log is open");
        self.stage = Stage::Open(Box::new(open));
        self.say(&Writing::Open(self.term));
        Ok(())
    }

    /// Whether the task is over.
    async fn take(&mut self, batch: &mut Vec<Request>) -> bool {
        let mut asked = Vec::with_capacity(batch.len());
        let mut stops = Vec::new();
        for request in batch.drain(..) {
            match request {
                Request::Record(draft, reply) => asked.push((draft, reply)),
                Request::Stop(done) => stops.push(done),
            }
        }
        self.record(asked).await;
        if stops.is_empty() {
            return false;
        }
        if matches!(self.stage, Stage::Open(_)) {
            let (reply, _) = oneshot::channel();
            let stopped = opening::operator(OperatorEvent::Stopped);
            let subject = Subject::new("Operator", &self.config.instance);
            self.record(vec![(Draft::Entries(vec![(subject, stopped)]), reply)]).await;
        }
        if let Stage::Open(mut open) = std::mem::replace(&mut self.stage, Stage::Standby) {
            self.keep_snapshot(&mut open).await;
        }
        self.say(&Writing::Standby);
        for done in stops {
            let _ = done.send(());
        }
        true
    }

    /// Records what is asked under one checkpoint, and answers.
    async fn record(&mut self, asked: Vec<(Draft, Reply)>) {
        let mut open = match std::mem::replace(&mut self.stage, Stage::Standby) {
            Stage::Open(open) => open,
            other => {
                let error = match &other {
                    Stage::Failing { why, .. } => EvidenceError::Unavailable(Arc::clone(why)),
                    _ => EvidenceError::Standby,
                };
                self.stage = other;
                for (_, reply) in asked {
                    let _ = reply.send(Err(error.clone()));
                }
                return;
            }
        };
        let now = Timestamp::now();
        let mut entries = Vec::new();
        let mut stored = Vec::new();
        let mut waiting: Vec<(Reply, usize)> = Vec::new();
        for (draft, reply) in asked {
            match self.read(|current| draft.resolve(&current.state, now)) {
                Err(_) => drop(reply.send(Err(EvidenceError::Outdated))),
                Ok(Resolved { entries: new, known, .. }) if new.is_empty() => {
                    let _ = reply.send(Ok(known.map(reference)));
                }
                Ok(resolved) => {
                    entries.extend(resolved.entries);
                    stored.extend(resolved.stored);
                    waiting.push((reply, entries.len() - 1));
                }
            }
        }
        if entries.is_empty() {
            self.stage = Stage::Open(open);
            return;
        }
        match Self::append(&self.log, &self.metrics, &mut open, entries, stored, now).await {
            Ok(appended) => {
                for (reply, at) in waiting {
                    let index = appended.first + u64::try_from(at).unwrap_or(u64::MAX);
                    let _ = reply.send(Ok(Some(reference(index))));
                }
                if open.writer.size() >= open.kept + snapshot::EVERY {
                    self.keep_snapshot(&mut open).await;
                }
                self.stage = Stage::Open(open);
            }
            Err(error) => {
                // The writer goes: recovery finds out what of this is in the log.
                drop(open);
                self.fail(&error);
                let why: Arc<str> = error.to_string().into();
                for (reply, _) in waiting {
                    let _ = reply.send(Err(EvidenceError::Unavailable(Arc::clone(&why))));
                }
            }
        }
    }

    /// Keeps the fold beside the log, so that the next start is quick. A failure only costs time.
    async fn keep_snapshot(&self, open: &mut Open) {
        // Not tried again before the log has grown as much again.
        open.kept = open.writer.size();
        let state = self.read(|current| current.state.clone());
        let save = snapshot::save(open.store.as_ref(), &open.key, open.writer.checkpoint(), &state);
        match tokio::time::timeout(TIMEOUT, save.boxed()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the fold of the log could not be kept"),
            Err(_) => tracing::warn!("the fold of the log could not be kept in time"),
        }
    }

    /// Makes entries durable under a checkpoint, then takes them into the fold.
    async fn append(
        log: &Log,
        metrics: &Metrics,
        open: &mut Open,
        drafts: Vec<(Subject, Data)>,
        stored: Vec<String>,
        now: Timestamp,
    ) -> Result<Appended, WriteError> {
        let epoch = open.epoch;
        let entries: Vec<Entry> = drafts
            .into_iter()
            .map(|(subject, data)| Entry { at: whole_seconds(now).0, epoch, subject, data })
            .collect();
        let write = async {
            for text in &stored {
                open.writer.put_stored(text.as_bytes()).await?;
            }
            let mut leaves = Vec::with_capacity(entries.len());
            for entry in &entries {
                leaves.push(leaf(&open.writer, entry).await?);
            }
            Ok::<_, WriteError>(open.writer.append(&leaves).boxed().await?)
        };
        let appended =
            tokio::time::timeout(TIMEOUT, write).await.map_err(|_| WriteError::Late)??;
        {
            let mut current = log.current.write().unwrap_or_else(PoisonError::into_inner);
            for (index, entry) in (appended.first..).zip(&entries) {
                current.state.apply(index, entry);
            }
        }
        metrics.evidence().appended(appended.size, now);
        log.anchor.send_replace(Some(Anchor {
            origin: open.writer.origin().to_owned(),
            verifier_key: open.verifier.as_str().to_owned(),
            checkpoint: open.writer.checkpoint().to_owned(),
        }));
        Ok(appended)
    }

    /// The log can't be written: says so, and tries again later.
    fn fail(&mut self, error: &WriteError) {
        self.metrics.evidence().failed();
        let why: Arc<str> = error.to_string().into();
        let (since, mut backoff, begun) = match std::mem::replace(&mut self.stage, Stage::Standby) {
            Stage::Failing { since, backoff, begun, .. } => (since, backoff, begun),
            // A stage that was taken to be appended to is one that was open.
            Stage::Open(_) | Stage::Standby => (Timestamp::now(), Box::default(), true),
        };
        let wait = backoff.next().unwrap_or(LONGEST).min(LONGEST);
        if self.writing.borrow().clone() != Writing::Failing(Arc::clone(&why)) {
            tracing::error!(%error, "evidence can't be recorded, so no new verdict is claimed; it is tried again");
        }
        let retry = Instant::now() + wait;
        self.stage = Stage::Failing { since, why: Arc::clone(&why), retry, backoff, begun };
        self.say(&Writing::Failing(why));
    }

    fn say(&self, now: &Writing) {
        self.writing.send_if_modified(|was| {
            let changed = was != now;
            was.clone_from(now);
            changed
        });
    }

    fn read<T>(&self, look: impl FnOnce(&Current) -> T) -> T {
        look(&self.log.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The leaf of an entry. Data that is too long for one goes beside the log, and its digest in it.
async fn leaf(writer: &LogWriter, entry: &Entry) -> Result<Vec<u8>, WriteError> {
    let text = entry.to_text()?;
    if text.len() <= MAX_ENTRY {
        return Ok(text.into_bytes());
    }
    let data = canonical::to_string(&entry.data.to_value().map_err(EntryError::from)?)
        .map_err(EntryError::from)?;
    let digest = writer.put_stored(data.as_bytes()).await?;
    let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
    let stored = StoredData { stored: digest, bytes };
    let short = Entry { data: Data::Stored(entry.data.entry_type(), stored), ..entry.clone() };
    Ok(short.to_text()?.into_bytes())
}
