//! Conversions between types, optionals, and quantities within the range the library computes.

#![expect(clippy::unnecessary_wraps, reason = "the signature of a function")]

use std::sync::Arc;

use kube_cel::cel::common::ast::{CallExpr, Expr as Tree, IdedExpr};

use super::{Evaluated, Fault, Value, call_library, time};
use crate::checks::cel::value::{Kind, TypeValue, as_optional, optional, string};

fn first(values: &[Value]) -> &Value {
    values.first().unwrap_or(&Value::Null)
}

fn cannot(value: &Value, target: &str) -> Fault {
    Fault::Error(format!("{target}() cannot convert this {}", Kind::of(value).name()))
}

pub(super) fn identity(values: &[Value]) -> Evaluated {
    Ok(first(values).clone())
}

pub(super) fn type_of(values: &[Value]) -> Evaluated {
    Ok(Value::Opaque(Arc::new(TypeValue(Kind::of(first(values))))))
}

pub(super) fn to_bool(values: &[Value]) -> Evaluated {
    let value = first(values);
    let Value::String(text) = value else { return Err(cannot(value, "bool")) };
    match text.as_str() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
        _ => Err(cannot(value, "bool")),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(super) fn to_int(values: &[Value]) -> Evaluated {
    let value = first(values);
    let int = match value {
        Value::UInt(number) => i64::try_from(*number).ok(),
        // Both bounds are exact in a double, and neither is accepted.
        Value::Float(number) => {
            (number.abs() < 9_223_372_036_854_775_808.0).then(|| number.trunc() as i64)
        }
        Value::String(text) => text.parse().ok(),
        Value::Timestamp(_) => return time::unix_seconds(value),
        _ => None,
    };
    int.map(Value::Int).ok_or_else(|| cannot(value, "int"))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
pub(super) fn to_uint(values: &[Value]) -> Evaluated {
    let value = first(values);
    let uint = match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::Float(number) => (*number >= 0.0 && *number < 18_446_744_073_709_551_616.0)
            .then(|| number.trunc() as u64),
        Value::String(text) if !text.starts_with('+') => text.parse().ok(),
        _ => None,
    };
    uint.map(Value::UInt).ok_or_else(|| cannot(value, "uint"))
}

#[expect(clippy::cast_precision_loss, reason = "a double has the precision it has")]
pub(super) fn to_double(values: &[Value]) -> Evaluated {
    let value = first(values);
    let double = match value {
        Value::Int(number) => Some(*number as f64),
        Value::UInt(number) => Some(*number as f64),
        Value::String(text) => text.parse::<f64>().ok().filter(|number| number.is_finite()),
        _ => None,
    };
    double.map(Value::Float).ok_or_else(|| cannot(value, "double"))
}

pub(super) fn to_string(values: &[Value]) -> Evaluated {
    let value = first(values);
    match value {
        Value::Bool(flag) => Ok(string(flag.to_string())),
        Value::Int(number) => Ok(string(number.to_string())),
        Value::UInt(number) => Ok(string(number.to_string())),
        // Outside this range Go prints an exponent.
        Value::Float(number) if *number == 0.0 || (1e-4..1e6).contains(&number.abs()) => {
            Ok(string(number.to_string()))
        }
        Value::Bytes(bytes) => {
            std::str::from_utf8(bytes).map(string).map_err(|_| cannot(value, "string"))
        }
        _ => Err(cannot(value, "string")),
    }
}

pub(super) fn to_bytes(values: &[Value]) -> Evaluated {
    match first(values) {
        Value::String(text) => Ok(Value::Bytes(Arc::new(text.as_bytes().to_vec()))),
        other => Err(cannot(other, "bytes")),
    }
}

pub(super) fn optional_none(_: &[Value]) -> Evaluated {
    Ok(optional(None))
}

pub(super) fn optional_of(values: &[Value]) -> Evaluated {
    Ok(optional(Some(first(values).clone())))
}

pub(super) fn optional_of_non_zero(values: &[Value]) -> Evaluated {
    let value = first(values);
    Ok(optional((!value.is_zero()).then(|| value.clone())))
}

fn content(values: &[Value]) -> Option<&Value> {
    as_optional(first(values)).flatten()
}

pub(super) fn has_value(values: &[Value]) -> Evaluated {
    Ok(Value::Bool(content(values).is_some()))
}

pub(super) fn optional_value(values: &[Value]) -> Evaluated {
    content(values).cloned().ok_or_else(|| Fault::error("value() of an optional that has none"))
}

pub(super) fn or(values: &[Value]) -> Evaluated {
    let chosen = if content(values).is_some() { values.first() } else { values.get(1) };
    Ok(chosen.cloned().unwrap_or(Value::Null))
}

pub(super) fn or_value(values: &[Value]) -> Evaluated {
    Ok(content(values).or(values.get(1)).cloned().unwrap_or(Value::Null))
}

/// The most digits of a quantity before the point, so that the library's integers cannot overflow
/// when it compares or adds two.
const MAX_DIGITS: i64 = 20;
/// The most digits after the point: no quantity is finer than a nano.
const MAX_DECIMALS: i64 = 9;

enum QuantityText {
    Valid,
    Invalid,
    Unclear,
}

/// Reads the syntax of a quantity: a number, then a decimal or binary unit or an exponent.
fn quantity_text(text: &str) -> QuantityText {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number_end =
        unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, unit) = unsigned.split_at(number_end);
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    if text.is_empty() || decimals.contains('.') {
        return QuantityText::Invalid;
    }
    // How many digits the unit moves the point by; a binary unit rounded up.
    let shift: i64 = match unit {
        "" => 0,
        "n" => -9,
        "u" => -6,
        "m" => -3,
        "k" => 3,
        "Ki" => 4,
        "M" => 6,
        "Mi" => 7,
        "G" => 9,
        "Gi" => 10,
        "T" => 12,
        "Ti" => 13,
        "P" => 15,
        "Pi" => 16,
        "E" => 18,
        "Ei" => 19,
        exponent => match exponent.strip_prefix(['e', 'E']).map(str::parse::<i64>) {
            Some(Ok(exponent)) if exponent.abs() <= 18 => exponent,
            Some(Ok(_)) => return QuantityText::Unclear,
            _ => return QuantityText::Invalid,
        },
    };
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX / 2);
    let decimals_after = length(decimals) - if unit.ends_with('i') { 0 } else { shift };
    // Kubernetes takes even a lone unit for a quantity.
    if whole.len() + decimals.len() == 0 {
        return QuantityText::Unclear;
    }
    if length(whole.trim_start_matches('0')) + shift > MAX_DIGITS || decimals_after > MAX_DECIMALS {
        return QuantityText::Unclear;
    }
    QuantityText::Valid
}

pub(super) fn quantity(values: &[Value]) -> Evaluated {
    let value = first(values);
    let Value::String(text) = value else { return Err(cannot(value, "quantity")) };
    match quantity_text(text) {
        QuantityText::Invalid => {
            Err(Fault::error("quantity() takes a quantity such as 500m or 1.5Gi"))
        }
        QuantityText::Unclear => {
            Err(Fault::error("only quantities of 1n to 10E are computed here"))
        }
        QuantityText::Valid => {
            let operand = IdedExpr { id: 0, expr: Tree::Ident("@0".to_owned()) };
            let call =
                CallExpr { func_name: "quantity".to_owned(), target: None, args: vec![operand] };
            call_library(
                "quantity",
                &IdedExpr { id: 0, expr: Tree::Call(call) },
                vec![value.clone()],
            )
        }
    }
}

pub(super) fn is_quantity(values: &[Value]) -> Evaluated {
    let value = first(values);
    let Value::String(text) = value else { return Err(cannot(value, "isQuantity")) };
    match quantity_text(text) {
        QuantityText::Invalid => Ok(Value::Bool(false)),
        QuantityText::Valid => Ok(Value::Bool(true)),
        QuantityText::Unclear => {
            Err(Fault::error("only quantities of 1n to 10E are computed here"))
        }
    }
}
