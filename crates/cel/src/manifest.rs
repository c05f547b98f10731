//! What a manifest does not show of an object: what only a cluster adds to it.
//!
//! A file is what people write. That it has no status does not mean that the object has none, so
//! an expression that asks for it has no answer, whether it asks by `has()`, by `?`, by a key or by
//! walking over all fields. A file that does carry such a field, as an export of a cluster does, is
//! taken at its word.

use std::sync::Arc;

use super::value::{Lookup, Map, Value, ValueKey};

/// Fields of the metadata that the API server sets. Absent from this list is what an author
/// decides by leaving it out: owners, finalizers, labels, and that nothing is being deleted.
const METADATA: [&str; 6] =
    ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

/// Fields of the spec that controllers or the API server fill in, by group and kind.
const SPEC: [(&str, &str, &[&str]); 4] = [
    ("", "PersistentVolume", &["claimRef"]),
    ("", "PersistentVolumeClaim", &["volumeName"]),
    ("", "Pod", &["nodeName"]),
    ("", "Service", &["clusterIP", "clusterIPs", "healthCheckNodePort", "ipFamilies"]),
];

/// The object of a manifest, with what a manifest does not show marked.
pub(super) fn as_manifest(object: Value, group: &str, kind: &str, namespaced: bool) -> Value {
    let Value::Map(object) = object else { return object };
    let metadata = METADATA.into_iter().chain(namespaced.then_some("namespace"));
    let metadata: Vec<_> = metadata.collect();
    // Listed one by one: hiding all that a schema marks as defaulted would leave most rules undecided.
    let spec = SPEC.iter().find(|(of_group, of_kind, _)| (*of_group, *of_kind) == (group, kind));
    let entry = |(key, value): &(ValueKey, Value)| {
        let marked = match key {
            ValueKey::String(name) if name.as_ref() == "metadata" => hiding(value, &metadata),
            ValueKey::String(name) if name.as_ref() == "spec" => {
                hiding(value, spec.map_or(&[], |(_, _, fields)| *fields))
            }
            _ => value.clone(),
        };
        (key.clone(), marked)
    };
    let entries = object.entries().iter().map(entry).collect();
    Value::Map(Arc::new(Map::new(entries).hiding(std::iter::once("status"))))
}

/// The request of an object whose file does not say where it goes.
pub(super) fn without_namespace(request: &Value) -> Value {
    hiding(request, &["namespace"])
}

fn hiding(value: &Value, fields: &[&'static str]) -> Value {
    match value {
        Value::Map(map)
            // A map that hides nothing is shared with the object instead of copied.
            if fields.iter().any(|field| !matches!(map.find_text(field), Lookup::Value(_))) =>
        {
            Value::Map(Arc::new(Map::clone(map).hiding(fields.iter().copied())))
        }
        other => other.clone(),
    }
}
