//! Policy reports on a real API server: what they say, that they follow, and that they go.

use std::{collections::BTreeMap, path::Path, time::Duration};

use comptroller_core::api::State;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use serde_json::Value;

use crate::{
    controlplane::{ControlPlane, wait},
    process::{Bench, LIMIT, get, kubectl},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The definitions of other projects, which this one does not copy.
const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/crds");

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

const LABELLED: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: namespaces-are-described}
spec:
  title: Namespaces have an owner
  remedy: Label it.
  criteria: [CC2.1]
  owner: platform
  severity: Low
  test:
    cel:
      resources: [{apiGroups: [''], apiVersions: [v1], resources: [namespaces]}]
      matchConditions: [{name: ours, expression: \"object.metadata.name.startsWith('shop')\"}]
      validations: [{reason: NoOwner, message: has no owner, expression: \"'owner' in object.metadata.?labels.orValue({})\"}]
";

const EXCEPTION: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: ControlException
metadata: {name: until-june}
spec:
  controls: [no-privileged-containers]
  resources: [{kind: Deployment, namespace: shop, name: web}]
  reason: It is being replaced.
  requestedBy: jane@corp
  approvedBy: sam@corp
  expires: \"EXPIRES\"
";

/// Installs an API of reports, the project's own definition where it is at hand.
pub async fn install(plane: &ControlPlane, api: &str) {
    let names = match api {
        "openreports" => ["reports.openreports.io", "clusterreports.openreports.io"],
        _ => ["policyreports.wgpolicyk8s.io", "clusterpolicyreports.wgpolicyk8s.io"],
    };
    let real = names.map(|name| {
        let (plural, group) = name.split_once('.').unwrap();
        format!("{CRDS}/{group}_{plural}.yaml")
    });
    if real.iter().all(|path| Path::new(path).exists()) {
        for path in &real {
            kubectl(plane, &["apply", "--server-side", "-f", path]).await;
        }
    } else {
        let path = format!("{ROOT}/tests/fixtures/policy-reports/{api}.yaml");
        kubectl(plane, &["apply", "--server-side", "-f", &path]).await;
    }
    plane.until_served(&names).await.unwrap();
}

/// Removes an API of reports, and with it every report.
async fn uninstall(plane: &ControlPlane, api: &str) {
    let path = format!("{ROOT}/tests/fixtures/policy-reports/{api}.yaml");
    kubectl(plane, &["delete", "-f", &path]).await;
}

fn deployment(namespace: &str, name: &str, privileged: bool) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
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

/// Every report of a kind.
async fn reports(client: &Client, group: &str, version: &str, kind: &str) -> Vec<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let listed = api.list(&ListParams::default()).await;
    listed.map(|list| list.items).unwrap_or_default()
}

/// What all reports of an API say: `namespace policy rule result object`, sorted.
async fn told(client: &Client, api: &str) -> Vec<String> {
    let (group, version, kinds) = match api {
        "openreports" => ("openreports.io", "v1alpha1", ["Report", "ClusterReport"]),
        _ => ("wgpolicyk8s.io", "v1alpha2", ["PolicyReport", "ClusterPolicyReport"]),
    };
    let mut told = Vec::new();
    for kind in kinds {
        for report in reports(client, group, version, kind).await {
            for row in report.data["results"].as_array().into_iter().flatten() {
                let text = |path: &str| row.pointer(path).and_then(Value::as_str).unwrap_or("?");
                told.push(format!(
                    "{} {} {} {} {}",
                    report.namespace().unwrap_or_else(|| "-".to_owned()),
                    text("/policy"),
                    text("/rule"),
                    text("/result"),
                    text("/resources/0/name"),
                ));
            }
        }
    }
    told.sort();
    told
}

async fn until_told(client: &Client, api: &str, expected: &[&str]) {
    let mut last = Vec::new();
    let found = wait::until("what reports say", LIMIT, async || {
        last = told(client, api).await;
        (last == expected).then_some(())
    })
    .await;
    found.unwrap_or_else(|error| panic!("{error}: {last:#?} and not {expected:#?}"));
}

/// The resource versions of all OpenReports, by namespace and name.
async fn versions(client: &Client) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for kind in ["Report", "ClusterReport"] {
        for report in reports(client, "openreports.io", "v1alpha1", kind).await {
            let key = format!("{}/{}", report.namespace().unwrap_or_default(), report.name_any());
            all.insert(key, report.resource_version().unwrap());
        }
    }
    all
}

async fn start(bench: &mut Bench, mode: &str) {
    let log = bench.plane.dir().join("evidence");
    let reports = format!("--reports={mode}");
    let kubeconfig = bench.plane.kubeconfig("admin");
    bench.start_operator_as(kubeconfig, &["--evidence", log.to_str().unwrap(), &reports]).await;
}

#[tokio::test]
async fn reports_follow_what_is_recorded_and_go_with_it() {
    let plane = ControlPlane::builder().controller_manager(true).start().await.unwrap();
    let mut bench = Bench::without_operator(plane).await;
    let client = bench.client.clone();
    for namespace in ["shop", "shop-two"] {
        kubectl(&bench.plane, &["create", "namespace", namespace]).await;
        bench.apply(&deployment(namespace, "web", true)).await;
    }
    bench.apply(&deployment("shop", "good", false)).await;
    bench.apply(NO_ROOT).await;
    bench.apply(LABELLED).await;
    let role = format!("{ROOT}/config/rbac/reports/reports_role.yaml");
    kubectl(&bench.plane, &["apply", "-f", &role]).await;

    // No API is served: nothing is written, and nothing is wrong.
    start(&mut bench, "auto").await;
    bench.until_state("no-privileged-containers", State::Failing).await;
    bench.until_state("namespaces-are-described", State::Failing).await;

    // The old API comes, and then the new one, which wins.
    install(&bench.plane, "policyreport").await;
    let failing = [
        "- namespaces-are-described NoOwner fail shop",
        "- namespaces-are-described NoOwner fail shop-two",
        "shop no-privileged-containers NoPrivileged fail web",
        "shop-two no-privileged-containers NoPrivileged fail web",
    ];
    until_told(&client, "policyreport", &failing).await;
    install(&bench.plane, "openreports").await;
    until_told(&client, "openreports", &failing).await;
    until_told(&client, "policyreport", &[]).await;

    // A row names its entry, and the report its owner.
    let report = &reports(&client, "openreports.io", "v1alpha1", "Report").await[0];
    let row = &report.data["results"][0];
    assert_eq!(row["category"], "SOC 2 / CC6", "{row:#}");
    assert_eq!((&row["severity"], &row["source"]), (&"high".into(), &"comptroller".into()));
    assert!(row["timestamp"]["seconds"].is_i64() && row["timestamp"]["nanos"].is_i64(), "{row:#}");
    let index: u64 = row["properties"]["evidence"].as_str().unwrap().parse().unwrap();
    let status = bench.until_state("no-privileged-containers", State::Failing).await;
    assert!(index <= u64::try_from(status.evidence.unwrap().index).unwrap());
    assert_eq!(report.metadata.owner_references.as_ref().unwrap()[0].name, "comptroller-reports");
    assert_eq!(report.data["summary"]["fail"], 1);

    // An exception, a remedy, a namespace that goes; and what does not change is not written again.
    let quiet = versions(&client).await["shop-two/comptroller"].clone();
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(240);
    let expires = expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    bench.apply(&EXCEPTION.replace("EXPIRES", &expires)).await;
    kubectl(&bench.plane, &["label", "namespace", "shop", "shop-two", "owner=jane"]).await;
    let labelled = [
        "- namespaces-are-described NoFindings pass namespaces-are-described",
        "shop no-privileged-containers NoPrivileged skip web",
        "shop-two no-privileged-containers NoPrivileged fail web",
    ];
    until_told(&client, "openreports", &labelled).await;
    assert_eq!(versions(&client).await["shop-two/comptroller"], quiet);
    kubectl(&bench.plane, &["delete", "namespace", "shop-two"]).await;
    let excepted = [
        "- namespaces-are-described NoFindings pass namespaces-are-described",
        "shop no-privileged-containers NoPrivileged skip web",
    ];
    until_told(&client, "openreports", &excepted).await;

    // A restart writes nothing.
    let before = versions(&client).await;
    bench.stop_operator().await;
    start(&mut bench, "auto").await;
    bench.apply(&deployment("default", "bad", true)).await;
    let with_default = [
        "- namespaces-are-described NoFindings pass namespaces-are-described",
        "default no-privileged-containers NoPrivileged fail bad",
        "shop no-privileged-containers NoPrivileged skip web",
    ];
    until_told(&client, "openreports", &with_default).await;
    let after = versions(&client).await;
    assert!(before.iter().all(|(key, version)| after.get(key) == Some(version)), "{after:?}");

    // A control that goes takes its rows along.
    kubectl(&bench.plane, &["delete", "control", "no-privileged-containers"]).await;
    until_told(&client, "openreports", &excepted[..1]).await;

    // Turned off, none is left.
    bench.stop_operator().await;
    start(&mut bench, "none").await;
    until_told(&client, "openreports", &[]).await;

    // Uninstalled while it does not run: the role goes, and the cluster removes what it owns.
    bench.stop_operator().await;
    start(&mut bench, "openreports").await;
    until_told(&client, "openreports", &excepted[..1]).await;
    bench.stop_operator().await;
    kubectl(&bench.plane, &["delete", "-f", &role]).await;
    until_told(&client, "openreports", &[]).await;

    // An API that goes is no error, and reports are there when it comes back.
    start(&mut bench, "auto").await;
    until_told(&client, "openreports", &excepted[..1]).await;
    uninstall(&bench.plane, "openreports").await;
    until_told(&client, "policyreport", &excepted[..1]).await;
    install(&bench.plane, "openreports").await;
    until_told(&client, "openreports", &excepted[..1]).await;
    let (_, metrics) = get(bench.url(), "/metrics").await.unwrap();
    assert!(
        metrics.contains("comptroller_policy_report_writes_total{outcome=\"failed\"} 0"),
        "{metrics}"
    );
    bench.stop_operator().await;
}

/// A hostile name, as RBAC accepts it, in a finding of the cluster and in the subject.
const ROLES: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: no-cluster-admin}
spec:
  title: Nobody holds cluster-admin
  remedy: Bind a narrower role.
  criteria: [CC6.1]
  owner: platform
  severity: Critical
  test: {rbac: {forbid: [ClusterAdmin]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: \"=x<script>[a](http:evil)\\u202e\\u0085\\u2028é\"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: \"\\u001b[2Jeve\\ufffe\"}]
";

#[tokio::test]
async fn hostile_names_many_findings_and_refusals_leave_reports_right() {
    let plane = ControlPlane::builder().user("reporter", &[]).start().await.unwrap();
    let mut bench = Bench::without_operator(plane).await;
    install(&bench.plane, "openreports").await;
    let create = ["create", "-f", "-"];
    let created = bench.plane.kubectl_with_input("admin", &create, ROLES).await.unwrap();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    // More than a status shows, and more than one object holds.
    kubectl(&bench.plane, &["create", "namespace", "shop"]).await;
    let many: String = (0..700).fold(String::new(), |many, n| {
        format!("{many}---{}", deployment("shop", &format!("web-{n}"), true))
    });
    let applied = bench.plane.kubectl_with_input("admin", &create, &many).await;
    assert!(applied.unwrap().status.success());
    bench.apply(NO_ROOT).await;
    start(&mut bench, "openreports").await;
    let client = bench.client.clone();
    let all = wait::until("all findings in several reports", LIMIT, async || {
        let told = told(&client, "openreports").await;
        let shop = told.iter().filter(|row| row.starts_with("shop ")).count();
        (shop == 700).then_some(told)
    })
    .await
    .unwrap();
    let shop: Vec<_> = reports(&client, "openreports.io", "v1alpha1", "Report").await;
    assert_eq!(shop.len(), 2, "{:?}", shop.iter().map(ResourceExt::name_any).collect::<Vec<_>>());
    let hostile = all.iter().find(|row| row.contains("<script>")).expect("the hostile binding");
    assert!(hostile.ends_with("=x<script>[a](http:evil)\u{202e}\u{85}\u{2028}é"), "{hostile:?}");
    let cluster = reports(&client, "openreports.io", "v1alpha1", "ClusterReport").await;
    let text = serde_json::to_string(&cluster[0].data["results"]).unwrap();
    assert!(!text.contains("\\u001b[2J"), "{text}");

    bench.stop_operator().await;
}

/// May look at everything that a test of workloads reads.
const LOOK: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: look}
rules:
- {apiGroups: ['', apps, batch], resources: ['*'], verbs: [list, watch]}
";

#[tokio::test]
async fn reports_that_may_not_be_written_hold_up_nothing() {
    let plane = ControlPlane::builder().user("reporter", &[]).start().await.unwrap();
    let mut bench = Bench::without_operator(plane).await;
    install(&bench.plane, "openreports").await;
    kubectl(&bench.plane, &["apply", "-f", &format!("{ROOT}/config/rbac/role.yaml")]).await;
    // What may be read is added up by the controller manager, which does not run here.
    bench.apply(LOOK).await;
    for (name, role) in [("a", "comptroller-operator"), ("b", "look")] {
        let user = "--user=reporter";
        let role = format!("--clusterrole={role}");
        kubectl(&bench.plane, &["create", "clusterrolebinding", name, &role, user]).await;
    }
    bench.apply(NO_ROOT).await;
    bench.apply(&deployment("default", "bad", true)).await;
    let kubeconfig = bench.plane.kubeconfig("reporter");
    bench.start_operator_as(kubeconfig, &["--reports=auto"]).await;
    bench.until_state("no-privileged-containers", State::Failing).await;
    let url = bench.url().to_owned();
    wait::until("the failure is counted", LIMIT, async || {
        let (_, metrics) = get(&url, "/metrics").await.ok()?;
        let failed = "comptroller_policy_report_writes_total{outcome=\"failed\"} ";
        let line = metrics.lines().find(|line| line.starts_with(failed))?;
        (!line.ends_with(" 0")).then_some(())
    })
    .await
    .unwrap();
    let log = bench.log();
    assert_eq!(log.matches("config/rbac/reports").count(), 2, "{log}");
    bench.apply(&deployment("default", "bad", false)).await;
    bench.until_state("no-privileged-containers", State::Passing).await;
    // The right comes, and so do the reports.
    let role = format!("{ROOT}/config/rbac/reports/reports_role.yaml");
    kubectl(&bench.plane, &["apply", "-f", &role]).await;
    let binding = ["create", "clusterrolebinding", "c", "--clusterrole=comptroller-reports"];
    kubectl(&bench.plane, &[&binding[..], &["--user=reporter"]].concat()).await;
    let client = bench.client.clone();
    let expected = ["- no-privileged-containers NoFindings pass no-privileged-containers"];
    let mut last = Vec::new();
    wait::until("the reports", Duration::from_mins(2), async || {
        last = told(&client, "openreports").await;
        (last == expected).then_some(())
    })
    .await
    .unwrap_or_else(|error| panic!("{error}: {last:?}"));
    bench.stop_operator().await;
}
