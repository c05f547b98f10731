//! A real API server takes every object of every case, and gives people what the roles promise.

use serde_json::json;

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

pub async fn plane() -> ControlPlane {
    ControlPlane::builder().controller_manager(true).start().await.unwrap()
}

/// What kubectl prints; a failure fails the test.
pub async fn kubectl(plane: &ControlPlane, arguments: &[&str], input: &str) -> String {
    let output = plane.kubectl_with_input("admin", arguments, input).await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
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
        (
            "people-editor",
            "patch people.comptroller.dev",
            "patch people.comptroller.dev --subresource=status",
        ),
        ("people-viewer", "list people.comptroller.dev", "patch people.comptroller.dev"),
        // Who people are is personal data: no other role shows it.
        ("viewer", "list attestations.comptroller.dev", "list people.comptroller.dev"),
        ("auditor", "list controls.comptroller.dev", "list people.comptroller.dev"),
        ("editor", "create controls.comptroller.dev", "get people.comptroller.dev"),
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
