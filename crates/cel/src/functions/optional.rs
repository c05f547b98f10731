//! Values that may be absent.

#![expect(clippy::unnecessary_wraps, reason = "the signature of a function")]

use super::convert::first as receiver;
use super::{EvaluationError, Value, ValueResult, items};
use crate::operators::no_overload;
use crate::value::{list, optional};

pub(super) fn none(_: &[Value]) -> ValueResult {
    Ok(optional(None))
}

pub(super) fn of(values: &[Value]) -> ValueResult {
    Ok(optional(Some(receiver(values).clone())))
}

pub(super) fn of_non_zero(values: &[Value]) -> ValueResult {
    let value = receiver(values);
    let is_zero = match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Int(number) | Value::Duration(number) => *number == 0,
        Value::Uint(number) => *number == 0,
        Value::Double(number) => *number == 0.0,
        Value::String(text) => text.is_empty(),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::List(items) => items.is_empty(),
        // A map that may hold more than a manifest shows is neither empty nor known not to be.
        Value::Map(map) => crate::operators::entries(map)?.is_empty(),
        Value::Timestamp(time) => time.is_zero(),
        _ => false,
    };
    Ok(optional((!is_zero).then(|| value.clone())))
}

pub(super) fn unwrap(values: &[Value]) -> ValueResult {
    let mut contents = Vec::new();
    for item in items(values) {
        match item {
            Value::Optional(content) => contents.extend(content.as_deref().cloned()),
            other => return Err(no_overload("unwrap()", other)),
        }
    }
    Ok(list(contents))
}

fn content(values: &[Value]) -> Option<&Value> {
    match values.first() {
        Some(Value::Optional(content)) => content.as_deref(),
        _ => None,
    }
}

pub(super) fn has_value(values: &[Value]) -> ValueResult {
    Ok(Value::Bool(content(values).is_some()))
}

pub(super) fn value(values: &[Value]) -> ValueResult {
    content(values)
        .cloned()
        .ok_or_else(|| EvaluationError::no_value("value() of an optional that has none"))
}

pub(super) fn first(values: &[Value]) -> ValueResult {
    Ok(optional(items(values).first().cloned()))
}

pub(super) fn last(values: &[Value]) -> ValueResult {
    Ok(optional(items(values).last().cloned()))
}
