//! Objects that are valid and objects that are not, for the API server and for the code that
//! reads files alike.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use serde_json::{Value, json};

pub fn control(name: &str) -> Value {
    json!({
        "apiVersion": "comptroller.dev/v1alpha1",
        "kind": "Control",
        "metadata": {"name": name},
        "spec": {
            "title": "Nobody holds cluster-admin permanently",
            "objective": "Privileged access is limited to the break-glass account.",
            "remedy": "Bind a narrower role.",
            "criteria": ["CC6.1", "CC6.3", "ISO27001:A.5.15"],
            "owner": "platform-security",
            "severity": "High",
            "scope": {
                "namespaces": {"matchLabels": {"env": "prod"}},
                "excludeNamespaces": ["kube-system"],
            },
            "heartbeat": "1h",
            "suspend": false,
            "enforcement": "Audit",
            "lesson": "least-privilege",
            "test": {"rbac": {"forbid": ["ClusterAdmin"]}},
        },
    })
}

pub fn exception(name: &str) -> Value {
    json!({
        "apiVersion": "comptroller.dev/v1alpha1",
        "kind": "ControlException",
        "metadata": {"name": name},
        "spec": {
            "controls": ["no-standing-cluster-admin"],
            "resources": [{"kind": "ClusterRoleBinding", "name": "legacy-*"}],
            "reason": "The old pipeline goes away in January.",
            "ticket": "SEC-42",
            "requestedBy": "jane@corp",
            "expires": "2027-01-31T00:00:00Z",
        },
    })
}

pub fn attestation(name: &str) -> Value {
    json!({
        "apiVersion": "comptroller.dev/v1alpha1",
        "kind": "Attestation",
        "metadata": {"name": name},
        "spec": {
            "control": "risks-are-assessed",
            "period": "2026",
            "attestedBy": "sam@corp",
            "performedAt": "2026-11-20T09:00:00Z",
            "summary": "Assessed with the owners of all services; 41 risks, 3 of them new.",
            "participants": ["sam@corp", "jane@corp"],
            "artifacts": [{
                "uri": "https://docs.corp/risks/2026.pdf",
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "mediaType": "application/pdf",
            }],
            "version": "3.1",
            "outcome": "CompletedWithFindings",
        },
    })
}

pub fn response(name: &str) -> Value {
    json!({
        "apiVersion": "comptroller.dev/v1alpha1",
        "kind": "DeviationResponse",
        "metadata": {"name": name},
        "spec": {
            "control": "no-standing-cluster-admin",
            "items": [{
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "name": "legacy-ci",
            }],
            "from": "2026-11-20T09:00:00Z",
            "cause": "The migration of the pipeline left its old binding behind.",
            "response": "The binding is deleted, and migrations end with a review of what is left.",
            "owner": "platform-security",
            "respondedBy": "sam@corp",
            "correctiveActionBy": "2026-12-31T00:00:00Z",
        },
    })
}

pub fn person(name: &str) -> Value {
    json!({
        "apiVersion": "comptroller.dev/v1alpha1",
        "kind": "Person",
        "metadata": {"name": name},
        "spec": {
            "displayName": "Jane Doe",
            "email": "jane.doe@example.com",
            "identities": {"usernames": ["jane@corp", "oidc:jane"], "groups": ["platform"]},
            "department": "Platform",
            "roles": ["engineer", "on-call"],
            "manager": "sam",
            "startDate": "2024-02-29",
            "endDate": "2026-12-31",
        },
    })
}

/// Patches that leave a valid person valid.
pub fn valid_people() -> Vec<Value> {
    vec![
        json!({}),
        json!({"email": null, "department": null, "roles": null, "manager": null}),
        json!({"startDate": null}),
        json!({"endDate": null}),
        json!({"endDate": "2024-02-29"}),
        json!({"endDate": "9999-12-31"}),
        json!({"identities": {"groups": null}}),
        json!({"identities": {"usernames": null}}),
        json!({"identities": {"usernames": ["CN=Jane Doe,O=corp"]}}),
    ]
}

/// Patches that make a valid person invalid, with the field that the refusal must name.
pub fn invalid_people() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"displayName": null}), "spec.displayName"),
        (json!({"displayName": ""}), "spec.displayName"),
        (json!({"displayName": "x".repeat(257)}), "spec.displayName"),
        (json!({"email": "jane"}), "spec.email"),
        (json!({"email": "jane doe@example.com"}), "spec.email"),
        (json!({"email": ["jane@example.com"]}), "spec.email"),
        (json!({"identities": null}), "spec.identities"),
        (json!({"identities": {"usernames": null, "groups": null}}), "spec.identities"),
        (json!({"identities": {"usernames": []}}), "spec.identities.usernames"),
        (json!({"identities": {"usernames": [""]}}), "spec.identities.usernames"),
        (json!({"identities": {"usernames": ["*@corp"]}}), "spec.identities.usernames"),
        (json!({"identities": {"usernames": ["jane?"]}}), "spec.identities.usernames"),
        (json!({"identities": {"usernames": [" jane"]}}), "spec.identities.usernames"),
        (json!({"identities": {"usernames": ["system:admin"]}}), "spec.identities.usernames"),
        (json!({"identities": {"usernames": ["jane", "jane"]}}), "spec.identities.usernames"),
        (json!({"identities": {"usernames": ["x".repeat(513)]}}), "spec.identities.usernames"),
        (json!({"identities": {"usernames": vec![json!("x"); 17]}}), "spec.identities.usernames"),
        (json!({"identities": {"groups": [""]}}), "spec.identities.groups"),
        (json!({"department": ""}), "spec.department"),
        (json!({"roles": []}), "spec.roles"),
        (json!({"roles": ["a", "a"]}), "spec.roles"),
        (json!({"manager": ""}), "spec.manager"),
        (json!({"startDate": "2026-02-29"}), "spec.startDate"),
        (json!({"startDate": "01.02.2026"}), "spec.startDate"),
        (json!({"startDate": 20_260_201}), "spec.startDate"),
        (json!({"endDate": "2026-11-31"}), "spec.endDate"),
        (json!({"endDate": "2026-11-30T00:00:00Z"}), "spec.endDate"),
        (json!({"endDate": "2024-02-28"}), "spec.endDate"),
    ]
}

/// Patches that make a valid response invalid, with the field that the refusal must name.
pub fn invalid_responses() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"control": null}), "spec.control"),
        (json!({"control": ""}), "spec.control"),
        (json!({"items": []}), "spec.items"),
        (json!({"items": [{"kind": "Pod"}]}), "spec.items[0].name"),
        (json!({"items": [{"name": "web"}]}), "spec.items[0].kind"),
        (json!({"from": "yesterday"}), "spec.from"),
        (json!({"cause": null}), "spec.cause"),
        (json!({"cause": ""}), "spec.cause"),
        (json!({"response": null}), "spec.response"),
        (json!({"response": "x".repeat(4097)}), "spec.response"),
        (json!({"owner": null}), "spec.owner"),
        (json!({"respondedBy": null}), "spec.respondedBy"),
        (json!({"recordedBy": "sam@corp"}), "spec.recordedBy"),
        (json!({"correctiveActionBy": "soon"}), "spec.correctiveActionBy"),
        (json!({"corrects": ""}), "spec.corrects"),
    ]
}

/// Patches that leave a valid exception valid.
pub fn valid_exceptions() -> Vec<Value> {
    vec![
        json!({}),
        json!({"compensatingControl": "Its rights are read-only in the meantime."}),
        json!({"resources": null, "suspends": true}),
        json!({"suspends": false}),
    ]
}

pub fn audit_period(name: &str) -> Value {
    json!({
        "apiVersion": "comptroller.dev/v1alpha1",
        "kind": "AuditPeriod",
        "metadata": {"name": name},
        "spec": {
            "type": "TypeII",
            "from": "2026-07-01T00:00:00Z",
            "to": "2026-10-01T00:00:00Z",
            "categories": ["Security", "Availability"],
            "auditors": ["Ledger & Partners"],
        },
    })
}

/// Patches that leave a valid audit period valid.
pub fn valid_audit_periods() -> Vec<Value> {
    vec![
        json!({}),
        json!({"categories": null, "auditors": null}),
        json!({"to": "2028-07-02T00:00:00Z"}),
        json!({"type": "TypeI", "asOf": "2026-12-31T00:00:00Z", "from": null, "to": null}),
    ]
}

/// Patches that make a valid audit period invalid, with the field that the refusal must name.
pub fn invalid_audit_periods() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"type": null}), "spec.type"),
        (json!({"type": "TypeIII"}), "spec.type"),
        (json!({"type": "TypeI"}), "spec.asOf"),
        (json!({"type": "TypeI", "asOf": "2026-12-31T00:00:00Z", "to": null}), "spec.from"),
        (json!({"type": "TypeI", "asOf": "2026-12-31T00:00:00Z", "from": null}), "spec.to"),
        (json!({"asOf": "2026-12-31T00:00:00Z"}), "spec.asOf"),
        (json!({"from": null}), "spec.from"),
        (json!({"to": null}), "spec.to"),
        (json!({"to": "tomorrow"}), "spec.to"),
        (json!({"to": "2026-07-01T00:00:00Z"}), "spec.to"),
        (json!({"to": "2026-06-30T00:00:00Z"}), "spec.to"),
        (json!({"to": "2028-07-02T01:00:00Z"}), "spec.to"),
        (json!({"categories": []}), "spec.categories"),
        (json!({"categories": ["Safety"]}), "spec.categories[0]"),
        (json!({"categories": ["Privacy", "Privacy"]}), "spec.categories[1]"),
        (json!({"auditors": [""]}), "spec.auditors[0]"),
        (json!({"auditors": ["a", "a"]}), "spec.auditors[1]"),
    ]
}

/// RFC 7386 on `spec`: null removes a field.
pub fn with(mut object: Value, patch: &Value) -> Value {
    fn merge(target: &mut Value, patch: &Value) {
        let Value::Object(fields) = patch else {
            *target = patch.clone();
            return;
        };
        if !target.is_object() {
            *target = json!({});
        }
        for (name, value) in fields {
            if value.is_null() {
                target.as_object_mut().unwrap().remove(name);
            } else {
                merge(&mut target[name], value);
            }
        }
    }
    merge(&mut object["spec"], patch);
    object
}

/// Turns the test of a control into another one.
pub fn test(spec: &Value) -> Value {
    let mut patch = json!({"test": {"rbac": null}});
    for (name, value) in spec.as_object().unwrap() {
        patch["test"][name] = value.clone();
    }
    patch
}

/// Patches that make a valid control invalid, with the field that the refusal must name.
pub fn invalid_controls() -> Vec<(Value, &'static str)> {
    [
        invalid_outside_tests(),
        invalid_rbac_tests(),
        invalid_other_tests(),
        invalid_attestation_tests(),
    ]
    .concat()
}

fn invalid_outside_tests() -> Vec<(Value, &'static str)> {
    let long = |length| "x".repeat(length);
    let many = |count: usize| (0..count).map(|i| format!("F{i}F:X")).collect::<Vec<_>>();
    let selector = |operator, values: Value| {
        json!({"scope": {"namespaces": {
            "matchExpressions": [{"key": "env", "operator": operator, "values": values}],
        }}})
    };
    vec![
        (json!({"title": null}), "spec.title"),
        (json!({"title": ""}), "spec.title"),
        (json!({"title": long(257)}), "spec.title"),
        (json!({"title": 5}), "spec.title"),
        (json!({"owner": null}), "spec.owner"),
        (json!({"objective": long(4097)}), "spec.objective"),
        (json!({"criteria": null}), "spec.criteria"),
        (json!({"criteria": []}), "spec.criteria"),
        (json!({"criteria": ["CC6.9"]}), "spec.criteria[0]"),
        (json!({"criteria": ["CC6.1", "cc6.3"]}), "spec.criteria[1]"),
        (json!({"criteria": ["ISO 27001:A.5"]}), "spec.criteria[0]"),
        (json!({"criteria": ["CC6.1", "CC6.1"]}), "spec.criteria[1]"),
        (json!({"criteria": many(33)}), "spec.criteria"),
        (json!({"criteria": "CC6.1"}), "spec.criteria"),
        (json!({"severity": null}), "spec.severity"),
        (json!({"severity": "high"}), "spec.severity"),
        (json!({"enforcement": "Block"}), "spec.enforcement"),
        (json!({"suspend": "no"}), "spec.suspend"),
        (json!({"lesson": ""}), "spec.lesson"),
        (json!({"heartbeat": "1 hour"}), "spec.heartbeat"),
        (json!({"heartbeat": "30"}), "spec.heartbeat"),
        (json!({"heartbeat": "-1h"}), "spec.heartbeat"),
        (json!({"heartbeat": "0s"}), "spec.heartbeat"),
        (json!({"heartbeat": "59s"}), "spec.heartbeat"),
        (json!({"heartbeat": "169h"}), "spec.heartbeat"),
        (json!({"heartbeat": "8d"}), "spec.heartbeat"),
        (json!({"heartbeat": "2w"}), "spec.heartbeat"),
        (json!({"heartbeat": "1mo"}), "spec.heartbeat"),
        (json!({"heartbeat": "1y"}), "spec.heartbeat"),
        (json!({"heartbeat": "1.5mo"}), "spec.heartbeat"),
        (json!({"scope": {"excludeNamespaces": ["kube-*"]}}), "spec.scope.excludeNamespaces[0]"),
        (json!({"scope": {"excludeNamespaces": ["a", "a"]}}), "spec.scope.excludeNamespaces[1]"),
        (json!({"scope": {"exclude": [{"namespace": "a"}]}}), "spec.scope.exclude[0].reason"),
        (json!({"scope": {"exclude": [{"reason": "x"}]}}), "spec.scope.exclude[0]"),
        (
            json!({"scope": {"exclude": [{"namespace": "a-*", "reason": "x"}]}}),
            "spec.scope.exclude[0].namespace",
        ),
        (
            json!({"scope": {"exclude": [{"kind": "Service", "namespace": "a", "reason": "x"}]}}),
            "spec.scope.exclude[0]",
        ),
        (
            json!({"scope": {"exclude": [{"name": "b", "namespace": "a", "reason": "x"}]}}),
            "spec.scope.exclude[0]",
        ),
        (
            json!({"scope": {"namespaces": {"matchLabels": {"env": long(64)}}}}),
            "spec.scope.namespaces.matchLabels",
        ),
        (selector("Equals", json!(["a"])), "spec.scope.namespaces.matchExpressions[0].operator"),
        (selector("In", json!([])), "spec.scope.namespaces.matchExpressions[0]"),
        (selector("NotIn", json!([])), "spec.scope.namespaces.matchExpressions[0]"),
        (selector("Exists", json!(["a"])), "spec.scope.namespaces.matchExpressions[0]"),
    ]
}

fn invalid_rbac_tests() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"test": null}), "spec.test"),
        (test(&json!({})), "spec.test"),
        (json!({"test": {"podSecurity": {"minimum": "baseline"}}}), "spec.test"),
        (test(&json!({"availability": {"minReplicas": 2}})), "spec.test"),
        (json!({"test": {"rbac": {"forbid": null}}}), "spec.test.rbac"),
        (json!({"test": {"rbac": {"forbid": []}}}), "spec.test.rbac"),
        (json!({"test": {"rbac": {"forbid": ["Root"]}}}), "spec.test.rbac.forbid[0]"),
        (json!({"test": {"rbac": {"forbid": ["Exec", "Exec"]}}}), "spec.test.rbac.forbid[1]"),
        (json!({"test": {"rbac": {"maxSubjects": 0}}}), "spec.test.rbac.maxSubjects"),
        (json!({"test": {"rbac": {"maxSubjects": "3"}}}), "spec.test.rbac.maxSubjects"),
        (
            json!({"test": {"rbac": {"rules": [{"apiGroups": [""], "resources": ["secrets"]}]}}}),
            "spec.test.rbac.rules[0].verbs",
        ),
        (
            json!({"test": {"rbac": {"allow": [{"kind": "Robot", "name": "x"}]}}}),
            "spec.test.rbac.allow[0].kind",
        ),
        (
            json!({"test": {"rbac": {"allow": [{"kind": "User", "name": ""}]}}}),
            "spec.test.rbac.allow[0].name",
        ),
        (
            json!({"test": {"rbac": {"allow": [{"kind": "User", "name": "x", "namespace": "y"}]}}}),
            "spec.test.rbac.allow[0].namespace",
        ),
        (
            json!({"test": {"rbac": {"allow": [{"kind": "User", "name": "x", "reason": ""}]}}}),
            "spec.test.rbac.allow[0].reason",
        ),
    ]
}

fn invalid_other_tests() -> Vec<(Value, &'static str)> {
    let cel = |validations: Value| {
        test(&json!({"cel": {
            "resources": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "validations": validations,
        }}))
    };
    vec![
        (test(&json!({"encryption": {}})), "spec.test.encryption"),
        (
            test(&json!({"encryption": {"atRest": {"resources": []}}})),
            "spec.test.encryption.atRest.resources",
        ),
        (
            test(&json!({"encryption": {"ingress": {"minValidity": "0d"}}})),
            "spec.test.encryption.ingress.minValidity",
        ),
        (test(&json!({"backup": {"of": "Namespaces"}})), "spec.test.backup.maxAge"),
        (test(&json!({"backup": {"maxAge": "24h"}})), "spec.test.backup.of"),
        (test(&json!({"backup": {"of": "Disks", "maxAge": "24h"}})), "spec.test.backup.of"),
        (
            test(&json!({"backup": {"of": "Namespaces", "maxAge": "daily"}})),
            "spec.test.backup.maxAge",
        ),
        (test(&json!({"backup": {"of": "Namespaces", "maxAge": "0h"}})), "spec.test.backup.maxAge"),
        (test(&json!({"workload": {}})), "spec.test.workload"),
        (test(&json!({"workload": {"require": ["Magic"]}})), "spec.test.workload.require[0]"),
        (test(&json!({"workload": {"registries": [""]}})), "spec.test.workload.registries[0]"),
        (json!({"approvers": {}}), "spec.approvers"),
        (json!({"approvers": {"users": [""]}}), "spec.approvers.users[0]"),
        (test(&json!({"guards": {"namespace": ""}})), "spec.test.guards.namespace"),
        (test(&json!({"presence": {}})), "spec.test.presence.resources"),
        (presence(&json!({"resources": []})), "spec.test.presence.resources"),
        (
            presence(&json!({"resources": [{"apiGroups": [""], "resources": ["pods"]}]})),
            "spec.test.presence.resources[0].apiVersions",
        ),
        (presence(&json!({"per": "Node"})), "spec.test.presence.per"),
        (presence(&json!({"min": 0})), "spec.test.presence.min"),
        (presence(&json!({"names": [""]})), "spec.test.presence.names[0]"),
        (presence(&json!({"healthy": ""})), "spec.test.presence.healthy"),
        (presence(&json!({"maxAge": "daily"})), "spec.test.presence.maxAge"),
        (presence(&json!({"timestamp": "report.at"})), "spec.test.presence"),
        (presence(&json!({"maxAge": "1d", "timestamp": "a..b"})), "spec.test.presence.timestamp"),
        (presence(&json!({"unhealthy": "Warn"})), "spec.test.presence.unhealthy"),
        (test(&json!({"results": {"maxAge": "1d"}})), "spec.test.results.reports"),
        (results(&json!({"reports": []})), "spec.test.results.reports"),
        (results(&json!({"reports": ["SbomReport"]})), "spec.test.results.reports[0]"),
        (results(&json!({"maxAge": null})), "spec.test.results.maxAge"),
        (results(&json!({"maxAge": "x"})), "spec.test.results.maxAge"),
        (results(&json!({"sources": [""]})), "spec.test.results.sources[0]"),
        (results(&json!({"minSeverity": "Info"})), "spec.test.results.minSeverity"),
        (results(&json!({"warnings": "Ignore"})), "spec.test.results.warnings"),
        (results(&json!({"require": {}})), "spec.test.results.require.of"),
        (results(&json!({"require": {"of": "Pods"}})), "spec.test.results.require.of"),
        (test(&json!({"podSecurity": {}})), "spec.test.podSecurity.minimum"),
        (test(&json!({"podSecurity": {"minimum": "Restricted"}})), "spec.test.podSecurity.minimum"),
        (cel(json!([])), "spec.test.cel.validations"),
        (cel(json!([{"message": "m"}])), "spec.test.cel.validations[0].expression"),
        (cel(json!([{"expression": ""}])), "spec.test.cel.validations[0].expression"),
        (cel(json!([{"expression": "x".repeat(4097)}])), "spec.test.cel.validations[0].expression"),
        (
            cel(json!([{"expression": "true", "reason": "not camel"}])),
            "spec.test.cel.validations[0].reason",
        ),
        (
            with_cel(&cel(json!([{"expression": "true"}])), "resources", json!([])),
            "spec.test.cel.resources",
        ),
        (
            with_cel(
                &cel(json!([{"expression": "true"}])),
                "variables",
                json!([{"name": "a", "expression": "1"}, {"name": "a", "expression": "2"}]),
            ),
            "spec.test.cel.variables[1]",
        ),
    ]
}

fn presence(fields: &Value) -> Value {
    let mut spec = json!({"resources": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["daemonsets"]}]});
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    test(&json!({"presence": spec}))
}

fn results(fields: &Value) -> Value {
    let mut spec = json!({"reports": ["PolicyReport"], "maxAge": "24h"});
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    test(&json!({"results": spec}))
}

fn with_cel(patch: &Value, field: &str, value: Value) -> Value {
    let mut patch = patch.clone();
    patch["test"]["cel"][field] = value;
    patch
}

/// Patches that make a valid exception invalid, with the field that the refusal must name.
pub fn invalid_exceptions() -> Vec<(Value, &'static str)> {
    let many = |count: usize| (0..count).map(|i| format!("c{i}")).collect::<Vec<_>>();
    vec![
        (json!({"controls": null}), "spec.controls"),
        (json!({"controls": []}), "spec.controls"),
        (json!({"controls": ["a", "a"]}), "spec.controls[1]"),
        (json!({"controls": [""]}), "spec.controls[0]"),
        (json!({"controls": many(65)}), "spec.controls"),
        (json!({"resources": null}), "spec.resources"),
        (json!({"resources": []}), "spec.resources"),
        (json!({"resources": [{"kind": "Pod"}]}), "spec.resources[0].name"),
        (json!({"resources": [{"name": "*"}]}), "spec.resources[0].kind"),
        (json!({"suspends": true}), "spec.resources"),
        (json!({"resources": null, "suspends": false}), "spec.resources"),
        (json!({"suspends": "yes"}), "spec.suspends"),
        (json!({"reason": null}), "spec.reason"),
        (json!({"reason": ""}), "spec.reason"),
        (json!({"requestedBy": null}), "spec.requestedBy"),
        (json!({"expires": null}), "spec.expires"),
        (json!({"expires": "tomorrow"}), "spec.expires"),
        (json!({"expires": "2027-01-31"}), "spec.expires"),
        (json!({"approvedBy": "jane@corp"}), "spec.approvedBy"),
        (json!({"approvedBy": ""}), "spec.approvedBy"),
        (json!({"approvedBy": "ci", "recordedBy": "ci"}), "spec.approvedBy"),
    ]
}

/// Patches that make a valid attestation invalid, with the field that the refusal must name.
pub fn invalid_attestations() -> Vec<(Value, &'static str)> {
    let digest = |sha256: &str| json!({"artifacts": [{"uri": "x", "sha256": sha256}]});
    vec![
        (json!({"control": null}), "spec.control"),
        (json!({"control": ""}), "spec.control"),
        (json!({"period": null}), "spec.period"),
        (json!({"period": "x".repeat(33)}), "spec.period"),
        (json!({"attestedBy": null}), "spec.attestedBy"),
        (json!({"recordedBy": "sam@corp"}), "spec.recordedBy"),
        (json!({"performedAt": null}), "spec.performedAt"),
        (json!({"performedAt": "yesterday"}), "spec.performedAt"),
        (json!({"summary": null}), "spec.summary"),
        (json!({"summary": "x".repeat(4097)}), "spec.summary"),
        (json!({"participants": []}), "spec.participants"),
        (json!({"participants": ["a", "a"]}), "spec.participants[1]"),
        (json!({"artifacts": []}), "spec.artifacts"),
        (json!({"artifacts": [{"uri": "x"}]}), "spec.artifacts[0].sha256"),
        (digest("abc"), "spec.artifacts[0].sha256"),
        (digest(&"G".repeat(64)), "spec.artifacts[0].sha256"),
        (json!({"outcome": null}), "spec.outcome"),
        (json!({"outcome": "Fine"}), "spec.outcome"),
        (json!({"corrects": ""}), "spec.corrects"),
    ]
}

/// Patches that make an attestation test invalid, with the field that the refusal must name.
fn invalid_attestation_tests() -> Vec<(Value, &'static str)> {
    let at = |spec: Value| test(&json!({"attestation": spec}));
    vec![
        (at(json!({})), "spec.test.attestation"),
        (at(json!({"every": "90d"})), "spec.test.attestation.every"),
        (at(json!({"every": "1y1d"})), "spec.test.attestation.every"),
        (at(json!({"every": "1y", "start": "2026-13-01"})), "spec.test.attestation.start"),
        (at(json!({"every": "1y", "start": "2026-1-1"})), "spec.test.attestation.start"),
        (at(json!({"every": "1y", "grace": "0d"})), "spec.test.attestation.grace"),
        (at(json!({"every": "1y", "openFor": "soon"})), "spec.test.attestation.openFor"),
        (at(json!({"every": "1y", "attesters": {}})), "spec.test.attestation.attesters"),
        (
            at(json!({"every": "1y", "attesters": {"users": []}})),
            "spec.test.attestation.attesters.users",
        ),
        (at(json!({"every": "1y", "minAttesters": 0})), "spec.test.attestation.minAttesters"),
        (
            at(json!({"every": "1y", "minAttesters": 2, "attesters": {"users": ["sam"]}})),
            "spec.test.attestation.minAttesters",
        ),
        (at(json!({"every": "1y", "requires": ["blood"]})), "spec.test.attestation.requires[0]"),
        (
            at(json!({"every": "1y", "requires": ["version", "version"]})),
            "spec.test.attestation.requires[1]",
        ),
    ]
    .into_iter()
    .chain(invalid_event_tests())
    .collect()
}

/// Patches that make a test of events invalid, with the field that the refusal must name.
fn invalid_event_tests() -> Vec<(Value, &'static str)> {
    let at = |spec: Value| test(&json!({"attestation": spec}));
    let on = |on: Value| at(json!({"on": on, "openFor": "5d"}));
    let deleted = json!({"event": "ControlDeleted"});
    vec![
        (at(json!({"on": deleted, "every": "1y", "openFor": "5d"})), "spec.test.attestation"),
        (at(json!({"on": deleted})), "spec.test.attestation.openFor"),
        (
            at(json!({"on": deleted, "openFor": "5d", "start": "2026-01-01"})),
            "spec.test.attestation.start",
        ),
        (at(json!({"every": "1y", "notBy": ["subject"]})), "spec.test.attestation"),
        (
            at(json!({"every": "1y", "closedBy": {"register": "grants", "empty": "true"}})),
            "spec.test.attestation",
        ),
        (on(json!({})), "spec.test.attestation.on"),
        (on(json!({"event": "Rain"})), "spec.test.attestation.on.event"),
        (
            on(json!({"event": "ControlDeleted", "register": "grants", "change": "Added"})),
            "spec.test.attestation.on",
        ),
        (on(json!({"register": "grants"})), "spec.test.attestation.on"),
        (on(json!({"event": "ControlDeleted", "where": "true"})), "spec.test.attestation.on.where"),
        (
            on(json!({"event": "ControlDeleted", "longerThan": "1h"})),
            "spec.test.attestation.on.longerThan",
        ),
        (
            on(json!({"event": "EvidenceGap", "severity": "High"})),
            "spec.test.attestation.on.severity",
        ),
    ]
}

/// Patches that leave a control valid.
pub fn valid_controls() -> Vec<Value> {
    vec![
        json!({}),
        json!({"objective": null, "remedy": null, "scope": null, "heartbeat": null,
               "suspend": null, "enforcement": null, "lesson": null}),
        json!({"heartbeat": "1m"}),
        json!({"heartbeat": "7d"}),
        json!({"heartbeat": "168h"}),
        json!({"heartbeat": "1w"}),
        json!({"heartbeat": "1d12h30m"}),
        json!({"heartbeat": "1.5h"}),
        json!({"criteria": ["CC1.1", "A1.2", "C1.2", "PI1.5", "P6.7", "HIPAA:164.312(a)(1)"]}),
        json!({"scope": {}}),
        json!({"test": {"rbac": {
            "forbid": null,
            "rules": [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"],
                       "resourceNames": ["db-0"]}],
            "allow": [{"kind": "User", "name": "*@corp"},
                      {"kind": "ServiceAccount", "name": "ci", "namespace": "ci-*"}],
            "maxSubjects": 3,
        }}}),
        test(&json!({"encryption": {
            "atRest": {}, "storageClasses": {}, "ingress": {"minValidity": "30d"},
            "gateways": {}, "mesh": {}, "certificates": {"minValidity": "1mo"},
        }})),
        test(&json!({"backup": {
            "of": "PersistentVolumeClaims", "maxAge": "24h", "restoreTestEvery": "90d",
            "selector": {"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]},
        }})),
        test(&json!({"workload": {
            "require": ["RunAsNonRoot", "NoTokenAutomount"],
            "registries": ["registry.example.com/*"],
            "selector": {"matchLabels": {"app.kubernetes.io/part-of": "shop"}},
        }})),
        test(&json!({"podSecurity": {"minimum": "restricted"}})),
        presence(&json!({})),
        presence(&json!({
            "names": ["fluent-*"], "selector": {"matchLabels": {"app": "logs"}}, "per": "Namespace", "min": 2,
            "healthy": "object.status.numberReady > 1", "maxAge": "36h", "timestamp": "status.at",
            "unhealthy": "Ignore",
        })),
        results(&json!({})),
        results(&json!({
            "reports": ["PolicyReport", "VulnerabilityReport", "ConfigAuditReport", "ExposedSecretReport",
                        "RbacAssessmentReport", "InfraAssessmentReport"],
            "sources": ["kyverno"], "policies": ["require-*"], "categories": ["Pod Security*"],
            "minSeverity": "High", "warnings": "Fail",
            "require": {"of": "Namespaces", "selector": {"matchLabels": {"env": "prod"}}},
        })),
        test(&json!({"guards": {}})),
        json!({"approvers": {"users": ["ann@corp"], "groups": ["security"]}}),
        test(&json!({"attestation": {"every": "1y"}})),
        test(
            &json!({"attestation": {"on": {"event": "EvidenceGap", "longerThan": "1h"}, "openFor": "5d"}}),
        ),
        test(&json!({"attestation": {
            "on": {"event": "ExceptionGranted"}, "openFor": "5d", "grace": "1d",
            "notBy": ["requester", "granter"], "requires": ["artifact"],
        }})),
        test(&json!({"attestation": {
            "on": {"register": "grants", "change": "Added", "where": "item.risk == 'High'"},
            "openFor": "24h", "closedBy": {"register": "grants", "empty": "item.person == event.person"},
        }})),
        test(&json!({"attestation": {
            "every": "3mo", "start": "2026-02-15", "openFor": "30d", "grace": "14d",
            "remindBefore": "7d", "minAttesters": 2,
            "attesters": {"users": ["sam@corp"], "groups": ["security"]},
            "requires": ["artifact", "version", "participants"],
        }})),
        test(&json!({"cel": {
            "resources": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["*"]}],
            "matchConditions": [{"name": "not-system", "expression": "true"}],
            "variables": [{"name": "spec", "expression": "object.spec"}],
            "validations": [{"expression": "variables.spec.replicas > 1", "message": "one replica",
                             "messageExpression": "'replicas'", "reason": "Replicas"}],
        }})),
    ]
}
