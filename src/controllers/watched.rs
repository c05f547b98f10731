//! Any object as the API server sends it, for watches that project it and drop it.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Resource,
    core::{ApiResource, DynamicResourceScope},
};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

/// An object, whole, beside the metadata that a watch needs. `DynamicObject` takes the metadata
/// out of the object, and CEL expressions read it there.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The object.
    pub object: Value,
    metadata: ObjectMeta,
}

impl<'de> Deserialize<'de> for Watched {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = Value::deserialize(deserializer)?;
        // Half of a typical object, and nothing reads it.
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        let metadata = object
            .get("metadata")
            .map(ObjectMeta::deserialize)
            .transpose()
            .map_err(D::Error::custom)?
            .unwrap_or_default();
        Ok(Self { object, metadata })
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
