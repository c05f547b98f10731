//! The value of a plain scalar for kubectl: YAML 1.1 as go-yaml v2 resolves it, then JSON.
//!
//! The parser resolves YAML 1.2, so that `yes`, `010` or `1_000` arrive as text. What it resolves itself is
//! the same in both versions.

/// The value of a plain scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    /// It may be infinite or not a number, which JSON does not have.
    Float(f64),
    /// Text, and nothing else.
    Text,
}

/// Resolves a plain scalar without a tag.
pub(super) fn resolve(text: &str) -> Scalar {
    match text.as_bytes().first() {
        None => Scalar::Null,
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => number(text),
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => {
            word(text)
        }
        Some(_) => Scalar::Text,
    }
}

fn word(text: &str) -> Scalar {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => Scalar::Text,
    }
}

fn number(text: &str) -> Scalar {
    match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        _ => {}
    }
    // Only Go's `strconv.ParseFloat` parses these, and it requires a digit on either side of an underscore.
    if text.starts_with('.') && !separates_digits(text) {
        return Scalar::Text;
    }
    let digits = text.replace('_', "");
    if let Some(integer) = integer(&digits) {
        return integer;
    }
    decimal(&digits).map_or(Scalar::Text, Scalar::Float)
}

/// Whether every underscore is between two digits.
fn separates_digits(text: &str) -> bool {
    let is_digit = |part: Option<&u8>| part.is_some_and(u8::is_ascii_digit);
    let parts: Vec<&[u8]> = text.as_bytes().split(|byte| *byte == b'_').collect();
    parts.windows(2).all(|pair| match pair {
        [left, right] => is_digit(left.last()) && is_digit(right.first()),
        _ => true,
    })
}

/// An integer as Go's `strconv.ParseInt` with base 0 reads it: a leading zero means octal.
fn integer(text: &str) -> Option<Scalar> {
    let (negative, signed, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, true, text.get(1..)?),
        Some(b'+') => (false, true, text.get(1..)?),
        _ => (false, false, text),
    };
    let prefix = digits.get(..2).unwrap_or_default();
    let (radix, digits) = match prefix {
        "0x" | "0X" => (16, digits.get(2..)?),
        "0b" | "0B" => (2, digits.get(2..)?),
        "0o" | "0O" => (8, digits.get(2..)?),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    // A second sign would be read by `from_str_radix`.
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    let value = i128::from(magnitude);
    match i64::try_from(if negative { -value } else { value }) {
        Ok(int) => Some(Scalar::Int(int)),
        Err(_) if signed => None,
        Err(_) => Some(Scalar::Unsigned(magnitude)),
    }
}

fn decimal(text: &str) -> Option<f64> {
    let shaped =
        text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    // Rust reads `inf` and `nan` too; the shape keeps them out.
    shaped.then(|| text.parse::<f64>().ok())?.filter(|float| float.is_finite())
}

/// The integer that JSON writes for a whole float: `1.0` in YAML is `1` when it reaches the API server.
pub(super) fn whole(float: f64) -> Option<i64> {
    if float.fract() != 0.0 || float.abs() >= 1e21 {
        return None;
    }
    // Shortest digits, as Go prints them: a long integer loses the same digits.
    float.to_string().parse().ok()
}

/// A key as text: JSON has no other keys. None for null, which kubectl refuses.
pub(super) fn key(text: &str) -> Option<String> {
    match resolve(text) {
        Scalar::Null => None,
        Scalar::Text => Some(text.to_owned()),
        Scalar::Bool(value) => Some(value.to_string()),
        Scalar::Int(value) => Some(value.to_string()),
        Scalar::Unsigned(value) => Some(value.to_string()),
        Scalar::Float(value) => Some(float_key(value)),
    }
}

/// A float as Go's `%g` writes it in 32 bits, which is how float keys become text.
fn float_key(value: f64) -> String {
    let single: f32 = value.to_string().parse().unwrap_or_default();
    if single.is_nan() {
        return ".nan".into();
    }
    if single.is_infinite() {
        return if single > 0.0 { ".inf" } else { "-.inf" }.into();
    }
    let scientific = format!("{single:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return single.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}
