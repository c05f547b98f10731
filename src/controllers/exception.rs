//! The reconciler of `ControlException`: how it stands by the log goes into its status.

use std::sync::Arc;

use kube::{
    Api, Resource, ResourceExt,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::controller::Action,
};
use tokio::sync::mpsc;

use super::{
    host::Command,
    kinds::key_of,
    status, unreadable,
    verdict_board::VerdictBoard,
    writer::{WINDOW, WriteError, Writer},
};
use crate::telemetry::ReconcileOutcome;
use comptroller_core::{
    api::{ControlException, ControlExceptionStatus, ExceptionPhase},
    engine::exceptions::ExceptionState,
};
use comptroller_recorder::{Evidence, Writing};

/// What the reconciler needs.
pub struct ExceptionContext {
    /// Statuses are written through it.
    pub api: Api<ControlException>,
    /// What is recorded, to be claimed.
    pub board: Arc<VerdictBoard>,
    /// Whether the log, and so a status, may be written.
    pub evidence: Evidence,
    /// The engine's task: it is told what is wrong with a spec that can't be read.
    pub commands: mpsc::Sender<Command>,
    /// The statuses that were written.
    pub writer: Writer<ControlExceptionStatus>,
}

/// Brings the status of an exception in line with how it stands by the log.
pub async fn reconcile(
    object: &DeserializeGuard<ControlException>,
    context: &ExceptionContext,
) -> Result<(Action, ReconcileOutcome), WriteError> {
    if let Err(invalid) = &object.0 {
        explain(object, invalid, context).await;
    }
    // While the log can't be written no new phase is claimed.
    let Writing::Open(opening) = context.evidence.writing() else {
        return Ok((Action::await_change(), ReconcileOutcome::Unchanged));
    };
    let generation = object.meta().generation.unwrap_or_default();
    let published = context.board.exception(&key_of(object.meta()));
    // What is recorded of an earlier spec says nothing of this one.
    let published =
        published.filter(|known| context.board.is_of(opening) && known.generation == generation);
    let Some(published) = published else {
        return Ok((Action::await_change(), ReconcileOutcome::Unchanged));
    };
    let name = object.name_any();
    let status = object.0.as_ref().ok().and_then(|exception| exception.status.as_ref());
    let previous = context.writer.newest(object, status);
    let known = previous.clone().unwrap_or_default();
    let now = context.evidence.clock().now();
    let desired = status::exception(&known, &published.recorded, generation, now);
    let again = || context.writer.recheck(&name).map_or_else(Action::await_change, Action::requeue);
    if previous.as_ref() == Some(&desired) {
        return Ok((again(), ReconcileOutcome::Unchanged));
    }
    if let Some(left) = context.writer.hold(&name, WINDOW) {
        return Ok((Action::requeue(left), ReconcileOutcome::Unchanged));
    }
    context.writer.write(&context.api, &name, desired, now).await?;
    Ok((again(), ReconcileOutcome::Written))
}

/// Tells the engine's task what is wrong with a spec that can't be read: the exception is rejected,
/// which is recorded as every other phase.
async fn explain(
    object: &DeserializeGuard<ControlException>,
    invalid: &InvalidObject,
    context: &ExceptionContext,
) {
    let problems = unreadable::explain(&context.api, &object.name_any(), invalid).await;
    let state = ExceptionState {
        phase: ExceptionPhase::Rejected,
        matched: 0,
        message: format!("{problems}; write a new exception"),
        unresolved_names: Vec::new(),
    };
    let command = Command::UnreadableException(key_of(object.meta()), state);
    // The engine is gone only while shutting down.
    let _ = context.commands.send(command).await;
}
