//! Conversions between types.

#![expect(clippy::unnecessary_wraps, reason = "the signature of a function")]

use super::{EvaluationError, Value, ValueResult, number};
use crate::value::{ValueKind, string};

pub(super) fn first(values: &[Value]) -> &Value {
    values.first().unwrap_or(&Value::Null)
}

fn cannot(value: &Value, target: &str) -> EvaluationError {
    EvaluationError::NoValue(format!(
        "{target}() cannot convert this {}",
        ValueKind::of(value).name()
    ))
}

pub(super) fn identity(values: &[Value]) -> ValueResult {
    Ok(first(values).clone())
}

pub(super) fn type_of(values: &[Value]) -> ValueResult {
    Ok(Value::Type(ValueKind::of(first(values))))
}

pub(super) fn to_bool(values: &[Value]) -> ValueResult {
    let value = first(values);
    let Value::String(text) = value else { return Err(cannot(value, "bool")) };
    match text.as_ref() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
        _ => Err(cannot(value, "bool")),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(super) fn to_int(values: &[Value]) -> ValueResult {
    let value = first(values);
    let int = match value {
        Value::Uint(number) => i64::try_from(*number).ok(),
        // Both bounds are exact in a double, and neither is accepted.
        Value::Double(number) => {
            (number.abs() < 9_223_372_036_854_775_808.0).then(|| number.trunc() as i64)
        }
        Value::String(text) => text.parse().ok(),
        Value::Timestamp(time) => Some(time.unix()),
        Value::Duration(nanoseconds) => Some(*nanoseconds),
        _ => None,
    };
    int.map(Value::Int).ok_or_else(|| cannot(value, "int"))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
pub(super) fn to_uint(values: &[Value]) -> ValueResult {
    let value = first(values);
    let uint = match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        // 2^64 is exact in a double, and one too many.
        Value::Double(number) => (*number >= 0.0 && *number < 18_446_744_073_709_551_616.0)
            .then(|| number.trunc() as u64),
        // Go's ParseUint takes no sign, and Rust's parser would.
        Value::String(text) if !text.starts_with('+') => text.parse().ok(),
        _ => None,
    };
    uint.map(Value::Uint).ok_or_else(|| cannot(value, "uint"))
}

#[expect(clippy::cast_precision_loss, reason = "a double has the precision it has")]
pub(super) fn to_double(values: &[Value]) -> ValueResult {
    let value = first(values);
    let double = match value {
        Value::Int(number) => Some(*number as f64),
        Value::Uint(number) => Some(*number as f64),
        // Refused, rather than an error, where Go reads a double that is not read here.
        Value::String(text) => number::parse(text)?,
        _ => None,
    };
    double.map(Value::Double).ok_or_else(|| cannot(value, "double"))
}

pub(super) fn to_string(values: &[Value]) -> ValueResult {
    text_of(first(values)).map(string)
}

/// A value as text, as `string()` makes it.
pub(super) fn text_of(value: &Value) -> Result<String, EvaluationError> {
    Ok(match value {
        Value::String(text) => text.as_ref().to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Uint(number) => number.to_string(),
        Value::Double(number) => number::shortest(*number),
        Value::Bytes(bytes) => {
            std::str::from_utf8(bytes).map_err(|_| cannot(value, "string"))?.to_owned()
        }
        Value::Timestamp(time) => time.text(),
        Value::Duration(nanoseconds) => number::seconds(*nanoseconds),
        Value::Type(kind) => kind.name().to_owned(),
        Value::Ip(address) => address.to_string(),
        Value::Cidr(cidr) => cidr.to_string(),
        _ => return Err(cannot(value, "string")),
    })
}

pub(super) fn to_bytes(values: &[Value]) -> ValueResult {
    match first(values) {
        Value::String(text) => Ok(Value::Bytes(text.as_bytes().into())),
        other => Err(cannot(other, "bytes")),
    }
}
