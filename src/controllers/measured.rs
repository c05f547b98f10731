//! What every reconcile counts of itself.

use std::{future::Future, time::Instant};

use kube::runtime::controller::Action;

use crate::telemetry::{Metrics, Outcome, ReconcileKind};

/// Runs a reconcile and counts how it ended and how long it took.
pub async fn measured<E>(
    metrics: &Metrics,
    kind: ReconcileKind,
    reconcile: impl Future<Output = Result<(Action, Outcome), E>>,
) -> Result<Action, E> {
    let started = Instant::now();
    let result = reconcile.await;
    let outcome = result.as_ref().map_or(Outcome::Failed, |(_, outcome)| *outcome);
    metrics.reconciled(kind, outcome, started.elapsed());
    result.map(|(action, _)| action)
}
