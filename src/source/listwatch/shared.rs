//! What all list-watches of a process share.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kube::Client;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{deadlines::Deadlines, rate_limit::RateLimiter};
use crate::{source::rewinds::Rewinds, telemetry::Metrics};

/// How many resources are listed at the same time. More would take more memory and not be faster.
const CONCURRENT_LISTS: usize = 2;

/// The longest that a list waits for others, so that a slow aggregated API does not hold them up.
const LIST_TURN: Duration = Duration::from_secs(10);

/// The client, and what keeps the list-watches from asking too much of the API server. Clones share
/// the limits.
#[derive(Clone)]
pub struct WatchContext {
    /// Connection to the API server.
    pub client: Client,
    /// Where failures are counted and outages logged.
    pub metrics: Metrics,
    /// Where a restore of the cluster to an earlier state is announced.
    pub rewinds: Rewinds,
    pub(super) deadlines: Deadlines,
    rate: Arc<RateLimiter>,
    lists: Arc<Semaphore>,
    health: Arc<ServerHealth>,
}

impl std::fmt::Debug for WatchContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchContext").finish_non_exhaustive()
    }
}

impl WatchContext {
    /// The context for all list-watches of a process.
    pub fn new(client: Client, metrics: Metrics, rewinds: Rewinds) -> Self {
        Self {
            client,
            metrics,
            rewinds,
            deadlines: Deadlines::default(),
            rate: Arc::new(RateLimiter::new(Instant::now())),
            lists: Arc::new(Semaphore::new(CONCURRENT_LISTS)),
            health: Arc::default(),
        }
    }

    /// Waits until the rate limit allows another request.
    pub(super) async fn wait_for_turn(&self) {
        // The turn is reserved before the wait, so that those that wait keep their order.
        let wait = self.rate.reserve(Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// Waits until few enough resources are being listed; the permit is held while listing. None
    /// after [`LIST_TURN`]: the list then goes ahead without one.
    pub(super) async fn list_permit(&self) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.lists).acquire_owned();
        tokio::time::timeout(LIST_TURN, permit).await.ok()?.ok()
    }

    /// What the list-watches noticed of the API server's health.
    pub(super) fn health(&self) -> &ServerHealth {
        &self.health
    }
}

/// Whether the API server is healthy, as seen by all list-watches.
#[derive(Debug, Default)]
pub(super) struct ServerHealth {
    failed_at: Mutex<Option<Instant>>,
    recovery: Notify,
}

impl ServerHealth {
    /// The API server did not answer, or answered that it is unhealthy.
    pub fn note_failure(&self, now: Instant) {
        *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Whether it failed within this time.
    pub fn failed_within(&self, time: Duration, now: Instant) -> bool {
        let failed = *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|failed| now.saturating_duration_since(failed) < time)
    }

    /// A list-watch that had failed was answered: the others need not wait any longer.
    pub fn note_recovery(&self) {
        self.recovery.notify_waiters();
    }

    /// Resolves at the next recovery.
    pub async fn recovered(&self) {
        self.recovery.notified().await;
    }
}
