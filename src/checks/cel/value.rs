//! Objects as CEL values.
//!
//! An admission policy sees an object as plain JSON, not by its schema: a date is a string until
//! `timestamp()` parses it, a whole number is an int, and field names are not escaped.

use std::collections::HashMap;
use std::sync::Arc;

pub(super) use kube_cel::cel::Value;
use kube_cel::cel::objects::{Key, Map, Opaque, OptionalValue};

use super::guard::MAX_OBJECT_DEPTH;

/// Converts an object; `None` when it is nested too deeply to be walked safely.
pub(super) fn from_json(json: &serde_json::Value) -> Option<Value> {
    convert(json, MAX_OBJECT_DEPTH)
}

fn convert(json: &serde_json::Value, depth: usize) -> Option<Value> {
    let below = depth.checked_sub(1)?;
    Some(match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(*flag),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(int) => Value::Int(int),
            // As Kubernetes' decoder: what does not fit an int64 becomes a double.
            None => Value::Float(number.as_f64()?),
        },
        serde_json::Value::String(text) => string(text.as_str()),
        serde_json::Value::Array(items) => {
            list(items.iter().map(|item| convert(item, below)).collect::<Option<_>>()?)
        }
        serde_json::Value::Object(fields) => map(fields
            .iter()
            .map(|(name, value)| Some((Key::from(name.as_str()), convert(value, below)?)))
            .collect::<Option<_>>()?),
    })
}

pub(super) fn string(text: impl Into<String>) -> Value {
    Value::String(Arc::new(text.into()))
}

pub(super) fn list(items: Vec<Value>) -> Value {
    Value::List(Arc::new(items))
}

pub(super) fn map(entries: HashMap<Key, Value>) -> Value {
    Value::Map(Map { map: Arc::new(entries) })
}

pub(super) fn optional(value: Option<Value>) -> Value {
    Value::Opaque(Arc::new(value.map_or_else(OptionalValue::none, OptionalValue::of)))
}

/// The content of an optional: outer `None` when the value is not one.
#[expect(clippy::option_option, reason = "no optional and an empty one differ")]
pub(super) fn as_optional(value: &Value) -> Option<Option<&Value>> {
    match value {
        Value::Opaque(opaque) => opaque.downcast_ref::<OptionalValue>().map(OptionalValue::value),
        _ => None,
    }
}

/// A type as a value: what `type(x)` returns and `int`, `string`, ... name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TypeValue(pub Kind);

impl Opaque for TypeValue {
    fn runtime_type_name(&self) -> &'static str {
        "type"
    }
}

/// The types of the language and of the Kubernetes libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Any,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    List,
    Map,
    Timestamp,
    Duration,
    Type,
    Optional,
    Ip,
    Cidr,
    Url,
    Quantity,
    Semver,
    Format,
}

impl Kind {
    const NAMES: [(Self, &'static str); 20] = [
        (Self::Any, "any"),
        (Self::Null, "null_type"),
        (Self::Bool, "bool"),
        (Self::Int, "int"),
        (Self::Uint, "uint"),
        (Self::Double, "double"),
        (Self::String, "string"),
        (Self::Bytes, "bytes"),
        (Self::List, "list"),
        (Self::Map, "map"),
        (Self::Timestamp, "timestamp"),
        (Self::Duration, "duration"),
        (Self::Type, "type"),
        (Self::Optional, "optional"),
        (Self::Ip, "net.IP"),
        (Self::Cidr, "net.CIDR"),
        (Self::Url, "kubernetes.URL"),
        (Self::Quantity, "kubernetes.Quantity"),
        (Self::Semver, "kubernetes.Semver"),
        (Self::Format, "kubernetes.Format"),
    ];

    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("any", |(_, name)| name)
    }

    /// The kind that a table or an expression calls `name`; the Kubernetes types also by their
    /// last word in lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        let matches = |known: &str| {
            known == name
                || known.rsplit_once('.').is_some_and(|(_, last)| last.eq_ignore_ascii_case(name))
        };
        Self::NAMES.iter().find(|(_, known)| matches(known)).map(|(kind, _)| *kind)
    }

    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Int(_) => Self::Int,
            Value::UInt(_) => Self::Uint,
            Value::Float(_) => Self::Double,
            Value::String(_) => Self::String,
            Value::Bytes(_) => Self::Bytes,
            Value::List(_) => Self::List,
            Value::Map(_) => Self::Map,
            Value::Timestamp(_) => Self::Timestamp,
            Value::Duration(_) => Self::Duration,
            Value::Opaque(opaque) => match opaque.runtime_type_name() {
                "optional_type" => Self::Optional,
                name => Self::from_name(name).unwrap_or(Self::Any),
            },
            Value::Function(..) => Self::Any,
        }
    }
}

/// How many steps it takes to walk a value, at most `limit`: one per element, and one per ten
/// bytes of text.
pub(super) fn weight(value: &Value, limit: u64) -> u64 {
    fn add(value: &Value, left: &mut u64) {
        let own = match value {
            Value::String(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        *left = left.saturating_sub(1 + own as u64 / 10);
        if *left == 0 {
            return;
        }
        match value {
            Value::List(items) => items.iter().for_each(|item| add(item, left)),
            Value::Map(map) => map.map.values().for_each(|item| add(item, left)),
            Value::Opaque(_) => {
                if let Some(Some(inner)) = as_optional(value) {
                    add(inner, left);
                }
            }
            _ => {}
        }
    }
    let mut left = limit;
    add(value, &mut left);
    limit - left
}
