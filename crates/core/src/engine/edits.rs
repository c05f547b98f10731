//! Which fields of a control's rule were edited, by name alone: the values are in the entry of the
//! edit, where people have pseudonyms.

use std::sync::Arc;

use serde_json::Value;

use crate::api::ControlSpec;

/// How many fields a sentence names.
const MAX_FIELDS: usize = 6;

/// The fields of the scope and the test that differ, in one sentence. None if they are the same.
pub fn edited(before: &ControlSpec, after: &ControlSpec) -> Option<Arc<str>> {
    let rule = |spec: &ControlSpec| {
        let part = |value: Result<Value, serde_json::Error>| value.unwrap_or_default();
        [part(serde_json::to_value(&spec.scope)), part(serde_json::to_value(&spec.test))]
    };
    let mut fields = Vec::new();
    for ((path, before), after) in
        ["spec.scope", "spec.test"].into_iter().zip(rule(before)).zip(rule(after))
    {
        compare(path, &before, &after, &mut fields);
    }
    describe(&fields).map(Arc::from)
}

fn compare(path: &str, before: &Value, after: &Value, fields: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let added = new.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(added) {
                let (old, new) = (old.get(key), new.get(key));
                let path = format!("{path}.{key}");
                compare(&path, old.unwrap_or(&Value::Null), new.unwrap_or(&Value::Null), fields);
            }
        }
        // A part that is new or gone is told by its fields, which say more than its name.
        (Value::Object(_), Value::Null) => {
            compare(path, before, &Value::Object(serde_json::Map::new()), fields);
        }
        (Value::Null, Value::Object(_)) => {
            compare(path, &Value::Object(serde_json::Map::new()), after, fields);
        }
        _ if before != after => fields.push(path.to_owned()),
        _ => {}
    }
}

fn describe(fields: &[String]) -> Option<String> {
    match fields {
        [] => None,
        [one] => Some(format!("{one} was edited")),
        [most @ .., last] if fields.len() <= MAX_FIELDS => {
            Some(format!("{} and {last} were edited", most.join(", ")))
        }
        _ => {
            let more = fields.len() - MAX_FIELDS;
            let first = fields.get(..MAX_FIELDS).unwrap_or(fields).join(", ");
            Some(format!("{first} and {more} more fields were edited"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(scope: &Value, test: &Value) -> ControlSpec {
        serde_json::from_value(json!({
            "title": "t", "severity": "High", "criteria": ["CC6.1"], "owner": "platform",
            "description": "d", "scope": scope, "test": test,
        }))
        .unwrap()
    }

    #[test]
    fn the_sentence_names_the_fields_of_the_rule() {
        let test = json!({"workload": {"require": ["RunAsNonRoot"]}});
        let plain = spec(&Value::Null, &test);
        let scoped = spec(&json!({"excludeNamespaces": ["a"]}), &test);
        let other = spec(&json!({"excludeNamespaces": ["a", "b"]}), &test);
        assert_eq!(edited(&plain, &plain), None);
        assert_eq!(
            edited(&plain, &scoped).as_deref(),
            Some("spec.scope.excludeNamespaces was edited")
        );
        assert_eq!(
            edited(&scoped, &other).as_deref(),
            Some("spec.scope.excludeNamespaces was edited")
        );
        let titled = ControlSpec { title: "another".to_owned(), ..plain.clone() };
        assert_eq!(edited(&plain, &titled), None);
    }
}
