//! What must exist, and what other engines report, against a real API server: with the definitions
//! that `OpenReports` ships where those are at hand, and with stand-ins for the others.

use std::path::Path;

use comptroller_core::api::State;
use serde_json::{Value, json};

use crate::process::Bench;

#[allow(dead_code, reason = "the samples serve the unit tests, too")]
#[path = "../../crates/core/src/inventory/reports/samples.rs"]
mod samples;

/// Resource definitions of other projects, which this one does not copy.
const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/crds");

/// Installs the definitions of `OpenReports`.
async fn install_reports(bench: &Bench) {
    for (group, version, kind, plural, scope) in [
        ("openreports.io", "v1alpha1", "Report", "reports", "Namespaced"),
        ("openreports.io", "v1alpha1", "ClusterReport", "clusterreports", "Cluster"),
    ] {
        let path = format!("{CRDS}/{group}_{plural}.yaml");
        if Path::new(&path).is_file() {
            bench.apply(&std::fs::read_to_string(path).unwrap()).await;
        } else {
            eprintln!("{path} is not there: a stand-in without a schema takes its place");
            bench.apply(&stand_in(group, version, kind, plural, scope)).await;
        }
    }
}

/// A definition that admits anything.
fn stand_in(group: &str, version: &str, kind: &str, plural: &str, scope: &str) -> String {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{plural}.{group}"),
            // Without it, definitions in a group of the project's own are refused.
            "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in for tests"},
        },
        "spec": {
            "group": group, "scope": scope, "names": {"kind": kind, "plural": plural},
            "versions": [{
                "name": version, "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
    .to_string()
}

/// A report without the owners that this API server does not know, which a controller would collect.
fn unowned(mut report: Value) -> String {
    report["metadata"]["ownerReferences"] = json!(null);
    report["metadata"]["creationTimestamp"] = json!(null);
    report.to_string()
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

const POLICIES: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: policies-are-met}
spec:
  title: Policies are met
  criteria: [CC7.1]
  owner: platform
  severity: Low
  test: {results: {reports: [PolicyReport], sources: [kyverno, kubewarden], maxAge: 24h}}
";

#[tokio::test]
async fn what_other_engines_report_is_evidence() {
    let bench = Bench::start().await;
    bench.apply(POLICIES).await;
    let status = bench.until_state("policies-are-met", State::Unknown).await;
    assert_eq!(status.reason, "KindNotServed", "{:#?}", status.conditions);

    // Nobody wrote anything yet, which is no pass.
    install_reports(&bench).await;
    let status = bench
        .until("policies-are-met", "sees no report", |status| status.reason == "ItemsUnknown")
        .await;
    assert_eq!(
        (status.state, status.unknown_items[0].rule.as_str()),
        (State::Unknown, "NoReports")
    );

    let kyverno = |result: &str, seconds| {
        let result = samples::result("require-labels", "check-team", result, seconds);
        unowned(samples::kyverno("openreports.io", "default", "web", &[result]))
    };
    bench.apply(&kyverno("pass", now())).await;
    let status = bench.until_state("policies-are-met", State::Passing).await;
    assert_eq!(status.population, 1);
    bench.apply(&kyverno("fail", now())).await;
    let status = bench.until_state("policies-are-met", State::Failing).await;
    let finding = &status.findings[0];
    assert_eq!(finding.rule, "require-labels/check-team");
    assert_eq!(
        (finding.resource.kind.as_str(), finding.resource.name.as_str()),
        ("Deployment", "web")
    );
    assert!(finding.message.starts_with("kyverno says (Report default/uid-of-web)"), "{finding:?}");
    // A scanner that stopped long ago says nothing about today.
    bench.apply(&kyverno("pass", now() - 2 * 86_400)).await;
    let status = bench.until_state("policies-are-met", State::Unknown).await;
    assert_eq!(status.unknown_items[0].rule, "ResultTooOld");

    // The same engine writes into the older API group as well, and its newer word counts.
    bench
        .apply(&stand_in(
            "wgpolicyk8s.io",
            "v1alpha2",
            "PolicyReport",
            "policyreports",
            "Namespaced",
        ))
        .await;
    let result = samples::result("require-labels", "check-team", "pass", now());
    let older = samples::kyverno("wgpolicyk8s.io", "default", "web", &[result]);
    bench.plane.until_served(&["policyreports.wgpolicyk8s.io"]).await.unwrap();
    bench.apply(&unowned(older)).await;
    bench.until_state("policies-are-met", State::Passing).await;
}

const POLICY_EACH: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: settings-are-there}
spec:
  title: Each namespace has settings
  criteria: [CC6.6]
  owner: platform
  severity: Low
  scope: {namespaces: {matchLabels: {env: prod}}}
  test:
    presence:
      resources: [{apiGroups: [\"\"], apiVersions: [v1], resources: [configmaps]}]
      names: [settings]
      per: Namespace
      healthy: object.data.level == 'high'
";

#[tokio::test]
async fn what_must_exist_is_missed_in_the_namespace_that_lacks_it() {
    let bench = Bench::start().await;
    bench.apply(POLICY_EACH).await;
    bench.until_state("settings-are-there", State::NotApplicable).await;
    bench
        .apply("{apiVersion: v1, kind: Namespace, metadata: {name: pay, labels: {env: prod}}}")
        .await;
    let status = bench.until_state("settings-are-there", State::Failing).await;
    let finding = &status.findings[0];
    assert_eq!((finding.rule.as_str(), finding.resource.name.as_str()), ("Missing", "pay"));
    let settings = |level: &str| {
        format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: settings, namespace: pay}}, data: {{level: {level}}}}}"
        )
    };
    bench.apply(&settings("high")).await;
    let status = bench.until_state("settings-are-there", State::Passing).await;
    assert_eq!(status.population, 1);
    bench.apply(&settings("low")).await;
    let status = bench.until_state("settings-are-there", State::Failing).await;
    assert_eq!(
        (status.findings[0].rule.as_str(), status.findings[0].resource.kind.as_str()),
        ("Unhealthy", "ConfigMap")
    );
}
