//! The values of the language, and objects as values.
//!
//! An admission policy sees an object as plain JSON, not by its schema: a date is a string until
//! `timestamp()` parses it, a whole number is an int, and field names are not escaped.

use std::cmp::Ordering;
use std::sync::Arc;

use super::functions::{
    cidr::Cidr, format::NamedFormat, quantity::Quantity, semver::Semver, url::Url,
};
use super::instant::Instant;
use super::limits::MAX_OBJECT_DEPTH;

/// A value while an expression is evaluated. Cheap to clone: what may be large is shared.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    List(Arc<[Value]>),
    Map(Arc<Map>),
    Timestamp(Instant),
    /// In nanoseconds, as Go keeps it: some 292 years either way.
    Duration(i64),
    Type(ValueKind),
    Optional(Option<Arc<Value>>),
    Ip(std::net::IpAddr),
    Cidr(Cidr),
    Url(Arc<Url>),
    Quantity(Quantity),
    Semver(Arc<Semver>),
    Format(NamedFormat),
}

/// A key of a map. An int and a uint of the same size are two keys, but each finds the other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ValueKey {
    Bool(bool),
    Int(i64),
    Uint(u64),
    String(Arc<str>),
}

impl From<&ValueKey> for Value {
    fn from(key: &ValueKey) -> Self {
        match key {
            ValueKey::Bool(flag) => Self::Bool(*flag),
            ValueKey::Int(number) => Self::Int(*number),
            ValueKey::Uint(number) => Self::Uint(*number),
            ValueKey::String(text) => Self::String(Arc::clone(text)),
        }
    }
}

/// A map, its entries in the order of their keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Map {
    entries: Vec<(ValueKey, Value)>,
    /// Keys that may be there though they are not: a manifest does not show them.
    hidden: Box<[&'static str]>,
}

/// What a map says of a key.
pub(super) enum Lookup<'a> {
    Value(&'a Value),
    Absent,
    /// Not known: only a cluster can say.
    Hidden(&'static str),
}

impl Map {
    /// A map of entries with different keys.
    pub fn new(mut entries: Vec<(ValueKey, Value)>) -> Self {
        // Lookups are binary searches, and a walk over the map has the same order every time.
        entries.sort_by(|(left, _), (right, _)| left.cmp(right));
        Self { entries, hidden: Box::default() }
    }

    /// The same map, which says nothing of these keys where they are absent.
    pub fn hiding(mut self, keys: impl Iterator<Item = &'static str>) -> Self {
        // A field that the file does carry, as an export does, is taken at its word.
        self.hidden = keys.filter(|key| matches!(self.find_text(key), Lookup::Absent)).collect();
        self
    }

    pub fn entries(&self) -> &[(ValueKey, Value)] {
        &self.entries
    }

    /// A key that may be there though it is not, if there is any.
    pub fn hides(&self) -> Option<&'static str> {
        self.hidden.first().copied()
    }

    pub fn find_text(&self, name: &str) -> Lookup<'_> {
        // Keys of other types sort before strings, which is the order of `ValueKey`'s variants.
        let order = |(key, _): &(ValueKey, Value)| match key {
            ValueKey::String(text) => text.as_ref().cmp(name),
            _ => Ordering::Less,
        };
        match self.entries.binary_search_by(order) {
            Ok(at) => {
                self.entries.get(at).map_or(Lookup::Absent, |(_, value)| Lookup::Value(value))
            }
            Err(_) => match self.hidden.iter().find(|hidden| **hidden == name) {
                Some(hidden) => Lookup::Hidden(hidden),
                None => Lookup::Absent,
            },
        }
    }

    fn get(&self, key: &ValueKey) -> Option<&Value> {
        let at = self.entries.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
        self.entries.get(at).map(|(_, value)| value)
    }

    /// The value of a key; a whole number finds itself whatever its type.
    pub fn find(&self, key: &Value) -> Lookup<'_> {
        let found = match key {
            Value::String(text) => return self.find_text(text),
            Value::Bool(flag) => self.get(&ValueKey::Bool(*flag)),
            // Its own type first: an int and a uint of the same number may both be keys.
            Value::Int(number) => self.get(&ValueKey::Int(*number)).or_else(|| {
                u64::try_from(*number).ok().and_then(|number| self.get(&ValueKey::Uint(number)))
            }),
            Value::Uint(number) => self.get(&ValueKey::Uint(*number)).or_else(|| {
                i64::try_from(*number).ok().and_then(|number| self.get(&ValueKey::Int(number)))
            }),
            Value::Double(number) => whole(*number).and_then(|number| {
                let int = i64::try_from(number).ok().and_then(|int| self.get(&ValueKey::Int(int)));
                int.or_else(|| {
                    u64::try_from(number).ok().and_then(|uint| self.get(&ValueKey::Uint(uint)))
                })
            }),
            // No other type is ever a key here (`operators::map_key`), so none is found.
            _ => None,
        };
        found.map_or(Lookup::Absent, Lookup::Value)
    }
}

/// A double that is a whole number of 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(super) fn whole(number: f64) -> Option<i128> {
    (number.fract() == 0.0 && number.abs() < 18_446_744_073_709_551_616.0).then_some(number as i128)
}

/// Converts an object; `None` when it is nested too deeply to be walked safely.
pub(super) fn from_json(json: &serde_json::Value) -> Option<Value> {
    convert(json, MAX_OBJECT_DEPTH)
}

fn convert(json: &serde_json::Value, depth: usize) -> Option<Value> {
    // Evaluation recurses over objects, and a stack overflow can't be caught.
    let below = depth.checked_sub(1)?;
    Some(match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(*flag),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(int) => Value::Int(int),
            // As Kubernetes' decoder: what does not fit an int64 becomes a double.
            None => Value::Double(number.as_f64()?),
        },
        serde_json::Value::String(text) => string(text.as_str()),
        serde_json::Value::Array(items) => {
            list(items.iter().map(|item| convert(item, below)).collect::<Option<_>>()?)
        }
        serde_json::Value::Object(fields) => Value::Map(Arc::new(fields_of(fields, below)?)),
    })
}

fn fields_of(fields: &serde_json::Map<String, serde_json::Value>, depth: usize) -> Option<Map> {
    let entry = |(name, value): (&String, _)| {
        Some((ValueKey::String(Arc::from(name.as_str())), convert(value, depth)?))
    };
    fields.iter().map(entry).collect::<Option<_>>().map(Map::new)
}

pub(super) fn string(text: impl Into<Arc<str>>) -> Value {
    Value::String(text.into())
}

pub(super) fn list(items: Vec<Value>) -> Value {
    Value::List(items.into())
}

pub(super) fn map(entries: Vec<(ValueKey, Value)>) -> Value {
    Value::Map(Arc::new(Map::new(entries)))
}

pub(super) fn optional(value: Option<Value>) -> Value {
    Value::Optional(value.map(Arc::new))
}

/// The types of the language and of the Kubernetes libraries, without their parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ValueKind {
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

impl ValueKind {
    pub const ALL: [Self; 19] = [
        Self::Null,
        Self::Bool,
        Self::Int,
        Self::Uint,
        Self::Double,
        Self::String,
        Self::Bytes,
        Self::List,
        Self::Map,
        Self::Timestamp,
        Self::Duration,
        Self::Type,
        Self::Optional,
        Self::Ip,
        Self::Cidr,
        Self::Url,
        Self::Quantity,
        Self::Semver,
        Self::Format,
    ];

    /// The name of the type, as `type(x)` prints it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::List => "list",
            Self::Map => "map",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Duration => "google.protobuf.Duration",
            Self::Type => "type",
            Self::Optional => "optional_type",
            Self::Ip => "net.IP",
            Self::Cidr => "net.CIDR",
            Self::Url => "kubernetes.URL",
            Self::Quantity => "kubernetes.Quantity",
            Self::Semver => "kubernetes.Semver",
            Self::Format => "kubernetes.NamedFormat",
        }
    }

    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Int(_) => Self::Int,
            Value::Uint(_) => Self::Uint,
            Value::Double(_) => Self::Double,
            Value::String(_) => Self::String,
            Value::Bytes(_) => Self::Bytes,
            Value::List(_) => Self::List,
            Value::Map(_) => Self::Map,
            Value::Timestamp(_) => Self::Timestamp,
            Value::Duration(_) => Self::Duration,
            Value::Type(_) => Self::Type,
            Value::Optional(_) => Self::Optional,
            Value::Ip(_) => Self::Ip,
            Value::Cidr(_) => Self::Cidr,
            Value::Url(_) => Self::Url,
            Value::Quantity(_) => Self::Quantity,
            Value::Semver(_) => Self::Semver,
            Value::Format(_) => Self::Format,
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
        // The walk itself must not cost more than the limit that it measures.
        if *left == 0 {
            return;
        }
        match value {
            Value::List(items) => items.iter().for_each(|item| add(item, left)),
            Value::Map(map) => map.entries.iter().for_each(|(_, item)| add(item, left)),
            Value::Optional(Some(inner)) => add(inner, left),
            _ => {}
        }
    }
    let mut left = limit;
    add(value, &mut left);
    limit - left
}
