//! Against a real API server: it takes every object of every case, and a release is installed, upgraded,
//! removed and installed again without losing a record.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{
    controlplane::ControlPlane,
    helm::{self, CHART, NAMESPACE, PACK, ROOT, objects},
    rendering::cases,
};

/// Kinds that the chart uses where they are installed: group, version, kind, plural.
const OTHERS: [(&str, &str, &str, &str); 4] = [
    ("cert-manager.io", "v1", "Certificate", "certificates"),
    ("cert-manager.io", "v1", "Issuer", "issuers"),
    ("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"),
    ("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"),
];

async fn plane() -> ControlPlane {
    ControlPlane::builder().controller_manager(true).start().await.unwrap()
}

/// What kubectl prints; a failure fails the test.
async fn kubectl(plane: &ControlPlane, arguments: &[&str], input: &str) -> String {
    let output = plane.kubectl_with_input("admin", arguments, input).await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

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

async fn define_others(plane: &ControlPlane) {
    let definitions = OTHERS.map(|(group, version, kind, plural)| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {
                "group": group, "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
                "versions": [{
                    "name": version, "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {
                        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    }},
                }],
            },
        })
    });
    let list = json!({"apiVersion": "v1", "kind": "List", "items": definitions});
    kubectl(plane, &["apply", "-f", "-"], &list.to_string()).await;
    for (group, _, _, plural) in OTHERS {
        let name = format!("crd/{plural}.{group}");
        kubectl(plane, &["wait", "--for=condition=Established", &name], "").await;
    }
}

#[tokio::test]
async fn the_definitions_can_be_applied_from_their_folder() {
    let plane = ControlPlane::builder().start().await.unwrap();
    let folder = format!("{ROOT}/crds/");
    let applied = kubectl(&plane, &["apply", "--server-side", "-f", &folder], "").await;
    assert_eq!(
        applied.lines().count(),
        std::fs::read_dir(&folder).unwrap().count() - 1,
        "{applied}"
    );
    // The folder is a kustomization as well, under a name that -f does not read.
    kubectl(&plane, &["apply", "--server-side", "-k", &folder], "").await;
}

#[tokio::test]
async fn the_api_server_takes_every_object_of_every_case() {
    let Some(helm) = helm::helm() else { return };
    let plane = plane().await;
    kubectl(&plane, &["create", "namespace", NAMESPACE], "").await;
    kubectl(
        &plane,
        &["label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted"],
        "",
    )
    .await;
    kubectl(&plane, &["apply", "--server-side", "-f", &format!("{ROOT}/crds/")], "").await;
    kubectl(&plane, &["create", "namespace", "grafana"], "").await;
    define_others(&plane).await;
    let dry_run = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
    for (case, values) in cases() {
        let text = helm::template_with(&helm, CHART, &values.to_string()).unwrap();
        let answer = kubectl(&plane, &dry_run, &text).await;
        let count = objects(&case, &text).len();
        assert_eq!(answer.lines().count(), count, "{case}: {answer}");
        assert!(!answer.contains("Warning"), "{case}: {answer}");
    }
    // The pods meet the restricted level: a Deployment is only warned of, a pod is refused.
    for (case, values) in cases() {
        let text = helm::template_with(&helm, CHART, &values.to_string()).unwrap();
        let objects = objects(&case, &text);
        let deployment = helm::find(&objects, "Deployment comptroller-system/comptroller");
        let mut pod = deployment["spec"]["template"].clone();
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"]["name"] = json!("comptroller");
        pod["metadata"]["namespace"] = json!(NAMESPACE);
        // The account is in the release, which is not installed here.
        pod["spec"]["serviceAccountName"] = json!("default");
        kubectl(&plane, &dry_run, &pod.to_string()).await;
    }
    let profiles = json!({"profiles": ["eks", "argocd", "velero"]});
    let text = helm::template_with(&helm, PACK, &profiles.to_string()).unwrap();
    kubectl(&plane, &dry_run, &text).await;
}

/// Definitions, claims and ConfigMaps of the product: most of them must outlive an uninstall.
async fn kept(plane: &ControlPlane) -> Vec<String> {
    let crds = kubectl(plane, &["get", "crd", "-o", "name"], "").await;
    let rest = kubectl(
        plane,
        &["get", "persistentvolumeclaim,configmap", "-n", NAMESPACE, "-o", "name"],
        "",
    )
    .await;
    let lines = crds.lines().chain(rest.lines()).filter(|line| line.contains("comptroller"));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_release_is_installed_upgraded_removed_and_installed_again() {
    if helm::helm().is_none() {
        return;
    }
    let plane = plane().await;
    let install = ["install", "comptroller", CHART, "--create-namespace"];
    helm(&plane, &install, &json!({})).await.unwrap();
    // One step after the other: the pack needs the definitions that the first release brought.
    let pack = ["install", "comptroller-pack", PACK];
    helm(&plane, &pack, &json!({"profiles": ["kubeadm"]})).await.unwrap();
    let controls = kubectl(&plane, &["get", "controls", "-o", "name"], "").await;
    assert_eq!(controls.lines().count(), 47, "{controls}");

    let releases = [
        "get",
        "secrets",
        "-n",
        NAMESPACE,
        "-l",
        "owner=helm",
        "-o",
        "jsonpath={range .items[*]}{.data.release}{'\\n'}{end}",
    ];
    for release in kubectl(&plane, &releases, "").await.lines() {
        assert!(release.len() < 700 * 1024, "a release must fit into a Secret: {}", release.len());
    }

    // What the operator and people have written in the meantime.
    let patch = r#"{"data": {"checkpoint": "signed"}}"#;
    let checkpoint = [
        "patch",
        "configmap",
        "comptroller-evidence",
        "-n",
        NAMESPACE,
        "--type=merge",
        "-p",
        patch,
    ];
    kubectl(&plane, &checkpoint, "").await;
    let patch = r#"{"data": {"mine": "system:serviceaccount:a:b"}}"#;
    let writers = [
        "patch",
        "configmap",
        "comptroller-record-writers",
        "-n",
        NAMESPACE,
        "--type=merge",
        "-p",
        patch,
    ];
    kubectl(&plane, &writers, "").await;
    let data = async |name: &str| {
        kubectl(&plane, &["get", "configmap", name, "-n", NAMESPACE, "-o", "jsonpath={.data}"], "")
            .await
    };

    let changed = json!({
        "image": {"tag": "0.2.0"}, "resources": {"limits": {"memory": "1Gi"}},
        "admission": {"recordWriters": {"argocd": "system:serviceaccount:argocd:controller"}},
        "rbac": {"readers": {"databases": false}, "enforcement": {"enabled": true}},
    });
    helm(&plane, &["upgrade", "comptroller", CHART], &changed).await.unwrap();
    let image = "jsonpath={.spec.template.spec.containers[0].image}";
    let get = ["get", "deployment", "comptroller", "-n", NAMESPACE, "-o", image];
    assert_eq!(kubectl(&plane, &get, "").await, "comptroller:0.2.0");
    let roles = kubectl(&plane, &["get", "clusterroles", "-o", "name"], "").await;
    assert!(!roles.contains("comptroller-reader-databases"), "{roles}");
    assert!(roles.contains("comptroller-enforcement"), "{roles}");
    assert!(data("comptroller-evidence").await.contains("signed"));
    let writers = data("comptroller-record-writers").await;
    assert!(writers.contains("a:b") && writers.contains("argocd:controller"), "{writers}");

    // To a bucket and back: the strategy of the rollout changes, and the claims stay what they are.
    let claims = [
        "get",
        "persistentvolumeclaims",
        "-n",
        NAMESPACE,
        "-o",
        "jsonpath={.items[*].metadata.uid}",
    ];
    let strategy = [
        "get",
        "deployment",
        "comptroller",
        "-n",
        NAMESPACE,
        "-o",
        "jsonpath={.spec.strategy.type}",
    ];
    let uids = kubectl(&plane, &claims, "").await;
    let bucket = cases().into_iter().find(|(name, _)| name == "bucket").unwrap().1;
    helm(&plane, &["upgrade", "comptroller", CHART], &bucket).await.unwrap();
    assert_eq!(kubectl(&plane, &strategy, "").await, "RollingUpdate");
    helm(&plane, &["upgrade", "comptroller", CHART], &changed).await.unwrap();
    assert_eq!(kubectl(&plane, &strategy, "").await, "Recreate");
    assert_eq!(kubectl(&plane, &claims, "").await, uids);

    let before = kept(&plane).await;
    helm(&plane, &["uninstall", "comptroller"], &Value::Null).await.unwrap();
    let after = kept(&plane).await;
    let lost: Vec<&String> = before.iter().filter(|name| !after.contains(name)).collect();
    assert_eq!(lost, ["configmap/comptroller-record-writers"], "kept: {after:#?}");
    let left = kubectl(
        &plane,
        &["get", "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings", "-o", "name"],
        "",
    )
    .await;
    assert!(!left.contains("comptroller"), "{left}");
    let controls = kubectl(&plane, &["get", "controls", "-o", "name"], "").await;
    assert_eq!(controls.lines().count(), 47, "an uninstall keeps every control");

    helm(&plane, &install, &json!({})).await.unwrap();
    assert!(data("comptroller-evidence").await.contains("signed"));
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
    let label = "app.kubernetes.io/managed-by=Helm";
    let deployments = ["get", "deployments", "-n", NAMESPACE, "-l", label, "-o", "name"];
    assert_eq!(kubectl(&plane, &deployments, "").await.trim(), "deployment.apps/comptroller");
}

#[tokio::test]
async fn people_get_the_rights_that_the_roles_promise() {
    let plane = plane().await;
    kubectl(&plane, &["create", "namespace", NAMESPACE], "").await;
    kubectl(&plane, &["apply", "--server-side", "-f", &format!("{ROOT}/crds/")], "").await;
    kubectl(&plane, &["apply", "-k", &format!("{ROOT}/config/rbac")], "").await;
    for (role, may, may_not) in [
        ("viewer", "get controls.comptroller.dev", "patch controls.comptroller.dev"),
        ("editor", "patch controls.comptroller.dev", "create attestations.comptroller.dev"),
        (
            "reviewer",
            "patch controlexceptions.comptroller.dev",
            "create controlexceptions.comptroller.dev",
        ),
        ("auditor", "list attestations.comptroller.dev", "create attestations.comptroller.dev"),
        ("auditor", "get /ui/controls", "get /metrics"),
        ("attester", "create attestations.comptroller.dev", "delete attestations.comptroller.dev"),
        (
            "responder",
            "create deviationresponses.comptroller.dev",
            "patch deviationresponses.comptroller.dev",
        ),
    ] {
        let name = format!("is-{role}");
        let cluster_role = format!("--clusterrole=comptroller-{role}");
        let user = format!("--user={role}@corp");
        let _ = plane
            .kubectl("admin", &["create", "clusterrolebinding", &name, &cluster_role, &user])
            .await;
        for (action, wanted) in [(may, true), (may_not, false)] {
            let mut arguments = vec!["auth", "can-i"];
            arguments.extend(action.split(' '));
            let person = format!("{role}@corp");
            arguments.extend(["--as", &person]);
            let output = plane.kubectl("admin", &arguments).await.unwrap();
            assert_eq!(output.status.success(), wanted, "{role}: {action}");
        }
    }
}
