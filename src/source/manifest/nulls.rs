//! Replaces nulls of a manifest as the API server does.
//!
//! It parses the kinds of Kubernetes into typed structs, where null means the zero value: no field, an empty
//! string, an empty object. A custom resource is stored as it is written, except for its metadata.

use serde_json::{Map, Value};

use comptroller_core::inventory::catalog::is_kubernetes_group;

/// Fields that are a map of strings wherever they occur.
const TEXTS: &[&str] = &[
    "annotations",
    "binaryData",
    "data",
    "labels",
    "matchLabels",
    "nodeSelector",
    "options",
    "parameters",
    "stringData",
    "volumeAttributes",
];

/// Fields that are a map of quantities.
const QUANTITIES: &[&str] = &[
    "allocatable",
    "capacity",
    "default",
    "defaultRequest",
    "hard",
    "limits",
    "max",
    "maxLimitRequestRatio",
    "min",
    "overhead",
    "podFixed",
    "requests",
];

/// Fields that are a list of strings. In other lists a null stands for an empty object.
const LISTS_OF_TEXTS: &[&str] = &[
    "accessModes",
    "add",
    "apiGroups",
    "args",
    "command",
    "drop",
    "finalizers",
    "hosts",
    "mountOptions",
    "nonResourceURLs",
    "policyTypes",
    "resourceNames",
    "resources",
    "values",
    "verbs",
];

/// Replaces the nulls of an object with what the API server would store.
pub fn as_stored(object: &mut Value) {
    let version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let typed = is_kubernetes_group(version.split_once('/').map_or("", |(group, _)| group));
    let Value::Object(fields) = object else {
        return;
    };
    if typed {
        store_fields(fields);
    } else if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        store_fields(metadata);
    }
}

fn store_fields(fields: &mut Map<String, Value>) {
    fields.retain(|_, value| !value.is_null());
    for (name, value) in fields.iter_mut() {
        match value {
            Value::Object(inner) if TEXTS.contains(&name.as_str()) => fill(inner, ""),
            Value::Object(inner) if QUANTITIES.contains(&name.as_str()) => fill(inner, "0"),
            // Of a Service it is a map of labels, else it has `matchLabels` and the like.
            Value::Object(inner)
                if name == "selector" && !inner.keys().any(|key| key.starts_with("match")) =>
            {
                fill(inner, "");
            }
            Value::Object(inner) => store_fields(inner),
            Value::Array(items) => store_items(name, items),
            _ => {}
        }
    }
}

fn fill(map: &mut Map<String, Value>, nothing: &str) {
    for value in map.values_mut().filter(|value| value.is_null()) {
        *value = nothing.into();
    }
}

fn store_items(name: &str, items: &mut [Value]) {
    let texts = LISTS_OF_TEXTS.contains(&name) || items.iter().any(Value::is_string);
    for item in items {
        match item {
            Value::Null if texts => *item = "".into(),
            Value::Null => *item = Value::Object(Map::new()),
            Value::Object(fields) => store_fields(fields),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nulls_become_what_the_api_server_stores() {
        for (written, stored) in [
            (
                json!({"metadata": {"labels": {"a": null}}}),
                json!({"metadata": {"labels": {"a": ""}}}),
            ),
            (json!({"metadata": {"labels": null}}), json!({"metadata": {}})),
            (json!({"spec": null}), json!({})),
            (
                json!({"spec": {"template": {"metadata": {"annotations": {"a": null, "b": "c"}}}}}),
                json!({"spec": {"template": {"metadata": {"annotations": {"a": "", "b": "c"}}}}}),
            ),
            (json!({"parameters": {"fsType": null}}), json!({"parameters": {"fsType": ""}})),
            (
                json!({"spec": {"selector": {"app": null}}}),
                json!({"spec": {"selector": {"app": ""}}}),
            ),
            (
                json!({"spec": {"selector": {"matchLabels": {"app": null}, "matchExpressions": null}}}),
                json!({"spec": {"selector": {"matchLabels": {"app": ""}}}}),
            ),
            (json!({"limits": {"cpu": null}}), json!({"limits": {"cpu": "0"}})),
            (json!({"args": [null]}), json!({"args": [""]})),
            (json!({"anything": ["a", null]}), json!({"anything": ["a", ""]})),
            (json!({"containers": [null, {"name": null}]}), json!({"containers": [{}, {}]})),
        ] {
            let mut object = written;
            as_stored(&mut object);
            assert_eq!(object, stored);
        }
    }

    #[test]
    fn only_the_metadata_of_a_custom_resource_is_typed() {
        let custom = |labels: Value| json!({"apiVersion": "example.com/v1", "metadata": labels, "spec": {"labels": {"a": null}, "b": null}});
        let mut object = custom(json!({"annotations": {"a": null}}));
        as_stored(&mut object);
        assert_eq!(object, custom(json!({"annotations": {"a": ""}})));
    }
}
