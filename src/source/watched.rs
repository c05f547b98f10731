//! Any object as the API server sends it, for watches that project it and drop it.

use std::{borrow::Cow, cell::Cell, fmt};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Resource,
    core::{ApiResource, DynamicResourceScope},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// As much memory as an object may take while it is read. Text of 1.5 MB, as etcd holds it, can
/// ask for a hundred times that: each `{"a":1}` is a node of a tree.
const BUDGET: usize = 16 << 20;

/// How the error of an object over its budget begins.
pub const TOO_COSTLY: &str = "it would take more than";

/// A node of a map, which holds up to eleven entries and is on average half full.
const MAP_NODE: usize = 640;

/// An entry of a map beyond the first, with its share of a node.
const MAP_ENTRY: usize = 110;

/// The space of an allocation beside what it holds.
const ALLOCATION: usize = 16;

/// An object, whole, beside the metadata that a watch needs. `DynamicObject` takes the metadata
/// out of the object, and CEL expressions read it there.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The object, without `managedFields`.
    pub object: Value,
    metadata: ObjectMeta,
}

impl<'de> Deserialize<'de> for Watched {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let budget = Budget(Cell::new(BUDGET));
        let map = Limited { part: Part::Object, budget: &budget }.deserialize(deserializer)?;
        let object = Value::Object(map);
        let text = |field: &str| Some(object.get("metadata")?.get(field)?.as_str()?.to_owned());
        // A watch asks where to resume, and for names to log; the rest is read from the object.
        let metadata = ObjectMeta {
            name: text("name"),
            namespace: text("namespace"),
            resource_version: text("resourceVersion"),
            ..ObjectMeta::default()
        };
        Ok(Self { object, metadata })
    }
}

/// What an object is called, as far as its text tells: it may end anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Its namespace; empty when it has none.
    pub namespace: String,
    /// Its name; empty when that was not found.
    pub name: String,
}

impl Named {
    /// Reads the names out of an object's text, or of its beginning.
    pub fn of(text: &[u8]) -> Self {
        let mut named = Self::default();
        let mut reader = serde_json::Deserializer::from_slice(text);
        // A text that is cut is an error after what was found.
        let _ = Names { found: &mut named, part: Part::Object }.deserialize(&mut reader);
        named
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

struct Names<'a> {
    found: &'a mut Named,
    part: Part,
}

impl<'de> DeserializeSeed<'de> for Names<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        while let Some(key) = access.next_key::<String>()? {
            match (self.part, key.as_str()) {
                (Part::Object, "metadata") => {
                    access.next_value_seed(Names { found: self.found, part: Part::Metadata })?;
                }
                (Part::Metadata, "name") => self.found.name = access.next_value()?,
                (Part::Metadata, "namespace") => self.found.namespace = access.next_value()?,
                _ => {
                    access.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A map on the way to `metadata.managedFields`, which is half of a typical object and which
/// nothing reads: it is skipped in the text rather than built and dropped.
#[derive(Clone, Copy)]
enum Part {
    Object,
    Metadata,
}

/// What may still be used.
struct Budget(Cell<usize>);

impl Budget {
    fn take<E: Error>(&self, bytes: usize) -> Result<(), E> {
        let left =
            self.0.get().checked_sub(bytes).ok_or_else(|| {
                E::custom(format_args!("{TOO_COSTLY} {} MiB to read", BUDGET >> 20))
            })?;
        self.0.set(left);
        Ok(())
    }

    fn take_entry<E: Error>(&self, first: bool, key: &str) -> Result<(), E> {
        self.take(if first { MAP_NODE } else { MAP_ENTRY } + ALLOCATION + key.len())
    }
}

/// The outer part of an object, within a budget.
struct Limited<'b> {
    part: Part,
    budget: &'b Budget,
}

impl<'de> DeserializeSeed<'de> for Limited<'_> {
    type Value = Map<String, Value>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Limited<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let Self { part, budget } = self;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            budget.take_entry(map.is_empty(), &key)?;
            let value = match (part, key.as_str()) {
                (Part::Object, "metadata") => {
                    Value::Object(access.next_value_seed(Limited { part: Part::Metadata, budget })?)
                }
                (Part::Metadata, "managedFields") => {
                    access.next_value::<IgnoredAny>()?;
                    continue;
                }
                _ => access.next_value_seed(Tree(budget))?,
            };
            map.insert(key, value);
        }
        Ok(map)
    }
}

/// Any value, within a budget.
#[derive(Clone, Copy)]
struct Tree<'b>(&'b Budget);

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.0.take(ALLOCATION + value.len())?;
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element_seed(self)? {
            if list.len() == list.capacity() {
                // It doubles, and for a moment there are both.
                let grown = list.capacity().max(4) * size_of::<Value>();
                self.0.take(ALLOCATION + grown)?;
            }
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            self.0.take_entry(map.is_empty(), &key)?;
            let value = access.next_value_seed(self)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

impl Watched {
    /// The object with `apiVersion` and `kind`, which the items of a list lack.
    pub fn with_type(mut self, api_version: &str, kind: &str) -> Value {
        if let Some(object) = self.object.as_object_mut() {
            object.entry("apiVersion").or_insert_with(|| api_version.into());
            object.entry("kind").or_insert_with(|| kind.into());
        }
        self.object
    }
}

impl Resource for Watched {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managed_fields_are_skipped_and_all_else_is_kept() {
        let text = r#"{"kind":"Pod","metadata":{"name":"a","namespace":"b","resourceVersion":"7",
            "managedFields":[{"fieldsV1":{"f:spec":{}}}],"labels":{"managedFields":"kept"}},
            "spec":{"managedFields":[1]}}"#;
        let watched: Watched = serde_json::from_str(text).unwrap();
        assert_eq!(watched.metadata.resource_version.as_deref(), Some("7"));
        let mut whole: Value = serde_json::from_str(text).unwrap();
        whole["metadata"].as_object_mut().unwrap().remove("managedFields");
        assert_eq!(watched.with_type("v1", "Pod"), {
            whole["apiVersion"] = "v1".into();
            whole
        });
    }

    #[test]
    fn any_object_is_read_as_it_is_written() {
        let text =
            r#"{"a":[null,true,-1,18446744073709551615,1.5e3,"é\n",[],{}],"metadata":{"x":[[1]]}}"#;
        let watched: Watched = serde_json::from_str(text).unwrap();
        assert_eq!(watched.object, serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn an_object_that_would_take_too_much_memory_is_refused() {
        let read = |text: String| serde_json::from_str::<Watched>(&text).map(drop);
        let spec = |part: &str, count: usize| {
            let parts = vec![part; count].join(",");
            format!(r#"{{"metadata":{{"name":"a"}},"spec":[{parts}]}}"#)
        };
        let error = read(spec(r#"{"a":1}"#, 180_000)).unwrap_err().to_string();
        assert!(error.starts_with("it would take more than 16 MiB"), "{error}");
        let error = read(spec("[[1]]", 200_000)).unwrap_err().to_string();
        assert!(error.starts_with("it would take more than 16 MiB"), "{error}");
        // What people write is taken in: a binding of 5,000 subjects, a long text.
        read(spec(r#"{"kind":"User","name":"jane@example.com","apiGroup":"rbac"}"#, 5_000))
            .unwrap();
        read(spec(&format!("\"{}\"", "x".repeat(1_500_000)), 1)).unwrap();
        read(spec(r#"{"name":"A","value":"b"}"#, 10_000)).unwrap();
    }

    #[test]
    fn names_are_found_in_a_text_that_is_cut() {
        let text = br#"{"kind":"Pod","metadata":{"labels":{"name":"no"},"name":"a","namespace":"b"},"spec":{"x":"#;
        assert_eq!(Named::of(text).to_string(), "b/a");
        assert_eq!(Named::of(&text[..70]).to_string(), "a");
        for end in 0..text.len() {
            assert!(["", "a", "b/a"].contains(&&*Named::of(&text[..end]).to_string()));
        }
        assert_eq!(Named::of(b"[]").to_string(), "");
    }

    #[test]
    fn an_item_that_is_no_object_is_refused() {
        let error = serde_json::from_str::<Watched>("[]").unwrap_err();
        assert!(error.to_string().contains("expected an object"), "{error}");
    }
}
