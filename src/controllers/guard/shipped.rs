//! The policies that this version ships, and whether the cluster has them as they are shipped. Pure.

use serde::Deserialize;
use serde_json::Value;

/// The files of config/admission that have policies.
const FILES: [&str; 4] = [
    include_str!("../../../config/admission/attestation_attesters.yaml"),
    include_str!("../../../config/admission/attestation_author.yaml"),
    include_str!("../../../config/admission/exception_author.yaml"),
    include_str!("../../../config/admission/response_author.yaml"),
];

/// What the API server adds to a policy by default: none of it narrows what the policy binds.
const DEFAULTS: [(&str, &str); 4] = [
    ("matchPolicy", "\"Equivalent\""),
    ("namespaceSelector", "{}"),
    ("objectSelector", "{}"),
    ("scope", "\"*\""),
];

/// The namespace that the shipped bindings read their parameter from.
const NAMESPACE: &str = "comptroller-system";

/// A policy or a binding as it is shipped.
#[derive(Clone, Debug)]
pub struct ShippedGuard {
    /// `ValidatingAdmissionPolicy` or `ValidatingAdmissionPolicyBinding`.
    pub kind: &'static str,
    pub name: String,
    spec: Value,
}

/// Every policy and binding that this version ships, with those of other namespaces adapted to the
/// operator's own.
pub fn shipped(namespace: &str) -> Vec<ShippedGuard> {
    FILES
        .iter()
        .flat_map(|file| yaml_serde::Deserializer::from_str(file))
        .filter_map(|document| Value::deserialize(document).ok())
        .filter_map(|mut object| {
            let kind = match object.get("kind").and_then(Value::as_str) {
                Some("ValidatingAdmissionPolicy") => super::POLICY,
                Some("ValidatingAdmissionPolicyBinding") => super::BINDING,
                _ => return None,
            };
            if let Some(place) = object.pointer_mut("/spec/paramRef/namespace")
                && place == NAMESPACE
            {
                *place = namespace.into();
            }
            let name = object.pointer("/metadata/name").and_then(Value::as_str)?.to_owned();
            Some(ShippedGuard { kind, name, spec: object.get("spec")?.clone() })
        })
        .collect()
}

impl ShippedGuard {
    #[cfg(test)]
    pub(super) fn spec(&self) -> &Value {
        &self.spec
    }

    /// Where the spec that the cluster has is another than the shipped one. None: nowhere.
    pub fn difference(&self, present: &Value) -> Option<String> {
        difference("spec", &self.spec, present)
    }
}

fn difference(path: &str, shipped: &Value, present: &Value) -> Option<String> {
    match (shipped, present) {
        (Value::Object(wanted), Value::Object(fields)) => wanted
            .iter()
            .find_map(|(field, value)| {
                let path = format!("{path}.{field}");
                match fields.get(field) {
                    Some(present) => difference(&path, value, present),
                    // An empty selector may be left out as well.
                    None if *value == Value::Object(serde_json::Map::new()) => None,
                    None => Some(path),
                }
            })
            .or_else(|| {
                let added = |(field, value): &(&String, &Value)| {
                    !wanted.contains_key(*field) && !is_default(field, value)
                };
                fields.iter().find(added).map(|(field, _)| format!("{path}.{field}"))
            }),
        (Value::Array(wanted), Value::Array(items)) => {
            if wanted.len() != items.len() {
                return Some(path.to_owned());
            }
            let mut pairs = wanted.iter().zip(items).enumerate();
            pairs.find_map(|(index, (wanted, item))| {
                difference(&format!("{path}[{index}]"), wanted, item)
            })
        }
        _ => (shipped != present).then(|| path.to_owned()),
    }
}

fn is_default(field: &str, value: &Value) -> bool {
    DEFAULTS.iter().any(|(known, default)| *known == field && value.to_string() == *default)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_policy_is_shipped_with_its_binding() {
        let shipped = shipped("elsewhere");
        let of = |kind: &str| -> Vec<&str> {
            shipped.iter().filter(|one| one.kind == kind).map(|one| one.name.as_str()).collect()
        };
        assert_eq!(of(super::super::POLICY).len(), 4);
        assert_eq!(of(super::super::POLICY), of(super::super::BINDING));
        let author = shipped.iter().rfind(|one| one.kind == super::super::BINDING).unwrap();
        assert_eq!(author.spec["paramRef"]["namespace"], "elsewhere");
    }

    #[test]
    fn what_narrows_a_policy_is_a_difference_and_what_the_server_adds_is_not() {
        let shipped = shipped(NAMESPACE);
        let policy = shipped.iter().find(|one| one.name == "comptroller-exception-author").unwrap();
        let mut present = policy.spec.clone();
        assert_eq!(policy.difference(&present), None);
        present["matchConstraints"]["matchPolicy"] = json!("Equivalent");
        present["matchConstraints"]["objectSelector"] = json!({});
        present["matchConstraints"]["resourceRules"][0]["scope"] = json!("*");
        assert_eq!(policy.difference(&present), None);
        for (pointer, field, value, wanted) in [
            ("", "failurePolicy", json!("Ignore"), "spec.failurePolicy"),
            ("", "matchConditions", json!([]), "spec.matchConditions"),
            (
                "/matchConstraints",
                "objectSelector",
                json!({"matchLabels": {"a": "b"}}),
                "spec.matchConstraints.objectSelector",
            ),
            (
                "/matchConstraints/resourceRules/0",
                "operations",
                json!(["CREATE"]),
                "spec.matchConstraints.resourceRules[0].operations",
            ),
            ("/validations/0", "expression", json!("true"), "spec.validations[0].expression"),
        ] {
            let mut present = present.clone();
            present.pointer_mut(pointer).unwrap()[field] = value;
            assert_eq!(policy.difference(&present).as_deref(), Some(wanted));
        }
    }
}
