//! What the operators do with values, as cel-go does it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::evaluate::{Evaluated, Fault};
use super::node::Operator;
use super::value::{self, Found, Key, Kind, Map, Value, optional};

/// Up to so many elements Go sorts by insertion, which keeps the order of equal keys.
const STABLY_SORTED: usize = 12;

/// Sorts items by their keys, which must all be of one comparable type.
pub(super) fn sort(mut keyed: Vec<(Value, Value)>) -> Result<Vec<Value>, Fault> {
    if let Some(((first, _), rest)) = keyed.split_first() {
        if !is_comparable(first) {
            return Err(no_overload("an order", first));
        }
        let kind = Kind::of(first);
        if rest.iter().any(|(key, _)| Kind::of(key) != kind) {
            return Err(Fault::error("cannot sort values of different types"));
        }
    }
    let is_less = |left: &Value, right: &Value| matches!(compare(left, right), Ok(Ordering::Less));
    if keyed.len() <= STABLY_SORTED {
        for end in 1..keyed.len() {
            let mut at = end;
            while let Some([left, right]) =
                at.checked_sub(1).and_then(|below| keyed.get(below..=at))
                && is_less(&right.0, &left.0)
            {
                keyed.swap(at - 1, at);
                at -= 1;
            }
        }
        return Ok(keyed.into_iter().map(|(_, item)| item).collect());
    }
    if keyed.iter().any(|(key, _)| matches!(key, Value::Double(number) if number.is_nan())) {
        return Err(Fault::refused("the order of a list with NaN is not computed here"));
    }
    keyed.sort_by(|(left, _), (right, _)| compare(left, right).unwrap_or(Ordering::Equal));
    for pair in keyed.windows(2) {
        if let [(left, item), (right, other)] = pair
            && !is_less(left, right)
            && !matches!(equal(item, other), Ok(true))
        {
            return Err(Fault::refused(
                "sortBy() of more than 12 elements with equal keys has no certain order",
            ));
        }
    }
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
}

pub(super) fn map_key(key: Value) -> Result<Key, Fault> {
    match key {
        Value::Bool(flag) => Ok(Key::Bool(flag)),
        Value::Int(number) => Ok(Key::Int(number)),
        Value::Uint(number) => Ok(Key::Uint(number)),
        Value::String(text) => Ok(Key::String(text)),
        other => Err(Fault::Refused(format!(
            "a map with a {} for a key is not computed here",
            Kind::of(&other).name()
        ))),
    }
}

pub(super) fn insert(map: &mut BTreeMap<Key, Value>, key: Value, item: Value) -> Result<(), Fault> {
    match map.insert(map_key(key)?, item) {
        None => Ok(()),
        Some(_) => Err(Fault::error("a key of the new map is repeated")),
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

/// Why nothing can be said of a field that only a cluster shows.
fn hidden(name: &str) -> Fault {
    Fault::Refused(format!(
        "{name} is not in the manifest, and only the cluster knows it: judge this control in a cluster, or export the object with it"
    ))
}

/// All entries of a map, when all are known.
pub(super) fn entries(map: &Map) -> Result<&[(Key, Value)], Fault> {
    match map.hides() {
        Some(name) => Err(hidden(name)),
        None => Ok(map.entries()),
    }
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

fn known<'a>(found: &Found<'a>) -> Result<Option<&'a Value>, Fault> {
    match *found {
        Found::Value(value) => Ok(Some(value)),
        Found::Absent => Ok(None),
        Found::Hidden(name) => Err(hidden(name)),
    }
}

/// A field that may be absent: what is neither a map nor a list has no fields at all.
fn presence<'v>(operand: &'v Value, name: &str) -> Result<Option<&'v Value>, Fault> {
    match operand {
        Value::Map(map) => known(&map.find_text(name)),
        Value::List(_) => Err(no_overload(&format!("the field {name}"), operand)),
        _ => Ok(None),
    }
}

pub(super) fn select(operand: &Value, name: &str, is_optional: bool) -> Evaluated {
    match operand {
        Value::Optional(None) => Ok(optional(None)),
        // Selection on an optional stays optional, whichever dot is written.
        Value::Optional(Some(content)) => Ok(optional(presence(content, name)?.cloned())),
        _ if is_optional => Ok(optional(presence(operand, name)?.cloned())),
        _ => presence(operand, name)?.cloned().ok_or_else(|| match operand {
            Value::Map(_) => Fault::Error(format!("no such field: {name}")),
            _ => no_overload(&format!("the field {name}"), operand),
        }),
    }
}

pub(super) fn has(operand: &Value, name: &str) -> Evaluated {
    let operand = match operand {
        Value::Optional(None) => return Ok(Value::Bool(false)),
        Value::Optional(Some(content)) => content,
        _ => operand,
    };
    Ok(Value::Bool(presence(operand, name)?.is_some()))
}

pub(super) fn index_of(operand: &Value, index: &Value, is_optional: bool) -> Evaluated {
    let (container, is_optional) = match operand {
        Value::Optional(None) => return Ok(optional(None)),
        Value::Optional(Some(content)) => (content.as_ref(), true),
        _ => (operand, is_optional),
    };
    let found = match element(container, index) {
        Err(Fault::Error(_))
            if is_optional && !matches!(container, Value::List(_) | Value::Map(_)) =>
        {
            None
        }
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
    match (container, index) {
        (Value::List(items), Value::Int(_) | Value::Uint(_) | Value::Double(_)) => {
            let at = match index {
                Value::Int(index) => usize::try_from(*index).ok(),
                Value::Uint(index) => usize::try_from(*index).ok(),
                // A double that is a whole number is as good an index as an int.
                Value::Double(index) => {
                    let whole = value::whole(*index)
                        .ok_or_else(|| Fault::error("an index must be a whole number"))?;
                    usize::try_from(whole).ok()
                }
                _ => None,
            };
            Ok(at.and_then(|at| items.get(at)))
        }
        (
            Value::Map(map),
            Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::String(_),
        ) => known(&map.find(index)),
        (Value::Map(_), key) => Err(Fault::Refused(format!(
            "a {} for a key of a map is not computed here",
            Kind::of(key).name()
        ))),
        _ => Err(no_overloads("an index", container, index)),
    }
}

pub(super) fn contains(container: &Value, item: &Value) -> Result<bool, Fault> {
    match container {
        Value::List(items) => {
            for candidate in items.iter() {
                match equal(item, candidate) {
                    Ok(true) => return Ok(true),
                    Ok(false) | Err(Fault::Error(_)) => {}
                    Err(fault) => return Err(fault),
                }
            }
            Ok(false)
        }
        Value::Map(map) => known(&map.find(item)).map(|found| found.is_some()),
        _ => Err(no_overload("in", container)),
    }
}

/// Whether two values are equal. What is of different types is not, but numbers are compared
/// whatever their type.
pub(super) fn equal(left: &Value, right: &Value) -> Result<bool, Fault> {
    Ok(match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Null, _) | (_, Value::Null) => false,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (
            Value::Int(_) | Value::Uint(_) | Value::Double(_),
            Value::Int(_) | Value::Uint(_) | Value::Double(_),
        ) => compare(left, right).is_ok_and(Ordering::is_eq),
        (Value::String(left), Value::String(right)) => left == right,
        (Value::Bytes(left), Value::Bytes(right)) => left == right,
        (Value::Timestamp(left), Value::Timestamp(right)) => left == right,
        (Value::Duration(left), Value::Duration(right)) => left == right,
        (Value::Type(left), Value::Type(right)) => left == right,
        (Value::List(left), Value::List(right)) => lists_equal(left, right)?,
        (Value::Map(left), Value::Map(right)) => maps_equal(left, right)?,
        (Value::Optional(left), Value::Optional(right)) => match (left, right) {
            (Some(left), Some(right)) => equal(left, right)?,
            (left, right) => left.is_none() && right.is_none(),
        },
        (Value::Ip(left), Value::Ip(right)) => left == right,
        (Value::Cidr(left), Value::Cidr(right)) => left == right,
        (Value::Quantity(left), Value::Quantity(right)) if !right.is_computed => {
            left.compare(right).is_eq()
        }
        (Value::Semver(left), Value::Semver(right)) => left.compare(right).is_eq(),
        (Value::Format(left), Value::Format(right)) => left == right,
        (Value::Url(left), Value::Url(right)) => left.equals(right)?,
        (
            Value::Ip(_)
            | Value::Cidr(_)
            | Value::Quantity(_)
            | Value::Semver(_)
            | Value::Format(_)
            | Value::Url(_),
            _,
        ) => return Err(no_overloads("==", left, right)),
        _ => false,
    })
}

fn lists_equal(left: &[Value], right: &[Value]) -> Result<bool, Fault> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (left, right) in left.iter().zip(right) {
        if !inner_equal(left, right)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Equality inside a list or a map, where the API server does not say what becomes of an error.
fn inner_equal(left: &Value, right: &Value) -> Result<bool, Fault> {
    equal(left, right).map_err(|fault| match fault {
        Fault::Error(message) => Fault::Refused(message),
        fault => fault,
    })
}

fn maps_equal(left: &Map, right: &Map) -> Result<bool, Fault> {
    let (left_entries, right_entries) = (entries(left)?, entries(right)?);
    if left_entries.len() != right_entries.len() {
        return Ok(false);
    }
    for (key, item) in left_entries {
        match known(&right.find(&Value::from(key)))? {
            Some(other) if inner_equal(item, other)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

fn is_comparable(value: &Value) -> bool {
    matches!(
        value,
        Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Double(_)
            | Value::String(_)
            | Value::Bytes(_)
            | Value::Timestamp(_)
            | Value::Duration(_)
    )
}

/// The order of two values; an error when they have none.
pub(super) fn compare(left: &Value, right: &Value) -> Result<Ordering, Fault> {
    Ok(match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bytes(left), Value::Bytes(right)) => left.cmp(right),
        (Value::Timestamp(left), Value::Timestamp(right)) => left.cmp(right),
        (Value::Duration(left), Value::Duration(right)) | (Value::Int(left), Value::Int(right)) => {
            left.cmp(right)
        }
        (Value::Uint(left), Value::Uint(right)) => left.cmp(right),
        (Value::Int(left), Value::Uint(right)) => i128::from(*left).cmp(&i128::from(*right)),
        (Value::Uint(left), Value::Int(right)) => i128::from(*left).cmp(&i128::from(*right)),
        (Value::Double(left), Value::Double(right)) => doubles(*left, *right)?,
        (Value::Double(left), Value::Int(_) | Value::Uint(_)) => with_integer(*left, right)?,
        (Value::Int(_) | Value::Uint(_), Value::Double(right)) => {
            with_integer(*right, left)?.reverse()
        }
        _ => return Err(no_overloads("an ordering", left, right)),
    })
}

fn doubles(left: f64, right: f64) -> Result<Ordering, Fault> {
    left.partial_cmp(&right).ok_or_else(|| Fault::error("NaN cannot be compared"))
}

/// A double and an integer, which becomes a double.
#[expect(clippy::cast_precision_loss, reason = "the API server compares with this precision too")]
fn with_integer(double: f64, integer: &Value) -> Result<Ordering, Fault> {
    let (min, max, integer) = match integer {
        Value::Int(number) => (i64::MIN as f64, i64::MAX as f64, *number as f64),
        Value::Uint(number) => (0.0, u64::MAX as f64, *number as f64),
        other => return Err(no_overload("an ordering", other)),
    };
    if double < min {
        return Ok(Ordering::Less);
    }
    if double > max {
        return Ok(Ordering::Greater);
    }
    doubles(double, integer)
}

pub(super) fn negate(operand: &Value) -> Evaluated {
    match operand {
        Value::Int(number) => {
            number.checked_neg().map(Value::Int).ok_or_else(|| Fault::error("integer overflow"))
        }
        Value::Duration(number) => number
            .checked_neg()
            .map(Value::Duration)
            .ok_or_else(|| Fault::error("duration overflow")),
        Value::Double(number) => Ok(Value::Double(-number)),
        _ => Err(no_overload("-", operand)),
    }
}

/// What `+`, `-`, `*`, `/` and `%` make of two values.
pub(super) fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Evaluated {
    let overflow = || Fault::Error(format!("{} of these values is out of range", operator.mark()));
    let computed = match (left, right) {
        (Value::Int(left), Value::Int(right)) => int(operator, *left, *right).map(Value::Int),
        (Value::Uint(left), Value::Uint(right)) => uint(operator, *left, *right).map(Value::Uint),
        (Value::Double(left), Value::Double(right)) => {
            return double(operator, *left, *right).map(Value::Double).ok_or_else(|| {
                no_overloads(operator.mark(), &Value::Double(*left), &Value::Double(*right))
            });
        }
        (Value::Duration(left), Value::Duration(right)) if is_sum(operator) => {
            int(operator, *left, *right).map(Value::Duration)
        }
        (Value::Timestamp(time), Value::Duration(duration)) if is_sum(operator) => {
            let duration =
                if operator == Operator::Add { Some(*duration) } else { duration.checked_neg() };
            duration.and_then(|duration| time.plus(duration)).map(Value::Timestamp)
        }
        (Value::Duration(duration), Value::Timestamp(time)) if operator == Operator::Add => {
            time.plus(*duration).map(Value::Timestamp)
        }
        (Value::Timestamp(left), Value::Timestamp(right)) if operator == Operator::Subtract => {
            left.since(*right).map(Value::Duration)
        }
        (Value::String(left), Value::String(right)) if operator == Operator::Add => {
            Some(value::string(format!("{left}{right}")))
        }
        (Value::Bytes(left), Value::Bytes(right)) if operator == Operator::Add => {
            Some(Value::Bytes([left.as_ref(), right.as_ref()].concat().into()))
        }
        (Value::List(left), Value::List(right)) if operator == Operator::Add => {
            Some(value::list(left.iter().chain(right.iter()).cloned().collect()))
        }
        _ => return Err(no_overloads(operator.mark(), left, right)),
    };
    computed.ok_or_else(overflow)
}

fn is_sum(operator: Operator) -> bool {
    matches!(operator, Operator::Add | Operator::Subtract)
}

fn int(operator: Operator, left: i64, right: i64) -> Option<i64> {
    match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide => left.checked_div(right),
        Operator::Modulo => left.checked_rem(right),
        _ => None,
    }
}

fn uint(operator: Operator, left: u64, right: u64) -> Option<u64> {
    match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide => left.checked_div(right),
        Operator::Modulo => left.checked_rem(right),
        _ => None,
    }
}

fn double(operator: Operator, left: f64, right: f64) -> Option<f64> {
    match operator {
        Operator::Add => Some(left + right),
        Operator::Subtract => Some(left - right),
        Operator::Multiply => Some(left * right),
        Operator::Divide => Some(left / right),
        _ => None,
    }
}
