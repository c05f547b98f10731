//! Any object as the API server sends it, for watches that project it and drop it.

use std::{borrow::Cow, fmt};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Resource,
    core::{ApiResource, DynamicResourceScope},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value};

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
        let object = Value::Object(Part::Object.deserialize(deserializer)?);
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

/// A map on the way to `metadata.managedFields`, which is half of a typical object and which
/// nothing reads: it is skipped in the text rather than built and dropped.
#[derive(Clone, Copy)]
enum Part {
    Object,
    Metadata,
}

impl<'de> DeserializeSeed<'de> for Part {
    type Value = Map<String, Value>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Part {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = match (self, key.as_str()) {
                (Self::Object, "metadata") => {
                    Value::Object(access.next_value_seed(Self::Metadata)?)
                }
                (Self::Metadata, "managedFields") => {
                    access.next_value::<IgnoredAny>()?;
                    continue;
                }
                _ => access.next_value()?,
            };
            map.insert(key, value);
        }
        Ok(map)
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
    fn an_item_that_is_no_object_is_refused() {
        let error = serde_json::from_str::<Watched>("[]").unwrap_err();
        assert!(error.to_string().contains("expected an object"), "{error}");
    }
}
