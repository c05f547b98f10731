//! Which namespace manifests go to that name none: as with `kubectl -n`, a chart renders neither its
//! namespace into its objects nor the Namespace itself.

use serde_json::{Value, json};

use super::args::{Label, ScanArgs};

/// Where kubectl puts objects when nobody says otherwise.
const DEFAULT: &str = "default";

/// Where the objects of a scan go.
#[derive(Clone, Debug, Default)]
pub(super) struct Placement {
    namespace: Option<String>,
    labels: Vec<Label>,
}

impl Placement {
    /// As the user says.
    pub fn new(args: &ScanArgs) -> Self {
        Self { namespace: args.namespace.clone(), labels: args.namespace_labels.clone() }
    }

    /// Gives an object of a namespaced kind its namespace, unless it names one.
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

    /// The Namespace with the labels that the user tells; None when he tells none.
    pub fn described(&self) -> Option<Value> {
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
    fn only_what_names_no_namespace_is_placed() {
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
    fn the_namespace_has_the_labels_that_are_told() {
        assert_eq!(Placement::default().described(), None);
        let labels = vec!["env=prod".parse().unwrap()];
        let namespace = Placement { namespace: None, labels }.described().unwrap();
        assert_eq!(namespace["metadata"], json!({"name": "default", "labels": {"env": "prod"}}));
    }
}
