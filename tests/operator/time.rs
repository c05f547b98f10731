//! Time that nobody bends: what the log says when clocks differ, when the process stood still, and
//! when nobody could look.

use std::{path::PathBuf, time::Duration};

use comptroller_core::api::State;
use comptroller_evidence::{
    data::{GapCause, GapData, OperatorEvent},
    entry::{Data, Entry},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    controlplane::{ControlPlane, wait},
    faults::{Action, Proxy, on},
    log,
    process::{Bench, LIMIT, get},
};

/// How exactly the time of a pause is known.
const EXACT: i64 = 2;

fn control(name: &str, more: &str) -> String {
    format!(
        "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {{name: {name}}}
spec:
  title: Config maps say who owns them
  criteria: [CC6.1]
  owner: platform
  severity: Low
  heartbeat: 1m
  {more}
  test:
    cel:
      resources: [{{apiGroups: [''], apiVersions: [v1], resources: [configmaps]}}]
      matchConditions: [{{name: ours, expression: \"object.metadata.name.startsWith('{name}-')\"}}]
      validations: [{{expression: \"has(object.metadata.labels)\", message: say who owns it}}]
"
    )
}

fn config_map(name: &str, labels: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: default, labels: {labels}}}}}"
    )
}

const OWNED: &str = "{owner: ops}";
const NOBODYS: &str = "null";

/// A control plane, a proxy before it, and where the operator keeps its log.
struct World {
    bench: Bench,
    proxy: Proxy,
    log: PathBuf,
    arguments: Vec<String>,
}

impl World {
    /// With an operator that has found these controls to pass.
    async fn with(controls: &[&str]) -> Self {
        Self::as_started(&[], controls).await
    }

    /// The same with further arguments of the operator.
    async fn as_started(arguments: &[&str], controls: &[&str]) -> Self {
        let plane = ControlPlane::builder().start().await.unwrap();
        let proxy = Proxy::before(&plane, "admin", 7);
        let bench = Bench::without_operator(plane).await;
        let log = bench.plane.dir().join("evidence");
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut world = Self { bench, proxy, log, arguments };
        world.start().await;
        for name in controls {
            world.bench.apply(&config_map(&format!("{name}-a"), OWNED)).await;
            world.bench.apply(&control(name, "")).await;
        }
        for name in controls {
            world.bench.until_state(name, State::Passing).await;
        }
        world
    }

    async fn start(&mut self) {
        let log = self.log.to_str().unwrap();
        let mut arguments = vec!["--evidence", log];
        arguments.extend(self.arguments.iter().map(String::as_str));
        self.bench.start_operator_as(self.proxy.kubeconfig(), &arguments).await;
    }

    async fn entries(&self) -> Vec<Entry> {
        let entries = log::entries(&self.log).await;
        assert!(entries.is_sorted_by_key(|entry| entry.at), "time fell");
        entries
    }

    /// The gaps of the log, each with what it is about.
    async fn gaps(&self) -> Vec<(String, GapData)> {
        let entries = self.entries().await;
        let gaps = entries.into_iter().filter_map(|entry| match entry.data {
            Data::Gap(gap) => Some((entry.subject.kind, gap)),
            _ => None,
        });
        gaps.collect()
    }

    /// The gaps of a cause, once there is one.
    async fn until_gap(&self, cause: GapCause) -> Vec<(String, GapData)> {
        wait::until(&format!("a gap {}", cause.as_str()), LIMIT, async || {
            let gaps = self.gaps().await;
            gaps.iter().any(|(_, gap)| gap.cause == Some(cause)).then_some(gaps)
        })
        .await
        .unwrap()
    }

    async fn events(&self) -> Vec<OperatorEvent> {
        let entries = self.entries().await;
        let events = entries.iter().filter_map(|entry| match &entry.data {
            Data::Operator(data) => Some(data.event),
            _ => None,
        });
        events.collect()
    }

    async fn until_event(&self, event: OperatorEvent) {
        wait::until(&format!("an entry {}", event.as_str()), LIMIT, async || {
            self.events().await.contains(&event).then_some(())
        })
        .await
        .unwrap();
    }
}

fn assert_spans(gap: &GapData, from: Timestamp, to: Timestamp) {
    for (is, expected) in [(gap.from, from), (gap.to, to)] {
        let off = is.duration_since(expected).as_secs().abs();
        assert!(off <= EXACT, "{gap:?} instead of {from} to {to}");
    }
}

#[tokio::test]
async fn a_process_that_was_stopped_by_a_signal_is_a_gap_of_that_time() {
    let mut world = World::with(&["one", "two"]).await;
    let before = world.entries().await.len();
    let from = Timestamp::now();
    world.bench.signal_operator("STOP");
    tokio::time::sleep(Duration::from_secs(10)).await;
    // What fails while nobody looks, and is in order again before somebody does.
    world.bench.apply(&config_map("one-a", NOBODYS)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.bench.apply(&config_map("one-a", OWNED)).await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    world.bench.signal_operator("CONT");
    let to = Timestamp::now();
    let gaps = world.until_gap(GapCause::Paused).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (kind, gap) = &gaps[0];
    assert_eq!(kind, "Cluster");
    assert_spans(gap, from, to);
    // It is the first word after the pause, and the only gap.
    let entries = world.entries().await;
    let first =
        entries[before..].iter().find(|entry| entry.at > from + SignedDuration::from_secs(3));
    assert!(matches!(first, Some(Entry { data: Data::Gap(_), .. })), "{first:?}");
    assert_eq!(world.gaps().await.len(), 1, "{:?}", world.gaps().await);
    // It goes on, with heartbeats.
    let heartbeats = |entries: &[Entry]| {
        entries
            .iter()
            .filter(|entry| entry.at > to && matches!(entry.data, Data::Heartbeat(_)))
            .count()
    };
    wait::until("heartbeats go on", LIMIT * 2, async || {
        (heartbeats(&world.entries().await) >= 2).then_some(())
    })
    .await
    .unwrap();
    world.bench.stop_operator().await;
}

#[tokio::test]
async fn while_the_clocks_differ_nothing_is_claimed_and_afterwards_all_goes_on() {
    for day in [86_400_i32, -86_400] {
        let mut world = World::with(&["one"]).await;
        let began = Timestamp::now();
        world.proxy.set([on().then(Action::Ahead(day.into()))]);
        world.until_event(OperatorEvent::ClockDiffers).await;
        world.bench.apply(&config_map("one-a", NOBODYS)).await;
        let unknown =
            world.bench.until("one", "claims nothing", |status| status.state == State::Unknown);
        let unknown = unknown.await;
        let told = unknown.conditions.iter().find(|one| one.type_ == "EvidenceRecorded").unwrap();
        assert_eq!(unknown.reason, "ClockDiffers");
        assert!(told.message.contains("that of the API server"), "{}", told.message);
        let (_, metrics) = get(world.bench.url(), "/metrics").await.unwrap();
        let difference = metrics
            .lines()
            .find_map(|line| line.strip_prefix("comptroller_clock_difference_seconds "))
            .and_then(|text| text.parse::<f64>().ok());
        assert!((difference.unwrap() + f64::from(day)).abs() < 2.0, "{difference:?}");
        assert!(!world.entries().await.iter().any(|entry| {
            matches!(&entry.data, Data::Verdict(data) if data.state == State::Failing)
        }));

        world.proxy.set([]);
        world.until_event(OperatorEvent::ClockAgrees).await;
        world.bench.until_state("one", State::Failing).await;
        world.bench.stop_operator().await;
        let ended = Timestamp::now() + SignedDuration::from_secs(EXACT);
        for entry in world.entries().await {
            assert!(
                entry.at <= ended,
                "a server whose clock was set took the time with it: {entry:?}"
            );
        }
        let differs = world.entries().await.into_iter().find(|entry| {
            matches!(&entry.data, Data::Operator(data) if data.event == OperatorEvent::ClockDiffers)
        });
        let differs = differs.unwrap();
        let server = differs.clock.server.unwrap().duration_since(began).as_secs();
        assert!((server - i64::from(day)).abs() < 60, "{differs:?}");
    }
}

#[tokio::test]
async fn an_api_server_that_does_not_answer_is_one_gap_of_the_cluster() {
    outage(&[]).await;
}

/// Who can't renew its Lease loses the lead by the same outage.
#[tokio::test]
async fn an_outage_that_costs_the_lead_is_one_gap_as_well() {
    outage(&["--leader-elect", "--leader-elect-namespace", "default"]).await;
}

async fn outage(arguments: &[&str]) {
    let mut world = World::as_started(arguments, &["one", "two", "three"]).await;
    let from = Timestamp::now();
    world.bench.plane.stop_api_server();
    // Longer than inputs may be silent, and than a Lease is held.
    tokio::time::sleep(Duration::from_secs(90)).await;
    world.bench.plane.start_api_server().await.unwrap();
    let to = Timestamp::now();
    world.until_gap(GapCause::ApiServerUnreachable).await;
    for name in ["one", "two", "three"] {
        world.bench.until_state(name, State::Passing).await;
    }
    let gaps = world.gaps().await;
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let (kind, gap) = &gaps[0];
    assert_eq!((kind.as_str(), gap.cause), ("Cluster", Some(GapCause::ApiServerUnreachable)));
    assert!(gap.from.duration_since(from).as_secs().abs() <= 12, "{gap:?} since {from}");
    assert!(gap.to.duration_since(to).as_secs().abs() <= 20, "{gap:?} to {to}");
    let reasons: Vec<String> = world
        .entries()
        .await
        .into_iter()
        .filter_map(|entry| match entry.data {
            Data::Verdict(data) => Some(data.reason),
            _ => None,
        })
        .collect();
    assert!(!reasons.iter().any(|reason| reason == "Forbidden"), "{reasons:?}");
    world.bench.stop_operator().await;
}

#[tokio::test]
async fn a_stop_a_missing_control_and_a_suspension_are_told_apart() {
    let mut world = World::with(&["one"]).await;
    world.bench.apply(&control("one", "suspend: true")).await;
    world.bench.until_state("one", State::Unknown).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.bench.apply(&control("one", "suspend: false")).await;
    world.bench.until_state("one", State::Passing).await;
    world.bench.delete(&control("one", "")).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.bench.apply(&control("one", "")).await;
    world.bench.until_state("one", State::Passing).await;
    let stopped = Timestamp::now();
    world.bench.stop_operator().await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    world.start().await;
    let started = Timestamp::now();
    world.bench.until_state("one", State::Passing).await;
    let gaps = world.until_gap(GapCause::Stopped).await;
    let causes: Vec<_> =
        gaps.iter().map(|(kind, gap)| (kind.as_str(), gap.cause.unwrap())).collect();
    let expected = [
        ("Control", GapCause::Suspended),
        ("Control", GapCause::NoControl),
        ("Cluster", GapCause::Stopped),
    ];
    assert_eq!(causes, expected);
    // The API server's time comes in whole seconds, and the log may be opened after the first verdicts.
    let about = SignedDuration::from_secs(2);
    let stop = &gaps[2].1;
    assert!(stop.from >= stopped - about && stop.to <= started + about, "{stop:?}, {started}");
    for (_, gap) in &gaps[..2] {
        assert!((2..30).contains(&gap.to.duration_since(gap.from).as_secs()), "{gap:?}");
    }
    // Who ran it, as whom the API server knows it, and how.
    let entries = world.entries().await;
    let Some(Data::Operator(data)) = entries.first().map(|entry| &entry.data) else {
        panic!("{:?}", entries.first())
    };
    assert!(data.flags.contains(&"--evidence".to_owned()), "{data:?}");
    assert!(data.user.is_some(), "{data:?}");
    assert!(entries.iter().all(|entry| entry.clock.server.is_some()));
    world.bench.stop_operator().await;
}
