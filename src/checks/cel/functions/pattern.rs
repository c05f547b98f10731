//! Regular expressions in RE2's syntax and meaning on Rust's engine.
//!
//! Both run in linear time. They differ in character classes: in RE2 `\d`, `\w`, `\s` and `\b` are
//! ASCII, and a class has no nesting and no set operators. Patterns are rewritten accordingly,
//! and refused where the engines cannot be made to agree.

use regex::{Regex, RegexBuilder};

use super::{Evaluated, Fault, Value};
use crate::checks::cel::expression::ExpressionError;
use crate::checks::cel::guard::{MAX_COMPILED_PATTERN, MAX_PATTERN};
use crate::checks::cel::value::{list, string};

/// Why a pattern cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::checks::cel) enum PatternError {
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

impl From<PatternError> for Fault {
    fn from(error: PatternError) -> Self {
        let (PatternError::Invalid(message) | PatternError::Unsupported(message)) = error;
        Self::Error(message)
    }
}

/// Compiles a pattern written for RE2.
pub(super) fn compile(pattern: &str) -> Result<Regex, PatternError> {
    if pattern.len() > MAX_PATTERN {
        return Err(PatternError::Unsupported(format!(
            "a regular expression of more than {MAX_PATTERN} bytes"
        )));
    }
    RegexBuilder::new(&translate(pattern)?)
        .size_limit(MAX_COMPILED_PATTERN)
        .dfa_size_limit(MAX_COMPILED_PATTERN)
        .nest_limit(50)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::Unsupported(
                "a regular expression that takes more than 1 MiB".to_owned(),
            ),
            error => {
                let text = error.to_string();
                let reason =
                    text.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
                PatternError::Invalid(format!("the regular expression is not valid: {reason}"))
            }
        })
}

fn translate(pattern: &str) -> Result<String, PatternError> {
    let unsupported =
        |what: &str| Err(PatternError::Unsupported(format!("{what} in a regular expression")));
    let mut output = String::with_capacity(pattern.len() * 2);
    let mut chars = pattern.chars().peekable();
    let mut in_class = false;
    // A `]` or a `^` means itself or something else at the start of a class.
    let mut class_start = false;
    while let Some(c) = chars.next() {
        let at_start = std::mem::replace(&mut class_start, false);
        match c {
            '\\' => match chars.next() {
                Some('d') => output.push_str("[0-9]"),
                Some('D') => output.push_str("[^0-9]"),
                Some('w') => output.push_str("[0-9A-Za-z_]"),
                Some('W') => output.push_str("[^0-9A-Za-z_]"),
                Some('s') => output.push_str("[\\t\\n\\x0C\\r ]"),
                Some('S') => output.push_str("[^\\t\\n\\x0C\\r ]"),
                Some('b') if !in_class => output.push_str("(?-u:\\b)"),
                Some(
                    escape @ ('B' | 'C' | 'Q' | 'E' | 'b' | 'G' | 'Z' | '<' | '>' | '0'..='9'),
                ) => {
                    return unsupported(&format!("\\{escape}"));
                }
                Some('u' | 'U') => {
                    return Err(PatternError::Invalid(
                        "write \\x{...} for a code point".to_owned(),
                    ));
                }
                Some(other) => output.extend(['\\', other]),
                None => {
                    return Err(PatternError::Invalid(
                        "the regular expression ends with a backslash".to_owned(),
                    ));
                }
            },
            '[' if in_class && chars.peek() == Some(&':') => {
                output.push('[');
                // `[:alpha:]` is the one bracket that may stand in a class.
                for c in chars.by_ref() {
                    output.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '[' if in_class => output.push_str("\\["),
            '[' => {
                output.push('[');
                in_class = true;
                class_start = true;
                if chars.next_if_eq(&'^').is_some() {
                    output.push('^');
                }
            }
            ']' if at_start => output.push_str("\\]"),
            ']' if in_class => {
                output.push(']');
                in_class = false;
            }
            '&' | '~' if in_class => output.extend(['\\', c]),
            '-' if in_class && chars.peek() == Some(&'-') => return unsupported("-- in a class"),
            '(' if !in_class && chars.next_if_eq(&'?').is_some() => {
                output.push_str("(?");
                let flags_end = |c: char| matches!(c, ':' | ')' | 'P' | '<');
                while let Some(flag) = chars.next_if(|c| !flags_end(*c)) {
                    if !matches!(flag, 'i' | 'm' | 's' | 'U' | '-') {
                        return unsupported(&format!("the flag {flag}"));
                    }
                    output.push(flag);
                }
            }
            '{' if !in_class => repetition(&mut chars, &mut output)?,
            _ => output.push(c),
        }
    }
    Ok(output)
}

/// In RE2 a brace that does not open a repetition is a character, and a repetition counts to
/// at most 1,000.
fn repetition(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    output: &mut String,
) -> Result<(), PatternError> {
    let inside: String = chars.clone().take_while(|c| *c != '}').collect();
    let closed = chars.clone().nth(inside.chars().count()) == Some('}');
    let counts: Vec<&str> = inside.split(',').collect();
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_repetition = match counts.as_slice() {
        [exactly] => number(exactly),
        [from, to] => number(from) && (to.is_empty() || number(to)),
        _ => false,
    };
    if !closed || !is_repetition {
        output.push_str("\\{");
        return Ok(());
    }
    if counts
        .iter()
        .any(|count| count.len() > 4 || count.parse::<u32>().is_ok_and(|count| count > 1000))
    {
        return Err(PatternError::Invalid(
            "a regular expression repeats at most 1000 times".to_owned(),
        ));
    }
    output.push('{');
    Ok(())
}

/// Runs a literal pattern that was compiled with the expression.
pub(super) fn apply(name: &str, regex: &Regex, values: &[Value]) -> Evaluated {
    let Some(Value::String(text)) = values.first() else {
        return Err(Fault::error("a regular expression applies to a string"));
    };
    match (name, values.get(2)) {
        ("matches", _) => Ok(Value::Bool(regex.is_match(text))),
        ("find", _) => Ok(string(regex.find(text).map_or("", |found| found.as_str()))),
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

fn run(name: &str, values: &[Value]) -> Evaluated {
    match values.get(1) {
        Some(Value::String(pattern)) => apply(name, &compile(pattern)?, values),
        _ => Err(Fault::error("a regular expression is a string")),
    }
}

pub(super) fn matches(values: &[Value]) -> Evaluated {
    run("matches", values)
}

pub(super) fn find(values: &[Value]) -> Evaluated {
    run("find", values)
}

pub(super) fn find_all(values: &[Value]) -> Evaluated {
    run("findAll", values)
}
