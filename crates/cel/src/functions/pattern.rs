//! The functions of regular expressions.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

use super::{EvaluationError, Value, ValueResult, re2};
use crate::expression::ExpressionError;
use crate::limits::{MAX_COMPILED_PATTERN, MAX_PATTERN};
use crate::value::{list, string};

/// Why a pattern cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PatternError {
    Invalid(String),
    Unsupported(String),
}

impl PatternError {
    pub fn into_expression_error(self) -> ExpressionError {
        match self {
            Self::Invalid(message) => ExpressionError::invalid(message),
            Self::Unsupported(feature) => ExpressionError::Unsupported { feature },
        }
    }
}

impl From<PatternError> for EvaluationError {
    fn from(error: PatternError) -> Self {
        match error {
            PatternError::Invalid(message) => Self::NoValue(message),
            PatternError::Unsupported(feature) => {
                Self::Refused(format!("{feature} is not computed here"))
            }
        }
    }
}

/// A pattern of RE2's syntax, compiled for Rust's engine.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// Whether its matches depend on tables of Unicode.
    needs_unicode: bool,
}

/// Texts of the characters that the API server's tables know: those of Unicode 15.
static KNOWN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{Age=15.0}*$").ok());

/// Compiles a pattern written for RE2.
pub(super) fn compile(pattern: &str) -> Result<Pattern, PatternError> {
    if pattern.len() > MAX_PATTERN {
        return Err(PatternError::Unsupported(format!(
            "a regular expression of more than {MAX_PATTERN} bytes"
        )));
    }
    let re2::Translated { pattern, needs_unicode } = re2::translate(pattern)?;
    let regex = RegexBuilder::new(&pattern)
        // The pattern comes from whoever writes the policy: its compiled size must be bounded.
        .size_limit(MAX_COMPILED_PATTERN)
        .dfa_size_limit(MAX_COMPILED_PATTERN)
        .nest_limit(50)
        .build();
    match regex {
        Ok(regex) => Ok(Pattern { regex, needs_unicode }),
        Err(regex::Error::CompiledTooBig(_)) => Err(PatternError::Unsupported(
            "a regular expression that takes more than 1 MiB".to_owned(),
        )),
        // The translation let it through and the engine does not: our gap, not the author's mistake.
        Err(_) => Err(PatternError::Unsupported("this regular expression".to_owned())),
    }
}

/// Runs a pattern over the first of the values.
pub(super) fn apply(name: &str, pattern: &Pattern, values: &[Value]) -> ValueResult {
    let Some(Value::String(text)) = values.first() else {
        return Err(EvaluationError::no_value("a regular expression applies to a string"));
    };
    let is_known = || KNOWN.as_ref().is_some_and(|known| known.is_match(text));
    // Go's and Rust's tables are of different versions of Unicode, and agree up to this one.
    if pattern.needs_unicode && !text.is_ascii() && !is_known() {
        return Err(EvaluationError::refused(
            "what this regular expression makes of a character newer than Unicode 15 is not computed here",
        ));
    }
    let regex = &pattern.regex;
    match (name, values.get(2)) {
        ("matches", _) => Ok(Value::Bool(regex.is_match(text))),
        ("find", _) => Ok(string(regex.find(text).map_or("", |found| found.as_str()))),
        // The name was resolved when the expression was compiled, so this is findAll().
        (_, limit) => {
            let limit = match limit {
                Some(Value::Int(limit)) => usize::try_from(*limit).unwrap_or(usize::MAX),
                _ => usize::MAX,
            };
            Ok(list(
                regex.find_iter(text).take(limit).map(|found| string(found.as_str())).collect(),
            ))
        }
    }
}

fn run(name: &str, values: &[Value]) -> ValueResult {
    match values.get(1) {
        Some(Value::String(pattern)) => apply(name, &compile(pattern)?, values),
        _ => Err(EvaluationError::no_value("a regular expression is a string")),
    }
}

pub(super) fn matches(values: &[Value]) -> ValueResult {
    run("matches", values)
}

pub(super) fn find(values: &[Value]) -> ValueResult {
    run("find", values)
}

pub(super) fn find_all(values: &[Value]) -> ValueResult {
    run("findAll", values)
}
