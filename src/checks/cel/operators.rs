//! What the operators do with values, as cel-go does it.

use std::cmp::Ordering;
use std::collections::HashMap;

use kube_cel::cel::objects::{Key, KeyRef};

use super::evaluate::{Evaluated, Fault};
use super::node::Operator;
use super::value::{Kind, Value, as_optional, optional};

/// Sorts by keys, which must all be of one comparable type.
pub(super) fn sort(keyed: &mut [(Value, Value)]) -> Result<(), Fault> {
    if let Some(((first, _), rest)) = keyed.split_first() {
        // A total order needs one kind: Go compares with the first element's type too.
        let kind = Kind::of(first);
        if rest.iter().any(|(key, _)| Kind::of(key) != kind) || matches!(first, Value::Float(_)) {
            return Err(Fault::error("cannot sort values of different types, or doubles"));
        }
        compare(first, first)?;
    }
    keyed.sort_by(|(left, _), (right, _)| compare(left, right).unwrap_or(Ordering::Equal));
    Ok(())
}

pub(super) fn map_key(key: Value) -> Result<Key, Fault> {
    key.try_into().map_err(|key| no_overload("a map key", &key))
}

pub(super) fn insert(map: &mut HashMap<Key, Value>, key: Value, item: Value) -> Result<(), Fault> {
    let key = map_key(key)?;
    let text = key.to_string();
    match map.insert(key, item) {
        None => Ok(()),
        Some(_) => Err(Fault::error(format!("the key {text} is repeated"))),
    }
}

pub(super) fn no_overload(operation: &str, operand: &Value) -> Fault {
    Fault::Error(format!(
        "{operation} does not apply to a value of type {}",
        Kind::of(operand).name()
    ))
}

fn no_overloads(operation: &str, left: &Value, right: &Value) -> Fault {
    let (left, right) = (Kind::of(left).name(), Kind::of(right).name());
    Fault::Error(format!("{operation} does not apply to {left} and {right}"))
}

pub(super) fn as_bool(value: &Value) -> Result<bool, Fault> {
    match value {
        Value::Bool(value) => Ok(*value),
        _ => Err(Fault::Error(format!(
            "a condition must be a bool, not a {}",
            Kind::of(value).name()
        ))),
    }
}

/// A field that may be absent: what is neither a map nor a list has no fields at all.
fn presence<'v>(operand: &'v Value, name: &str) -> Result<Option<&'v Value>, Fault> {
    match operand {
        Value::Map(map) => Ok(map.get(&KeyRef::String(name))),
        Value::List(_) => Err(no_overload(&format!("the field {name}"), operand)),
        _ => Ok(None),
    }
}

pub(super) fn select(operand: &Value, name: &str, is_optional: bool) -> Evaluated {
    match as_optional(operand) {
        Some(None) => Ok(optional(None)),
        // Selection on an optional stays optional, whichever dot is written.
        Some(Some(content)) => Ok(optional(presence(content, name)?.cloned())),
        None if is_optional => Ok(optional(presence(operand, name)?.cloned())),
        None => presence(operand, name)?.cloned().ok_or_else(|| match operand {
            Value::Map(_) => Fault::Error(format!("no such field: {name}")),
            _ => no_overload(&format!("the field {name}"), operand),
        }),
    }
}

pub(super) fn has(operand: &Value, name: &str) -> Evaluated {
    let operand = match as_optional(operand) {
        Some(None) => return Ok(Value::Bool(false)),
        Some(Some(content)) => content,
        None => operand,
    };
    Ok(Value::Bool(presence(operand, name)?.is_some()))
}

pub(super) fn index_of(operand: &Value, index: &Value, is_optional: bool) -> Evaluated {
    let (container, is_optional) = match as_optional(operand) {
        Some(None) => return Ok(optional(None)),
        Some(Some(content)) => (content, true),
        None => (operand, is_optional),
    };
    let found = match element(container, index) {
        Err(_) if is_optional && !matches!(container, Value::List(_) | Value::Map(_)) => None,
        found => found?,
    };
    if is_optional {
        return Ok(optional(found.cloned()));
    }
    found.cloned().ok_or_else(|| match index {
        Value::String(key) => Fault::Error(format!("no such key: {key}")),
        Value::Int(index) => Fault::Error(format!("no element {index}")),
        _ => Fault::error("no such key or element"),
    })
}

fn element<'v>(container: &'v Value, index: &Value) -> Result<Option<&'v Value>, Fault> {
    let index = whole(index);
    match (container, &index) {
        (Value::List(items), Value::Int(index)) => {
            Ok(usize::try_from(*index).ok().and_then(|index| items.get(index)))
        }
        (Value::List(items), Value::UInt(index)) => {
            Ok(usize::try_from(*index).ok().and_then(|index| items.get(index)))
        }
        (Value::Map(map), key) => match KeyRef::try_from(key) {
            Ok(key) => Ok(map.get(&key)),
            Err(_) => Err(no_overloads("an index", container, key)),
        },
        _ => Err(no_overloads("an index", container, &index)),
    }
}

/// A double that is a whole number is as good a key or index as an int.
fn whole(index: &Value) -> Value {
    match index {
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
            Value::Int(*number as i64)
        }
        other => other.clone(),
    }
}

pub(super) fn contains(container: &Value, item: &Value) -> Result<bool, Fault> {
    match container {
        Value::List(items) => Ok(items.contains(item)),
        Value::Map(_) => element(container, item).map(|found| found.is_some()),
        _ => Err(no_overload("in", container)),
    }
}

pub(super) fn compare(left: &Value, right: &Value) -> Result<Ordering, Fault> {
    let number = |kind| matches!(kind, Kind::Int | Kind::Uint | Kind::Double);
    let (left_kind, right_kind) = (Kind::of(left), Kind::of(right));
    let ordered = matches!(left_kind, Kind::Bool | Kind::String | Kind::Timestamp | Kind::Duration);
    if (number(left_kind) && number(right_kind)) || (ordered && left_kind == right_kind) {
        left.partial_cmp(right).ok_or_else(|| Fault::error("NaN cannot be compared"))
    } else {
        Err(no_overloads("an ordering", left, right))
    }
}

pub(super) fn negate(operand: &Value) -> Evaluated {
    match operand {
        Value::Int(number) => {
            number.checked_neg().map(Value::Int).ok_or_else(|| Fault::error("integer overflow"))
        }
        Value::Float(number) => Ok(Value::Float(-number)),
        _ => Err(no_overload("-", operand)),
    }
}

pub(super) fn arithmetic(operator: Operator, left: Value, right: Value) -> Evaluated {
    let (left_kind, right_kind) = (Kind::of(&left), Kind::of(&right));
    let result = match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Modulo => left % right,
        _ => return Err(Fault::error("not an arithmetic operator")),
    };
    // The library's message prints both operands, which may be whole lists.
    result.map_err(|_| {
        Fault::Error(format!(
            "cannot compute {operator:?} of {} and {}",
            left_kind.name(),
            right_kind.name()
        ))
    })
}
