//! The reconciler of `AuditPeriod`: what the evidence log says of the period goes into its status.
//!
//! It folds the log and never reads the cluster. While a period is open the status follows in
//! steps. When the log reaches beyond its end, the numbers are recorded by an entry that closes it, and
//! from then on the status says what that entry says: anything else is put back, and announced.

mod following;
mod summary;

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::DeserializeGuard,
    runtime::{controller::Action, events::EventType},
};
use serde_json::{Map, Value, json};
use tokio::{
    sync::{Mutex, MutexGuard, mpsc},
    time::timeout,
};

use self::{
    following::{Followed, Following, LogPlace, Times},
    summary::{closed, closing, not_begun, put_back, summed, tampered, unready, without_claim},
};
use super::{
    events::{News, Publisher},
    host::Command,
    kinds::key_of,
    unreadable,
    writer::{WINDOW, WriteError, Writer},
};
use crate::source::rewinds::Rewinds;
use crate::telemetry::{Metrics, ReconcileKind, ReconcileOutcome};
use comptroller_core::api::{AuditPeriod, AuditPeriodStatus};
use comptroller_recorder::{Evidence, ObjectKey, PeriodClosing, Writing};
use comptroller_report::period::{PeriodClaim, model::Span};

/// How often an open period is summed up.
const EVERY: Duration = Duration::from_mins(5);

/// How soon the log is tried again.
const RETRY: Duration = Duration::from_mins(1);

/// How long one look at the log may take: the other periods wait for it.
const READING: Duration = Duration::from_mins(5);

/// How long the operator may take to open the log before a status complains of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// How soon to look again for a log that is not open.
const RECHECK: Duration = Duration::from_secs(5);

/// How soon to look again for the entry that closes a period.
const CLOSING: Duration = Duration::from_secs(1);

/// How long taking away what somebody wrote may take.
const REMOVAL: Duration = Duration::from_secs(5);

/// The reason of the event that says that a status was put back.
const PUT_BACK: &str = "StatusPutBack";

/// What the reconciler needs.
pub struct PeriodContext {
    api: Api<AuditPeriod>,
    evidence: Evidence,
    commands: mpsc::Sender<Command>,
    events: Publisher,
    writer: Writer<AuditPeriodStatus>,
    following: Mutex<Following>,
    /// Periods that are gone while another was summed up.
    gone: std::sync::Mutex<Vec<String>>,
    started: Instant,
}

impl PeriodContext {
    /// A context that has read nothing of the log yet.
    pub fn new(
        api: Api<AuditPeriod>,
        evidence: Evidence,
        commands: mpsc::Sender<Command>,
        events: Publisher,
        metrics: Metrics,
        rewinds: Rewinds,
    ) -> Self {
        let kind = ReconcileKind::AuditPeriod;
        Self {
            api,
            evidence,
            commands,
            events,
            writer: Writer::new("comptroller/audit-period", kind, metrics, rewinds),
            following: Mutex::default(),
            gone: std::sync::Mutex::default(),
            started: Instant::now(),
        }
    }

    /// How long to wait after a write that failed.
    pub fn retry_after(&self, name: &str, error: &WriteError) -> Duration {
        self.writer.failed(name, error)
    }

    /// Forgets a period that is gone.
    pub fn forget(&self, name: &str) {
        self.writer.forget(name);
        // Whoever holds the lock is at work on a period; this one goes with the next look.
        match self.following.try_lock() {
            Ok(mut following) => following.forget(name),
            Err(_) => self.gone().push(name.to_owned()),
        }
    }

    fn gone(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn following(&self) -> MutexGuard<'_, Following> {
        let mut following = self.following.lock().await;
        for name in self.gone().drain(..) {
            following.forget(&name);
        }
        following
    }
}

/// A status to write, and when to look again.
struct PeriodPlan {
    status: AuditPeriodStatus,
    again: Option<Duration>,
    /// What a status said that the log does not bear; None if there was none.
    not_borne: Option<String>,
}

/// What is looked at.
struct Look<'a> {
    period: &'a AuditPeriod,
    /// The status that is known, whoever wrote it.
    known: &'a AuditPeriodStatus,
    generation: i64,
    times: Times,
}

/// Brings the status of a period in line with the log.
pub async fn reconcile(
    object: &DeserializeGuard<AuditPeriod>,
    context: &PeriodContext,
) -> Result<(Action, ReconcileOutcome), WriteError> {
    if context.evidence.writing() == Writing::Standby {
        return Ok((Action::await_change(), ReconcileOutcome::Unchanged));
    }
    let name = object.name_any();
    let status = object.0.as_ref().ok().and_then(|period| period.status.as_ref());
    let previous = context.writer.newest(object, status);
    let known = previous.clone().unwrap_or_default();
    let generation = object.meta().generation.unwrap_or_default();
    let clock = context.evidence.clock();
    let times = Times { now: clock.now(), server: clock.server_time() };
    let now = times.now;
    let plan = match &object.0 {
        Ok(period) => plan(&Look { period, known: &known, generation, times }, context).await,
        Err(invalid) => {
            let problems = unreadable::explain(&context.api, &name, invalid).await;
            let message = format!("{problems}; write another AuditPeriod");
            Some(PeriodPlan {
                status: unready(&known, "InvalidSpec", &message, generation, now),
                again: None,
                not_borne: None,
            })
        }
    };
    let Some(PeriodPlan { mut status, again, not_borne }) = plan else {
        return Ok((Action::requeue(RECHECK), ReconcileOutcome::Unchanged));
    };
    let action = || {
        let recheck = context.writer.recheck(&name);
        let soonest = again.into_iter().chain(recheck).min();
        soonest.map_or_else(Action::await_change, Action::requeue)
    };
    // What is written without its texts differs from what was meant.
    let written = context.writer.last_written(&name).filter(|_| !context.writer.is_refused(&name));
    let found = written.and_then(|written| tampered(&written, previous.as_ref()?));
    let not_borne = not_borne.or(found).map(|why| {
        format!("somebody wrote a status that the evidence log does not bear, and it was put back: {why}")
    });
    if let Some(message) = &not_borne {
        status = put_back(status, message, generation, now);
    }
    if previous.as_ref() == Some(&status) {
        return Ok((action(), ReconcileOutcome::Unchanged));
    }
    if not_borne.is_none() && !context.following().await.may_write(&name, &known, &status) {
        return Ok((action(), ReconcileOutcome::Unchanged));
    }
    if let Some(left) = context.writer.hold(&name, WINDOW) {
        return Ok((Action::requeue(left), ReconcileOutcome::Unchanged));
    }
    if let Some(known) = previous.as_ref().filter(|_| not_borne.is_some()) {
        // A field that another manager wrote stays when it is no longer applied, so it is taken away.
        let foreign = dropped(known, &status);
        if !foreign.is_empty() {
            let (patch, params) =
                (Patch::Merge(json!({ "status": foreign })), PatchParams::default());
            let sent = context.api.patch_status(&name, &params, &patch);
            timeout(REMOVAL, sent).await.map_err(|_| WriteError::Timeout)??;
        }
    }
    context.writer.write(&context.api, &name, status, now).await?;
    context.following().await.written(&name);
    if let Some(note) = not_borne {
        let regarding = object.object_ref(&());
        let reason = PUT_BACK.to_owned();
        context.events.publish(News { regarding, type_: EventType::Warning, reason, note });
    }
    Ok((action(), ReconcileOutcome::Written))
}

/// The fields that a status has and another has not, each as null: a merge patch that takes them away.
fn dropped(from: &AuditPeriodStatus, to: &AuditPeriodStatus) -> Map<String, Value> {
    let fields = |status: &AuditPeriodStatus| match serde_json::to_value(status) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let kept = fields(to);
    fields(from)
        .into_iter()
        .filter(|(field, _)| !kept.contains_key(field))
        .map(|(field, _)| (field, Value::Null))
        .collect()
}

/// What the status should be. None: nothing is known yet.
async fn plan(look: &Look<'_>, context: &PeriodContext) -> Option<PeriodPlan> {
    let &Look { period, known, generation, times } = look;
    let now = times.now;
    let wait = |status, again| Some(PeriodPlan { status, again, not_borne: None });
    let wrong = |reason, message: &str| unready(known, reason, message, generation, now);
    let Some(location) = context.evidence.location() else {
        return wait(wrong("NoEvidenceLog", NO_LOG), None);
    };
    let key = key_of(&period.metadata);
    // None while the log was never open: nothing that is known is judged by that.
    let logged = context.evidence.read(|state| PeriodClosing::logged(state, &key).cloned());
    let claimed = PeriodClaim::of_closed(known);
    if let Some(claim) = logged.as_ref().and_then(|logged| PeriodClaim::read(logged.as_ref()?)) {
        context.following().await.forget(&key.name);
        // Who can only write statuses can't change what was recorded.
        let differences = claimed.map(|claimed| claim.differences(&claimed)).unwrap_or_default();
        let not_borne = (!differences.is_empty()).then(|| differences.join(", "));
        return Some(PeriodPlan {
            status: closed(known, &claim, generation, now),
            again: None,
            not_borne,
        });
    }
    if claimed.is_some() && logged.is_none() {
        let late = context.started.elapsed() > PATIENCE;
        let status = || wrong("LogNotOpen", NOT_OPEN);
        return late.then(|| PeriodPlan {
            status: status(),
            again: Some(RECHECK),
            not_borne: None,
        });
    }
    let bare;
    let (known, not_borne) = if claimed.is_some() {
        bare = without_claim(known);
        (&bare, Some(NOT_CLOSED.to_owned()))
    } else {
        (known, None)
    };
    let mut plan = follow(&Look { known, ..*look }, &key, location, context).await?;
    plan.not_borne = not_borne;
    Some(plan)
}

/// What the status should be of a period that no entry says to be closed. None: nothing is known yet.
async fn follow(
    look: &Look<'_>,
    key: &ObjectKey,
    location: &str,
    context: &PeriodContext,
) -> Option<PeriodPlan> {
    let &Look { period, known, generation, times } = look;
    let now = times.now;
    let wait = |status, again| Some(PeriodPlan { status, again, not_borne: None });
    let wrong = |reason, message: &str| unready(known, reason, message, generation, now);
    let span = match (period.spec.validate(), Span::of(&period.spec)) {
        (Ok(()), Some(span)) => span,
        (Err(invalid), _) => return wait(wrong("InvalidSpec", &invalid.to_string()), None),
        (Ok(()), None) => return wait(wrong("InvalidSpec", "the times are missing"), None),
    };
    if now < span.start() {
        return wait(not_begun(known, span, generation, now), Some(until(span.start(), now)));
    }
    let pending = context.following().await.closing(&key.name, key.uid.as_deref()).cloned();
    if let Some(claim) = pending {
        return wait(closing(known, &claim, generation, now), Some(CLOSING));
    }
    let checkpoint = context.evidence.checkpoint().and_then(|newest| newest.borrow().clone());
    let Some(checkpoint) = checkpoint else {
        let late = context.started.elapsed() > PATIENCE;
        let status = || wrong("LogNotOpen", NOT_OPEN);
        return late.then(|| PeriodPlan {
            status: status(),
            again: Some(RECHECK),
            not_borne: None,
        });
    };
    let log = LogPlace { location, key: &checkpoint.verifier_key };
    let follow = async { context.following().await.follow(log, period, span, times).await };
    match timeout(READING, follow).await {
        Ok(Ok(followed)) if followed.is_final(times.server) => {
            match close(key, &followed, context).await {
                Ok(claim) => wait(closing(known, &claim, generation, now), Some(CLOSING)),
                Err(error) => wait(wrong("NoDigest", &error), Some(RETRY)),
            }
        }
        Ok(Ok(followed)) => {
            let again = again(&followed, span, now);
            wait(summed(known, &followed, span, generation, times), Some(again))
        }
        Ok(Err(error)) => wait(wrong(error.reason(), &error.to_string()), Some(RETRY)),
        Err(_) => wait(wrong("LogUnreadable", NO_ANSWER), Some(RETRY)),
    }
}

/// Has it recorded that a period closes, with the numbers of its report.
async fn close(
    key: &ObjectKey,
    followed: &Followed,
    context: &PeriodContext,
) -> Result<PeriodClaim, String> {
    let claim = PeriodClaim::closing(&followed.report).map_err(|error| error.to_string())?;
    let recorded = serde_json::to_value(&claim).map_err(|error| error.to_string())?;
    context.following().await.closes_with(&key.name, key.uid.clone(), claim.clone());
    let closing = PeriodClosing { period: key.clone(), claim: recorded };
    // The engine's task is gone only while shutting down; the next start sums up anew.
    let _ = context.commands.send(Command::ClosePeriod(closing)).await;
    Ok(claim)
}

const NOT_CLOSED: &str = "phase was Closed, and no entry of the log says that the period is closed";

const NO_LOG: &str = "the operator keeps no evidence log, so nothing can be said of a period: run it with --evidence URL or DIR";

const NOT_OPEN: &str = "the operator has not opened the evidence log yet: its logs, the metric comptroller_evidence_append_failures_total and the conditions of the controls say why";

const NO_ANSWER: &str = "the evidence log was not read within 5 minutes: see that its store answers; what was read so far is kept, and reading goes on in a minute";

/// When to sum up again.
fn again(followed: &Followed, span: Span, now: Timestamp) -> Duration {
    if now < span.end() {
        return EVERY.min(until(span.end(), now));
    }
    followed.closes_at.map_or(RETRY, |closes| RETRY.min(until(closes, now)))
}

fn until(time: Timestamp, now: Timestamp) -> Duration {
    let left = time.duration_since(now).unsigned_abs();
    // A clock that jumps is noticed within the hour.
    left.clamp(Duration::from_secs(1), Duration::from_hours(1))
}
