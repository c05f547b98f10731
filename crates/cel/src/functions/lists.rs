//! Lists, and lists as sets.

use super::{EvaluationError, Value, ValueResult, items};
use crate::node::BinaryOperator;
use crate::operators::{self, no_overload};
use crate::value::list;

/// How deep lists are flattened at most; no object is nested deeper.
const MAX_DEPTH: i64 = 100;

fn sum(values: &[Value], zero: Value) -> ValueResult {
    items(values)
        .iter()
        .try_fold(zero, |sum, item| operators::arithmetic(BinaryOperator::Add, &sum, item))
}

pub(super) fn sum_ints(values: &[Value]) -> ValueResult {
    sum(values, Value::Int(0))
}

pub(super) fn sum_uints(values: &[Value]) -> ValueResult {
    sum(values, Value::Uint(0))
}

pub(super) fn sum_doubles(values: &[Value]) -> ValueResult {
    sum(values, Value::Double(0.0))
}

pub(super) fn sum_durations(values: &[Value]) -> ValueResult {
    sum(values, Value::Duration(0))
}

/// Refuses a list with an element that has no order with anything.
fn comparable(values: &[Value]) -> Result<&[Value], EvaluationError> {
    let items = items(values);
    match items.iter().find(|item| operators::compare(item, item).is_err() && !is_nan(item)) {
        // NaN has no order with itself and is still a number: it is passed over, not refused.
        Some(item) => Err(no_overload("an order", item)),
        None => Ok(items),
    }
}

fn is_nan(value: &Value) -> bool {
    matches!(value, Value::Double(number) if number.is_nan())
}

// What cannot be compared is skipped, as there.

pub(super) fn is_sorted(values: &[Value]) -> ValueResult {
    let falls = |pair: &[Value]| match pair {
        [left, right] => operators::compare(left, right).is_ok_and(std::cmp::Ordering::is_gt),
        _ => false,
    };
    Ok(Value::Bool(!comparable(values)?.windows(2).any(falls)))
}

pub(super) fn min(values: &[Value]) -> ValueResult {
    extreme(values, std::cmp::Ordering::Greater)
}

pub(super) fn max(values: &[Value]) -> ValueResult {
    extreme(values, std::cmp::Ordering::Less)
}

/// The last element that no other is preferred to: `worse` is what a best one so far must be.
fn extreme(values: &[Value], worse: std::cmp::Ordering) -> ValueResult {
    let (first, rest) = comparable(values)?
        .split_first()
        .ok_or_else(|| EvaluationError::no_value("the smallest or largest of an empty list"))?;
    // The first of equals is kept. What can't be compared with the best so far (NaN) is passed over.
    let mut best = first;
    for item in rest {
        if operators::compare(best, item).is_ok_and(|order| order == worse) {
            best = item;
        }
    }
    Ok(best.clone())
}

fn equal(left: &Value, right: &Value) -> Result<bool, EvaluationError> {
    match operators::equal(left, right) {
        // Values of types without an equality are not equal, in these functions.
        Err(EvaluationError::NoValue(_)) => Ok(false),
        equal => equal,
    }
}

fn position<'a>(
    mut candidates: impl Iterator<Item = (usize, &'a Value)>,
    wanted: &Value,
) -> ValueResult {
    let found = candidates.find_map(|(index, item)| match equal(item, wanted) {
        Ok(true) => Some(Ok(index)),
        Ok(false) => None,
        Err(error) => Some(Err(error)),
    });
    Ok(Value::Int(found.transpose()?.map_or(-1, |index| i64::try_from(index).unwrap_or(i64::MAX))))
}

fn argument(values: &[Value]) -> &Value {
    values.get(1).unwrap_or(&Value::Null)
}

pub(super) fn index_of(values: &[Value]) -> ValueResult {
    position(items(values).iter().enumerate(), argument(values))
}

pub(super) fn last_index_of(values: &[Value]) -> ValueResult {
    position(items(values).iter().enumerate().rev(), argument(values))
}

pub(super) fn slice(values: &[Value]) -> ValueResult {
    let range = match values {
        [_, Value::Int(start), Value::Int(end)] => {
            usize::try_from(*start).ok().zip(usize::try_from(*end).ok())
        }
        _ => None,
    };
    range
        // None for a start behind the end as well.
        .and_then(|(start, end)| items(values).get(start..end))
        .map(|items| list(items.to_vec()))
        .ok_or_else(|| EvaluationError::no_value("slice() is out of the list's range"))
}

pub(super) fn flatten(values: &[Value]) -> ValueResult {
    if !matches!(values.first(), Some(Value::List(_))) {
        return Err(EvaluationError::no_value("flatten() applies to a list"));
    }
    let depth = match values.get(1) {
        None => 1,
        Some(Value::Int(depth)) => *depth,
        Some(other) => return Err(no_overload("flatten()", other)),
    };
    if depth < 0 {
        return Err(EvaluationError::no_value("the depth of flatten() must not be negative"));
    }
    // No object is nested deeper, so a larger depth flattens no more, and recursion stays bounded.
    let mut flat = Vec::new();
    add_flat(items(values), depth.min(MAX_DEPTH), &mut flat);
    Ok(list(flat))
}

fn add_flat(items: &[Value], depth: i64, flat: &mut Vec<Value>) {
    for item in items {
        match item {
            Value::List(inner) if depth > 0 => add_flat(inner, depth - 1, flat),
            _ => flat.push(item.clone()),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the signature of a function")]
pub(super) fn reverse(values: &[Value]) -> ValueResult {
    Ok(list(items(values).iter().rev().cloned().collect()))
}

pub(super) fn distinct(values: &[Value]) -> ValueResult {
    // Each with each, since values have an equality and no hash that agrees with it: 1 == 1.0. The cost is
    // charged before the call.
    let mut distinct: Vec<Value> = Vec::new();
    for item in items(values) {
        let mut seen = false;
        for other in &distinct {
            seen = seen || equal(item, other)?;
        }
        if !seen {
            distinct.push(item.clone());
        }
    }
    Ok(list(distinct))
}

pub(super) fn sort(values: &[Value]) -> ValueResult {
    if !matches!(values.first(), Some(Value::List(_))) {
        return Err(EvaluationError::no_value("sort() applies to a list"));
    }
    operators::sort(items(values).iter().map(|item| (item.clone(), item.clone())).collect())
        .map(list)
}

pub(super) fn range(values: &[Value]) -> ValueResult {
    match values {
        // A range of any length was paid for before the call, so it fits into memory.
        [Value::Int(end)] => Ok(list((0..*end).map(Value::Int).collect())),
        _ => Err(EvaluationError::no_value("lists.range() takes an int")),
    }
}

/// The two sets of a call.
fn sets(values: &[Value]) -> (&[Value], &[Value]) {
    (items(values), items(values.get(1..).unwrap_or(&[])))
}

fn holds(set: &[Value], wanted: &Value) -> Result<bool, EvaluationError> {
    for item in set {
        if equal(wanted, item)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn holds_all(set: &[Value], wanted: &[Value]) -> Result<bool, EvaluationError> {
    for item in wanted {
        if !holds(set, item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn contains_all(values: &[Value]) -> ValueResult {
    let (set, wanted) = sets(values);
    holds_all(set, wanted).map(Value::Bool)
}

pub(super) fn equivalent(values: &[Value]) -> ValueResult {
    let (left, right) = sets(values);
    Ok(Value::Bool(holds_all(left, right)? && holds_all(right, left)?))
}

pub(super) fn intersects(values: &[Value]) -> ValueResult {
    let (left, right) = sets(values);
    for item in left {
        if holds(right, item)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}
