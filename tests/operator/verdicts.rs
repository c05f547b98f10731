//! What users rely on: verdicts that follow the cluster, survive restarts, and never come from
//! what is not known.

use std::time::Duration;

use comptroller_core::api::{ControlStatus, ExceptionPhase, State};
use kube::ResourceExt;

use crate::{
    controlplane::{ControlPlane, wait},
    process::{Bench, LIMIT, get, kubectl},
};

const NO_ROOT: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: no-privileged-containers}
spec:
  title: No container is privileged
  remedy: Remove securityContext.privileged.
  criteria: [CC6.8]
  owner: platform
  severity: High
  scope: {excludeNamespaces: [kube-system]}
  test:
    workload: {require: [NoPrivileged]}
";

fn deployment(name: &str, privileged: bool) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: default}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
      - name: app
        image: registry.example.com/app:1
        securityContext: {{privileged: {privileged}}}
"
    )
}

#[tokio::test]
async fn a_verdict_follows_the_cluster_and_survives_a_restart() {
    let mut bench = Bench::start().await;
    bench.apply(&deployment("good", false)).await;
    bench.apply(NO_ROOT).await;
    let status = bench.until_state("no-privileged-containers", State::Passing).await;
    assert_eq!((status.population, status.failing), (1, 0));

    bench.apply(&deployment("bad", true)).await;
    let failing = bench.until_state("no-privileged-containers", State::Failing).await;
    assert_eq!((failing.population, failing.failing), (2, 1));
    let finding = &failing.findings[0];
    assert_eq!(finding.rule, "NoPrivileged");
    assert_eq!(
        (finding.resource.kind.as_str(), finding.resource.name.as_str()),
        ("Deployment", "bad")
    );
    assert_eq!(finding.resource.namespace.as_deref(), Some("default"));
    assert!(finding.since.is_some());
    let conditions: Vec<_> = failing
        .conditions
        .iter()
        .map(|known| (known.type_.as_str(), known.status.as_str()))
        .collect();
    assert_eq!(conditions, [("Ready", "True"), ("Compliant", "False")]);

    // A restart writes nothing: the same verdict, since the same time.
    let before = bench.controls().get("no-privileged-containers").await.unwrap();
    bench.stop_operator().await;
    bench.start_operator("admin").await;
    let url = bench.url().to_owned();
    wait::until("the verdict is known again", LIMIT, async || {
        let (_, metrics) = get(&url, "/metrics").await.ok()?;
        metrics.contains(r#"comptroller_control_state{control="no-privileged-containers",state="Failing"} 1"#).then_some(())
    })
    .await
    .unwrap();
    let after = bench.controls().get("no-privileged-containers").await.unwrap();
    assert_eq!(before.resource_version(), after.resource_version(), "{:#?}", after.status);

    bench.apply(&deployment("bad", false)).await;
    let fixed = bench.until_state("no-privileged-containers", State::Passing).await;
    assert!(fixed.since >= failing.since && fixed.findings.is_empty());
    let events = kubectl(
        &bench.plane,
        &[
            "get",
            "events.events.k8s.io",
            "-A",
            "-o",
            "jsonpath={range .items[*]}{.reason} {.type} {.regarding.name}{\"\\n\"}{end}",
        ],
    )
    .await;
    assert!(events.contains("Failing Warning no-privileged-containers"), "{events}");
    assert!(events.contains("Passing Normal no-privileged-containers"), "{events}");
}

#[tokio::test]
async fn kubectl_shows_a_table_that_answers_at_a_glance() {
    let bench = Bench::start().await;
    bench.apply(&deployment("bad", true)).await;
    bench.apply(NO_ROOT).await;
    bench.until_state("no-privileged-containers", State::Failing).await;
    let table = kubectl(&bench.plane, &["get", "ctl"]).await;
    let lines: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines[0],
        [
            "NAME",
            "STATE",
            "FAILING",
            "POPULATION",
            "SEVERITY",
            "CRITERIA",
            "OWNER",
            "SINCE",
            "AGE",
            "EVIDENCE"
        ]
    );
    assert_eq!(
        &lines[1][..7],
        ["no-privileged-containers", "Failing", "1", "1", "High", "[\"CC6.8\"]", "platform"]
    );
    kubectl(
        &bench.plane,
        &["wait", "--for=condition=Ready", "ctl/no-privileged-containers", "--timeout=30s"],
    )
    .await;
}

#[tokio::test]
async fn an_exception_needs_an_approval_and_ends() {
    let mut bench = Bench::start().await;
    bench.apply(&deployment("legacy", true)).await;
    bench.apply(NO_ROOT).await;
    bench.until_state("no-privileged-containers", State::Failing).await;
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(30);
    let exception = |approval: &str| {
        format!(
            "
apiVersion: comptroller.dev/v1alpha1
kind: ControlException
metadata: {{name: legacy}}
spec:
  controls: [no-privileged-containers]
  resources: [{{kind: Deployment, namespace: default, name: 'leg*'}}]
  reason: Replaced in the next quarter.
  requestedBy: jane@corp
  expires: \"{}\"
  {approval}
",
            comptroller_core::api::time::whole_seconds(expires).0
        )
    };
    let exceptions = bench.exceptions();
    let phase = async |wanted: ExceptionPhase| {
        let api = exceptions.clone();
        wait::until(&format!("the exception is {}", wanted.as_str()), LIMIT, async || {
            let status = api.get("legacy").await.ok()?.status?;
            (status.phase == wanted && !status.conditions.is_empty()).then_some(status)
        })
        .await
        .unwrap()
    };
    bench.apply(&exception("")).await;
    assert_eq!(phase(ExceptionPhase::Pending).await.matched, 0);
    bench.until_state("no-privileged-containers", State::Failing).await;

    bench.apply(&exception("approvedBy: sam@corp")).await;
    assert_eq!(phase(ExceptionPhase::Active).await.matched, 1);
    let status = bench.until_state("no-privileged-containers", State::Excepted).await;
    assert_eq!((status.failing, status.excepted), (0, 1));

    // Nor does an edit that changes none of what it says.
    let label = ["label", "controlexception", "legacy", "seen=yes"];
    kubectl(&bench.plane, &label).await;
    bench.apply(&deployment("another", true)).await;
    bench.until_state("no-privileged-containers", State::Failing).await;
    assert_eq!(phase(ExceptionPhase::Active).await.matched, 1);
    bench.delete(&deployment("another", true)).await;
    bench.until_state("no-privileged-containers", State::Excepted).await;

    // A restart changes nothing of it.
    bench.stop_operator().await;
    bench.start_operator("admin").await;
    assert_eq!(phase(ExceptionPhase::Active).await.matched, 1);
    let status = bench.until_state("no-privileged-containers", State::Excepted).await;
    assert_eq!((status.failing, status.excepted), (0, 1));

    // Nothing but time changes now.
    phase(ExceptionPhase::Expired).await;
    let status = bench.until_state("no-privileged-containers", State::Failing).await;
    assert_eq!((status.failing, status.excepted), (1, 0));
}

#[tokio::test]
async fn an_exception_that_names_nothing_says_so_until_it_does() {
    let bench = Bench::start().await;
    let exception = |name: &str, kind: &str| {
        format!(
            "
apiVersion: comptroller.dev/v1alpha1
kind: ControlException
metadata: {{name: {name}}}
spec:
  controls: [no-privileged-containers]
  resources: [{{kind: {kind}, name: 'leg*'}}]
  reason: Replaced in the next quarter.
  requestedBy: jane@corp
  expires: \"{}\"
",
            comptroller_core::api::time::whole_seconds(
                jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24)
            )
            .0
        )
    };
    let exceptions = bench.exceptions();
    let ready = async |name: &str, wanted: &str| {
        let api = exceptions.clone();
        wait::until(&format!("{name} says {wanted}"), LIMIT, async || {
            let status = api.get(name).await.ok()?.status?;
            let ready = status.conditions.into_iter().find(|one| one.type_ == "Ready")?;
            format!("{} {}: {}", ready.status, ready.reason, ready.message)
                .contains(wanted)
                .then_some(())
        })
        .await
        .unwrap();
    };
    bench.apply(&exception("early", "Deployment")).await;
    bench.apply(&exception("mistyped", "deployments")).await;
    let no_control = "False NamesNothing: spec.controls[0]: there is no control";
    ready("early", no_control).await;
    bench.apply(NO_ROOT).await;
    ready("early", "True Judged: waits for approval").await;
    ready("mistyped", "there is no kind \"deployments\" here; did you mean Deployment?").await;
    kubectl(&bench.plane, &["delete", "control", "no-privileged-containers"]).await;
    ready("early", no_control).await;
}

#[tokio::test]
async fn a_kind_that_is_not_installed_is_unknown_until_it_appears() {
    let bench = Bench::start().await;
    bench
        .apply(
            "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: widgets-are-blue}
spec:
  title: Widgets are blue
  criteria: [CC5.2]
  owner: platform
  severity: Low
  test:
    cel:
      resources: [{apiGroups: [example.com], apiVersions: [v1], resources: [widgets]}]
      validations: [{expression: \"object.spec.colour == 'blue'\", message: paint it blue}]
",
        )
        .await;
    let status = bench.until_state("widgets-are-blue", State::Unknown).await;
    assert_eq!(status.reason, "KindNotServed");
    bench
        .apply(
            "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
",
        )
        .await;
    let status = bench.until_state("widgets-are-blue", State::NotApplicable).await;
    assert_eq!(status.reason, "NoPopulation");
    let widget = |name: &str, spec: &str| {
        format!(
            "{{apiVersion: example.com/v1, kind: Widget, metadata: {{name: {name}, namespace: default}}, spec: {spec}}}"
        )
    };
    bench.apply(&widget("good", "{colour: blue}")).await;
    bench.until_state("widgets-are-blue", State::Passing).await;
    // What can't be judged is unknown, and does not stop the watch.
    bench.apply(&widget("odd", "[1, 2]")).await;
    let status = bench.until_state("widgets-are-blue", State::Unknown).await;
    assert_eq!((status.reason.as_str(), status.unknown), ("ItemsUnknown", 1));
    assert_eq!(status.unknown_items[0].resource.name, "odd");
    bench.apply(&widget("bad", "{colour: red}")).await;
    let status = bench.until_state("widgets-are-blue", State::Failing).await;
    assert_eq!(status.findings[0].message, "paint it blue");
    // With its definition the kind goes, and what was known of it.
    kubectl(&bench.plane, &["delete", "crd", "widgets.example.com", "--wait=false"]).await;
    bench
        .until("widgets-are-blue", "forgets the kind", |status| status.reason == "KindNotServed")
        .await;
}

#[tokio::test]
async fn a_missing_right_is_unknown_until_it_is_granted() {
    let plane = ControlPlane::builder().user("operator", &[]).start().await.unwrap();
    let mut bench = Bench::without_operator(plane).await;
    let rights = |extra: &str| {
        format!(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: narrow}}
rules:
- {{apiGroups: [comptroller.dev], resources: ['*'], verbs: [list, watch, patch]}}
- {{apiGroups: [events.k8s.io], resources: [events], verbs: [create, patch]}}
- {{apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [list, watch]}}
{extra}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: narrow}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: narrow}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: operator}}]
"
        )
    };
    bench.apply(&rights("")).await;
    bench.apply(NO_ROOT).await;
    bench.start_operator("operator").await;
    let status = bench.until_state("no-privileged-containers", State::Unknown).await;
    assert_eq!(status.reason, "Forbidden");
    let message = &status.conditions[1].message;
    assert!(message.contains("grant list and watch"), "{message}");
    let workloads = "- {apiGroups: ['', apps, batch], resources: ['*'], verbs: [list, watch]}";
    bench.apply(&rights(workloads)).await;
    bench.until_state("no-privileged-containers", State::NotApplicable).await;

    // Taken away and given back: watches that resume say nothing of it, so the kind is listed anew.
    bench.apply(&rights("")).await;
    bench.plane.restart_api_server().await.unwrap();
    bench.client = bench.plane.admin_client();
    let status = bench.until_state("no-privileged-containers", State::Unknown).await;
    assert_eq!(status.reason, "Forbidden");
    bench.apply(&rights(workloads)).await;
    bench.until_state("no-privileged-containers", State::NotApplicable).await;
    bench.stop_operator().await;
}

#[tokio::test]
async fn a_spec_that_cannot_be_judged_says_what_to_write() {
    let bench = Bench::start().await;
    for (name, test, reason, words) in [
        (
            "bad-expression",
            "cel: {resources: [{apiGroups: [''], apiVersions: [v1], resources: [pods]}], validations: [{expression: 'object.spec.('}]}",
            "InvalidSpec",
            "spec.test.cel.validations[0].expression",
        ),
        (
            "bad-duration",
            "backup: {of: PersistentVolumeClaims, maxAge: 999999999y}",
            "InvalidSpec",
            "999999999y",
        ),
        (
            "bad-selector",
            "workload: {require: [Probes], selector: {matchLabels: {'not a key': x}}}",
            "InvalidSpec",
            "spec.test.workload.selector",
        ),
        (
            "secret-reader",
            "cel: {resources: [{apiGroups: [''], apiVersions: [v1], resources: [secrets]}], validations: [{expression: 'true'}]}",
            "InvalidSpec",
            "spec.test.cel.resources[0].resources[0]",
        ),
        (
            "unsupported-expression",
            "cel: {resources: [{apiGroups: [''], apiVersions: [v1], resources: [pods]}], validations: [{expression: \"request.userInfo.username == 'jane'\"}]}",
            "UnsupportedExpression",
            "spec.test.cel.validations[0].expression",
        ),
    ] {
        bench
            .apply(&format!(
                "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {{name: {name}}}
spec:
  title: A control that cannot be judged
  criteria: [CC6.8]
  owner: platform
  severity: Low
  test: {{{test}}}
"
            ))
            .await;
        let status = bench.until_state(name, State::Unknown).await;
        assert_eq!(status.reason, reason, "{name}");
        let ready = status.conditions.iter().find(|known| known.type_ == "Ready").unwrap();
        assert_eq!(ready.status, "False");
        assert!(ready.message.contains(words), "{}", ready.message);
    }
    // What can't be read is said once, not over and over: by the time that another control has
    // gone all the way, nothing was written again.
    let version = async |name: &str| bench.controls().get(name).await.unwrap().resource_version();
    let before = version("bad-duration").await;
    bench.apply(&deployment("bad", true)).await;
    bench.apply(NO_ROOT).await;
    bench.until_state("no-privileged-containers", State::Failing).await;
    assert_eq!(version("bad-duration").await, before);
}

#[tokio::test]
async fn an_api_server_that_restarts_changes_no_verdict() {
    let mut bench = Bench::start().await;
    bench.apply(&deployment("bad", true)).await;
    bench.apply(NO_ROOT).await;
    let before = bench.until_state("no-privileged-containers", State::Failing).await;
    bench.plane.restart_api_server().await.unwrap();
    bench.client = bench.plane.admin_client();
    bench.apply(&deployment("worse", true)).await;
    let after = bench
        .until("no-privileged-containers", "counts the new one", |status| status.failing == 2)
        .await;
    assert_eq!(before.since, after.since, "no verdict was withdrawn meanwhile");
}

#[tokio::test]
async fn at_rest_nothing_is_written_and_nothing_is_listed_again() {
    let bench = Bench::start().await;
    bench.apply(&deployment("bad", true)).await;
    bench.apply(NO_ROOT).await;
    bench.until_state("no-privileged-containers", State::Failing).await;
    let counts = async |name: &str, failing: i64| {
        bench.apply(&deployment(name, true)).await;
        let counted = |status: &ControlStatus| status.failing == failing;
        bench.until("no-privileged-containers", "counts the marker", counted).await
    };
    // By the time a change has gone all the way, what start-up lists is listed.
    let settled = counts("before", 2).await;
    let before = requests(&bench).await;
    assert!(before.lists > 0 && before.writes > 0, "{before:?}");
    for round in 0..20 {
        bench.apply(&churned(round)).await;
    }
    let status = counts("after", 3).await;
    assert_eq!(status.since, settled.since);
    let after = requests(&bench).await;
    assert_eq!(after.lists, before.lists, "a list was repeated");
    // One for the marker; another may gather what came within its window.
    assert!(after.writes - before.writes <= 2, "{before:?} {after:?}");
}

/// A change of an object that changes no fact: it must not reach any status.
fn churned(round: usize) -> String {
    let plain = "metadata: {name: bad, namespace: default}";
    let churned =
        format!("metadata: {{name: bad, namespace: default, annotations: {{round: '{round}'}}}}");
    let deployment = deployment("bad", true);
    assert!(deployment.contains(plain));
    deployment.replace(plain, &churned)
}

#[derive(Debug)]
struct Requests {
    lists: u64,
    writes: u64,
}

/// What the operator asked of the API server, by its own count.
async fn requests(bench: &Bench) -> Requests {
    let (_, metrics) = get(bench.url(), "/metrics").await.unwrap();
    let sum = |verb: &str| -> u64 {
        metrics
            .lines()
            .filter(|line| {
                line.starts_with("comptroller_client_requests_total{")
                    && line.contains(&format!("verb=\"{verb}\""))
            })
            // An IntCounter writes whole numbers.
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    };
    Requests { lists: sum("list"), writes: sum("patch") + sum("create") + sum("update") }
}

#[tokio::test]
async fn a_change_reaches_status_in_a_moment() {
    let bench = Bench::start().await;
    bench.apply(NO_ROOT).await;
    bench.until_state("no-privileged-containers", State::NotApplicable).await;
    for round in 0..5 {
        let name = format!("bad-{round}");
        bench.apply(&deployment(&name, true)).await;
        bench.until("no-privileged-containers", "fails", |status| status.failing == 1).await;
        bench.delete(&deployment(&name, true)).await;
        bench.until("no-privileged-containers", "recovers", |status| status.failing == 0).await;
    }
    // The operator measures itself, from the event to the written status. Speed is the bench's
    // business; here it must only be far from anything that polls.
    let (_, metrics) = get(bench.url(), "/metrics").await.unwrap();
    let value = |name: &str| -> f64 {
        metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
            .unwrap_or(f64::NAN)
    };
    let mean = value("comptroller_detection_latency_seconds_sum")
        / value("comptroller_detection_latency_seconds_count");
    assert!(mean < Duration::from_secs(2).as_secs_f64(), "mean detection latency {mean} s");
}

#[tokio::test]
async fn a_heartbeat_says_once_that_it_is_still_so() {
    let bench = Bench::start().await;
    bench.apply(&deployment("bad", true)).await;
    bench.apply(&NO_ROOT.replace("  severity: High", "  severity: High\n  heartbeat: 1m")).await;
    let first = bench.until_state("no-privileged-containers", State::Failing).await;
    let before = requests(&bench).await;
    let api = bench.controls();
    // A minute, and as long as a quiet kind takes to be heard of.
    let beaten = wait::until("a heartbeat", Duration::from_secs(150), async || {
        let status = api.get("no-privileged-containers").await.ok()?.status?;
        (status.last_evaluated > first.last_evaluated).then_some(status)
    })
    .await
    .unwrap();
    assert_eq!(beaten.since, first.since);
    let passed = beaten.last_evaluated.unwrap().0.duration_since(first.last_evaluated.unwrap().0);
    assert!(passed.as_secs() >= 30, "the evaluation that it speaks of is {passed:?} younger");
    let after = requests(&bench).await;
    assert!(after.writes - before.writes <= 2, "{before:?} {after:?}");
}
