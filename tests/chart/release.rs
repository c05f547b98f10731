//! A release is installed, upgraded, removed and installed again without losing a record.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{
    cluster::{kubectl, plane},
    controlplane::ControlPlane,
    helm::{self, CHART, NAMESPACE, PACK, ROOT, objects},
    rendering::cases,
};

/// Helm against the control plane, with values. What it prints; the error is what it complains of.
async fn helm(plane: &ControlPlane, arguments: &[&str], values: &Value) -> Result<String, String> {
    let helm: PathBuf = helm::helm().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), values.to_string()).unwrap();
    let kubeconfig = plane.kubeconfig("admin");
    let mut all: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    all.extend(["--namespace", NAMESPACE, "--kubeconfig"].map(str::to_owned));
    all.push(kubeconfig.to_str().unwrap().to_owned());
    if ["install", "upgrade"].contains(&arguments[0]) {
        all.extend(["--values".to_owned(), file.path().to_str().unwrap().to_owned()]);
    }
    let output = tokio::task::spawn_blocking(move || {
        let _keep = file;
        helm::run(&helm, &all.iter().map(String::as_str).collect::<Vec<_>>())
    })
    .await
    .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// kubectl with words that hold no space, in the release's namespace.
async fn ask(plane: &ControlPlane, words: &str) -> String {
    let mut arguments: Vec<&str> = words.split(' ').collect();
    arguments.extend(["-n", NAMESPACE]);
    kubectl(plane, &arguments, "").await
}

/// Definitions, claims and `ConfigMap`s of the product: most of them must outlive an uninstall.
async fn records(plane: &ControlPlane) -> Vec<String> {
    let names = ask(plane, "get crd,persistentvolumeclaim,configmap -o name").await;
    names.lines().filter(|line| line.contains("comptroller")).map(str::to_owned).collect()
}

async fn controls(plane: &ControlPlane) -> usize {
    ask(plane, "get controls -o name").await.lines().count()
}

const INSTALL: [&str; 4] = ["install", "comptroller", CHART, "--create-namespace"];
const UPGRADE: [&str; 3] = ["upgrade", "comptroller", CHART];

/// What the operator and people write, and what a release must leave alone.
const CHECKPOINT: &str = "get configmap comptroller-evidence -o jsonpath={.data}";
const WRITERS: &str = "get configmap comptroller-record-writers -o jsonpath={.data}";

fn changed() -> Value {
    json!({
        "image": {"tag": "0.2.0"}, "resources": {"limits": {"memory": "1Gi"}},
        "admission": {"recordWriters": {"argocd": "system:serviceaccount:argocd:controller"}},
        "rbac": {"readers": {"databases": false}, "enforcement": {"enabled": true}},
    })
}

#[tokio::test]
async fn a_release_is_installed_upgraded_removed_and_installed_again() {
    let Some(binary) = helm::helm() else { return };
    let plane = plane().await;
    helm(&plane, &INSTALL, &json!({})).await.unwrap();
    // One step after the other: the pack needs the definitions that the first release brought.
    let pack = ["install", "comptroller-pack", PACK];
    helm(&plane, &pack, &json!({"profiles": ["kubeadm"]})).await.unwrap();
    let all = objects("pack", &helm::template(&binary, PACK, &[]).unwrap()).len();
    assert_eq!(controls(&plane).await, all);
    let secrets = "get secrets -l owner=helm -o jsonpath={.items[*].data.release}";
    for release in ask(&plane, secrets).await.split(' ') {
        assert!(release.len() < 700 * 1024, "a release must fit into a Secret: {}", release.len());
    }

    let patch = "--type=merge -p {\"data\":{\"checkpoint\":\"signed\"}}";
    ask(&plane, &format!("patch configmap comptroller-evidence {patch}")).await;
    let patch = "--type=merge -p {\"data\":{\"mine\":\"system:serviceaccount:a:b\"}}";
    ask(&plane, &format!("patch configmap comptroller-record-writers {patch}")).await;
    upgraded(&plane).await;

    let before = records(&plane).await;
    helm(&plane, &["uninstall", "comptroller"], &Value::Null).await.unwrap();
    let after = records(&plane).await;
    let lost: Vec<&String> = before.iter().filter(|name| !after.contains(name)).collect();
    assert_eq!(lost, ["configmap/comptroller-record-writers"], "kept: {after:#?}");
    let kinds = "clusterroles,clusterrolebindings,roles,rolebindings,validatingadmissionpolicies";
    let left = ask(&plane, &format!("get {kinds},validatingadmissionpolicybindings -o name")).await;
    assert!(!left.contains("comptroller"), "{left}");
    assert_eq!(controls(&plane).await, all, "an uninstall keeps every control");

    helm(&plane, &INSTALL, &json!({})).await.unwrap();
    assert!(ask(&plane, CHECKPOINT).await.contains("signed"));
}

/// Changes the release in place, moves it to a bucket, and back.
async fn upgraded(plane: &ControlPlane) {
    helm(plane, &UPGRADE, &changed()).await.unwrap();
    let image = "jsonpath={.spec.template.spec.containers[0].image}";
    let image = ask(plane, &format!("get deployment comptroller -o {image}")).await;
    assert_eq!(image, "comptroller:0.2.0");
    let roles = ask(plane, "get clusterroles -o name").await;
    assert!(!roles.contains("comptroller-reader-databases"), "{roles}");
    assert!(roles.contains("comptroller-enforcement"), "{roles}");
    assert!(ask(plane, CHECKPOINT).await.contains("signed"));
    let writers = ask(plane, WRITERS).await;
    assert!(writers.contains("a:b") && writers.contains("argocd:controller"), "{writers}");

    // The strategy of the rollout changes, and the claims stay what they are.
    let claims = "get persistentvolumeclaims -o jsonpath={.items[*].metadata.uid}";
    let strategy = "get deployment comptroller -o jsonpath={.spec.strategy.type}";
    let uids = ask(plane, claims).await;
    let bucket = cases().into_iter().find(|(name, _)| name == "bucket").unwrap().1;
    helm(plane, &UPGRADE, &bucket).await.unwrap();
    assert_eq!(ask(plane, strategy).await, "RollingUpdate");
    helm(plane, &UPGRADE, &changed()).await.unwrap();
    assert_eq!(ask(plane, strategy).await, "Recreate");
    assert_eq!(ask(plane, claims).await, uids);
}

#[tokio::test]
async fn an_installation_by_kustomize_becomes_a_release() {
    if helm::helm().is_none() {
        return;
    }
    let plane = plane().await;
    let folder = format!("{ROOT}/config/default");
    kubectl(&plane, &["apply", "--server-side", "-k", &folder], "").await;
    let install = ["install", "comptroller", CHART];
    let refused = helm(&plane, &install, &json!({})).await.unwrap_err();
    assert!(refused.contains("cannot be imported into the current release"), "{refused}");
    let take = ["install", "comptroller", CHART, "--take-ownership", "--force-conflicts"];
    helm(&plane, &take, &json!({})).await.unwrap();
    let deployments = "get deployments -l app.kubernetes.io/managed-by=Helm -o name";
    assert_eq!(ask(&plane, deployments).await.trim(), "deployment.apps/comptroller");
}
