//! Times and durations, read as Go reads them.

use super::convert::first;
use super::{EvaluationError, Value, ValueResult};
use crate::instant::{Civil, Instant};
use crate::operators::no_overload;

const HOUR: i64 = 3_600_000_000_000;
const MINUTE: i64 = 60_000_000_000;
const SECOND: i64 = 1_000_000_000;

pub(super) fn timestamp(values: &[Value]) -> ValueResult {
    let read = match first(values) {
        Value::String(text) => Instant::parse(text),
        Value::Int(seconds) => Instant::from_unix(*seconds),
        other => return Err(no_overload("timestamp()", other)),
    };
    read.map(Value::Timestamp).ok_or_else(|| {
        EvaluationError::no_value(
            "timestamp() takes a time such as 2026-11-21T08:00:00Z, of the years 1 to 9999",
        )
    })
}

pub(super) fn duration(values: &[Value]) -> ValueResult {
    match first(values) {
        // Declared, and never computed.
        Value::Int(_) => {
            Err(EvaluationError::no_value("duration() takes a text such as '1h30m', not an int"))
        }
        Value::String(text) => go_duration(text).map(Value::Duration).ok_or_else(|| {
            EvaluationError::no_value(
                "duration() takes a duration such as 1h30m, at most in hours and up to 292 years",
            )
        }),
        other => Err(no_overload("duration()", other)),
    }
}

/// Parses a Go duration such as `1h30m` or `-1.5s` to nanoseconds.
fn go_duration(text: &str) -> Option<i64> {
    const LIMIT: u64 = 1 << 63;
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    // The only number that needs no unit.
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (whole, digits, after) = whole_number(rest)?;
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => {
                let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
                after.split_at(end)
            }
            None => ("", after),
        };
        if digits + fraction.len() == 0 {
            return None;
        }
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let unit = unit_of(unit)?;
        // Checked after each step: Go refuses a duration that overflows on the way, even if a later part
        // would bring it back.
        let value = whole.checked_mul(unit).filter(|value| *value <= LIMIT)?;
        let value = value.checked_add(part_of(fraction, unit)).filter(|value| *value <= LIMIT)?;
        total = total.checked_add(value).filter(|total| *total <= LIMIT)?;
        rest = after;
    }
    // The limit is one above the largest int64, which only a negative duration can use.
    if negative {
        return 0_i64.checked_sub_unsigned(total);
    }
    i64::try_from(total).ok()
}

/// A number before a point or a unit, how many digits it has, and the rest.
fn whole_number(text: &str) -> Option<(u64, usize, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let number = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    (number <= 1 << 63).then_some((number, end, rest))
}

fn unit_of(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // The micro sign and the Greek letter look alike, and Go takes both.
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// A fraction of a unit, in the precision of a double. Digits beyond an int64 count for nothing.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Go computes it so; it is at most a unit"
)]
fn part_of(digits: &str, unit: u64) -> u64 {
    let (mut fraction, mut scale) = (0_u64, 1.0_f64);
    for digit in digits.bytes() {
        let next =
            fraction.checked_mul(10).map(|tens| tens.saturating_add(u64::from(digit - b'0')));
        match next.filter(|next| fraction <= (i64::MAX as u64) / 10 && *next <= 1 << 63) {
            Some(next) => fraction = next,
            None => break,
        }
        scale *= 10.0;
    }
    if fraction == 0 {
        return 0;
    }
    (fraction as f64 * (unit as f64 / scale)) as u64
}

/// A part of what calendar and clock show, in UTC or in the zone of the argument.
fn part(values: &[Value], of: fn(&Civil) -> i64) -> ValueResult {
    let Value::Timestamp(time) = first(values) else {
        return Err(no_overload("a part of a time", first(values)));
    };
    // Without a zone all parts are in UTC, whatever offset the timestamp was written with.
    let offset = match values.get(1) {
        Some(Value::String(zone)) => zone_offset(zone)?,
        _ => 0,
    };
    Ok(Value::Int(of(&time.civil(offset))))
}

/// Seconds east of UTC, of a zone such as `+02:00`.
fn zone_offset(zone: &str) -> Result<i64, EvaluationError> {
    let Some((hours, minutes)) = zone.split_once(':') else {
        return match zone {
            "" | "UTC" => Ok(0),
            _ => Err(EvaluationError::Refused(format!(
                "the time zone {zone:?} is not computed here: zones change from release to release; write an offset such as '+02:00'"
            ))),
        };
    };
    let wrong =
        || EvaluationError::no_value("a time zone is an offset such as '+02:00', or a name");
    let (hours, minutes) =
        hours.parse::<i64>().ok().zip(minutes.parse::<i64>().ok()).ok_or_else(wrong)?;
    if hours.abs() > 1_000 || minutes.abs() > 100_000 {
        return Err(EvaluationError::refused("a time zone of so many hours is not computed here"));
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    Ok((hours * 60 + sign * minutes) * 60)
}

pub(super) fn full_year(values: &[Value]) -> ValueResult {
    part(values, |civil| civil.year)
}

/// January is 0, as are the first days of a month and of a year.
pub(super) fn month(values: &[Value]) -> ValueResult {
    part(values, |civil| civil.month - 1)
}

pub(super) fn date(values: &[Value]) -> ValueResult {
    part(values, |civil| civil.day)
}

pub(super) fn day_of_month(values: &[Value]) -> ValueResult {
    part(values, |civil| civil.day - 1)
}

/// 0 on Sunday, as JavaScript counts and ISO 8601 does not.
pub(super) fn day_of_week(values: &[Value]) -> ValueResult {
    part(values, |civil| civil.day_of_week)
}

pub(super) fn day_of_year(values: &[Value]) -> ValueResult {
    part(values, |civil| civil.day_of_year)
}

pub(super) fn hours(values: &[Value]) -> ValueResult {
    part(values, |civil| civil.hour)
}

pub(super) fn minutes(values: &[Value]) -> ValueResult {
    part(values, |civil| civil.minute)
}

pub(super) fn seconds(values: &[Value]) -> ValueResult {
    part(values, |civil| civil.second)
}

pub(super) fn milliseconds(values: &[Value]) -> ValueResult {
    part(values, |civil| civil.millisecond)
}

/// The whole units of a duration, with the rounding of a double.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "Go computes it so"
)]
fn whole_units(values: &[Value], unit: i64) -> ValueResult {
    match first(values) {
        Value::Duration(nanoseconds) => {
            let (whole, rest) = (nanoseconds / unit, nanoseconds % unit);
            Ok(Value::Int((whole as f64 + rest as f64 / unit as f64) as i64))
        }
        other => Err(no_overload("a part of a duration", other)),
    }
}

pub(super) fn duration_hours(values: &[Value]) -> ValueResult {
    whole_units(values, HOUR)
}

pub(super) fn duration_minutes(values: &[Value]) -> ValueResult {
    whole_units(values, MINUTE)
}

pub(super) fn duration_seconds(values: &[Value]) -> ValueResult {
    whole_units(values, SECOND)
}

pub(super) fn duration_milliseconds(values: &[Value]) -> ValueResult {
    match first(values) {
        Value::Duration(nanoseconds) => Ok(Value::Int(nanoseconds / 1_000_000)),
        other => Err(no_overload("a part of a duration", other)),
    }
}
