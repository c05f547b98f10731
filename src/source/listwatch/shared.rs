//! What all list-watches share.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use kube::Client;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::{deadlines::Deadlines, pace::Pace};
use crate::{source::rewinds::Rewinds, telemetry::Metrics};

/// How many resources are listed at the same time: the more, the more memory, and no sooner done.
const LISTS: usize = 2;

/// A list that takes longer than this, as of a slow aggregated API, does not hold up the others.
const TURN: Duration = Duration::from_secs(10);

/// The API server, and what keeps the list-watches from asking too much of it. Clones share it.
#[derive(Clone)]
pub struct Shared {
    /// The API server.
    pub client: Client,
    /// What is counted.
    pub metrics: Metrics,
    /// Where revisions that go back are told.
    pub rewinds: Rewinds,
    /// How long anything may take.
    pub deadlines: Deadlines,
    pace: Arc<Pace>,
    lists: Arc<Semaphore>,
    health: Arc<Health>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// For the list-watches of one operator.
    pub fn new(client: Client, metrics: Metrics, rewinds: Rewinds) -> Self {
        Self {
            client,
            metrics,
            rewinds,
            deadlines: Deadlines::default(),
            pace: Arc::new(Pace::new(Instant::now())),
            lists: Arc::new(Semaphore::new(LISTS)),
            health: Arc::default(),
        }
    }

    /// Waits until another request may be sent.
    pub async fn pace(&self) {
        let wait = self.pace.take(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Waits for the turn to list; whoever lists holds it.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.lists).acquire_owned();
        tokio::time::timeout(TURN, turn).await.ok()?.ok()
    }

    /// Whether the API server is well, as far as the list-watches noticed.
    pub fn health(&self) -> &Health {
        &self.health
    }
}

/// Whether the API server is well.
#[derive(Debug, Default)]
pub struct Health {
    failed: Mutex<Option<Instant>>,
    healed: Notify,
}

impl Health {
    /// It did not answer, or said that it is unwell.
    pub fn fails(&self, now: Instant) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Whether it failed within this time.
    pub fn failed_within(&self, time: Duration, now: Instant) -> bool {
        let failed = *self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|failed| now.saturating_duration_since(failed) < time)
    }

    /// It answers somebody whom it had failed: the others need not wait longer.
    pub fn heals(&self) {
        self.healed.notify_waiters();
    }

    /// Resolves when it answers again.
    pub async fn healed(&self) {
        self.healed.notified().await;
    }
}
