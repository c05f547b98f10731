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
    let kinds = ["controls.comptroller.dev", "controlexceptions.comptroller.dev"];
    plane.until_served(&kinds).await.unwrap();
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
    assert!(words.contains("there is no answer, since no binding"), "{words}");
}

const PEOPLE: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: see-cluster-grants}
rules: [{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles, clusterrolebindings], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: see-grants}
rules: [{apiGroups: [rbac.authorization.k8s.io], resources: [roles, rolebindings], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: see-cluster-grants}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: see-cluster-grants}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: wide}
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: both}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: see-grants, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: see-grants}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: local}
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: both}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: labeller}
rules: [{apiGroups: [''], resources: [namespaces], verbs: [get, patch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: labellers, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: labeller}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: labeller}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: composed}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {to-composed: 'yes'}}]}
rules: [{apiGroups: [''], resources: [nodes], verbs: [delete]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: part, labels: {to-composed: 'yes'}}
rules: [{apiGroups: [''], resources: [nodes], verbs: [patch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: composed}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: composed}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: waiting}]
";

async fn people() -> ControlPlane {
    let builder = ["wide", "local", "both", "labeller"]
        .iter()
        .fold(ControlPlane::builder(), |builder, name| builder.user(name, &[]));
    let plane = builder.start().await.unwrap();
    apply(&plane, OBJECTS).await;
    apply(&plane, PEOPLE).await;
    plane
}

/// Runs `who-can`: exit code, standard output, standard error.
fn ask(plane: &ControlPlane, user: &str, words: &str) -> (Option<i32>, String, String) {
    let words: Vec<&str> = ["who-can"].into_iter().chain(words.split(' ')).collect();
    let output = comptroller(plane, user, &words);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn who_can_needs_no_more_rights_than_its_answer() {
    let plane = people().await;
    // Whoever sees the bindings of the cluster and those of shop can ask about shop.
    for (user, words, expected) in [
        ("both", "get configmaps -n shop", "jane@corp"),
        ("both", "patch namespaces shop", "labeller"),
        ("both", "delete nodes", "ClusterRoleBinding/ci"),
        ("wide", "delete nodes -n shop", "ClusterRoleBinding/ci"),
        ("wide", "get configmaps -A", "ClusterRoleBinding/ci"),
        ("wide", "get /metrics", "ClusterRoleBinding/ci"),
    ] {
        let (code, answer, error) = ask(&plane, user, words);
        assert!(code == Some(0) && answer.contains(expected), "{user} {words}: {answer}{error}");
    }
    // Half an answer is one with exit code 2, and with the right that is lacking.
    for (user, words, expected, lacking) in [
        (
            "wide",
            "get configmaps -n shop",
            Some("ClusterRoleBinding/ci"),
            "grant list on rolebindings.rbac.authorization.k8s.io in namespace shop",
        ),
        (
            "local",
            "get configmaps -n shop",
            Some("jane@corp"),
            "grant list on clusterrolebindings.rbac.authorization.k8s.io",
        ),
        (
            "local",
            "delete nodes",
            None,
            "grant list on clusterrolebindings.rbac.authorization.k8s.io",
        ),
    ] {
        let (code, answer, error) = ask(&plane, user, words);
        assert_eq!(code, Some(2), "{user} {words}: {answer}{error}");
        assert!(error.contains(lacking), "{user} {words}: {error}");
        assert_eq!(answer.is_empty(), expected.is_none(), "{user} {words}: {answer}");
        assert!(expected.is_none_or(|expected| answer.contains(expected)), "{words}: {answer}");
    }
}

#[tokio::test]
async fn who_can_knows_only_words_that_exist() {
    let plane = people().await;
    for (user, words, expected) in [
        ("admin", "get podz -n shop", "did you mean pods?"),
        ("admin", "get pods/logs web -n shop", "did you mean pods/log?"),
        ("admin", "exec pods -n shop", "did you mean create pods/exec?"),
        ("admin", "GET pods -n shop", "did you mean get?"),
        ("admin", "get pods -n shpo", "no namespace \"shpo\"; did you mean shop?"),
        ("admin", "patch namespaces shpo", "did you mean shop?"),
        ("admin", "get pods -n Shop", "did you mean shop?"),
        ("admin", "get pods -n ../shop", "no namespace"),
        // Without a single right, what is mistyped is told all the same.
        ("developer", "get podz -n shop", "did you mean pods?"),
    ] {
        let (code, answer, error) = ask(&plane, user, words);
        assert!(code == Some(2) && answer.is_empty(), "{words}: {answer}{error}");
        assert!(error.contains(expected), "{words}: {error}");
    }
}

#[tokio::test]
async fn a_namespace_is_relabelled_by_a_binding_inside() {
    let plane = people().await;
    let label = async |namespace: &str, value: &str| {
        let words = ["label", "--overwrite", "namespace", namespace, value];
        plane.kubectl("labeller", &words).await.unwrap().status.success()
    };
    assert!(label("shop", "pod-security.kubernetes.io/enforce=privileged").await);
    assert!(!label("default", "pod-security.kubernetes.io/enforce=privileged").await);
    for (words, may) in [
        ("patch namespaces -n shop", true),
        ("patch namespaces shop", true),
        ("patch namespaces -n default", false),
        ("patch namespaces default", false),
        ("patch namespaces", false),
        ("patch namespaces -A", false),
    ] {
        let (code, answer, error) = ask(&plane, "admin", words);
        assert!(code == Some(0) && answer.contains("labeller") == may, "{words}: {answer}{error}");
    }

    let controls = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(controls.path(), CONTROL.replace("ClusterAdmin", "WriteNamespaces")).unwrap();
    let path = controls.path().to_str().unwrap();
    let found =
        comptroller(&plane, "admin", &["scan", "--cluster", "--controls", path, "-o", "json"]);
    let found = json(&found);
    let findings = found["controls"][0]["findings"].as_array().unwrap();
    let relabelled = findings.iter().find(|finding| finding["subject"] == "User labeller");
    assert_eq!(relabelled.unwrap()["resource"]["namespace"], "shop", "{found}");
}

#[tokio::test]
async fn an_aggregating_role_counts_as_the_api_server_holds_it() {
    // No controller runs here, so the role keeps the rules that it came with.
    let plane = people().await;
    for verb in ["delete", "patch"] {
        let review = ["auth", "can-i", verb, "nodes", "--as", "waiting"];
        let allowed = plane.kubectl("admin", &review).await.unwrap().status.success();
        assert_eq!(allowed, verb == "delete");
        let (_, answer, _) = ask(&plane, "admin", &format!("{verb} nodes"));
        assert_eq!(answer.contains("waiting"), allowed, "{verb}: {answer}");
    }
}
