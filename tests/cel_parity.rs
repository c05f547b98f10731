//! Expressions mean the same here as in a `ValidatingAdmissionPolicy` of a real API server.
//!
//! Every line of `semantics.txt` becomes a policy that selects its own object by a label; the
//! object is then created for real, as a dry run, and what the server answers is compared with
//! what the table says and with our own judgement of the object the server saw.
//!
//! So are some of the random expressions by whose values `cel_values` judges us: its judge is a
//! small Go program, and here the API server judges the judge.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails there fails the test"
)]

mod controlplane;
#[path = "cel_values/generator.rs"]
mod generator;
#[path = "cel_values/judge.rs"]
mod judge;
#[path = "cel_values/tables.rs"]
mod tables;

use std::time::Duration;

use comptroller_cel::{
    AdmissionRequest, ExpressionError, PolicyOutcome, PreparedObject, Program, ProgramSource,
    ValidationSource,
};
use controlplane::{ControlPlane, wait};
use futures::{StreamExt, stream};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

/// How long the API server may take to put the policies into force.
const LIMIT: Duration = Duration::from_mins(1);
/// Requests in flight; the machine compiles policies on the same cores.
const CONCURRENCY: usize = 32;
/// The label by which an object chooses its policy.
const CASE: &str = "case";
/// The label of an object that every policy denies, which shows that it is in force.
const PROBE: &str = "probe";

/// One of the lines of the table of functions is tried here for each so many.
const SAMPLED: usize = 3;

struct Case {
    name: String,
    /// What we say; `None` for a sample, which is compared elsewhere.
    ours: Option<&'static str>,
    theirs: &'static str,
    expression: String,
}

fn cases() -> Vec<Case> {
    let lines = include_str!("../crates/cel/src/semantics.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let case = |(index, line): (usize, &'static str)| {
        let (expected, expression) = line.split_once(' ').unwrap();
        let (ours, theirs) = expected.split_once('/').unwrap_or((expected, expected));
        let (name, expression) = (format!("case-{index}"), expression.trim().to_owned());
        Case { name, ours: Some(ours), theirs, expression }
    };
    lines.enumerate().map(case).collect()
}

/// Random expressions, as bools, with what the Go program says of them.
fn samples(object: &Value) -> Vec<Case> {
    let mut generator = generator::Generator::new(7);
    let templates = tables::templates().step_by(SAMPLED);
    let expressions: Vec<_> = templates.map(|(_, template)| generator.fill(template)).collect();
    let answers = judge::ask(object, expressions.iter().map(String::as_str));
    let case = |(index, (expression, answer)): (usize, (String, judge::Answer))| {
        let (expression, theirs) = match answer {
            judge::Answer::Value(value) => {
                let literal = if let Some(text) = value["string"].as_str() {
                    Value::from(text).to_string()
                } else if let Some(number) = value["int"].as_str() {
                    number.to_owned()
                } else if let Some(number) = value["uint"].as_str() {
                    format!("{number}u")
                } else {
                    value["bool"].as_bool()?.to_string()
                };
                (format!("dyn({expression}) == {literal}"), "true")
            }
            judge::Answer::Error(_) => (format!("dyn({expression}) == 0"), "error"),
            judge::Answer::Refused(_) => (format!("dyn({expression}) == 0"), "refused"),
        };
        Some(Case { name: format!("sample-{index}"), ours: None, theirs, expression })
    };
    expressions.into_iter().zip(answers).enumerate().filter_map(case).collect()
}

fn policy(case: &Case) -> ValidatingAdmissionPolicy {
    serde_json::from_value(json!({
        "metadata": {"name": case.name},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["apps"], "apiVersions": ["v1"],
                "operations": ["CREATE"], "resources": ["deployments"],
            }]},
            // Conditions have no variables, and an error in one would hide the validation's.
            "matchConditions": [{
                "name": "case",
                "expression": format!("object.metadata.labels[?'{CASE}'] == optional.of('{}')", case.name),
            }],
            "validations": [
                {"expression": format!("!('{PROBE}' in object.metadata.labels)"), "message": "in force"},
                {"expression": case.expression, "message": "is false"},
            ],
        },
    }))
    .unwrap()
}

fn binding(case: &Case) -> ValidatingAdmissionPolicyBinding {
    serde_json::from_value(json!({
        "metadata": {"name": case.name},
        "spec": {"policyName": case.name, "validationActions": ["Deny"]},
    }))
    .unwrap()
}

fn deployment(case: &Case, probe: bool) -> DynamicObject {
    let mut object: Value =
        serde_json::from_str(include_str!("../crates/cel/src/semantics.json")).unwrap();
    object["metadata"]["labels"][CASE] = json!(case.name);
    if probe {
        object["metadata"]["labels"][PROBE] = json!("true");
    }
    serde_json::from_value(object).unwrap()
}

struct Server {
    policies: Api<ValidatingAdmissionPolicy>,
    bindings: Api<ValidatingAdmissionPolicyBinding>,
    deployments: Api<DynamicObject>,
}

impl Server {
    async fn new(plane: &ControlPlane) -> Self {
        let client = plane.admin_client();
        let namespace: Namespace =
            serde_json::from_value(json!({"metadata": {"name": "shop"}})).unwrap();
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        let kind = GroupVersionKind::gvk("apps", "v1", "Deployment");
        Self {
            policies: Api::all(client.clone()),
            bindings: Api::all(client.clone()),
            deployments: Api::namespaced_with(client, "shop", &ApiResource::from_gvk(&kind)),
        }
    }

    /// Creates the policy and its binding; false when the expression does not compile.
    async fn install(&self, case: &Case) -> bool {
        match self.policies.create(&PostParams::default(), &policy(case)).await {
            Ok(_) => {
                self.bindings.create(&PostParams::default(), &binding(case)).await.unwrap();
                true
            }
            Err(kube::Error::Api(status)) if status.is_invalid() => false,
            Err(error) => panic!("{}: {error}", case.expression),
        }
    }

    /// A dry run: what the server made of the object, or why it denied it.
    async fn create(&self, object: &DynamicObject) -> Result<Value, String> {
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        match self.deployments.create(&dry_run, object).await {
            Ok(object) => Ok(serde_json::to_value(object).unwrap()),
            Err(kube::Error::Api(status)) => Err(status.message),
            Err(error) => panic!("{error}"),
        }
    }

    async fn answer(&self, case: &Case) -> &'static str {
        if !self.install(case).await {
            return "refused";
        }
        wait::until(&case.expression, LIMIT, async || {
            self.create(&deployment(case, true)).await.err()
        })
        .await
        .unwrap();
        match self.create(&deployment(case, false)).await {
            Ok(_) => "true",
            Err(message) if message.contains("resulted in error") => "error",
            Err(message) if message.contains("is false") => "false",
            Err(message) => panic!("{}: {message}", case.expression),
        }
    }
}

fn judged(case: &Case, object: &Value) -> &'static str {
    let validations =
        vec![ValidationSource { expression: &case.expression, ..ValidationSource::default() }];
    let source = ProgramSource { validations, ..ProgramSource::default() };
    let request = AdmissionRequest {
        group: "apps",
        version: "v1",
        kind: "Deployment",
        resource: "deployments",
        namespace: "shop",
        name: "web",
    };
    match Program::compile(&source, "").map_err(|mut errors| errors.remove(0).error) {
        Err(ExpressionError::Unsupported { .. }) => "unsupported",
        Err(_) => "refused",
        Ok(program) => match program.judge(&PreparedObject::new(object, &request)) {
            PolicyOutcome::Pass => "true",
            PolicyOutcome::Fail(_) => "false",
            PolicyOutcome::Unknown(_) => "error",
            PolicyOutcome::NotMatched => "not matched",
        },
    }
}

#[tokio::test]
async fn the_api_server_agrees() {
    let plane = ControlPlane::builder().start().await.unwrap();
    let server = &Server::new(&plane).await;
    let mut cases = cases();
    // What the server adds and changes is part of what its expressions see.
    let seen = server.create(&deployment(&cases[0], false)).await.unwrap();
    cases.extend(samples(&seen));
    let answers: Vec<_> = stream::iter(&cases)
        .map(|case| async move { (case, server.answer(case).await) })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    let disagreements: Vec<_> = answers
        .into_iter()
        .map(|(case, theirs)| (case, theirs, case.ours.map(|_| judged(case, &seen))))
        .filter(|(case, theirs, ours)| case.theirs != *theirs || case.ours != *ours)
        .map(|(case, theirs, ours)| {
            format!(
                "{}\n  expected {:?} here and {} there, found {ours:?} and {theirs}",
                case.expression, case.ours, case.theirs
            )
        })
        .collect();
    assert!(disagreements.is_empty(), "\n{}", disagreements.join("\n"));
}
