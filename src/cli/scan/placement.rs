//! The namespace of manifests that name none. A rendered chart has neither its namespace in its objects
//! nor the Namespace itself, so the user gives both, as with `kubectl -n`.

use serde_json::{Value, json};

use super::args::{Label, ScanArgs};

/// The namespace that kubectl uses by default.
const DEFAULT: &str = "default";

/// The namespace given by the user, and its labels.
#[derive(Clone, Debug, Default)]
pub(super) struct Placement {
    namespace: Option<String>,
    labels: Vec<Label>,
}

impl Placement {
    /// The placement of these arguments.
    pub fn new(args: &ScanArgs) -> Self {
        Self { namespace: args.namespace.clone(), labels: args.namespace_labels.clone() }
    }

    /// Sets the namespace of an object of a namespaced kind, unless it has one.
    pub fn place(&self, object: &mut Value) {
        let Some(namespace) = &self.namespace else {
            return;
        };
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            let named = metadata.get("namespace").and_then(Value::as_str);
            if named.is_none_or(str::is_empty) {
                metadata.insert("namespace".into(), namespace.as_str().into());
            }
        }
    }

    /// The Namespace object with the given labels; None if none were given.
    pub fn namespace_object(&self) -> Option<Value> {
        if self.labels.is_empty() {
            return None;
        }
        let labels: serde_json::Map<String, Value> = self
            .labels
            .iter()
            .map(|label| (label.key.clone(), label.value.as_str().into()))
            .collect();
        let name = self.namespace.as_deref().unwrap_or(DEFAULT);
        Some(json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_without_a_namespace_are_placed() {
        let placement = Placement { namespace: Some("shop".into()), labels: Vec::new() };
        for (metadata, expected) in [
            (json!({"name": "a"}), "shop"),
            (json!({"name": "a", "namespace": ""}), "shop"),
            (json!({"name": "a", "namespace": null}), "shop"),
            (json!({"name": "a", "namespace": "other"}), "other"),
        ] {
            let mut object = json!({"metadata": metadata});
            placement.place(&mut object);
            assert_eq!(object["metadata"]["namespace"], expected);
        }
        let mut broken = json!({"metadata": []});
        placement.place(&mut broken);
        assert_eq!(broken, json!({"metadata": []}));
    }

    #[test]
    fn the_namespace_has_the_given_labels() {
        assert_eq!(Placement::default().namespace_object(), None);
        let labels = vec!["env=prod".parse().unwrap()];
        let namespace = Placement { namespace: None, labels }.namespace_object().unwrap();
        assert_eq!(namespace["metadata"], json!({"name": "default", "labels": {"env": "prod"}}));
    }
}
