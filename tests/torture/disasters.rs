//! What a proxy can't play: etcd restored to an earlier state, and an API server that is frozen.

use std::time::{Duration, Instant};

use comptroller_core::api::State;
use jiff::Timestamp;

use crate::{
    case::Case,
    controlplane::wait,
    history::History,
    invariants::{Finding, Window},
    operator::{LIMIT, get},
    run::{finish, judge},
    stand::Stand,
};

const SEED: u64 = 7;
/// Within this a server that says nothing, or goes back, must be noticed.
const NOTICED: Duration = Duration::from_secs(70);
/// Long enough for silence to be noticed, and for a heartbeat to be due.
const FROZEN: Duration = Duration::from_secs(95);
/// How many writes lie between the snapshot and the disaster.
const WRITES: usize = 200;

fn filler(case: &Case<'_>, number: usize) -> String {
    format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: filler, namespace: case-{}, labels: {{owner: ops}}}}, data: {{number: '{number}'}}}}",
        case.name
    )
}

/// A control over what the first one is over, that nobody has seen before.
fn newcomer(case: &Case<'_>) -> String {
    let name = &case.name;
    format!(
        "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {{name: {name}-newcomer, labels: {{case: {name}}}}}
spec:
  title: Few may do everything
  criteria: [CC6.1]
  owner: platform
  severity: High
  test: {{rbac: {{forbid: [ClusterAdmin], allow: [{{kind: Group, name: ops}}]}}}}
"
    )
}

/// The violation is in the snapshot, was mended after it, and is back with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn etcd_goes_back() {
    let mut stand = Stand::new().await;
    let history = History::start(stand.client());
    let mut case = Case::new(&stand, &history, "restored", SEED).await;
    case.begin().await.unwrap();
    case.violate().await;
    case.until(State::Failing, LIMIT).await.unwrap();
    let snapshot = stand.plane.snapshot().await.unwrap();
    case.until(State::Failing, LIMIT).await.unwrap();
    case.mend().await;
    case.until(State::Passing, LIMIT).await.unwrap();
    for number in 0..WRITES {
        case.objects.apply(&filler(&case, number)).await;
    }

    stand.plane.restore(&snapshot).await.unwrap();
    let restored = (Instant::now(), Timestamp::now());
    let mut findings = Vec::new();
    case.objects.apply(&newcomer(&case)).await;
    if let Err(text) = case.until(State::Failing, NOTICED).await {
        findings.push(Finding::new("false pass", format!("etcd went back: {text}")));
    }
    let name = format!("{}-newcomer", case.name);
    let failing = wait::until("a new control fails", NOTICED, async || {
        let state = history.last(&name)?.state()?;
        (state == State::Failing).then_some(())
    });
    if let Err(error) = failing.await {
        let text = format!("etcd went back: {error}: {}", case.describe(&name));
        findings.push(Finding::new("false pass", text));
    }
    let later = |(instant, time): (Instant, Timestamp), by: Duration| {
        (instant + by, time + jiff::SignedDuration::try_from(by).unwrap())
    };
    let window = Window {
        from: later(restored, NOTICED),
        to: (Instant::now(), Timestamp::now()),
        unwritable: false,
    };
    case.mend().await;
    if let Err(text) = case.until(State::Passing, NOTICED).await {
        findings.push(Finding::new("liveness", format!("etcd went back: {text}")));
    }
    // The conditions of an earlier time came back with etcd, and so did the generations.
    let of_earlier = ["generation", "transition time", "gaps", "request rate"];
    let rest = finish(&mut case, Instant::now(), vec![window]).await;
    findings.extend(rest.into_iter().filter(|finding| !of_earlier.contains(&finding.class)));
    judge(&findings);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_server_is_frozen() {
    let stand = Stand::new().await;
    let history = History::start(stand.client());
    let mut case = Case::new(&stand, &history, "frozen", SEED).await;
    case.begin().await.unwrap();
    let first_verdict = Instant::now();
    stand.plane.freeze_api_server().unwrap();
    let frozen = (Instant::now(), Timestamp::now());
    tokio::time::sleep(FROZEN).await;
    let mut findings = Vec::new();
    let url = case.operator.as_ref().unwrap().url.clone();
    match get(&url, "/readyz").await {
        Ok((200, _)) => {
            findings.push(Finding::new("readiness", "it is ready, and nobody says anything"));
        }
        Ok(_) => {}
        Err(error) => findings.push(Finding::new("readiness", error.to_string())),
    }
    let to = (Instant::now(), Timestamp::now());
    let noticed = jiff::SignedDuration::try_from(NOTICED).unwrap();
    let window = Window { from: (frozen.0 + NOTICED, frozen.1 + noticed), to, unwritable: true };
    stand.plane.thaw_api_server().unwrap();
    case.violate().await;
    if let Err(text) = case.until(State::Failing, Duration::from_mins(1)).await {
        findings.push(Finding::new("liveness", format!("after the frost: {text}")));
    }
    findings.extend(finish(&mut case, first_verdict, vec![window]).await);
    judge(&findings);
}
