//! From a spec and objects to judgements, through the inventory.

use std::sync::Arc;

use serde_json::{Value, json};

use super::program_id;
use crate::{
    api::test_spec::CelTest,
    checks::{BuildError, Built, CheckContext, Dependency, Judgement, cel, scope::ScopeFilter},
    inventory::{Inventory, Projector, ResourceType},
};

fn test(spec: &Value) -> CelTest {
    let mut test = json!({"resources": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}]});
    test.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(test).unwrap()
}

fn refused(spec: Value) -> BuildError {
    cel::build(&test(&spec)).unwrap_err()
}

/// What a test says of these Deployments, by name.
fn judged(spec: Value, deployments: &[Value]) -> Vec<(String, Judgement)> {
    let Built { check, program } = cel::build(&test(&spec)).unwrap();
    let resource = ResourceType {
        group: "apps".into(),
        version: "v1".into(),
        kind: "Deployment".into(),
        plural: "deployments".into(),
        namespaced: true,
    };
    let projector = Projector::new(resource.clone(), vec![program.unwrap()], Arc::default());
    let mut inventory = Inventory::default();
    let kind = inventory.kind(&resource);
    inventory.begin(kind);
    for deployment in deployments {
        inventory.stage(kind, projector.project(deployment).unwrap());
    }
    inventory.commit(kind, projector.program_ids());
    let scope = ScopeFilter::default();
    let context = CheckContext {
        inventory: &inventory,
        scope: &scope,
        now: jiff::Timestamp::UNIX_EPOCH,
        occurrences: &[],
    };
    let mut judged = Vec::new();
    check.items(&context, &mut |item| {
        let crate::checks::Item::Object(slot) = item else { panic!("{item:?}") };
        let name = inventory.get(slot).unwrap().name.to_string();
        judged.extend(check.judge(&context, item).map(|judgement| (name, judgement)));
    });
    judged.sort_by(|(left, _), (right, _)| left.cmp(right));
    judged
}

fn deployment(name: &str, replicas: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"}, "spec": {"replicas": replicas},
    })
}

#[test]
fn passing_failing_not_applicable_and_unknown_objects() {
    let spec = json!({
        "matchConditions": [{"name": "named", "expression": "object.metadata.name != 'out'"}],
        "variables": [{"name": "replicas", "expression": "object.spec.replicas"}],
        "validations": [
            {"expression": "variables.replicas >= 2", "reason": "TooFewReplicas",
             "messageExpression": "request.namespace + '/' + request.name + ' has ' + string(variables.replicas)"},
            {"expression": "variables.replicas < 100"},
        ],
    });
    let deployments = [
        deployment("good", &json!(3)),
        deployment("bad", &json!(1)),
        deployment("out", &json!(1)),
        deployment("odd", &json!("many")),
    ];
    let judged = judged(spec, &deployments);
    let names: Vec<_> = judged.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["bad", "good", "odd"], "what does not match is not of the population");
    let [(_, bad), (_, good), (_, odd)] = judged.as_slice() else { panic!() };
    assert_eq!(*good, Judgement::default());
    assert_eq!((bad.failing.len(), bad.unknown.len()), (1, 0));
    assert_eq!(bad.failing[0].rule, "TooFewReplicas");
    assert_eq!(bad.failing[0].message, "shop/bad has 1");
    assert_eq!(bad.failing[0].resource.name, "bad");
    assert_eq!((odd.failing.len(), odd.unknown.len()), (0, 1));
    assert_eq!(odd.unknown[0].rule, "ExpressionUndecided");
    assert!(odd.unknown[0].message.starts_with("validations[0].expression failed:"));
}

#[test]
fn texts_that_are_kept_for_every_object_are_short() {
    let spec = json!({"validations": [
        {"expression": "false", "messageExpression": "lists.range(2000).map(i, 'é').join()"},
    ]});
    let judged = judged(spec, &[deployment("web", &json!(1))]);
    let message = &judged[0].1.failing[0].message;
    assert!(
        message.len() <= crate::inventory::program::MAX_TEXT + '…'.len_utf8()
            && message.ends_with("é…"),
        "{message}"
    );
}

#[test]
fn a_wrong_spec_names_its_fields_and_an_unsupported_one_says_so() {
    let BuildError::Invalid(message) =
        refused(json!({"validations": [{"expression": "object.x ="}]}))
    else {
        panic!()
    };
    assert!(message.starts_with("spec.test.cel.validations[0].expression: "), "{message}");
    let unsupported =
        json!({"validations": [{"expression": "authorizer.path('/').check('get').allowed()"}]});
    let BuildError::Unsupported(message) = refused(unsupported) else { panic!() };
    assert!(message.contains("authorizer"), "{message}");
    // What is wrong stays wrong, whatever else is unsupported.
    let both = json!({"validations": [{"expression": "params.x == 1"}, {"expression": "("}]});
    assert!(matches!(refused(both), BuildError::Invalid(_)));
}

#[test]
fn a_program_is_known_by_what_it_says() {
    let spec = json!({"validations": [{"expression": "true", "message": "m"}]});
    let one = test(&spec);
    let mut elsewhere = test(&spec);
    elsewhere.resources[0].api_groups = vec!["batch".into()];
    assert_eq!(program_id(&one), program_id(&elsewhere), "the resources are not of the program");
    for other in [
        json!({"validations": [{"expression": "true", "message": "n"}]}),
        json!({"validations": [{"expression": "true", "messageExpression": "m"}]}),
        json!({"validations": [{"expression": "true"}, {"expression": "m"}]}),
        json!({"variables": [{"name": "true", "expression": "m"}], "validations": []}),
    ] {
        assert_ne!(program_id(&one), program_id(&test(&other)));
    }
    let Built { check, program } = cel::build(&one).unwrap();
    let [Dependency::Program { program: read, .. }] = check.reads()[..] else { panic!() };
    assert_eq!(Some(read), program.map(|(id, _)| id));
}
