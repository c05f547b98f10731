//! The pack on a fresh cluster: what every cluster is born with is no finding.

use comptroller_core::{
    api::State,
    inventory::{ApiServer, api_server::Transformations},
};
use serde_json::{Value, json};

use super::{
    controls::pack,
    files,
    world::{judge, summary},
};

const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// The roles and bindings that the API server and its controllers create by themselves.
pub fn born_access() -> impl Iterator<Item = Value> {
    let text = files::text("crates/core/src/inventory/rbac/defaults.jsonl");
    let objects: Vec<Value> = text
        .lines()
        .map(|line| {
            let mut object: Value = serde_json::from_str(line).unwrap();
            object["apiVersion"] = RBAC.into();
            object
        })
        .collect();
    objects.into_iter()
}

/// Everything that they create.
pub fn born() -> Vec<Value> {
    let mut objects: Vec<Value> = born_access().collect();
    for namespace in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        let labels = json!({"kubernetes.io/metadata.name": namespace});
        let metadata = json!({"name": namespace, "labels": labels});
        objects.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}));
        let metadata = json!({"name": "default", "namespace": namespace});
        objects.push(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}));
    }
    objects.push(json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default"},
        "spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "ports": [{"port": 443}]},
    }));
    objects
}

#[test]
fn only_what_its_readme_names_stands_out() {
    let encrypts_nothing = ApiServer::Observed(Transformations::default());
    let readme = files::text("config/soc2/README.md");
    let verdicts = judge(pack(), &[], &born(), encrypts_nothing);
    for (name, verdict) in &verdicts {
        let expected = match name.as_str() {
            // The namespace `default` enforces nothing.
            "pod-security-baseline" | "secrets-encrypted-at-rest" => "Failing 1 failing",
            _ if verdict.population == 0 => "NotApplicable",
            _ => "Passing",
        };
        assert_eq!(summary(verdict), expected, "{name}: {:#?}", verdict.findings);
        if verdict.state == State::Failing {
            assert!(readme.contains(&format!("- `{name}` fails")), "{name} is not explained");
        }
    }
    let passing = verdicts.iter().filter(|(_, verdict)| verdict.state == State::Passing);
    let passing: Vec<&str> = passing.map(|(name, _)| name.as_str()).collect();
    assert_eq!(passing, ["rights-come-through-groups", "services-stay-inside"]);
}

#[test]
fn encryption_at_rest_that_cannot_be_seen_is_unknown() {
    let verdicts = judge(pack(), &[], &born(), ApiServer::Unreadable("403".into()));
    assert_eq!(summary(&verdicts["secrets-encrypted-at-rest"]), "Unknown 1 unknown");
}
