//! Leader election on a Lease, as in client-go: one of several replicas writes.
//!
//! [`candidate`] decides purely; this half reads and writes the lease. Every write has the resource
//! version that was read, so that if two take the lease, one succeeds.

mod candidate;
#[cfg(test)]
mod simulation;

use std::time::{Duration, Instant};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{Api, Client, api::PostParams};
use tokio::{
    sync::watch,
    time::{Instant as TokioInstant, sleep_until, timeout, timeout_at},
};

use crate::telemetry::Metrics;
use candidate::{Candidate, LeaseAction, LeaseRecord};
pub use candidate::{Timing, TimingError};
use comptroller_recorder::{Clock, Leadership};

/// The name of the lease.
pub const LEASE: &str = "comptroller";

/// How long releasing the lease may take.
const RELEASE: Duration = Duration::from_secs(5);

/// The lease, and the candidate for it.
#[derive(Clone, Debug)]
pub struct ElectionConfig {
    /// The namespace of the lease: the operator's own.
    pub namespace: String,
    /// The name of the lease.
    pub lease: String,
    /// The name of the candidate, such as the pod's; a random suffix makes it unique to the process.
    pub instance: String,
    /// The durations to keep to.
    pub timing: Timing,
}

impl ElectionConfig {
    /// The lease `comptroller` with the durations of client-go.
    pub fn new(namespace: impl Into<String>, instance: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            lease: LEASE.to_owned(),
            instance: instance.into(),
            timing: Timing::default(),
        }
    }
}

/// Why there is no candidate.
#[derive(Debug, thiserror::Error)]
pub enum ElectionError {
    /// Without randomness two processes could have the same name.
    #[error("the system's random number generator failed, which the name of a candidate needs")]
    Randomness,
}

/// A candidate with its lease.
#[derive(Debug)]
pub struct LeaderElector {
    leases: Api<Lease>,
    lease: String,
    candidate: Candidate,
    leading: watch::Sender<bool>,
    /// Until when it leads without another renewal; None if it does not lead.
    until: watch::Sender<Option<Instant>>,
    /// How often the lease had changed hands when this process took it, which is the epoch of the
    /// entries it writes. It is set before `leading` turns true.
    transitions: watch::Sender<u64>,
    metrics: Metrics,
    clock: Clock,
    failing: bool,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error("{0}; the operator needs get, create and update on leases in its namespace")]
    Api(#[from] kube::Error),
    #[error("the API server did not answer in time")]
    Late,
}

impl LeaderElector {
    /// A candidate that does nothing until [`run`](Self::run).
    pub fn new(
        client: Client,
        config: ElectionConfig,
        metrics: Metrics,
        clock: Clock,
    ) -> Result<Self, ElectionError> {
        let ElectionConfig { namespace, lease, instance, timing } = config;
        let name = format!("{instance}_{}", suffix()?);
        metrics.leads(false);
        Ok(Self {
            leases: Api::namespaced(client, &namespace),
            lease,
            candidate: Candidate::new(name, timing),
            leading: watch::Sender::new(false),
            until: watch::Sender::new(None),
            transitions: watch::Sender::new(0),
            metrics,
            clock,
            failing: false,
        })
    }

    /// Whether this process leads. It turns false when the renew deadline passes, at the latest. That
    /// is before another process may lead; writes that were begun must end in between.
    pub fn leading(&self) -> watch::Receiver<bool> {
        self.leading.subscribe()
    }

    /// [`leading`](Self::leading) with its deadline, for the writer of the log: a process that was
    /// paused and resumes is told too late that another leads, so it must look at the deadline.
    pub fn leadership(&self) -> Leadership {
        let (leading, until) = (self.leading.subscribe(), self.until.subscribe());
        Leadership::elected(leading, until, self.transitions.subscribe())
    }

    /// The name in the lease.
    pub fn name(&self) -> &str {
        self.candidate.name()
    }

    /// Stands for election until `shutdown`, then releases the lease. So `shutdown` must come after
    /// the last write. After a lost lease it stands for election again.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) {
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                // A shutdown goes first, or a renewal could follow the last write and keep the
                // lease.
                biased;
                () = &mut shutdown => break,
                () = self.attempt_and_pause() => {}
            }
        }
        // Before the release, so that this process stops leading even if the request fails.
        self.candidate.resign();
        self.publish();
        if let Ok(Err(error)) = timeout(RELEASE, self.release()).await {
            tracing::warn!(%error, "the lease could not be released; the next leader waits until it expires");
        }
    }

    /// One attempt, and the pause after it. It may be dropped at any point: the next one starts from
    /// what the API server has.
    async fn attempt_and_pause(&mut self) {
        let sent = Instant::now();
        let timing = self.candidate.timing();
        let limit = self.candidate.leads_until(sent).unwrap_or(sent + timing.renew());
        // A renewal that is answered after the deadline is of no use: leading has ended by then.
        let outcome = timeout_at(TokioInstant::from_std(limit), self.attempt(sent)).await;
        self.report(outcome.unwrap_or(Err(AttemptError::Late)));
        self.publish();
        let now = Instant::now();
        let next = now + self.candidate.pause(!self.failing, now);
        // The deadline may come before the next attempt, and must not pass unnoticed.
        if let Some(until) = self.candidate.leads_until(now).filter(|until| *until < next) {
            sleep_until(until.into()).await;
            self.publish();
        }
        sleep_until(next.into()).await;
    }

    async fn attempt(&mut self, sent: Instant) -> Result<(), AttemptError> {
        let lease = self.leases.get_opt(&self.lease).await?;
        let observed =
            lease.as_ref().map(|lease| (version(lease), record(lease, self.candidate.timing())));
        let action = self.candidate.observe(observed, Instant::now());
        // If another candidate has the lease, leading ends now and not after the next request.
        self.publish();
        if action == LeaseAction::Wait {
            return Ok(());
        }
        let claim = self.candidate.claim(action, self.clock.now());
        if self.write(lease, &claim).await? {
            // Before leading turns true: the writer needs its epoch first.
            self.transitions.send_replace(u64::try_from(claim.transitions).unwrap_or_default());
            self.candidate.claimed(sent);
        }
        Ok(())
    }

    /// Whether it was written; false if another candidate was faster.
    async fn write(&self, lease: Option<Lease>, record: &LeaseRecord) -> Result<bool, kube::Error> {
        let params = PostParams::default();
        let written = if let Some(mut lease) = lease {
            fill(lease.spec.get_or_insert_default(), record);
            self.leases.replace(&self.lease, &params, &lease).await
        } else {
            let mut lease = Lease::default();
            lease.metadata.name = Some(self.lease.clone());
            fill(lease.spec.get_or_insert_default(), record);
            self.leases.create(&params, &lease).await
        };
        match written {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn release(&mut self) -> Result<(), AttemptError> {
        let Some(lease) = self.leases.get_opt(&self.lease).await? else { return Ok(()) };
        let seen = (version(&lease), record(&lease, self.candidate.timing()));
        // If another candidate holds it by now, it is not ours to release.
        if self.candidate.observe(Some(seen), Instant::now()) == LeaseAction::Renew {
            let released = self.candidate.release(self.clock.now());
            self.write(Some(lease), &released).await?;
        }
        Ok(())
    }

    fn publish(&mut self) {
        let until = self.candidate.leads_until(Instant::now());
        let leads = until.is_some();
        // The deadline first: whoever sees that it leads looks at the deadline next.
        self.until.send_replace(until);
        let changed = self.leading.send_if_modified(|was| std::mem::replace(was, leads) != leads);
        if changed {
            self.metrics.leads(leads);
            let name = self.candidate.name();
            if leads {
                tracing::info!(name, lease = self.lease, "this replica leads");
            } else {
                tracing::info!(name, lease = self.lease, "this replica no longer leads");
            }
        }
    }

    /// Logs when attempts begin to fail and when they succeed again, not each failure.
    fn report(&mut self, outcome: Result<(), AttemptError>) {
        let was_failing = std::mem::replace(&mut self.failing, outcome.is_err());
        let lease = &self.lease;
        match outcome {
            Err(error) if !was_failing => {
                tracing::warn!(lease, %error, "the lease can't be read or written");
            }
            Err(error) => {
                tracing::debug!(lease, %error, "the lease still can't be read or written");
            }
            Ok(()) if was_failing => {
                tracing::info!(lease, "the lease can be read and written again");
            }
            Ok(()) => {}
        }
    }
}

fn version(lease: &Lease) -> String {
    lease.metadata.resource_version.clone().unwrap_or_default()
}

/// The fields of a lease; `timing` has the duration if the lease has none.
fn record(lease: &Lease, timing: Timing) -> LeaseRecord {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    LeaseRecord {
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration: seconds.map_or(timing.lease(), Duration::from_secs),
        acquired: spec.acquire_time.map(|time| time.0),
        renewed: spec.renew_time.map(|time| time.0),
        transitions: spec.lease_transitions.unwrap_or_default(),
    }
}

/// Sets the fields of the election and keeps all others.
fn fill(spec: &mut LeaseSpec, record: &LeaseRecord) {
    spec.holder_identity.clone_from(&record.holder);
    spec.lease_duration_seconds = i32::try_from(record.duration.as_secs()).ok();
    spec.acquire_time = record.acquired.map(MicroTime);
    spec.renew_time = record.renewed.map(MicroTime);
    spec.lease_transitions = Some(record.transitions);
}

/// A random suffix, which tells apart two processes with the same pod name, such as one and its
/// successor after a crash.
fn suffix() -> Result<String, ElectionError> {
    let mut bytes = [0; 8];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| ElectionError::Randomness)?;
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}
