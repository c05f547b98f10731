//! From the spec of a `presence` test to the check and the program that looks for it.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{PresenceCheck, bounded};
use crate::{
    api::{Glob, Selector, test_spec::PresenceTest},
    checks::{BuildError, Built},
    inventory::{Program, ProgramId, presence::PresenceProbe},
};
use comptroller_cel::{ProgramSource, ValidationSource};

/// Compiles a `presence` test.
pub fn build(test: &PresenceTest) -> Result<Built, BuildError> {
    let selector = test.selector.as_ref().map(Selector::compile).transpose();
    let selector = selector
        .map_err(|error| BuildError::Invalid(format!("spec.test.presence.selector: {error}")))?;
    let healthy = test.healthy.as_deref().map(compile).transpose()?;
    let probe = PresenceProbe {
        names: test.names.iter().map(Glob::matcher).collect(),
        selector: selector.unwrap_or_default(),
        healthy,
        dated: test.max_age.is_some(),
        timestamp: test.timestamp.clone(),
    };
    let program = program_id(test);
    let check = PresenceCheck {
        program,
        resources: test.resources.clone(),
        per: test.per,
        min: test.min.and_then(|min| usize::try_from(min).ok()).unwrap_or(1),
        max_age: test.max_age,
        unhealthy: test.unhealthy,
        wanted: wanted(test),
    };
    let program = Some((program, Arc::new(Program::Presence(probe))));
    Ok(Built { check: Box::new(check), program })
}

fn compile(expression: &str) -> Result<comptroller_cel::Program, BuildError> {
    const FIELD: &str = "spec.test.presence.healthy";
    let validations = vec![ValidationSource { expression, ..ValidationSource::default() }];
    let source = ProgramSource { validations, ..ProgramSource::default() };
    comptroller_cel::Program::compile(&source, FIELD).map_err(|errors| {
        let texts: Vec<String> = errors.iter().map(|error| error.error.to_string()).collect();
        let text = format!("{FIELD}: {}", texts.join("; "));
        let unsupported = |error: &comptroller_cel::FieldError| {
            matches!(error.error, comptroller_cel::ExpressionError::Unsupported { .. })
        };
        if errors.iter().all(unsupported) {
            BuildError::Unsupported(text)
        } else {
            BuildError::Invalid(text)
        }
    })
}

/// What there must be, in the words of the spec.
fn wanted(test: &PresenceTest) -> String {
    let kinds: Vec<&str> =
        test.resources.iter().flat_map(|rule| &rule.resources).map(String::as_str).collect();
    let mut wanted = kinds.join(" or ");
    if !test.names.is_empty() {
        let names: Vec<&str> = test.names.iter().map(Glob::as_str).collect();
        wanted.push_str(" named ");
        wanted.push_str(&names.join(" or "));
    }
    if test.selector.is_some() {
        wanted.push_str(" with the labels of spec.test.presence.selector");
    }
    bounded(wanted)
}

/// The digest of all that decides what the program says of an object.
fn program_id(test: &PresenceTest) -> ProgramId {
    let source = serde_json::json!({
        "names": test.names, "selector": test.selector, "healthy": test.healthy,
        "dated": test.max_age.is_some(), "timestamp": test.timestamp,
    });
    let digest = Sha256::digest(format!("presence {source}"));
    ProgramId(digest.iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte)))
}
