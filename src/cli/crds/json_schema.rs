//! The definitions as JSON Schemas, with which editors check and complete manifests, and kubeconform checks
//! them in CI. Draft-07, which yaml-language-server and kubeconform both read. Pure.
//!
//! What only the API server can judge stays with it: CEL rules, and keys that are unique in a list.

use serde_json::{Map, Value, json};

/// The draft that the schemas are written in.
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The file that has every kind, for a folder with manifests of several.
const ALL: &str = "all.json";

/// The formats of JSON Schema that the definitions use; those of `OpenAPI`, such as `int32`, mean nothing to
/// a validator.
const FORMATS: [&str; 2] = ["date", "date-time"];

/// A schema and its file.
#[derive(Clone, Debug, PartialEq)]
pub struct SchemaFile {
    /// `KIND_VERSION.json` in lower case, as kubeconform looks for it.
    pub name: String,
    pub schema: Value,
}

/// A schema for each version of each definition, and one of all of them.
pub fn schemas(definitions: &[Value]) -> Vec<SchemaFile> {
    let mut files: Vec<SchemaFile> = definitions.iter().flat_map(of_definition).collect();
    let all = all(&files);
    files.push(SchemaFile { name: ALL.to_owned(), schema: all });
    files
}

fn of_definition(definition: &Value) -> Vec<SchemaFile> {
    let text = |value: &Value, pointer: &str| {
        value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let (group, kind) = (text(definition, "/spec/group"), text(definition, "/spec/names/kind"));
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    let file = |version: &Value| {
        let name = text(version, "/name");
        let mut schema = version.pointer("/schema/openAPIV3Schema")?.clone();
        convert(&mut schema);
        identify(&mut schema, &format!("{group}/{name}"), &kind);
        let name = format!("{}_{name}.json", kind.to_lowercase());
        Some(SchemaFile { name, schema })
    };
    versions.into_iter().flatten().filter_map(file).collect()
}

/// Makes a level of a structural schema, and all below it, JSON Schema.
fn convert(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.get("x-kubernetes-list-type").and_then(Value::as_str) == Some("set") {
        object.insert("uniqueItems".to_owned(), json!(true));
    }
    object.retain(|key, _| !key.starts_with("x-kubernetes-"));
    if object.get("format").and_then(Value::as_str).is_some_and(|one| !FORMATS.contains(&one)) {
        object.remove("format");
    }
    // The API server prunes fields that no schema has. In a file they are mistakes, and the most frequent.
    if object.contains_key("properties") && !object.contains_key("additionalProperties") {
        object.insert("additionalProperties".to_owned(), json!(false));
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(convert);
    }
    for key in ["items", "additionalProperties", "not"] {
        object.get_mut(key).into_iter().for_each(convert);
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        object.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().for_each(convert);
    }
}

/// What tells the kind of an object, so that the schema refuses every other.
fn identify(schema: &mut Value, api_version: &str, kind: &str) {
    let Some(object) = schema.as_object_mut() else { return };
    object.insert("$schema".to_owned(), json!(DRAFT));
    object.insert("title".to_owned(), json!(kind));
    for (field, value) in [("apiVersion", api_version), ("kind", kind)] {
        if let Some(property) = object.get_mut("properties").and_then(|all| all.get_mut(field)) {
            // `enum` and not `const`, since editors complete it.
            property["enum"] = json!([value]);
        }
    }
    if let Some(metadata) = object.get_mut("properties").and_then(|all| all.get_mut("metadata")) {
        *metadata = json!({
            "type": "object",
            "description": "Name, labels and annotations.",
            "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}},
        });
    }
    let required = object.entry("required").or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        for field in ["apiVersion", "kind", "metadata"] {
            if !required.contains(&json!(field)) {
                required.push(json!(field));
            }
        }
    }
}

/// One schema that takes each kind by its own. The kind decides, so that an editor names the field that is
/// wrong, and not that none of five schemas fits.
fn all(files: &[SchemaFile]) -> Value {
    let mut kinds = Vec::new();
    let mut branches = Vec::new();
    for file in files {
        let kind = file.schema.get("title").cloned().unwrap_or_default();
        branches.push(json!({
            "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
            "then": {"$ref": format!("#/definitions/{}", kind.as_str().unwrap_or_default())},
        }));
        kinds.push(kind);
    }
    let definitions: Map<String, Value> = files
        .iter()
        .map(|file| {
            let mut schema = file.schema.clone();
            let title = schema.get("title").and_then(Value::as_str).unwrap_or_default().to_owned();
            if let Some(object) = schema.as_object_mut() {
                object.remove("$schema");
            }
            (title, schema)
        })
        .collect();
    json!({
        "$schema": DRAFT,
        "title": "The resources of Comptroller",
        "type": "object",
        "required": ["apiVersion", "kind"],
        "properties": {"kind": {"type": "string", "enum": kinds}},
        "allOf": branches,
        "definitions": definitions,
    })
}
