//! The task that writes the log while this process leads.

mod append;
mod clocks;
mod stages;

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, MissedTickBehavior},
};

use super::{
    Current, Evidence, EvidenceConfig, EvidenceError, FactsWriter, Leadership, Log,
    OperatorIdentity, Part, QUEUE, Writing,
    batch::{Batch, Drafted, Memory, Receipt},
    inventory::EncodedInventory,
    obligations,
    observer::Observer,
    opening::{self, OpenError},
    outage::Outage,
};
use comptroller_core::engine::EventRules;
use comptroller_evidence::{
    data::{GapData, OperatorEvent},
    entry::{Data, EntryError, EntrySubject},
    fold::RunningOperator,
    key::{SigningKey, VerifierKey},
    log::{LogError, LogWriter, Recovered},
    store::Store,
    usage::{AUDIT_STREAM, UsageData},
};

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
    /// To record what the audit stream came to, and its gaps.
    RecordUsage {
        usage: Vec<UsageData>,
        gaps: Vec<GapData>,
        reply: oneshot::Sender<Result<(), EvidenceError>>,
    },
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
        matches!(self, Self::Open(OpenError::ClusterKnowledge(_) | OpenError::Cluster(_)))
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
    is_compared: bool,
    /// How the log names this process, once it has tried to write.
    own: Option<RunningOperator>,
    /// Who runs this process. None before the log was opened first.
    identity: OperatorIdentity,
    outage: Outage,
    /// Since when the operator's clock and the API server's differ. None while they agree.
    clocks_differ: Option<Timestamp>,
    /// How long the machine had run when this task was made.
    began: SignedDuration,
    /// Until when this process led before, if it did.
    led_until: Option<Timestamp>,
    /// The gap with which this leadership began, if it did with one.
    told_gap: Option<GapData>,
    memory: Memory,
    /// Which events oblige somebody, by the last batch.
    event_rules: EventRules,
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
            began: config.clock.machine().uptime,
            config,
            leadership,
            observer,
            inbox,
            log,
            writing,
            stage: Stage::Standby,
            term: 0,
            epoch: None,
            is_compared: false,
            own: None,
            identity: OperatorIdentity::default(),
            outage: Outage::default(),
            clocks_differ: None,
            led_until: None,
            told_gap: None,
            memory: Memory::default(),
            event_rules: EventRules::default(),
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
                        let recorded = self.record(*batch, handed_over).await;
                        // Who no longer waits has ended.
                        let _ = reply.send(recorded);
                    }
                    Some(Request::RecordUsage { usage, gaps, reply }) => {
                        let _ = reply.send(self.record_usage(usage, gaps).await);
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
                self.is_compared = false;
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
        mut batch: Batch,
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
        let inventory = self.encode_inventory(&mut batch).await;
        let now = self.entry_time();
        let drafted =
            self.read(|current| batch.draft(current, &self.memory, &self.config.instance, now));
        let Drafted { mut entries, mut stored, learned } = drafted;
        if let Stage::Open(open) = &self.stage {
            let cluster = opening::cluster(open.writer.origin());
            let told = self.told_gap.clone();
            let untold = |gap: &&GapData| told.as_ref().is_none_or(|told| !told.covers(gap));
            let gaps = batch.gaps.iter().filter(untold);
            let gaps = gaps.map(|gap| (cluster.clone(), Data::Gap(gap.clone())));
            entries.splice(0..0, gaps);
            if let Some(EncodedInventory { data, lists }) = inventory {
                let cluster = opening::cluster(open.writer.origin());
                entries.push((cluster, Data::Inventory(Box::new(data))));
                stored.extend(lists);
            }
        }
        self.event_rules = std::mem::take(&mut batch.event_rules);
        let size = self.read(|current| current.state.size());
        self.write(entries, stored, now).await?;
        self.memory.learn(learned);
        // What time alone opens, and what entries oblige to that no batch brought, such as the gap of a
        // start: by the log, which has all of it now.
        let due = self.read(|current| obligations::due(&current.state, &self.event_rules, now));
        self.write(due, Vec::new(), now).await?;
        let mut receipt = self.read(|current| batch.receipt(current));
        receipt.opened =
            self.read(|current| obligations::opened_since(&current.state, &self.event_rules, size));
        Ok(receipt)
    }

    /// Records what the audit stream came to: gaps first, so that no use is told of a time that is not
    /// yet known to be incomplete.
    async fn record_usage(
        &mut self,
        usage: Vec<UsageData>,
        gaps: Vec<GapData>,
    ) -> Result<(), EvidenceError> {
        self.check_open()?;
        self.compare_clocks().await;
        self.check_clocks()?;
        let Stage::Open(open) = &self.stage else { return Err(EvidenceError::Standby) };
        let cluster = opening::cluster(open.writer.origin()).name;
        let stream = EntrySubject::new(AUDIT_STREAM, &cluster);
        let gaps = gaps.into_iter().map(Data::Gap);
        let usage = usage.into_iter().map(|data| Data::Usage(Box::new(data)));
        let entries = gaps.chain(usage).map(|data| (stream.clone(), data)).collect();
        self.write(entries, Vec::new(), self.entry_time()).await
    }

    /// Writes the lists of what was read of the cluster, which takes a while and needs no log: other
    /// tasks go on meanwhile. None if none is due.
    async fn encode_inventory(&self, batch: &mut Batch) -> Option<EncodedInventory> {
        let observed = batch.inventory.take()?;
        let pseudonyms = self.read(|current| current.pseudonyms.clone())?;
        let writer = FactsWriter::new(pseudonyms, batch.people.clone());
        let collector = self.config.instance.clone();
        let encode = tokio::task::spawn_blocking(move || observed.encode(&writer, collector));
        match encode.await {
            Ok(Ok(encoded)) => Some(encoded),
            Ok(Err(error)) => {
                tracing::warn!(%error, "what was read of the cluster is not recorded today");
                None
            }
            // The runtime ends, and nothing is recorded any more.
            Err(_) => None,
        }
    }

    fn check_open(&self) -> Result<(), EvidenceError> {
        match &self.stage {
            Stage::Open(_) => Ok(()),
            Stage::Failing { why, .. } => Err(EvidenceError::Unavailable(Arc::clone(why))),
            Stage::Standby => Err(EvidenceError::Standby),
        }
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
