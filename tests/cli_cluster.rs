//! The commands that look at a live cluster once: `scan --cluster` and `who-can`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails must say where"
)]

mod controlplane;

use std::process::{Command, Output, Stdio};

use controlplane::ControlPlane;
use serde_json::Value;

const OBJECTS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: ci}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, namespace: shop, name: ci}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: shop}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: jane@corp}]
";

const CONTROL: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Control
metadata: {name: nobody-is-admin}
spec:
  title: Nobody is cluster-admin
  criteria: [CC6.1]
  owner: security
  severity: Critical
  test: {rbac: {forbid: [ClusterAdmin]}}
";

fn comptroller(plane: &ControlPlane, user: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_comptroller"))
        .args(arguments)
        .arg("--kubeconfig")
        .arg(plane.kubeconfig(user))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

async fn apply(plane: &ControlPlane, yaml: &str) {
    let output = plane
        .kubectl_with_input("admin", &["apply", "--server-side", "-f", "-"], yaml)
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_cluster_is_scanned_by_given_controls_or_its_own_or_the_pack() {
    let plane = ControlPlane::builder().start().await.unwrap();
    apply(&plane, OBJECTS).await;
    let controls = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(controls.path(), CONTROL).unwrap();
    let path = controls.path().to_str().unwrap();

    let output =
        comptroller(&plane, "admin", &["scan", "--cluster", "--controls", path, "-o", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let result = json(&output);
    let control = &result["controls"][0];
    assert_eq!(
        (&control["name"], &control["state"]),
        (&"nobody-is-admin".into(), &"Failing".into())
    );
    assert_eq!(control["findings"][0]["subject"], "ServiceAccount shop/ci");
    assert_eq!(control["findings"][0]["resource"]["name"], "ci");

    // Without the right to list, nothing passes: unknown, with the exit code of it.
    let output =
        comptroller(&plane, "developer", &["scan", "--cluster", "--controls", path, "-o", "json"]);
    assert_eq!(output.status.code(), Some(2));
    let refused = json(&output);
    assert_eq!(refused["controls"][0]["state"], "Unknown");
    assert_eq!(refused["controls"][0]["reason"], "Forbidden");

    // Without Controls in the cluster, the pack; with them, those.
    let output = comptroller(&plane, "admin", &["scan", "--cluster", "-o", "json"]);
    assert!(json(&output)["controls"].as_array().unwrap().len() > 15);
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    let installed = plane.kubectl("admin", &["apply", "--server-side", "-k", crds]).await.unwrap();
    assert!(installed.status.success());
    let wait = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "crd/controls.comptroller.dev",
        "crd/controlexceptions.comptroller.dev",
    ];
    assert!(plane.kubectl("admin", &wait).await.unwrap().status.success());
    apply(&plane, CONTROL).await;
    let output = comptroller(&plane, "admin", &["scan", "--cluster", "-o", "json"]);
    assert_eq!(json(&output)["controls"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn who_can_answers_from_a_cluster_and_from_files_alike() {
    let plane = ControlPlane::builder().start().await.unwrap();
    apply(&plane, OBJECTS).await;
    let subjects = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|answer| {
                format!("{} {}", answer["kind"].as_str().unwrap(), answer["name"].as_str().unwrap())
            })
            .collect()
    };
    let output =
        comptroller(&plane, "admin", &["who-can", "get", "configmaps", "-n", "shop", "-o", "json"]);
    let live = subjects(&json(&output));
    for expected in ["User jane@corp", "ServiceAccount ci", "Group system:masters"] {
        assert!(live.contains(&expected.to_owned()), "{expected} in {live:?}");
    }
    let output = comptroller(
        &plane,
        "admin",
        &["who-can", "get", "configmaps", "--all-namespaces", "-o", "json"],
    );
    assert!(!subjects(&json(&output)).contains(&"User jane@corp".to_owned()));
    let table = comptroller(&plane, "admin", &["who-can", "create", "pods/exec", "-n", "shop"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.starts_with("KIND") && table.contains("ClusterRoleBinding/ci"), "{table}");

    let files = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(files.path(), OBJECTS).unwrap();
    let output = comptroller(
        &plane,
        "admin",
        &[
            "who-can",
            "get",
            "configmaps",
            "-n",
            "shop",
            "-o",
            "json",
            "-f",
            files.path().to_str().unwrap(),
        ],
    );
    let offline = subjects(&json(&output));
    for expected in ["User jane@corp", "ServiceAccount ci", "Group system:masters"] {
        assert!(offline.contains(&expected.to_owned()), "{expected} in {offline:?}");
    }

    let refused = comptroller(&plane, "developer", &["who-can", "get", "configmaps"]);
    assert_eq!(refused.status.code(), Some(2));
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(words.contains("nobody can say who may"), "{words}");
}
