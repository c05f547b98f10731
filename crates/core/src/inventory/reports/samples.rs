//! Reports in the form in which engines write them: Kyverno, Kubewarden, Trivy Operator. Nothing but
//! JSON: tests against an API server use them, too.

use serde_json::{Value, json};

/// 2026-11-21T11:00:00Z, as reports of policies write times.
pub const RECENT: i64 = 1_795_258_800;

/// A report by Kyverno about a Deployment: one for each resource, called like its uid.
pub fn kyverno(group: &str, namespace: &str, name: &str, results: &[Value]) -> Value {
    let (kind, version) = match group {
        "openreports.io" => ("Report", "v1alpha1"),
        _ => ("PolicyReport", "v1alpha2"),
    };
    let count = |of: &str| results.iter().filter(|result| result["result"] == of).count();
    let summary = json!({"pass": count("pass"), "fail": count("fail"), "warn": count("warn"), "error": count("error"), "skip": count("skip")});
    let uid = format!("uid-of-{name}");
    json!({
        "apiVersion": format!("{group}/{version}"), "kind": kind,
        "metadata": {
            "name": uid, "namespace": namespace, "creationTimestamp": "2026-11-01T00:00:00Z",
            "labels": {"app.kubernetes.io/managed-by": "kyverno"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": uid}],
        },
        "scope": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": namespace, "name": name, "uid": uid},
        "summary": summary,
        "results": results,
    })
}

/// A result as Kyverno writes it.
pub fn result(policy: &str, rule: &str, result: &str, seconds: i64) -> Value {
    json!({
        "source": "kyverno", "policy": policy, "rule": rule, "result": result, "scored": true,
        "category": "Pod Security", "severity": "high", "message": format!("{policy} says so"),
        "timestamp": {"seconds": seconds, "nanos": 0}, "properties": {"process": "background scan"},
    })
}

/// A report by the audit scanner of Kubewarden, whose summary also counts what it did not list.
pub fn kubewarden(namespace: &str, name: &str, result: &str) -> Value {
    json!({
        "apiVersion": "openreports.io/v1alpha1", "kind": "Report",
        "metadata": {
            "name": format!("uid-of-{name}"), "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "kubewarden"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": name, "uid": format!("uid-of-{name}")}],
        },
        "source": "kubewarden",
        "scope": {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": name, "uid": format!("uid-of-{name}"), "resourceVersion": "77"},
        "summary": {"pass": i32::from(result == "pass"), "fail": i32::from(result == "fail"), "warn": 0, "error": 0, "skip": 3},
        "results": [{
            "source": "kubewarden", "policy": "clusterwide-no-privileged", "result": result, "scored": true,
            "category": "Security", "message": "privileged containers are not allowed",
            "resourceSelector": {}, "timestamp": {"seconds": RECENT, "nanos": 5},
            "properties": {"validating": "true", "policy-uid": "4f", "policy-resource-version": "9"},
        }],
    })
}

/// A report by Trivy Operator about the image of a container.
pub fn vulnerabilities(namespace: &str, replica_set: &str, found: &[(&str, &str)]) -> Value {
    let count = |of: &str| found.iter().filter(|(_, severity)| *severity == of).count();
    let rows: Vec<Value> = found
        .iter()
        .map(|(id, severity)| {
            json!({
                "vulnerabilityID": id, "resource": "openssl", "installedVersion": "3.0.1",
                "fixedVersion": "3.0.2", "severity": severity, "title": "a flaw", "target": "",
                "publishedDate": "2026-01-01T00:00:00Z", "lastModifiedDate": "2026-01-02T00:00:00Z",
                "primaryLink": "https://avd.aquasec.com/nvd/x", "links": [], "score": 7.5,
            })
        })
        .collect();
    json!({
        "apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "VulnerabilityReport",
        "metadata": {
            "name": format!("replicaset-{replica_set}-app"), "namespace": namespace,
            "creationTimestamp": "2026-11-01T00:00:00Z",
            "annotations": {"trivy-operator.aquasecurity.github.io/report-ttl": "24h0m0s"},
            "labels": {
                "resource-spec-hash": "7f", "trivy-operator.container.name": "app",
                "trivy-operator.resource.kind": "ReplicaSet", "trivy-operator.resource.name": replica_set,
                "trivy-operator.resource.namespace": namespace,
            },
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": replica_set, "controller": true,
                "blockOwnerDeletion": false, "uid": format!("uid-of-{replica_set}"),
            }],
        },
        "report": {
            "updateTimestamp": "2026-11-21T11:00:00Z",
            "scanner": {"name": "Trivy", "vendor": "Aqua Security", "version": "0.57.1"},
            "registry": {"server": "index.docker.io"},
            "artifact": {"repository": "library/app", "tag": "1.2", "digest": "sha256:aa"},
            "os": {"family": "debian", "name": "12.8"},
            "summary": {
                "criticalCount": count("CRITICAL"), "highCount": count("HIGH"), "mediumCount": count("MEDIUM"),
                "lowCount": count("LOW"), "unknownCount": count("UNKNOWN"), "noneCount": 0,
            },
            "vulnerabilities": rows,
        },
    })
}

/// What Trivy Operator says of the configuration of a resource.
pub fn config_audit(namespace: &str, name: &str, checks: &[(&str, &str, bool)]) -> Value {
    let failed = |of: &str| {
        checks.iter().filter(|(_, severity, success)| *severity == of && !success).count()
    };
    let rows: Vec<Value> = checks
        .iter()
        .map(|(id, severity, success)| {
            json!({
                "checkID": id, "title": "a title", "severity": severity, "success": success,
                "category": "Kubernetes Security Check", "description": "long", "remediation": "do",
                "messages": ["Container 'app' should not do this"],
            })
        })
        .collect();
    json!({
        "apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "ConfigAuditReport",
        "metadata": {
            "name": format!("service-{name}"), "namespace": namespace,
            "labels": {
                "trivy-operator.resource.kind": "Service", "trivy-operator.resource.name": name,
                "trivy-operator.resource.namespace": namespace,
            },
        },
        "report": {
            "updateTimestamp": "2026-11-21T11:00:00Z",
            "scanner": {"name": "Trivy", "vendor": "Aqua Security", "version": "0.57.1"},
            "summary": {"criticalCount": failed("CRITICAL"), "highCount": failed("HIGH"), "mediumCount": failed("MEDIUM"), "lowCount": failed("LOW")},
            "checks": rows,
        },
    })
}
