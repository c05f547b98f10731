//! What to write into a status. Pure: observed and now in, a plan out.

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{
        ControlExceptionStatus, ControlSpec, ControlStatus, Enforcement, ExceptionPhase, Finding,
        State,
        condition::{COMPLIANT, Condition, ConditionStatus, READY, condition, set_condition},
        time::whole_seconds,
    },
    engine::{Observed, Reason, Verdict, exceptions::Standing},
    evidence::EntryKind,
};

/// kstatus reads it as failed: waiting will not help, somebody must edit the spec.
const STALLED: &str = "Stalled";

/// How long a new control may be without any status: most are judged before, and save a write.
const PATIENCE: SignedDuration = SignedDuration::from_secs(2);

/// What to do about the status of a control.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Nothing changed: look again after this time.
    Wait(SignedDuration),
    /// Write this. Without a `record` it claims nothing, and needs no evidence.
    Write {
        /// The status.
        status: Box<ControlStatus>,
        /// What to record first.
        record: Option<EntryKind>,
        /// Whether the state changed: worth an event.
        transition: bool,
    },
}

/// What is known when a status is planned.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The generation of the object.
    pub generation: i64,
    /// When the object was created.
    pub created: Option<Timestamp>,
    /// The spec; absent when it can't be read, and then the verdict says why.
    pub spec: Option<&'a ControlSpec>,
    /// The verdict for this generation.
    pub verdict: Option<&'a Verdict>,
    /// When that verdict last was known to hold.
    pub evaluated: Option<Timestamp>,
    /// What the engine waits for.
    pub waiting: &'a str,
}

/// Plans the status of a control.
pub fn plan(previous: &ControlStatus, known: &Known<'_>, now: Timestamp) -> Plan {
    let Some(verdict) = known.verdict else {
        return plan_pending(previous, known, now);
    };
    let at = known.evaluated.unwrap_or(now);
    let mut status = desired(previous, known, verdict, now);
    let heartbeat =
        known.spec.map_or(crate::api::control::DEFAULT_HEARTBEAT, ControlSpec::heartbeat);
    if status == *previous {
        let due = previous.last_evaluated.as_ref().map(|last| heartbeat.add_to(last.0));
        if let Some(left) =
            due.map(|due| due.duration_since(now)).filter(SignedDuration::is_positive)
        {
            return Plan::Wait(left);
        }
        status.last_evaluated = Some(whole_seconds(at));
        return Plan::Write {
            status: Box::new(status),
            record: Some(EntryKind::Heartbeat),
            transition: false,
        };
    }
    let transition = status.since != previous.since || status.state != previous.state;
    status.last_evaluated = Some(whole_seconds(at));
    Plan::Write { status: Box::new(status), record: Some(EntryKind::Change), transition }
}

/// A control that is not judged yet. What an earlier generation or an earlier operator found stays
/// until there is something better; only a control without any status is told that it is seen.
fn plan_pending(previous: &ControlStatus, known: &Known<'_>, now: Timestamp) -> Plan {
    let age = known.created.map_or(PATIENCE, |created| now.duration_since(created));
    if !previous.conditions.is_empty() {
        return Plan::Wait(SignedDuration::from_secs(60));
    }
    if age < PATIENCE {
        return Plan::Wait(PATIENCE - age);
    }
    let message = if known.waiting.is_empty() {
        "the first list of what the control reads is under way"
    } else {
        known.waiting
    };
    let mut status = ControlStatus { reason: "Evaluating".to_owned(), ..ControlStatus::default() };
    for type_ in [READY, COMPLIANT] {
        let unknown = condition(
            type_,
            ConditionStatus::Unknown,
            "Evaluating",
            message,
            known.generation,
            now,
        );
        set_condition(&mut status.conditions, unknown);
    }
    Plan::Write { status: Box::new(status), record: None, transition: false }
}

/// The status that a verdict asks for, as last evaluated when `previous` was.
fn desired(
    previous: &ControlStatus,
    known: &Known<'_>,
    verdict: &Verdict,
    now: Timestamp,
) -> ControlStatus {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let mut conditions = previous.conditions.clone();
    conditions.retain(|known| known.type_ != STALLED);
    for new in conditions_of(known, verdict, now) {
        set_condition(&mut conditions, new);
    }
    ControlStatus {
        observed_generation: known.generation,
        state: verdict.state,
        reason: verdict.reason.as_str().to_owned(),
        since: Some(whole_seconds(verdict.since)),
        last_evaluated: previous.last_evaluated.clone(),
        population: count(verdict.population),
        failing: count(verdict.failing),
        excepted: count(verdict.excepted),
        unknown: count(verdict.unknown),
        findings: verdict.findings.iter().map(finding).collect(),
        unknown_items: verdict.unknown_items.iter().map(finding).collect(),
        evidence: previous.evidence,
        conditions,
    }
}

fn conditions_of(known: &Known<'_>, verdict: &Verdict, now: Timestamp) -> Vec<Condition> {
    let make = |type_, status, reason: &str, message: &str| {
        condition(type_, status, reason, message, known.generation, now)
    };
    let compliant = match verdict.state {
        State::Passing | State::Excepted => ConditionStatus::True,
        State::Failing => ConditionStatus::False,
        // Nothing was judged, so nothing holds.
        State::Unknown | State::NotApplicable => ConditionStatus::Unknown,
    };
    let reason = verdict.reason.as_str();
    let mut conditions = vec![make(COMPLIANT, compliant, reason, &verdict.message)];
    if matches!(verdict.reason, Reason::InvalidSpec | Reason::UnsupportedExpression) {
        conditions.push(make(READY, ConditionStatus::False, reason, &verdict.message));
        conditions.push(make(STALLED, ConditionStatus::True, reason, &verdict.message));
    } else {
        conditions.push(make(
            READY,
            ConditionStatus::True,
            "Evaluated",
            &ready_message(known.spec),
        ));
    }
    conditions
}

fn ready_message(spec: Option<&ControlSpec>) -> String {
    match spec.map(ControlSpec::enforcement) {
        Some(enforcement @ (Enforcement::Warn | Enforcement::Deny)) => format!(
            "this generation is evaluated; enforcement {} is not available in this version, so requests are not stopped: the control audits",
            enforcement.as_str()
        ),
        _ => "this generation is evaluated with every change".to_owned(),
    }
}

fn finding(observed: &Observed) -> Finding {
    let Observed { finding, since, .. } = observed;
    Finding {
        rule: bounded(&finding.rule, 128),
        resource: finding.resource.clone(),
        subject: finding.subject.as_deref().map(|subject| bounded(subject, 1024)),
        message: bounded(&finding.message, 1024),
        since: Some(whole_seconds(*since)),
    }
}

/// At most `limit` characters, which is what the schema counts.
fn bounded(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// The status of an exception.
pub fn exception(
    previous: &ControlExceptionStatus,
    standing: &Standing,
    generation: i64,
    now: Timestamp,
) -> ControlExceptionStatus {
    let (status, reason) = match standing.phase {
        ExceptionPhase::Rejected => (ConditionStatus::False, "Rejected"),
        _ => (ConditionStatus::True, "Judged"),
    };
    let mut conditions = previous.conditions.clone();
    set_condition(
        &mut conditions,
        condition(READY, status, reason, &standing.message, generation, now),
    );
    ControlExceptionStatus {
        observed_generation: generation,
        phase: standing.phase,
        matched: i64::try_from(standing.matched).unwrap_or(i64::MAX),
        conditions,
    }
}
