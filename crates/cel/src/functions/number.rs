//! Numbers as Go reads and prints them.

use super::EvaluationError;

/// Reads a double; `None` when it is none, or too large.
pub(super) fn parse(text: &str) -> Result<Option<f64>, EvaluationError> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    if matches!(lower.as_str(), "inf" | "infinity" | "nan") {
        // Go takes no sign before NaN.
        let number = if lower == "nan" && unsigned.len() == text.len() {
            Some(f64::NAN)
        } else if lower == "nan" {
            None
        } else if text.starts_with('-') {
            Some(f64::NEG_INFINITY)
        } else {
            Some(f64::INFINITY)
        };
        return Ok(number);
    }
    // Go reads them, and Rust's parser does not: refused, rather than taken for no number.
    if lower.starts_with("0x") {
        return Err(EvaluationError::refused("a hexadecimal double is not computed here"));
    }
    if !unsigned.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) {
        return Ok(None);
    }
    // Out of range is an error in Go, and infinite in Rust.
    Ok(text.parse::<f64>().ok().filter(|number| number.is_finite()))
}

/// A number that is none, or none that ends.
fn unbounded(number: f64) -> Option<&'static str> {
    match number {
        _ if number.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

/// The shortest text that reads back as the same double, with an exponent when it is large or
/// small: `%g`.
pub(super) fn shortest(number: f64) -> String {
    if let Some(text) = unbounded(number) {
        return text.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // Where `%g` of Go changes to an exponent.
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Nanoseconds as seconds, with the precision of a double.
#[expect(clippy::cast_precision_loss, reason = "Go prints them so")]
pub(super) fn seconds(nanoseconds: i64) -> String {
    let (whole, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let seconds = whole as f64 + rest as f64 / 1e9;
    format!("{seconds}s")
}
