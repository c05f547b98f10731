//! What the language means. `semantics.txt` is judged here, and compared with a real API server
//! in `tests/cel_parity.rs`.

use serde_json::Value;

use super::expression::ExpressionError;
use super::program::{Outcome, Prepared, Program, ProgramSource, Request, ValidationSource};

fn compile(expression: &str) -> Result<Program, ExpressionError> {
    let validations = vec![ValidationSource { expression, ..ValidationSource::default() }];
    let source = ProgramSource { validations, ..ProgramSource::default() };
    Program::compile(&source, "spec.test.cel").map_err(|mut errors| errors.remove(0).error)
}

fn judge(expression: &str, object: &Value) -> &'static str {
    let request = Request {
        group: "apps",
        version: "v1",
        kind: "Deployment",
        resource: "deployments",
        namespace: "shop",
        name: "web",
    };
    match compile(expression) {
        Err(ExpressionError::Invalid { .. }) => "refused",
        Err(ExpressionError::Unsupported { .. }) => "unsupported",
        Err(ExpressionError::TooComplex { .. }) => "complex",
        Ok(program) => match program.judge(&Prepared::new(object, &request)) {
            Outcome::Pass => "true",
            Outcome::Fail(_) => "false",
            Outcome::Unknown(_) => "error",
            Outcome::NotMatched => "not matched",
        },
    }
}

/// The lines of the table: what is expected, and the expression.
fn table() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("semantics.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let (expected, expression) = line.split_once(' ').unwrap();
        (expected, expression.trim())
    })
}

#[test]
fn expressions_mean_what_they_mean_in_kubernetes() {
    let object: Value = serde_json::from_str(include_str!("semantics.json")).unwrap();
    let wrong: Vec<_> = table()
        .map(|(expected, expression)| {
            (expected.split('/').next().unwrap(), judge(expression, &object), expression)
        })
        .filter(|(expected, judged, _)| expected != judged)
        .collect();
    assert!(wrong.is_empty(), "expected, judged, expression: {wrong:#?}");
}
