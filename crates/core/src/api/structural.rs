//! Checks objects that no API server has seen against the generated schemas, so that a manifest
//! in a file is refused by the same bounds, with the same paths.

use std::{collections::HashMap, sync::LazyLock};

use regex::Regex;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    GROUP,
    invalid::{FieldPath, InvalidSpec, Problems},
    metadata,
    schema::{documents, schema_of},
    time,
};

/// Reads an object of this group that no API server has seen. The error has every violation of its
/// schema; what a schema cannot say is left to `validate` of the spec.
pub fn read<K>(object: &Value) -> Result<K, InvalidSpec>
where
    K: kube_core::Resource<DynamicType = ()> + DeserializeOwned,
{
    let mut problems = Problems::default();
    let root = FieldPath::new("");
    let mut object = object.clone();
    if let Some(schema) = schema_of(&K::kind(&())) {
        // In the order of the API server: null and 1.0 are gone before it validates.
        normalize(&mut object, schema);
        metadata::normalize(&mut object);
        metadata::check(&object, &K::api_version(&()), &mut problems);
        SchemaChecker { problems: &mut problems, unknown: &mut Vec::new() }
            .check(&object, schema, &root);
    }
    // Only then: a type error would be reported again, in worse words.
    if problems.is_empty() {
        match serde_path_to_error::deserialize(&object) {
            Ok(read) => return Ok(read),
            Err(error) => {
                let at = Some(error.path().to_string()).filter(|path| path != ".");
                let at = FieldPath::new(at.as_deref().unwrap_or("spec"));
                problems.push(
                    &at,
                    error.inner().to_string(),
                    "see kubectl explain for what to write",
                );
            }
        }
    }
    Err(problems.into_error())
}

/// Adds every violation of the schema of `K` by a spec to `problems`.
pub(crate) fn check_spec<K>(spec: &impl Serialize, problems: &mut Problems)
where
    K: kube_core::Resource<DynamicType = ()>,
{
    let at = FieldPath::new("spec");
    match (serde_json::to_value(spec), schema_of(&K::kind(&()))) {
        (Ok(spec), Some(schema)) => SchemaChecker { problems, unknown: &mut Vec::new() }.check(
            &spec,
            &schema["properties"]["spec"],
            &at,
        ),
        (Err(error), _) => problems.push(&at, error.to_string(), "correct the spec"),
        (_, None) => {}
    }
}

/// The paths of fields that the kind of the object does not have, which are mostly misspelled: the API
/// server would refuse or drop them. Empty for an object of another group.
pub fn unknown_fields(object: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    let group = object["apiVersion"].as_str().and_then(|version| version.split_once('/'));
    if group.is_some_and(|(group, _)| group == GROUP)
        && let Some(schema) = object["kind"].as_str().and_then(schema_of)
    {
        let mut problems = Problems::default();
        SchemaChecker { problems: &mut problems, unknown: &mut unknown }.check(
            object,
            schema,
            &FieldPath::new(""),
        );
    }
    unknown
}

/// Does what the API server does before it checks: a field that holds null is absent (an item of a list
/// is not), and 1.0 is a whole number, as in JSON.
fn normalize(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => {
            let (properties, others) = (&schema["properties"], &schema["additionalProperties"]);
            let of = |name: &String| properties.get(name).or(others.is_object().then_some(others));
            fields.retain(|name, value| !(value.is_null() && of(name).is_some()));
            for (name, value) in fields {
                if let Some(schema) = of(name) {
                    normalize(value, schema);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| normalize(item, &schema["items"])),
        Value::Number(number) if schema["type"] == "integer" => {
            if let Some(whole) = whole(number) {
                *value = whole.into();
            }
        }
        _ => {}
    }
}

/// The integer that a number such as 1.0 is. None for one that is written as an integer or has a
/// fraction.
fn whole(number: &serde_json::Number) -> Option<i64> {
    let text = number.is_f64().then(|| format!("{:.0}", number.as_f64().unwrap_or_default()))?;
    let whole: i64 = text.parse().ok()?;
    (number.as_f64() == text.parse().ok()).then_some(whole)
}

/// The patterns of all schemas, compiled once: a scan checks thousands of texts against some ten of
/// them. One that does not compile stays an error.
static PATTERNS: LazyLock<HashMap<&'static str, Result<Regex, regex::Error>>> =
    LazyLock::new(|| {
        let mut patterns = HashMap::new();
        for document in documents() {
            collect_patterns(document, &mut patterns);
        }
        patterns
    });

fn collect_patterns(
    schema: &'static Value,
    patterns: &mut HashMap<&'static str, Result<Regex, regex::Error>>,
) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    // A property that is called pattern is a schema, and so an object.
                    Value::String(pattern) if name == "pattern" => {
                        patterns.entry(pattern).or_insert_with(|| Regex::new(pattern));
                    }
                    value => collect_patterns(value, patterns),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_patterns(item, patterns)),
        _ => {}
    }
}

/// Walks a value along its schema, and collects what the schema does not allow.
struct SchemaChecker<'a> {
    problems: &'a mut Problems,
    unknown: &'a mut Vec<String>,
}

impl SchemaChecker<'_> {
    fn check(&mut self, value: &Value, schema: &Value, at: &FieldPath) {
        match (schema["type"].as_str().unwrap_or_default(), value) {
            ("object", Value::Object(fields)) => self.object(fields, schema, at),
            ("array", Value::Array(items)) => self.array(items, schema, at),
            ("string", Value::String(text)) => self.string(text, schema, at),
            ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => {
                self.integer(number.as_i64().unwrap_or(i64::MAX), schema, at);
            }
            ("boolean", Value::Bool(_)) => {}
            (wanted, _) => self.wrong_type(wanted, value, at),
        }
    }

    fn wrong_type(&mut self, wanted: &str, value: &Value, at: &FieldPath) {
        let (wanted, remedy) = match wanted {
            "object" => ("a mapping", "write its fields indented under it, or {} for none"),
            "array" => ("a list", "write [item, item], or one - item per line"),
            "string" => ("a string", "put it in quotes if it looks like something else"),
            "integer" => ("a whole number", "write digits, without quotes"),
            _ => ("true or false", "write true or false, without quotes"),
        };
        let given = match value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "a mapping",
        };
        self.problems.push(at, format!("must be {wanted}, not {given}"), remedy);
    }

    fn object(&mut self, fields: &Map<String, Value>, schema: &Value, at: &FieldPath) {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                let meaning = schema["properties"][name]["description"].as_str();
                let meaning = meaning.unwrap_or("it is required");
                self.problems.push(&at.field(name), "missing", format!("add it: {meaning}"));
            }
        }
        if let Some(most) = schema["maxProperties"].as_u64()
            && fields.len() as u64 > most
        {
            self.problems.push(at, "has too many fields", format!("write at most {most}"));
        }
        let properties = &schema["properties"];
        let others = &schema["additionalProperties"];
        for (name, value) in fields {
            let at = at.field(name);
            // The rules for metadata are those of every kind, and not in the schema.
            if at.as_str() == "metadata" {
                continue;
            }
            match (properties.get(name), others) {
                (Some(schema), _) => self.check(value, schema, &at),
                (None, Value::Object(_)) => self.check(value, others, &at),
                (None, _) => self.unknown.push(at.as_str().to_owned()),
            }
        }
    }

    fn array(&mut self, items: &[Value], schema: &Value, at: &FieldPath) {
        let count = items.len() as u64;
        if let Some(least) = schema["minItems"].as_u64().filter(|least| count < *least) {
            let remedy = format!("write at least {least}, or leave the field out");
            self.problems.push(at, format!("has {count} items"), remedy);
        }
        if let Some(most) = schema["maxItems"].as_u64().filter(|most| count > *most) {
            self.problems.push(at, format!("has {count} items"), format!("write at most {most}"));
        }
        for (position, item) in items.iter().enumerate() {
            let at = at.index(position);
            self.check(item, &schema["items"], &at);
            // Lists have at most 256 items, so comparing all pairs is cheap.
            if items.iter().take(position).any(|earlier| is_same_entry(earlier, item, schema)) {
                self.problems.push(&at, "is a duplicate", "write it once");
            }
        }
    }

    fn string(&mut self, text: &str, schema: &Value, at: &FieldPath) {
        if let Some(values) = schema["enum"].as_array() {
            // Length and pattern say nothing more about a value of a list.
            let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            if !values.contains(&text) {
                let remedy = format!("write one of {}", values.join(", "));
                self.problems.push(at, format!("{text:?} is not a known value"), remedy);
            }
            return;
        }
        let length = text.chars().count() as u64;
        if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
            let remedy = format!("write at least {least}, or leave the field out");
            self.problems.push(at, format!("has {length} characters"), remedy);
        }
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            let remedy = format!("write at most {most}");
            self.problems.push(at, format!("has {length} characters"), remedy);
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            self.pattern(text, pattern, at);
        }
        if schema["format"].as_str() == Some("date-time") && time::parse(text).is_err() {
            let problem = format!("{text:?} is not a date and time");
            self.problems.push(at, problem, "write it as 2027-01-31T00:00:00Z");
        }
    }

    fn pattern(&mut self, text: &str, pattern: &str, at: &FieldPath) {
        match PATTERNS.get(pattern) {
            Some(Ok(regex)) if regex.is_match(text) => {}
            Some(Ok(_)) => self.problems.push(
                at,
                format!("{text:?} does not have the expected form"),
                format!("write it to match {pattern}"),
            ),
            // Passing what nobody could check would accept what the API server refuses.
            Some(Err(_)) | None => self.problems.push(
                at,
                format!("cannot be checked: the pattern {pattern} of its schema is invalid"),
                "report this as a bug of Comptroller",
            ),
        }
    }

    fn integer(&mut self, number: i64, schema: &Value, at: &FieldPath) {
        if let Some(least) = schema["minimum"].as_i64().filter(|least| number < *least) {
            self.problems.push(
                at,
                format!("{number} is too small"),
                format!("write at least {least}"),
            );
        }
        if let Some(most) = schema["maximum"].as_i64().filter(|most| number > *most) {
            self.problems.push(
                at,
                format!("{number} is too large"),
                format!("write at most {most}"),
            );
        }
    }
}

/// Whether two items of a list stand for the same entry, by the list type that the schema gives.
fn is_same_entry(one: &Value, other: &Value, schema: &Value) -> bool {
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => one == other,
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array();
            keys.into_iter().flatten().filter_map(Value::as_str).all(|key| one[key] == other[key])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_of_a_schema_compiles() {
        assert!(PATTERNS.len() > 5);
        for (pattern, compiled) in PATTERNS.iter() {
            assert!(compiled.is_ok(), "{pattern}: {compiled:?}");
        }
    }

    #[test]
    fn a_text_that_cannot_be_checked_is_an_error() {
        let mut problems = Problems::default();
        let checker = &mut SchemaChecker { problems: &mut problems, unknown: &mut Vec::new() };
        checker.pattern("x", "(", &FieldPath::new("spec.x"));
        assert!(!problems.is_empty());
    }
}
