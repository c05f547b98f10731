//! The task that writes the log while this process leads.

mod stages;

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures::FutureExt;
use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    Anchor, Current, Evidence, EvidenceConfig, EvidenceError, Leadership, Log, QUEUE, Terms,
    Writing,
    draft::{Draft, Resolved},
    observer::Observer,
    opening::{self, OpenError},
    outage::Outage,
    reference,
};
use comptroller_core::api::{EvidenceRef, time::whole_seconds};
use comptroller_evidence::{
    data::{OperatorEvent, StoredData},
    entry::{Data, Entry, EntryError, EntrySubject, MAX_ENTRY},
    fold::RunningOperator,
    key::{SigningKey, VerifierKey},
    log::{Appended, LogError, LogWriter},
    snapshot,
    store::Store,
};

/// How many requests may share a checkpoint.
const BATCH: usize = 256;

/// A store that hangs is one that fails. Longer than its own retries of a lost connection take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest sleep until the end of an outage is looked for.
const SETTLES: Duration = Duration::from_mins(2);

/// How long to wait between attempts to open a log that fails: without end, with jitter, so that
/// replicas that share a store do not meet.
fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(800))
        .with_max_delay(Duration::from_secs(30))
        .with_jitter()
        .without_max_times()
        .build()
}

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

impl WriteError {
    fn is_locked(&self) -> bool {
        matches!(self, Self::Open(error) if error.is_locked())
    }

    /// Whether the API server did not say what is asked of it before the log is opened.
    fn is_unanswered(&self) -> bool {
        matches!(self, Self::Open(OpenError::Witness(_) | OpenError::Cluster(_)))
    }

    fn is_put_back(&self) -> bool {
        match self {
            Self::Open(error) => error.is_put_back(),
            Self::Log(error) => error.is_put_back(),
            _ => false,
        }
    }
}

/// The task, before it runs.
pub struct Recorder {
    config: EvidenceConfig,
    terms: Terms,
    leadership: Leadership,
    observer: Arc<dyn Observer>,
    inbox: mpsc::Receiver<Request>,
    log: Arc<Log>,
    writing: watch::Sender<Writing>,
    stage: Stage,
    /// How often the log was opened.
    term: u64,
    /// The epoch in which this leadership writes, once it has tried to.
    epoch: Option<u64>,
    /// Whether this leadership found the log to be the one that others know.
    witnessed: bool,
    /// How the log names this process, once it has tried to write.
    own: Option<RunningOperator>,
    outage: Outage,
    /// The uid of the cluster, which never changes.
    uid: Option<String>,
    /// Whether another process held the lock at the last try.
    locked: bool,
    /// Since when this process leads.
    leads_since: Instant,
    /// What was logged of the trouble that there is.
    complained: Option<Arc<str>>,
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
        why: Arc<str>,
        retry: Instant,
        backoff: Box<ExponentialBackoff>,
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
    entries: Vec<(EntrySubject, Data)>,
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
        leadership: impl Into<Leadership>,
        observer: Arc<dyn Observer>,
    ) -> (Evidence, Self) {
        let leadership = leadership.into();
        let (requests, inbox) = mpsc::channel(QUEUE);
        let log = Arc::new(Log {
            location: config.location.clone(),
            requests,
            current: RwLock::default(),
            recorded: Mutex::default(),
            doubts: Mutex::default(),
            uids: Mutex::default(),
            anchor: watch::Sender::new(None),
            displaced: watch::Sender::new(false),
        });
        observer.begun();
        let writing = watch::Sender::new(Writing::Standby);
        let evidence = Evidence {
            writing: writing.subscribe(),
            leadership: leadership.clone(),
            log: Some(Arc::clone(&log)),
        };
        let recorder = Self {
            config,
            terms,
            leadership,
            observer,
            inbox,
            log,
            writing,
            stage: Stage::Standby,
            term: 0,
            epoch: None,
            witnessed: false,
            own: None,
            outage: Outage::default(),
            uid: None,
            locked: false,
            leads_since: Instant::now(),
            complained: None,
        };
        (evidence, recorder)
    }

    /// Writes until it is told to stop.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            self.follow_leadership().await;
            let due = self.due();
            tokio::select! {
                biased;
                goes_on = self.leadership.changed() => {
                    if !goes_on {
                        return;
                    }
                    // Nobody knows what happened in between, however short it was.
                    self.stand_by();
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    match &self.stage {
                        Stage::Failing { .. } => self.open().await,
                        Stage::Open(_) => self.settle(false).await,
                        Stage::Standby => {}
                    }
                }
                taken = self.inbox.recv_many(&mut batch, BATCH) => {
                    if taken == 0 || self.take(&mut batch).await {
                        return;
                    }
                }
            }
        }
    }

    /// When the log is to be opened again, or the end of an outage is to be told.
    fn due(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Standby => None,
            Stage::Failing { retry, .. } => Some(*retry),
            Stage::Open(_) => self.outage.settles().map(|at| {
                let left = at.duration_since(Timestamp::now());
                // A clock that jumps makes it early or late by no more than this.
                let left = Duration::try_from(left).unwrap_or_default().min(SETTLES);
                Instant::now() + left + Duration::from_millis(10)
            }),
        }
    }

    /// Opens the log when this process begins to lead, and lets go of it when it no longer does.
    async fn follow_leadership(&mut self) {
        match (&self.stage, self.leadership.look()) {
            (Stage::Standby, true) => {
                self.epoch = None;
                self.witnessed = false;
                self.outage = Outage::default();
                self.leads_since = Instant::now();
                self.say(&Writing::Opening);
                self.stage = Stage::Failing {
                    why: "the log is being opened".into(),
                    retry: Instant::now(),
                    backoff: Box::new(backoff()),
                };
                self.open().await;
            }
            (Stage::Open(_) | Stage::Failing { .. }, false) => self.stand_by(),
            _ => {}
        }
    }

    /// Another leads: the log is as good as it was, and not this process's to write.
    fn stand_by(&mut self) {
        self.stage = Stage::Standby;
        self.complained = None;
        self.observer.ended();
        self.log.displaced.send_replace(false);
        self.say(&Writing::Standby);
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
        self.settle(true).await;
        if matches!(self.stage, Stage::Open(_)) {
            let (reply, _) = oneshot::channel();
            let stopped = opening::operator(OperatorEvent::Stopped);
            let subject = EntrySubject::new("Operator", &self.config.instance);
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
        // A process that was stopped for a while may not have been told yet.
        if !self.leadership.holds() {
            return Err(WriteError::Deposed);
        }
        tokio::select! {
            biased;
            () = self.leadership.clone().lost() => Err(WriteError::Deposed),
            done = tokio::time::timeout(TIMEOUT, step) => done.map_err(|_| WriteError::Late),
        }
    }

    /// Makes entries durable under a checkpoint, then takes them into the fold.
    async fn append(
        &self,
        open: &mut Open,
        drafts: Vec<(EntrySubject, Data)>,
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
        self.observer.appended(appended.size, now);
        self.log.anchor.send_replace(Some(Anchor {
            origin: open.writer.origin().to_owned(),
            verifier_key: open.verifier.as_str().to_owned(),
            checkpoint: open.writer.checkpoint().to_owned(),
        }));
        Ok(appended)
    }

    fn say(&self, now: &Writing) {
        say(&self.writing, now);
    }

    fn read<T>(&self, look: impl FnOnce(&Current) -> T) -> T {
        look(&self.log.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn say(writing: &watch::Sender<Writing>, now: &Writing) {
    writing.send_if_modified(|was| {
        let changed = was != now;
        was.clone_from(now);
        changed
    });
}

/// The leaf of an entry. Data that is too long for one goes beside the log, and its digest in it.
async fn leaf(writer: &LogWriter, entry: &Entry) -> Result<Vec<u8>, WriteError> {
    let text = entry.to_text()?;
    if text.len() <= MAX_ENTRY {
        return Ok(text.into_bytes());
    }
    drop(text);
    let data = entry.data.to_text().map_err(EntryError::from)?;
    let digest = writer.put_stored(data.as_bytes()).await?;
    let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
    let stored = StoredData { stored: digest, bytes };
    let Entry { at, epoch, subject, data } = entry;
    let data = Data::Stored(data.entry_type(), stored);
    let short = Entry { at: *at, epoch: *epoch, subject: subject.clone(), data };
    Ok(short.to_text()?.into_bytes())
}
