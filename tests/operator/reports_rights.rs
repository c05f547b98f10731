//! The shipped right to write policy reports is what they use: none is missing, none too many.

use std::collections::BTreeSet;

use crate::{
    controlplane::{ControlPlane, wait},
    process::{Bench, LIMIT, documents, kubectl},
    reports,
    rights::{AUDIT_POLICY, Right, service_account_kubeconfig, uses},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[tokio::test]
async fn the_role_of_reports_is_what_they_use() {
    let plane = ControlPlane::builder()
        .api_server_file("audit-policy-file", AUDIT_POLICY)
        .api_server_arg("--audit-log-path={dir}/audit.log")
        .start()
        .await
        .unwrap();
    let mut bench = Bench::without_operator(plane).await;
    kubectl(&bench.plane, &["create", "namespace", "comptroller-system"]).await;
    for file in
        ["service_account.yaml", "role.yaml", "role_binding.yaml", "reports/reports_role.yaml"]
    {
        kubectl(&bench.plane, &["apply", "-f", &format!("{ROOT}/config/rbac/{file}")]).await;
    }
    // What may be read is added up by the controller manager, which does not run here.
    let role = ["create", "clusterrole", "look", "--verb=list,watch"];
    kubectl(&bench.plane, &[&role[..], &["--resource=namespaces,services"]].concat()).await;
    let binding = ["create", "clusterrolebinding", "look", "--clusterrole=look"];
    let account = "--serviceaccount=comptroller-system:comptroller";
    kubectl(&bench.plane, &[&binding[..], &[account]].concat()).await;
    bench.apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}").await;
    bench.apply(REPORTED).await;
    reports::install(&bench.plane, "policyreport").await;
    let kubeconfig = service_account_kubeconfig(&bench.plane).await;
    bench.start_operator_as(kubeconfig, &["--reports=auto"]).await;
    let log = bench.plane.dir().join("audit.log");
    let granted = grants();
    let until_used = async |group: &str, verbs: &[&str]| {
        let is_due = |(verb, of, _): &&Right| of == group && verbs.contains(&verb.as_str());
        let due: BTreeSet<_> = granted.iter().filter(is_due).cloned().collect();
        assert_eq!(due.len(), 2 * verbs.len(), "{group}");
        wait::until(&format!("{verbs:?} of {group}"), LIMIT, async || {
            let used = uses_of(&std::fs::read_to_string(&log).ok()?, group);
            due.is_subset(&used).then_some(())
        })
        .await
        .unwrap();
    };
    // An apply that creates needs `create`, and the audit log has it as a patch.
    until_used("wgpolicyk8s.io", &["list", "patch"]).await;
    // The other API takes over, and then nothing is left to report.
    reports::install(&bench.plane, "openreports").await;
    until_used("wgpolicyk8s.io", &["delete"]).await;
    until_used("openreports.io", &["list", "patch"]).await;
    kubectl(&bench.plane, &["delete", "control", "nothing-is-there"]).await;
    until_used("openreports.io", &["delete"]).await;
    let used = std::fs::read_to_string(&log).unwrap();
    for group in ["openreports.io", "wgpolicyk8s.io"] {
        let beyond: Vec<_> =
            uses_of(&used, group).into_iter().filter(|right| !granted.contains(right)).collect();
        assert!(beyond.is_empty(), "{beyond:#?}");
    }
    bench.stop_operator().await;
}

/// A finding in a namespace, and one of the cluster.
const REPORTED: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: nothing-is-there}
spec:
  title: Nothing is in shop
  remedy: Remove it.
  criteria: [CC6.1]
  owner: platform
  severity: Low
  test:
    cel:
      resources: [{apiGroups: [''], apiVersions: [v1], resources: [namespaces, services]}]
      validations: [{expression: 'false', message: is there}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{port: 80}]}
";

/// What was used of a group; a refusal fails the test.
fn uses_of(log: &str, group: &str) -> BTreeSet<Right> {
    let group = format!("\"apiGroup\":\"{group}\"");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(&group)).collect();
    uses(&lines.join("\n"))
}

/// Verb, group and resource of each grant of the role.
fn grants() -> BTreeSet<Right> {
    let path = format!("{ROOT}/config/rbac/reports/reports_role.yaml");
    let role = documents(&std::fs::read_to_string(path).unwrap()).remove(0);
    let texts = |rule: &serde_json::Value, field: &str| -> Vec<String> {
        let all = rule[field].as_array().unwrap().iter();
        all.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut grants = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for verb in texts(rule, "verbs") {
            for group in texts(rule, "apiGroups") {
                let rights = texts(rule, "resources").into_iter();
                grants.extend(rights.map(|resource| (verb.clone(), group.clone(), resource)));
            }
        }
    }
    grants
}
