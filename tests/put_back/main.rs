//! A log that was put back, and two operators at one log, on a real API server: the log is never
//! forked, and no status says that something is recorded when it is not.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

#[path = "../controlplane/mod.rs"]
mod controlplane;
#[allow(dead_code, reason = "each test binary uses a part of it")]
#[path = "../operator/process.rs"]
mod process;

mod copies;
mod two;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use comptroller_core::api::{Control, ControlStatus};
use comptroller_evidence::{
    entry::{Data, Entry},
    log::LogReader,
    store,
};
use futures::TryStreamExt;
use kube::Api;

use controlplane::{ControlPlane, wait};
use process::{Bench, LIMIT};

const CONTROL: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: labelled}
spec:
  title: Config maps say who owns them
  criteria: [CC6.1]
  owner: platform
  severity: Low
  test:
    cel:
      resources: [{apiGroups: [''], apiVersions: [v1], resources: [configmaps]}]
      matchConditions: [{name: ours, expression: \"object.metadata.namespace == 'default' && object.metadata.name.startsWith('our-')\"}]
      validations: [{expression: \"has(object.metadata.labels) && 'owner' in object.metadata.labels\", message: say who owns it}]
";

fn config_map(name: &str, labels: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: default, labels: {labels}}}}}"
    )
}

/// A control plane with a control that passes, and a place for a log.
async fn bench() -> (Bench, PathBuf) {
    let plane = ControlPlane::builder().start().await.unwrap();
    let bench = Bench::without_operator(plane).await;
    bench.apply(&config_map("our-a", "{owner: ops}")).await;
    bench.apply(CONTROL).await;
    let log = bench.plane.dir().join("evidence");
    (bench, log)
}

/// The status of `EvidenceRecorded`, and why.
fn recorded(status: &ControlStatus) -> (&str, &str) {
    let known = status.conditions.iter().find(|known| known.type_ == "EvidenceRecorded");
    known.map_or(("", ""), |known| (known.status.as_str(), known.message.as_str()))
}

/// The status once nothing is recorded, for this reason.
async fn until_refused(controls: &Api<Control>, limit: Duration, why: &str) -> ControlStatus {
    let mut last = None;
    let refused = wait::until("a status that says what is wrong", limit, async || {
        last = controls.get("labelled").await.ok()?.status;
        last.clone().filter(|status| {
            let (recorded, message) = recorded(status);
            recorded == "False" && message.contains(why)
        })
    });
    refused.await.unwrap_or_else(|error| panic!("{error}: {last:#?}"))
}

async fn until_recorded(bench: &Bench, failing: i64) -> ControlStatus {
    let what = format!("has {failing} findings, recorded");
    let is = |status: &ControlStatus| {
        status.failing == failing && status.since.is_some() && recorded(status).0 == "True"
    };
    bench.until("labelled", &what, is).await
}

async fn entries(log: &Path) -> Vec<Entry> {
    let store = store::open(log.to_str().unwrap()).unwrap();
    let reader = LogReader::open(store, None).await.unwrap();
    let entries: Vec<_> = reader.entries(0..reader.size()).try_collect().await.unwrap();
    let entries: Vec<Entry> =
        entries.iter().map(|(_, bytes)| Entry::parse(bytes).unwrap()).collect();
    assert!(entries.is_sorted_by_key(|entry| entry.epoch), "an epoch fell");
    entries
}

fn gaps(entries: &[Entry]) -> Vec<&str> {
    entries
        .iter()
        .filter_map(|entry| match &entry.data {
            Data::Gap(gap) => Some(gap.reason.as_str()),
            _ => None,
        })
        .collect()
}

/// What an auditor runs, with a checkpoint that was kept.
fn verify(log: &Path, since: Option<&Path>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comptroller"));
    command.args(["evidence", "verify"]).arg(log);
    if let Some(since) = since {
        command.arg("--since").arg(since);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
}
