//! `comptroller gap`: the criteria against controls in a cluster and in files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

mod controlplane;

use std::process::{Command, Output, Stdio};

use controlplane::ControlPlane;
use jiff::Timestamp;
use serde_json::{Value, json};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn gap(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .arg("gap")
        .args(arguments)
        .current_dir(ROOT)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn criterion<'v>(readiness: &'v Value, id: &str) -> &'v Value {
    let criteria = readiness["criteria"].as_array().unwrap();
    criteria.iter().find(|one| one["id"] == id).unwrap_or_else(|| panic!("no {id}"))
}

async fn kubectl(plane: &ControlPlane, arguments: &[&str]) {
    let output = plane.kubectl("admin", arguments).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Writes a status as the operator would have.
async fn judge(plane: &ControlPlane, control: &str, state: &str, evaluated: Timestamp) {
    let status = json!({"status": {
        "observedGeneration": 1, "state": state, "reason": "NoFindings",
        "lastEvaluated": evaluated.round(jiff::Unit::Second).unwrap().to_string(),
        "population": 1, "failing": 0, "excepted": 0, "unknown": 0,
    }});
    let patch = status.to_string();
    let arguments =
        ["patch", "control", control, "--subresource=status", "--type=merge", "-p", &patch];
    kubectl(plane, &arguments).await;
}

#[tokio::test]
async fn a_cluster_is_assessed_by_the_pack_and_then_by_the_statuses_of_its_controls() {
    let plane = ControlPlane::builder().start().await.unwrap();
    let kubeconfig = plane.kubeconfig("admin");
    let live = ["--kubeconfig", kubeconfig.to_str().unwrap(), "-o", "json"];

    // Nothing is installed: the pack judges, as at the start of every company.
    let first = gap(&live);
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stderr));
    let first = json_of(&first);
    assert_eq!(first["summary"]["criteria"], 61);
    assert!(first["basis"].as_str().unwrap().contains("built-in pack"), "{}", first["basis"]);
    assert!(first["summary"]["covered"].as_u64().unwrap() > 15, "{}", first["summary"]);
    assert_eq!(criterion(&first, "CC6.1")["evidence"], "Cluster");

    // With the pack applied and nobody to judge, everything that is covered is unknown.
    kubectl(&plane, &["apply", "--server-side", "-k", &format!("{ROOT}/crds")]).await;
    plane.until_served(&["controls.comptroller.dev"]).await.unwrap();
    kubectl(&plane, &["apply", "--server-side", "-k", &format!("{ROOT}/config/soc2")]).await;
    let applied = json_of(&gap(&live));
    assert!(applied["basis"].as_str().unwrap().contains("statuses"), "{}", applied["basis"]);
    assert_eq!(applied["summary"]["covered"], first["summary"]["covered"]);
    assert_eq!(applied["summary"]["passing"], 0);
    assert_eq!(applied["summary"]["unknown"], applied["summary"]["covered"]);

    // A status that says something counts, and one that nobody renews does not.
    let now = Timestamp::now();
    let serving = criterion(&applied, "A1.1")["controls"].as_array().unwrap().clone();
    let names: Vec<&str> = serving.iter().map(|one| one["name"].as_str().unwrap()).collect();
    for name in &names {
        judge(&plane, name, "Passing", now).await;
    }
    assert_eq!(criterion(&json_of(&gap(&live)), "A1.1")["standing"], "Passing");
    judge(&plane, names[0], "Failing", now).await;
    assert_eq!(criterion(&json_of(&gap(&live)), "A1.1")["standing"], "Failing");
    let long_ago = now - jiff::SignedDuration::from_hours(24 * 30);
    judge(&plane, names[0], "Passing", long_ago).await;
    let stale = json_of(&gap(&live));
    assert_eq!(criterion(&stale, "A1.1")["standing"], "Unknown");
    assert_eq!(criterion(&stale, "A1.1")["controls"][0]["reason"], "StatusStale");

    let developer = plane.kubeconfig("developer");
    let refused = gap(&["--kubeconfig", developer.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2));
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(error.contains("grant list on controls"), "{error}");
}

#[test]
fn files_are_assessed_for_coverage_or_with_manifests() {
    let coverage = gap(&["--controls", "config/soc2", "-o", "json"]);
    assert_eq!(coverage.status.code(), Some(0), "{}", String::from_utf8_lossy(&coverage.stderr));
    let coverage = json_of(&coverage);
    assert_eq!(coverage["summary"]["passing"], 0);
    assert_eq!(criterion(&coverage, "CC6.1")["standing"], "Unknown");
    assert_eq!(criterion(&coverage, "CC6.1")["controls"][0]["reason"], "NotEvaluated");

    let scanned =
        gap(&["tests/fixtures/scan/manifests", "--controls", "tests/fixtures/scan/controls"]);
    assert_eq!(scanned.status.code(), Some(0), "{}", String::from_utf8_lossy(&scanned.stderr));
    let table = text(&scanned);
    assert!(table.contains("Failing, by these controls:"), "{table}");
    assert!(table.contains("\nReadiness: "), "{table}");
}

#[test]
fn what_can_not_be_read_is_not_passed_over() {
    let nowhere = gap(&["--controls", "tests/fixtures/nowhere"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(text(&nowhere).contains("does not exist: check the path"), "{}", text(&nowhere));
    let none = gap(&["--controls", "crds"]);
    assert_eq!(none.status.code(), Some(2));
    let error = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(error.contains("crds contains no Control"), "{error}");
}

#[test]
fn a_category_is_chosen_and_a_spreadsheet_gets_a_row_each() {
    let output =
        gap(&["--controls", "config/soc2", "--category", "availability,privacy", "-o", "csv"]);
    let rows = text(&output);
    assert_eq!(rows.lines().count(), 1 + 3 + 18, "{rows}");
    assert!(rows.starts_with("criterion,category,asks,evidence,standing,people,controls\r\n"));
}
