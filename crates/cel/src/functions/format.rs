//! Named formats of texts, and what the API server says of a text that has another.

use std::sync::LazyLock;

use regex::Regex;

use super::convert::first;
use super::{Value, ValueResult, texts, url};
use crate::evaluate::EvaluationError;
use crate::instant;
use crate::operators::no_overload;
use crate::value::{list, optional, string};

/// A format that `format.NAME()` yields, by the names of `k8s.io/apiserver/pkg/cel/library/format.go`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamedFormat {
    Dns1123Label,
    Dns1123Subdomain,
    Dns1035Label,
    QualifiedName,
    Dns1123LabelPrefix,
    Dns1123SubdomainPrefix,
    Dns1035LabelPrefix,
    LabelValue,
    Uri,
    Uuid,
    Byte,
    Date,
    Datetime,
}

impl NamedFormat {
    fn by_name(name: &str) -> Option<Self> {
        Some(match name {
            "dns1123Label" => Self::Dns1123Label,
            "dns1123Subdomain" => Self::Dns1123Subdomain,
            "dns1035Label" => Self::Dns1035Label,
            "qualifiedName" => Self::QualifiedName,
            "dns1123LabelPrefix" => Self::Dns1123LabelPrefix,
            "dns1123SubdomainPrefix" => Self::Dns1123SubdomainPrefix,
            "dns1035LabelPrefix" => Self::Dns1035LabelPrefix,
            "labelValue" => Self::LabelValue,
            "uri" => Self::Uri,
            "uuid" => Self::Uuid,
            "byte" => Self::Byte,
            "date" => Self::Date,
            "datetime" => Self::Datetime,
            _ => return None,
        })
    }

    /// What is wrong with a text; nothing when it has the format.
    fn violations(self, text: &str) -> Result<Vec<String>, EvaluationError> {
        let when =
            |wrong: bool, message: &str| if wrong { vec![message.to_owned()] } else { Vec::new() };
        Ok(match self {
            Self::Dns1123Label => label(text),
            Self::Dns1123LabelPrefix => label(&masked(text)?),
            Self::Dns1123Subdomain => subdomain(text, "characters"),
            Self::Dns1123SubdomainPrefix => subdomain(&masked(text)?, "characters"),
            Self::Dns1035Label => old_label(text),
            Self::Dns1035LabelPrefix => old_label(&masked(text)?),
            Self::QualifiedName => qualified_name(text),
            Self::LabelValue => label_value(text),
            Self::Uri => url::request_error(text)?.into_iter().collect(),
            Self::Uuid => when(!UUID.is_match(text), "does not match the UUID format"),
            Self::Byte => when(!BASE64.is_match(text), "invalid base64"),
            Self::Date => when(!instant::is_date(text), "invalid date"),
            Self::Datetime => when(!is_datetime(text), "invalid datetime"),
        })
    }
}

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const OLD_LABEL: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const NAME: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";

/// A whole text of a pattern; one that is not valid matches nothing, and a test matches them all.
macro_rules! pattern {
    ($name:ident, $pattern:expr) => {
        static $name: LazyLock<AnchoredPattern> = LazyLock::new(|| AnchoredPattern::new($pattern));
    };
}

struct AnchoredPattern(Option<Regex>);

impl AnchoredPattern {
    fn new(pattern: &str) -> Self {
        Self(Regex::new(&format!("^(?:{pattern})$")).ok())
    }

    fn is_match(&self, text: &str) -> bool {
        self.0.as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

pattern!(LABELS, LABEL);
pattern!(SUBDOMAINS, SUBDOMAIN);
pattern!(OLD_LABELS, OLD_LABEL);
pattern!(NAMES, NAME);
pattern!(VALUES, VALUE);
pattern!(UUID, "(?i-u:[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12})");
pattern!(BASE64, r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})");
pattern!(TIME, r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))");

fn no_match(message: &str, examples: &[&str], pattern: &str) -> String {
    let examples: Vec<_> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{message} (e.g. {}regex used for validation is '{pattern}')", examples.join(" or "))
}

/// The library has two words for the same unit, by the function that it asks.
fn too_long(text: &str, limit: usize, unit: &str) -> Option<String> {
    (text.len() > limit).then(|| format!("must be no more than {limit} {unit}"))
}

fn label(text: &str) -> Vec<String> {
    let mut violations: Vec<_> = too_long(text, 63, "characters").into_iter().collect();
    // A subdomain has its own message, since the dots are the likeliest mistake.
    if !LABELS.is_match(text) {
        violations.push(if SUBDOMAINS.is_match(text) {
            "must not contain dots".to_owned()
        } else {
            no_match(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
                &["my-name", "123-abc"],
                LABEL,
            )
        });
    }
    violations
}

fn subdomain(text: &str, unit: &str) -> Vec<String> {
    let mut violations: Vec<_> = too_long(text, 253, unit).into_iter().collect();
    if !SUBDOMAINS.is_match(text) {
        violations.push(no_match(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            &["example.com"],
            SUBDOMAIN,
        ));
    }
    violations
}

fn old_label(text: &str) -> Vec<String> {
    let mut violations: Vec<_> = too_long(text, 63, "characters").into_iter().collect();
    if !OLD_LABELS.is_match(text) {
        violations.push(no_match(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            &["my-name", "abc-123"],
            OLD_LABEL,
        ));
    }
    violations
}

/// What a prefix is checked as: the library puts an `a` for its last two bytes when the last is
/// a dash.
fn masked(text: &str) -> Result<String, EvaluationError> {
    if text.len() <= 1 || !text.ends_with('-') {
        return Ok(text.to_owned());
    }
    text.get(..text.len() - 2)
        .map(|start| format!("{start}a"))
        .ok_or_else(|| EvaluationError::refused("validate() of this prefix is not computed here"))
}

const NAME_MESSAGE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

fn qualified_name(text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    let parts: Vec<_> = text.split('/').collect();
    // All that is wrong is listed, in the library's order: expressions may compare the texts.
    let name = match parts.as_slice() {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                violations.push("prefix part must be non-empty".to_owned());
            } else {
                let prefix = subdomain(prefix, "bytes");
                violations
                    .extend(prefix.into_iter().map(|violation| format!("prefix part {violation}")));
            }
            name
        }
        _ => {
            let message = no_match(
                &format!("a valid label key {NAME_MESSAGE}"),
                &["MyName", "my.name", "123-abc"],
                NAME,
            );
            violations.push(format!("{message} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"));
            return violations;
        }
    };
    if name.is_empty() {
        violations.push("name part must be non-empty".to_owned());
    } else if let Some(violation) = too_long(name, 63, "bytes") {
        violations.push(format!("name part {violation}"));
    }
    if !NAMES.is_match(name) {
        violations.push(format!(
            "name part {}",
            no_match(NAME_MESSAGE, &["MyName", "my.name", "123-abc"], NAME)
        ));
    }
    violations
}

fn label_value(text: &str) -> Vec<String> {
    let mut violations: Vec<_> = too_long(text, 63, "bytes").into_iter().collect();
    if !VALUES.is_match(text) {
        violations.push(no_match(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            &["MyValue", "my_value", "12345"],
            VALUE,
        ));
    }
    violations
}

fn is_datetime(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut parts = lower.split('t');
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else { return false };
    // The pattern admits 99:99:99, so the ranges are compared as text; a part that is missing is out of range.
    let part = |start: usize| time.get(start..start + 2).unwrap_or("99");
    text.len() >= 4
        && instant::is_date(date)
        && TIME.is_match(time)
        && part(0) <= "23"
        && part(3) <= "59"
        && part(6) <= "59"
}

pub(super) fn named(values: &[Value]) -> ValueResult {
    let [name] = texts(values)?;
    Ok(optional(NamedFormat::by_name(name).map(Value::Format)))
}

pub(super) fn validate(values: &[Value]) -> ValueResult {
    let (Value::Format(format), Some(Value::String(text))) = (first(values), values.get(1)) else {
        return Err(no_overload("validate()", first(values)));
    };
    let violations = format.violations(text)?;
    Ok(optional(
        (!violations.is_empty()).then(|| list(violations.into_iter().map(string).collect())),
    ))
}
