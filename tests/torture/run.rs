//! Runs a plan from a healthy beginning to a healthy end, and looks at what is left.

use std::time::{Duration, Instant};

use comptroller_core::api::State;
use jiff::{SignedDuration, Timestamp};

use crate::{
    case::Case,
    faults::on,
    history::History,
    invariants::{Finding, Remains, Window},
    operator::LIMIT,
    plans::{Hides, Plan},
    record::Record,
    stand::Stand,
};

/// Within this a change must be known once it can be known.
const KNOWN: Duration = Duration::from_secs(10);
/// Within this silence must be noticed, and said.
const NOTICED: Duration = Duration::from_secs(70);
/// Within this a write that is not answered is given up.
const GIVEN_UP: Duration = Duration::from_secs(10);
/// What must be known may be recorded and written for so long on a busy machine.
const RECOVERY: Duration = Duration::from_secs(75);
/// For so long nothing happens at the end.
const CALM: Duration = Duration::from_secs(5);
/// What may be written meanwhile: a heartbeat of each control, and the checkpoint.
const CALM_WRITES: usize = 3;

type Moment = (Instant, Timestamp);

fn now() -> Moment {
    (Instant::now(), Timestamp::now())
}

fn later((instant, time): Moment, by: Duration) -> Moment {
    (instant + by, time + SignedDuration::try_from(by).unwrap_or_default())
}

/// What was found, with the plan's name before it.
pub async fn run(stand: &Stand, history: &History, plan: &Plan, seed: u64) -> Vec<Finding> {
    let _slot = stand.slots.acquire().await.unwrap();
    let mut case = Case::new(stand, history, &plan.name, seed).await;
    let findings = match attempt(&mut case, plan).await {
        Ok(findings) => findings,
        Err(text) => vec![Finding::new("liveness", text)],
    };
    if !findings.is_empty() {
        let _ = std::fs::write(case.folder.join("traffic.log"), case.proxy.traffic().text());
    }
    case.clear().await;
    let mut named = Vec::new();
    for finding in findings {
        named.push(Finding { text: format!("{}: {}", plan.name, finding.text), ..finding });
    }
    let words = if named.is_empty() { "as it should be".to_owned() } else { format!("{named:#?}") };
    eprintln!("plan {} (seed {seed}): {words}", plan.name);
    named
}

async fn attempt(case: &mut Case<'_>, plan: &Plan) -> Result<Vec<Finding>, String> {
    case.begin().await?;
    let first_verdict = Instant::now();
    let mut findings = Vec::new();

    case.proxy.set(plan.rules.clone());
    if plan.stalls {
        case.proxy.stall(&on());
    }
    if plan.cuts {
        case.proxy.cut(&on());
    }
    if plan.hides == Hides::Calm {
        tokio::time::sleep(plan.lasts).await;
        findings.extend(unknowns(case, first_verdict));
    }
    case.violate().await;
    let violated = now();
    if plan.hides != Hides::Calm {
        tokio::time::sleep(plan.lasts).await;
    }
    case.proxy.heal();
    if plan.releases {
        case.proxy.release();
    }
    let healed = now();
    let limit = if plan.hides == Hides::Calm { KNOWN } else { RECOVERY };
    if let Err(text) = case.until(State::Failing, limit).await {
        findings.push(Finding::new("liveness", format!("after the end of the fault: {text}")));
    }
    let to = now();
    case.mend().await;
    if let Err(text) = case.until(State::Passing, RECOVERY).await {
        findings.push(Finding::new("liveness", format!("after the violation: {text}")));
    }
    findings.extend(calm(case).await);
    let windows = windows(plan.hides, violated, healed, to);
    findings.extend(finish_with(case, first_verdict, windows, 1, Some(MENDED)).await);
    Ok(findings)
}

/// When a control must not pass.
fn windows(hides: Hides, violated: Moment, healed: Moment, to: Moment) -> Vec<Window> {
    let (known, noticed) = (later(healed, KNOWN), later(violated, NOTICED));
    let window = |from, to, unwritable| Window { from, to, unwritable };
    match hides {
        Hides::Nothing | Hides::Calm => vec![window(later(violated, KNOWN), to, false)],
        Hides::Trouble => vec![window(known.min(noticed), to, false)],
        Hides::Silence => vec![window(noticed, to, false)],
        Hides::SilenceBothWays => {
            // The write that hangs at the end has to be given up first.
            let written = later(healed, KNOWN + GIVEN_UP);
            vec![window(noticed, healed, true), window(written, to, false)]
        }
    }
}

fn unknowns(case: &Case<'_>, since: Instant) -> Vec<Finding> {
    let controls = case.controls();
    let unknown = |control: &String| {
        let history = case.history.of(control);
        let seen = history.iter().find(|seen| {
            seen.at > since && seen.state().is_some_and(|state| state != State::Passing)
        });
        seen.map(|seen| {
            let status = seen.status.clone().unwrap_or_default();
            let text = format!("{control} was {} {} in a calm", status.state, status.reason);
            Finding::new("false alarm", text)
        })
    };
    controls.iter().filter_map(unknown).collect()
}

/// A steady state writes nothing.
async fn calm(case: &Case<'_>) -> Vec<Finding> {
    let from = Instant::now() + Duration::from_secs(2);
    tokio::time::sleep(CALM).await;
    let traffic = case.proxy.traffic();
    let writes: Vec<_> = traffic
        .since(from)
        .filter(|line| line.writes && line.resource != "leases")
        .map(|line| format!("{:?} {} {}", line.verb, line.resource, line.name))
        .collect();
    if writes.len() > CALM_WRITES {
        return vec![Finding::new("writes", format!("nothing changes, and it writes {writes:?}"))];
    }
    Vec::new()
}

/// What controls are in a run without faults, with the violation and after its end.
pub const PASSED: &[State] = &[State::Passing];
pub const FAILED: &[State] = &[State::Passing, State::Failing];
pub const MENDED: &[State] = &[State::Passing, State::Failing, State::Passing];

/// Stops the operator in order and reads what is left.
pub async fn finish(
    case: &mut Case<'_>,
    first_verdict: Instant,
    windows: Vec<Window>,
) -> Vec<Finding> {
    finish_with(case, first_verdict, windows, 1, None).await
}

/// As [`finish`], after so many starts, and after changes whose course is known.
pub async fn finish_with(
    case: &mut Case<'_>,
    first_verdict: Instant,
    windows: Vec<Window>,
    starts: usize,
    course: Option<&'static [State]>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(text) = case.stop().await {
        findings.push(Finding::new("end", text));
    }
    let controls = case.controls();
    let remains = Remains {
        histories: controls.iter().map(|name| (name.clone(), case.history.of(name))).collect(),
        record: Record::in_directory(&case.start.evidence, &[]).await,
        metrics: case.metrics.take(),
        said: case.log(),
        traffic: case.proxy.traffic(),
        first_verdict,
        windows,
        gaps: starts,
        starts,
        course,
    };
    findings.extend(remains.check());
    findings
}

/// A panic with all that was found, if anything was.
pub fn judge(findings: &[Finding]) {
    let texts: Vec<String> =
        findings.iter().map(|finding| format!("{}: {}", finding.class, finding.text)).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), texts.join("\n"));
}

/// How long a plan may take as a whole: what takes longer hangs.
pub fn limit(plan: &Plan) -> Duration {
    plan.lasts + LIMIT * 5
}
