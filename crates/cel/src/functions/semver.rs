//! Versions as in semver.org 2.0.0, read as the API server's library reads them.

use std::cmp::Ordering;
use std::sync::Arc;

use super::convert::first;
use super::{EvaluationError, Value, ValueResult, texts};
use crate::operators::no_overload;

/// A version without its build metadata, which has no part in any order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Semver {
    numbers: [u64; 3],
    pre_release: Vec<Identifier>,
}

/// A part of a pre-release. Numbers come before words.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Word(String),
}

impl Semver {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let (major, minor, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let (rest, build) = match rest.split_once('+') {
            Some((rest, build)) => (rest, Some(build)),
            None => (rest, None),
        };
        // Checked, and then dropped: it has no part in any order.
        if build.is_some_and(|build| !build.split('.').all(is_word)) {
            return None;
        }
        // After the build was cut off, since a build may hold dashes.
        let (patch, pre_release) = match rest.split_once('-') {
            Some((patch, pre_release)) => (patch, Some(pre_release)),
            None => (rest, None),
        };
        let identifiers = pre_release.into_iter().flat_map(|text| text.split('.'));
        Some(Self {
            numbers: [number(major)?, number(minor)?, number(patch)?],
            pre_release: identifiers.map(identifier).collect::<Option<_>>()?,
        })
    }

    pub fn compare(&self, other: &Self) -> Ordering {
        let release = |version: &Self| version.pre_release.is_empty();
        self.numbers
            .cmp(&other.numbers)
            // A release comes after all of its pre-releases.
            .then_with(|| release(self).cmp(&release(other)))
            .then_with(|| self.pre_release.cmp(&other.pre_release))
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits && (text.len() == 1 || !text.starts_with('0'))).then(|| text.parse().ok())?
}

fn identifier(text: &str) -> Option<Identifier> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return number(text).map(Identifier::Number);
    }
    is_word(text).then(|| Identifier::Word(text.to_owned()))
}

/// Completes what people write: `v1.02` is `1.2.0`.
fn normalized(text: &str) -> Option<String> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text.splitn(3, '.').map(without_zeros).collect();
    if parts.len() < 3 {
        // `1.2-rc` could be completed in two ways, and the library refuses it.
        if parts.last().is_some_and(|last| last.contains(['+', '-'])) {
            return None;
        }
        parts.resize(3, "0".to_owned());
    }
    Some(parts.join("."))
}

fn without_zeros(part: &str) -> String {
    if part.len() <= 1 {
        return part.to_owned();
    }
    // A part that is all zeros, or goes on with no digit, keeps one of them.
    let rest = part.trim_start_matches('0');
    let zero = if rest.starts_with(|c: char| c.is_ascii_digit()) { "" } else { "0" };
    format!("{zero}{rest}")
}

fn read(values: &[Value]) -> Result<Option<Semver>, EvaluationError> {
    // The second argument is a bool, so only the first is a text.
    let [text] = texts(values.get(..1).unwrap_or(&[]))?;
    Ok(match values.get(1) {
        Some(Value::Bool(true)) => normalized(text).and_then(|text| Semver::parse(&text)),
        _ => Semver::parse(text),
    })
}

pub(super) fn semver(values: &[Value]) -> ValueResult {
    read(values)?
        .map(|version| Value::Semver(Arc::new(version)))
        .ok_or_else(|| EvaluationError::no_value("semver() takes a version such as 1.28.3"))
}

pub(super) fn is_semver(values: &[Value]) -> ValueResult {
    read(values).map(|version| Value::Bool(version.is_some()))
}

#[expect(clippy::cast_possible_wrap, reason = "the API server converts it so")]
fn part(values: &[Value], index: usize) -> ValueResult {
    match first(values) {
        Value::Semver(version) => {
            Ok(Value::Int(version.numbers.get(index).copied().unwrap_or(0) as i64))
        }
        other => Err(no_overload("a part of a version", other)),
    }
}

pub(super) fn major(values: &[Value]) -> ValueResult {
    part(values, 0)
}

pub(super) fn minor(values: &[Value]) -> ValueResult {
    part(values, 1)
}

pub(super) fn patch(values: &[Value]) -> ValueResult {
    part(values, 2)
}

fn order(values: &[Value]) -> Result<Ordering, EvaluationError> {
    match values {
        [Value::Semver(left), Value::Semver(right)] => Ok(left.compare(right)),
        _ => Err(no_overload("the order of versions", first(values))),
    }
}

pub(super) fn is_greater(values: &[Value]) -> ValueResult {
    order(values).map(|order| Value::Bool(order.is_gt()))
}

pub(super) fn is_less(values: &[Value]) -> ValueResult {
    order(values).map(|order| Value::Bool(order.is_lt()))
}

pub(super) fn compare(values: &[Value]) -> ValueResult {
    order(values).map(|order| Value::Int(order as i64))
}
