//! Sums and orders of lists. The library's sum wraps around, and its comparisons accept values
//! that have no order in the language.

use super::{Evaluated, Fault, Value};
use crate::checks::cel::operators;
use crate::checks::cel::value;

fn items(values: &[Value]) -> &[Value] {
    match values.first() {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

pub(super) fn sum(values: &[Value]) -> Evaluated {
    let mut items = items(values).iter().cloned();
    let Some(first) = items.next() else { return Ok(Value::Int(0)) };
    if matches!(first, Value::String(_) | Value::List(_) | Value::Timestamp(_)) {
        return Err(operators::no_overload("sum()", &first));
    }
    items.try_fold(first, |sum, item| {
        (sum + item).map_err(|_| Fault::error("sum() overflows or mixes types"))
    })
}

pub(super) fn is_sorted(values: &[Value]) -> Evaluated {
    for pair in items(values).windows(2) {
        if let [left, right] = pair
            && operators::compare(left, right)?.is_gt()
        {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

pub(super) fn min(values: &[Value]) -> Evaluated {
    extreme(items(values), std::cmp::Ordering::Less)
}

pub(super) fn max(values: &[Value]) -> Evaluated {
    extreme(items(values), std::cmp::Ordering::Greater)
}

fn extreme(items: &[Value], wanted: std::cmp::Ordering) -> Evaluated {
    let (first, rest) = items
        .split_first()
        .ok_or_else(|| Fault::error("the smallest or largest of an empty list"))?;
    let mut best = first;
    for item in rest {
        if operators::compare(item, best)? == wanted {
            best = item;
        }
    }
    Ok(best.clone())
}

pub(super) fn sort(values: &[Value]) -> Evaluated {
    let mut keyed: Vec<_> = items(values).iter().map(|item| (item.clone(), item.clone())).collect();
    operators::sort(&mut keyed)?;
    Ok(value::list(keyed.into_iter().map(|(_, item)| item).collect()))
}
