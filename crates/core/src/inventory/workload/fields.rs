//! Reads untyped objects, with errors that have the path of the field.

use std::fmt;

use serde_json::{Map, Value};

use crate::inventory::facts::{ProjectionError, bounded_text};

/// The path of a field, linked to the path of its parent: it costs nothing until it is printed.
#[derive(Clone, Copy, Debug)]
enum FieldPlace<'a> {
    Root,
    Field(&'a FieldPlace<'a>, &'a str),
    Index(&'a FieldPlace<'a>, usize),
}

impl fmt::Display for FieldPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, at) => write!(f, "{parent}[{at}]"),
        }
    }
}

/// A JSON object, or none: `null` and absent are the same, as in the API server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'v, 'p> {
    map: Option<&'v Map<String, Value>>,
    place: FieldPlace<'p>,
}

/// What reading a field gives: the error says which field is wrong and what to write.
pub(super) type FieldResult<T> = Result<T, ProjectionError>;

impl<'v, 'p> Fields<'v, 'p> {
    /// The document itself, which must be an object.
    pub(super) fn root(value: &'v Value) -> FieldResult<Self> {
        Self::of(Some(value), FieldPlace::Root)
    }

    fn of(value: Option<&'v Value>, place: FieldPlace<'p>) -> FieldResult<Self> {
        let map = match value {
            None | Some(Value::Null) => None,
            Some(Value::Object(map)) => Some(map),
            Some(other) => return Err(mismatch(place, other, "an object")),
        };
        Ok(Self { map, place })
    }

    /// Whether the object is present, even if it is empty.
    pub(super) fn is_present(&self) -> bool {
        self.map.is_some()
    }

    /// Whether a field is present and not null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    fn value(&self, name: &str) -> Option<&'v Value> {
        self.map.and_then(|map| map.get(name)).filter(|value| !value.is_null())
    }

    /// The names of the fields that are not null.
    pub(super) fn names(&self) -> impl Iterator<Item = &'v str> + use<'v> {
        self.map
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, _)| name.as_str())
    }

    /// The object in a field, which may be absent.
    pub(super) fn object<'b>(&'b self, name: &'b str) -> FieldResult<Fields<'v, 'b>> {
        Fields::of(self.value(name), FieldPlace::Field(&self.place, name))
    }

    /// The boolean in a field. None if it is absent.
    pub(super) fn bool(&self, name: &str) -> FieldResult<Option<bool>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(other) => Err(self.mismatch(name, other, "true or false")),
        }
    }

    /// The boolean in a field; false if it is absent.
    pub(super) fn flag(&self, name: &str) -> FieldResult<bool> {
        Ok(self.bool(name)?.unwrap_or(false))
    }

    /// The whole number in a field. None if it is absent.
    pub(super) fn integer(&self, name: &str) -> FieldResult<Option<i64>> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(self.mismatch(name, value, "a whole number")),
            },
        }
    }

    /// The string in a field. None if it is absent or empty, which mean the same everywhere in the spec of a
    /// pod.
    pub(super) fn text(&self, name: &str) -> FieldResult<Option<&'v str>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => {
                // Texts become symbols, which live as long as the object.
                let text = bounded_text(&FieldPlace::Field(&self.place, name), text)?;
                Ok(Some(text).filter(|text| !text.is_empty()))
            }
            Some(other) => Err(self.mismatch(name, other, "a string")),
        }
    }

    /// The Kubernetes quantity in a field as text, though YAML may have it as a number. None if it is absent.
    pub(super) fn quantity(&self, name: &str) -> FieldResult<Option<String>> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(other) => Err(self.mismatch(name, other, "a quantity such as 500m or 1Gi")),
        }
    }

    /// The list of strings in a field; empty if it is absent.
    pub(super) fn texts(&self, name: &str) -> FieldResult<Vec<&'v str>> {
        let place = FieldPlace::Field(&self.place, name);
        self.list(name)?
            .iter()
            .enumerate()
            .map(|(at, value)| {
                value
                    .as_str()
                    .ok_or_else(|| mismatch(FieldPlace::Index(&place, at), value, "a string"))
            })
            .collect()
    }

    /// Visits the objects of a list in order, until an error. Nothing if the list is absent.
    pub(super) fn each(
        &self,
        name: &str,
        mut visit: impl FnMut(Fields<'v, '_>) -> FieldResult<()>,
    ) -> FieldResult<()> {
        let place = FieldPlace::Field(&self.place, name);
        for (at, value) in self.list(name)?.iter().enumerate() {
            visit(Fields::of(Some(value), FieldPlace::Index(&place, at))?)?;
        }
        Ok(())
    }

    fn list(&self, name: &str) -> FieldResult<&'v [Value]> {
        match self.value(name) {
            None => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(self.mismatch(name, other, "a list")),
        }
    }

    /// The error for a field that must be present, with what to write.
    pub(super) fn missing(&self, name: &str, remedy: &str) -> ProjectionError {
        let place = FieldPlace::Field(&self.place, name);
        ProjectionError(format!("{place} is missing: {remedy}"))
    }

    fn mismatch(&self, name: &str, value: &Value, expected: &str) -> ProjectionError {
        mismatch(FieldPlace::Field(&self.place, name), value, expected)
    }
}

fn mismatch(place: FieldPlace<'_>, value: &Value, expected: &str) -> ProjectionError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    // Only the document itself has an empty path.
    let place = match place {
        FieldPlace::Root => "the document".to_owned(),
        place => place.to_string(),
    };
    ProjectionError(format!("{place} is {found}: write {expected}"))
}
