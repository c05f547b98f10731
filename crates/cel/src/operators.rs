//! What the operators do with values, as cel-go does it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::evaluate::{EvaluationError, ValueResult};
use super::node::BinaryOperator;
use super::value::{self, Lookup, Map, Value, ValueKey, ValueKind, optional};

/// Up to so many elements Go sorts by insertion, which keeps the order of equal keys.
const STABLY_SORTED: usize = 12;

/// Sorts items by their keys, which must all be of one comparable type.
pub(super) fn sort(mut keyed: Vec<(Value, Value)>) -> Result<Vec<Value>, EvaluationError> {
    if let Some(((first, _), rest)) = keyed.split_first() {
        if !is_comparable(first) {
            return Err(no_overload("an order", first));
        }
        let kind = ValueKind::of(first);
        if rest.iter().any(|(key, _)| ValueKind::of(key) != kind) {
            return Err(EvaluationError::no_value("cannot sort values of different types"));
        }
    }
    let is_less = |left: &Value, right: &Value| matches!(compare(left, right), Ok(Ordering::Less));
    // Go's sort is not stable. Up to this length it is an insertion sort, whose result is known, NaN
    // included; a longer list is sorted here only where every stable or unstable sort agrees.
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
        return Err(EvaluationError::refused("the order of a list with NaN is not computed here"));
    }
    keyed.sort_by(|(left, _), (right, _)| compare(left, right).unwrap_or(Ordering::Equal));
    // Equal keys of equal items may stand in any order without a difference.
    for pair in keyed.windows(2) {
        if let [(left, item), (right, other)] = pair
            && !is_less(left, right)
            && !matches!(equal(item, other), Ok(true))
        {
            return Err(EvaluationError::refused(
                "sortBy() of more than 12 elements with equal keys has no certain order",
            ));
        }
    }
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
}

/// Refuses keys of other types. cel-go takes some of them, and finds them again by rules that are not
/// followed here.
pub(super) fn map_key(key: Value) -> Result<ValueKey, EvaluationError> {
    match key {
        Value::Bool(flag) => Ok(ValueKey::Bool(flag)),
        Value::Int(number) => Ok(ValueKey::Int(number)),
        Value::Uint(number) => Ok(ValueKey::Uint(number)),
        Value::String(text) => Ok(ValueKey::String(text)),
        other => Err(EvaluationError::Refused(format!(
            "a map with a {} for a key is not computed here",
            ValueKind::of(&other).name()
        ))),
    }
}

/// Adds an entry to the map that a macro makes, whose keys must differ.
pub(super) fn insert(
    map: &mut BTreeMap<ValueKey, Value>,
    key: Value,
    item: Value,
) -> Result<(), EvaluationError> {
    match map.insert(map_key(key)?, item) {
        None => Ok(()),
        Some(_) => Err(EvaluationError::no_value("a key of the new map is repeated")),
    }
}

pub(super) fn no_overload(operation: &str, operand: &Value) -> EvaluationError {
    EvaluationError::NoValue(format!(
        "{operation} does not apply to a value of type {}",
        ValueKind::of(operand).name()
    ))
}

fn no_overloads(operation: &str, left: &Value, right: &Value) -> EvaluationError {
    let (left, right) = (ValueKind::of(left).name(), ValueKind::of(right).name());
    EvaluationError::NoValue(format!("{operation} does not apply to {left} and {right}"))
}

/// Why nothing can be said of a field that only a cluster shows.
fn hidden(name: &str) -> EvaluationError {
    EvaluationError::Refused(format!(
        "{name} is not in the manifest, and only the cluster knows it: judge the object in a cluster, or export it with this field"
    ))
}

/// All entries of a map; refused when one may be missing, since walking over the others would give
/// a certain answer from half a map.
pub(super) fn entries(map: &Map) -> Result<&[(ValueKey, Value)], EvaluationError> {
    match map.hides() {
        Some(name) => Err(hidden(name)),
        None => Ok(map.entries()),
    }
}

pub(super) fn as_bool(value: &Value) -> Result<bool, EvaluationError> {
    match value {
        Value::Bool(value) => Ok(*value),
        _ => Err(EvaluationError::NoValue(format!(
            "a condition must be a bool, not a {}",
            ValueKind::of(value).name()
        ))),
    }
}

fn known<'a>(found: &Lookup<'a>) -> Result<Option<&'a Value>, EvaluationError> {
    match *found {
        Lookup::Value(value) => Ok(Some(value)),
        Lookup::Absent => Ok(None),
        Lookup::Hidden(name) => Err(hidden(name)),
    }
}

/// A field that may be absent: what is neither a map nor a list has no fields at all.
fn presence<'v>(operand: &'v Value, name: &str) -> Result<Option<&'v Value>, EvaluationError> {
    match operand {
        Value::Map(map) => known(&map.find_text(name)),
        Value::List(_) => Err(no_overload(&format!("the field {name}"), operand)),
        _ => Ok(None),
    }
}

pub(super) fn select(operand: &Value, name: &str, is_optional: bool) -> ValueResult {
    match operand {
        Value::Optional(None) => Ok(optional(None)),
        // Selection on an optional stays optional, whichever dot is written.
        Value::Optional(Some(content)) => Ok(optional(presence(content, name)?.cloned())),
        _ if is_optional => Ok(optional(presence(operand, name)?.cloned())),
        _ => presence(operand, name)?.cloned().ok_or_else(|| match operand {
            Value::Map(_) => EvaluationError::NoValue(format!("no such field: {name}")),
            _ => no_overload(&format!("the field {name}"), operand),
        }),
    }
}

pub(super) fn has(operand: &Value, name: &str) -> ValueResult {
    let operand = match operand {
        Value::Optional(None) => return Ok(Value::Bool(false)),
        Value::Optional(Some(content)) => content,
        _ => operand,
    };
    Ok(Value::Bool(presence(operand, name)?.is_some()))
}

pub(super) fn index_of(operand: &Value, index: &Value, is_optional: bool) -> ValueResult {
    let (container, is_optional) = match operand {
        Value::Optional(None) => return Ok(optional(None)),
        Value::Optional(Some(content)) => (content.as_ref(), true),
        _ => (operand, is_optional),
    };
    let found = match element(container, index) {
        // Of what can't be indexed at all, an optional index is simply absent.
        Err(EvaluationError::NoValue(_))
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
        Value::String(key) => EvaluationError::NoValue(format!("no such key: {key}")),
        Value::Int(index) => EvaluationError::NoValue(format!("no element {index}")),
        _ => EvaluationError::no_value("no such key or element"),
    })
}

fn element<'v>(container: &'v Value, index: &Value) -> Result<Option<&'v Value>, EvaluationError> {
    match (container, index) {
        (Value::List(items), Value::Int(_) | Value::Uint(_) | Value::Double(_)) => {
            let at = match index {
                Value::Int(index) => usize::try_from(*index).ok(),
                Value::Uint(index) => usize::try_from(*index).ok(),
                // A double that is a whole number is as good an index as an int.
                Value::Double(index) => {
                    let whole = value::whole(*index).ok_or_else(|| {
                        EvaluationError::no_value("an index must be a whole number")
                    })?;
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
        (Value::Map(_), key) => Err(EvaluationError::Refused(format!(
            "a {} for a key of a map is not computed here",
            ValueKind::of(key).name()
        ))),
        _ => Err(no_overloads("an index", container, index)),
    }
}

pub(super) fn contains(container: &Value, item: &Value) -> Result<bool, EvaluationError> {
    match container {
        Value::List(items) => {
            for candidate in items.iter() {
                match equal(item, candidate) {
                    Ok(true) => return Ok(true),
                    // What cannot be compared is not the item: cel-go goes on, too.
                    Ok(false) | Err(EvaluationError::NoValue(_)) => {}
                    Err(error) => return Err(error),
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
pub(super) fn equal(left: &Value, right: &Value) -> Result<bool, EvaluationError> {
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
        // A computed quantity on the right falls through to the error below, as in the library.
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

fn lists_equal(left: &[Value], right: &[Value]) -> Result<bool, EvaluationError> {
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
fn inner_equal(left: &Value, right: &Value) -> Result<bool, EvaluationError> {
    equal(left, right).map_err(|error| match error {
        EvaluationError::NoValue(message) => EvaluationError::Refused(message),
        error => error,
    })
}

fn maps_equal(left: &Map, right: &Map) -> Result<bool, EvaluationError> {
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
pub(super) fn compare(left: &Value, right: &Value) -> Result<Ordering, EvaluationError> {
    Ok(match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bytes(left), Value::Bytes(right)) => left.cmp(right),
        (Value::Timestamp(left), Value::Timestamp(right)) => left.cmp(right),
        (Value::Duration(left), Value::Duration(right)) | (Value::Int(left), Value::Int(right)) => {
            left.cmp(right)
        }
        (Value::Uint(left), Value::Uint(right)) => left.cmp(right),
        // Wide enough for both, so that -1 is less than the largest uint.
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

fn doubles(left: f64, right: f64) -> Result<Ordering, EvaluationError> {
    left.partial_cmp(&right).ok_or_else(|| EvaluationError::no_value("NaN cannot be compared"))
}

/// Compares a double with an integer, which becomes a double: above 2^53 different integers may
/// equal the same double.
#[expect(clippy::cast_precision_loss, reason = "the API server compares with this precision too")]
fn with_integer(double: f64, integer: &Value) -> Result<Ordering, EvaluationError> {
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

pub(super) fn negate(operand: &Value) -> ValueResult {
    match operand {
        Value::Int(number) => number
            .checked_neg()
            .map(Value::Int)
            .ok_or_else(|| EvaluationError::no_value("integer overflow")),
        Value::Duration(number) => number
            .checked_neg()
            .map(Value::Duration)
            .ok_or_else(|| EvaluationError::no_value("duration overflow")),
        Value::Double(number) => Ok(Value::Double(-number)),
        _ => Err(no_overload("-", operand)),
    }
}

/// What `+`, `-`, `*`, `/` and `%` make of two values.
pub(super) fn arithmetic(operator: BinaryOperator, left: &Value, right: &Value) -> ValueResult {
    let overflow =
        || EvaluationError::NoValue(format!("{} of these values is out of range", operator.mark()));
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
            let duration = if operator == BinaryOperator::Add {
                Some(*duration)
            } else {
                duration.checked_neg()
            };
            duration.and_then(|duration| time.plus(duration)).map(Value::Timestamp)
        }
        (Value::Duration(duration), Value::Timestamp(time)) if operator == BinaryOperator::Add => {
            time.plus(*duration).map(Value::Timestamp)
        }
        (Value::Timestamp(left), Value::Timestamp(right))
            if operator == BinaryOperator::Subtract =>
        {
            left.since(*right).map(Value::Duration)
        }
        (Value::String(left), Value::String(right)) if operator == BinaryOperator::Add => {
            Some(value::string(format!("{left}{right}")))
        }
        (Value::Bytes(left), Value::Bytes(right)) if operator == BinaryOperator::Add => {
            Some(Value::Bytes([left.as_ref(), right.as_ref()].concat().into()))
        }
        (Value::List(left), Value::List(right)) if operator == BinaryOperator::Add => {
            Some(value::list(left.iter().chain(right.iter()).cloned().collect()))
        }
        _ => return Err(no_overloads(operator.mark(), left, right)),
    };
    computed.ok_or_else(overflow)
}

fn is_sum(operator: BinaryOperator) -> bool {
    matches!(operator, BinaryOperator::Add | BinaryOperator::Subtract)
}

fn int(operator: BinaryOperator, left: i64, right: i64) -> Option<i64> {
    match operator {
        BinaryOperator::Add => left.checked_add(right),
        BinaryOperator::Subtract => left.checked_sub(right),
        BinaryOperator::Multiply => left.checked_mul(right),
        BinaryOperator::Divide => left.checked_div(right),
        BinaryOperator::Modulo => left.checked_rem(right),
        _ => None,
    }
}

fn uint(operator: BinaryOperator, left: u64, right: u64) -> Option<u64> {
    match operator {
        BinaryOperator::Add => left.checked_add(right),
        BinaryOperator::Subtract => left.checked_sub(right),
        BinaryOperator::Multiply => left.checked_mul(right),
        BinaryOperator::Divide => left.checked_div(right),
        BinaryOperator::Modulo => left.checked_rem(right),
        _ => None,
    }
}

fn double(operator: BinaryOperator, left: f64, right: f64) -> Option<f64> {
    match operator {
        BinaryOperator::Add => Some(left + right),
        BinaryOperator::Subtract => Some(left - right),
        BinaryOperator::Multiply => Some(left * right),
        BinaryOperator::Divide => Some(left / right),
        _ => None,
    }
}
