//! `values.yaml` is the only source of what values there are: the schema and the table are made from it.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Map, Value, json};

/// A value, or a section of values, that a comment describes.
#[derive(Debug)]
pub struct ChartValue {
    pub path: Vec<String>,
    pub description: String,
    /// What a line `# @schema` says beyond the type of the default.
    schema: Map<String, Value>,
    pub default: Value,
    /// Whether values below it are described themselves.
    pub section: bool,
}

/// Every described value of a chart, in the order of the file.
pub fn read(chart: &str) -> Vec<ChartValue> {
    let text =
        std::fs::read_to_string(format!("{}/{chart}/values.yaml", super::helm::ROOT)).unwrap();
    let defaults: Value = yaml_serde::from_str(&text).unwrap();
    let mut values: Vec<ChartValue> = Vec::new();
    let (mut comment, mut schema) = (String::new(), Map::new());
    // The keys that are open, with their indentation.
    let mut open: Vec<(usize, String)> = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        if let Some(rule) = trimmed.strip_prefix("# @schema ") {
            schema = serde_json::from_str(rule).unwrap_or_else(|error| panic!("{error}: {rule}"));
        } else if let Some(words) = trimmed.strip_prefix('#') {
            if !comment.is_empty() {
                comment.push(' ');
            }
            comment.push_str(words.trim());
        } else if trimmed.is_empty() {
            comment.clear();
        } else if let Some((key, _)) = trimmed.split_once(':').filter(|_| !trimmed.starts_with('-'))
        {
            let indentation = line.len() - trimmed.len();
            open.retain(|(other, _)| *other < indentation);
            open.push((indentation, key.to_owned()));
            if comment.is_empty() {
                continue;
            }
            let path: Vec<String> = open.iter().map(|(_, key)| key.clone()).collect();
            let default = path.iter().fold(&defaults, |value, key| &value[key.as_str()]).clone();
            if let Some(parent) =
                values.iter_mut().find(|other| other.path == path[..path.len() - 1])
            {
                parent.section = true;
            }
            let (description, schema) = (std::mem::take(&mut comment), std::mem::take(&mut schema));
            values.push(ChartValue { path, description, schema, default, section: false });
        }
    }
    values
}

impl ChartValue {
    pub fn name(&self) -> String {
        self.path.join(".")
    }

    fn schema(&self, children: Map<String, Value>) -> Value {
        let kind = match self.default {
            Value::Null => panic!("{}: a default says what type a value has", self.name()),
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let mut schema = Map::new();
        schema.insert("description".to_owned(), json!(self.description));
        schema.insert("type".to_owned(), json!(kind));
        if self.section {
            schema.insert("properties".to_owned(), children.into());
            schema.insert("additionalProperties".to_owned(), json!(false));
        } else {
            schema.insert("default".to_owned(), self.default.clone());
        }
        schema.extend(self.schema.clone());
        schema.into()
    }
}

/// The schema, as it is committed.
pub fn schema(chart: &str) -> String {
    let values = read(chart);
    let mut properties = below(&values, &[]);
    let global = "What a parent chart shares with its charts. This chart uses nothing of it.";
    properties.insert("global".to_owned(), json!({"description": global, "type": "object"}));
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": format!("Values of the chart {}", chart.trim_start_matches("charts/")),
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    format!("{}\n", serde_json::to_string_pretty(&schema).unwrap())
}

fn below(values: &[ChartValue], path: &[String]) -> Map<String, Value> {
    let children = values
        .iter()
        .filter(|value| value.path.split_last().is_some_and(|(_, parent)| parent == path));
    children
        .map(|value| (value.path.last().unwrap().clone(), value.schema(below(values, &value.path))))
        .collect()
}

/// The rows of the table in the README.
pub fn table(chart: &str) -> String {
    let mut table = String::from("| value | default | what it is for |\n|---|---|---|\n");
    for value in read(chart).iter().filter(|value| !value.section) {
        let default = serde_json::to_string(&value.default).unwrap();
        let description = value.description.replace('|', "\\|");
        let _ = writeln!(table, "| `{}` | `{default}` | {description} |", value.name());
    }
    table
}

/// Each leaf of a values file that a user writes, by its path in the chart's values.
pub fn set_by(values: &[ChartValue], given: &Value) -> BTreeMap<String, Value> {
    let leaves = values.iter().filter(|value| !value.section);
    leaves
        .filter_map(|value| {
            let found = value.path.iter().try_fold(given, |value, key| value.get(key))?;
            Some((value.name(), found.clone()))
        })
        .collect()
}

/// The same file without one value.
pub fn without(given: &Value, path: &[String]) -> Value {
    let mut rest = given.clone();
    if let Some((last, parents)) = path.split_last() {
        let parent = parents.iter().try_fold(&mut rest, |value, key| value.get_mut(key));
        if let Some(parent) = parent.and_then(Value::as_object_mut) {
            parent.remove(last);
        }
    }
    rest
}
