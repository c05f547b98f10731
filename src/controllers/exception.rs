//! The reconciler of `ControlException`: how it stands goes into its status.

use std::sync::Arc;

use jiff::Timestamp;
use kube::{Api, Resource, ResourceExt, core::DeserializeGuard, runtime::controller::Action};

use super::{
    board::Board,
    measured::measured,
    recording::{RECORD_AGAIN, RecordError, in_time, record_object},
    status, unreadable,
    writer::{WINDOW, WriteError, Writer},
};
use crate::telemetry::{Metrics, Outcome, ReconcileKind};
use comptroller_core::{
    api::{ControlException, ControlExceptionStatus, ExceptionPhase},
    engine::exceptions::ExceptionState,
};
use comptroller_recorder::{Evidence, Writing};

/// What the reconciler needs.
pub struct Context {
    /// Where to write.
    pub api: Api<ControlException>,
    /// Where standings are.
    pub board: Arc<Board>,
    /// What was written.
    pub writer: Writer<ControlExceptionStatus>,
    /// What is counted.
    pub metrics: Metrics,
    /// Where what happens to them is recorded first.
    pub evidence: Evidence,
}

/// Why an exception could not be reconciled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The record comes first.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Then the status.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Brings the status of an exception in line with how it stands.
pub async fn reconcile(
    object: Arc<DeserializeGuard<ControlException>>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let work = reconcile_inner(&object, &context);
    measured(&context.metrics, ReconcileKind::Exception, work).await
}

async fn reconcile_inner(
    object: &DeserializeGuard<ControlException>,
    context: &Context,
) -> Result<(Action, Outcome), Error> {
    let name = object.name_any();
    let standing = match &object.0 {
        Ok(_) => context.board.exception(&name),
        Err(invalid) => Some(ExceptionState {
            phase: ExceptionPhase::Rejected,
            matched: 0,
            message: format!(
                "{}; write a new exception",
                unreadable::explain(&context.api, &name, invalid).await
            ),
            unresolved_names: Vec::new(),
        }),
    };
    // While the log can't be written no new phase is claimed.
    if !matches!(context.evidence.writing(), Writing::Open(_)) {
        return Ok((Action::await_change(), Outcome::Unchanged));
    }
    let spec = object.0.as_ref().ok().map(|exception| &exception.spec);
    let phase = standing.as_ref().map(|standing| standing.phase.as_str());
    let recorded = record_object(&context.evidence, "ControlException", object, spec, phase);
    in_time(recorded).await?;
    let Some(standing) = standing else {
        return Ok((Action::await_change(), Outcome::Unchanged));
    };
    let status = object.0.as_ref().ok().and_then(|exception| exception.status.as_ref());
    let previous = context.writer.newest(object, status);
    let generation = object.meta().generation.unwrap_or_default();
    let known = previous.clone().unwrap_or_default();
    let now = Timestamp::now();
    let desired = status::exception(&known, &standing, generation, now);
    let again = || context.writer.recheck(&name).map_or_else(Action::await_change, Action::requeue);
    if previous.as_ref() == Some(&desired) {
        return Ok((again(), Outcome::Unchanged));
    }
    if let Some(left) = context.writer.hold(&name, WINDOW) {
        return Ok((Action::requeue(left), Outcome::Unchanged));
    }
    context.writer.write(&context.api, &name, desired, now).await?;
    Ok((again(), Outcome::Written))
}

/// Failures are retried, later each time.
#[allow(clippy::needless_pass_by_value, reason = "the signature is the controller's")]
pub fn error_policy(
    object: Arc<DeserializeGuard<ControlException>>,
    error: &Error,
    context: Arc<Context>,
) -> Action {
    let name = object.name_any();
    Action::requeue(match error {
        Error::Write(error) => context.writer.failed(&name, error),
        // Whoever keeps the log says why it can't be written, once for all.
        Error::Record(error) => {
            tracing::debug!(exception = name, %error, "not recorded yet");
            RECORD_AGAIN
        }
    })
}
