//! Label selectors with the semantics of Kubernetes, compiled once and then matched often.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::invalid::{FieldPath, Problems};

const MAX_REQUIREMENTS: usize = 32;
const MAX_VALUES: usize = 64;
/// A prefix of 253 characters, a slash, a name of 63.
const MAX_KEY: usize = 317;
const MAX_VALUE: usize = 63;

/// A selector that can be matched. An empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Selector(Vec<LabelRequirement>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct LabelRequirement {
    key: String,
    operator: LabelOperator,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum LabelOperator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

/// Why a selector cannot be matched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}; {remedy}")]
pub struct SelectorError {
    /// The field inside the selector, such as `matchExpressions[0].operator`.
    pub field: String,
    /// What is wrong, as a phrase that follows the field.
    pub problem: String,
    /// What to write instead.
    pub remedy: &'static str,
}

impl Selector {
    /// Compiles a selector as the API server accepts it; the error is the first thing wrong with it.
    pub fn compile(selector: &LabelSelector) -> Result<Self, SelectorError> {
        let labels = selector.match_labels.iter().flatten().map(|(key, value)| {
            let field = format!("matchLabels[{key}]");
            check_key(key, &field)?;
            check_value(value, &field)?;
            Ok(LabelRequirement {
                key: key.clone(),
                operator: LabelOperator::In(vec![value.clone()]),
            })
        });
        let expressions = selector.match_expressions.iter().flatten().enumerate();
        let expressions = expressions.map(|(position, expression)| {
            compile_expression(expression, &format!("matchExpressions[{position}]"))
        });
        labels.chain(expressions).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the labels that `lookup` yields by key match. An absent label matches `NotIn` and
    /// `DoesNotExist`, as in Kubernetes.
    pub fn matches<'a>(&self, lookup: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|requirement| requirement.holds(lookup(&requirement.key)))
    }

    /// Whether the requirements for one key are met by its value (None: no such label), whatever the
    /// other labels are. True if there are none for the key.
    pub fn matches_key(&self, key: &str, value: Option<&str>) -> bool {
        self.0.iter().filter(|requirement| requirement.key == key).all(|one| one.holds(value))
    }

    /// Whether every set of labels matches.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values that the label under a key may have. None where the selector does not list them, so
    /// that any value, or no label, may match.
    pub fn values_of(&self, key: &str) -> Option<Vec<&str>> {
        let of_key = || self.0.iter().filter(|requirement| requirement.key == key);
        // Several requirements for one key must all be met: their values are intersected.
        let mut allowed: Option<Vec<&str>> = None;
        for requirement in of_key() {
            if let LabelOperator::In(values) = &requirement.operator {
                let fits = |value: &&str| holds(values, value);
                allowed = Some(match allowed {
                    Some(known) => known.into_iter().filter(fits).collect(),
                    None => values.iter().map(String::as_str).collect(),
                });
            }
        }
        // NotIn takes values away from those that In lists.
        let excluded = |value: &&str| {
            of_key().any(|requirement| match &requirement.operator {
                LabelOperator::NotIn(values) => holds(values, value),
                LabelOperator::DoesNotExist => true,
                LabelOperator::In(_) | LabelOperator::Exists => false,
            })
        };
        allowed.map(|values| values.into_iter().filter(|value| !excluded(value)).collect())
    }

    /// The first key whose requirements exclude each other, so that no labels match. None if some may.
    pub fn contradiction(&self) -> Option<&str> {
        self.keys().find(|key| {
            let has = |operator: &LabelOperator| {
                self.0.iter().any(|one| one.key == *key && one.operator == *operator)
            };
            self.values_of(key).is_some_and(|values| values.is_empty())
                || has(&LabelOperator::Exists) && has(&LabelOperator::DoesNotExist)
        })
    }

    /// The label keys that decide. Labels under other keys can change without effect.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|requirement| requirement.key.as_str())
    }
}

impl LabelRequirement {
    fn holds(&self, value: Option<&str>) -> bool {
        match &self.operator {
            LabelOperator::In(values) => value.is_some_and(|value| holds(values, value)),
            LabelOperator::NotIn(values) => value.is_none_or(|value| !holds(values, value)),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }
}

fn holds(values: &[String], value: &str) -> bool {
    values.iter().any(|candidate| candidate == value)
}

fn compile_expression(
    expression: &LabelSelectorRequirement,
    field: &str,
) -> Result<LabelRequirement, SelectorError> {
    check_key(&expression.key, &format!("{field}.key"))?;
    let values = expression.values.clone().unwrap_or_default();
    for (position, value) in values.iter().enumerate() {
        check_value(value, &format!("{field}.values[{position}]"))?;
    }
    let error = |problem: &str, remedy| SelectorError {
        field: format!("{field}.values"),
        problem: problem.to_owned(),
        remedy,
    };
    // The API server refuses values for Exists and their absence for In, so that no selector means
    // something else than it says.
    let operator = match (expression.operator.as_str(), values.is_empty()) {
        ("In", false) => LabelOperator::In(values),
        ("NotIn", false) => LabelOperator::NotIn(values),
        ("Exists", true) => LabelOperator::Exists,
        ("DoesNotExist", true) => LabelOperator::DoesNotExist,
        ("In" | "NotIn", true) => {
            return Err(error("is empty", "In and NotIn need at least one value"));
        }
        ("Exists" | "DoesNotExist", false) => {
            return Err(error("is not empty", "Exists and DoesNotExist take no values"));
        }
        (other, _) => {
            return Err(SelectorError {
                field: format!("{field}.operator"),
                problem: format!("{other:?} is not an operator"),
                remedy: "write In, NotIn, Exists or DoesNotExist",
            });
        }
    };
    Ok(LabelRequirement { key: expression.key.clone(), operator })
}

/// A label key: a name, with a DNS prefix and a slash before it where it has one.
pub(super) fn check_key(key: &str, field: &str) -> Result<(), SelectorError> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if is_name(name) && prefix.is_none_or(is_dns_subdomain) {
        return Ok(());
    }
    Err(SelectorError {
        field: field.to_owned(),
        problem: format!("{key:?} is not a label key"),
        remedy: "write a name of at most 63 letters, digits, -, _ and ., with a letter or digit \
                 at both ends, after an optional DNS prefix and a slash",
    })
}

pub(super) fn check_value(value: &str, field: &str) -> Result<(), SelectorError> {
    if value.is_empty() || is_name(value) {
        return Ok(());
    }
    Err(SelectorError {
        field: field.to_owned(),
        problem: format!("{value:?} is not a label value"),
        remedy: "write at most 63 letters, digits, -, _ and ., with a letter or digit at both \
                 ends, or nothing",
    })
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_VALUE
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// RFC 1123, as Kubernetes asks for the prefix of a key.
pub(super) fn is_dns_subdomain(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 253
        && text.split('.').all(|label| {
            label.starts_with(edge)
                && label.ends_with(edge)
                && label.chars().all(|c| edge(c) || c == '-')
        })
}

/// Adds what [`Selector::compile`] says about a selector in a spec, and that it can match nothing.
pub(crate) fn validate(selector: &LabelSelector, at: &FieldPath, problems: &mut Problems) {
    match Selector::compile(selector) {
        Err(error) => problems.push(&at.field(&error.field), error.problem, error.remedy),
        Ok(selector) => {
            if let Some(key) = selector.contradiction() {
                problems.push(
                    at,
                    format!("cannot match anything: its requirements for {key} exclude each other"),
                    "write one requirement for the label, such as key: value under matchLabels",
                );
            }
        }
    }
}

/// The schema of a label selector with bounds, which the types of Kubernetes lack.
pub(crate) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": {
                "description": "Labels that must be present with these values, all of them.",
                "type": "object",
                "maxProperties": MAX_REQUIREMENTS,
                "additionalProperties": {"type": "string", "maxLength": MAX_VALUE},
            },
            "matchExpressions": {
                "description": "Requirements for labels, all of which must be met.",
                "type": "array",
                "maxItems": MAX_REQUIREMENTS,
                "x-kubernetes-list-type": "atomic",
                "items": requirement_schema(),
            },
        },
    })
}

fn requirement_schema() -> Schema {
    json_schema!({
        "type": "object",
        "required": ["key", "operator"],
        "properties": {
            "key": {
                "description": "The key of the label.",
                "type": "string",
                "minLength": 1,
                "maxLength": MAX_KEY,
            },
            "operator": {
                "description": "In and NotIn compare the label with values; Exists and DoesNotExist only look for the key. NotIn also matches where the label is absent.",
                "type": "string",
                "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
            },
            "values": {
                "description": "The values for In and NotIn; must be absent for the others.",
                "type": "array",
                "maxItems": MAX_VALUES,
                "x-kubernetes-list-type": "atomic",
                "items": {"type": "string", "maxLength": MAX_VALUE},
            },
        },
        "x-kubernetes-validations": [{
            "rule": "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",
            "message": "In and NotIn need at least one value, Exists and DoesNotExist take none",
            "fieldPath": ".values",
        }],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn parse(selector: Value) -> LabelSelector {
        serde_json::from_value(selector).unwrap()
    }

    fn matches(selector: Value, labels: &[(&str, &str)]) -> bool {
        let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        Selector::compile(&parse(selector)).unwrap().matches(|key| labels.get(key).copied())
    }

    fn expression(operator: &str, values: &[&str]) -> Value {
        json!({"matchExpressions": [{"key": "env", "operator": operator, "values": values}]})
    }

    #[test]
    fn the_semantics_of_kubernetes() {
        let prod: &[(&str, &str)] = &[("env", "prod"), ("team", "a")];
        let none: &[(&str, &str)] = &[];
        for (selector, labels, fits) in [
            (json!({}), none, true),
            (json!({"matchLabels": {"env": "prod"}}), prod, true),
            (json!({"matchLabels": {"env": "prod", "team": "b"}}), prod, false),
            (json!({"matchLabels": {"env": ""}}), none, false),
            (expression("In", &["dev", "prod"]), prod, true),
            (expression("In", &["dev"]), prod, false),
            (expression("In", &["dev"]), none, false),
            (expression("NotIn", &["prod"]), prod, false),
            (expression("NotIn", &["dev"]), prod, true),
            (expression("NotIn", &["dev"]), none, true),
            (expression("Exists", &[]), prod, true),
            (expression("Exists", &[]), none, false),
            (expression("DoesNotExist", &[]), prod, false),
            (expression("DoesNotExist", &[]), none, true),
        ] {
            assert_eq!(matches(selector.clone(), labels), fits, "{selector} on {labels:?}");
        }
    }

    #[test]
    fn what_cannot_be_matched_names_the_field() {
        let long = "a".repeat(64);
        for (selector, field) in [
            (json!({"matchLabels": {"a b": "c"}}), "matchLabels[a b]"),
            (json!({"matchLabels": {"": "c"}}), "matchLabels[]"),
            (json!({"matchLabels": {"Not.Dns/a": "c"}}), "matchLabels[Not.Dns/a]"),
            (json!({"matchLabels": {"a/b/c": "c"}}), "matchLabels[a/b/c]"),
            (json!({"matchLabels": {"/a": "c"}}), "matchLabels[/a]"),
            (json!({"matchLabels": {"a": "-c"}}), "matchLabels[a]"),
            (json!({"matchLabels": {"a": long}}), "matchLabels[a]"),
            (expression("Equals", &["a"]), "matchExpressions[0].operator"),
            (expression("in", &["a"]), "matchExpressions[0].operator"),
            (expression("In", &[]), "matchExpressions[0].values"),
            (expression("NotIn", &[]), "matchExpressions[0].values"),
            (expression("Exists", &["a"]), "matchExpressions[0].values"),
            (expression("In", &["a", "b c"]), "matchExpressions[0].values[1]"),
        ] {
            let error = Selector::compile(&parse(selector.clone())).unwrap_err();
            assert_eq!(error.field, field, "{selector}");
        }
    }

    #[test]
    fn contradictions_are_found() {
        let expressions = |list: &[(&str, &[&str])]| {
            let list: Vec<Value> = list
                .iter()
                .map(|(operator, values)| json!({"key": "env", "operator": operator, "values": values}))
                .collect();
            json!({"matchExpressions": list})
        };
        let prod = |list: &[(&str, &[&str])]| {
            let mut selector = expressions(list);
            selector["matchLabels"] = json!({"env": "prod"});
            selector
        };
        for (selector, contradicts) in [
            (json!({}), false),
            (prod(&[]), false),
            (prod(&[("NotIn", &["prod"])]), true),
            (prod(&[("NotIn", &["dev"])]), false),
            (prod(&[("In", &["dev"])]), true),
            (prod(&[("In", &["dev", "prod"])]), false),
            (prod(&[("DoesNotExist", &[])]), true),
            (prod(&[("Exists", &[])]), false),
            (expressions(&[("Exists", &[]), ("DoesNotExist", &[])]), true),
            (expressions(&[("In", &["a", "b"]), ("NotIn", &["a"]), ("NotIn", &["b"])]), true),
            (expressions(&[("NotIn", &["a"]), ("DoesNotExist", &[])]), false),
        ] {
            let compiled = Selector::compile(&parse(selector.clone())).unwrap();
            assert_eq!(compiled.contradiction().is_some(), contradicts, "{selector}");
        }
    }

    proptest! {
        #[test]
        fn what_contradicts_matches_nothing(
            list in proptest::collection::vec((0..4_usize, "[ab]"), 1..4),
            label in proptest::option::of("[abc]"),
        ) {
            let operators = ["In", "NotIn", "Exists", "DoesNotExist"];
            let list: Vec<Value> = list
                .iter()
                .map(|(operator, value)| {
                    let values = if *operator < 2 { json!([value]) } else { json!(null) };
                    json!({"key": "env", "operator": operators[*operator], "values": values})
                })
                .collect();
            let selector = Selector::compile(&parse(json!({"matchExpressions": list}))).unwrap();
            let fits = |label: Option<&str>| selector.matches(|_| label);
            let some = [None, Some("a"), Some("b"), Some("c")].into_iter().any(fits);
            prop_assert_eq!(selector.contradiction().is_none(), some);
            prop_assert!(some || !fits(label.as_deref()));
        }

        #[test]
        fn in_and_not_in_are_opposites(value in proptest::option::of("[ab]"), listed in "[ab]") {
            let labels: Vec<(&str, &str)> =
                value.as_deref().map(|value| ("env", value)).into_iter().collect();
            prop_assert_ne!(
                matches(expression("In", &[&listed]), &labels),
                matches(expression("NotIn", &[&listed]), &labels)
            );
        }

        #[test]
        fn labels_under_other_keys_do_not_matter(key in "[a-d]{4}", value in "[a-z]{0,4}") {
            let selector = json!({"matchLabels": {"env": "prod"}});
            prop_assert!(matches(selector, &[("env", "prod"), (&key, &value)]));
        }
    }
}
