//! `'%s of %d'.format([...])`, as the API server prints it.

use std::fmt::Write;

use super::convert::text_of;
use super::{EvaluationError, Value, ValueResult};
use crate::node::Node;
use crate::operators::{entries, no_overload};
use crate::types::Type;
use crate::value::{ValueKey, ValueKind, string};

/// Why a literal template and its literal arguments can never be printed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("{0}")]
    Malformed(String),
    #[error("the format has {verbs} verbs and {arguments} arguments")]
    Count { verbs: usize, arguments: usize },
    #[error("a format cannot print an optional value, nor a value with ? before it")]
    Optional,
    #[error("%{letter} cannot print a value of type {kind}")]
    Type { letter: char, kind: &'static str },
}

/// The most decimals that are printed.
const MAX_PRECISION: usize = 100;

/// One verb of a template, and its precision.
struct Verb {
    letter: char,
    precision: Option<usize>,
}

enum Piece<'a> {
    Text(&'a str),
    Verb(Verb),
}

/// Takes a template apart.
fn pieces(template: &str) -> Result<Vec<Piece<'_>>, EvaluationError> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('%') {
        pieces.push(Piece::Text(text));
        // `%%` prints a percent sign, and takes no argument.
        if let Some(after) = after.strip_prefix('%') {
            pieces.push(Piece::Text("%"));
            rest = after;
            continue;
        }
        let (precision, after) = match after.strip_prefix('.') {
            None => (None, after),
            Some(after) => {
                let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
                let (digits, after) = after.split_at(end);
                let precision = digits.parse().map_err(|_| {
                    EvaluationError::no_value("a format has a precision that is not a number")
                })?;
                (Some(precision), after)
            }
        };
        let mut after = after.chars();
        let letter = after.next().filter(|letter| "sdfebxXo".contains(*letter));
        let letter = letter.ok_or_else(|| {
            EvaluationError::no_value("a format has a % without one of s, d, f, e, b, x and o")
        })?;
        pieces.push(Piece::Verb(Verb { letter, precision }));
        rest = after.as_str();
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// Checks a literal template with a literal list, as the API server does when it compiles. Whatever
/// is only known when it is evaluated is left to `format`.
pub(crate) fn check(nodes: &[Node], list: Option<&Type>) -> Result<(), TemplateError> {
    let [Node::Literal(Value::String(template)), Node::List(elements)] = nodes else {
        return Ok(());
    };
    let pieces = pieces(template).map_err(|error| match error {
        EvaluationError::NoValue(message) | EvaluationError::Refused(message) => {
            TemplateError::Malformed(message)
        }
        EvaluationError::Exhausted => TemplateError::Malformed("the format is too long".to_owned()),
    })?;
    let verbs: Vec<_> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Verb(verb) => Some(verb),
            Piece::Text(_) => None,
        })
        .collect();
    if verbs.len() != elements.len() {
        return Err(TemplateError::Count { verbs: verbs.len(), arguments: elements.len() });
    }
    if elements.iter().any(|(element, optional)| *optional || holds_optional(element)) {
        return Err(TemplateError::Optional);
    }
    // Types of a list with mixed elements are only known when it is evaluated.
    let Some(Type::List(of)) = list else { return Ok(()) };
    let Some(kind) = of.kind() else { return Ok(()) };
    match verbs.iter().find(|verb| !accepts(verb.letter, kind)) {
        Some(verb) => Err(TemplateError::Type { letter: verb.letter, kind: kind.name() }),
        None => Ok(()),
    }
}

/// Whether `?` stands in a literal, however deep.
fn holds_optional(node: &Node) -> bool {
    match node {
        Node::List(elements) => {
            elements.iter().any(|(element, optional)| *optional || holds_optional(element))
        }
        Node::Map(entries) => entries.iter().any(|(key, value, optional)| {
            *optional || holds_optional(key) || holds_optional(value)
        }),
        _ => false,
    }
}

fn accepts(letter: char, kind: ValueKind) -> bool {
    let integer = matches!(kind, ValueKind::Int | ValueKind::Uint);
    match letter {
        'd' | 'o' => integer,
        'f' | 'e' => matches!(kind, ValueKind::Double | ValueKind::String),
        'b' => integer || kind == ValueKind::Bool,
        'x' | 'X' => integer || matches!(kind, ValueKind::String | ValueKind::Bytes),
        _ => !matches!(
            kind,
            ValueKind::Optional
                | ValueKind::Ip
                | ValueKind::Cidr
                | ValueKind::Url
                | ValueKind::Quantity
                | ValueKind::Semver
                | ValueKind::Format
        ),
    }
}

pub(super) fn format(values: &[Value]) -> ValueResult {
    let [Value::String(template), Value::List(arguments)] = values else {
        return Err(EvaluationError::no_value("format() takes a list"));
    };
    let mut arguments = arguments.iter();
    let mut output = String::with_capacity(template.len());
    for piece in pieces(template)? {
        match piece {
            Piece::Text(text) => output.push_str(text),
            Piece::Verb(verb) => {
                let argument = arguments.next().ok_or_else(|| {
                    EvaluationError::no_value("a format has more verbs than arguments")
                })?;
                output.push_str(&print(&verb, argument)?);
            }
        }
    }
    Ok(string(output))
}

fn print(verb: &Verb, argument: &Value) -> Result<String, EvaluationError> {
    match (verb.letter, argument) {
        ('s', _) => plain(argument),
        ('d', Value::Int(_) | Value::Uint(_)) => text_of(argument),
        ('b', Value::Int(number)) => Ok(signed(*number, |size| format!("{size:b}"))),
        ('o', Value::Int(number)) => Ok(signed(*number, |size| format!("{size:o}"))),
        ('x', Value::Int(number)) => Ok(signed(*number, |size| format!("{size:x}"))),
        ('X', Value::Int(number)) => Ok(signed(*number, |size| format!("{size:X}"))),
        ('b', Value::Uint(number)) => Ok(format!("{number:b}")),
        ('o', Value::Uint(number)) => Ok(format!("{number:o}")),
        ('x', Value::Uint(number)) => Ok(format!("{number:x}")),
        ('X', Value::Uint(number)) => Ok(format!("{number:X}")),
        ('b', Value::Bool(flag)) => Ok(u8::from(*flag).to_string()),
        ('x' | 'X', Value::String(text)) => Ok(hex(text.as_bytes(), verb.letter == 'X')),
        ('x' | 'X', Value::Bytes(bytes)) => Ok(hex(bytes, verb.letter == 'X')),
        ('f' | 'e', Value::Double(number)) => double(verb, *number),
        ('f' | 'e', Value::String(text)) => match text.as_ref() {
            "NaN" => double(verb, f64::NAN),
            "Infinity" => double(verb, f64::INFINITY),
            "-Infinity" => double(verb, f64::NEG_INFINITY),
            _ => Err(no_overload("%f", argument)),
        },
        (letter, other) => Err(no_overload(&format!("%{letter}"), other)),
    }
}

fn signed(number: i64, print: fn(u64) -> String) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", print(number.unsigned_abs()))
}

/// Two digits for each byte.
pub(crate) fn hex(bytes: &[u8], upper: bool) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        let _ = if upper { write!(digits, "{byte:02X}") } else { write!(digits, "{byte:02x}") };
        digits
    })
}

/// A double as it is written in English: with groups of thousands, or times a power of ten.
fn double(verb: &Verb, number: f64) -> Result<String, EvaluationError> {
    let precision = verb.precision.unwrap_or(6);
    // The API server prints by the rules of English (golang.org/x/text), infinity included.
    if number.is_infinite() && verb.letter == 'f' {
        return Ok(if number > 0.0 { "∞" } else { "-∞" }.to_owned());
    }
    if precision > MAX_PRECISION || !number.is_finite() || number.to_bits() == (-0.0_f64).to_bits()
    {
        return Err(EvaluationError::Refused(format!(
            "%{} of this double is not printed here as Kubernetes does",
            verb.letter
        )));
    }
    if verb.letter == 'f' {
        return Ok(grouped(&format!("{number:.precision$}")));
    }
    // The API server takes the precision for the width.
    let text = scientific(number);
    let padding = precision.saturating_sub(text.chars().count());
    Ok(format!("{}{text}", " ".repeat(padding)))
}

fn grouped(text: &str) -> String {
    let (number, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number),
    };
    let mut output = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            output.push(',');
        }
        output.push(digit);
    }
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{output}{point}{fraction}")
}

fn scientific(number: f64) -> String {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let text = format!("{number:.6e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ("⁻", exponent),
        None => ("", exponent),
    };
    let raised = |c: char| c.to_digit(10).and_then(|digit| RAISED.get(digit as usize));
    let exponent: String = format!("{exponent:0>2}").chars().filter_map(raised).collect();
    format!("{digits}×10{sign}{exponent}")
}

/// A value as `%s` prints it.
fn plain(argument: &Value) -> Result<String, EvaluationError> {
    match argument {
        Value::List(items) => {
            let items = items.iter().map(literal).collect::<Result<Vec<_>, _>>()?;
            Ok(format!("[{}]", items.join(", ")))
        }
        Value::Map(map) => {
            let entry =
                |(key, item): &(ValueKey, Value)| Ok((literal(&Value::from(key))?, literal(item)?));
            let mut entries =
                entries(map)?.iter().map(entry).collect::<Result<Vec<_>, EvaluationError>>()?;
            // As the library does, by the texts of the keys, so that the output does not depend on the map.
            entries.sort();
            let entries: Vec<_> =
                entries.into_iter().map(|(key, item)| format!("{key}:{item}")).collect();
            Ok(format!("{{{}}}", entries.join(", ")))
        }
        Value::Null => Ok("null".to_owned()),
        Value::Ip(_) | Value::Cidr(_) => Err(no_overload("%s", argument)),
        // The library prints the text of an error for it, which is not reproduced here.
        Value::Bytes(bytes) if std::str::from_utf8(bytes).is_err() => {
            Err(EvaluationError::refused("%s of bytes that are not UTF-8 is not printed here"))
        }
        _ => text_of(argument).map_err(|_| no_overload("%s", argument)),
    }
}

/// A value inside a list or a map, where it is printed as an expression would write it.
fn literal(argument: &Value) -> Result<String, EvaluationError> {
    match argument {
        Value::String(text) => quoted(text),
        Value::Bytes(_) => Ok(format!("b{}", quoted(&plain(argument)?)?)),
        Value::Double(number) if number.is_nan() => Ok("\"NaN\"".to_owned()),
        Value::Double(number) if number.is_infinite() => {
            Ok(if *number > 0.0 { "\"+Inf\"" } else { "\"-Inf\"" }.to_owned())
        }
        Value::Double(number) => Ok(format!("{number:.6}")),
        Value::Timestamp(_) => Ok(format!("timestamp({})", quoted(&plain(argument)?)?)),
        Value::Duration(_) => Ok(format!("duration({})", quoted(&plain(argument)?)?)),
        other => plain(other),
    }
}

/// A string as Go quotes it: what is not printable is escaped.
pub(super) fn quoted(text: &str) -> Result<String, EvaluationError> {
    let mut output = String::from("\"");
    for c in text.chars() {
        match c {
            '\x07' => output.push_str("\\a"),
            '\x08' => output.push_str("\\b"),
            '\x0C' => output.push_str("\\f"),
            '\n' => output.push_str("\\n"),
            '\r' => output.push_str("\\r"),
            '\t' => output.push_str("\\t"),
            '\x0B' => output.push_str("\\v"),
            '"' | '\\' => output.extend(['\\', c]),
            c if c.is_ascii_control() => {
                let _ = write!(output, "\\x{:02x}", u32::from(c));
            }
            c if c.is_ascii() || c.is_alphanumeric() => output.push(c),
            _ => {
                return Err(EvaluationError::refused(
                    "%s of a list or map with signs beyond letters and ASCII is not printed here",
                ));
            }
        }
    }
    output.push('"');
    Ok(output)
}
