//! Any object as the API server sends it, read within a memory budget, to be projected and dropped.

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

/// How much memory an object may take while it is read. 1.5 MB of text, the most that etcd takes, may
/// need a hundred times that as a tree: each `{"a":1}` is a node.
const BUDGET: usize = 16 << 20;

/// The beginning of the error for an object over its budget.
pub const TOO_COSTLY: &str = "it would take more than";

/// Bytes of a node of a map, which has room for eleven entries.
const MAP_NODE: usize = 640;

/// Bytes of a further entry of a map, with its share of a node that is on average half full.
const MAP_ENTRY: usize = 110;

/// Bytes that an allocation takes in addition to its contents.
const ALLOCATION: usize = 16;

/// A whole object. `DynamicObject` moves the metadata out of the object, where CEL expressions look
/// for it.
#[derive(Clone, Debug)]
pub struct RawObject {
    /// The object, without `managedFields`.
    pub object: Value,
    metadata: ObjectMeta,
}

impl<'de> Deserialize<'de> for RawObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let budget = MemoryBudget(Cell::new(BUDGET));
        let map =
            OuterMap { section: Section::Object, budget: &budget }.deserialize(deserializer)?;
        let object = Value::Object(map);
        let text = |field: &str| Some(object.get("metadata")?.get(field)?.as_str()?.to_owned());
        // kube needs these three to list; everything else is read from the object.
        let metadata = ObjectMeta {
            name: text("name"),
            namespace: text("namespace"),
            resource_version: text("resourceVersion"),
            ..ObjectMeta::default()
        };
        Ok(Self { object, metadata })
    }
}

/// The name of an object, as far as it can be found in JSON that may be cut anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectName {
    /// Its namespace; empty if it is cluster-scoped or was not found.
    pub namespace: String,
    /// Its name; empty if it was not found.
    pub name: String,
}

impl ObjectName {
    /// Finds the name in the JSON of an object, or in the beginning of it.
    pub fn find(text: &[u8]) -> Self {
        let mut found = Self::default();
        let mut reader = serde_json::Deserializer::from_slice(text);
        // JSON that is cut yields an error after the fields that were found.
        let _ = NameFinder { found: &mut found, section: Section::Object }.deserialize(&mut reader);
        found
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

struct NameFinder<'a> {
    found: &'a mut ObjectName,
    section: Section,
}

impl<'de> DeserializeSeed<'de> for NameFinder<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for NameFinder<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        while let Some(key) = access.next_key::<String>()? {
            match (self.section, key.as_str()) {
                (Section::Object, "metadata") => {
                    access.next_value_seed(NameFinder {
                        found: self.found,
                        section: Section::Metadata,
                    })?;
                }
                (Section::Metadata, "name") => self.found.name = access.next_value()?,
                (Section::Metadata, "namespace") => self.found.namespace = access.next_value()?,
                _ => {
                    access.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The map that is being read. `metadata.managedFields` is half of a typical object and nothing needs
/// it, so it is skipped in the text instead of built and dropped.
#[derive(Clone, Copy)]
enum Section {
    Object,
    Metadata,
}

/// How many bytes the object may still take.
struct MemoryBudget(Cell<usize>);

impl MemoryBudget {
    fn take<E: Error>(&self, bytes: usize) -> Result<(), E> {
        let left =
            self.0.get().checked_sub(bytes).ok_or_else(|| {
                E::custom(format_args!("{TOO_COSTLY} {} MiB to read", BUDGET >> 20))
            })?;
        self.0.set(left);
        Ok(())
    }

    fn take_entry<E: Error>(&self, map: &Map<String, Value>, key: &str) -> Result<(), E> {
        self.take(if map.is_empty() { MAP_NODE } else { MAP_ENTRY } + ALLOCATION + key.len())
    }
}

/// Reads the object itself or its metadata, within a budget.
struct OuterMap<'b> {
    section: Section,
    budget: &'b MemoryBudget,
}

impl<'de> DeserializeSeed<'de> for OuterMap<'_> {
    type Value = Map<String, Value>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OuterMap<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let Self { section, budget } = self;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            budget.take_entry(&map, &key)?;
            let value = match (section, key.as_str()) {
                (Section::Object, "metadata") => Value::Object(
                    access.next_value_seed(OuterMap { section: Section::Metadata, budget })?,
                ),
                // Half of a typical object, and no check reads it.
                (Section::Metadata, "managedFields") => {
                    access.next_value::<IgnoredAny>()?;
                    continue;
                }
                _ => access.next_value_seed(BudgetedValue(budget))?,
            };
            map.insert(key, value);
        }
        Ok(map)
    }
}

/// Reads any value, within a budget.
#[derive(Clone, Copy)]
struct BudgetedValue<'b>(&'b MemoryBudget);

impl<'de> DeserializeSeed<'de> for BudgetedValue<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for BudgetedValue<'_> {
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
                // The buffer doubles, and while it is copied both exist.
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
            self.0.take_entry(&map, &key)?;
            let value = access.next_value_seed(self)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

impl RawObject {
    /// The object with `apiVersion` and `kind`, which the API server leaves out of the items of a list.
    pub fn with_type(mut self, api_version: &str, kind: &str) -> Value {
        if let Some(object) = self.object.as_object_mut() {
            object.entry("apiVersion").or_insert_with(|| api_version.into());
            object.entry("kind").or_insert_with(|| kind.into());
        }
        self.object
    }
}

impl Resource for RawObject {
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
        let object: RawObject = serde_json::from_str(text).unwrap();
        assert_eq!(object.metadata.resource_version.as_deref(), Some("7"));
        let mut whole: Value = serde_json::from_str(text).unwrap();
        whole["metadata"].as_object_mut().unwrap().remove("managedFields");
        assert_eq!(object.with_type("v1", "Pod"), {
            whole["apiVersion"] = "v1".into();
            whole
        });
    }

    #[test]
    fn any_object_is_read_as_it_is_written() {
        let text =
            r#"{"a":[null,true,-1,18446744073709551615,1.5e3,"é\n",[],{}],"metadata":{"x":[[1]]}}"#;
        let object: RawObject = serde_json::from_str(text).unwrap();
        assert_eq!(object.object, serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn an_object_that_would_take_too_much_memory_is_refused() {
        let read = |text: String| serde_json::from_str::<RawObject>(&text).map(drop);
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
        assert_eq!(ObjectName::find(text).to_string(), "b/a");
        assert_eq!(ObjectName::find(&text[..70]).to_string(), "a");
        for end in 0..text.len() {
            assert!(["", "a", "b/a"].contains(&&*ObjectName::find(&text[..end]).to_string()));
        }
        assert_eq!(ObjectName::find(b"[]").to_string(), "");
    }

    #[test]
    fn an_item_that_is_no_object_is_refused() {
        let error = serde_json::from_str::<RawObject>("[]").unwrap_err();
        assert!(error.to_string().contains("expected an object"), "{error}");
    }
}
