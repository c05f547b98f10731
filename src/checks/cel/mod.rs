//! The `cel` test: expressions with the shape and the semantics of `ValidatingAdmissionPolicy`,
//! evaluated on objects at rest.
//!
//! [`program`] is a control's whole policy, [`expression`] one expression of it, [`guard`] what
//! bounds their cost. Programs run while the whole object is at hand, at projection
//! ([`judge_all`]); the check itself reads only what they said.
//!
//! An expression goes from [`lexer`] to [`parser`], whose [`tree`] the [`checker`] resolves to the
//! [`node`]s that are [`evaluate`]d. The engine is our own because its answers are evidence: it
//! must say what the API server says, or that it does not know, and no library does.

pub mod answer;
mod check;
mod checker;
mod evaluate;
pub mod expression;
mod functions;
pub mod guard;
mod instant;
mod lexer;
mod macros;
mod manifest;
mod node;
mod operators;
mod parser;
pub mod program;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
mod tree;
mod types;
mod value;

use std::sync::Arc;

use super::{BuildError, Built};
use crate::{
    api::test_spec::{CelTest, CelValidation, NamedExpression},
    inventory::{CelResult, ResourceType, Source},
};
use expression::ExpressionError;
pub use program::Program;
use program::{
    Failure, FieldError, NamedSource, Outcome, Prepared, ProgramSource, Request, ValidationSource,
};

/// The longest text that is kept for an object, in bytes. There is one for every object that
/// fails, so it is far shorter than what the API server would answer.
const MAX_TEXT: usize = 300;

/// Compiles a control's expressions.
pub fn build(test: &CelTest) -> Result<Built, BuildError> {
    let program =
        Program::compile(&source(test), "spec.test.cel").map_err(|errors| refusal(&errors))?;
    let id = check::program_id(test);
    let check = check::CelCheck::new(test, id);
    Ok(Built { check: Box::new(check), program: Some((id, Arc::new(program))) })
}

fn source(test: &CelTest) -> ProgramSource<'_> {
    ProgramSource {
        match_conditions: test.match_conditions.iter().map(named_source).collect(),
        variables: test.variables.iter().map(named_source).collect(),
        validations: test.validations.iter().map(validation_source).collect(),
    }
}

fn named_source(named: &NamedExpression) -> NamedSource<'_> {
    NamedSource { name: &named.name, expression: &named.expression }
}

fn validation_source(validation: &CelValidation) -> ValidationSource<'_> {
    ValidationSource {
        expression: &validation.expression,
        message: validation.message.as_deref(),
        message_expression: validation.message_expression.as_deref(),
        reason: validation.reason.as_deref(),
    }
}

/// All errors in one text. A spec that is wrong anywhere is wrong, whatever else is unsupported.
fn refusal(errors: &[FieldError]) -> BuildError {
    let text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let unsupported =
        |error: &FieldError| matches!(error.error, ExpressionError::Unsupported { .. });
    if errors.iter().all(unsupported) {
        BuildError::Unsupported(text)
    } else {
        BuildError::Invalid(text)
    }
}

/// Runs programs over one object.
pub fn judge_all<'a>(
    programs: impl Iterator<Item = &'a Program>,
    object: &serde_json::Value,
    resource: &ResourceType,
    namespace: &str,
    name: &str,
    source: Source,
) -> Box<[CelResult]> {
    let request = Request {
        group: &resource.group,
        version: &resource.version,
        kind: &resource.kind,
        resource: &resource.plural,
        namespace,
        name,
    };
    let prepared = match source {
        Source::Cluster => Prepared::new(object, &request),
        Source::Manifests => Prepared::from_manifest(object, &request, resource.namespaced),
    };
    programs.map(|program| result(program.judge(&prepared))).collect()
}

fn result(outcome: Outcome) -> CelResult {
    match outcome {
        Outcome::NotMatched => CelResult::NotMatched,
        Outcome::Pass => CelResult::Pass,
        Outcome::Fail(failures) => CelResult::Fail(
            failures
                .into_iter()
                .map(|Failure { validation, message, .. }| (validation, shortened(message)))
                .collect(),
        ),
        Outcome::Unknown(text) => CelResult::Unknown(shortened(text)),
    }
}

fn shortened(mut text: String) -> Box<str> {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text.into()
}
