//! Text functions whose results differ from the library's: lengths are in code points, and
//! nothing is formatted that Go would print otherwise.

use super::{Evaluated, Fault, Value, convert, time};
use crate::checks::cel::operators::no_overload;
use crate::checks::cel::value::{Kind, list, string};

/// The most digits that a format may ask for after the point.
const MAX_PRECISION: usize = 100;

fn count(items: usize) -> Value {
    Value::Int(i64::try_from(items).unwrap_or(i64::MAX))
}

pub(super) fn size(values: &[Value]) -> Evaluated {
    match values {
        [Value::String(text)] => Ok(count(text.chars().count())),
        [Value::Bytes(bytes)] => Ok(count(bytes.len())),
        [Value::List(items)] => Ok(count(items.len())),
        [Value::Map(map)] => Ok(count(map.map.len())),
        _ => Err(Fault::error("size() has no overload for this value")),
    }
}

pub(super) fn index_of_from(values: &[Value]) -> Evaluated {
    let [Value::String(text), Value::String(part), Value::Int(from)] = values else {
        return Err(Fault::error("indexOf() takes a string and an int"));
    };
    let length = text.chars().count();
    let from = usize::try_from(*from).ok().filter(|from| *from <= length);
    let from = from.ok_or_else(|| Fault::error("the offset of indexOf() is out of range"))?;
    let start = text.char_indices().nth(from).map_or(text.len(), |(at, _)| at);
    let rest = text.get(start..).unwrap_or("");
    Ok(rest
        .find(part.as_str())
        .map_or(Value::Int(-1), |at| count(from + rest.get(..at).unwrap_or("").chars().count())))
}

pub(super) fn replace(values: &[Value]) -> Evaluated {
    match values {
        [Value::String(text), Value::String(from), Value::String(to)] => {
            Ok(string(text.replace(from.as_str(), to)))
        }
        [Value::String(text), Value::String(from), Value::String(to), Value::Int(limit)] => {
            Ok(string(match usize::try_from(*limit) {
                Ok(limit) => text.replacen(from.as_str(), to, limit),
                // A negative limit is none.
                Err(_) => text.replace(from.as_str(), to),
            }))
        }
        _ => Err(Fault::error("replace() takes two strings and an int")),
    }
}

pub(super) fn split(values: &[Value]) -> Evaluated {
    let (text, separator, limit) = match values {
        [Value::String(text), Value::String(separator)] => (text, separator, None),
        [Value::String(text), Value::String(separator), Value::Int(limit)] => {
            (text, separator, usize::try_from(*limit).ok())
        }
        _ => return Err(Fault::error("split() takes a string and an int")),
    };
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
        None => text.split(separator.as_str()).map(String::from).collect(),
        Some(limit) => text.splitn(limit, separator.as_str()).map(String::from).collect(),
    };
    Ok(list(parts.into_iter().map(string).collect()))
}

pub(super) fn join(values: &[Value]) -> Evaluated {
    let (items, separator) = match values {
        [Value::List(items)] => (items, ""),
        [Value::List(items), Value::String(separator)] => (items, separator.as_str()),
        _ => return Err(Fault::error("join() takes a string")),
    };
    let text = |item: &Value| match item {
        Value::String(text) => Ok(text.as_str().to_owned()),
        other => Err(no_overload("join()", other)),
    };
    Ok(string(items.iter().map(text).collect::<Result<Vec<_>, _>>()?.join(separator)))
}

/// `'%s of %d'.format([...])`, for the verbs and types that print the same in Go and in Rust.
pub(super) fn format(values: &[Value]) -> Evaluated {
    let [Value::String(template), Value::List(arguments)] = values else {
        return Err(Fault::error("format() takes a list"));
    };
    let mut arguments = arguments.iter();
    let mut output = String::with_capacity(template.len());
    let mut rest = template.as_str();
    while let Some((literal, after)) = rest.split_once('%') {
        output.push_str(literal);
        let digits_end =
            after.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(after.len());
        let (precision, after) = after.split_at(digits_end);
        let mut after = after.chars();
        let verb = after.next().ok_or_else(|| Fault::error("a format ends after %"))?;
        rest = after.as_str();
        if verb == '%' && precision.is_empty() {
            output.push('%');
            continue;
        }
        let argument = arguments
            .next()
            .ok_or_else(|| Fault::error("a format has more verbs than arguments"))?;
        output.push_str(&format_one(verb, precision, argument)?);
    }
    output.push_str(rest);
    Ok(string(output))
}

fn format_one(verb: char, precision: &str, argument: &Value) -> Result<String, Fault> {
    match (verb, argument) {
        ('s', _) | ('d', Value::Int(_) | Value::UInt(_)) if precision.is_empty() => plain(argument),
        // Go groups the digits of larger numbers.
        ('f', Value::Float(number)) if number.abs() < 1000.0 => {
            let digits = precision.strip_prefix('.').map_or(Ok(6), str::parse::<usize>);
            match digits {
                Ok(digits) if digits <= MAX_PRECISION => Ok(format!("{number:.digits$}")),
                _ => Err(Fault::error("a format has a precision that is not a number up to 100")),
            }
        }
        _ => Err(Fault::Error(format!(
            "%{precision}{verb} of this {} is not printed here as Kubernetes does; convert it to a string or an int",
            Kind::of(argument).name()
        ))),
    }
}

/// A value as `%s` prints it.
fn plain(argument: &Value) -> Result<String, Fault> {
    let printed = match argument {
        Value::List(items) => {
            let items = items.iter().map(literal).collect::<Result<Vec<_>, _>>()?;
            return Ok(format!("[{}]", items.join(", ")));
        }
        Value::Map(map) => {
            let entry =
                |(key, item)| Ok(format!("{}:{}", literal(&Value::from(key))?, literal(item)?));
            let mut entries = map.map.iter().map(entry).collect::<Result<Vec<_>, Fault>>()?;
            entries.sort();
            return Ok(format!("{{{}}}", entries.join(", ")));
        }
        Value::Null => return Ok("null".to_owned()),
        Value::String(_) => argument.clone(),
        Value::Timestamp(_) => time::timestamp_text(std::slice::from_ref(argument))?,
        Value::Duration(_) => time::duration_text(std::slice::from_ref(argument))?,
        _ => convert::to_string(std::slice::from_ref(argument))?,
    };
    match printed {
        Value::String(text) => Ok(text.as_str().to_owned()),
        _ => Err(no_overload("%s", argument)),
    }
}

/// A value inside a list or a map, where it is printed as an expression would write it.
fn literal(argument: &Value) -> Result<String, Fault> {
    match argument {
        Value::String(text) if text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) => {
            Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
        }
        Value::Float(number) if number.is_finite() => Ok(format!("{number:.6}")),
        Value::Int(_)
        | Value::UInt(_)
        | Value::Bool(_)
        | Value::Null
        | Value::List(_)
        | Value::Map(_) => plain(argument),
        other => Err(no_overload("%s of a list or map with such an element", other)),
    }
}
