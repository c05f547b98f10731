//! Facts as the log keeps them: a line of canonical JSON for an object, with people as pseudonyms.
//!
//! People stand where bindings name users, where rules name whom one may impersonate, and where
//! records name who attests; texts that come from anywhere are read as any message is. Names of
//! objects, labels and what expressions compare stay as they are.

use std::sync::Arc;

use serde_json::{Map, Value};

use comptroller_core::inventory::{Object, ProgramId, line};
use comptroller_evidence::{
    key::Pseudonyms,
    privacy::{KnownPeople, Pseudonymizer},
};
use comptroller_vocabulary::canonical::{self, CanonicalError};

/// Variants and fields of facts that hold sentences.
const PROSE: [&str; 7] =
    ["Malformed", "NotReady", "Unavailable", "Unknown", "invalid", "summary", "unresolved"];

/// Writes facts without people.
#[derive(Clone)]
pub struct FactsWriter {
    pseudonyms: Arc<Pseudonyms>,
    known: KnownPeople,
}

impl std::fmt::Debug for FactsWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FactsWriter")
    }
}

impl FactsWriter {
    /// A writer for a log with these pseudonyms. `people` are the users whom bindings name.
    pub fn new(pseudonyms: Arc<Pseudonyms>, people: impl IntoIterator<Item = String>) -> Self {
        Self { pseudonyms, known: KnownPeople::new(people) }
    }

    /// The line of an object that these programs judged, without its line feed.
    pub fn line(&self, object: &Object, programs: &[ProgramId]) -> Result<String, CanonicalError> {
        let pseudonym = |person: &str| self.pseudonyms.pseudonym(person);
        let pseudonymizer = Pseudonymizer::new(&pseudonym).knowing(&self.known);
        let mut value = line::to_json(object, programs)?;
        for part in ["cel", "facts"] {
            if let Some(part) = value.get_mut(part) {
                replace(part, &pseudonymizer);
            }
        }
        canonical::to_string(&value)
    }

    /// A text that may name anybody.
    pub(crate) fn text(&self, text: &str) -> String {
        let pseudonym = |person: &str| self.pseudonyms.pseudonym(person);
        Pseudonymizer::new(&pseudonym).knowing(&self.known).message(text, None)
    }

    /// The digest of that line: what a list of a population has for the item. None if it has no line.
    pub fn digest(&self, object: &Object, programs: &[ProgramId]) -> Option<String> {
        Some(canonical::sha256(self.line(object, programs).ok()?.as_bytes()))
    }
}

fn replace(value: &mut Value, people: &Pseudonymizer<'_>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, people)),
        Value::Object(fields) => {
            if may_be_impersonated(fields)
                && let Some(names) = fields.get_mut("names")
            {
                users(names, people);
            }
            if let Some(summary) = summary_without(fields, people) {
                fields.insert("summary".to_owned(), summary.into());
            }
            for (key, field) in fields {
                match (key.as_str(), &mut *field) {
                    ("User" | "attestedBy" | "recordedBy", Value::String(name)) => {
                        *name = people.user(name);
                    }
                    ("participants", names) => users(names, people),
                    ("Fail", failed) => messages(failed, people),
                    (key, Value::String(text)) if PROSE.contains(&key) => {
                        *text = people.message(text, None);
                    }
                    _ => replace(field, people),
                }
            }
        }
        _ => {}
    }
}

/// The summary of a record without those who attest and take part, who are known by it alone. None of
/// what is no record.
fn summary_without(record: &Map<String, Value>, people: &Pseudonymizer<'_>) -> Option<String> {
    let text = |key: &str| record.get(key).and_then(Value::as_str);
    let (summary, attested_by) = (text("summary")?, text("attestedBy")?);
    let taking_part = record.get("participants").and_then(Value::as_array);
    let taking_part = taking_part.into_iter().flatten().filter_map(Value::as_str);
    let mut names: Vec<&str> = taking_part.chain([attested_by]).chain(text("recordedBy")).collect();
    // Longer names first: one may be a part of another.
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    Some(people.text(summary, &names))
}

/// Whether a rule of a role is about users, whose names it may hold.
fn may_be_impersonated(rule: &Map<String, Value>) -> bool {
    let resources = rule.get("resources").and_then(Value::as_array);
    resources.into_iter().flatten().any(|resource| resource.as_str() == Some("users"))
}

fn users(names: &mut Value, people: &Pseudonymizer<'_>) {
    for name in names.as_array_mut().into_iter().flatten() {
        if let Value::String(name) = name {
            *name = people.user(name);
        }
    }
}

/// What validations say of an object: pairs of a number and a message.
fn messages(failed: &mut Value, people: &Pseudonymizer<'_>) {
    for pair in failed.as_array_mut().into_iter().flatten() {
        if let Some(Value::String(message)) = pair.get_mut(1) {
            *message = people.message(message, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use comptroller_core::inventory::{Catalog, CelResult, Interner, Inventory, Projector};
    use comptroller_evidence::key::SigningKey;
    use serde_json::json;

    use super::*;

    fn writer() -> FactsWriter {
        let key = SigningKey::from_seed("comptroller.dev/evidence/x", &[7; 32]).unwrap();
        FactsWriter::new(Arc::new(key.pseudonyms()), ["jane@corp".to_owned(), "sam".to_owned()])
    }

    fn object(group: &str, kind: &str, object: &Value) -> Object {
        let resource = Catalog::builtin().find_kind(group, kind).unwrap().resource.clone();
        let projector = Projector::new(resource.clone(), Vec::new(), Arc::<Interner>::default());
        let projected = projector.project(object).unwrap();
        let kind = Inventory::default().kind(&resource);
        let (namespace, name) = (projected.namespace, projected.name);
        let (uid, facts, cel) = (projected.uid, projected.facts, projected.cel);
        Object { kind, namespace, name, uid, facts, cel }
    }

    #[test]
    fn bindings_name_nobody_and_read_back() {
        let binding = object(
            "rbac.authorization.k8s.io",
            "ClusterRoleBinding",
            &json!({
                "metadata": {"name": "admins-of-sam"},
                "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [
                    {"kind": "User", "name": "jane@corp"},
                    {"kind": "User", "name": "system:kube-proxy"},
                    {"kind": "User", "name": "system:serviceaccount:prod:ci"},
                    {"kind": "Group", "name": "sam"},
                ],
            }),
        );
        let text = writer().line(&binding, &[]).unwrap();
        assert!(!text.contains("jane"), "{text}");
        for kept in ["admins-of-sam", "system:kube-proxy", r#""name":"ci""#, r#"{"Group":"sam"}"#] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        let read = line::parse(text.as_bytes(), &[]).unwrap();
        let again = Object { facts: read.facts, ..binding.clone() };
        // A pseudonym has no pseudonym of its own, so that the line of what was read is the line.
        assert_eq!(again.name, binding.name);
        assert_eq!(writer().digest(&binding, &[]).unwrap(), canonical::sha256(text.as_bytes()));
    }

    #[test]
    fn records_name_nobody() {
        let record = object(
            "comptroller.dev",
            "Attestation",
            &json!({
                "metadata": {"name": "q4"},
                "spec": {
                    "control": "review", "period": "2026-Q4", "attestedBy": "ann",
                    "performedAt": "2026-11-01T00:00:00Z", "outcome": "Completed",
                    "summary": "ann and bob-2 looked at it with jane@corp", "participants": ["bob-2"],
                },
            }),
        );
        let text = writer().line(&record, &[]).unwrap();
        for name in ["\"ann", "ann ", "bob", "jane"] {
            assert!(!text.contains(name), "{name}: {text}");
        }
        assert!(line::parse(text.as_bytes(), &[]).is_ok());
    }

    #[test]
    fn rules_about_users_and_texts_name_nobody() {
        let role = object(
            "rbac.authorization.k8s.io",
            "ClusterRole",
            &json!({
                "metadata": {"name": "impersonate"},
                "rules": [
                    {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["jane@corp"]},
                    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["sam"]},
                ],
            }),
        );
        let text = writer().line(&role, &[]).unwrap();
        assert!(!text.contains("jane") && text.contains(r#""names":["sam"]"#), "{text}");
        let pod = Object {
            cel: [
                CelResult::Fail([(0, "sam made it".into())].into()),
                CelResult::Unknown("ask jane@corp".into()),
            ]
            .into(),
            ..object("", "ConfigMap", &json!({"metadata": {"name": "sam", "namespace": "a"}}))
        };
        let text = writer().line(&pod, &[ProgramId(1), ProgramId(2)]).unwrap();
        assert!(!text.contains("jane") && !text.contains("sam made"), "{text}");
        assert!(text.contains(r#""name":"sam""#), "{text}");
    }
}
