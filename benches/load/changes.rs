//! Changes that a control must notice: each adds one item that fails it, and can be taken back.

use serde_json::{Value, json};

use crate::generate;

const RBAC: &str = "rbac.authorization.k8s.io/v1";
const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// A kind of change, and the control whose `failing` it moves by one.
#[derive(Debug)]
pub struct Change {
    /// The name of its row in the report.
    pub what: &'static str,
    /// The control that must follow; no other change moves it.
    pub control: &'static str,
    object: fn(namespace: &str, name: &str) -> Value,
}

impl Change {
    /// The object whose creation is the change, and whose deletion takes it back.
    pub fn object(&self, namespace: &str, number: usize) -> Value {
        (self.object)(namespace, &format!("bench-{number}"))
    }
}

/// Every kind, of different groups and tests.
pub const CHANGES: [Change; 7] = [
    Change {
        what: "ClusterRoleBinding to cluster-admin",
        control: "no-standing-cluster-admin",
        object: cluster_admin,
    },
    Change { what: "privileged Deployment", control: "pod-security-baseline", object: privileged },
    Change { what: "Ingress without TLS", control: "ingress-has-tls", object: plain_ingress },
    Change {
        what: "RoleBinding to a person",
        control: "rights-come-through-groups",
        object: personal,
    },
    Change { what: "Service on node ports", control: "services-stay-inside", object: node_port },
    Change { what: "CronJob that overlaps", control: "batch-runs-succeed", object: overlapping },
    Change {
        what: "Certificate that failed",
        control: "certificates-do-not-expire",
        object: failed_certificate,
    },
];

fn cluster_admin(_: &str, name: &str) -> Value {
    json!({
        "apiVersion": RBAC,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "Group", "apiGroup": RBAC_GROUP, "name": format!("{name}-group")}],
    })
}

fn personal(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": RBAC,
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": "app-viewer"},
        "subjects": [{"kind": "User", "apiGroup": RBAC_GROUP, "name": format!("{name}@example.com")}],
    })
}

fn privileged(namespace: &str, name: &str) -> Value {
    let mut spec = confined_pod(name);
    spec["containers"][0]["securityContext"] = json!({"privileged": true});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    })
}

fn overlapping(namespace: &str, name: &str) -> Value {
    let mut spec = confined_pod(name);
    spec["restartPolicy"] = "Never".into();
    json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "schedule": "0 3 * * *",
            "concurrencyPolicy": "Allow",
            "jobTemplate": {"spec": {"template": {"spec": spec}}},
        },
    })
}

fn plain_ingress(namespace: &str, name: &str) -> Value {
    generate::ingress(namespace, name, false)
}

fn node_port(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"type": "NodePort", "selector": {"app": name}, "ports": [{"port": 80}]},
    })
}

fn failed_certificate(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"secretName": name},
        "status": {"conditions": [{
            "type": "Ready",
            "status": "False",
            "reason": "Failed",
            "message": "the issuer refused it",
        }]},
    })
}

/// A pod that breaks nothing.
fn confined_pod(name: &str) -> Value {
    json!({
        "serviceAccountName": "default",
        "automountServiceAccountToken": false,
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": name,
            "image": format!("registry.example.com/acme/api@sha256:{:064x}", 1),
            "resources": {
                "requests": {"cpu": "10m", "memory": "32Mi"},
                "limits": {"memory": "32Mi"},
            },
            "readinessProbe": {"tcpSocket": {"port": 8080}},
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]},
            },
        }],
    })
}
