//! People as pseudonyms: what goes into the log names nobody, so that erasing a person leaves it
//! whole. Pure.
//!
//! A user whose name begins with `system:` is a part of Kubernetes and stays; that prefix is
//! reserved. Names of objects are names of objects, whoever they remind of; those of Persons alone are
//! names of people.
//!
//! Texts come from anywhere: a message of a rule, an error of the API server, a reason that somebody
//! wrote. What they say of people is found by the identities that the cluster knows, wherever they
//! stand, and not by the words around them.

mod known;

use std::collections::BTreeSet;

pub use self::known::KnownPeople;

use serde_json::Value;

use comptroller_vocabulary::ResourceRef;

/// Users of Kubernetes itself: components, nodes and service accounts.
const SYSTEM: &str = "system:";

/// What a pseudonym begins with.
const PSEUDONYM: &str = "person:";

/// How a finding and a binding name a subject that is a user.
const USER: &str = "User ";

/// Whether the objects of a kind are people, so that their names are names of people.
pub fn names_a_person(kind: &str) -> bool {
    matches!(kind, "Person" | "User")
}

/// Replaces the names of people by their pseudonyms, wherever texts and specs have them.
#[derive(Clone, Copy)]
pub struct Pseudonymizer<'a> {
    pseudonym: &'a dyn Fn(&str) -> String,
    known: Option<&'a KnownPeople>,
}

impl std::fmt::Debug for Pseudonymizer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pseudonymizer")
    }
}

impl<'a> Pseudonymizer<'a> {
    /// A pseudonymizer by a function from a name to its pseudonym, which is the same each time.
    pub fn new(pseudonym: &'a dyn Fn(&str) -> String) -> Self {
        Self { pseudonym, known: None }
    }

    /// One that knows who the people of the cluster are, and finds them in any text.
    #[must_use]
    pub fn knowing(self, people: &'a KnownPeople) -> Self {
        Self { known: Some(people), ..self }
    }

    /// The name of a user, as the log has it.
    pub fn user(&self, name: &str) -> String {
        if is_person(name) { (self.pseudonym)(name) } else { name.to_owned() }
    }

    /// An object or an identity, as the log names it.
    pub fn resource(&self, resource: &ResourceRef) -> ResourceRef {
        let mut resource = resource.clone();
        if names_a_person(&resource.kind) {
            resource.name = self.user(&resource.name);
        }
        resource
    }

    /// A subject as findings write it, such as `User jane@corp`.
    pub fn subject(&self, subject: &str) -> String {
        match subject.strip_prefix(USER) {
            Some(name) => format!("{USER}{}", self.user(name)),
            None => subject.to_owned(),
        }
    }

    /// A text that may name the user of a finding's subject, and any other of the people that are known.
    pub fn message(&self, message: &str, subject: Option<&str>) -> String {
        let named: Vec<&str> =
            subject.and_then(|subject| subject.strip_prefix(USER)).into_iter().collect();
        self.anybody_in(&self.names_in(message, named.into_iter()))
    }

    /// A text that may name these people.
    pub fn text(&self, text: &str, people: &[&str]) -> String {
        self.anybody_in(&self.names_in(text, people.iter().copied()))
    }

    /// A text without the people that are known, those that it calls users, and addresses.
    fn anybody_in(&self, text: &str) -> String {
        let text = match self.known {
            Some(known) => known.replace(text, self.pseudonym),
            None => text.to_owned(),
        };
        let text = self.users_in(&text);
        known::replace_addresses(&text, &|name| self.user(name))
    }

    /// The spec of one of our kinds: who asked and who approved, whom a rule allows, who attests;
    /// and their names wherever else the spec has them, such as in a reason.
    pub fn spec(&self, spec: &Value) -> Value {
        let mut names = BTreeSet::new();
        people_of(spec, &mut names);
        // Longer names first: one may be a part of another.
        let mut names: Vec<&str> = names.into_iter().filter(|name| is_person(name)).collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        self.pseudonymized(spec, &names)
    }

    fn pseudonymized(&self, value: &Value, names: &[&str]) -> Value {
        match value {
            Value::String(text) => self.names_in(text, names.iter().copied()).into(),
            Value::Array(items) => {
                items.iter().map(|item| self.pseudonymized(item, names)).collect()
            }
            Value::Object(fields) => fields
                .iter()
                .map(|(key, field)| {
                    let field = self.pseudonymized(field, names);
                    let is_prose = PROSE.contains(&key.as_str());
                    match field {
                        // A selector or an expression would be another with a name replaced.
                        Value::String(text) if is_prose => {
                            (key.clone(), self.anybody_in(&text).into())
                        }
                        field => (key.clone(), field),
                    }
                })
                .collect(),
            other => other.clone(),
        }
    }

    /// Replaces names where they stand by themselves: `cluster-admin` does not name the user admin.
    fn names_in<'n>(&self, text: &str, names: impl Iterator<Item = &'n str>) -> String {
        let mut text = text.to_owned();
        for name in names.filter(|name| is_person(name)) {
            let mut replaced = String::with_capacity(text.len());
            let mut rest = text.as_str();
            while let Some((before, after)) = rest.split_once(name) {
                replaced.push_str(before);
                let alone = !replaced.chars().next_back().is_some_and(is_word)
                    && !after.chars().next().is_some_and(is_word);
                if alone {
                    replaced.push_str(&(self.pseudonym)(name));
                } else {
                    replaced.push_str(name);
                }
                rest = after;
            }
            replaced.push_str(rest);
            text = replaced;
        }
        text
    }

    /// Replaces what follows the word `User` where that is one name: in quotes, or up to a comma or the
    /// end of the text, which may be cut within a name. What goes on as a sentence names nobody.
    fn users_in(&self, text: &str) -> String {
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(USER) {
            replaced.push_str(before);
            replaced.push_str(USER);
            let is_part_of_word = before.chars().next_back().is_some_and(is_word);
            let (name, quoted) = match after.strip_prefix('"') {
                Some(quoted) => (quoted.split('"').next().unwrap_or_default(), true),
                None => (after.split(", ").next().unwrap_or_default(), false),
            };
            let is_name = quoted || !name.contains(char::is_whitespace);
            if is_part_of_word || !is_name || name.starts_with(PSEUDONYM) || name.is_empty() {
                rest = after;
                continue;
            }
            let bare = name.trim_end_matches(['.', ';', ')']);
            let quote = usize::from(quoted);
            replaced.push_str(&after[..quote]);
            replaced.push_str(&self.user(bare));
            rest = &after[quote + bare.len()..];
        }
        replaced.push_str(rest);
        replaced
    }
}

/// The fields of a spec that hold sentences.
const PROSE: &[&str] = &[
    "cause",
    "comment",
    "compensatingControl",
    "control",
    "description",
    "message",
    "objective",
    "reason",
    "remedy",
    "response",
    "services",
    "summary",
    "ticket",
    "title",
    "why",
];

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '-' || c == '_'
}

fn is_person(name: &str) -> bool {
    !name.starts_with(SYSTEM) && name.chars().any(char::is_alphanumeric)
}

/// The people that a spec names: they are known from then on.
pub fn people_in(spec: &Value) -> impl Iterator<Item = &str> {
    let mut names = BTreeSet::new();
    people_of(spec, &mut names);
    names.into_iter().filter(|name| is_person(name))
}

/// Collects the people that a spec names.
fn people_of<'v>(value: &'v Value, names: &mut BTreeSet<&'v str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| people_of(item, names)),
        Value::Object(fields) => {
            if fields.get("kind").and_then(Value::as_str).is_some_and(names_a_person) {
                let name = fields.get("name").and_then(Value::as_str);
                // A pattern that begins with anything is nobody's name.
                names.extend(name.filter(|name| !name.starts_with('*')));
            }
            for (key, field) in fields {
                match key.as_str() {
                    "requestedBy" | "approvedBy" | "attestedBy" | "recordedBy" | "respondedBy"
                    | "reviewer" => {
                        names.extend(field.as_str());
                    }
                    // A team has a name; what looks like an address may be a person's.
                    "owner" => names.extend(field.as_str().filter(|owner| owner.contains('@'))),
                    "attesters" | "participants" | "users" | "auditors" => texts(field, names),
                    _ => {}
                }
                people_of(field, names);
            }
        }
        _ => {}
    }
}

/// The texts of a list of names; those of a list of objects are found by their kind.
fn texts<'v>(value: &'v Value, names: &mut BTreeSet<&'v str>) {
    names.extend(value.as_array().into_iter().flatten().filter_map(Value::as_str));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn pseudonym(name: &str) -> String {
        format!(
            "person:{:04x}",
            name.bytes().fold(7_u32, |sum, byte| sum * 31 % 65_521 + u32::from(byte))
        )
    }

    #[test]
    fn users_are_people_and_others_are_not() {
        let pseudonymizer = Pseudonymizer::new(&pseudonym);
        let jane = pseudonym("jane@corp");
        for (subject, expected) in [
            ("User jane@corp", format!("User {jane}")),
            ("User system:kube-proxy", "User system:kube-proxy".to_owned()),
            ("Group jane@corp", "Group jane@corp".to_owned()),
            ("ServiceAccount prod/ci", "ServiceAccount prod/ci".to_owned()),
        ] {
            assert_eq!(pseudonymizer.subject(subject), expected);
        }
    }

    #[test]
    fn messages_name_nobody() {
        let pseudonymizer = Pseudonymizer::new(&pseudonym);
        let (jane, sam) = (pseudonym("jane@corp"), pseudonym("sam"));
        for (message, subject, expected) in [
            (
                "jane@corp holds it, as jane@corp.",
                Some("User jane@corp"),
                format!("{jane} holds it, as {jane}."),
            ),
            (
                "cluster-admin through admin",
                Some("User admin"),
                format!("cluster-admin through {}", pseudonym("admin")),
            ),
            (
                "2 may: User jane@corp, User sam, Group c",
                None,
                format!("2 may: User {jane}, User {sam}, Group c"),
            ),
            // A message that was cut.
            (
                "2 may: Group c, User sa…",
                None,
                format!("2 may: Group c, User {}", pseudonym("sa…")),
            ),
            ("User system:anonymous, Group c", None, "User system:anonymous, Group c".to_owned()),
            ("runAsUser 0", None, "runAsUser 0".to_owned()),
            // Sentences and parts of Kubernetes are nobody.
            (
                "pods is forbidden: User \"system:serviceaccount:a:b\" cannot list resource \"pods\"",
                None,
                "pods is forbidden: User \"system:serviceaccount:a:b\" cannot list resource \"pods\"".to_owned(),
            ),
            (
                "User \"sam\" cannot list",
                None,
                format!("User \"{sam}\" cannot list"),
            ),
            ("User names may not be empty", None, "User names may not be empty".to_owned()),
            // A rule may say anything, such as what an annotation says.
            ("owned by jane@corp.", None, format!("owned by {jane}.")),
            (
                "image registry/app@sha256:0f0f, git@host.org:x",
                None,
                "image registry/app@sha256:0f0f, git@host.org:x".to_owned(),
            ),
        ] {
            assert_eq!(pseudonymizer.message(message, subject), expected);
        }
    }

    #[test]
    fn people_that_are_known_are_found_wherever_they_stand_and_objects_keep_their_names() {
        let people = ["jane", "sam smith", "oidc:ann", "admin", "system:kube-proxy"];
        let known = KnownPeople::new(people);
        let pseudonymizer = Pseudonymizer::new(&pseudonym).knowing(&known);
        let of = pseudonym;
        for (text, expected) in [
            (
                "jane may, and so may sam smith",
                format!("{} may, and so may {}", of("jane"), of("sam smith")),
            ),
            (
                "approved by oidc:ann (jane)",
                format!("approved by {} ({})", of("oidc:ann"), of("jane")),
            ),
            ("janet, jane-2 and x-jane may", "janet, jane-2 and x-jane may".to_owned()),
            (
                "User jane through ClusterRoleBinding jane and ClusterRole admin",
                format!(
                    "User {} through ClusterRoleBinding jane and ClusterRole admin",
                    of("jane")
                ),
            ),
            ("Group admin, ServiceAccount jane", "Group admin, ServiceAccount jane".to_owned()),
            ("system:kube-proxy may", "system:kube-proxy may".to_owned()),
            ("it ends in sam smi\u{2026}", format!("it ends in {}", of("sam smi\u{2026}"))),
        ] {
            assert_eq!(pseudonymizer.message(text, None), expected, "{text}");
        }
        // Prose of a spec names nobody, and what is evaluated stays as it is.
        let spec = json!({"reason": "jane asked", "test": {"cel": {"expression": "object.owner == 'jane'"}}});
        let told = pseudonymizer.spec(&spec);
        assert_eq!(told["reason"], format!("{} asked", of("jane")));
        assert_eq!(told["test"], spec["test"]);
    }

    #[test]
    fn specs_name_nobody() {
        let pseudonymizer = Pseudonymizer::new(&pseudonym);
        let spec = json!({
            "owner": "platform",
            "reason": "sam@corp and jane@corp agreed",
            "requestedBy": "jane@corp",
            "approvedBy": "sam@corp",
            "test": {"rbac": {"allow": [{"kind": "User", "name": "ann@corp"}, {"kind": "Group", "name": "ann@corp-team"}]},
                     "attestation": {"attesters": ["bob@corp"]}},
        });
        let text = pseudonymizer.spec(&spec).to_string();
        for name in ["jane@corp", "sam@corp", "bob@corp", r#""ann@corp""#] {
            assert!(!text.contains(name), "{name}: {text}");
        }
        assert!(text.contains("platform") && text.contains("ann@corp-team"), "{text}");
        let owned = pseudonymizer.spec(&json!({"owner": "jane@corp"}));
        assert_eq!(owned, json!({"owner": pseudonym("jane@corp")}));
        // Pseudonyms have no pseudonyms: a second pass changes nothing.
        let without_people = pseudonymizer.spec(&spec);
        assert_eq!(
            pseudonymizer.spec(&json!({"reason": without_people["reason"]})),
            json!({"reason": without_people["reason"]})
        );
    }

    proptest! {
        #[test]
        fn a_subject_is_never_in_its_own_message(
            name in "[a-z]{3,8}@[a-z]{3,8}( [a-z]{2,5})?",
            before in "[A-Z ,.]{0,12}",
            after in "[A-Z ,.]{0,12}",
        ) {
            let pseudonymizer = Pseudonymizer::new(&pseudonym);
            let message = format!("{before}.{name} {after} User {name}, more");
            let subject = format!("User {name}");
            let pseudonymized = pseudonymizer.message(&message, Some(&subject));
            prop_assert!(!pseudonymized.contains(&name), "{pseudonymized}");
            prop_assert!(!pseudonymizer.subject(&subject).contains(&name));
        }
    }
}
