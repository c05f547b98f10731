//! The shipped rights are what the operator uses: none is missing, none too many.

use std::collections::BTreeSet;

use comptroller_core::api::Control;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::{
    controlplane::{ControlPlane, wait},
    helm,
    process::{Bench, LIMIT, documents, get, kubectl},
};

/// Verb, group and resource.
pub type Right = (String, String, String);

pub const AUDIT_POLICY: &str = r#"{
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
    "rules": [{"level": "Metadata", "users": ["system:serviceaccount:comptroller-system:comptroller"]}]
}"#;

const EXCEPTION: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: ControlException
metadata: {name: shop}
spec:
  controls: [pod-security-baseline]
  resources: [{kind: Namespace, name: shop}]
  reason: It is being built.
  requestedBy: jane@corp
  expires: \"2099-01-01T00:00:00Z\"
";

const PERIOD: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: AuditPeriod
metadata: {name: soc2-2026}
spec: {type: TypeII, from: \"2026-01-01T00:00:00Z\", to: \"2027-01-01T00:00:00Z\"}
";

const PERSON: &str = "
apiVersion: comptroller.dev/v1alpha1
kind: Person
metadata: {name: jane}
spec: {displayName: Jane, identities: {usernames: [jane@corp]}}
";

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[tokio::test]
async fn the_shipped_roles_are_what_the_operator_uses() {
    used_and_enough(&helm::kustomize("config/rbac")).await;
}

#[tokio::test]
async fn the_roles_of_the_chart_are_what_the_operator_uses() {
    let Some(helm) = helm::helm() else { return };
    let templates = ["rbac", "service_account"].map(|name| format!("templates/{name}.yaml"));
    let arguments: Vec<&str> =
        templates.iter().flat_map(|template| ["--show-only", template.as_str()]).collect();
    used_and_enough(&helm::template(&helm, helm::CHART, &arguments).unwrap()).await;
}

/// Runs the operator with these roles: nothing is refused, and of its own role nothing is left unused.
async fn used_and_enough(roles: &str) {
    let plane = ControlPlane::builder()
        .controller_manager(true)
        .api_server_file("audit-policy-file", AUDIT_POLICY)
        .api_server_arg("--audit-log-path={dir}/audit.log")
        .start()
        .await
        .unwrap();
    let mut bench = Bench::without_operator(plane).await;
    kubectl(&bench.plane, &["create", "namespace", "comptroller-system"]).await;
    let applied =
        bench.plane.kubectl_with_input("admin", &["apply", "-f", "-"], roles).await.unwrap();
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let evidence = format!("{ROOT}/config/manager/evidence.yaml");
    kubectl(&bench.plane, &["apply", "-f", &evidence]).await;
    aggregated(&bench).await;
    let kubeconfig = service_account_kubeconfig(&bench.plane).await;
    kubectl(&bench.plane, &["apply", "-k", &format!("{ROOT}/config/soc2")]).await;
    let log = bench.plane.dir().join("evidence");
    bench.start_operator_as(kubeconfig, &["--evidence", log.to_str().unwrap()]).await;
    let controls = evaluated(&bench).await;
    for control in &controls {
        let status = control.status.as_ref().unwrap();
        assert_ne!(status.reason, "Forbidden", "{}: {:#?}", control.name_any(), status.conditions);
    }
    // A control that turns is announced by an event; an exception gets a status.
    bench.apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}").await;
    bench.apply(EXCEPTION).await;
    bench.apply(PERIOD).await;
    let person =
        bench.plane.kubectl_with_input("admin", &["apply", "-f", "-"], PERSON).await.unwrap();
    assert!(person.status.success(), "{}", String::from_utf8_lossy(&person.stderr));
    let (status, _) = get(bench.url(), "/metrics").await.unwrap();
    assert_eq!(status, 200);

    let log = bench.plane.dir().join("audit.log");
    let granted = grants(roles);
    let mut used = BTreeSet::new();
    wait::until("every grant is used", LIMIT, async || {
        used = uses(&std::fs::read_to_string(&log).ok()?);
        granted.difference(&used).all(is_for_scrapes).then_some(())
    })
    .await
    .unwrap_or_else(|error| {
        panic!("{error}; not used: {:#?}", granted.difference(&used).collect::<Vec<_>>())
    });
    let beyond: Vec<_> = used
        .difference(&granted)
        .filter(|right| right.0 != "list" && right.0 != "watch")
        // Every cluster grants to everybody to ask who they are.
        .filter(|right| right.2 != "selfsubjectreviews")
        .collect();
    assert!(beyond.is_empty(), "used beyond the operator's own role: {beyond:#?}");
    bench.stop_operator().await;
}

/// Who scrapes over HTTPS is looked up with these; `tests/server.rs` uses them.
fn is_for_scrapes((_, group, _): &(String, String, String)) -> bool {
    group == "authentication.k8s.io" || group == "authorization.k8s.io"
}

/// Verb, group and resource of each grant of the operator's own roles.
fn grants(roles: &str) -> BTreeSet<(String, String, String)> {
    let own = ["ClusterRole comptroller-operator", "Role comptroller-system/comptroller-evidence"];
    let mut grants = BTreeSet::new();
    let roles = documents(roles);
    for role in own.map(|title| helm::find(&roles, title)) {
        for rule in role["rules"].as_array().into_iter().flatten() {
            let list = |field: &str| -> Vec<String> {
                rule[field]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|text| text.as_str().unwrap().to_owned())
                    .collect()
            };
            for verb in list("verbs") {
                for group in list("apiGroups") {
                    for resource in list("resources") {
                        // Repeats of an event within minutes are patched into it.
                        if (verb.as_str(), resource.as_str()) != ("patch", "events") {
                            grants.insert((verb.clone(), group.clone(), resource));
                        }
                    }
                }
                for path in list("nonResourceURLs") {
                    grants.insert((verb.clone(), String::new(), path));
                }
            }
        }
    }
    grants
}

/// What the audit log says was used; a refusal fails the test.
pub fn uses(log: &str) -> BTreeSet<Right> {
    let mut used = BTreeSet::new();
    for line in log.lines() {
        // The last line may be half written.
        let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
        let text =
            |path: &str| entry.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let code = entry.pointer("/responseStatus/code").and_then(Value::as_i64);
        let uri = text("/requestURI");
        assert_ne!(code, Some(403), "refused: {} {uri}", text("/verb"));
        if entry.get("objectRef").is_none() {
            if uri == "/metrics" {
                used.insert((text("/verb"), String::new(), uri));
            }
            continue;
        }
        let subresource = text("/objectRef/subresource");
        let resource = match subresource.as_str() {
            "" => text("/objectRef/resource"),
            subresource => format!("{}/{subresource}", text("/objectRef/resource")),
        };
        used.insert((text("/verb"), text("/objectRef/apiGroup"), resource));
    }
    used
}

/// Waits until the controller manager has added up the reader role.
async fn aggregated(bench: &Bench) {
    wait::until("the reader role", LIMIT, async || {
        let rules = kubectl(
            &bench.plane,
            &["get", "clusterrole", "comptroller-reader", "-o", "jsonpath={.rules[*].apiGroups}"],
        )
        .await;
        (rules.contains("velero.io")
            && rules.contains("storage.k8s.io")
            && rules.contains("cert-manager.io"))
        .then_some(())
    })
    .await
    .unwrap();
}

/// A kubeconfig with a token of the operator's service account.
pub async fn service_account_kubeconfig(plane: &ControlPlane) -> std::path::PathBuf {
    let token =
        kubectl(plane, &["create", "token", "comptroller", "-n", "comptroller-system"]).await;
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": plane.server_url(), "certificate-authority-data": base64(plane.ca())}}],
        "users": [{"name": "u", "user": {"token": token.trim()}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    let path = plane.dir().join("service-account.kubeconfig");
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    path
}

/// Every control once each has a state.
async fn evaluated(bench: &Bench) -> Vec<Control> {
    let api = bench.controls();
    wait::until("a verdict for every control", LIMIT, async || {
        let controls = api.list(&kube::api::ListParams::default()).await.ok()?.items;
        let judged = |control: &Control| {
            control.status.as_ref().is_some_and(|status| status.since.is_some())
        };
        (!controls.is_empty() && controls.iter().all(judged)).then_some(controls)
    })
    .await
    .unwrap()
}

fn base64(text: &str) -> String {
    serde_json::to_value(k8s_openapi::ByteString(text.as_bytes().to_vec()))
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}
