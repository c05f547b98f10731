//! A real API server refuses what is not valid and names the field; so does the code that reads
//! files no API server has seen.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]
#![allow(clippy::panic, reason = "a mistaken test is told so at once")]

mod controlplane;

use comptroller::{
    api::{Control, ControlException, InvalidSpec, structural},
    cli::crds::render_stream,
};
use controlplane::{ControlPlane, Error};
use kube::{
    Api, Client, CustomResourceExt,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// A control plane with the resource definitions installed, for all tests here.
async fn plane() -> &'static ControlPlane {
    static PLANE: OnceCell<Result<ControlPlane, Error>> = OnceCell::const_new();
    let started = PLANE
        .get_or_init(|| async {
            let plane = ControlPlane::builder().start().await?;
            plane.keep_logs_on_panic();
            let crds = render_stream().unwrap();
            run(&plane, &["apply", "-f", "-"], &crds).await;
            for crd in [Control::crd_name(), ControlException::crd_name()] {
                let crd = format!("crd/{crd}");
                run(
                    &plane,
                    &["wait", "--for=condition=Established", "--timeout=60s", &crd],
                    "",
                )
                .await;
            }
            Ok(plane)
        })
        .await;
    started.as_ref().unwrap_or_else(|error| panic!("{error}"))
}

/// What kubectl prints. An error is one for the test, and so is a warning of the API server.
async fn run(plane: &ControlPlane, arguments: &[&str], input: &str) -> String {
    let output = plane
        .kubectl_with_input("admin", arguments, input)
        .await
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaint.is_empty(),
        "kubectl {arguments:?}: {complaint}"
    );
    String::from_utf8(output.stdout).unwrap()
}

fn controls(client: Client) -> Api<DynamicObject> {
    Api::all_with(client, &Control::api_resource())
}

fn exceptions(client: Client) -> Api<DynamicObject> {
    Api::all_with(client, &ControlException::api_resource())
}

fn control(name: &str) -> Value {
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

fn exception(name: &str) -> Value {
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

/// RFC 7386 on `spec`: null removes a field.
fn with(mut object: Value, patch: &Value) -> Value {
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
fn test(spec: &Value) -> Value {
    let mut patch = json!({"test": {"rbac": null}});
    for (name, value) in spec.as_object().unwrap() {
        patch["test"][name] = value.clone();
    }
    patch
}

fn offline_control(object: &Value) -> Result<(), InvalidSpec> {
    structural::read::<Control>(object)?.spec.validate()
}

fn offline_exception(object: &Value) -> Result<(), InvalidSpec> {
    structural::read::<ControlException>(object)?
        .spec
        .validate(None)
}

/// Patches that make a valid control invalid, with the field that the refusal must name.
fn invalid_controls() -> Vec<(Value, &'static str)> {
    let long = |length| "x".repeat(length);
    let many = |count: usize| (0..count).map(|i| format!("F{i}F:X")).collect::<Vec<_>>();
    let selector = |operator, values: Value| {
        json!({"scope": {"namespaces": {
            "matchExpressions": [{"key": "env", "operator": operator, "values": values}],
        }}})
    };
    let cel = |validations: Value| {
        test(&json!({"cel": {
            "resources": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            "validations": validations,
        }}))
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
        (
            json!({"scope": {"excludeNamespaces": ["kube-*"]}}),
            "spec.scope.excludeNamespaces[0]",
        ),
        (
            json!({"scope": {"excludeNamespaces": ["a", "a"]}}),
            "spec.scope.excludeNamespaces[1]",
        ),
        (
            json!({"scope": {"namespaces": {"matchLabels": {"env": long(64)}}}}),
            "spec.scope.namespaces.matchLabels",
        ),
        (
            selector("Equals", json!(["a"])),
            "spec.scope.namespaces.matchExpressions[0].operator",
        ),
        (
            selector("In", json!([])),
            "spec.scope.namespaces.matchExpressions[0]",
        ),
        (
            selector("NotIn", json!([])),
            "spec.scope.namespaces.matchExpressions[0]",
        ),
        (
            selector("Exists", json!(["a"])),
            "spec.scope.namespaces.matchExpressions[0]",
        ),
        (json!({"test": null}), "spec.test"),
        (test(&json!({})), "spec.test"),
        (
            json!({"test": {"podSecurity": {"minimum": "baseline"}}}),
            "spec.test",
        ),
        (
            test(&json!({"availability": {"minReplicas": 2}})),
            "spec.test",
        ),
        (
            json!({"test": {"rbac": {"forbid": null}}}),
            "spec.test.rbac",
        ),
        (json!({"test": {"rbac": {"forbid": []}}}), "spec.test.rbac"),
        (
            json!({"test": {"rbac": {"forbid": ["Root"]}}}),
            "spec.test.rbac.forbid[0]",
        ),
        (
            json!({"test": {"rbac": {"forbid": ["Exec", "Exec"]}}}),
            "spec.test.rbac.forbid[1]",
        ),
        (
            json!({"test": {"rbac": {"maxSubjects": 0}}}),
            "spec.test.rbac.maxSubjects",
        ),
        (
            json!({"test": {"rbac": {"maxSubjects": "3"}}}),
            "spec.test.rbac.maxSubjects",
        ),
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
        (test(&json!({"encryption": {}})), "spec.test.encryption"),
        (
            test(&json!({"encryption": {"atRest": {"resources": []}}})),
            "spec.test.encryption.atRest.resources",
        ),
        (
            test(&json!({"encryption": {"ingress": {"minValidity": "0d"}}})),
            "spec.test.encryption.ingress.minValidity",
        ),
        (
            test(&json!({"backup": {"of": "Namespaces"}})),
            "spec.test.backup.maxAge",
        ),
        (
            test(&json!({"backup": {"maxAge": "24h"}})),
            "spec.test.backup.of",
        ),
        (
            test(&json!({"backup": {"of": "Disks", "maxAge": "24h"}})),
            "spec.test.backup.of",
        ),
        (
            test(&json!({"backup": {"of": "Namespaces", "maxAge": "daily"}})),
            "spec.test.backup.maxAge",
        ),
        (
            test(&json!({"backup": {"of": "Namespaces", "maxAge": "0h"}})),
            "spec.test.backup.maxAge",
        ),
        (test(&json!({"workload": {}})), "spec.test.workload"),
        (
            test(&json!({"workload": {"require": ["Magic"]}})),
            "spec.test.workload.require[0]",
        ),
        (
            test(&json!({"workload": {"registries": [""]}})),
            "spec.test.workload.registries[0]",
        ),
        (
            test(&json!({"podSecurity": {}})),
            "spec.test.podSecurity.minimum",
        ),
        (
            test(&json!({"podSecurity": {"minimum": "Restricted"}})),
            "spec.test.podSecurity.minimum",
        ),
        (cel(json!([])), "spec.test.cel.validations"),
        (
            cel(json!([{"message": "m"}])),
            "spec.test.cel.validations[0].expression",
        ),
        (
            cel(json!([{"expression": ""}])),
            "spec.test.cel.validations[0].expression",
        ),
        (
            cel(json!([{"expression": long(4097)}])),
            "spec.test.cel.validations[0].expression",
        ),
        (
            cel(json!([{"expression": "true", "reason": "not camel"}])),
            "spec.test.cel.validations[0].reason",
        ),
        (
            with_cel(
                &cel(json!([{"expression": "true"}])),
                "resources",
                json!([]),
            ),
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

fn with_cel(patch: &Value, field: &str, value: Value) -> Value {
    let mut patch = patch.clone();
    patch["test"]["cel"][field] = value;
    patch
}

/// Patches that make a valid exception invalid, with the field that the refusal must name.
fn invalid_exceptions() -> Vec<(Value, &'static str)> {
    let many = |count: usize| (0..count).map(|i| format!("c{i}")).collect::<Vec<_>>();
    vec![
        (json!({"controls": null}), "spec.controls"),
        (json!({"controls": []}), "spec.controls"),
        (json!({"controls": ["a", "a"]}), "spec.controls[1]"),
        (json!({"controls": [""]}), "spec.controls[0]"),
        (json!({"controls": many(65)}), "spec.controls"),
        (json!({"resources": null}), "spec.resources"),
        (json!({"resources": []}), "spec.resources"),
        (
            json!({"resources": [{"kind": "Pod"}]}),
            "spec.resources[0].name",
        ),
        (
            json!({"resources": [{"name": "*"}]}),
            "spec.resources[0].kind",
        ),
        (json!({"reason": null}), "spec.reason"),
        (json!({"reason": ""}), "spec.reason"),
        (json!({"requestedBy": null}), "spec.requestedBy"),
        (json!({"expires": null}), "spec.expires"),
        (json!({"expires": "tomorrow"}), "spec.expires"),
        (json!({"expires": "2027-01-31"}), "spec.expires"),
        (json!({"approvedBy": "jane@corp"}), "spec.approvedBy"),
        (json!({"approvedBy": ""}), "spec.approvedBy"),
    ]
}

fn valid_controls() -> Vec<Value> {
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
        test(&json!({"cel": {
            "resources": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["*"]}],
            "matchConditions": [{"name": "not-system", "expression": "true"}],
            "variables": [{"name": "spec", "expression": "object.spec"}],
            "validations": [{"expression": "variables.spec.replicas > 1", "message": "one replica",
                             "messageExpression": "'replicas'", "reason": "Replicas"}],
        }})),
    ]
}

#[tokio::test]
async fn valid_objects_are_accepted_as_they_are() {
    let plane = plane().await;
    let (controls, exceptions) = (
        controls(plane.admin_client()),
        exceptions(plane.admin_client()),
    );
    for (position, patch) in valid_controls().iter().enumerate() {
        let object = with(control(&format!("valid-{position}")), patch);
        offline_control(&object).unwrap_or_else(|error| panic!("{patch}: {error}"));
        assert_eq!(structural::unknown_fields(&object), Vec::<String>::new());
        let sent = serde_json::from_value(object.clone()).unwrap();
        let stored = controls.create(&PostParams::default(), &sent).await;
        let stored = stored.unwrap_or_else(|error| panic!("{patch}: {error}"));
        assert_eq!(
            stored.data["spec"], object["spec"],
            "defaults or pruning changed the spec"
        );
        let read: Control = stored.try_parse().unwrap();
        assert_eq!(read.spec.validate(), Ok(()));
    }
    let object = exception("valid");
    offline_exception(&object).unwrap();
    let sent = serde_json::from_value(object).unwrap();
    exceptions
        .create(&PostParams::default(), &sent)
        .await
        .unwrap();
}

/// Creates the object for show and returns why it was refused.
async fn refusal(api: &Api<DynamicObject>, object: &Value) -> String {
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match api
        .create(&params, &serde_json::from_value(object.clone()).unwrap())
        .await
    {
        Err(kube::Error::Api(status)) if status.is_invalid() => status.message,
        other => panic!("{}: {other:?}", object["spec"]),
    }
}

fn names_field(refused: Result<(), InvalidSpec>, field: &str) -> bool {
    let fields = refused.err().map(|error| error.0).unwrap_or_default();
    fields.iter().any(|invalid| {
        invalid.path.starts_with(field) && !invalid.problem.is_empty() && !invalid.remedy.is_empty()
    })
}

#[tokio::test]
async fn invalid_controls_are_refused_by_the_name_of_the_field() {
    let api = controls(plane().await.admin_client());
    for (patch, field) in invalid_controls() {
        let object = with(control("invalid"), &patch);
        let message = refusal(&api, &object).await;
        assert!(message.contains(field), "{patch}: {message}");
        let refused = offline_control(&object);
        assert!(
            names_field(refused.clone(), field),
            "{patch}: offline {refused:?}"
        );
    }
}

#[tokio::test]
async fn invalid_exceptions_are_refused_by_the_name_of_the_field() {
    let api = exceptions(plane().await.admin_client());
    for (patch, field) in invalid_exceptions() {
        let object = with(exception("invalid"), &patch);
        let message = refusal(&api, &object).await;
        assert!(message.contains(field), "{patch}: {message}");
        let refused = offline_exception(&object);
        assert!(
            names_field(refused.clone(), field),
            "{patch}: offline {refused:?}"
        );
    }
}

#[tokio::test]
async fn refusals_say_what_to_write() {
    let api = controls(plane().await.admin_client());
    for (patch, wanted) in [
        (
            json!({"criteria": ["CC6.9"]}),
            "'CC6.9' is no criterion: write one of the 61 SOC 2 ids",
        ),
        (
            json!({"heartbeat": "1 hour"}),
            "a number and a unit, such as 90s, 30m, 24h",
        ),
        (json!({"heartbeat": "10s"}), "must be between 1m and 7d"),
        (
            json!({"test": {"podSecurity": {"minimum": "baseline"}}}),
            "exactly one test is needed, of rbac, encryption, backup, workload, podSecurity, cel; \
             given: rbac podSecurity",
        ),
        (test(&json!({"availability": {}})), "given: none"),
        (
            test(&json!({"encryption": {}})),
            "must have at least one of atRest",
        ),
    ] {
        let message = refusal(&api, &with(control("invalid"), &patch)).await;
        assert!(message.contains(wanted), "{patch}: {message}");
    }
}

/// Changes the spec of a stored object; the error is why that was refused.
async fn change(api: &Api<DynamicObject>, name: &str, patch: Value) -> Result<(), String> {
    let patch = Patch::Merge(json!({"spec": patch}));
    match api.patch(name, &PatchParams::default(), &patch).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_invalid() => Err(status.message),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_control_keeps_its_kind_of_test() {
    let api = controls(plane().await.admin_client());
    let object = serde_json::from_value(control("keeps-its-test")).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();

    let other = test(&json!({"podSecurity": {"minimum": "baseline"}}));
    let refused = change(&api, "keeps-its-test", other).await.unwrap_err();
    assert!(
        refused.contains("spec.test") && refused.contains("create a new Control"),
        "{refused}"
    );
    let same = json!({"severity": "Low", "test": {"rbac": {"forbid": ["ReadSecrets"]}}});
    change(&api, "keeps-its-test", same).await.unwrap();
}

#[tokio::test]
async fn an_exception_changes_only_by_one_approval() {
    let api = exceptions(plane().await.admin_client());
    let object = serde_json::from_value(exception("approved-once")).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();

    for (field, value) in [
        ("controls", json!(["another"])),
        ("resources", json!([{"kind": "Pod", "name": "*"}])),
        ("reason", json!("another")),
        ("ticket", json!("another")),
        ("ticket", Value::Null),
        ("compensatingControl", json!("added later")),
        ("requestedBy", json!("mallory@corp")),
        ("expires", json!("2027-06-30T00:00:00Z")),
        ("approvedBy", json!("jane@corp")),
    ] {
        let refused = change(&api, "approved-once", json!({field: value}))
            .await
            .unwrap_err();
        assert!(
            refused.contains(&format!("spec.{field}")),
            "{field}: {refused}"
        );
    }
    change(&api, "approved-once", json!({"approvedBy": "sam@corp"}))
        .await
        .unwrap();
    for approver in [json!("eve@corp"), Value::Null] {
        let refused = change(&api, "approved-once", json!({"approvedBy": approver})).await;
        assert!(refused.unwrap_err().contains("spec.approvedBy"));
    }
}

#[tokio::test]
async fn a_full_status_is_accepted_and_the_spec_cannot_write_it() {
    let api = controls(plane().await.admin_client());
    let object = serde_json::from_value(control("with-status")).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
    let status = json!({
        "observedGeneration": 1, "state": "Failing", "reason": "FindingsOpen",
        "since": "2026-11-20T09:14:03Z", "lastEvaluated": "2026-11-21T08:00:00Z",
        "population": 412, "failing": 3, "excepted": 1, "unknown": 0,
        "findings": [{
            "rule": "ClusterAdmin", "subject": "User jane@corp", "message": "holds cluster-admin",
            "resource": {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
                         "name": "legacy-ci"},
            "since": "2026-11-20T09:14:03Z",
        }],
        "evidence": {"index": 1041, "logSize": 1042},
        "conditions": [{"type": "Ready", "status": "True", "reason": "Evaluated", "message": "",
                        "observedGeneration": 1, "lastTransitionTime": "2026-11-20T09:14:03Z"}],
    });
    let patch = json!({
        "apiVersion": "comptroller.dev/v1alpha1", "kind": "Control", "status": status,
    });
    let params = PatchParams::apply("test").force().validation_strict();
    let stored = api
        .patch_status("with-status", &params, &Patch::Apply(&patch))
        .await
        .unwrap();
    assert_eq!(stored.data["status"], status);
    let read: Control = stored.try_parse().unwrap();
    assert_eq!(serde_json::to_value(read.status.unwrap()).unwrap(), status);

    let plane = plane().await;
    let table = run(plane, &["get", "ctl", "with-status"], "").await;
    let header: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(
        header.join(" "),
        "NAME STATE FAILING POPULATION SEVERITY CRITERIA OWNER SINCE AGE"
    );
    let row = table.lines().nth(1).unwrap();
    for cell in ["Failing", "412", "High", "CC6.1", "platform-security"] {
        assert!(row.contains(cell), "{table}");
    }
}

#[tokio::test]
async fn kubectl_finds_and_explains_the_kinds() {
    let plane = plane().await;
    let object = exception("found-by-its-category").to_string();
    run(plane, &["create", "-f", "-"], &object).await;
    let object = control("found-by-its-category").to_string();
    run(plane, &["create", "-f", "-"], &object).await;

    let found = run(plane, &["get", "comptroller", "-o=name"], "").await;
    assert!(
        found.contains("control.comptroller.dev/found-by-its-category"),
        "{found}"
    );
    assert!(
        found.contains("controlexception.comptroller.dev/found-by-its-category"),
        "{found}"
    );
    let table = run(plane, &["get", "ctlex", "found-by-its-category"], "").await;
    let header: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(
        header.join(" "),
        "NAME PHASE CONTROLS EXPIRES APPROVED-BY MATCHED AGE"
    );
    assert!(table.contains("2027-01-31T00:00:00Z"), "{table}");

    let fields = run(
        plane,
        &["explain", "control.spec.test.rbac", "--recursive"],
        "",
    )
    .await;
    for field in [
        "forbid",
        "rules",
        "resourceNames",
        "allow",
        "namespace",
        "maxSubjects",
    ] {
        assert!(fields.contains(field), "{fields}");
    }
    let risks = run(plane, &["explain", "control.spec.test.rbac.forbid"], "").await;
    assert!(
        risks.contains("ClusterAdmin: Every verb on every resource"),
        "{risks}"
    );
    let unbound = run(plane, &["explain", "controlexception.spec.expires"], "").await;
    assert!(unbound.contains("at most one year"), "{unbound}");
}

#[tokio::test]
async fn a_misspelt_field_is_refused_by_kubectl_and_reported_for_files() {
    let misspelt = with(
        control("misspelt"),
        &json!({"test": {"rbac": {"forbids": ["Exec"]}}, "heartBeat": "1h"}),
    );
    let output = plane()
        .await
        .kubectl_with_input("admin", &["create", "-f", "-"], &misspelt.to_string())
        .await
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    let unknown = structural::unknown_fields(&misspelt);
    assert_eq!(unknown, ["spec.heartBeat", "spec.test.rbac.forbids"]);
    for field in unknown {
        assert!(complaint.contains(&field), "{field}: {complaint}");
    }
}
