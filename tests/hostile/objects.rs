//! Objects as large as an API server takes.

use serde_json::{Value, json};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// 1.25 MB in the environment of one container.
pub fn large_deployment(number: usize) -> (String, Value) {
    let environment: Vec<Value> =
        (0..600).map(|n| json!({ "name": format!("V{n}"), "value": "x".repeat(2_048) })).collect();
    let containers = json!([{ "name": "c", "image": "registry/app:1", "env": environment }]);
    deployment(&format!("large-{number}"), &containers)
}

/// As many containers as asked for.
pub fn deployment_of_containers(number: usize, containers: usize) -> (String, Value) {
    let containers: Vec<Value> = (0..containers)
        .map(|n| json!({ "name": format!("c{n}"), "image": format!("registry/app{n}:1") }))
        .collect();
    deployment(&format!("many-{number}"), &json!(containers))
}

fn deployment(name: &str, containers: &Value) -> (String, Value) {
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "replicas": 0,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": containers },
            },
        },
    });
    ("/apis/apps/v1/namespaces/default/deployments".to_owned(), object)
}

/// Binds `admin` to as many users as asked for, each its own.
pub fn binding(number: usize, subjects: usize) -> (String, Value) {
    let object = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": { "name": format!("many-{number}") },
        "roleRef": role_ref("admin"), "subjects": users(number, subjects),
    });
    (format!("{RBAC}/namespaces/default/rolebindings"), object)
}

/// Binds a role in the whole cluster.
pub fn cluster_binding(number: usize, subjects: usize, role: &str) -> (String, Value) {
    let object = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": { "name": format!("many-{number}") },
        "roleRef": role_ref(role), "subjects": users(1_000_000 + number, subjects),
    });
    (format!("{RBAC}/clusterrolebindings"), object)
}

/// A user whose name is as long as it may be.
pub fn long_user(number: usize) -> (String, Value) {
    let name = format!("{number}-{}", "x".repeat(1_200_000));
    let object = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": { "name": format!("long-{number}") },
        "roleRef": role_ref("cluster-admin"),
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name }],
    });
    (format!("{RBAC}/clusterrolebindings"), object)
}

/// A role with as many rules as asked for, each of other words.
pub fn role(number: usize, rules: usize) -> (String, Value) {
    let rules: Vec<Value> = (0..rules)
        .map(|n| {
            json!({ "verbs": ["get", format!("v{n}")], "apiGroups": [format!("g{number}-{n}")],
                "resources": ["pods", format!("r{n}")], "resourceNames": [format!("n{number}-{n}")] })
        })
        .collect();
    let object = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": { "name": format!("many-{number}") }, "rules": rules,
    });
    (format!("{RBAC}/clusterroles"), object)
}

fn users(number: usize, count: usize) -> Vec<Value> {
    (0..count)
        .map(|n| {
            json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "User",
                "name": format!("person-{number}-{n}@company.example") })
        })
        .collect()
}

fn role_ref(role: &str) -> Value {
    json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role })
}
