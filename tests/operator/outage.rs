//! What an outage of the API server leaves in the log: a few lines, each with what to do.

use std::time::Duration;

use comptroller_core::api::State;

use crate::{
    controlplane::{ControlPlane, wait},
    process::{Bench, LIMIT, get, kubectl},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Long enough for every watch to have been retried five times; later ones are half a minute apart.
const OUTAGE: Duration = Duration::from_secs(30);

const INGRESS: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: ingress}
spec:
  title: Every Ingress is served over TLS
  criteria: [CC6.6]
  owner: platform
  severity: High
  test: {encryption: {ingress: {}}}
";

/// Lines of the log at WARN and worse.
fn warnings(log: &str) -> Vec<&str> {
    log.lines()
        .filter(|line| line.contains(r#""level":"WARN""#) || line.contains(r#""level":"ERROR""#))
        .collect()
}

/// Failures that the metrics count; the log need not have a line for each.
fn failures(metrics: &str) -> u64 {
    let counts = metrics.lines().filter_map(|line| {
        let (_, count) =
            line.strip_prefix("comptroller_watch_failures_total{")?.split_once("} ")?;
        count.parse::<u64>().ok()
    });
    counts.sum()
}

#[tokio::test]
async fn an_outage_is_told_in_a_few_lines() {
    let plane = ControlPlane::builder().start().await.unwrap();
    let mut bench = Bench::without_operator(plane).await;
    kubectl(&bench.plane, &["apply", "-k", &format!("{ROOT}/config/soc2")]).await;
    bench.start_operator_as_shipped("admin").await;
    bench.until_state("rights-come-through-groups", State::Passing).await;
    let before = bench.log().len();

    bench.plane.stop_api_server();
    let url = bench.url().to_owned();
    let began = std::time::Instant::now();
    wait::until("an outage with many failures", OUTAGE * 4, async || {
        let (_, metrics) = get(&url, "/metrics").await.ok()?;
        (began.elapsed() >= OUTAGE && failures(&metrics) > 100).then_some(())
    })
    .await
    .unwrap();
    let during = bench.log().split_off(before);
    let said = warnings(&during);
    assert!((1..30).contains(&said.len()), "{} lines: {said:#?}", said.len());
    assert!(said[0].contains("Check that the API server runs"), "{}", said[0]);

    bench.plane.start_api_server().await.unwrap();
    wait::until("the end is told", LIMIT * 2, async || {
        bench.log().contains("the API server answers again").then_some(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error}: {said:#?}"));
    let all = bench.log().split_off(before);
    assert!(warnings(&all).len() < 30, "{:#?}", warnings(&all));
    // It goes on as before.
    bench.apply(INGRESS).await;
    bench.until_state("ingress", State::NotApplicable).await;
    bench.stop_operator().await;
}

/// A right that is missing is one line for each kind, a number, and no passing control.
#[tokio::test]
async fn missing_rights_are_told_once_and_counted() {
    let plane = ControlPlane::builder().user("newcomer", &[]).start().await.unwrap();
    let mut bench = Bench::without_operator(plane).await;
    let role = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: own}
rules:
- {apiGroups: [comptroller.dev], resources: ['*'], verbs: ['*']}
- {apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [list, watch]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}
- {apiGroups: [''], resources: [namespaces], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: own}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: own}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: newcomer}]
";
    bench.apply(role).await;
    bench.apply(INGRESS).await;
    bench.start_operator_as_shipped("newcomer").await;
    let status = bench.until_state("ingress", State::Unknown).await;
    let status = if status.reason == "Forbidden" {
        status
    } else {
        bench.until("ingress", "is forbidden", |status| status.reason == "Forbidden").await
    };
    assert!(status.since.is_some());
    let url = bench.url().to_owned();
    wait::until("both kinds are counted", LIMIT, async || {
        let (_, metrics) = get(&url, "/metrics").await.ok()?;
        metrics.contains("comptroller_unreadable_kinds{reason=\"Forbidden\"} 2").then_some(())
    })
    .await
    .unwrap();
    let lines_of = |log: &str, kind: &str| {
        let what = format!(r#""what":"{kind}.networking.k8s.io""#);
        warnings(log).into_iter().filter(|line| line.contains(&what)).count()
    };
    // A denial right after an outage may be the API server's start, so its line may come later.
    wait::until("both kinds are in the log", LIMIT, async || {
        let log = bench.log();
        ["ingresses", "ingressclasses"].iter().all(|kind| lines_of(&log, kind) > 0).then_some(())
    })
    .await
    .unwrap();
    assert!(bench.log().contains("grant the operator list and watch on it"), "{}", bench.log());

    bench.apply(&role.replace("resources: [namespaces], verbs: [get]}", "resources: [namespaces], verbs: [get]}\n- {apiGroups: [networking.k8s.io], resources: [ingresses, ingressclasses], verbs: [list, watch]}")).await;
    bench.until("ingress", "is judged", |status| status.state == State::NotApplicable).await;
    wait::until("none is counted", LIMIT, async || {
        let (_, metrics) = get(&url, "/metrics").await.ok()?;
        metrics.contains("comptroller_unreadable_kinds{reason=\"Forbidden\"} 0").then_some(())
    })
    .await
    .unwrap();
    let log = bench.log();
    for kind in ["ingresses", "ingressclasses"] {
        assert_eq!(lines_of(&log, kind), 1, "{kind}: {log}");
    }
    bench.stop_operator().await;
}
