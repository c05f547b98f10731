//! The record: the stage between verdicts and what is claimed of them.
//!
//! The engine's task hands over a [`Batch`] and gets back a [`Receipt`] of [`Recorded`] values, once
//! all of it is durable under one signed checkpoint. One task writes; it compares with the fold of
//! the log, which it owns, so that what the log already says is not written again. [`Evidence`] is
//! the hand on that task; clones share it.

#![allow(
    clippy::disallowed_methods,
    reason = "its purpose is to write, and entries say when they were written"
)]

mod authors;
mod batch;
mod clock;
mod cluster_knowledge;
mod dating;
pub(crate) mod draft;
mod facts;
mod first_entries;
mod identity;
mod inventory;
mod lapsed;
mod leadership;
mod obligations;
mod observer;
mod opening;
mod outage;
mod recorded;
mod registers;
mod task;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};

use self::task::Request;
pub use self::{
    authors::{AuthorGuards, GuardHistory, WrittenWithin},
    batch::{
        Batch, HeartbeatObservation, ObjectObservation, PeriodClosing, Receipt, VerdictObservation,
        open_event_occurrences, remembered_occurrences,
    },
    clock::{Clock, MachineTime, Part, Pause, SERVER_SILENCE, TOLERANCE, TimeSource},
    cluster_knowledge::{Citation, ClusterKnowledge, Published},
    draft::PopulationObservation,
    facts::FactsWriter,
    identity::OperatorIdentity,
    inventory::{EncodeError, InventoryObservation, ListOrigin},
    leadership::Leadership,
    obligations::next_due,
    observer::Observer,
    opening::EvidenceConfig,
    recorded::{ObjectKey, ObjectRecord, Recorded},
    registers::{ListObservation, RegisterNeeds, RegisterObservation},
    task::Recorder,
};
use comptroller_core::api::EvidenceRef;
use comptroller_evidence::{data::GapData, fold::LogState, key::Pseudonyms, usage::UsageData};

/// How often the list of what a control judged is compared with the log, and recorded if it changed.
pub const POPULATION_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// How many requests may wait: a batch, and that it is to stop.
const QUEUE: usize = 4;

/// Why something is not recorded. Status must not claim what is not.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The log can't be written.
    #[error("evidence can't be recorded, so no new verdict is claimed: {0}")]
    Unavailable(Arc<str>),
    /// This process does not lead, so another writes.
    #[error("this replica does not lead, so it records nothing")]
    Standby,
}

/// Whether there is a log to write, and whether it can be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Writing {
    /// Another replica leads and writes.
    #[default]
    Standby,
    /// This replica leads, and opens the log.
    Opening,
    /// It may be written; without a log, statuses may. The number grows each time that the log was
    /// opened, since it may say more than this process has heard.
    Open(u64),
    /// Nothing is recorded.
    Failing {
        /// What keeps it from being recorded.
        obstacle: Obstacle,
        /// Why, in one sentence.
        why: Arc<str>,
        /// The first failure since it was open; of an append that hangs, when that began.
        since: Timestamp,
    },
}

/// What keeps everything from being recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The log can't be opened or written.
    Log,
    /// The log is not, or not all of, what others know of it: nothing is written to it.
    Discontinued,
    /// The operator's clock and the API server's differ.
    Clocks,
}

/// A checkpoint with what verifies it: published where an administrator of the log can't reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// Which log it is.
    pub origin: String,
    /// The key that verifies it, in note format.
    pub verifier_key: String,
    /// The checkpoint as it was signed.
    pub text: String,
}

/// What is awaited after a batch was handed over.
pub type BatchAnswer = oneshot::Receiver<Result<Receipt, EvidenceError>>;

/// Where evidence is recorded. Clones share one log.
#[derive(Clone, Debug)]
pub struct Evidence {
    writing: watch::Receiver<Writing>,
    leadership: Leadership,
    clock: Clock,
    log: Option<Arc<Log>>,
}

/// What the recorder shares with those who ask it.
#[derive(Debug)]
struct Log {
    location: String,
    requests: mpsc::Sender<Request>,
    current: RwLock<Current>,
    checkpoint: watch::Sender<Option<SignedCheckpoint>>,
    /// Whether another operator writes, though none was elected.
    displaced: watch::Sender<bool>,
    /// Why the log is not what others know of it. None: nobody says so.
    discontinued: watch::Sender<Option<Arc<str>>>,
}

impl Log {
    fn current(&self) -> RwLockReadGuard<'_, Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The log as of now.
#[derive(Default)]
struct Current {
    state: LogState,
    /// None until the log was opened first.
    pseudonyms: Option<Arc<Pseudonyms>>,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("size", &self.state.size()).finish_non_exhaustive()
    }
}

impl Evidence {
    /// Without a log: who leads may write statuses, and nothing is recorded.
    pub fn without_log(leadership: impl Into<Leadership>, clock: Clock) -> Self {
        let leadership = leadership.into();
        let mut following = leadership.clone();
        let mut term = 0;
        let mut now = move |leads: bool| {
            term += u64::from(leads);
            if leads { Writing::Open(term) } else { Writing::Standby }
        };
        let (sender, writing) = watch::channel(now(following.look()));
        tokio::spawn(async move {
            while following.changed().await {
                sender.send_replace(now(following.look()));
            }
        });
        Self { writing, leadership, clock, log: None }
    }

    /// The clock by which everything is dated.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether the log may be written.
    pub fn writing(&self) -> Writing {
        let writing = self.writing.borrow().clone();
        // Who was stopped for a while and goes on may not have been told that another leads.
        if self.leadership.holds() { writing } else { Writing::Standby }
    }

    /// Whether another operator writes the log, so that this one does nothing though it should.
    pub fn displaced(&self) -> Option<watch::Receiver<bool>> {
        self.log.as_ref().map(|log| log.displaced.subscribe())
    }

    /// Why the log is not, or not all of, what others know of it: an older copy was put back, or it
    /// was rewritten. It stays so until the log is found to be whole. None without a log.
    pub fn discontinued(&self) -> Option<watch::Receiver<Option<Arc<str>>>> {
        self.log.as_ref().map(|log| log.discontinued.subscribe())
    }

    /// Takes in what witnesses say of the log: why one of them refuses it, or None if none does. An
    /// entry says so, and recording goes on: a witness alone must not stop it.
    pub async fn witnesses_say(&self, refusal: Option<String>) {
        let Some(log) = &self.log else { return };
        // The recorder is gone only while shutting down.
        let _ = log.requests.send(Request::WitnessesSay(refusal.map(Into::into))).await;
    }

    /// To be told when that changes.
    pub fn subscribe(&self) -> watch::Receiver<Writing> {
        self.writing.clone()
    }

    /// Whether there is a log at all.
    pub fn has_log(&self) -> bool {
        self.log.is_some()
    }

    /// Where the log is. None without a log.
    pub fn location(&self) -> Option<&str> {
        self.log.as_ref().map(|log| log.location.as_str())
    }

    /// What vouches for the log, whenever it changes. None without a log.
    pub fn checkpoint(&self) -> Option<watch::Receiver<Option<SignedCheckpoint>>> {
        self.log.as_ref().map(|log| log.checkpoint.subscribe())
    }

    /// Looks at the fold of the log. None without a log, and until it was opened first.
    pub fn read<T>(&self, look: impl FnOnce(&LogState) -> T) -> Option<T> {
        let current = self.log.as_ref()?.current();
        current.pseudonyms.as_ref().map(|_| look(&current.state))
    }

    /// The pseudonyms of people in this log. None without a log, and until it was opened first.
    pub fn pseudonyms(&self) -> Option<Arc<Pseudonyms>> {
        self.log.as_ref()?.current().pseudonyms.clone()
    }

    /// Hands a batch over to be recorded by one append, and returns at once. The answer comes when
    /// it is durable, or is known not to be; of two batches the first is answered first.
    ///
    /// After [`EvidenceError::Unavailable`] the log may or may not hold the batch: that is known
    /// once it was opened again.
    pub fn submit(&self, batch: Batch) -> BatchAnswer {
        let (reply, answer) = oneshot::channel();
        let Some(log) = &self.log else {
            let _ = reply.send(Ok(batch.receipt_without_log(self.clock.now())));
            return answer;
        };
        // Who asks has one batch under way at a time, so the queue is full only if its task hangs.
        // The reply goes with the batch then, and the answer is an error of the channel.
        let _ = log.requests.try_send(Request::Record {
            batch: Box::new(batch),
            handed_over: self.clock.machine().uptime,
            reply,
        });
        answer
    }

    /// Whether the list of what a control judged is due, by the log. Never without a log.
    pub fn wants_population(&self, control: &ObjectKey, now: Timestamp) -> bool {
        self.read(|state| {
            let verdict = state.verdict(&control.name);
            let list = verdict.and_then(|verdict| verdict.population_list.as_ref());
            list.is_none_or(|(_, at)| now.duration_since(*at) >= POPULATION_EVERY)
        })
        .unwrap_or(false)
    }

    /// Whether the log has a list of exactly those who are in a control's population by its newest
    /// entry, so that a list would say nothing new.
    pub fn has_listed(&self, control: &ObjectKey) -> bool {
        self.read(|state| {
            let verdict = state.verdict(&control.name);
            verdict.is_some_and(|verdict| {
                verdict.listed_digest.is_some()
                    && verdict.listed_digest == verdict.population_digest
            })
        })
        .unwrap_or(false)
    }

    /// Records what the audit stream came to, with the gaps of it first, by one append. Resolves once it
    /// is durable. People are pseudonyms in it already.
    pub async fn record_usage(
        &self,
        usage: Vec<UsageData>,
        gaps: Vec<GapData>,
    ) -> Result<(), EvidenceError> {
        let ended = || EvidenceError::Unavailable("the recorder has ended".into());
        let Some(log) = &self.log else {
            return Err(EvidenceError::Unavailable("there is no evidence log".into()));
        };
        let (reply, answer) = oneshot::channel();
        let request = Request::RecordUsage { usage, gaps, reply };
        log.requests.send(request).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// Ends the log in order: says that the operator stopped, and closes it.
    pub async fn stop(&self) {
        let Some(log) = &self.log else { return };
        let (reply, done) = oneshot::channel();
        if log.requests.send(Request::Stop(reply)).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Resolves once the recorder has ended, in order or not; never without a log.
    pub async fn ended(self) {
        match self.log {
            Some(log) => log.requests.closed().await,
            None => std::future::pending().await,
        }
    }
}

/// Where an entry is. The smallest log that has it, so that it is the same whoever looks.
fn reference(index: u64) -> EvidenceRef {
    let index = i64::try_from(index).unwrap_or(i64::MAX);
    EvidenceRef { index, log_size: index.saturating_add(1) }
}
