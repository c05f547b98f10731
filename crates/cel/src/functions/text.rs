//! Functions of strings. Positions are code points.

use super::{EvaluationError, Value, ValueResult, convert, items, texts};
use crate::operators::no_overload;
use crate::value::{list, string};

fn count(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(super) fn size(values: &[Value]) -> ValueResult {
    let size = match convert::first(values) {
        // Code points, as everywhere in the language: an offset in bytes would fall into one.
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        Value::Map(map) => crate::operators::entries(map)?.len(),
        other => return Err(no_overload("size()", other)),
    };
    Ok(count(size))
}

pub(super) fn contains(values: &[Value]) -> ValueResult {
    let [text, part] = texts(values)?;
    Ok(Value::Bool(text.contains(part)))
}

pub(super) fn starts_with(values: &[Value]) -> ValueResult {
    let [text, part] = texts(values)?;
    Ok(Value::Bool(text.starts_with(part)))
}

pub(super) fn ends_with(values: &[Value]) -> ValueResult {
    let [text, part] = texts(values)?;
    Ok(Value::Bool(text.ends_with(part)))
}

fn out_of_range(function: &str) -> EvaluationError {
    EvaluationError::NoValue(format!("a position of {function}() is out of the string's range"))
}

/// The integer at a position among the arguments.
fn integer(values: &[Value], index: usize) -> Option<i64> {
    match values.get(index) {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    }
}

/// The offset in bytes of a code point, or of the end.
fn offset(text: &str, position: i64) -> Option<usize> {
    let position = usize::try_from(position).ok()?;
    // The end is a position as well: `substring(size())` is an empty string.
    let ends = text.char_indices().map(|(at, _)| at).chain(std::iter::once(text.len()));
    ends.into_iter().nth(position)
}

pub(super) fn char_at(values: &[Value]) -> ValueResult {
    let [text] = texts(values)?;
    let at = integer(values, 1).and_then(|position| offset(text, position));
    let at = at.ok_or_else(|| out_of_range("charAt"))?;
    let c = text.get(at..).and_then(|rest| rest.chars().next());
    Ok(string(c.map(String::from).unwrap_or_default()))
}

pub(super) fn substring(values: &[Value]) -> ValueResult {
    let [text] = texts(values)?;
    let wrong = || out_of_range("substring");
    let start = integer(values, 1).and_then(|start| offset(text, start)).ok_or_else(wrong)?;
    let end = match integer(values, 2) {
        Some(end) => offset(text, end).ok_or_else(wrong)?,
        None => text.len(),
    };
    // An end before the start is no slice, and an error there too.
    text.get(start..end).map(string).ok_or_else(wrong)
}

fn characters(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn found(position: Option<usize>) -> Value {
    position.map_or(Value::Int(-1), count)
}

pub(super) fn index_of(values: &[Value]) -> ValueResult {
    let [text, part] = texts(values)?;
    let from = integer(values, 2).unwrap_or(0);
    // An empty part is found where the search starts, whether or not that is in the text.
    if part.is_empty() {
        return Ok(Value::Int(from));
    }
    let from = usize::try_from(from).map_err(|_| out_of_range("indexOf"))?;
    let (text, part) = (characters(text), characters(part));
    let at = text.get(from..).and_then(|rest| rest.windows(part.len()).position(|at| at == part));
    Ok(found(at.map(|at| from + at)))
}

pub(super) fn last_index_of(values: &[Value]) -> ValueResult {
    let [text, part] = texts(values)?;
    let from = integer(values, 2);
    let (text, part) = (characters(text), characters(part));
    if part.is_empty() {
        return Ok(from.map_or_else(|| count(text.len()), Value::Int));
    }
    let last = match from {
        Some(from) => usize::try_from(from).map_err(|_| out_of_range("lastIndexOf"))?,
        None => text.len().saturating_sub(1),
    };
    // cel-go finds nothing from a position behind the end, rather than call it an error.
    if last >= text.len() {
        return Ok(Value::Int(-1));
    }
    let at = text.windows(part.len()).take(last + 1).rposition(|at| at == part);
    Ok(found(at))
}

pub(super) fn lower_ascii(values: &[Value]) -> ValueResult {
    let [text] = texts(values)?;
    Ok(string(text.to_ascii_lowercase()))
}

pub(super) fn upper_ascii(values: &[Value]) -> ValueResult {
    let [text] = texts(values)?;
    Ok(string(text.to_ascii_uppercase()))
}

/// The spaces that Go trims: those of Unicode.
pub(super) fn trim(values: &[Value]) -> ValueResult {
    let [text] = texts(values)?;
    Ok(string(text.trim()))
}

pub(super) fn replace(values: &[Value]) -> ValueResult {
    let [text, from, to] = texts(values)?;
    // A negative limit is none.
    let limit = integer(values, 3).and_then(|limit| usize::try_from(limit).ok());
    Ok(string(match limit {
        Some(limit) => text.replacen(from, to, limit),
        None => text.replace(from, to),
    }))
}

pub(super) fn split(values: &[Value]) -> ValueResult {
    let [text, separator] = texts(values)?;
    // A negative limit is none, and 0 asks for no parts at all.
    let limit = integer(values, 2).and_then(|limit| usize::try_from(limit).ok());
    let parts: Vec<String> = match limit {
        Some(0) => Vec::new(),
        // Without a separator every character is a part; the last takes the rest.
        limit if separator.is_empty() => {
            let mut parts: Vec<String> = text.chars().map(String::from).collect();
            if let Some(limit) = limit.filter(|limit| *limit < parts.len()) {
                let rest = parts.split_off(limit - 1).concat();
                parts.push(rest);
            }
            parts
        }
        None => text.split(separator).map(String::from).collect(),
        Some(limit) => text.splitn(limit, separator).map(String::from).collect(),
    };
    Ok(list(parts.into_iter().map(string).collect()))
}

pub(super) fn join(values: &[Value]) -> ValueResult {
    let separator = match values.get(1) {
        Some(Value::String(separator)) => separator,
        _ => "",
    };
    let text = |item: &Value| match item {
        Value::String(text) => Ok(text.as_ref().to_owned()),
        other => Err(no_overload("join()", other)),
    };
    let parts = items(values).iter().map(text).collect::<Result<Vec<_>, _>>()?;
    Ok(string(parts.join(separator)))
}

/// A string as a literal of the language: only what would end it or its line is escaped.
pub(super) fn quote(values: &[Value]) -> ValueResult {
    let [text] = texts(values)?;
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        // Not `printf::quoted`, which escapes as Go does: this makes a literal of the language.
        let escaped = match c {
            '\x07' => 'a',
            '\x08' => 'b',
            '\x0C' => 'f',
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            '\x0B' => 'v',
            '\\' | '"' => c,
            c => {
                quoted.push(c);
                continue;
            }
        };
        quoted.extend(['\\', escaped]);
    }
    quoted.push('"');
    Ok(string(quoted))
}
