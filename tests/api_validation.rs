//! A real API server refuses what is not valid and names the field, keeps what may not change, and
//! has kubectl show and explain the kinds.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]
#![allow(clippy::panic, reason = "a mistaken test is told so at once")]

mod api_cases;
mod controlplane;

use api_cases::{
    attestation, audit_period, control, exception, invalid_attestations, invalid_audit_periods,
    invalid_controls, invalid_exceptions, invalid_people, invalid_responses, person, response,
    test, valid_audit_periods, valid_controls, valid_exceptions, valid_people, with,
};
use comptroller::cli::crds::render_stream;
use comptroller_core::api::{
    Attestation, AuditPeriod, Control, ControlException, DeviationResponse, Person, structural,
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
            for crd in [
                Attestation::crd_name(),
                AuditPeriod::crd_name(),
                Control::crd_name(),
                ControlException::crd_name(),
                DeviationResponse::crd_name(),
                Person::crd_name(),
            ] {
                let crd = format!("crd/{crd}");
                run(&plane, &["wait", "--for=condition=Established", "--timeout=60s", &crd], "")
                    .await;
            }
            Ok(plane)
        })
        .await;
    started.as_ref().unwrap_or_else(|error| panic!("{error}"))
}

/// What kubectl prints. An error is one for the test, and so is a warning of the API server.
async fn run(plane: &ControlPlane, arguments: &[&str], input: &str) -> String {
    let output = plane.kubectl_with_input("admin", arguments, input).await.unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "kubectl {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

fn controls(client: Client) -> Api<DynamicObject> {
    Api::all_with(client, &Control::api_resource())
}

fn exceptions(client: Client) -> Api<DynamicObject> {
    Api::all_with(client, &ControlException::api_resource())
}

fn attestations(client: Client) -> Api<DynamicObject> {
    Api::all_with(client, &Attestation::api_resource())
}

fn responses(client: Client) -> Api<DynamicObject> {
    Api::all_with(client, &DeviationResponse::api_resource())
}

fn people(client: Client) -> Api<DynamicObject> {
    Api::all_with(client, &Person::api_resource())
}

fn audit_periods(client: Client) -> Api<DynamicObject> {
    Api::all_with(client, &AuditPeriod::api_resource())
}

#[tokio::test]
async fn a_person_is_taken_as_it_is_and_names_its_field_when_refused() {
    let plane = plane().await;
    let api = people(plane.admin_client());
    for (position, patch) in valid_people().iter().enumerate() {
        let object = with(person(&format!("valid-{position}")), patch);
        let sent = serde_json::from_value(object.clone()).unwrap();
        let stored = api.create(&PostParams::default(), &sent).await;
        let stored = stored.unwrap_or_else(|error| panic!("{patch}: {error}"));
        assert_eq!(stored.data["spec"], object["spec"], "defaults or pruning changed the spec");
    }
    for (patch, field) in invalid_people() {
        let message = refusal(&api, &with(person("invalid"), &patch)).await;
        assert!(message.contains(field), "{patch}: {message}");
    }
    // A Person moves and leaves, and can be erased.
    change(&api, "valid-0", json!({"department": "Sales", "endDate": "2026-11-30"})).await.unwrap();
    let table = run(plane, &["get", "people", "valid-0"], "").await;
    for cell in ["Jane Doe", "Sales", "sam", "2024-02-29", "2026-11-30"] {
        assert!(table.contains(cell), "{table}");
    }
    run(plane, &["delete", "person", "valid-0"], "").await;
}

#[tokio::test]
async fn an_audit_period_has_the_times_of_its_type_and_keeps_them() {
    let api = audit_periods(plane().await.admin_client());
    for (position, patch) in valid_audit_periods().iter().enumerate() {
        let object = with(audit_period(&format!("valid-{position}")), patch);
        let sent = serde_json::from_value(object.clone()).unwrap();
        let stored = api.create(&PostParams::default(), &sent).await;
        let stored = stored.unwrap_or_else(|error| panic!("{patch}: {error}"));
        assert_eq!(stored.data["spec"], object["spec"], "defaults or pruning changed the spec");
    }
    for (patch, field) in invalid_audit_periods() {
        let object = with(audit_period("invalid"), &patch);
        let message = refusal(&api, &object).await;
        assert!(message.contains(field), "{patch}: {message}");
    }
    for (patch, field) in [
        (json!({"to": "2026-11-01T00:00:00Z"}), "spec.to"),
        (json!({"from": "2026-01-01T00:00:00Z"}), "spec.from"),
        (json!({"categories": ["Security"]}), "spec.categories"),
        (json!({"categories": null}), "spec.categories"),
        (
            json!({"type": "TypeI", "from": null, "to": null, "asOf": "2026-12-31T00:00:00Z"}),
            "spec.type",
        ),
    ] {
        let refused = change(&api, "valid-0", patch.clone()).await.unwrap_err();
        assert!(refused.contains(field) && refused.contains("cannot change"), "{patch}: {refused}");
    }
    change(&api, "valid-0", json!({"auditors": ["Others"]})).await.unwrap();
}

#[tokio::test]
async fn valid_objects_are_accepted_as_they_are() {
    let plane = plane().await;
    let (controls, exceptions) = (controls(plane.admin_client()), exceptions(plane.admin_client()));
    for (position, patch) in valid_controls().iter().enumerate() {
        let object = with(control(&format!("valid-{position}")), patch);
        let sent = serde_json::from_value(object.clone()).unwrap();
        let stored = controls.create(&PostParams::default(), &sent).await;
        let stored = stored.unwrap_or_else(|error| panic!("{patch}: {error}"));
        assert_eq!(stored.data["spec"], object["spec"], "defaults or pruning changed the spec");
        let read: Control = stored.try_parse().unwrap();
        assert_eq!(read.spec.validate(), Ok(()));
    }
    for (position, patch) in valid_exceptions().iter().enumerate() {
        let object = with(exception(&format!("valid-{position}")), patch);
        let sent = serde_json::from_value(object.clone()).unwrap();
        let stored = exceptions.create(&PostParams::default(), &sent).await;
        let stored = stored.unwrap_or_else(|error| panic!("{patch}: {error}"));
        assert_eq!(stored.data["spec"], object["spec"]);
    }
    let object = response("valid");
    let sent = serde_json::from_value(object.clone()).unwrap();
    let responses = responses(plane.admin_client());
    let stored = responses.create(&PostParams::default(), &sent).await.unwrap();
    assert_eq!(stored.data["spec"], object["spec"]);
    let object = attestation("valid");
    let sent = serde_json::from_value(object.clone()).unwrap();
    let attestations = attestations(plane.admin_client());
    let stored = attestations.create(&PostParams::default(), &sent).await.unwrap();
    assert_eq!(stored.data["spec"], object["spec"]);
}

/// Creates the object for show and returns why it was refused.
async fn refusal(api: &Api<DynamicObject>, object: &Value) -> String {
    let params = PostParams { dry_run: true, ..PostParams::default() };
    match api.create(&params, &serde_json::from_value(object.clone()).unwrap()).await {
        Err(kube::Error::Api(status)) if status.is_invalid() => status.message,
        other => panic!("{}: {other:?}", object["spec"]),
    }
}

#[tokio::test]
async fn invalid_controls_are_refused_by_the_name_of_the_field() {
    let api = controls(plane().await.admin_client());
    for (patch, field) in invalid_controls() {
        let object = with(control("invalid"), &patch);
        let message = refusal(&api, &object).await;
        assert!(message.contains(field), "{patch}: {message}");
    }
}

#[tokio::test]
async fn invalid_exceptions_are_refused_by_the_name_of_the_field() {
    let api = exceptions(plane().await.admin_client());
    for (patch, field) in invalid_exceptions() {
        let object = with(exception("invalid"), &patch);
        let message = refusal(&api, &object).await;
        assert!(message.contains(field), "{patch}: {message}");
    }
}

#[tokio::test]
async fn invalid_attestations_are_refused_by_the_name_of_the_field() {
    let api = attestations(plane().await.admin_client());
    for (patch, field) in invalid_attestations() {
        let object = with(attestation("invalid"), &patch);
        let message = refusal(&api, &object).await;
        assert!(message.contains(field), "{patch}: {message}");
    }
}

#[tokio::test]
async fn an_attestation_never_changes() {
    let api = attestations(plane().await.admin_client());
    let object = serde_json::from_value(attestation("never-changes")).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
    for (field, value) in [
        ("period", json!("2025")),
        ("attestedBy", json!("jane@corp")),
        ("recordedBy", json!("jane@corp")),
        ("performedAt", json!("2026-11-19T09:00:00Z")),
        ("summary", json!("another")),
        ("artifacts", Value::Null),
        ("corrects", json!("another")),
    ] {
        let refused = change(&api, "never-changes", json!({field: value})).await.unwrap_err();
        assert!(refused.contains("write a new one that names this one"), "{field}: {refused}");
    }
}

#[tokio::test]
async fn a_response_names_its_field_when_refused_and_never_changes() {
    let api = responses(plane().await.admin_client());
    for (patch, field) in invalid_responses() {
        let message = refusal(&api, &with(response("invalid"), &patch)).await;
        assert!(message.contains(field), "{patch}: {message}");
    }
    let object = serde_json::from_value(response("never-changes")).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
    for (field, value) in [
        ("cause", json!("another")),
        ("respondedBy", json!("jane@corp")),
        ("items", Value::Null),
        ("correctiveActionBy", Value::Null),
    ] {
        let refused = change(&api, "never-changes", json!({field: value})).await.unwrap_err();
        assert!(refused.contains("write a new one that names this one"), "{field}: {refused}");
    }
}

#[tokio::test]
async fn refusals_say_what_to_write() {
    let api = controls(plane().await.admin_client());
    for (patch, wanted) in [
        (
            json!({"criteria": ["CC6.9"]}),
            "'CC6.9' is not a criterion: write one of the 61 SOC 2 ids",
        ),
        (json!({"heartbeat": "1 hour"}), "a number and a unit, such as 90s, 30m, 24h"),
        (json!({"heartbeat": "10s"}), "must be between 1m and 7d"),
        (
            json!({"test": {"podSecurity": {"minimum": "baseline"}}}),
            "exactly one test is needed, of rbac, encryption, backup, workload, podSecurity, cel, presence, \
             results, guards, attestation; given: rbac podSecurity",
        ),
        (test(&json!({"availability": {}})), "given: none"),
        (test(&json!({"encryption": {}})), "must have at least one of atRest"),
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
    assert!(refused.contains("spec.test") && refused.contains("create a new Control"), "{refused}");
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
        ("recordedBy", json!("mallory@corp")),
        ("expires", json!("2027-06-30T00:00:00Z")),
        ("approvedBy", json!("jane@corp")),
    ] {
        let refused = change(&api, "approved-once", json!({field: value})).await.unwrap_err();
        assert!(refused.contains(&format!("spec.{field}")), "{field}: {refused}");
    }
    change(&api, "approved-once", json!({"approvedBy": "sam@corp"})).await.unwrap();
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
    let stored = api.patch_status("with-status", &params, &Patch::Apply(&patch)).await.unwrap();
    assert_eq!(stored.data["status"], status);
    let read: Control = stored.try_parse().unwrap();
    assert_eq!(serde_json::to_value(read.status.unwrap()).unwrap(), status);

    let plane = plane().await;
    let table = run(plane, &["get", "ctl", "with-status"], "").await;
    let header: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(
        header.join(" "),
        "NAME STATE FAILING POPULATION SEVERITY CRITERIA OWNER SINCE AGE EVIDENCE"
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
    assert!(found.contains("control.comptroller.dev/found-by-its-category"), "{found}");
    assert!(found.contains("controlexception.comptroller.dev/found-by-its-category"), "{found}");
    let table = run(plane, &["get", "ctlex", "found-by-its-category"], "").await;
    let header: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header.join(" "), "NAME PHASE CONTROLS EXPIRES APPROVED-BY MATCHED AGE");
    assert!(table.contains("2027-01-31T00:00:00Z"), "{table}");

    let fields = run(plane, &["explain", "control.spec.test.rbac", "--recursive"], "").await;
    for field in ["forbid", "rules", "resourceNames", "allow", "namespace", "maxSubjects"] {
        assert!(fields.contains(field), "{fields}");
    }
    let risks = run(plane, &["explain", "control.spec.test.rbac.forbid"], "").await;
    assert!(risks.contains("ClusterAdmin: Everything in the whole cluster"), "{risks}");
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
