//! Every property of a kind of ours, changed in every way that its schema suggests.

use comptroller_core::api::{
    Attestation, AuditPeriod, Control, ControlException, DeviationResponse,
};
use kube::CustomResourceExt as _;
use serde_json::{Value, json};

/// One change of a spec.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// Names of fields, and indexes of lists.
    path: Vec<String>,
    /// None removes the field.
    value: Option<Value>,
}

impl std::fmt::Display for Mutation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.join(".");
        match &self.value {
            None => write!(f, "{path} unset"),
            Some(value) => {
                let text: String = value.to_string().chars().take(80).collect();
                write!(f, "{path} = {text:?}")
            }
        }
    }
}

impl Mutation {
    /// The spec with the change. None: there is nothing to change.
    pub fn apply(&self, spec: &Value) -> Option<Value> {
        let mut changed = spec.clone();
        let (last, above) = self.path.split_last()?;
        let mut at = &mut changed;
        for step in above {
            at = match at {
                Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?)?,
                Value::Object(fields) => fields.entry(step.clone()).or_insert_with(|| json!({})),
                _ => return None,
            };
        }
        match (at, &self.value) {
            (Value::Object(fields), None) => fields.remove(last).map(drop)?,
            (Value::Object(fields), Some(value)) => {
                fields.insert(last.clone(), value.clone());
            }
            (Value::Array(items), Some(value)) => {
                *items.get_mut(last.parse::<usize>().ok()?)? = value.clone();
            }
            _ => return None,
        }
        (changed != *spec).then_some(changed)
    }
}

/// The schema of the spec of a kind.
pub fn schema(kind: &str) -> Value {
    let crd = match kind {
        "Control" => Control::crd(),
        "ControlException" => ControlException::crd(),
        "Attestation" => Attestation::crd(),
        "AuditPeriod" => AuditPeriod::crd(),
        "DeviationResponse" => DeviationResponse::crd(),
        other => panic!("{other} is no kind of ours"),
    };
    let crd = serde_json::to_value(crd).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
}

/// Every change of a spec.
pub fn of_spec(schema: &Value, spec: &Value) -> Vec<Mutation> {
    let mut mutations = Vec::new();
    fields(schema, spec, &mut Vec::new(), &mut mutations);
    mutations
}

fn fields(schema: &Value, base: &Value, path: &mut Vec<String>, into: &mut Vec<Mutation>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, property) in properties {
        path.push(name.clone());
        let there = base.get(name);
        if there.is_some() {
            into.push(Mutation { path: path.clone(), value: None });
        }
        values(property, path, into);
        match there {
            // What tests of a control there are besides: one of each says that they exclude.
            None if path.first().is_some_and(|first| first == "test") => {}
            None => fields(property, &json!({}), path, into),
            Some(there) => {
                fields(property, there, path, into);
                items(property, there, path, into);
            }
        }
        path.pop();
    }
}

fn items(schema: &Value, base: &Value, path: &mut Vec<String>, into: &mut Vec<Mutation>) {
    let Some(first) = base.as_array().and_then(|items| items.first()) else { return };
    path.push("0".to_owned());
    values(&schema["items"], path, into);
    fields(&schema["items"], first, path, into);
    path.pop();
}

fn values(schema: &Value, path: &[String], into: &mut Vec<Mutation>) {
    let mut values = vec![Value::Null, json!(7), json!("text"), json!({ "unknown": 1 })];
    match schema["type"].as_str() {
        Some("string") => values.extend(strings(schema).into_iter().map(Value::from)),
        Some("integer") => values.extend(integers(schema).into_iter().map(Value::from)),
        Some("boolean") => values.extend([json!(true), json!(false), json!("true")]),
        Some("array") => values.extend(arrays(schema)),
        Some("object") => values.extend([json!({}), example(schema)]),
        _ => {}
    }
    values.dedup();
    into.extend(
        values.into_iter().map(|value| Mutation { path: path.to_vec(), value: Some(value) }),
    );
}

fn strings(schema: &Value) -> Vec<String> {
    let limit = |name: &str| schema[name].as_u64().and_then(|limit| usize::try_from(limit).ok());
    let most = limit("maxLength").unwrap_or(1000);
    let mut texts: Vec<String> = [
        "",
        "a",
        "does-not-exist",
        "*",
        "ü😀",
        "a\u{7}b",
        "a\u{85}b",
        "a\u{9f}b",
        "a\u{7f}",
        "a\u{2028}b",
        "\u{fffe}",
        "\u{202e}gnp",
        "- a: {b",
        "object.spec.",
        "object.metadata.name == 'a' ? true : 1",
        "size([1, 2].map(x, [1, 2].map(y, y + x))) > 0",
        "0s",
        "1h",
        "999999999y",
        "1.5mo",
        "-1h",
        "2026-02-30",
        "2026-02-28",
        "2026-02-30T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "2026-01-01T00:00:00.123456789012Z",
        "2026-01-01T00:00:00+23:59",
        "2026-01-01T00:00:00-00:00",
        "2026-01-01T00:00:60Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01t00:00:00z",
        "2027-06-01T00:00:00+14:00",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.extend([most, most + 1, 100_000].map(|length| "a".repeat(length)));
    texts.extend([most / 4].map(|length| "😀".repeat(length)));
    let choices = schema["enum"].as_array().into_iter().flatten();
    texts.extend(choices.filter_map(|choice| choice.as_str().map(str::to_owned)));
    texts
}

fn integers(schema: &Value) -> Vec<i64> {
    let limit = |name: &str| schema[name].as_f64();
    #[expect(clippy::cast_possible_truncation, reason = "limits of an API are small")]
    let (least, most) =
        (limit("minimum").unwrap_or(0.0) as i64, limit("maximum").unwrap_or(1e6) as i64);
    vec![least - 1, least, least + 1, most - 1, most, most + 1, -1, i64::from(i32::MAX) + 1]
}

fn arrays(schema: &Value) -> Vec<Value> {
    let one = example(&schema["items"]);
    let most = schema["maxItems"].as_u64().and_then(|most| usize::try_from(most).ok());
    let many = most.unwrap_or(100) + 1;
    vec![json!([]), json!([one]), json!([one, one]), json!([null]), vec![one; many].into()]
}

/// The smallest value that the schema admits, as far as a schema says that.
fn example(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten();
            let fields = required.filter_map(|name| {
                let name = name.as_str()?;
                Some((name.to_owned(), example(&schema["properties"][name])))
            });
            Value::Object(fields.collect())
        }
        Some("array") => {
            let least = schema["minItems"].as_u64().unwrap_or(0);
            (0..least).map(|_| example(&schema["items"])).collect()
        }
        Some("integer") => schema.get("minimum").map_or(json!(1), |least| {
            json!(least.as_f64().map_or(1, |least| {
                #[expect(clippy::cast_possible_truncation, reason = "limits of an API are small")]
                let least = least as i64;
                least
            }))
        }),
        Some("boolean") => json!(true),
        Some("string") => match schema["enum"].as_array().and_then(|choices| choices.first()) {
            Some(choice) => choice.clone(),
            None if schema["format"] == "date-time" => json!("2026-12-01T00:00:00Z"),
            None if schema["format"] == "date" => json!("2026-12-01"),
            None if schema["pattern"].as_str().is_some_and(|it| it.contains("mo|y")) => json!("1y"),
            None if schema["pattern"].as_str().is_some_and(|it| it.contains("ms|s")) => json!("1h"),
            None => json!("a"),
        },
        _ => Value::Null,
    }
}
