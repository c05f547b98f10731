//! The audit stream: events that the API server sends are reduced at once, and what they come to is
//! recorded by the replica that leads.
//!
//! A batch that was taken is in memory until it is recorded. If the process is killed before, the log
//! does not say that the time was heard: the next start begins with a gap of the stream, from what is
//! recorded to the first heartbeat that arrives.

mod heartbeat;
mod task;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::SignedDuration;
use tokio::sync::{Semaphore, SemaphorePermit};

use self::heartbeat::Mark;
use crate::telemetry::{AuditStreamMetrics, BatchOutcome, Metrics};
use comptroller_recorder::{Evidence, Writing};
use comptroller_usage::{BreakGlass, Heartbeats, Limits, ListError, Reducer, read_list};

/// How many batches are read at a time. Others wait, and then come again.
const SEATS: usize = 2;

/// How long a batch waits for its turn.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the stream is heard.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    /// How long an event may take to arrive. The API server itself waits for up to 30 s to fill a batch.
    pub late: SignedDuration,
    /// How often what was heard is recorded: as much is lost if the process is killed.
    pub record_every: SignedDuration,
    /// Which access is for emergencies only.
    pub break_glass: BreakGlass,
}

/// The audit stream. Clones share it.
#[derive(Clone)]
pub struct AuditStream(Arc<Shared>);

struct Shared {
    config: StreamConfig,
    evidence: Evidence,
    metrics: AuditStreamMetrics,
    mark: Mark,
    seats: Semaphore,
    state: Mutex<State>,
}

struct State {
    reducer: Reducer,
    /// None while this process does not write the log.
    heartbeats: Option<Heartbeats>,
}

impl fmt::Debug for AuditStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditStream").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// Why no mark of its own could be made for this process's requests.
#[derive(Debug, thiserror::Error)]
#[error(
    "the system gives no random numbers: {0}; the audit stream needs them to know its own requests"
)]
pub struct NoRandomness(#[from] getrandom::Error);

impl AuditStream {
    /// A stream of which nothing was heard yet.
    pub fn new(
        config: StreamConfig,
        evidence: Evidence,
        metrics: &Metrics,
    ) -> Result<Self, NoRandomness> {
        let metrics = metrics.audit_stream().clone();
        metrics.begun();
        let reducer = Reducer::new(Limits::OPERATOR, config.break_glass.clone());
        Ok(Self(Arc::new(Shared {
            config,
            evidence,
            metrics,
            mark: Mark::new()?,
            seats: Semaphore::new(SEATS),
            state: Mutex::new(State { reducer, heartbeats: None }),
        })))
    }

    /// Whether this process takes events: it leads, and has opened the log. While the log can't be written
    /// they add up, within their bounds.
    pub fn accepts(&self) -> bool {
        matches!(self.0.evidence.writing(), Writing::Open(_) | Writing::Failing { .. })
            && self.state().heartbeats.is_some()
    }

    /// The right to have a batch read. None if others took all for too long.
    pub async fn seat(&self) -> Option<SemaphorePermit<'_>> {
        tokio::time::timeout(PATIENCE, self.0.seats.acquire()).await.ok()?.ok()
    }

    /// Takes a batch in.
    pub fn take(&self, body: &[u8]) -> Result<u64, ListError> {
        let now = self.0.evidence.clock().now();
        let mut state = self.state();
        let State { reducer, heartbeats } = &mut *state;
        let taken = read_list(body, |event| {
            if let Some(number) = self.0.mark.number(&event.request_uri)
                && let Some(heartbeats) = heartbeats
            {
                heartbeats.heard(number);
            }
            reducer.take(event, Some(now));
        });
        drop(state);
        if taken.is_ok() {
            self.0.metrics.batch(BatchOutcome::Taken);
        }
        taken
    }

    /// A batch of a sender that was believed could not be taken. Whether it comes again is the sender's to
    /// decide, so events may be missing.
    pub fn interrupted(&self, outcome: BatchOutcome) {
        self.0.metrics.batch(outcome);
        let now = self.0.evidence.clock().now();
        if let Some(heartbeats) = &mut self.state().heartbeats {
            heartbeats.interrupted(now);
        }
    }

    /// A batch came to a replica that does not lead: it comes again, to one that may.
    pub fn deferred(&self) {
        self.0.metrics.batch(BatchOutcome::Deferred);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
