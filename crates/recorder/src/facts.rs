//! Facts as the log keeps them: a line of canonical JSON for an object, with people as pseudonyms.
//!
//! People stand where bindings name users, where rules name whom one may impersonate, and where
//! records name who attests; texts that come from anywhere are read as any message is. Names of
//! objects, labels and what expressions compare stay as they are.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::value::RawValue;

use comptroller_core::inventory::{Object, ProgramId, line};
use comptroller_evidence::{
    key::Pseudonyms,
    privacy::{KnownPeople, Pseudonymizer, names_a_person},
};
use comptroller_vocabulary::canonical::{self, CanonicalError};

/// Variants and fields of facts that hold sentences.
const PROSE: [&str; 11] = [
    "Malformed",
    "NotReady",
    "Unavailable",
    "Undecided",
    "Unhealthy",
    "Unknown",
    "invalid",
    "message",
    "problem",
    "summary",
    "unresolved",
];

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
    pub fn new(pseudonyms: Arc<Pseudonyms>, people: KnownPeople) -> Self {
        Self { pseudonyms, known: people }
    }

    /// The line of an object of a kind that these programs judged, without its line feed.
    pub fn line(
        &self,
        kind: &str,
        object: &Object,
        programs: &[ProgramId],
    ) -> Result<String, CanonicalError> {
        let pseudonym = |person: &str| self.pseudonyms.pseudonym(person);
        let pseudonymizer = Pseudonymizer::new(&pseudonym).knowing(&self.known);
        let json = serde_json::value::to_raw_value(&line::of(object, programs))?;
        let mut line = String::with_capacity(json.get().len());
        if names_a_person(kind) {
            write_person_line(&json, &pseudonymizer, &mut line)?;
        } else {
            write(&json, Holds::Names, &pseudonymizer, &mut line)?;
        }
        Ok(line)
    }

    /// A text that may name anybody.
    pub(crate) fn text(&self, text: &str) -> String {
        let pseudonym = |person: &str| self.pseudonyms.pseudonym(person);
        Pseudonymizer::new(&pseudonym).knowing(&self.known).message(text, None)
    }

    /// The digest of that line: what a list of a population has for the item. None if it has no line.
    pub fn digest(&self, kind: &str, object: &Object, programs: &[ProgramId]) -> Option<String> {
        Some(canonical::sha256(self.line(kind, object, programs).ok()?.as_bytes()))
    }
}

/// What a text in facts may hold, by the field that it is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Nobody, or the name of an object.
    Names,
    /// A user.
    User,
    /// A sentence.
    Sentence,
}

impl Holds {
    fn of(key: &str) -> Self {
        match key {
            "User" | "attestedBy" | "recordedBy" | "participants" => Self::User,
            // Pairs of the number of a validation and its message.
            "Fail" => Self::Sentence,
            key if PROSE.contains(&key) => Self::Sentence,
            _ => Self::Names,
        }
    }
}

/// Writes JSON in canonical form, without people. Level by level: the facts of the largest object are
/// some megabytes of text, and would be many times that as values.
fn write(
    json: &RawValue,
    holds: Holds,
    people: &Pseudonymizer<'_>,
    out: &mut String,
) -> Result<(), CanonicalError> {
    let text = json.get();
    match text.as_bytes().first() {
        Some(b'{') => write_fields(&serde_json::from_str(text)?, people, out),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            out.push('[');
            for (at, item) in items.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, holds, people, out)?;
            }
            out.push(']');
            Ok(())
        }
        Some(b'"') if holds != Holds::Names => {
            let text: String = serde_json::from_str(text)?;
            let text = match holds {
                Holds::User => people.user(&text),
                _ => people.message(&text, None),
            };
            out.push_str(&serde_json::to_string(&text)?);
            Ok(())
        }
        // Numbers in facts are whole: a fraction would be refused by whoever reads them back.
        _ => {
            out.push_str(text);
            Ok(())
        }
    }
}

/// Writes the line of a person, whose name is personal data too. Everything that is known of them is
/// replaced, but for the days on which they come and go.
fn write_person_line(
    json: &RawValue,
    people: &Pseudonymizer<'_>,
    out: &mut String,
) -> Result<(), CanonicalError> {
    let fields: Fields<'_> = serde_json::from_str(json.get())?;
    write_each(&fields, out, |key, field, out| match key {
        "name" => write(field, Holds::User, people, out),
        "facts" => match serde_json::from_str::<Fields<'_>>(field.get()) {
            Ok(variant) => write_each(&variant, out, |variant, facts, out| match variant {
                "Person" => write_person(facts, people, out),
                _ => write(facts, Holds::of(variant), people, out),
            }),
            Err(_) => write(field, Holds::Names, people, out),
        },
        _ => write(field, Holds::Names, people, out),
    })
}

/// Writes the facts of a person: user names and the manager as pseudonyms, and sentences as such, since
/// a department may be called after somebody.
fn write_person(
    facts: &RawValue,
    people: &Pseudonymizer<'_>,
    out: &mut String,
) -> Result<(), CanonicalError> {
    let fields: Fields<'_> = serde_json::from_str(facts.get())?;
    write_each(&fields, out, |key, field, out| {
        let holds = match key {
            "usernames" | "manager" => Holds::User,
            "department" | "groups" | "roles" => Holds::Sentence,
            _ => Holds::Names,
        };
        write(field, holds, people, out)
    })
}

/// Writes an object field by field.
fn write_each(
    fields: &Fields<'_>,
    out: &mut String,
    mut write: impl FnMut(&str, &RawValue, &mut String) -> Result<(), CanonicalError>,
) -> Result<(), CanonicalError> {
    out.push('{');
    for (at, (key, field)) in fields.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&serde_json::to_string(key)?);
        out.push(':');
        write(key, field, out)?;
    }
    out.push('}');
    Ok(())
}

type Fields<'a> = BTreeMap<String, &'a RawValue>;

fn write_fields(
    fields: &Fields<'_>,
    people: &Pseudonymizer<'_>,
    out: &mut String,
) -> Result<(), CanonicalError> {
    let summary = summary_without(fields, people);
    write_each(fields, out, |key, field, out| match (key, &summary) {
        ("summary", Some(summary)) => {
            out.push_str(&serde_json::to_string(summary)?);
            Ok(())
        }
        ("names", _) if may_be_impersonated(fields) => write(field, Holds::User, people, out),
        (key, _) => write(field, Holds::of(key), people, out),
    })
}

fn read<'a, T: serde::Deserialize<'a>>(fields: &Fields<'a>, key: &str) -> Option<T> {
    serde_json::from_str(fields.get(key)?.get()).ok()
}

/// The summary of a record without those who attest and take part, who are known by it alone. None of
/// what is no record.
fn summary_without(record: &Fields<'_>, people: &Pseudonymizer<'_>) -> Option<String> {
    let (summary, attested_by): (String, String) =
        (read(record, "summary")?, read(record, "attestedBy")?);
    let mut names: Vec<String> = read(record, "participants").unwrap_or_default();
    names.push(attested_by);
    names.extend(read::<Option<String>>(record, "recordedBy").flatten());
    // Longer names first: one may be a part of another.
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Some(people.text(&summary, &names))
}

/// Whether a rule of a role is about users, whose names it may hold.
fn may_be_impersonated(rule: &Fields<'_>) -> bool {
    let resources: Option<Vec<String>> = read(rule, "resources");
    resources.into_iter().flatten().any(|resource| resource == "users")
}

#[cfg(test)]
mod tests {
    use comptroller_core::inventory::{
        Catalog, Facts, Interner, Inventory, ProgramResult, Projector,
    };
    use comptroller_evidence::key::SigningKey;
    use serde_json::{Value, json};

    use super::*;

    fn writer() -> FactsWriter {
        let key = SigningKey::from_seed("comptroller.dev/evidence/x", &[7; 32]).unwrap();
        FactsWriter::new(Arc::new(key.pseudonyms()), KnownPeople::new(["jane@corp", "sam"]))
    }

    fn object(group: &str, kind: &str, object: &Value) -> Object {
        let resource = Catalog::builtin().find_kind(group, kind).unwrap().resource.clone();
        let projector = Projector::new(resource.clone(), Vec::new(), Arc::<Interner>::default());
        let projected = projector.project(object).unwrap();
        let kind = Inventory::default().kind(&resource);
        let (namespace, name) = (projected.namespace, projected.name);
        let (uid, facts, results) = (projected.uid, projected.facts, projected.results);
        Object { kind, namespace, name, uid, facts, results }
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
        let text = writer().line("ClusterRoleBinding", &binding, &[]).unwrap();
        assert!(!text.contains("jane"), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(canonical::to_string(&value).unwrap(), text);
        for kept in ["admins-of-sam", "system:kube-proxy", r#""name":"ci""#, r#"{"Group":"sam"}"#] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        let read = line::parse(text.as_bytes(), &[]).unwrap();
        let again = Object { facts: read.facts, ..binding.clone() };
        // A pseudonym has no pseudonym of its own, so that the line of what was read is the line.
        assert_eq!(again.name, binding.name);
        assert_eq!(
            writer().digest("ClusterRoleBinding", &binding, &[]).unwrap(),
            canonical::sha256(text.as_bytes())
        );
    }

    #[test]
    fn a_line_in_which_nobody_is_named_is_the_canonical_text() {
        let web = json!({
            "metadata": {"name": "web", "namespace": "a", "uid": "7d9e", "labels": {"z": "\u{e9}\"", "a": ""}},
            "spec": {"replicas": 2, "template": {"spec": {
                "hostNetwork": true,
                "securityContext": {"runAsUser": 7},
                "containers": [
                    {"name": "b", "image": "i", "ports": [{"containerPort": 1, "hostPort": 2}]},
                    {"name": "a", "image": "j", "securityContext": {"capabilities": {"add": ["CHOWN"]}}},
                ],
            }}},
        });
        let web = Object {
            results: [ProgramResult::Pass, ProgramResult::NotMatched].into(),
            ..object("apps", "Deployment", &web)
        };
        let programs = [ProgramId(9), ProgramId(3)];
        let canonical = canonical::to_string(&line::of(&web, &programs)).unwrap();
        assert_eq!(writer().line("Deployment", &web, &programs).unwrap(), canonical);
        assert_eq!(line::parse(canonical.as_bytes(), &programs).unwrap().facts, web.facts);
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
        let text = writer().line("Attestation", &record, &[]).unwrap();
        for name in ["\"ann", "ann ", "bob", "jane"] {
            assert!(!text.contains(name), "{name}: {text}");
        }
        assert!(line::parse(text.as_bytes(), &[]).is_ok());
    }

    #[test]
    fn people_are_pseudonyms_with_the_days_on_which_they_come_and_go() {
        let person = object(
            "comptroller.dev",
            "Person",
            &json!({
                "metadata": {"name": "jane-doe", "uid": "7d9e"},
                "spec": {
                    "displayName": "Jane Doe", "email": "jane.doe@corp.example",
                    "identities": {"usernames": ["jane@corp", "jdoe"], "groups": ["platform"]},
                    "department": "Office of jane@corp", "roles": ["engineer"],
                    "manager": "sam-smith", "startDate": "2026-01-01", "endDate": "2026-11-30",
                },
            }),
        );
        let text = writer().line("Person", &person, &[]).unwrap();
        let lower = text.to_lowercase();
        for name in ["jane", "doe", "smith", "corp"] {
            assert!(!lower.contains(name), "{name}: {text}");
        }
        for kept in
            ["2026-01-01", "2026-11-30", "engineer", "platform", "7d9e", "Office of person:"]
        {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(canonical::to_string(&value).unwrap(), text);
        // It is read back as somebody of that pseudonym.
        let read = line::parse(text.as_bytes(), &[]).unwrap();
        assert!(read.name.starts_with("person:"), "{}", read.name);
        // One that can't be read has a name all the same.
        let broken = Object { facts: Facts::Malformed("spec: jane@corp".into()), ..person };
        let text = writer().line("Person", &broken, &[]).unwrap();
        assert!(!text.contains("jane"), "{text}");
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
        let text = writer().line("ClusterRole", &role, &[]).unwrap();
        assert!(!text.contains("jane") && text.contains(r#""names":["sam"]"#), "{text}");
        let pod = Object {
            results: [
                ProgramResult::Fail([(0, "sam made it".into())].into()),
                ProgramResult::Unknown("ask jane@corp".into()),
            ]
            .into(),
            ..object("", "ConfigMap", &json!({"metadata": {"name": "sam", "namespace": "a"}}))
        };
        let text = writer().line("ConfigMap", &pod, &[ProgramId(1), ProgramId(2)]).unwrap();
        assert!(!text.contains("jane") && !text.contains("sam made"), "{text}");
        let results = serde_json::from_value(json!([
            {"Presence": {"health": {"Unhealthy": "jane@corp stopped it"}, "at": null}},
            {"Results": {"entries": [{
                "resource": {"apiVersion": "v1", "kind": "Pod", "namespace": "a", "name": "b"},
                "uid": null, "engine": "kyverno", "judged": 1, "dated": null, "more": 0,
                "rows": [{"rule": "p/r", "fails": true, "severity": "High", "message": "made by jane@corp"}],
                "problem": "jane@corp wrote it",
            }]}},
        ]))
        .unwrap();
        let reported = Object { results, ..pod.clone() };
        let text = writer().line("ConfigMap", &reported, &[ProgramId(1), ProgramId(2)]).unwrap();
        assert!(!text.contains("jane") && text.contains("p/r"), "{text}");
        assert!(text.contains(r#""name":"sam""#), "{text}");
    }
}
