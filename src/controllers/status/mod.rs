//! What to write into a status. Pure: observed and now in, a plan out.

mod conditions;
mod exception;
mod outage;
#[cfg(test)]
mod tests;

use jiff::{SignedDuration, Timestamp};

use self::conditions::conditions_of;
pub use self::{
    exception::exception,
    outage::{claims_until, is_still_so, reason_of, recording_changed, unrecorded},
};
use super::refusal::COMPLETE;
use comptroller_core::{
    api::{
        ControlSpec, ControlStatus, EvidenceRef, Occurrence, SHOWN_OCCURRENCES, StatusFinding,
        condition::{COMPLIANT, Condition, ConditionStatus, READY, condition, set_condition},
        control::DEFAULT_HEARTBEAT,
        time::whole_seconds,
    },
    engine::{ObservedFinding, Verdict},
};
use comptroller_recorder::Recorded;

/// kstatus reads it as failed: waiting will not help, somebody must edit the spec.
const STALLED: &str = "Stalled";

/// Whether the evidence log holds what the status says. Absent without a log.
pub const EVIDENCE_RECORDED: &str = "EvidenceRecorded";

/// The reason while the log can't be written.
pub const LOG_UNAVAILABLE: &str = "LogUnavailable";

/// The reason while the log is not what others know of it: put back, cut or rewritten.
pub const LOG_DISCONTINUED: &str = "LogDiscontinued";

/// The reason while the operator's clock and the API server's differ.
pub const CLOCK_DIFFERS: &str = "ClockDiffers";

/// The reasons for which nothing is recorded.
pub const OBSTACLES: [&str; 3] = [LOG_UNAVAILABLE, LOG_DISCONTINUED, CLOCK_DIFFERS];

/// The reason when the log holds what the status says.
pub const RECORDED: &str = "Recorded";

/// How long a control may be without any status: most are judged before, and save a write. It is
/// the time in which 10,000 objects are listed and judged.
const PATIENCE: SignedDuration = SignedDuration::from_secs(5);

/// When to look again, without a log, whether every input was heard of since a heartbeat is due.
const RECHECK: SignedDuration = SignedDuration::from_secs(5);

/// What to do about the status of a control.
#[derive(Clone, Debug, PartialEq)]
pub enum StatusPlan {
    /// It says all there is to say, until the next verdict or entry.
    Keep,
    /// The same, and look again after this time.
    Wait(SignedDuration),
    /// Write this. What it says of a verdict is in the log, where there is one.
    Write {
        status: Box<ControlStatus>,
        /// What is new in it.
        news: StatusNews,
        /// How soon somebody waits for it.
        urgency: Urgency,
    },
}

/// What is new in a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusNews {
    /// Nothing but that somebody looked.
    Heartbeat,
    /// Something, in the same state.
    Change,
    /// The state: worth an event.
    Transition,
}

/// How soon somebody waits for a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Somebody may wait for it: a state, a finding, a reason.
    Now,
    /// Only the population changed. One binding moves the population of every control about
    /// rights, and nobody waits for that number.
    Later,
}

/// What is known when a status is planned.
#[derive(Clone, Copy, Debug)]
pub struct StatusInputs<'a> {
    generation: i64,
    waits_since: Timestamp,
    spec: Option<&'a ControlSpec>,
    /// The verdict for this generation, which may be claimed.
    verdict: Option<&'a Verdict>,
    /// The entry of the log that says so, and when it was written; None without a log.
    cited: Option<(EvidenceRef, Timestamp)>,
    as_of: Option<Timestamp>,
    /// Why the log is not what a witness saw of it.
    discontinued: Option<&'a str>,
    waiting: &'a str,
}

impl<'a> StatusInputs<'a> {
    /// Of an object of this generation without a verdict yet, which waits for one since it was
    /// created or the operator started. `waiting` is what the engine waits for, if anything.
    pub fn new(generation: i64, waits_since: Timestamp, waiting: &'a str) -> Self {
        Self {
            generation,
            waits_since,
            spec: None,
            verdict: None,
            cited: None,
            as_of: None,
            discontinued: None,
            waiting,
        }
    }

    /// The same with its spec; None when it can't be read, and then the verdict says why.
    #[must_use]
    pub fn with_spec(self, spec: Option<&'a ControlSpec>) -> Self {
        Self { spec, ..self }
    }

    /// The same with its verdict for this generation, as the log holds it.
    #[must_use]
    pub fn with_verdict(self, recorded: Option<&'a Recorded<Verdict>>) -> Self {
        Self {
            verdict: recorded.map(Recorded::value),
            cited: recorded.and_then(|recorded| Some((recorded.entry()?, recorded.at()))),
            ..self
        }
    }

    /// The same with until when that verdict is known to hold; None: not all of its inputs were
    /// heard of.
    #[must_use]
    pub fn with_as_of(self, as_of: Option<Timestamp>) -> Self {
        Self { as_of, ..self }
    }

    /// The same with why the log is not what others know of it; None: nobody says so.
    #[must_use]
    pub fn with_discontinued(self, discontinued: Option<&'a str>) -> Self {
        Self { discontinued, ..self }
    }
}

/// Plans the status of a control.
pub fn plan(previous: &ControlStatus, known: &StatusInputs<'_>, now: Timestamp) -> StatusPlan {
    let Some(verdict) = known.verdict else {
        return plan_pending(previous, known, now);
    };
    let mut status = desired(previous, known, verdict, now);
    if status == *previous {
        return plan_heartbeat(status, known, now);
    }
    let transition = status.state != previous.state || previous.since.is_none();
    let heartbeat = ControlStatus {
        last_evaluated: previous.last_evaluated.clone(),
        evidence: previous.evidence,
        ..status.clone()
    };
    let news = if transition {
        StatusNews::Transition
    } else if heartbeat == *previous {
        StatusNews::Heartbeat
    } else {
        StatusNews::Change
    };
    if known.cited.is_none() {
        status.last_evaluated = status.last_evaluated.max(known.as_of.map(whole_seconds));
    }
    let is_urgent = transition || is_urgent(previous, &status);
    write(status, news, if is_urgent { Urgency::Now } else { Urgency::Later })
}

/// Plans a status that is as it should be. With a log the next entry says that it still is so;
/// without one, the status does by itself.
fn plan_heartbeat(
    mut status: ControlStatus,
    known: &StatusInputs<'_>,
    now: Timestamp,
) -> StatusPlan {
    if known.cited.is_some() {
        return StatusPlan::Keep;
    }
    let heartbeat = known.spec.map_or(DEFAULT_HEARTBEAT, ControlSpec::heartbeat);
    let due = status.last_evaluated.as_ref().map(|last| heartbeat.add_to(last.0));
    let left = due.map(|due| due.duration_since(now)).filter(SignedDuration::is_positive);
    if let Some(left) = left {
        return StatusPlan::Wait(left);
    }
    // A heartbeat says what was heard since it is due. A timer proves nothing.
    let as_of = known.as_of.filter(|as_of| due.is_none_or(|due| *as_of >= due));
    let Some(as_of) = as_of else { return StatusPlan::Wait(RECHECK) };
    status.last_evaluated = Some(whole_seconds(as_of));
    write(status, StatusNews::Heartbeat, Urgency::Later)
}

fn write(status: ControlStatus, news: StatusNews, urgency: Urgency) -> StatusPlan {
    StatusPlan::Write { status: Box::new(status), news, urgency }
}

/// Whether a status says more that is new than how many items were judged, and when.
fn is_urgent(previous: &ControlStatus, status: &ControlStatus) -> bool {
    let quiet = ControlStatus {
        population: previous.population,
        last_evaluated: previous.last_evaluated.clone(),
        evidence: previous.evidence,
        conditions: previous.conditions.clone(),
        ..status.clone()
    };
    quiet != *previous
        || !status
            .conditions
            .iter()
            .map(read_by_programs)
            .eq(previous.conditions.iter().map(read_by_programs))
}

/// What programs read of a condition; its message is for people.
fn read_by_programs(condition: &Condition) -> (&str, &str, &str) {
    (&condition.type_, &condition.status, &condition.reason)
}

/// A control that is not judged yet. What an earlier generation or an earlier operator found stays
/// until there is something better; only a control without any status is told that it is seen.
fn plan_pending(previous: &ControlStatus, known: &StatusInputs<'_>, now: Timestamp) -> StatusPlan {
    let age = now.duration_since(known.waits_since);
    if !previous.conditions.is_empty() {
        return StatusPlan::Wait(SignedDuration::from_secs(60));
    }
    if age < PATIENCE {
        return StatusPlan::Wait(PATIENCE - age);
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
    write(status, StatusNews::Change, Urgency::Now)
}

/// The status that a verdict asks for, as last evaluated when its entry was written, or without a
/// log when `previous` was.
fn desired(
    previous: &ControlStatus,
    known: &StatusInputs<'_>,
    verdict: &Verdict,
    now: Timestamp,
) -> ControlStatus {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let mut conditions = previous.conditions.clone();
    let wanted = conditions_of(known, verdict, now);
    // The others stay; of these, what no longer applies goes.
    conditions.retain(|known| {
        ![STALLED, EVIDENCE_RECORDED, COMPLETE].contains(&known.type_.as_str())
            || wanted.iter().any(|new| new.type_ == known.type_)
    });
    for new in wanted {
        set_condition(&mut conditions, new);
    }
    ControlStatus {
        observed_generation: known.generation,
        state: verdict.state,
        reason: verdict.reason.as_str().to_owned(),
        since: Some(whole_seconds(verdict.since)),
        last_evaluated: match known.cited {
            Some((_, at)) => Some(whole_seconds(at)),
            None => previous.last_evaluated.clone(),
        },
        population: count(verdict.population),
        failing: count(verdict.failing),
        excepted: count(verdict.excepted),
        unknown: count(verdict.unknown),
        findings: verdict.findings.iter().map(finding).collect(),
        unknown_items: verdict.unknown_items.iter().map(finding).collect(),
        // A spec that can't be read has none, and is no reason to forget them.
        occurrences: if verdict.occurrences.is_empty() {
            previous.occurrences.clone()
        } else {
            newest(&verdict.occurrences)
        },
        evidence: known.cited.map(|(entry, _)| entry),
        conditions,
    }
}

fn finding(observed: &ObservedFinding) -> StatusFinding {
    let ObservedFinding { finding, since, .. } = observed;
    let finding = StatusFinding {
        rule: finding.rule.clone().into_owned(),
        resource: finding.resource.clone(),
        subject: finding.subject.clone(),
        message: finding.message.clone(),
        since: Some(whole_seconds(*since)),
    };
    finding.clipped()
}

/// The occurrences that a status has room for.
pub fn newest(occurrences: &[Occurrence]) -> Vec<Occurrence> {
    let surplus = occurrences.len().saturating_sub(SHOWN_OCCURRENCES);
    occurrences.iter().skip(surplus).cloned().collect()
}
