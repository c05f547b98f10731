//! The `cel` test: the expressions of an admission policy, evaluated on objects at rest.
//!
//! Programs run when an object is projected, while all of it is there; the check reads only their
//! results.

mod check;

use std::sync::Arc;

use comptroller_cel::{ExpressionError, FieldError, NamedSource, ProgramSource, ValidationSource};

use super::{BuildError, Built};
use crate::{
    api::test_spec::{CelTest, CelValidation, NamedExpression},
    inventory::Program,
};

/// Compiles a `cel` test: the program, and the check that reads its results.
pub fn build(test: &CelTest) -> Result<Built, BuildError> {
    let program = comptroller_cel::Program::compile(&source(test), "spec.test.cel")
        .map_err(|errors| refusal(&errors))?;
    let id = check::program_id(test);
    let check = check::CelCheck::new(test, id);
    Ok(Built { check: Box::new(check), program: Some((id, Arc::new(Program::Cel(program)))) })
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
    let text = errors.iter().map(describe).collect::<Vec<_>>().join("; ");
    let unsupported =
        |error: &FieldError| matches!(error.error, ExpressionError::Unsupported { .. });
    // Unsupported asks the user for another test, invalid for another spelling.
    if errors.iter().all(unsupported) {
        BuildError::Unsupported(text)
    } else {
        BuildError::Invalid(text)
    }
}

/// An error with what a Control offers instead, which the language knows nothing of.
fn describe(error: &FieldError) -> String {
    match &error.error {
        ExpressionError::Unsupported { feature } if feature.starts_with("namespaceObject") => {
            format!("{error}; a Control selects namespaces in spec.scope.namespaces")
        }
        _ => error.to_string(),
    }
}
