//! The reconciler of `AuditPeriod`: what the evidence log says of the period goes into its status.
//!
//! It folds the log and never reads the cluster. While a period is open the status follows in
//! steps; when the log reaches beyond its end, the status is written once more and stays.

mod following;
mod summary;

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use kube::{Api, Resource, ResourceExt, core::DeserializeGuard, runtime::controller::Action};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};

use self::{
    following::{Followed, Following, LogPlace},
    summary::{closed, not_begun, summed, unready},
};
use super::{
    unreadable,
    writer::{WINDOW, WriteError, Writer},
};
use crate::source::rewinds::Rewinds;
use crate::telemetry::{Metrics, ReconcileKind, ReconcileOutcome};
use comptroller_core::api::{AuditPeriod, AuditPeriodStatus, PeriodPhase};
use comptroller_recorder::{Evidence, Writing};
use comptroller_report::period::model::Span;

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

/// What the reconciler needs.
pub struct PeriodContext {
    api: Api<AuditPeriod>,
    evidence: Evidence,
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
        metrics: Metrics,
        rewinds: Rewinds,
    ) -> Self {
        let kind = ReconcileKind::AuditPeriod;
        Self {
            api,
            evidence,
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
    let now = context.evidence.clock().now();
    let plan = match &object.0 {
        Ok(period) => plan(period, &known, generation, now, context).await,
        Err(invalid) => {
            let problems = unreadable::explain(&context.api, &name, invalid).await;
            let message = format!("{problems}; write another AuditPeriod");
            Some(PeriodPlan {
                status: unready(&known, "InvalidSpec", &message, generation, now),
                again: None,
            })
        }
    };
    let Some(PeriodPlan { status, again }) = plan else {
        return Ok((Action::requeue(RECHECK), ReconcileOutcome::Unchanged));
    };
    let action = || {
        let recheck = context.writer.recheck(&name);
        let soonest = again.into_iter().chain(recheck).min();
        soonest.map_or_else(Action::await_change, Action::requeue)
    };
    if previous.as_ref() == Some(&status) {
        return Ok((action(), ReconcileOutcome::Unchanged));
    }
    if !context.following().await.may_write(&name, &known, &status) {
        return Ok((action(), ReconcileOutcome::Unchanged));
    }
    if let Some(left) = context.writer.hold(&name, WINDOW) {
        return Ok((Action::requeue(left), ReconcileOutcome::Unchanged));
    }
    context.writer.write(&context.api, &name, status, now).await?;
    context.following().await.written(&name);
    Ok((action(), ReconcileOutcome::Written))
}

/// What the status should be. None: nothing is known yet.
async fn plan(
    period: &AuditPeriod,
    known: &AuditPeriodStatus,
    generation: i64,
    now: Timestamp,
    context: &PeriodContext,
) -> Option<PeriodPlan> {
    let wait = |status, again| Some(PeriodPlan { status, again });
    let wrong = |reason, message: &str| unready(known, reason, message, generation, now);
    if known.phase == PeriodPhase::Closed {
        // What was final stays so; only who the report is for can have changed.
        return wait(closed(known, generation), None);
    }
    let span = match (period.spec.validate(), Span::of(&period.spec)) {
        (Ok(()), Some(span)) => span,
        (Err(invalid), _) => return wait(wrong("InvalidSpec", &invalid.to_string()), None),
        (Ok(()), None) => return wait(wrong("InvalidSpec", "the times are missing"), None),
    };
    let Some(location) = context.evidence.location() else {
        return wait(wrong("NoEvidenceLog", NO_LOG), None);
    };
    if now < span.start() {
        return wait(not_begun(known, span, generation, now), Some(until(span.start(), now)));
    }
    let checkpoint = context.evidence.checkpoint().and_then(|newest| newest.borrow().clone());
    let Some(checkpoint) = checkpoint else {
        let late = context.started.elapsed() > PATIENCE;
        return late
            .then(|| PeriodPlan { status: wrong("LogNotOpen", NOT_OPEN), again: Some(RECHECK) });
    };
    let log = LogPlace { location, key: &checkpoint.verifier_key };
    let follow = async { context.following().await.follow(log, period, span, now).await };
    match timeout(READING, follow).await {
        Ok(Ok(followed)) => {
            let again = again(&followed, span, now);
            wait(summed(known, &followed, span, generation, now), again)
        }
        Ok(Err(error)) => wait(wrong(error.reason(), &error.to_string()), Some(RETRY)),
        Err(_) => wait(wrong("LogUnreadable", NO_ANSWER), Some(RETRY)),
    }
}

const NO_LOG: &str = "the operator keeps no evidence log, so nothing can be said of a period: run it with --evidence URL or DIR";

const NOT_OPEN: &str = "the operator has not opened the evidence log yet: its logs, the metric comptroller_evidence_append_failures_total and the conditions of the controls say why";

const NO_ANSWER: &str = "the evidence log was not read within 5 minutes: see that its store answers; what was read so far is kept, and reading goes on in a minute";

/// When to sum up again. None: the period is over, and that is final.
fn again(followed: &Followed, span: Span, now: Timestamp) -> Option<Duration> {
    if followed.is_final(span, now) {
        return None;
    }
    Some(if now < span.end() { EVERY.min(until(span.end(), now)) } else { RETRY })
}

fn until(time: Timestamp, now: Timestamp) -> Duration {
    let left = time.duration_since(now).unsigned_abs();
    // A clock that jumps is noticed within the hour.
    left.clamp(Duration::from_secs(1), Duration::from_hours(1))
}
