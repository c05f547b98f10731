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

/// The policies that are installed with the operator.
pub fn admission() -> impl Iterator<Item = Value> {
    const FOLDER: &str = "config/admission";
    let files = files::manifests(FOLDER).into_iter();
    files.flat_map(|file| files::objects_of(&format!("{FOLDER}/{file}")))
}

/// A cluster that the operator is not installed on yet, as somebody scans it who tries the pack.
#[test]
fn only_what_its_readme_names_stands_out() {
    let encrypts_nothing = ApiServer::Observed(Transformations::default());
    let readme = files::text("config/soc2/README.md");
    let verdicts = judge(pack(), &[], &born(), encrypts_nothing);
    for (name, verdict) in &verdicts {
        let expected = match name.as_str() {
            // The namespace `default` enforces nothing.
            "pod-security-baseline" | "secrets-encrypted-at-rest" => "Failing 1 failing",
            // Nobody has installed them yet.
            "evidence-is-guarded" => "Failing 10 failing",
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

#[test]
fn once_the_operator_is_installed_its_records_are_guarded() {
    let mut cluster = born();
    cluster.extend(admission());
    let verdicts = judge(pack(), &[], &cluster, ApiServer::NotObserved);
    assert_eq!(summary(&verdicts["evidence-is-guarded"]), "Passing");
    let gone = cluster.pop().unwrap();
    let verdicts = judge(pack(), &[], &cluster, ApiServer::NotObserved);
    let verdict = &verdicts["evidence-is-guarded"];
    assert_eq!(summary(verdict), "Failing 1 failing");
    assert_eq!(verdict.findings[0].finding.resource.name, files::name(&gone));
}

/// What `users-are-known` says of a user of a binding, and of these people beside it.
fn users_are_known(people: &str) -> String {
    let mut cluster = born();
    cluster.extend(files::objects(
        "a user",
        &format!(
            "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: views}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: jane@corp}}]
{people}"
        ),
    ));
    let verdicts = judge(pack(), &[], &cluster, ApiServer::NotObserved);
    summary(&verdicts["users-are-known"])
}

#[test]
fn users_are_known_by_the_people_who_work_here() {
    let person = |username: &str, end: &str| {
        format!(
            "---
apiVersion: comptroller.dev/v1alpha1
kind: Person
metadata: {{name: jane}}
spec: {{displayName: Jane, identities: {{usernames: [{username}]}}, endDate: '{end}'}}
"
        )
    };
    assert_eq!(users_are_known(""), "Unknown 1 unknown");
    assert_eq!(users_are_known(&person("jane@corp", "2026-11-21")), "Passing");
    assert_eq!(users_are_known(&person("jane@corp", "2026-11-20")), "Failing 1 failing");
    assert_eq!(users_are_known(&person("sam@corp", "2027-01-01")), "Failing 1 failing");
}
