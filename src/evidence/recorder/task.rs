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
    #[error("another replica leads")]
    Deposed,
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
    /// How often the log was opened.
    term: u64,
    /// The epoch in which this leadership writes, once it has begun to.
    epoch: Option<u64>,
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

/// What is written under one checkpoint.
#[derive(Default)]
struct Round {
    entries: Vec<(Subject, Data)>,
    stored: Vec<String>,
    /// Who waits for which of the entries.
    waiting: Vec<(Reply, usize)>,
    /// What is about the same as one of the entries.
    later: Vec<(Draft, Reply)>,
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
            doubts: Mutex::default(),
            uids: Mutex::default(),
            anchor: watch::Sender::new(None),
        });
        metrics.evidence().begin();
        let writing = watch::Sender::new(Writing::Standby);
        let evidence = Evidence { writing: writing.subscribe(), log: Some(Arc::clone(&log)) };
        let recorder = Self {
            config,
            terms,
            leading,
            metrics,
            inbox,
            log,
            writing,
            stage: Stage::Standby,
            term: 0,
            epoch: None,
        };
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
                self.epoch = None;
                self.say(&Writing::Opening);
                self.stage = Stage::Failing {
                    since: Timestamp::now(),
                    why: "the log is being opened".into(),
                    retry: Instant::now(),
                    backoff: Box::default(),
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
        // An epoch is that of one writer: it goes on only if nobody else wrote meanwhile.
        let same = self.epoch.filter(|epoch| *epoch == state.epoch());
        let epoch = same.unwrap_or_else(|| self.terms.epoch(&state));
        let first = match &self.stage {
            Stage::Failing { since, why, .. } if same.is_some() => {
                let reason = format!("the log could not be written: {why}");
                let gap = Gap::between(*since, now, reason);
                vec![(opening::cluster(&origin), Data::Gap(gap))]
            }
            _ => first_words(&state, &origin, &self.config.instance, now),
        };
        {
            let mut current = self.log.current.write().unwrap_or_else(PoisonError::into_inner);
            *current = Current { state, pseudonyms: Some(pseudonyms) };
        }
        // An append that was given up, or another writer, may have changed what the log says.
        self.log.recorded.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let verifier = key.verifier();
        let mut open = Open { writer, key, verifier, store, epoch, kept: 0 };
        self.append(&mut open, first, Vec::new(), now).await?;
        tracing::info!(origin, entries = open.writer.size(), epoch, "the evidence log is open");
        self.epoch = Some(epoch);
        self.stage = Stage::Open(Box::new(open));
        self.term += 1;
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
        while !asked.is_empty() {
            asked = self.record(asked).await;
        }
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

    /// Records what is asked under one checkpoint, and answers. What is about the same as something
    /// before it comes back: it is compared with the log only when that is in it.
    async fn record(&mut self, asked: Vec<(Draft, Reply)>) -> Vec<(Draft, Reply)> {
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
                return Vec::new();
            }
        };
        let now = Timestamp::now();
        let Round { entries, stored, waiting, later } = self.resolve(asked, now);
        if entries.is_empty() {
            self.stage = Stage::Open(open);
            return later;
        }
        match self.append(&mut open, entries, stored, now).await {
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
        later
    }

    /// What of a batch is to be written now; what needs no entry is answered.
    fn resolve(&self, asked: Vec<(Draft, Reply)>, now: Timestamp) -> Round {
        let mut round = Round::default();
        for (draft, reply) in asked {
            if round.entries.iter().any(|(subject, _)| draft.is_about(subject)) {
                round.later.push((draft, reply));
                continue;
            }
            match self.read(|current| draft.resolve(&current.state, now)) {
                Err(_) => drop(reply.send(Err(EvidenceError::Outdated))),
                Ok(Resolved { entries: new, known, .. }) if new.is_empty() => {
                    let _ = reply.send(Ok(known.map(reference)));
                }
                Ok(resolved) => {
                    round.entries.extend(resolved.entries);
                    round.stored.extend(resolved.stored);
                    round.waiting.push((reply, round.entries.len() - 1));
                }
            }
        }
        round
    }

    /// Keeps the fold beside the log, so that the next start is quick. A failure only costs time.
    async fn keep_snapshot(&self, open: &mut Open) {
        // Not tried again before the log has grown as much again.
        open.kept = open.writer.size();
        let state = self.read(|current| current.state.clone());
        let save = snapshot::save(open.store.as_ref(), &open.key, open.writer.checkpoint(), &state);
        match self.while_leading(save.boxed()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the fold of the log could not be kept"),
            Err(error) => tracing::warn!(%error, "the fold of the log was given up"),
        }
    }

    /// Waits for a step for some time, and no longer than this process leads: who no longer does
    /// must say so at once, since statuses follow the log.
    async fn while_leading<T>(&self, step: impl Future<Output = T>) -> Result<T, WriteError> {
        let mut leading = self.leading.clone();
        tokio::select! {
            biased;
            _ = leading.wait_for(|leads| !leads) => Err(WriteError::Deposed),
            done = tokio::time::timeout(TIMEOUT, step) => done.map_err(|_| WriteError::Late),
        }
    }

    /// Makes entries durable under a checkpoint, then takes them into the fold.
    async fn append(
        &self,
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
        let appended = self.while_leading(write).await??;
        {
            let mut current = self.log.current.write().unwrap_or_else(PoisonError::into_inner);
            for (index, entry) in (appended.first..).zip(&entries) {
                current.state.apply(index, entry);
            }
        }
        self.metrics.evidence().appended(appended.size, now);
        self.log.anchor.send_replace(Some(Anchor {
            origin: open.writer.origin().to_owned(),
            verifier_key: open.verifier.as_str().to_owned(),
            checkpoint: open.writer.checkpoint().to_owned(),
        }));
        Ok(appended)
    }

    /// The log can't be written: says so, and tries again later.
    fn fail(&mut self, error: &WriteError) {
        if matches!(error, WriteError::Deposed) {
            // The log is as good as it was, and another's.
            self.stage = Stage::Standby;
            self.metrics.evidence().end();
            self.say(&Writing::Standby);
            return;
        }
        self.metrics.evidence().failed();
        let why: Arc<str> = error.to_string().into();
        let (since, mut backoff) = match std::mem::replace(&mut self.stage, Stage::Standby) {
            Stage::Failing { since, backoff, .. } => (since, backoff),
            // A stage that was taken to be appended to is one that was open.
            Stage::Open(_) | Stage::Standby => (Timestamp::now(), Box::default()),
        };
        let wait = match error {
            // Two writers that took the log from one another would fill it with nothing else.
            WriteError::Log(LogError::Fenced(_)) => LONGEST,
            _ => backoff.next().unwrap_or(LONGEST).min(LONGEST),
        };
        if self.writing.borrow().clone() != Writing::Failing(Arc::clone(&why)) {
            tracing::error!(%error, "evidence can't be recorded, so no new verdict is claimed; it is tried again");
        }
        let retry = Instant::now() + wait;
        self.stage = Stage::Failing { since, why: Arc::clone(&why), retry, backoff };
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
