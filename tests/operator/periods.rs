//! What a security officer relies on: an audit period says what the log says, is final once it is
//! over, and the report that anybody makes from the log is the one that its status vouches for.

use std::{path::Path, process::Command};

use comptroller_core::api::{AuditPeriod, AuditPeriodStatus, PeriodPhase, State};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::events::v1::Event;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use crate::{
    controlplane::{ControlPlane, wait},
    process::{Bench, LIMIT},
};

const CONTROL: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: no-privileged-containers}
spec:
  title: No container is privileged
  criteria: [CC6.8]
  owner: platform
  severity: High
  test:
    workload: {require: [NoPrivileged]}
";

const NAKED: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: naked, namespace: default}
spec:
  selector: {matchLabels: {app: naked}}
  template:
    metadata: {labels: {app: naked}}
    spec:
      containers:
      - {name: app, image: 'registry.example.com/app:1', securityContext: {privileged: true}}
";

/// A Type II period that begins and ends so many minutes from now.
fn period(name: &str, from: i64, to: i64) -> String {
    let time = |minutes| {
        let at = Timestamp::now() + SignedDuration::from_mins(minutes);
        at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    format!(
        "
apiVersion: comptroller.dev/v1alpha1
kind: AuditPeriod
metadata: {{name: {name}}}
spec: {{type: TypeII, from: \"{}\", to: \"{}\", auditors: [Ledger & Partners]}}
",
        time(from),
        time(to)
    )
}

/// What a company says of the system, as the end of a spec in flow style.
const DESCRIBED: &str = "
  , company: Acme Ledger GmbH
  , system: {name: Ledger, description: Books and keeps the accounts of companies.}
  , boundary: {clusters: [prod-eu], namespaces: ['ledger-*'], excluded: [{what: sandbox, why: It has no data of customers.}]}
  , subserviceOrganizations: [{name: Cloud Nine, services: Machines and networks., report: Their SOC 2 report of 2026., complementaryControls: [{control: Guards the data centers., criteria: [CC6.4]}]}]
  , complementaryUserEntityControls: [{control: Users lock their screens., criteria: [CC6.1]}]
  , pointsOfFocus: [{criterion: CC6.8, points: [Images come from our registry.]}]}
";

/// Everything that the company says of the system is in every format of the report.
fn described(page: &str, log: &str, kubeconfig: &Path, dir: &Path) {
    let tables = dir.join("tables");
    let made = |format: &str, output: &Path| {
        let status = Command::new(env!("CARGO_BIN_EXE_comptroller"))
            .args(["report", "over", "--evidence", log, "-o", format, "--kubeconfig"])
            .arg(kubeconfig)
            .arg("--output")
            .arg(output)
            .status()
            .unwrap();
        assert!(status.success(), "{format}");
    };
    made("csv", &tables);
    let read = |format: &str| {
        let file = dir.join(format!("over-{format}"));
        made(format, &file);
        std::fs::read_to_string(file).unwrap()
    };
    let table = std::fs::read_to_string(tables.join("system.csv")).unwrap();
    let formats = [page.to_owned(), table, read("json"), read("oscal")];
    for said in [
        "Acme Ledger GmbH",
        "Ledger",
        "Books and keeps the accounts of companies.",
        "prod-eu",
        "ledger-",
        "sandbox",
        "It has no data of customers.",
        "Cloud Nine",
        "Machines and networks.",
        "Their SOC 2 report of 2026.",
        "Guards the data centers.",
        "CC6.4",
        "Users lock their screens.",
        "Images come from our registry.",
    ] {
        for (number, text) in formats.iter().enumerate() {
            assert!(text.contains(said), "{said} is not in {number}: {text}");
        }
    }
}

/// The status of a period once Ready has this status and reason.
async fn until_ready(bench: &Bench, name: &str, ready: &str, reason: &str) -> AuditPeriodStatus {
    let api: Api<AuditPeriod> = Api::all(bench.client.clone());
    let mut last = None;
    let found = wait::until(&format!("period {name} is {reason}"), LIMIT, async || {
        last = api.get(name).await.ok().and_then(|period| period.status);
        last.clone().filter(|status| {
            status
                .conditions
                .iter()
                .any(|one| one.type_ == "Ready" && one.status == ready && one.reason == reason)
        })
    })
    .await;
    found.unwrap_or_else(|error| panic!("{error}; last status: {last:#?}"))
}

#[tokio::test]
async fn without_a_log_a_period_says_what_is_missing() {
    let bench = Bench::start().await;
    bench.apply(&period("q3", -60, 60)).await;
    let status = until_ready(&bench, "q3", "False", "NoEvidenceLog").await;
    assert!(status.conditions[0].message.contains("--evidence"), "{status:?}");
    assert_eq!((status.phase, status.coverage), (PeriodPhase::Open, None));
}

#[tokio::test]
async fn a_period_follows_the_log_and_closes_with_the_digest_of_the_report() {
    let plane = ControlPlane::builder().start().await.unwrap();
    let mut bench = Bench::without_operator(plane).await;
    let log = bench.plane.dir().join("evidence");
    let log = log.to_str().unwrap().to_owned();
    let kubeconfig = bench.plane.kubeconfig("admin");
    bench.start_operator_as(kubeconfig.clone(), &["--evidence", &log]).await;
    bench.apply(NAKED).await;
    bench.apply(CONTROL).await;
    bench.until_state("no-privileged-containers", State::Failing).await;

    bench.apply(&period("running", -60, 60)).await;
    let running = until_ready(&bench, "running", "True", "Following").await;
    assert_eq!(running.phase, PeriodPhase::Open);
    assert_eq!((running.deviations, running.open_deviations), (Some(1), Some(1)), "{running:?}");
    assert_eq!(running.controls.map(|controls| controls.deviations), Some(1));
    assert_eq!(running.report_digest, None);
    let checkpoint = running.checkpoint.unwrap();
    assert!(checkpoint.starts_with("comptroller.dev/evidence/"), "{checkpoint}");

    bench.apply(&period("ahead", 60, 120)).await;
    let ahead = until_ready(&bench, "ahead", "True", "NotBegun").await;
    assert_eq!(ahead.coverage, None);

    bench
        .apply(&(period("over", -60, -20).trim_end().trim_end_matches('}').to_owned() + DESCRIBED))
        .await;
    let over = until_ready(&bench, "over", "True", "Closed").await;
    assert_eq!((over.phase, over.deviations), (PeriodPhase::Closed, Some(0)));
    assert!(over.report_digest.is_some());

    // Anybody who can read the log makes the same report.
    let output = Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .args(["report", "over", "--evidence", &log, "-o", "html", "--kubeconfig"])
        .arg(&kubeconfig)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains(over.report_digest.as_ref().unwrap()));
    assert!(page.contains("the checkpoint in the status of the AuditPeriod"));
    assert!(page.contains("as the API server knows them"));
    described(&page, &log, &kubeconfig, bench.plane.dir());

    // What is final stays so, whatever happens next.
    bench.stop_operator().await;
    bench.start_operator_as(kubeconfig, &["--evidence", &log]).await;
    until_ready(&bench, "running", "True", "Following").await;
    let api: Api<AuditPeriod> = Api::all(bench.client.clone());
    assert_eq!(api.get("over").await.unwrap().status.unwrap(), over);
}

#[tokio::test]
async fn a_status_that_the_log_does_not_bear_is_put_back_and_no_report_rests_on_it() {
    let plane = ControlPlane::builder().start().await.unwrap();
    let mut bench = Bench::without_operator(plane).await;
    let log = bench.plane.dir().join("evidence").to_str().unwrap().to_owned();
    let kubeconfig = bench.plane.kubeconfig("admin");
    bench.start_operator_as(kubeconfig.clone(), &["--evidence", &log]).await;
    bench.apply(NAKED).await;
    bench.apply(CONTROL).await;
    bench.until_state("no-privileged-containers", State::Failing).await;
    bench.apply(&period("over", -60, -20)).await;
    bench.apply(&period("running", -60, 60)).await;
    let running = until_ready(&bench, "running", "True", "Following").await;
    let over = until_ready(&bench, "over", "True", "Closed").await;
    assert_eq!(over.controls.map(|controls| controls.deviations), Some(0));

    // Who may write statuses claims that all is well, of a period that is open and of one that is not.
    let api: Api<AuditPeriod> = Api::all(bench.client.clone());
    let rosy = json!({"status": {
        "phase": "Closed", "coverage": "100.0%", "deviations": 0, "openDeviations": 0,
        "controls": {"effective": 68, "deviations": 0, "unknown": 0},
        "logSize": 2, "reportDigest": over.report_digest,
    }});
    let forge = async |name: &str| {
        let forged = Patch::Merge(&rosy);
        api.patch_status(name, &PatchParams::default(), &forged).await.unwrap();
    };
    for (name, before) in [("running", &running), ("over", &over)] {
        forge(name).await;
        let what = format!("{name} is put back");
        let found = wait::until(&what, LIMIT, async || {
            let status = api.get(name).await.ok()?.status?;
            let said = status.conditions.iter().find(|one| one.type_ == "StatusPutBack")?.clone();
            (status.phase == before.phase && status.deviations == before.deviations)
                .then_some((status, said))
        });
        let (status, said) = found.await.unwrap();
        assert_eq!(status.report_digest, before.report_digest, "{name}");
        assert_eq!(status.controls, before.controls, "{name}");
        assert!(said.message.contains("does not bear"), "{said:?}");
    }
    let events: Api<Event> = Api::default_namespaced(bench.client.clone());
    let told = wait::until("an event says so", LIMIT, async || {
        let events = events.list(&ListParams::default()).await.ok()?;
        events.items.into_iter().find(|event| event.reason.as_deref() == Some("StatusPutBack"))
    });
    told.await.unwrap();

    // Nobody puts it back while the operator is away, and the report says so all the same.
    bench.stop_operator().await;
    let report = |name: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_comptroller"))
            .args(["report", name, "--evidence", &log, "-o", "json", "--kubeconfig"])
            .arg(&kubeconfig)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(report("over").0, Some(0), "{}", report("over").1);
    let better = json!({"status": {"deviations": 7}});
    api.patch_status("over", &PatchParams::default(), &Patch::Merge(&better)).await.unwrap();
    let (code, complaint) = report("over");
    assert!(code == Some(1) && complaint.contains("deviations is 7, not 0"), "{complaint}");
    forge("running").await;
    let (code, complaint) = report("running");
    assert!(code == Some(2) && complaint.contains("before the end of the period"), "{complaint}");
}
