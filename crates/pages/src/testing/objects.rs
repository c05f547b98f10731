//! The objects of the sample, as an API server would send them.

use std::sync::Arc;

use comptroller_core::api::{
    Attestation, AuditPeriod, Control, ControlException, DeviationResponse,
};
use serde_json::{Value, json};

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Arc<T> {
    Arc::new(serde_json::from_value(value).unwrap())
}

/// A control with the status that is given, declared in June.
pub fn control(name: &str, mut spec: Value, status: Value) -> Arc<Control> {
    let defaults = json!({
        "title": name, "criteria": ["CC6.1"], "owner": "platform-security", "severity": "High",
        "test": {"podSecurity": {"minimum": "baseline"}},
    });
    for (key, value) in defaults.as_object().unwrap() {
        if spec.get(key).is_none() {
            spec[key] = value.clone();
        }
    }
    let mut object = json!({
        "apiVersion": "comptroller.dev/v1alpha1", "kind": "Control",
        "metadata": {
            "name": name, "generation": 3, "uid": format!("uid-{name}"),
            "creationTimestamp": "2026-06-01T08:00:00Z",
            "managedFields": [{"manager": "kubectl-client-side-apply", "operation": "Update", "time": "2026-11-12T10:21:00Z"}],
        },
        "spec": spec,
    });
    if !status.is_null() {
        object["status"] = status;
    }
    read(object)
}

/// A status of this generation, evaluated a quarter of an hour before.
pub fn status(state: &str, reason: &str, more: &Value) -> Value {
    let mut status = json!({
        "observedGeneration": 3, "state": state, "reason": reason, "since": "2026-11-20T09:14:03Z",
        "lastEvaluated": "2026-11-30T12:45:00Z", "population": 41, "failing": 0, "excepted": 0, "unknown": 0,
        "evidence": {"index": 1041, "logSize": 1042},
    });
    for (key, value) in more.as_object().unwrap() {
        status[key] = value.clone();
    }
    status
}

pub fn controls(text: &str) -> Vec<Arc<Control>> {
    vec![
        failing(text),
        unknown(text),
        control(
            "secrets-are-encrypted",
            json!({"title": "Secrets are encrypted at rest", "criteria": ["CC6.1", "C1.1"], "severity": "Critical",
                "objective": "Who copies a disk of etcd reads no secret.",
                "test": {"encryption": {"atRest": {"resources": ["secrets"]}}}}),
            status("Passing", "NoFindings", &json!({"population": 1})),
        ),
        control(
            "images-come-from-our-registry",
            json!({"title": "Images come from our registry", "criteria": ["CC6.8", "ISO27001:A.8.19"], "severity": "Medium",
                "owner": "platform", "test": {"workload": {"registries": ["registry.corp/*"]}}}),
            status("Excepted", "Excepted", &json!({"population": 212, "excepted": 2})),
        ),
        control(
            "volumes-are-backed-up",
            json!({"title": "Volumes are backed up every day", "criteria": ["A1.2"], "owner": "storage",
                "test": {"backup": {"of": "PersistentVolumeClaims", "maxAge": "24h"}}}),
            status("Passing", "NoFindings", &json!({"lastEvaluated": "2026-11-30T02:00:00Z"})),
        ),
        control(
            "pods-are-restricted",
            json!({"title": "Namespaces enforce the restricted level", "criteria": ["CC6.8"], "severity": "Low"}),
            status("Failing", "FindingsOpen", &json!({"observedGeneration": 2, "failing": 4})),
        ),
        control(
            "new-and-not-evaluated",
            json!({"title": "Declared a moment ago", "criteria": ["CC8.1"]}),
            Value::Null,
        ),
        control(
            "meshes-encrypt",
            json!({"title": "Traffic within the mesh is encrypted", "criteria": ["CC6.7"], "test": {"encryption": {"mesh": {}}}}),
            status("NotApplicable", "NothingInScope", &json!({"population": 0})),
        ),
        attested(text),
    ]
}

fn failing(text: &str) -> Arc<Control> {
    control(
        "no-standing-cluster-admin",
        json!({
            "title": format!("Nobody holds cluster-admin permanently {text}"),
            "objective": "Privileged access is limited to the break-glass account.",
            "remedy": "Bind a narrower role, or move the subject to the break-glass group.\n\nAsk platform-security if in doubt.",
            "criteria": ["CC6.1", "CC6.3"], "severity": "Critical", "owner": text, "heartbeat": "30m",
            "approvers": {"users": ["sam@corp"], "groups": ["security-leads"]},
            "scope": {"excludeNamespaces": ["kube-system"], "exclude": [
                {"kind": "ClusterRoleBinding", "name": "vendor-agent", "reason": format!("The vendor answers for it. {text}")},
            ]},
            "test": {"rbac": {"forbid": ["ClusterAdmin"], "allow": [{"kind": "Group", "name": "break-glass"}]}},
        }),
        status(
            "Failing",
            "FindingsOpen",
            &json!({"population": 231, "failing": 23, "excepted": 1, "unknown": 2, "findings": [
                {"rule": "ClusterAdmin", "resource": {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "name": "ops-admin"},
                    "subject": "User jane@corp", "message": "jane@corp can do everything in the whole cluster, by ClusterRoleBinding ops-admin.", "since": "2026-11-20T09:14:03Z"},
                {"rule": "ClusterAdmin", "resource": {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "name": text},
                    "subject": text, "message": text, "since": "2026-11-29T23:00:00Z"},
            ], "unknownItems": [
                {"rule": "Unreadable", "resource": {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "namespace": "shop", "name": "aggregated"},
                    "message": "The role selects others by label, and none of them could be read."},
            ], "conditions": [
                {"type": "Ready", "status": "True", "reason": "Evaluated", "message": "", "lastTransitionTime": "2026-06-01T08:00:01Z"},
                {"type": "Compliant", "status": "False", "reason": "FindingsOpen", "message": "23 of 231 subjects hold what is forbidden.", "lastTransitionTime": "2026-11-20T09:14:03Z"},
                {"type": "EvidenceRecorded", "status": "True", "reason": "Recorded", "message": "", "lastTransitionTime": "2026-06-01T08:00:02Z"},
            ]}),
        ),
    )
}

fn unknown(text: &str) -> Arc<Control> {
    control(
        "certificates-are-valid",
        json!({"title": "Certificates are valid for 30 days more", "criteria": ["CC6.7"],
            "test": {"encryption": {"certificates": {"minValidity": "30d"}}}}),
        status(
            "Unknown",
            "InputsUnreadable",
            &json!({"population": 0, "conditions": [
                {"type": "Ready", "status": "False", "reason": "InputsUnreadable",
                    "message": format!("certificates.cert-manager.io can't be listed: grant list and watch on it. {text}"),
                    "lastTransitionTime": "2026-11-30T11:02:00Z"},
                {"type": "EvidenceRecorded", "status": "False", "reason": "LogUnavailable", "message": "The log could not be written.", "lastTransitionTime": "2026-11-30T11:02:00Z"},
            ]}),
        ),
    )
}

fn attested(text: &str) -> Arc<Control> {
    let occurrence = |period: &str, phase: &str, due: &str, grace: &str, more: Value| {
        let mut one = json!({"period": period, "phase": phase, "opens": "2026-07-01T00:00:00Z", "due": due,
            "graceUntil": grace, "ruleDigest": "sha256:0f0f"});
        for (key, value) in more.as_object().unwrap() {
            one[key] = value.clone();
        }
        one
    };
    control(
        "access-is-reviewed",
        json!({"title": "Access is reviewed every quarter", "criteria": ["CC6.2", "CC6.3", "CC1.3"], "owner": "security",
            "objective": "Who no longer needs a right loses it.",
            "test": {"attestation": {"every": "3mo", "grace": "14d", "requires": ["artifact", "participants"]}}}),
        status(
            "Failing",
            "Overdue",
            &json!({"population": 4, "failing": 2, "occurrences": [
                occurrence("2026-Q1", "Missed", "2026-04-01T00:00:00Z", "2026-04-15T00:00:00Z", json!({"closed": "2026-04-15T00:00:00Z"})),
                occurrence("2026-Q2", "CompletedLate", "2026-07-01T00:00:00Z", "2026-07-15T00:00:00Z",
                    json!({"closed": "2026-07-03T10:00:00Z", "records": [
                        {"name": "access-2026-q2", "counts": true},
                        {"name": "deleted-since", "counts": false, "note": text},
                    ]})),
                occurrence("2026-Q3", "Waived", "2026-10-01T00:00:00Z", "2026-10-15T00:00:00Z",
                    json!({"closed": "2026-09-01T00:00:00Z", "waivedBy": "legacy-ci"})),
                occurrence("2026-11", "Open", "2026-11-25T00:00:00Z", "2026-12-09T00:00:00Z", json!({})),
                occurrence("2027-Q1", "Scheduled", "2027-04-01T00:00:00Z", "2027-04-15T00:00:00Z", json!({"opens": "2027-01-01T00:00:00Z"})),
            ]}),
        ),
    )
}

pub fn exceptions(text: &str) -> Vec<Arc<ControlException>> {
    let exception = |name: &str, spec: Value, phase: &str| {
        let mut whole = json!({"reason": "The pipeline of 2019 needs it until it is replaced.", "requestedBy": "jane@corp",
            "resources": [{"kind": "ClusterRoleBinding", "name": "legacy-*", "namespace": "ci-*"}],
            "controls": ["no-standing-cluster-admin"], "expires": "2027-01-31T00:00:00Z"});
        for (key, value) in spec.as_object().unwrap() {
            whole[key] = value.clone();
        }
        read(json!({
            "apiVersion": "comptroller.dev/v1alpha1", "kind": "ControlException",
            "metadata": {"name": name, "creationTimestamp": "2026-11-02T09:00:00Z"},
            "spec": whole,
            "status": {"phase": phase, "matched": 1, "observedGeneration": 1, "conditions": [
                {"type": "Ready", "status": if phase == "Rejected" { "False" } else { "True" }, "reason": "Judged",
                    "message": "It lasts longer than a year.", "lastTransitionTime": "2026-11-02T09:00:01Z"}]},
        }))
    };
    vec![
        exception(
            "legacy-ci",
            json!({"approvedBy": "sam@corp", "expires": "2026-12-05T00:00:00Z", "ticket": "SEC-1412",
            "compensatingControl": "The pipeline runs in a network of its own."}),
            "Active",
        ),
        exception(
            "asked-today",
            json!({"reason": text, "controls": ["no-standing-cluster-admin", "a-control-that-is-gone"]}),
            "Pending",
        ),
        exception(
            "over-since-summer",
            json!({"approvedBy": "sam@corp", "expires": "2026-08-01T00:00:00Z"}),
            "Expired",
        ),
        exception("too-long", json!({"expires": "2028-01-01T00:00:00Z"}), "Rejected"),
        exception(
            "migration",
            json!({"resources": [], "suspends": true, "approvedBy": "sam@corp", "controls": ["meshes-encrypt"]}),
            "Unused",
        ),
    ]
}

pub fn attestations(text: &str) -> Vec<Arc<Attestation>> {
    vec![read(json!({
        "apiVersion": "comptroller.dev/v1alpha1", "kind": "Attestation",
        "metadata": {"name": "access-2026-q2", "creationTimestamp": "2026-07-03T10:00:00Z"},
        "spec": {"control": "access-is-reviewed", "period": "2026-Q2", "attestedBy": "sam@corp", "recordedBy": "hr-sync",
            "performedAt": "2026-07-02T15:00:00Z", "summary": format!("All 231 bindings were looked at; 4 were taken back. {text}"),
            "participants": ["jane@corp", text], "artifacts": [{"uri": format!("s3://evidence/access-q2.pdf?{text}"),
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "mediaType": "application/pdf"}],
            "version": "3.1", "outcome": "CompletedWithFindings"},
    }))]
}

pub fn responses(text: &str) -> Vec<Arc<DeviationResponse>> {
    vec![read(json!({
        "apiVersion": "comptroller.dev/v1alpha1", "kind": "DeviationResponse",
        "metadata": {"name": "ops-admin-response", "creationTimestamp": "2026-11-21T10:00:00Z"},
        "spec": {"control": "no-standing-cluster-admin", "cause": format!("A binding of an incident was not taken back. {text}"),
            "response": "The binding goes with the next release, and incidents get a task for it.", "owner": "platform-security",
            "respondedBy": "sam@corp", "correctiveActionBy": "2026-12-10T00:00:00Z",
            "items": [{"kind": "ClusterRoleBinding", "name": "ops-admin"}]},
    }))]
}

pub fn periods(text: &str) -> Vec<Arc<AuditPeriod>> {
    let period = |name: &str, spec: Value, status: Value| {
        read(json!({
            "apiVersion": "comptroller.dev/v1alpha1", "kind": "AuditPeriod",
            "metadata": {"name": name, "creationTimestamp": "2026-06-30T10:00:00Z"}, "spec": spec, "status": status,
        }))
    };
    let checkpoint = super::log::CHECKPOINT;
    vec![
        period(
            "soc2-2026-h2",
            json!({"type": "TypeII", "from": "2026-07-01T00:00:00Z", "to": "2027-01-01T00:00:00Z", "categories": ["Security", "Availability"],
                "auditors": ["Audit LLP", text], "company": text, "system": {"name": "Shop", "description": text}}),
            json!({"phase": "Open", "coverage": "99.2%", "deviations": 14, "openDeviations": 3, "logSize": 98258, "checkpoint": checkpoint,
                "controls": {"noDeviationObserved": 60, "deviationObserved": 5, "notDeterminable": 2, "notDue": 1, "acceptedRisk": 3},
                "conditions": [{"type": "Ready", "status": "True", "reason": "Summarized", "message": "", "lastTransitionTime": "2026-11-30T12:00:00Z"}]}),
        ),
        period(
            "soc2-type1",
            json!({"type": "TypeI", "asOf": "2026-06-30T12:00:00Z", "minimumObservation": 99}),
            json!({"phase": "Closed", "coverage": "100.0%", "deviations": 0, "openDeviations": 0, "logSize": 4021, "checkpoint": checkpoint,
                "reportDigest": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "controls": {"noDeviationObserved": 64, "deviationObserved": 0, "notDeterminable": 4, "notDue": 3, "acceptedRisk": 0},
                "conditions": [{"type": "StatusPutBack", "status": "True", "reason": "Forged", "message": format!("Somebody wrote 100 % into the status. {text}"), "lastTransitionTime": "2026-11-28T12:00:00Z"}]}),
        ),
    ]
}
