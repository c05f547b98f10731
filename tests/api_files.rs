//! Manifests that no API server has seen are refused for what an API server refuses, and for what
//! only the operator can judge, with the field and what to write instead.

#![allow(clippy::unwrap_used, reason = "what fails there fails the test")]
#![allow(clippy::panic, reason = "a mistaken test is told so at once")]

mod api_cases;

use api_cases::{
    attestation, audit_period, control, exception, invalid_attestations, invalid_audit_periods,
    invalid_controls, invalid_exceptions, invalid_people, invalid_responses, person, response,
    test, valid_audit_periods, valid_controls, valid_exceptions, valid_people, with,
};
use comptroller_core::api::{
    Attestation, AuditPeriod, Control, ControlException, ControlStatus, DeviationResponse,
    InvalidSpec, Person, ResourceRef, State, StatusFinding,
    structural::{self, unknown_fields},
};
use jiff::Timestamp;
use serde_json::{Value, json};

fn check_control(object: &Value) -> Result<(), InvalidSpec> {
    structural::read::<Control>(object)?.spec.validate()
}

fn check_exception(object: &Value, created: Option<Timestamp>) -> Result<(), InvalidSpec> {
    structural::read::<ControlException>(object)?.spec.validate(created)
}

fn check_attestation(object: &Value) -> Result<(), InvalidSpec> {
    structural::read::<Attestation>(object)?.spec.validate()
}

fn check_response(object: &Value) -> Result<(), InvalidSpec> {
    structural::read::<DeviationResponse>(object)?.spec.validate()
}

fn check_person(object: &Value) -> Result<(), InvalidSpec> {
    structural::read::<Person>(object)?.spec.validate()
}

fn check_audit_period(object: &Value) -> Result<(), InvalidSpec> {
    structural::read::<AuditPeriod>(object)?.spec.validate()
}

fn assert_names(refused: &Result<(), InvalidSpec>, field: &str, what: &Value) {
    let named = refused.as_ref().is_err_and(|error| {
        error.0.iter().any(|invalid| {
            invalid.path.starts_with(field)
                && !invalid.problem.is_empty()
                && !invalid.remedy.is_empty()
        })
    });
    assert!(named, "{what}: {refused:?}");
}

#[test]
fn what_an_api_server_accepts_is_accepted() {
    for patch in valid_controls() {
        let object = with(control("valid"), &patch);
        assert_eq!(check_control(&object), Ok(()), "{patch}");
        assert_eq!(unknown_fields(&object), Vec::<String>::new());
    }
    let created = "2026-11-21T00:00:00Z".parse().unwrap();
    for patch in valid_exceptions() {
        let object = with(exception("valid"), &patch);
        assert_eq!(check_exception(&object, None), Ok(()), "{patch}");
        assert_eq!(check_exception(&object, Some(created)), Ok(()), "{patch}");
        assert_eq!(unknown_fields(&object), Vec::<String>::new());
    }
    assert_eq!(check_response(&response("valid")), Ok(()));
    assert_eq!(unknown_fields(&response("valid")), Vec::<String>::new());
    for patch in valid_people() {
        let object = with(person("valid"), &patch);
        assert_eq!(check_person(&object), Ok(()), "{patch}");
        assert_eq!(unknown_fields(&object), Vec::<String>::new());
    }
    assert_eq!(check_attestation(&attestation("valid")), Ok(()));
    assert_eq!(unknown_fields(&attestation("valid")), Vec::<String>::new());
}

#[test]
fn what_an_api_server_refuses_is_refused() {
    for (patch, field) in invalid_controls() {
        assert_names(&check_control(&with(control("invalid"), &patch)), field, &patch);
    }
    for (patch, field) in invalid_exceptions() {
        let object = with(exception("invalid"), &patch);
        assert_names(&check_exception(&object, None), field, &patch);
    }
    for (patch, field) in invalid_attestations() {
        let object = with(attestation("invalid"), &patch);
        assert_names(&check_attestation(&object), field, &patch);
    }
    for (patch, field) in invalid_people() {
        assert_names(&check_person(&with(person("invalid"), &patch)), field, &patch);
    }
    for (patch, field) in invalid_responses() {
        let object = with(response("invalid"), &patch);
        assert_names(&check_response(&object), field, &patch);
    }
}

#[test]
fn audit_periods_are_judged_alike() {
    for patch in valid_audit_periods() {
        let object = with(audit_period("valid"), &patch);
        assert_eq!(check_audit_period(&object), Ok(()), "{patch}");
        assert_eq!(unknown_fields(&object), Vec::<String>::new());
    }
    for (patch, field) in invalid_audit_periods() {
        let object = with(audit_period("invalid"), &patch);
        assert_names(&check_audit_period(&object), field, &patch);
    }
}

#[test]
fn what_only_the_operator_can_judge_is_refused() {
    let selector = json!({"matchLabels": {"not a key": "x"}});
    let value = json!({"matchExpressions": [{"key": "a", "operator": "In", "values": ["-"]}]});
    for (patch, field) in [
        (json!({"heartbeat": "7d1h"}), "spec.heartbeat"),
        (json!({"heartbeat": "1d300h"}), "spec.heartbeat"),
        (
            test(&json!({"attestation": {"every": "1mo", "openFor": "29d"}})),
            "spec.test.attestation.openFor",
        ),
        (
            test(&json!({"attestation": {"every": "3mo", "grace": "1y"}})),
            "spec.test.attestation.grace",
        ),
        (test(&json!({"attestation": {"every": "11y"}})), "spec.test.attestation.every"),
        (
            json!({"scope": {"namespaces": selector}}),
            "spec.scope.namespaces.matchLabels[not a key]",
        ),
        (
            json!({"scope": {"namespaces": value}}),
            "spec.scope.namespaces.matchExpressions[0].values[0]",
        ),
        (
            test(&json!({"backup": {"of": "Namespaces", "maxAge": "24h", "selector": selector}})),
            "spec.test.backup.selector.matchLabels",
        ),
        (
            test(&json!({"workload": {"require": ["Probes"], "selector": selector}})),
            "spec.test.workload.selector.matchLabels",
        ),
        (
            test(&json!({"backup": {"of": "Namespaces", "maxAge": "101y"}})),
            "spec.test.backup.maxAge",
        ),
        (
            test(&json!({"backup": {
                "of": "Namespaces", "maxAge": "24h", "restoreTestEvery": "999999d",
            }})),
            "spec.test.backup.restoreTestEvery",
        ),
        (
            json!({"test": {"rbac": {"allow": [{"kind": "User", "name": "jane "}]}}}),
            "spec.test.rbac.allow[0].name",
        ),
        (test(&json!({"workload": {"registries": ["a\nb"]}})), "spec.test.workload.registries[0]"),
        (
            test(&json!({"cel": {
                "resources": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
                "variables": [{"name": "not-a-name", "expression": "1"}],
                "validations": [{"expression": "true"}],
            }})),
            "spec.test.cel.variables[0].name",
        ),
    ] {
        assert_names(&check_control(&with(control("invalid"), &patch)), field, &patch);
    }
}

#[test]
fn an_exception_lasts_a_year_at_most_and_ends_after_it_began() {
    let created = "2028-02-29T12:00:00Z".parse().unwrap();
    for (expires, holds) in [
        ("2028-02-29T12:00:00Z", false),
        ("2028-02-29T12:00:01Z", true),
        ("2029-02-28T12:00:00Z", true),
        ("2029-02-28T12:00:01Z", false),
        ("2019-01-01T00:00:00Z", false),
    ] {
        let object = with(exception("lasting"), &json!({"expires": expires}));
        let judged = check_exception(&object, Some(created));
        assert_eq!(judged.is_ok(), holds, "{expires}: {judged:?}");
        if !holds {
            assert_names(&judged, "spec.expires", &json!(expires));
        }
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once_in_sentences() {
    let object = with(
        control("invalid"),
        &json!({"title": null, "severity": "high", "criteria": ["CC6.9"], "heartbeat": "2w"}),
    );
    assert_eq!(
        check_control(&object).unwrap_err().to_string(),
        "spec.title: missing; add it: The control in one sentence, as reports print it.\n\
         spec.severity: \"high\" is not a known value; write one of Low, Medium, High, Critical"
    );
    let object = with(
        control("invalid"),
        &json!({"criteria": ["CC6.9"], "heartbeat": "2w", "test": {"rbac": {"forbid": null}}}),
    );
    assert_eq!(
        check_control(&object).unwrap_err().to_string(),
        "spec.criteria[0]: \"CC6.9\" is not a criterion; write one of the 61 SOC 2 ids, such as \
         CC6.1, A1.2 or PI1.3, or another framework and its id, such as ISO27001:A.5.15\n\
         spec.heartbeat: 14d is not between 1m and 7d; write a duration in this range, such as 1h or 1d\n\
         spec.test.rbac: has neither forbid nor rules nor subjects; name the risks to forbid, \
         the rights to restrict, or who subjects must be"
    );
}

#[test]
fn unknown_fields_are_named_wherever_they_are() {
    let mut object = control("misspelt");
    object["metadata"]["anything"] = json!({"goes": "here"});
    object["extra"] = json!(1);
    object["spec"]["test"] = json!({"encryption": {"mesh": {"strict": true}, "atrest": {}}});
    object["spec"]["scope"]["namespaces"]["matchLabels"]["any"] = json!("key");
    assert_eq!(
        unknown_fields(&object),
        ["extra", "spec.test.encryption.atrest", "spec.test.encryption.mesh.strict"]
    );
    object["apiVersion"] = json!("another.dev/v1");
    assert_eq!(unknown_fields(&object), Vec::<String>::new());
    for object in [json!(null), json!([]), json!({"kind": 1}), json!({"apiVersion": "v1"})] {
        assert_eq!(unknown_fields(&object), Vec::<String>::new());
    }
}

#[test]
fn objects_of_any_shape_are_refused_without_a_panic() {
    for object in [
        json!(null),
        json!([]),
        json!({}),
        json!({"spec": null}),
        json!({"spec": {"test": []}}),
        json!({"apiVersion": "comptroller.dev/v1alpha1", "kind": "Control", "spec": 1}),
    ] {
        assert!(check_control(&object).is_err(), "{object}");
        assert!(check_exception(&object, None).is_err(), "{object}");
    }
}

#[test]
fn a_hostile_finding_still_fits_into_the_status() {
    let long = "ä".repeat(5000);
    let finding = StatusFinding {
        rule: long.clone(),
        resource: ResourceRef {
            api_version: long.clone(),
            kind: long.clone(),
            namespace: Some("a".to_owned()),
            name: long.clone(),
        },
        subject: Some(long.clone()),
        message: long,
        since: None,
    };
    let status = |finding: StatusFinding| ControlStatus {
        state: State::Failing,
        findings: vec![finding],
        ..ControlStatus::default()
    };
    let mut object = control("hostile");
    object["status"] = serde_json::to_value(status(finding.clone())).unwrap();
    assert!(structural::read::<Control>(&object).is_err());
    object["status"] = serde_json::to_value(status(finding.clipped())).unwrap();
    let read = structural::read::<Control>(&object).unwrap();
    assert!(read.status.unwrap().findings[0].message.ends_with('…'));
}
