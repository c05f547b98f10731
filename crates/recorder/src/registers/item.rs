//! An item as the log keeps it: without people, and known by a key that names nobody.

use serde_json::Value;

use comptroller_core::registers::{DerivedItem, ItemKey};
use comptroller_evidence::{
    privacy::Pseudonymizer,
    register::{Fields, MAX_KEY, RegisterItem},
};
use comptroller_vocabulary::canonical;

/// How many digits of a digest a key has: 128 bits, as a uid.
const DIGITS: usize = 32;

/// What stands before the digits of a digest.
const SHA256: &str = "sha256:";

/// The item of a register, which an object of a kind brings along.
pub fn recorded(kind: &str, item: &DerivedItem, people: &Pseudonymizer<'_>) -> RegisterItem {
    let fields: Fields = item
        .fields
        .iter()
        .map(|(name, value)| (name.clone(), without_people(name, value, people)))
        .collect();
    RegisterItem::new(key(kind, &item.key, &fields), fields)
}

fn key(kind: &str, key: &ItemKey, fields: &Fields) -> String {
    match key {
        ItemKey::Text(text) if kind.len() + 1 + text.len() <= MAX_KEY => format!("{kind}/{text}"),
        ItemKey::Text(text) => format!("{kind}/{}", digits(&canonical::sha256(text.as_bytes()))),
        ItemKey::Fields(names) => {
            let values: Vec<Option<&Value>> = names.iter().map(|name| fields.get(*name)).collect();
            // Texts and whole numbers always have a canonical text.
            let digest = canonical::digest(&values).unwrap_or_default();
            format!("{kind}/{}", digits(&digest))
        }
    }
}

fn digits(digest: &str) -> &str {
    let digits = digest.strip_prefix(SHA256).unwrap_or(digest);
    digits.get(..DIGITS).unwrap_or(digits)
}

/// A field that may name a person, by what the field is.
fn without_people(name: &str, value: &Value, people: &Pseudonymizer<'_>) -> Value {
    match (name, value) {
        ("usernames", Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).map(|name| people.user(name)).collect()
        }
        ("groups" | "roles", Value::Array(texts)) => {
            texts.iter().filter_map(Value::as_str).map(|text| people.message(text, None)).collect()
        }
        (_, Value::String(text)) => text_without_people(name, text, people),
        _ => value.clone(),
    }
}

fn text_without_people(name: &str, text: &str, people: &Pseudonymizer<'_>) -> Value {
    match name {
        "subject" => people.subject(text).into(),
        "approvedBy" | "by" | "manager" | "person" | "requestedBy" => people.user(text).into(),
        // A team has a name; what looks like an address may be a person's.
        "owner" if text.contains('@') => people.user(text).into(),
        // A department may be called after somebody.
        "department" | "reason" => people.message(text, None).into(),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_people_there_are_pseudonyms_alone() {
        let fields = json!({
            "person": "jane", "manager": "sam", "usernames": ["jane@corp"], "department": "Office of sam@corp",
            "subject": "User jane@corp",
        });
        let item = DerivedItem {
            key: ItemKey::Fields(&["person"]),
            fields: serde_json::from_value(fields).unwrap(),
        };
        let pseudonym = |name: &str| format!("person:{}", name.len());
        let recorded = recorded("Person", &item, &Pseudonymizer::new(&pseudonym));
        let expected = json!({
            "person": "person:4", "manager": "person:3", "usernames": ["person:9"], "department": "Office of person:8",
            "subject": "User person:9",
        });
        assert_eq!(json!(recorded.fields), expected);
        assert!(!recorded.key.contains("jane"), "{}", recorded.key);
    }
}
