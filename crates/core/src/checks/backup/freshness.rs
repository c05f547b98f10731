//! From the evidence of the tools to a judgement: is the newest success recent enough?

use super::{
    UNDECIDED,
    evidence::{Success, ToolEvidence, name},
    finding, providers,
    target::BackupTarget,
};
use crate::{
    api::Duration,
    checks::{CheckContext, Judgement},
    inventory::ObjectSource,
};

/// Judges an item. One recent success is enough, whatever other tools say, as long as more will
/// follow: some schedule runs, or the tool has none (somebody starts its backups, and did).
pub fn judge(
    context: &CheckContext<'_>,
    target: &BackupTarget<'_>,
    evidence: &[ToolEvidence<'_>],
    max_age: Duration,
) -> Judgement {
    // Until when a success counts: it grows too old, or expires before that.
    let deadline = |success: &Success| {
        let old = max_age.add_to(success.at);
        success.until.map_or(old, |until| until.min(old))
    };
    let scheduled = evidence.iter().any(|tool| tool.scheduled.is_some());
    let best = evidence
        .iter()
        // Of a tool whose schedules are all paused, a recent success does not carry on, unless another
        // schedule runs.
        .filter(|tool| scheduled || tool.paused.is_none())
        .filter_map(|tool| tool.good.as_ref())
        .map(deadline)
        .max()
        .filter(|deadline| context.now < *deadline);
    if best.is_some() {
        return Judgement { valid_until: best, ..Judgement::default() };
    }
    let fresh = |success: &Success| context.now < deadline(success);
    let due = target.created().map(|created| max_age.add_to(created));
    let due = due.filter(|due| context.now < *due);
    let mut judgement = explain(context, target, evidence, max_age, &fresh);
    // The next instant at which any of what was looked at may change its mind: a success that grows too
    // old, one from the future that begins to count, an item that is no longer young.
    judgement.valid_until = evidence
        .iter()
        .flat_map(|tool| tool.successes().map(deadline).chain(tool.changes))
        .chain(due)
        .filter(|at| *at > context.now)
        .min();
    let files = context.inventory.source == ObjectSource::Manifests;
    // Manifests without any status say nothing about what happened: that is not a failure.
    if files && !evidence.iter().any(|tool| tool.ran) {
        return unknown(context, target, judgement.valid_until, unseen(context, target, evidence));
    }
    let Some(due) = due else {
        return judgement;
    };
    // A young item has had no chance yet, except where no schedule will give it one.
    judgement.failing.retain(|finding| finding.rule == PAUSED);
    if !judgement.failing.is_empty() {
        return judgement;
    }
    // A scan does not come back when the time is up, so a pending item would be forgotten.
    if files {
        let message = format!(
            "pending: no backup that holds this {} has succeeded since it was created, and one is due by {due}{}",
            target.noun(),
            attempt(context, evidence, "; ")
        );
        return unknown(context, target, judgement.valid_until, message);
    }
    Judgement { pending: true, valid_until: judgement.valid_until, ..Judgement::default() }
}

const PAUSED: &str = "Paused";

fn unknown(
    context: &CheckContext<'_>,
    target: &BackupTarget<'_>,
    valid_until: Option<jiff::Timestamp>,
    message: String,
) -> Judgement {
    Judgement {
        unknown: finding(context, target.slot, UNDECIDED, message).into_iter().collect(),
        valid_until,
        ..Judgement::default()
    }
}

/// The message about manifests without any status: they show what is to happen, and not whether it did.
fn unseen(
    context: &CheckContext<'_>,
    target: &BackupTarget<'_>,
    evidence: &[ToolEvidence<'_>],
) -> String {
    let noun = target.noun();
    let how = "scan the cluster (--cluster), or add its backups with their status";
    let scheduled = evidence.iter().find_map(|tool| tool.scheduled);
    if let Some(schedule) = scheduled {
        let schedule = name(context.inventory, schedule);
        return format!(
            "{schedule} is to back up this {noun}, and manifests do not show whether it does: {how}"
        );
    }
    let paused = evidence.iter().find_map(|tool| tool.paused);
    if let Some(schedule) = paused {
        let schedule = name(context.inventory, schedule);
        return format!(
            "{schedule} is paused, and manifests do not show what else backs up this {noun}: resume it, or {how}"
        );
    }
    format!(
        "nothing in these files backs up this {noun}, and manifests do not show what the cluster does: {}; or {how}",
        target.remedy()
    )
}

fn explain(
    context: &CheckContext<'_>,
    target: &BackupTarget<'_>,
    evidence: &[ToolEvidence<'_>],
    max_age: Duration,
    fresh: &dyn Fn(&Success) -> bool,
) -> Judgement {
    let mut judgement = Judgement::default();
    // What is not known goes first: a failure that a success might disprove would be a guess.
    if let Some(why) = doubt(context, target, evidence, fresh) {
        judgement.unknown.extend(finding(context, target.slot, UNDECIDED, why));
        return judgement;
    }
    let mut fail = |rule, message| {
        judgement.failing.extend(finding(context, target.slot, rule, message));
    };
    let paused = paused(context, evidence);
    let good = evidence.iter().filter_map(|tool| tool.good.as_ref());
    let recent = good.clone().any(fresh);
    // Paused and without a recent success are two findings: each has a remedy of its own.
    if !recent {
        let (rule, message) = missing(context, target, evidence, max_age, fresh);
        fail(rule, message);
    }
    if let Some(message) = paused {
        fail(PAUSED, message);
    }
    judgement
}

/// Why it is not known whether there is a recent success; None when it is known.
fn doubt(
    context: &CheckContext<'_>,
    target: &BackupTarget<'_>,
    evidence: &[ToolEvidence<'_>],
    fresh: &dyn Fn(&Success) -> bool,
) -> Option<String> {
    let undecided = evidence
        .iter()
        .filter_map(|tool| tool.undecided.as_ref())
        .filter(|(success, _)| fresh(success))
        .max_by_key(|(success, _)| success.at);
    if let Some((success, why)) = undecided {
        return Some(format!("{} {why}", name(context.inventory, success.by)));
    }
    let paused = evidence.iter().any(|tool| tool.good.as_ref().is_some_and(fresh));
    // A recent success of a paused tool is known to be what it is.
    if paused {
        return None;
    }
    providers::unreadable(context, target).map(|(slot, error)| {
        format!(
            "{} may be about this {}, and can't be read: {error}",
            name(context.inventory, slot),
            target.noun()
        )
    })
}

fn paused(context: &CheckContext<'_>, evidence: &[ToolEvidence<'_>]) -> Option<String> {
    if evidence.iter().any(|tool| tool.scheduled.is_some()) {
        return None;
    }
    let schedule = evidence.iter().find_map(|tool| tool.paused)?;
    Some(format!(
        "no backup will follow: {} is paused, and no other schedule covers it; resume it",
        name(context.inventory, schedule)
    ))
}

/// The rule that says best why there is no recent success, and its message: the closer something came to
/// being one, the better it says so.
fn missing(
    context: &CheckContext<'_>,
    target: &BackupTarget<'_>,
    evidence: &[ToolEvidence<'_>],
    max_age: Duration,
    fresh: &dyn Fn(&Success) -> bool,
) -> (&'static str, String) {
    let noun = target.noun();
    let unreachable = evidence
        .iter()
        .filter_map(|tool| tool.unreachable.as_ref())
        .max_by_key(|(success, _)| success.at);
    if let Some((success, why)) = unreachable.filter(|(success, _)| fresh(success)) {
        let message = format!(
            "{} of {} can't be restored: {why}",
            name(context.inventory, success.by),
            success.at
        );
        return ("StorageLocationUnavailable", message);
    }
    if let Some(success) = newest(evidence) {
        let message = format!(
            "the newest success is {} of {}, older than {max_age}{}",
            name(context.inventory, success.by),
            success.at,
            attempt(context, evidence, "; besides, ")
        );
        return ("TooOld", message);
    }
    let planned = evidence
        .iter()
        .any(|tool| tool.scheduled.is_some() || tool.paused.is_some() || tool.attempt.is_some());
    if planned {
        let message = format!(
            "no backup of this {noun} has succeeded and is there to restore{}",
            attempt(context, evidence, ": ")
        );
        return ("NeverSucceeded", message);
    }
    let message =
        format!("no backup, snapshot or schedule covers this {noun}: {}", target.remedy());
    ("NotCovered", message)
}

fn newest<'e>(evidence: &'e [ToolEvidence<'_>]) -> Option<&'e Success> {
    evidence.iter().flat_map(ToolEvidence::successes).max_by_key(|success| success.at)
}

fn attempt(context: &CheckContext<'_>, evidence: &[ToolEvidence<'_>], lead: &str) -> String {
    evidence
        .iter()
        .find_map(|tool| tool.attempt.as_ref())
        .map(|(slot, why)| format!("{lead}{} {why}", name(context.inventory, *slot)))
        .unwrap_or_default()
}
