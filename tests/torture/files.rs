//! The directory of the log takes no more: files can't grow beyond a limit of the process, as on a
//! full disk in the middle of a write. Nothing that is not recorded is claimed, and whoever comes
//! after it goes on.

use std::time::{Duration, Instant};

use comptroller_core::api::State;

use crate::{
    case::Case,
    controlplane::wait,
    history::History,
    invariants::Finding,
    operator::LIMIT,
    record::Record,
    run::{finish_with, judge},
    stand,
};

const SEED: u64 = 7;
/// In units of 512 bytes: the first lists of the registers, and some twenty entries.
const FILE_LIMIT: u32 = 96;
/// More changes than a file of that size can hold.
const CHANGES: usize = 60;
const KNOWN: Duration = Duration::from_secs(10);

fn recorded(case: &Case<'_>, control: &str) -> Option<bool> {
    let status = case.history.last(control)?.status?;
    let found = status.conditions.iter().find(|known| known.type_ == "EvidenceRecorded")?;
    Some(found.status == "True")
}

/// Changes things until nothing is recorded any more; whether the violation is there then.
async fn fill(case: &Case<'_>) -> Result<bool, String> {
    for change in 0..CHANGES {
        let violated = change % 2 == 0;
        let state = if violated { State::Failing } else { State::Passing };
        if violated {
            case.violate().await;
        } else {
            case.mend().await;
        }
        let full = wait::until("it is recorded, or can't be", LIMIT, async || {
            let controls = case.controls();
            if controls.iter().any(|control| recorded(case, control) == Some(false)) {
                return Some(true);
            }
            let state_of = |control: &String| case.history.last(control)?.state();
            let all = controls.iter().all(|control| state_of(control) == Some(state));
            all.then_some(false)
        });
        if full.await.map_err(|error| error.to_string())? {
            return Ok(violated);
        }
    }
    Err("the files are never full".to_owned())
}

async fn attempt(case: &mut Case<'_>) -> Result<Vec<Finding>, String> {
    let mut findings = Vec::new();
    case.start.file_limit = Some(FILE_LIMIT);
    case.begin().await?;
    let violated = fill(case).await?;
    let full = Record::in_directory(&case.start.evidence, &[]).await?;
    // What a status says beside its conditions is what was recorded last.
    let claims = |case: &Case<'_>, control: &str| {
        let mut status = case.history.last(control)?.status?;
        status.conditions.clear();
        Some(status)
    };
    let controls = case.controls();
    let unrecorded: Vec<_> =
        controls.iter().filter(|control| recorded(case, control) == Some(false)).collect();
    for control in unrecorded {
        let Some(status) = claims(case, control) else { continue };
        // The log may be ahead: an append that seems to fail can be finished when it is opened again.
        let cited = status.evidence.and_then(|evidence| usize::try_from(evidence.index).ok());
        let said = full.states(control).find(|(index, ..)| Some(*index) == cited);
        let said = said.map(|(_, _, state)| state);
        if said != Some(status.state) {
            let text = format!("{control} is {} and cites {cited:?}: {said:?}", status.state);
            findings.push(Finding::new("log and status", text));
        }
    }
    case.operator.take().ok_or("no operator")?.kill();
    case.start.file_limit = None;
    case.start();
    let expected = if violated { State::Failing } else { State::Passing };
    case.until(expected, LIMIT).await?;
    if let Err(text) =
        Record::in_directory(&case.start.evidence, std::slice::from_ref(&full.checkpoint)).await
    {
        findings.push(Finding::new("fork", text));
    }
    case.mend().await;
    case.until(State::Passing, KNOWN).await?;
    findings.extend(finish_with(case, Instant::now(), Vec::new(), 2, None).await);
    Ok(findings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_directory_loses_nothing() {
    let stand = stand::shared().await;
    let history = &History::start(stand.client());
    let _slot = stand.slots.acquire().await.unwrap();
    let mut case = Case::new(stand, history, "full", SEED).await;
    let findings = attempt(&mut case).await;
    judge(&findings.unwrap_or_else(|text| vec![Finding::new("liveness", text)]));
}
