//! Cheats by the files of the log, its key, and what is published of it.

use std::time::Duration;

use comptroller_core::api::{ControlStatus, State};
use comptroller_evidence::entry::EntryType;

use crate::{
    process::kubectl,
    world::{World, list, now, of_item},
};

const CONFIG_MAP: &str = "configmap/comptroller-evidence";
const SYSTEM: &str = "-n=comptroller-system";

/// Copies a folder with all that is in it.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    let status = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.unwrap().success());
}

/// Waits until a control says that what lies there is not the log that is known.
async fn is_refused(world: &World, control: &str) {
    let is_said = |status: &ControlStatus| {
        let told = status.conditions.iter().find(|one| one.type_ == "EvidenceRecorded");
        told.is_some_and(|told| told.status == "False" && told.reason == "LogDiscontinued")
    };
    world.bench.until(control, "says that the log is another", is_said).await;
}

/// Takes the published checkpoint out, as an administrator does who accepts another log.
async fn withdraw(world: &World) {
    let empty = "{\"data\":{\"checkpoint\":\"\"}}";
    kubectl(&world.bench.plane, &[SYSTEM, "patch", CONFIG_MAP, "-p", empty]).await;
}

/// An older copy takes the place of a log that has a deviation, while the operator is down: it is not
/// written on, the controls say so, and so does the page that is read from it.
#[tokio::test]
async fn an_older_copy_of_the_log_does_not_pass_for_the_log() {
    let mut world = World::without_operator().await;
    kubectl(&world.bench.plane, &["create", "namespace", "comptroller-system"]).await;
    world.start_operator().await;
    let hidden = world.governed("hidden").await;
    world.bench.stop_operator().await;
    let copied = world.bench.plane.dir().join("copied");
    copy(&world.log, &copied);
    world.start_operator().await;
    hidden.break_rule(&world).await;
    hidden.config_map(&world, "bad", Some("ops")).await;
    hidden.until(&world, State::Passing).await;
    // Its last word is published, so that nothing that was found is in the copy alone.
    world.bench.stop_operator().await;
    std::fs::remove_dir_all(&world.log).unwrap();
    copy(&copied, &world.log);
    world.start_operator().await;
    is_refused(&world, "hidden").await;
    world.bench.stop_operator().await;

    let report = world.report_until(now());
    let log = &report.json["log"];
    assert_eq!(log["continuesPublished"], false, "{log:#}");
    assert!(log["published"].is_string(), "{log:#}");
    report.is_no_pass("hidden");
    report.shows(&["not continued by the log"]);
}

/// The log is moved away in the bad time and back after it: that time is a gap, and what was found
/// meanwhile is told.
#[tokio::test]
async fn a_log_that_was_out_of_reach_for_a_time_is_a_gap() {
    let mut world = World::start().await;
    let moved = world.governed("moved").await;
    let away = world.bench.plane.dir().join("away");
    std::fs::rename(&world.log, &away).unwrap();
    std::fs::write(&world.log, "not a folder").unwrap();
    moved.config_map(&world, "bad", None).await;
    let claims_nothing =
        |status: &ControlStatus| status.state == State::Unknown || status.state == State::Failing;
    world.bench.until("moved", "claims nothing", claims_nothing).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    moved.config_map(&world, "bad", Some("ops")).await;
    std::fs::remove_file(&world.log).unwrap();
    std::fs::rename(&away, &world.log).unwrap();
    moved.config_map(&world, "next", Some("ops")).await;
    world.bench.until("moved", "goes on", |status| status.population == 3).await;

    let report = world.report().await;
    let control = report.is_no_pass("moved");
    let found = list(control, "deviations").len();
    let gaps = report.gaps("LogUnwritable").len();
    assert!(found + gaps > 0, "{:#} {control:#}", report.json["gaps"]);
    if found > 0 {
        of_item(control, "deviations", "bad");
    }
}

/// The log is thrown away with its key. Another is begun only once somebody took out what was
/// published, and does not pass for it; nothing is said of the time before.
#[tokio::test]
async fn a_new_log_under_a_new_key_says_nothing_of_the_time_before() {
    let mut world = World::without_operator().await;
    kubectl(&world.bench.plane, &["create", "namespace", "comptroller-system"]).await;
    world.start_operator().await;
    let hidden = world.governed("hidden").await;
    hidden.break_rule(&world).await;
    hidden.config_map(&world, "bad", Some("ops")).await;
    hidden.until(&world, State::Passing).await;
    world.bench.stop_operator().await;
    std::fs::remove_dir_all(&world.log).unwrap();
    std::fs::remove_dir_all(world.bench.plane.dir().join("keys")).unwrap();
    world.start_operator().await;
    is_refused(&world, "hidden").await;
    assert!(world.entries().await.is_empty(), "nothing is begun");
    world.bench.stop_operator().await;
    withdraw(&world).await;
    world.start_operator().await;
    world.until_entry("a verdict", |entry| entry.data.entry_type() == EntryType::Verdict).await;

    let report = world.report().await;
    report.is_no_pass("hidden");
    assert_eq!(report.json["log"]["continuesPublished"], false, "{:#}", report.json["log"]);
}
