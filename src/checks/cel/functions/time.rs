//! Times and durations, read as Go reads them and always told in UTC.

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use kube_cel::cel::common::ast::{CallExpr, Expr as Tree, IdedExpr};

use super::{Evaluated, Fault, Value, call_library};
use crate::checks::cel::value::string;

/// Parses RFC 3339 strictly, as Go does.
pub(super) fn timestamp(values: &[Value]) -> Evaluated {
    let [Value::String(text)] = values else {
        return Err(Fault::error("timestamp() takes a string"));
    };
    let wrong = || Fault::error("timestamp() takes a time such as 2026-11-21T08:00:00Z");
    if !is_rfc3339(text) {
        return Err(wrong());
    }
    text.parse::<jiff::Timestamp>().map_err(|_| wrong())?;
    library("timestamp", text.as_str().to_owned())
}

fn is_rfc3339(text: &str) -> bool {
    let Some((head, tail)) = text.split_at_checked(19) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let shape = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text.bytes().zip(shape.bytes()).all(|(byte, wanted)| {
                if wanted == b'0' { byte.is_ascii_digit() } else { byte == wanted }
            })
    };
    let zone = match tail.strip_prefix('.') {
        Some(fraction) => {
            let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
            let (fraction, zone) = fraction.split_at(end);
            // Go reads more digits than nanoseconds have; none of them would be kept.
            if !digits(fraction) || fraction.len() > 9 {
                return false;
            }
            zone
        }
        None => tail,
    };
    // A leap second is no time for Go.
    shape(head, "0000-00-00T00:00:00")
        && !head.ends_with(":60")
        && (zone == "Z" || shape(zone, "+00:00") || shape(zone, "-00:00"))
}

/// Parses a Go duration such as `1h30m` or `-1.5s`.
pub(super) fn duration(values: &[Value]) -> Evaluated {
    let [Value::String(text)] = values else {
        return Err(Fault::error("duration() takes a string"));
    };
    let nanoseconds = go_duration(text).ok_or_else(|| {
        Fault::error("duration() takes a duration such as 1h30m, at most in hours")
    })?;
    // The library multiplies in floating point, which is exact for whole seconds and for the rest.
    let (sign, size) = if nanoseconds < 0 { ("-", -nanoseconds) } else { ("", nanoseconds) };
    library("duration", format!("{sign}{}s{}ns", size / 1_000_000_000, size % 1_000_000_000))
}

fn go_duration(text: &str) -> Option<i128> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() || rest.len() > 64 {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let digits_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0
            || whole.len() > 18
            || fraction.len() > 12
            || fraction.contains('.')
        {
            return None;
        }
        let fraction_scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        total += digits * scale / fraction_scale;
        rest = after;
    }
    let limit = i128::from(i64::MAX);
    (total <= limit).then_some(if negative { -total } else { total })
}

fn library(name: &str, text: String) -> Evaluated {
    let operand = IdedExpr { id: 0, expr: Tree::Ident("@0".to_owned()) };
    let call = CallExpr { func_name: name.to_owned(), target: None, args: vec![operand] };
    call_library(name, &IdedExpr { id: 0, expr: Tree::Call(call) }, vec![string(text)])
}

/// The moment in UTC.
fn utc(value: &Value) -> Result<jiff::Zoned, Fault> {
    let Value::Timestamp(time) = value else { return Err(Fault::error("this takes a timestamp")) };
    let nanoseconds = i32::try_from(time.timestamp_subsec_nanos()).unwrap_or(0);
    jiff::Timestamp::new(time.timestamp(), nanoseconds)
        .map(|time| time.to_zoned(TimeZone::UTC))
        .map_err(|_| Fault::error("the time is out of range"))
}

pub(super) fn unix_seconds(value: &Value) -> Evaluated {
    utc(value).map(|time| Value::Int(time.timestamp().as_second()))
}

fn span(value: &Value) -> Option<SignedDuration> {
    let Value::Duration(duration) = value else { return None };
    duration.num_nanoseconds().map(SignedDuration::from_nanos)
}

pub(super) fn timestamp_text(values: &[Value]) -> Evaluated {
    let value = values.first().unwrap_or(&Value::Null);
    if matches!(value, Value::Timestamp(time) if time.offset().local_minus_utc() != 0) {
        return Err(Fault::error("a timestamp that is not in UTC has no text here"));
    }
    Ok(string(utc(value)?.timestamp().to_string()))
}

/// A duration as text is its seconds.
pub(super) fn duration_text(values: &[Value]) -> Evaluated {
    let span = values
        .first()
        .and_then(span)
        .ok_or_else(|| Fault::error("the duration is out of range"))?;
    let nanoseconds = span.as_nanos();
    let (sign, size) = if nanoseconds < 0 { ("-", -nanoseconds) } else { ("", nanoseconds) };
    let fraction = format!("{:09}", size % 1_000_000_000);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    Ok(string(format!("{sign}{}{point}{fraction}s", size / 1_000_000_000)))
}

fn part(values: &[Value], of_time: fn(&jiff::Zoned) -> i64) -> Evaluated {
    utc(values.first().unwrap_or(&Value::Null)).map(|time| Value::Int(of_time(&time)))
}

fn part_or_total(
    values: &[Value],
    of_time: fn(&jiff::Zoned) -> i64,
    unit_nanoseconds: i128,
) -> Evaluated {
    match values.first() {
        Some(value @ Value::Duration(_)) => {
            let span = span(value).ok_or_else(|| Fault::error("the duration is out of range"))?;
            i64::try_from(span.as_nanos() / unit_nanoseconds)
                .map(Value::Int)
                .map_err(|_| Fault::error("the duration is out of range"))
        }
        _ => part(values, of_time),
    }
}

pub(super) fn full_year(values: &[Value]) -> Evaluated {
    part(values, |time| i64::from(time.year()))
}

/// January is 0, as are the first days of a month and of a year.
pub(super) fn month(values: &[Value]) -> Evaluated {
    part(values, |time| i64::from(time.month()) - 1)
}

pub(super) fn date(values: &[Value]) -> Evaluated {
    part(values, |time| i64::from(time.day()))
}

pub(super) fn day_of_month(values: &[Value]) -> Evaluated {
    part(values, |time| i64::from(time.day()) - 1)
}

/// Sunday is 0.
pub(super) fn day_of_week(values: &[Value]) -> Evaluated {
    part(values, |time| i64::from(time.weekday().to_sunday_zero_offset()))
}

pub(super) fn day_of_year(values: &[Value]) -> Evaluated {
    part(values, |time| i64::from(time.day_of_year()) - 1)
}

pub(super) fn hours(values: &[Value]) -> Evaluated {
    part_or_total(values, |time| i64::from(time.hour()), 3_600_000_000_000)
}

pub(super) fn minutes(values: &[Value]) -> Evaluated {
    part_or_total(values, |time| i64::from(time.minute()), 60_000_000_000)
}

pub(super) fn seconds(values: &[Value]) -> Evaluated {
    part_or_total(values, |time| i64::from(time.second()), 1_000_000_000)
}

pub(super) fn milliseconds(values: &[Value]) -> Evaluated {
    part_or_total(values, |time| i64::from(time.millisecond()), 1_000_000)
}
