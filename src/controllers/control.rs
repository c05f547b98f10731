//! The reconciler of `Control`: what the engine says of it goes into its status.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{
    Api, Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::{
        controller::Action,
        events::{Event, EventType, Recorder},
    },
};
use tokio::sync::watch;

use super::{
    board::{Board, Posted},
    measured::measured,
    occurrences,
    recording::{Recorded, Recording},
    status::{self, Known, Plan},
    writer::{QUIET_WINDOW, WINDOW, WriteError, Writer},
};
use crate::{
    api::{Control, ControlStatus, State},
    engine::{Reason, Verdict},
    evidence::{Cited, EvidenceError, Writing},
    telemetry::{Failure, Metrics, Outcome, ReconcileKind},
};

/// The longest event note that the API server takes, in bytes.
const MAX_NOTE: usize = 1024;

/// What the reconciler needs.
pub struct Context {
    /// Where to write.
    pub api: Api<Control>,
    /// Where verdicts are.
    pub board: Arc<Board>,
    /// Where they are recorded first.
    pub recording: Recording,
    /// Who publishes events.
    pub recorder: Recorder,
    /// What was written.
    pub writer: Writer<ControlStatus>,
    /// What is counted.
    pub metrics: Metrics,
    /// When the operator started.
    pub started: Timestamp,
    /// The leadership whose memory the verdicts on the board have adopted.
    pub adopted: watch::Receiver<u64>,
}

/// Why a control could not be reconciled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The record comes first.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// Then the status.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Brings the status of a control in line with its verdict.
pub async fn reconcile(
    object: Arc<DeserializeGuard<Control>>,
    context: Arc<Context>,
) -> Result<Action, Error> {
    let work = reconcile_inner(&object, &context);
    measured(&context.metrics, ReconcileKind::Control, work).await
}

async fn reconcile_inner(
    object: &DeserializeGuard<Control>,
    context: &Context,
) -> Result<(Action, Outcome), Error> {
    let now = Timestamp::now();
    let name = object.name_any();
    let generation = object.meta().generation.unwrap_or_default();
    let posted = observe(object, context, &name, generation, now);
    let control = object.0.as_ref().ok();
    match context.recording.evidence.writing() {
        // The verdicts of a process that takes over first adopt since when things are so.
        Writing::Open(term) if *context.adopted.borrow() == term => {}
        Writing::Failing(why) => {
            if let Some(control) = control {
                context.metrics.control_unrecorded(&name, &control.spec);
            }
            return fail_closed(object, context, &why, now).await;
        }
        Writing::Standby => {
            // How it stands is for who writes it down to say.
            context.metrics.forget_control(&name);
            return Ok((Action::await_change(), Outcome::Unchanged));
        }
        Writing::Open(_) | Writing::Opening => {
            return Ok((Action::await_change(), Outcome::Unchanged));
        }
    }
    if let Some(control) = control {
        context.metrics.declare_control(&name, &control.spec);
    }
    let gather = || context.writer.gather(&name, WINDOW);
    match context.recording.bring_up(object, posted, gather, now).await? {
        Recorded::Later(left) => Ok((Action::requeue(left), Outcome::Unchanged)),
        Recorded::Yes(posted, cited) => {
            if let (Some(control), Some(posted)) = (control, &posted) {
                context.metrics.observe_control(&name, &control.spec, Some(&posted.verdict));
            }
            report(object, context, posted.as_deref(), cited, now).await
        }
    }
}

/// Writes what is recorded, if the status does not say so yet.
async fn report(
    object: &DeserializeGuard<Control>,
    context: &Context,
    posted: Option<&Posted>,
    cited: Option<Cited>,
    now: Timestamp,
) -> Result<(Action, Outcome), Error> {
    let name = object.name_any();
    let control = object.0.as_ref().ok();
    let status = control.and_then(|control| control.status.as_ref());
    let previous = context.writer.newest(object, status).unwrap_or_default();
    let created = object.meta().creation_timestamp.as_ref();
    let known = Known {
        generation: object.meta().generation.unwrap_or_default(),
        waits_since: created.map_or(context.started, |created| created.0.max(context.started)),
        spec: control.map(|control| &control.spec),
        verdict: posted.map(|posted| posted.verdict.as_ref()),
        cited,
        evaluated: context.board.evaluated(),
        waiting: &context.board.waiting(),
    };
    let plan = status::plan(&previous, &known, now);
    if let Plan::Write { urgent, .. } = &plan {
        let window = if *urgent { WINDOW } else { QUIET_WINDOW };
        if let Some(left) = context.writer.gather(&name, window) {
            return Ok((Action::requeue(left), Outcome::Unchanged));
        }
    }
    match plan {
        Plan::Wait(left) => {
            Ok((Action::requeue(Duration::try_from(left).unwrap_or_default()), Outcome::Unchanged))
        }
        // The status follows at once, citing the heartbeat.
        Plan::Beat => {
            if let Some(posted) = posted {
                context.recording.beat(&name, posted, now).await?;
            }
            Ok((Action::requeue(Duration::ZERO), Outcome::Unchanged))
        }
        Plan::Write { status, change, transition, urgent: _ } => {
            let recording = status::recording_changed(&previous, &status);
            context.writer.write(&context.api, &name, *status).await?;
            if recording == Some(true) {
                let note = "verdicts are recorded in the evidence log again".to_owned();
                publish(object, EventType::Normal, status::RECORDED, note, context).await;
            }
            if let Some(posted) = posted {
                if change {
                    tell(&name, posted, context);
                }
                if transition {
                    announce(object, &previous, &posted.verdict, context).await;
                }
                remind(object, &previous, &posted.verdict, context).await;
            }
            Ok((Action::requeue(Duration::ZERO), Outcome::Written))
        }
    }
}

/// The log can't be written: no new verdict is claimed, and a condition says why.
async fn fail_closed(
    object: &DeserializeGuard<Control>,
    context: &Context,
    why: &str,
    now: Timestamp,
) -> Result<(Action, Outcome), Error> {
    let name = object.name_any();
    let generation = object.meta().generation.unwrap_or_default();
    let status = object.0.as_ref().ok().and_then(|control| control.status.as_ref());
    let previous = context.writer.newest(object, status).unwrap_or_default();
    let closed = status::unrecorded(&previous, generation, why, now);
    if closed == previous {
        return Ok((Action::await_change(), Outcome::Unchanged));
    }
    if let Some(left) = context.writer.gather(&name, WINDOW) {
        return Ok((Action::requeue(left), Outcome::Unchanged));
    }
    let recording = status::recording_changed(&previous, &closed);
    context.writer.write(&context.api, &name, closed).await?;
    if recording == Some(false) {
        let note = format!("verdicts can't be recorded, so the status stays what it was: {why}");
        publish(object, EventType::Warning, status::LOG_UNAVAILABLE, note, context).await;
    }
    Ok((Action::await_change(), Outcome::Written))
}

/// Says in log and metrics that a verdict reached its status.
fn tell(name: &str, posted: &Posted, context: &Context) {
    let Posted { verdict, received, .. } = posted;
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

/// The verdict for this generation. A spec that can't be read is one, too: it says why.
fn observe(
    object: &DeserializeGuard<Control>,
    context: &Context,
    name: &str,
    generation: i64,
    now: Timestamp,
) -> Option<Posted> {
    match &object.0 {
        Ok(_) => context.board.control(name).filter(|posted| {
            posted.verdict.generation == generation && posted.uid == object.meta().uid
        }),
        Err(invalid) => Some(Posted {
            verdict: Arc::new(Verdict::blocked(
                generation,
                Reason::InvalidSpec,
                format!(
                    "the spec can't be read: {}; correct the field and apply again",
                    invalid.error
                ),
                object.meta().creation_timestamp.as_ref().map_or(now, |time| time.0),
            )),
            uid: object.meta().uid.clone(),
            passed: 0,
            received: std::time::Instant::now(),
        }),
    }
}

/// Publishes one event for a change of state. A lost event loses nothing: status has it all.
async fn announce(
    object: &DeserializeGuard<Control>,
    previous: &ControlStatus,
    verdict: &Verdict,
    context: &Context,
) {
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
    publish(object, type_, verdict.state.as_str(), note, context).await;
}

/// Publishes what became of the occurrences of a human control, and reminds of what is due.
async fn remind(
    object: &DeserializeGuard<Control>,
    previous: &ControlStatus,
    verdict: &Verdict,
    context: &Context,
) {
    for one in occurrences::announcements(&previous.occurrences, &verdict.occurrences) {
        let type_ = if one.warning { EventType::Warning } else { EventType::Normal };
        publish(object, type_, one.reason, one.note, context).await;
    }
}

async fn publish(
    object: &DeserializeGuard<Control>,
    type_: EventType,
    reason: &str,
    mut note: String,
    context: &Context,
) {
    note.truncate(note.floor_char_boundary(MAX_NOTE));
    let event = Event {
        type_,
        reason: reason.to_owned(),
        note: Some(note),
        action: "Evaluate".to_owned(),
        secondary: None,
    };
    let reference = object.object_ref(&());
    if let Err(error) = context.recorder.publish(&event, &reference).await {
        let what = format!("an event of Control {}", object.name_any());
        let remedy = "an event can't be published: grant create and patch on events of events.k8s.io to the operator";
        context.metrics.outages().failed(&what, Failure::of(&error), &error, remedy);
    }
}

/// Failures are retried, later each time.
#[allow(clippy::needless_pass_by_value, reason = "the signature is the controller's")]
pub fn error_policy(
    object: Arc<DeserializeGuard<Control>>,
    error: &Error,
    context: Arc<Context>,
) -> Action {
    let name = object.name_any();
    match error {
        Error::Write(error) => {
            error.log(&format!("the status of Control {name}"), context.metrics.outages());
        }
        // Whoever keeps the log says why it can't be written, once for all controls.
        Error::Evidence(error) => tracing::debug!(control = name, %error, "not recorded yet"),
    }
    Action::requeue(context.writer.backoff(&object.name_any()))
}
