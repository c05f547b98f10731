//! The admission policies that bind records to their authors: what this version ships, and whether
//! the cluster has it as it is shipped.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    facts::{Facts, MetadataOnly, Projection, ProjectionError},
    intern::Interner,
};

/// The group of admission policies.
pub const ADMISSION: &str = "admissionregistration.k8s.io";
/// The kind of a policy.
pub const POLICY: &str = "ValidatingAdmissionPolicy";
/// The kind of its binding, without which it says nothing.
pub const BINDING: &str = "ValidatingAdmissionPolicyBinding";

/// The namespace that shipped bindings read their parameter from.
pub const SHIPPED_NAMESPACE: &str = "comptroller-system";

/// The policies and bindings of config/admission; a test fails when they differ.
const SHIPPED: &str = include_str!("guards.json");

/// What the API server adds to a policy by default: none of it narrows what the policy binds.
const DEFAULTS: [(&str, &str); 4] = [
    ("matchPolicy", "\"Equivalent\""),
    ("namespaceSelector", "{}"),
    ("objectSelector", "{}"),
    ("scope", "\"*\""),
];

/// A policy or a binding as it is shipped.
#[derive(Deserialize, Clone, Debug, PartialEq)]
pub struct ShippedGuard {
    /// [`POLICY`] or [`BINDING`].
    pub kind: String,
    pub name: String,
    pub spec: Value,
}

/// What is read of a policy or a binding that this version ships.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardFacts {
    /// The field in which it is another than the shipped one. None: in none.
    pub difference: Option<String>,
    /// The namespace that its parameter is in. None of a policy, and without one.
    pub parameters: Option<String>,
}

/// The projections of policies and their bindings.
pub const PROJECTIONS: &[Projection] = &[
    Projection { group: ADMISSION, kind: POLICY, versions: &["v1"], project: project_policy },
    Projection { group: ADMISSION, kind: BINDING, versions: &["v1"], project: project_binding },
];

/// Every policy and binding that this version ships.
pub fn shipped() -> &'static [ShippedGuard] {
    static GUARDS: LazyLock<Vec<ShippedGuard>> =
        LazyLock::new(|| serde_json::from_str(SHIPPED).unwrap_or_default());
    &GUARDS
}

/// What is read of a policy or a binding, by its spec. None of one that is not shipped.
pub fn read_guard(kind: &str, name: &str, spec: &Value) -> Option<GuardFacts> {
    let shipped = shipped().iter().find(|one| one.kind == kind && one.name == name)?;
    let parameters = spec.pointer(NAMESPACE).and_then(Value::as_str).map(str::to_owned);
    Some(GuardFacts { difference: difference("spec", &shipped.spec, spec), parameters })
}

impl GuardFacts {
    /// Why the guard may not do what it should. None if it does. `namespace` is the operator's.
    pub fn fault(&self, kind: &str, namespace: &str) -> Option<String> {
        if let Some(field) = &self.difference {
            return Some(format!(
                "{field} differs from what this version of the operator ships: kubectl apply -k config/admission"
            ));
        }
        let at = self.parameters.as_deref().filter(|_| kind == BINDING)?;
        (at != namespace).then(|| {
            format!(
                "spec.paramRef.namespace is {at}: set it to the operator's, {namespace}, where the ConfigMap is that says who may write for others"
            )
        })
    }
}

/// Where a binding names the namespace of its parameter. It is another where the operator is.
const NAMESPACE: &str = "/paramRef/namespace";

fn project_policy(object: &Value, _: &Interner) -> Result<Facts, ProjectionError> {
    project(POLICY, object)
}

fn project_binding(object: &Value, _: &Interner) -> Result<Facts, ProjectionError> {
    project(BINDING, object)
}

fn project(kind: &str, object: &Value) -> Result<Facts, ProjectionError> {
    let name = MetadataOnly::deserialize(object)?.metadata.name.unwrap_or_default();
    let spec = object.get("spec").unwrap_or(&Value::Null);
    Ok(read_guard(kind, &name, spec).map_or(Facts::Exists, |facts| Facts::Guard(Box::new(facts))))
}

fn difference(path: &str, shipped: &Value, present: &Value) -> Option<String> {
    match (shipped, present) {
        (Value::Object(wanted), Value::Object(fields)) => wanted
            .iter()
            .find_map(|(field, value)| {
                let path = format!("{path}.{field}");
                match fields.get(field) {
                    Some(Value::String(_)) if path == "spec.paramRef.namespace" => None,
                    Some(present) => difference(&path, value, present),
                    // An empty selector may be left out as well.
                    None if *value == Value::Object(Map::new()) => None,
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

/// Whether a value has this JSON text.
fn value_is(value: &Value, text: &str) -> bool {
    let written = value.to_string();
    written == text
}

fn is_default(field: &str, value: &Value) -> bool {
    DEFAULTS.iter().any(|(known, default)| *known == field && value_is(value, default))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_policy_is_shipped_with_its_binding() {
        let of = |kind: &str| -> Vec<&str> {
            shipped().iter().filter(|one| one.kind == kind).map(|one| one.name.as_str()).collect()
        };
        assert_eq!(of(POLICY).len(), 5);
        assert_eq!(of(POLICY), of(BINDING));
    }

    #[test]
    fn a_binding_reads_its_parameter_where_the_operator_is() {
        let name = "comptroller-response-author";
        let binding = shipped().iter().rfind(|one| one.name == name).unwrap();
        let fault = |at: &str| {
            let mut spec = binding.spec.clone();
            spec["paramRef"]["namespace"] = at.into();
            read_guard(BINDING, name, &spec).unwrap().fault(BINDING, "audit")
        };
        assert_eq!(fault("audit"), None);
        assert!(fault("mine").unwrap().starts_with("spec.paramRef.namespace is mine: set"));
        assert_eq!(read_guard(BINDING, "another", &json!({})), None);
    }

    #[test]
    fn what_narrows_a_policy_is_a_difference_and_what_the_server_adds_is_not() {
        let policy =
            shipped().iter().find(|one| one.name == "comptroller-exception-author").unwrap();
        let of = |spec: &Value| read_guard(POLICY, &policy.name, spec).unwrap().difference;
        let mut present = policy.spec.clone();
        assert_eq!(of(&present), None);
        present["matchConstraints"]["matchPolicy"] = json!("Equivalent");
        present["matchConstraints"]["objectSelector"] = json!({});
        present["matchConstraints"]["resourceRules"][0]["scope"] = json!("*");
        assert_eq!(of(&present), None);
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
            assert_eq!(of(&present).as_deref(), Some(wanted));
        }
    }
}
