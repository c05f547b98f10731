//! Cheats that need the operator's process or its log.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::world::{Report, World, list, now};

/// How far a gap may be off, on a busy machine.
const EXACT: i64 = 3;

#[tokio::test]
async fn a_process_that_was_stopped_by_a_signal_vouches_for_nothing_meanwhile() {
    let mut world = World::start().await;
    let paused = world.governed("paused").await;
    // The signal is sent when the last sign of life is younger than a second.
    let (stopped, resumed) = {
        let from = now();
        world.bench.signal_operator("STOP");
        paused.config_map(&world, "bad", None).await;
        tokio::time::sleep(Duration::from_secs(15)).await;
        paused.config_map(&world, "bad", Some("ops")).await;
        world.bench.signal_operator("CONT");
        (from, now())
    };
    paused.config_map(&world, "later", Some("ops")).await;
    world.bench.until("paused", "judges again", |status| status.population == 3).await;
    let report = world.report().await;
    let gap = only_gap(&report, "Paused");
    is_exact(gap, stopped, resumed);
    let control = report.control("paused");
    assert_ne!(control["conclusion"], "NoDeviationObserved", "{control:#}");
}

#[tokio::test]
async fn a_crash_before_the_end_of_a_period_is_a_gap_up_to_its_end() {
    let mut world = World::start().await;
    let crashed = world.governed("crashed").await;
    let died = now();
    world.bench.kill_operator();
    crashed.config_map(&world, "bad", None).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let to = now();
    crashed.config_map(&world, "bad", Some("ops")).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.start_operator().await;
    world.governed("next").await;
    world.bench.stop_operator().await;
    let report = world.report_until(to);
    let gap = only_gap(&report, "Crashed");
    is_exact(gap, died, to);
    let control = report.control("crashed");
    assert_eq!(control["conclusion"], "NotDeterminable", "{control:#}");
}

/// Stopped by a signal before the end of a period and resumed after it: what is written then is about
/// the time before, and counts for it.
#[tokio::test]
async fn a_pause_over_the_end_of_a_period_is_a_gap_up_to_its_end() {
    let mut world = World::start().await;
    let paused = world.governed("paused").await;
    let stopped = now();
    world.bench.signal_operator("STOP");
    paused.config_map(&world, "bad", None).await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    let to = now();
    paused.config_map(&world, "bad", Some("ops")).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.bench.signal_operator("CONT");
    paused.config_map(&world, "later", Some("ops")).await;
    world.bench.until("paused", "judges again", |status| status.population == 3).await;
    world.bench.stop_operator().await;
    let report = world.report_until(to);
    is_exact(only_gap(&report, "Paused"), stopped, to);
    let control = report.control("paused");
    assert_eq!(control["conclusion"], "NotDeterminable", "{control:#}");
}

#[tokio::test]
async fn a_stop_and_a_start_are_told_from_a_crash() {
    let mut world = World::start().await;
    world.governed("stopped").await;
    world.bench.stop_operator().await;
    let stopped = now();
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.start_operator().await;
    let started = now();
    world.governed("next").await;
    let report = world.report().await;
    // The report is made once the operator was stopped again, which is a gap up to then.
    let before = |gap: &&Value| time_of(gap, "from") < started - SignedDuration::from_secs(2);
    let [gap] = report.gaps("Stopped").into_iter().filter(before).collect::<Vec<_>>()[..] else {
        panic!("one gap, for all controls: {:#}", report.json["gaps"])
    };
    is_exact(gap, stopped, started);
    assert!(report.gaps("Crashed").is_empty(), "{:#}", report.json["gaps"]);
}

fn only_gap<'r>(report: &'r Report, cause: &str) -> &'r Value {
    let gaps = report.gaps(cause);
    assert_eq!(gaps.len(), 1, "one gap of {cause}, for all controls: {:#}", report.json["gaps"]);
    gaps[0]
}

fn time_of(gap: &Value, field: &str) -> Timestamp {
    gap[field].as_str().unwrap().parse().unwrap()
}

fn is_exact(gap: &Value, from: Timestamp, to: Timestamp) {
    let off = |is: Timestamp, expected: Timestamp| is.duration_since(expected).as_secs().abs();
    assert!(off(time_of(gap, "from"), from) <= EXACT, "from {from}: {gap:#}");
    assert!(off(time_of(gap, "to"), to) <= EXACT, "to {to}: {gap:#}");
    assert!(!list(gap, "controls").is_empty(), "{gap:#}");
}
