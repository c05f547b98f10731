//! The operator is killed around each of its writes to the API server, and at any time: whatever it
//! was at, the next one says the same in log, status and metrics.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use comptroller_core::api::State;
use futures::{StreamExt as _, stream};

use crate::{
    case::Case,
    faults::{Action, Call, Moment, on},
    history::History,
    invariants::Finding,
    operator::{LIMIT, signal},
    run::{FAILED, MENDED, PASSED, finish_with, judge},
    stand::{self, Stand},
};

const SEED: u64 = 7;

/// What the operator is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum During {
    /// While it makes its first verdicts.
    Start,
    /// The verdicts on a violation.
    Violation,
    /// The end of the violation.
    Mending,
}

/// The moment at which the operator is killed.
#[derive(Clone, Copy, Debug)]
pub enum Death {
    /// At its nth write, counted from 1.
    Write(u64, Moment),
    /// So long after what it is at began.
    After(Duration),
}

#[derive(Clone, Copy, Debug)]
pub struct Kill {
    pub during: During,
    pub death: Death,
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let during = match self.during {
            During::Start => "start",
            During::Violation => "violation",
            During::Mending => "mending",
        };
        match self.death {
            Death::After(time) => write!(f, "kill-{during}-{}ms", time.as_millis()),
            Death::Write(number, moment) => {
                let moment = match moment {
                    Moment::BeforeForwarding => "before",
                    Moment::BeforeReply => "applied",
                    Moment::AfterReply => "after",
                };
                write!(f, "kill-{during}-{moment}-{number}")
            }
        }
    }
}

/// Around each of so many writes.
pub fn around_writes(during: During, writes: impl Iterator<Item = u64>) -> Vec<Kill> {
    let moments = [Moment::BeforeForwarding, Moment::BeforeReply, Moment::AfterReply];
    let at = |number| moments.map(|moment| Kill { during, death: Death::Write(number, moment) });
    writes.flat_map(at).collect()
}

/// At times that are so far from each other, through what follows a change.
pub fn at_times(during: During, step: Duration, count: u32) -> Vec<Kill> {
    (0..count).map(|number| Kill { during, death: Death::After(step * number) }).collect()
}

pub async fn run_all(kills: &[Kill], seed: u64) -> Vec<Finding> {
    let stand = stand::shared().await;
    let history = &History::start(stand.client());
    let runs = kills.iter().map(|kill| async move {
        let ended = tokio::time::timeout(LIMIT * 6, run(stand, history, *kill, seed)).await;
        ended.unwrap_or_else(|_| vec![Finding::new("liveness", format!("{kill} hangs"))])
    });
    let findings: Vec<Vec<Finding>> =
        stream::iter(runs).buffer_unordered(kills.len()).collect().await;
    findings.concat()
}

async fn run(stand: &Stand, history: &History, kill: Kill, seed: u64) -> Vec<Finding> {
    let _slot = stand.slots.acquire().await.unwrap();
    let name = kill.to_string();
    let mut case = Case::new(stand, history, &name, seed).await;
    let mut findings = match attempt(&mut case, kill).await {
        Ok(findings) => findings,
        Err(text) => vec![Finding::new("liveness", text)],
    };
    case.clear().await;
    for finding in &mut findings {
        finding.text = format!("{name}: {}", finding.text);
    }
    eprintln!("{name}: {findings:#?}");
    findings
}

async fn attempt(case: &mut Case<'_>, kill: Kill) -> Result<Vec<Finding>, String> {
    let victim = Arc::new(AtomicU32::new(0));
    match kill.during {
        During::Start => {
            arm(case, kill, &victim);
            case.start();
        }
        During::Violation => {
            case.begin().await?;
            arm(case, kill, &victim);
        }
        During::Mending => {
            case.begin().await?;
            case.violate().await;
            case.until(State::Failing, LIMIT).await?;
            arm(case, kill, &victim);
        }
    }
    let operator = case.operator.as_mut().ok_or("no operator")?;
    victim.store(operator.pid(), Ordering::SeqCst);
    let expected = match kill.during {
        During::Start => State::Passing,
        During::Violation => {
            case.violate().await;
            State::Failing
        }
        During::Mending => {
            case.mend().await;
            State::Passing
        }
    };
    if let Death::After(time) = kill.death {
        tokio::time::sleep(time).await;
        signal(victim.load(Ordering::SeqCst), "KILL");
    }
    let mut operator = case.operator.take().ok_or("no operator")?;
    // Where there are fewer writes than that, there is nothing to see.
    let died = tokio::time::timeout(Duration::from_secs(15), operator.killed()).await;
    if died.is_err() {
        operator.stop().await?;
    }
    let mut starts = 2;
    case.proxy.heal();
    case.start();
    let mut findings = Vec::new();
    case.until(expected, LIMIT).await?;
    let settled = case.settled(LIMIT).await?;
    // Once more, since a jump would follow now.
    case.operator.take().ok_or("no operator")?.kill();
    starts += 1;
    case.start();
    case.operator.as_ref().ok_or("no operator")?.ready().await?;
    let again = case.settled(LIMIT).await?;
    if settled != again {
        let text = format!("since {settled:?}, and {again:?} after one more start");
        findings.push(Finding::new("since", text));
    }
    let course = match kill.during {
        During::Start => PASSED,
        During::Violation => FAILED,
        During::Mending => MENDED,
    };
    let rest = finish_with(case, Instant::now(), Vec::new(), starts, Some(course)).await;
    findings.extend(rest);
    Ok(findings)
}

fn arm(case: &Case<'_>, kill: Kill, victim: &Arc<AtomicU32>) {
    let Death::Write(number, moment) = kill.death else { return };
    let victim = Arc::clone(victim);
    let kill = Action::run(moment, move |_| signal(victim.load(Ordering::SeqCst), "KILL"));
    let writes = on().only_if(Call::writes);
    case.proxy.set([writes.nth(number).then(kill)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_around_its_writes() {
    let mut kills = around_writes(During::Start, 1..2);
    kills.extend(around_writes(During::Violation, 1..2));
    kills.extend(at_times(During::Violation, Duration::from_millis(40), 2));
    judge(&run_all(&kills, SEED).await);
}
