//! The policy reports of a scan, applied to a real API server whose definitions refuse what is wrong.

use std::path::Path;

use serde_json::Value;

use crate::{
    controlplane::ControlPlane,
    support::{PRIVILEGED, comptroller, folder, read, text},
};

/// The definitions as OpenReports publishes them, which this project does not copy.
const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/crds");

/// An excepted finding is not possible in a pull request without its exception; the pack has unknown and
/// passing controls for any manifest.
const REST: &str = "---
apiVersion: v1
kind: Namespace
metadata: {name: prod, labels: {env: prod}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: ci}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, namespace: prod, name: ci}]
";

async fn apply(plane: &ControlPlane, yaml: &str) {
    let arguments = ["apply", "--server-side", "--validate=strict", "-f", "-"];
    let output = plane.kubectl_with_input("admin", &arguments, yaml).await.unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

async fn get(plane: &ControlPlane, arguments: &[&str]) -> Value {
    let arguments = [&["get", "-o", "json"], arguments].concat();
    let output = plane.kubectl("admin", &arguments).await.unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn definitions(plane: &ControlPlane, yaml: &str) {
    apply(plane, yaml).await;
    let wait = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
    assert!(plane.kubectl("admin", &wait).await.unwrap().status.success());
}

#[tokio::test]
async fn the_api_server_takes_both_kinds_whole() {
    let plane = ControlPlane::builder().start().await.unwrap();
    plane.keep_logs_on_panic();
    definitions(&plane, &read("tests/fixtures/reports/wgpolicyk8s.yaml")).await;
    let mut formats = vec![("policyreport", "clusterpolicyreport", "policyreport")];
    if Path::new(PUBLISHED).is_dir() {
        for name in ["reports", "clusterreports"] {
            let path = format!("{PUBLISHED}/openreports.io_{name}.yaml");
            definitions(&plane, &std::fs::read_to_string(path).unwrap()).await;
        }
        formats.push(("openreports", "clusterreports", "reports"));
    } else {
        eprintln!("skipped for OpenReports: {PUBLISHED} is not there");
    }
    apply(&plane, "apiVersion: v1\nkind: Namespace\nmetadata: {name: prod}\n").await;
    let manifests = folder(&format!("{PRIVILEGED}{REST}"));
    let path = manifests.path().to_str().unwrap();
    for (format, cluster, namespaced) in formats {
        let scan = comptroller(&["scan", path, "-o", format]);
        assert_eq!(scan.status.code(), Some(1), "{}", text(&scan.stderr));
        // Twice: a new scan takes the place of the last.
        apply(&plane, &text(&scan.stdout)).await;
        apply(&plane, &text(&scan.stdout)).await;
        let report = get(&plane, &[namespaced, "comptroller-scan", "--namespace=prod"]).await;
        let results = report["results"].as_array().unwrap();
        assert_eq!(report["summary"]["fail"], results.len(), "{report}");
        let privileged = results.iter().find(|one| one["rule"] == "PrivilegedContainers").unwrap();
        assert_eq!(privileged["resources"][0]["name"], "bad");
        assert_eq!(privileged["result"], "fail");

        let report = get(&plane, &[cluster, "comptroller-scan"]).await;
        let outcome = |policy: &str| -> Vec<&str> {
            let all = report["results"].as_array().unwrap().iter();
            let found = all.filter(|one| one["policy"] == policy);
            found.map(|one| one["result"].as_str().unwrap()).collect()
        };
        assert_eq!(outcome("no-standing-cluster-admin"), ["fail"], "{report}");
        // No manifest shows whether etcd is encrypted.
        assert_eq!(outcome("secrets-encrypted-at-rest"), ["error"], "{report}");
        assert!(report["summary"]["pass"].as_u64().unwrap() > 0, "{report}");
        assert!(report["results"][0]["timestamp"]["seconds"].as_i64().unwrap() > 1_700_000_000);
    }
}
