//! The reconciler of `Control`: what is recorded of it goes into its status, metrics and events.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{
    Api, Resource, ResourceExt,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::{controller::Action, events::EventType},
};
use tokio::sync::mpsc;

use super::{
    events::{News as Event, Publisher},
    host::Command,
    kinds::key_of,
    occurrences,
    status::{self, StatusInputs, StatusNews, StatusPlan, Urgency},
    unreadable,
    verdict_board::{PublishedVerdict, VerdictBoard},
    writer::{QUIET_WINDOW, WINDOW, WriteError, Writer},
};
use crate::telemetry::{Metrics, ReconcileOutcome};
use comptroller_core::{
    api::{Control, ControlStatus, State},
    engine::{Reason, Verdict},
};
use comptroller_recorder::{Evidence, Recorded, Writing};

/// What the reconciler needs.
pub struct ControlContext {
    /// Statuses are written through it.
    pub api: Api<Control>,
    /// What is recorded, to be claimed.
    pub board: Arc<VerdictBoard>,
    /// Whether the log, and so a status, may be written.
    pub evidence: Evidence,
    /// The engine's task: it is told what is wrong with a spec that can't be read.
    pub commands: mpsc::Sender<Command>,
    /// Publishes events, beside everything else.
    pub events: Publisher,
    /// The statuses that were written.
    pub writer: Writer<ControlStatus>,
    /// How controls stand, and how reconciles end.
    pub metrics: Metrics,
    /// When the operator started.
    pub started: Timestamp,
}

/// Brings the status of a control in line with its recorded verdict.
pub async fn reconcile(
    object: &DeserializeGuard<Control>,
    context: &ControlContext,
) -> Result<(Action, ReconcileOutcome), WriteError> {
    let now = context.evidence.clock().now();
    if let Err(invalid) = &object.0 {
        explain(object, invalid, context, now).await;
    }
    match context.evidence.writing() {
        Writing::Open(opening) if context.board.is_of(opening) => {
            report(object, context, now).await
        }
        Writing::Failing { obstacle, why, since } => {
            let reason = status::reason_of(obstacle);
            fail_closed(object, context, (reason, &why), since, now).await
        }
        Writing::Standby => {
            // How it stands is for who writes it down to say.
            context.metrics.forget_control(&object.name_any());
            Ok((Action::await_change(), ReconcileOutcome::Unchanged))
        }
        // What the log says is being taken over, and a verdict follows.
        Writing::Opening | Writing::Open(_) => {
            Ok((Action::await_change(), ReconcileOutcome::Unchanged))
        }
    }
}

/// Tells the engine's task what is wrong with a spec that can't be read: that is a verdict, and is
/// recorded as every other. Only the API server knows which field it is.
async fn explain(
    object: &DeserializeGuard<Control>,
    invalid: &InvalidObject,
    context: &ControlContext,
    now: Timestamp,
) {
    let problems = unreadable::explain(&context.api, &object.name_any(), invalid).await;
    let since = object.meta().creation_timestamp.as_ref().map_or(now, |time| time.0);
    let generation = object.meta().generation.unwrap_or_default();
    let verdict = Verdict::blocked(generation, Reason::InvalidSpec, problems, since);
    let command = Command::UnreadableControl(key_of(object.meta()), Box::new(verdict));
    // The engine is gone only while shutting down.
    let _ = context.commands.send(command).await;
}

/// Claims what is recorded, in the metrics and in the status, if that does not say so yet.
async fn report(
    object: &DeserializeGuard<Control>,
    context: &ControlContext,
    now: Timestamp,
) -> Result<(Action, ReconcileOutcome), WriteError> {
    let name = object.name_any();
    let generation = object.meta().generation.unwrap_or_default();
    let control = object.0.as_ref().ok();
    // What is recorded of an earlier spec says nothing of this one.
    let published = context.board.verdict(&key_of(object.meta()));
    let published = published.filter(|known| known.recorded.value().generation == generation);
    let recorded = published.as_ref().map(|published| &published.recorded);
    if recorded.is_none() && context.board.open_counts(&key_of(object.meta())).is_some() {
        // It is judged, and its record is under way: to say that it is evaluated would be a write
        // for a moment.
        return Ok((Action::await_change(), ReconcileOutcome::Unchanged));
    }
    if let Some(control) = control {
        match recorded {
            Some(recorded) => context.metrics.observe_control(&name, &control.spec, recorded),
            None => context.metrics.declare_control(&name, &control.spec),
        }
    }
    let status = control.and_then(|control| control.status.as_ref());
    let previous = context.writer.newest(object, status).unwrap_or_default();
    let created = object.meta().creation_timestamp.as_ref();
    let waits_since = created.map_or(context.started, |created| created.0.max(context.started));
    let waiting = context.board.waiting();
    let discontinued = context.evidence.discontinued().and_then(|why| why.borrow().clone());
    let known = StatusInputs::new(generation, waits_since, &waiting)
        .with_spec(control.map(|control| &control.spec))
        .with_verdict(recorded)
        .with_as_of(context.board.as_of(&name))
        .with_discontinued(discontinued.as_deref());
    let again =
        |left: Duration| context.writer.recheck(&name).map_or(left, |recheck| recheck.min(left));
    let (status, news, urgency) = match status::plan(&previous, &known, now) {
        StatusPlan::Keep => {
            let action =
                context.writer.recheck(&name).map_or_else(Action::await_change, Action::requeue);
            return Ok((action, ReconcileOutcome::Unchanged));
        }
        StatusPlan::Wait(left) => {
            let left = again(Duration::try_from(left).unwrap_or_default());
            return Ok((Action::requeue(left), ReconcileOutcome::Unchanged));
        }
        StatusPlan::Write { status, news, urgency } => (*status, news, urgency),
    };
    let window = if urgency == Urgency::Now { WINDOW } else { QUIET_WINDOW };
    if let Some(left) = context.writer.hold(&name, window) {
        return Ok((Action::requeue(left), ReconcileOutcome::Unchanged));
    }
    let recording = status::recording_changed(&previous, &status);
    // What is only sent again was told when it was new.
    let is_resent = context.writer.is_refused(&name);
    context.writer.write(&context.api, &name, status, now).await?;
    if recording == Some(true) {
        let note = "verdicts are recorded in the evidence log again".to_owned();
        publish(object, EventType::Normal, status::RECORDED, note, context);
    }
    if let (Some(false), Some(why)) = (recording, &discontinued) {
        publish(object, EventType::Warning, status::LOG_DISCONTINUED, why.to_string(), context);
    }
    if let Some(published) = &published {
        if news > StatusNews::Heartbeat && !is_resent {
            tell(&name, published, context);
        }
        // That it is as it was before the log failed is no news.
        let is_as_before =
            recording == Some(true) && status::is_still_so(published.recorded.value());
        if news == StatusNews::Transition && !is_as_before {
            announce(object, &previous, &published.recorded, context);
        }
        remind(object, &previous, &published.recorded, context);
    }
    // The watch shows what was written, and the next look finds nothing to do.
    Ok((Action::requeue(Duration::ZERO), ReconcileOutcome::Written))
}

/// Nothing is recorded since a time, for a reason in a word and in a sentence: no new verdict is claimed, a condition says why, and after
/// a while no control is said to hold.
async fn fail_closed(
    object: &DeserializeGuard<Control>,
    context: &ControlContext,
    (reason, why): (&str, &str),
    since: Timestamp,
    now: Timestamp,
) -> Result<(Action, ReconcileOutcome), WriteError> {
    let name = object.name_any();
    let generation = object.meta().generation.unwrap_or_default();
    let status = object.0.as_ref().ok().and_then(|control| control.status.as_ref());
    let previous = context.writer.newest(object, status).unwrap_or_default();
    let closed = status::unrecorded(&previous, generation, (reason, why), since, now);
    if let Ok(control) = &object.0 {
        let open = context.board.open_counts(&key_of(object.meta()));
        context.metrics.observe_unrecorded_control(&name, &control.spec, &closed, open);
    }
    let again = match status::claims_until(&closed, since, now) {
        Some(left) => Action::requeue(Duration::try_from(left).unwrap_or_default()),
        None => Action::await_change(),
    };
    if closed == previous {
        return Ok((again, ReconcileOutcome::Unchanged));
    }
    if let Some(left) = context.writer.hold(&name, WINDOW) {
        return Ok((Action::requeue(left), ReconcileOutcome::Unchanged));
    }
    let recording = status::recording_changed(&previous, &closed);
    context.writer.write(&context.api, &name, closed, now).await?;
    if recording == Some(false) {
        let note = format!("verdicts can't be recorded, so no new one is claimed: {why}");
        publish(object, EventType::Warning, reason, note, context);
    }
    Ok((again, ReconcileOutcome::Written))
}

/// Says in log and metrics that a verdict reached its status.
fn tell(name: &str, published: &PublishedVerdict, context: &ControlContext) {
    let PublishedVerdict { recorded, received } = published;
    let verdict = recorded.value();
    context.metrics.detected(received.elapsed());
    tracing::info!(
        control = name,
        state = verdict.state.as_str(),
        reason = verdict.reason.as_str(),
        failing = verdict.failing,
        population = verdict.population,
        "verdict"
    );
}

/// Publishes one event for a change of state.
fn announce(
    object: &DeserializeGuard<Control>,
    previous: &ControlStatus,
    recorded: &Recorded<Verdict>,
    context: &ControlContext,
) {
    let verdict = recorded.value();
    let first = previous.since.is_none();
    if first && verdict.state != State::Failing {
        return;
    }
    let type_ = match verdict.state {
        State::Failing | State::Unknown => EventType::Warning,
        State::Passing | State::Excepted | State::NotApplicable => EventType::Normal,
    };
    let note = if first {
        verdict.message.clone()
    } else {
        format!("{} after {}: {}", verdict.state.as_str(), previous.state.as_str(), verdict.message)
    };
    publish(object, type_, verdict.state.as_str(), note, context);
}

/// Publishes what became of the occurrences of a human control, and reminds of what is due.
fn remind(
    object: &DeserializeGuard<Control>,
    previous: &ControlStatus,
    recorded: &Recorded<Verdict>,
    context: &ControlContext,
) {
    // Those that a status has no room for are unknown to it, and would be announced again.
    let occurrences = status::newest(&recorded.value().occurrences);
    for one in occurrences::announcements(&previous.occurrences, &occurrences) {
        let type_ = if one.warning { EventType::Warning } else { EventType::Normal };
        publish(object, type_, one.reason, one.note, context);
    }
}

fn publish(
    object: &DeserializeGuard<Control>,
    type_: EventType,
    reason: &str,
    note: String,
    context: &ControlContext,
) {
    let regarding = object.object_ref(&());
    context.events.publish(Event { regarding, type_, reason: reason.to_owned(), note });
}
