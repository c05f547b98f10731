//! The rules for `metadata`, which hold for every kind and are in no schema.

use serde_json::Value;

use super::{
    invalid::{FieldPath, Problems},
    selector::{check_key, check_value, is_dns_subdomain},
};

/// Checks what the API server checks of an object before it looks at the spec: `apiVersion` and
/// `metadata`.
pub(super) fn check(object: &Value, api_version: &str, problems: &mut Problems) {
    if object["apiVersion"].as_str() != Some(api_version) {
        problems.push(
            &FieldPath::new("apiVersion"),
            "is not the version of this kind",
            format!("write {api_version}"),
        );
    }
    let at = FieldPath::new("metadata");
    let metadata = &object["metadata"];
    match &metadata["name"] {
        Value::String(name) if is_dns_subdomain(name) => {}
        // Absent: an object with generateName gets its name from the API server.
        Value::Null => {}
        name => problems.push(
            &at.field("name"),
            format!("{name} is not a valid object name"),
            "write at most 253 lower-case letters, digits, - and ., with a letter or digit at both ends of each part",
        ),
    }
    for field in ["labels", "annotations"] {
        check_map(&metadata[field], field, &at.field(field), problems);
    }
}

/// Does what the API server does with null in a map of texts: it becomes an empty text.
pub(super) fn normalize(object: &mut Value) {
    for place in ["/metadata/labels", "/metadata/annotations"] {
        if let Some(Value::Object(entries)) = object.pointer_mut(place) {
            entries
                .values_mut()
                .filter(|value| value.is_null())
                .for_each(|value| *value = "".into());
        }
    }
}

fn check_map(map: &Value, field: &str, at: &FieldPath, problems: &mut Problems) {
    match map {
        Value::Null => {}
        Value::Object(entries) => {
            for (key, value) in entries {
                let place = format!("{field}[{key}]");
                let Value::String(text) = value else {
                    problems.push(at, format!("{key} is not a text"), "write it in quotes");
                    continue;
                };
                // Keys of annotations may have capitals in their prefix.
                let key = if field == "labels" { key.clone() } else { key.to_lowercase() };
                let mut checked = check_key(&key, &place);
                if field == "labels" {
                    checked = checked.and_then(|()| check_value(text, &place));
                }
                if let Err(error) = checked {
                    problems.push(at, error.problem, error.remedy);
                }
            }
        }
        _ => problems.push(at, "must map texts to texts", "write key: value below it"),
    }
}
