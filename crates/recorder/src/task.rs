//! The task that writes the log while this process leads.

mod clocks;
mod stages;

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior},
};

use super::{
    Current, Evidence, EvidenceConfig, EvidenceError, Leadership, Log, Obstacle, OperatorIdentity,
    Part, QUEUE, SignedCheckpoint, Writing,
    batch::{Batch, Drafted, Memory, Receipt},
    draft::Entries,
    observer::Observer,
    opening::{self, OpenError},
    outage::Outage,
};
use comptroller_core::api::time::whole_seconds;
use comptroller_evidence::{
    data::{GapData, OperatorEvent, StoredData},
    entry::{Data, Entry, EntryError, MAX_ENTRY},
    fold::RunningOperator,
    key::{SigningKey, VerifierKey},
    log::{Appended, LogError, LogWriter, Recovered},
    snapshot,
    store::Store,
};

/// How long an append may take before it is said that nothing is recorded meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many texts are stored beside the log at a time: as many as there are threads for the disk.
const STORED_AT_ONCE: usize = 4;

/// A store that hangs is one that fails. Longer than its own retries of a lost connection take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How often the recorder gives a sign of life, and compares the clocks.
const TICK: Duration = Duration::from_secs(1);

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

/// Why a batch is judged again.
const PAUSED: &str = "the process did not run for a time, so what it judged before is judged again";

type Reply = oneshot::Sender<Result<Receipt, EvidenceError>>;

/// What the task is asked.
#[derive(Debug)]
pub(super) enum Request {
    /// To record a batch, which was handed over when the machine had run for so long.
    Record { batch: Box<Batch>, handed_over: SignedDuration, reply: Reply },
    /// To say why a witness refuses the log, or that none does.
    WitnessesSay(Option<Arc<str>>),
    /// To say that the operator stops, and to close the log.
    Stop(oneshot::Sender<()>),
}

/// Why nothing could be written.
#[derive(Debug, thiserror::Error)]
enum RecordError {
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

impl RecordError {
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
    /// Who runs this process. None before the log was opened first.
    identity: OperatorIdentity,
    outage: Outage,
    /// Since when the operator's clock and the API server's differ. None while they agree.
    clocks_differ: Option<Timestamp>,
    /// Until when this process led before, if it did.
    led_until: Option<Timestamp>,
    /// The gap with which this leadership began, if it did with one.
    told_gap: Option<GapData>,
    memory: Memory,
    /// What recovery of the log found and no entry tells yet.
    recovered: Recovered,
    /// The uid of the cluster, which never changes.
    uid: Option<String>,
    /// Whether another process held the lock at the last try.
    locked: bool,
    /// Since when this process leads.
    leads_since: Instant,
    /// What was logged of the trouble that there is.
    complained: Option<Arc<str>>,
    /// Why a witness refuses the log, as far as an entry says so.
    refused: Option<Arc<str>>,
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

impl Recorder {
    /// A recorder and the hand on it. Nothing is touched before this process leads.
    pub fn new(
        config: EvidenceConfig,
        leadership: impl Into<Leadership>,
        observer: Arc<dyn Observer>,
    ) -> (Evidence, Self) {
        let leadership = leadership.into();
        let (requests, inbox) = mpsc::channel(QUEUE);
        let log = Arc::new(Log {
            location: config.location.clone(),
            requests,
            current: RwLock::default(),
            checkpoint: watch::Sender::new(None),
            displaced: watch::Sender::new(false),
            discontinued: watch::Sender::new(None),
        });
        observer.begun();
        let writing = watch::Sender::new(Writing::Standby);
        let evidence = Evidence {
            writing: writing.subscribe(),
            leadership: leadership.clone(),
            clock: config.clock.clone(),
            log: Some(Arc::clone(&log)),
        };
        let recorder = Self {
            config,
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
            identity: OperatorIdentity::default(),
            outage: Outage::default(),
            clocks_differ: None,
            led_until: None,
            told_gap: None,
            memory: Memory::default(),
            recovered: Recovered::default(),
            uid: None,
            locked: false,
            leads_since: Instant::now(),
            complained: None,
            refused: None,
        };
        (evidence, recorder)
    }

    /// Writes until it is told to stop.
    pub async fn run(mut self) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.follow_leadership().await;
            let due = self.due();
            self.config.clock.waits(Part::Recorder);
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
                    if let Stage::Failing { .. } = &self.stage {
                        self.open().await;
                    }
                }
                _ = tick.tick() => self.tick().await,
                request = self.inbox.recv() => match request {
                    Some(Request::Record { batch, handed_over, reply }) => {
                        let recorded = self.record(&batch, handed_over).await;
                        // Who no longer waits has ended.
                        let _ = reply.send(recorded);
                    }
                    Some(Request::WitnessesSay(refusal)) => self.witnesses_say(refusal).await,
                    Some(Request::Stop(done)) => {
                        self.stop().await;
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                }
            }
        }
    }

    /// When the log is to be opened again.
    fn due(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Failing { retry, .. } => Some(*retry),
            Stage::Standby | Stage::Open(_) => None,
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
        // A pause in which the lead was lost has a gap of its own.
        self.config.clock.sign(Part::Recorder);
        if !matches!(self.stage, Stage::Standby) {
            self.led_until = Some(self.config.clock.now());
        }
        self.stage = Stage::Standby;
        self.complained = None;
        self.observer.ended();
        self.log.displaced.send_replace(false);
        self.say(&Writing::Standby);
    }

    /// Takes in what witnesses say: an entry says that one refuses the log, once for each reason.
    async fn witnesses_say(&mut self, refusal: Option<Arc<str>>) {
        // A log that is not open was found to be discontinued by what is published, or fails.
        if !matches!(self.stage, Stage::Open(_)) {
            return;
        }
        self.observer.put_back(refusal.is_some());
        say(&self.log.discontinued, &refusal);
        let Some(refusal) = refusal.filter(|refusal| self.refused.as_ref() != Some(refusal)) else {
            return;
        };
        tracing::error!("a witness does not cosign the log, which is not what it saw: {refusal}");
        let (subject, data) = self.operator_entry(OperatorEvent::LogDiscontinued);
        let data = match data {
            Data::Operator(mut data) => {
                data.detail = Some(refusal.to_string());
                Data::Operator(data)
            }
            other => other,
        };
        if self.write(vec![(subject, data)], Vec::new(), self.entry_time()).await.is_ok() {
            self.refused = Some(refusal);
        }
    }

    /// Ends the log in order.
    async fn stop(&mut self) {
        self.settle(true).await;
        if matches!(self.stage, Stage::Open(_)) {
            let stopped = self.operator_entry(OperatorEvent::Stopped);
            // Without it the next start says that this one did not stop in order, which is true.
            let _ = self.write(vec![stopped], Vec::new(), self.entry_time()).await;
        }
        if let Stage::Open(mut open) = std::mem::replace(&mut self.stage, Stage::Standby) {
            self.keep_snapshot(&mut open).await;
        }
        self.say(&Writing::Standby);
    }

    /// Records what of a batch the log does not hold, by one append.
    async fn record(
        &mut self,
        batch: &Batch,
        handed_over: SignedDuration,
    ) -> Result<Receipt, EvidenceError> {
        self.config.clock.sign(Part::Recorder);
        // Nothing is compared with a log that is not open: it may say more than is known of it.
        self.check_open()?;
        self.compare_clocks().await;
        self.check_clocks()?;
        // What was so before a pause is not known to be so after it: it is judged again.
        if self.config.clock.paused_since(handed_over) {
            self.tell_pause().await?;
            return Err(EvidenceError::Unavailable(PAUSED.into()));
        }
        let now = self.entry_time();
        let drafted = self.read(|current| batch.draft(current, &self.memory, now));
        let Drafted { mut entries, stored, learned } = drafted;
        if let Stage::Open(open) = &self.stage {
            let cluster = opening::cluster(open.writer.origin());
            let told = self.told_gap.clone();
            let untold = |gap: &&GapData| told.as_ref().is_none_or(|told| !told.covers(gap));
            let gaps = batch.gaps.iter().filter(untold);
            let gaps = gaps.map(|gap| (cluster.clone(), Data::Gap(gap.clone())));
            entries.splice(0..0, gaps);
        }
        self.write(entries, stored, now).await?;
        self.memory.learn(learned);
        Ok(self.read(|current| batch.receipt(current)))
    }

    fn check_open(&self) -> Result<(), EvidenceError> {
        match &self.stage {
            Stage::Open(_) => Ok(()),
            Stage::Failing { why, .. } => Err(EvidenceError::Unavailable(Arc::clone(why))),
            Stage::Standby => Err(EvidenceError::Standby),
        }
    }

    /// Writes entries to a log that is open. After a failure it is not, and is opened again: that
    /// finds out what of them is in it.
    async fn write(
        &mut self,
        mut entries: Entries,
        stored: Vec<String>,
        now: Timestamp,
    ) -> Result<(), EvidenceError> {
        self.check_open()?;
        // In which time nobody looked is said before anything else.
        let pause = match &self.stage {
            Stage::Open(open) => self.with_pause(&mut entries, open.writer.origin()),
            _ => None,
        };
        if entries.is_empty() {
            return Ok(());
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Standby);
        let Stage::Open(mut open) = stage else { return Err(EvidenceError::Standby) };
        if let Err(error) = self.append(&mut open, entries, stored, now).await {
            // The writer goes before anything else: it holds the lock.
            drop(open);
            self.fail(&error);
            // Whoever was deposed meanwhile, too, does not know what of it is in the log.
            return Err(EvidenceError::Unavailable(error.to_string().into()));
        }
        if let Some(pause) = pause {
            self.config.clock.told(pause.to);
        }
        // It may have been said that it takes too long.
        self.say_open();
        if open.writer.size() >= open.kept + snapshot::EVERY {
            self.keep_snapshot(&mut open).await;
        }
        self.stage = Stage::Open(open);
        Ok(())
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
    async fn while_leading<T>(&self, step: impl Future<Output = T>) -> Result<T, RecordError> {
        // A process that was stopped for a while may not have been told yet.
        if !self.leadership.holds() {
            return Err(RecordError::Deposed);
        }
        tokio::select! {
            biased;
            () = self.leadership.clone().lost() => Err(RecordError::Deposed),
            done = tokio::time::timeout(TIMEOUT, step) => done.map_err(|_| RecordError::Late),
        }
    }

    /// Waits for an append, and says so once it takes too long: what held until then must not be
    /// claimed for as long as a store hangs.
    async fn unless_slow<T>(&self, append: impl Future<Output = T>) -> T {
        let since = self.config.clock.now();
        tokio::pin!(append);
        if let Ok(done) = tokio::time::timeout(PATIENCE, &mut append).await {
            return done;
        }
        let why = "the evidence log did not take the record within 10 s: its volume or bucket does not answer";
        tracing::warn!("{why}");
        self.say(&Writing::Failing { obstacle: Obstacle::Log, why: why.into(), since });
        append.await
    }

    /// Makes entries durable under a checkpoint, then takes them into the fold.
    async fn append(
        &self,
        open: &mut Open,
        drafts: Entries,
        stored: Vec<String>,
        now: Timestamp,
    ) -> Result<Appended, RecordError> {
        let epoch = open.epoch;
        let at = whole_seconds(now).0;
        let clock = self.config.clock.reading(at);
        let entries: Vec<Entry> = drafts
            .into_iter()
            .map(|(subject, data)| Entry { at, clock, epoch, subject, data })
            .collect();
        let write = async {
            {
                let writer = &open.writer;
                // One by one, the populations of a first start would take as long as all else.
                let puts: Vec<BoxFuture<'_, _>> =
                    stored.iter().map(|text| writer.put_stored(text.as_bytes()).boxed()).collect();
                let puts = stream::iter(puts).buffer_unordered(STORED_AT_ONCE);
                puts.try_collect::<Vec<String>>().await?;
            }
            let mut leaves = Vec::with_capacity(entries.len());
            for entry in &entries {
                leaves.push(leaf(&open.writer, entry).await?);
            }
            Ok::<_, RecordError>(open.writer.append(&leaves).boxed().await?)
        };
        let appended = self.unless_slow(self.while_leading(write)).await??;
        {
            let mut current = self.log.current.write().unwrap_or_else(PoisonError::into_inner);
            for (index, entry) in (appended.first..).zip(&entries) {
                current.state.apply(index, entry);
            }
        }
        self.observer.appended(appended.size, now);
        self.log.checkpoint.send_replace(Some(SignedCheckpoint {
            origin: open.writer.origin().to_owned(),
            verifier_key: open.verifier.as_str().to_owned(),
            text: open.writer.checkpoint().to_owned(),
        }));
        Ok(appended)
    }

    fn say(&self, now: &Writing) {
        say(&self.writing, now);
    }

    fn read<T>(&self, look: impl FnOnce(&Current) -> T) -> T {
        look(&self.log.current())
    }
}

fn say<T: Clone + PartialEq>(sender: &watch::Sender<T>, now: &T) {
    sender.send_if_modified(|was| {
        let changed = was != now;
        was.clone_from(now);
        changed
    });
}

/// The leaf of an entry. Data that is too long for one goes beside the log, and its digest in it.
async fn leaf(writer: &LogWriter, entry: &Entry) -> Result<Vec<u8>, RecordError> {
    let text = entry.to_text()?;
    if text.len() <= MAX_ENTRY {
        return Ok(text.into_bytes());
    }
    drop(text);
    let data = entry.data.to_text().map_err(EntryError::from)?;
    let digest = writer.put_stored(data.as_bytes()).await?;
    let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
    let stored = StoredData { stored: digest, bytes };
    let Entry { at, clock, epoch, subject, data } = entry;
    let data = Data::Stored(data.entry_type(), stored);
    let short = Entry { at: *at, clock: *clock, epoch: *epoch, subject: subject.clone(), data };
    Ok(short.to_text()?.into_bytes())
}
