//! One object of every kind that is projected.

use comptroller_core::inventory::facts::{Projection, projections};
use serde_json::{Value, json};

/// A kind with an object of it, as the API server returns it.
pub struct Sample {
    pub projection: &'static Projection,
    pub object: Value,
}

impl Sample {
    /// `Pod`, `Backup.velero.io`: kinds of the same name are told apart by their group.
    pub fn label(&self) -> String {
        match self.projection.group {
            "" => self.projection.kind.to_owned(),
            group => format!("{}.{group}", self.projection.kind),
        }
    }

    /// The object under another name, and in another namespace if it is in one.
    pub fn renamed(&self, number: usize) -> Value {
        let mut object = self.object.clone();
        let metadata = &mut object["metadata"];
        metadata["name"] = json!(format!("{}-{number}", self.projection.kind.to_lowercase()));
        if metadata.get("namespace").is_some() {
            metadata["namespace"] = json!(format!("team-{}", number / 60));
        }
        object
    }
}

/// A sample of every kind, in the order of the projections.
pub fn samples() -> Vec<Sample> {
    let objects = objects();
    let find = |projection: &Projection| {
        let known = objects.iter().find(|object| {
            let version = object["apiVersion"].as_str().unwrap();
            let group = version.split_once('/').map_or("", |(group, _)| group);
            group == projection.group && object["kind"] == projection.kind
        });
        let missing = || panic!("objects.yaml has no {} of {}", projection.kind, projection.group);
        known.unwrap_or_else(missing).clone()
    };
    projections().map(|projection| Sample { projection, object: find(projection) }).collect()
}

fn objects() -> Vec<Value> {
    let pod: Value = yaml_serde::from_str(include_str!("pod.yaml")).unwrap();
    documents(include_str!("objects.yaml"))
        .into_iter()
        .map(|mut object| {
            fill(&mut object, &pod);
            stamp(&mut object["metadata"]);
            object
        })
        .collect()
}

/// The documents of a YAML text.
pub fn documents(text: &str) -> Vec<Value> {
    use serde::Deserialize as _;
    let documents = yaml_serde::Deserializer::from_str(text);
    documents.map(|document| Value::deserialize(document).unwrap()).collect()
}

fn fill(value: &mut Value, pod: &Value) {
    match value {
        Value::String(text) if text == "(pod)" => {
            *value = pod.clone();
            value["nodeName"] = json!("node-7");
        }
        Value::String(text) if text == "(template)" => {
            let labels = json!({"app.kubernetes.io/name": "api", "team": "pay"});
            *value = json!({"metadata": {"labels": labels}, "spec": pod});
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| fill(field, pod)),
        Value::Array(elements) => elements.iter_mut().for_each(|element| fill(element, pod)),
        _ => {}
    }
}

/// What the API server writes into every object.
fn stamp(metadata: &mut Value) {
    metadata["uid"] = json!("6d1f2c9e-1111-4222-8333-444455556666");
    metadata["resourceVersion"] = json!("123456");
    metadata["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
}
