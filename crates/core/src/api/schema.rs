//! The CRDs: generated from the types, then made what the API server and its users expect.

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube_core::CustomResourceExt;
use serde_json::{Map, Value, json};

use super::{Attestation, AuditPeriod, Control, ControlException, DeviationResponse, Person, time};

/// Every CRD, by name.
pub fn crds() -> Vec<CustomResourceDefinition> {
    documents().iter().filter_map(|crd| serde_json::from_value(crd.clone()).ok()).collect()
}

/// Every CRD as JSON, by name.
pub fn documents() -> &'static [Value] {
    static DOCUMENTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
        vec![
            document(&Attestation::crd()),
            document(&AuditPeriod::crd()),
            document(&ControlException::crd()),
            document(&Control::crd()),
            document(&DeviationResponse::crd()),
            document(&Person::crd()),
        ]
    });
    &DOCUMENTS
}

/// The schema of a kind of this group. None for a kind that the group does not have.
pub(crate) fn schema_of(kind: &str) -> Option<&'static Value> {
    documents()
        .iter()
        .find(|crd| crd.pointer("/spec/names/kind").and_then(Value::as_str) == Some(kind))?
        .pointer("/spec/versions/0/schema/openAPIV3Schema")
}

fn document(crd: &CustomResourceDefinition) -> Value {
    let mut document = serde_json::to_value(crd).unwrap_or_default();
    if let Some(schema) = document.pointer_mut("/spec/versions/0/schema/openAPIV3Schema") {
        // The fields of every object come last: they are written as they shall be.
        polish(schema);
        add_object_fields(schema);
    }
    document
}

/// The fields of every object, which the generator leaves out. The API server knows them, but
/// tools that check files by the schema alone do not; it admits no more of metadata than this.
fn add_object_fields(schema: &mut Value) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let fields = json!({
            "apiVersion": {
                "description": "The API group and version: comptroller.dev/v1alpha1.",
                "type": "string",
                "maxLength": 317,
            },
            "kind": {"description": "The kind of the object.", "type": "string", "maxLength": 63},
            "metadata": {"type": "object"},
        });
        properties.extend(fields.as_object().cloned().into_iter().flatten());
    }
}

/// What the generator cannot know, at every level of a schema.
fn polish(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    // The Kubernetes API has optional fields, which are absent, and no null.
    object.remove("nullable");
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    // Defaults are the operator's, so that what is stored is what was written.
    object.remove("default");
    object.remove("title");
    if let Some(Value::String(description)) = object.get_mut("description") {
        *description = plain(description);
    }
    // The format alone admits lower-case letters and leap seconds, which other parsers refuse.
    if object.get("format").and_then(Value::as_str) == Some("date-time") {
        object.insert("pattern".to_owned(), json!(time::PATTERN));
    }
    if object.get("type").and_then(Value::as_str) == Some("array") {
        object.entry("x-kubernetes-list-type").or_insert_with(|| json!("atomic"));
        describe_items(object);
    }
    for (keyword, child) in object.iter_mut() {
        match keyword.as_str() {
            "properties" => {
                child.as_object_mut().into_iter().flatten().for_each(|(_, field)| polish(field));
            }
            "items" | "additionalProperties" => polish(child),
            "minimum" | "maximum" => whole(child),
            _ => {}
        }
    }
}

/// The text of a doc comment for a reader of `kubectl explain`: no lines of source, no markup.
fn plain(text: &str) -> String {
    text.replace('\n', " ").replace('`', "")
}

/// `kubectl explain` shows the description of a list, not of its items, so a list of names says
/// what they mean.
fn describe_items(list: &mut Map<String, Value>) {
    let Some(items) = list.get_mut("items").and_then(Value::as_object_mut) else {
        return;
    };
    if !items.contains_key("enum") {
        return;
    }
    if let Some(Value::String(meanings)) = items.remove("description")
        && let Some(Value::String(description)) = list.get_mut("description")
    {
        description.push('\n');
        description.push_str(&meanings);
    }
}

/// Bounds of integers are integers; the API's types hold them as floats.
#[allow(clippy::cast_possible_truncation)]
fn whole(bound: &mut Value) {
    if let Some(number) = bound.as_f64().filter(|number| number.fract() == 0.0) {
        *bound = json!(number as i64);
    }
}
