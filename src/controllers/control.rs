//! The reconciler of `Control`: what the engine says of it goes into its status.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use kube::{
    Api, Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::{controller::Action, events::EventType},
};
use tokio::sync::watch;

use super::{
    board::{Board, Posted},
    events::{News, Publisher},
    measured::measured,
    occurrences,
    recording::{RECORD_AGAIN, RecordError, Recorded, Recording, in_time},
    status::{self, Known, Plan},
    unreadable,
    writer::{QUIET_WINDOW, WINDOW, WriteError, Writer},
};
use crate::telemetry::{Metrics, Outcome, ReconcileKind};
use comptroller_core::{
    api::{Control, ControlStatus, State},
    engine::{Reason, Verdict},
};
use comptroller_recorder::{Cited, Writing};

/// What the reconciler needs.
pub struct Context {
    /// Where to write.
    pub api: Api<Control>,
    /// Where verdicts are.
    pub board: Arc<Board>,
    /// Where they are recorded first.
    pub recording: Recording,
    /// Who publishes events.
    pub events: Publisher,
    /// What was written.
    pub writer: Writer<ControlStatus>,
    /// What is counted.
    pub metrics: Metrics,
    /// When the operator started.
    pub started: Timestamp,
    /// The leadership whose memory the verdicts on the board have adopted.
    pub adopted: watch::Receiver<u64>,
    /// Since when the log can't be written.
    pub unrecorded: Unrecorded,
}

/// Since when the log can't be written, as reconcilers saw it.
#[derive(Debug, Default)]
pub struct Unrecorded(Mutex<Option<Timestamp>>);

impl Unrecorded {
    fn since(&self, now: Timestamp) -> Timestamp {
        *self.lock().get_or_insert(now)
    }

    fn end(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a control could not be reconciled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The record comes first.
    #[error(transparent)]
    Record(#[from] RecordError),
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
    let unreadable = match &object.0 {
        Ok(_) => None,
        Err(invalid) => Some(unreadable::explain(&context.api, &name, invalid).await),
    };
    let posted = observe(object, context, unreadable, now);
    let writing = context.recording.evidence.writing();
    if let Writing::Failing(why) = &writing {
        return fail_closed(object, context, posted.as_ref(), why, now).await;
    }
    context.unrecorded.end();
    match writing {
        // The verdicts of a process that takes over first adopt since when things are so.
        Writing::Open(term) if *context.adopted.borrow() == term => {}
        Writing::Standby => {
            // How it stands is for who writes it down to say.
            context.metrics.forget_control(&name);
            return Ok((Action::await_change(), Outcome::Unchanged));
        }
        _ => return Ok((Action::await_change(), Outcome::Unchanged)),
    }
    let control = object.0.as_ref().ok();
    if let Some(control) = control {
        context.metrics.declare_control(&name, &control.spec);
    }
    let gather = || context.writer.gather(&name, WINDOW);
    let recorded = context.recording.bring_up(object, posted, gather, now);
    match in_time(recorded).await? {
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
        as_of: context.board.as_of(&name),
        waiting: &context.board.waiting(),
    };
    let plan = status::plan(&previous, &known, now);
    if let Plan::Write { urgent, .. } = &plan {
        let window = if *urgent { WINDOW } else { QUIET_WINDOW };
        if let Some(left) = context.writer.hold(&name, window) {
            return Ok((Action::requeue(left), Outcome::Unchanged));
        }
    }
    match plan {
        Plan::Wait(left) => {
            let left = Duration::try_from(left).unwrap_or_default();
            let left = context.writer.recheck(&name).map_or(left, |recheck| recheck.min(left));
            Ok((Action::requeue(left), Outcome::Unchanged))
        }
        // The status follows at once, citing the heartbeat.
        Plan::Beat => {
            if let Some(posted) = posted {
                let beat = context.recording.beat(&name, posted, now);
                in_time(beat).await?;
            }
            Ok((Action::requeue(Duration::ZERO), Outcome::Unchanged))
        }
        Plan::Write { status, change, transition, urgent: _ } => {
            let recording = status::recording_changed(&previous, &status);
            // What is only sent again was told when it was new.
            let is_news = !context.writer.is_refused(&name);
            context.writer.write(&context.api, &name, *status, now).await?;
            if recording == Some(true) {
                let note = "verdicts are recorded in the evidence log again".to_owned();
                publish(object, EventType::Normal, status::RECORDED, note, context);
            }
            if let Some(posted) = posted {
                if change && is_news {
                    tell(&name, posted, context);
                }
                // That it is as it was before is no news.
                if transition && !(recording == Some(true) && status::stood(&posted.verdict)) {
                    announce(object, &previous, &posted.verdict, context);
                }
                remind(object, &previous, &posted.verdict, context);
            }
            Ok((Action::requeue(Duration::ZERO), Outcome::Written))
        }
    }
}

/// The log can't be written: no new verdict is claimed, a condition says why, and after a while no
/// control is said to hold.
async fn fail_closed(
    object: &DeserializeGuard<Control>,
    context: &Context,
    posted: Option<&Posted>,
    why: &str,
    now: Timestamp,
) -> Result<(Action, Outcome), Error> {
    let name = object.name_any();
    let generation = object.meta().generation.unwrap_or_default();
    let status = object.0.as_ref().ok().and_then(|control| control.status.as_ref());
    let previous = context.writer.newest(object, status).unwrap_or_default();
    let since = context.unrecorded.since(now);
    let closed = status::unrecorded(&previous, generation, why, since, now);
    if let Ok(control) = &object.0 {
        let verdict = posted.map(|posted| status::as_reported(&posted.verdict, &closed));
        context.metrics.observe_control(&name, &control.spec, verdict.as_ref());
    }
    let again = || match status::claims_until(&closed, since, now) {
        Some(left) => Action::requeue(Duration::try_from(left).unwrap_or_default()),
        None => Action::await_change(),
    };
    if closed == previous {
        return Ok((again(), Outcome::Unchanged));
    }
    if let Some(left) = context.writer.hold(&name, WINDOW) {
        return Ok((Action::requeue(left), Outcome::Unchanged));
    }
    let recording = status::recording_changed(&previous, &closed);
    let again = again();
    context.writer.write(&context.api, &name, closed, now).await?;
    if recording == Some(false) {
        let note = format!("verdicts can't be recorded, so no new one is claimed: {why}");
        publish(object, EventType::Warning, status::LOG_UNAVAILABLE, note, context);
    }
    Ok((again, Outcome::Written))
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
    unreadable: Option<String>,
    now: Timestamp,
) -> Option<Posted> {
    let generation = object.meta().generation.unwrap_or_default();
    match unreadable {
        None => context.board.control(&object.name_any()).filter(|posted| {
            posted.verdict.generation == generation && posted.uid == object.meta().uid
        }),
        Some(problems) => Some(Posted {
            verdict: Arc::new(Verdict::blocked(
                generation,
                Reason::InvalidSpec,
                problems,
                object.meta().creation_timestamp.as_ref().map_or(now, |time| time.0),
            )),
            uid: object.meta().uid.clone(),
            passed: 0,
            received: std::time::Instant::now(),
        }),
    }
}

/// Publishes one event for a change of state.
fn announce(
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
    publish(object, type_, verdict.state.as_str(), note, context);
}

/// Publishes what became of the occurrences of a human control, and reminds of what is due.
fn remind(
    object: &DeserializeGuard<Control>,
    previous: &ControlStatus,
    verdict: &Verdict,
    context: &Context,
) {
    for one in occurrences::announcements(&previous.occurrences, &verdict.occurrences) {
        let type_ = if one.warning { EventType::Warning } else { EventType::Normal };
        publish(object, type_, one.reason, one.note, context);
    }
}

fn publish(
    object: &DeserializeGuard<Control>,
    type_: EventType,
    reason: &str,
    note: String,
    context: &Context,
) {
    let regarding = object.object_ref(&());
    context.events.publish(News { regarding, type_, reason: reason.to_owned(), note });
}

/// Failures are retried, later each time.
#[allow(clippy::needless_pass_by_value, reason = "the signature is the controller's")]
pub fn error_policy(
    object: Arc<DeserializeGuard<Control>>,
    error: &Error,
    context: Arc<Context>,
) -> Action {
    let name = object.name_any();
    Action::requeue(match error {
        Error::Write(error) => context.writer.failed(&name, error),
        // Whoever keeps the log says why it can't be written, once for all controls.
        Error::Record(error) => {
            tracing::debug!(control = name, %error, "not recorded yet");
            RECORD_AGAIN
        }
    })
}
