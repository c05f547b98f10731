//! One expression without a policy: its value for an object, with its type. For tools and tests that
//! compare values with those of another implementation.

use serde_json::{Value as Json, json};

use super::evaluate::{EvaluationError, Evaluator};
use super::expression::{Expr, ExpressionError, ExpressionRole};
use super::functions::{DECLARATIONS, printf};
use super::limits::MAX_STEPS;
use super::value::{self, Value, ValueKey};

/// What one expression comes to for one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpressionResult {
    /// A value, as JSON that names its type: `{"int": "1"}`.
    Value(Json),
    /// The expression has no value for this object, nor has it for the API server: why.
    Error(String),
    /// The expression does not compile, nor does it for the API server: why.
    Invalid(String),
    /// It may have a value for the API server, and it is not known here: why.
    Refused(String),
}

/// Compiles an expression and evaluates it once. It may read `object`; `request` is null, and there
/// are no variables.
pub fn evaluate_expression(source: &str, object: &Json) -> ExpressionResult {
    // As a variable, which is the role that admits a value of any type.
    let compiled = match Expr::compile(source, ExpressionRole::Variable, &[]) {
        Ok(compiled) => compiled,
        Err(error @ ExpressionError::Invalid { .. }) => {
            return ExpressionResult::Invalid(error.to_string());
        }
        Err(error) => return ExpressionResult::Refused(error.to_string()),
    };
    let Some(object) = value::from_json(object) else {
        return ExpressionResult::Refused("the object is nested too deep".to_owned());
    };
    let mut evaluator = Evaluator::new(&object, &Value::Null, &[], MAX_STEPS);
    match evaluator.eval(compiled.node()) {
        Ok(value) => ExpressionResult::Value(typed(&value)),
        Err(EvaluationError::NoValue(message)) => ExpressionResult::Error(message),
        Err(EvaluationError::Refused(reason)) => ExpressionResult::Refused(reason),
        Err(EvaluationError::Exhausted) => {
            ExpressionResult::Refused("it is too expensive".to_owned())
        }
    }
}

/// Every function as it is declared, such as `string.split(string)->list<string>`.
pub fn declarations() -> impl Iterator<Item = &'static str> {
    DECLARATIONS.iter().map(|(text, _)| *text)
}

fn typed(value: &Value) -> Json {
    match value {
        Value::Null => json!({"null": true}),
        Value::Bool(flag) => json!({"bool": flag}),
        Value::Int(number) => json!({"int": number.to_string()}),
        Value::Uint(number) => json!({"uint": number.to_string()}),
        Value::Double(number) if number.is_nan() => json!({"double": "NaN"}),
        // By its bits: two implementations may print the same double differently.
        Value::Double(number) => json!({"double": format!("{:x}", number.to_bits())}),
        Value::String(text) => json!({"string": text.as_ref()}),
        Value::Bytes(bytes) => json!({"bytes": printf::hex(bytes, false)}),
        Value::List(items) => json!({"list": items.iter().map(typed).collect::<Vec<_>>()}),
        Value::Map(map) => {
            let entry = |(key, item): &(ValueKey, Value)| {
                let key = typed(&Value::from(key));
                (key.to_string(), json!([key, typed(item)]))
            };
            let mut entries: Vec<_> = map.entries().iter().map(entry).collect();
            // Maps have no order in the language, and two answers must be comparable as JSON.
            entries.sort_by(|(left, _), (right, _)| left.cmp(right));
            json!({"map": entries.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>()})
        }
        Value::Timestamp(time) => {
            let (seconds, nanoseconds) = time.parts();
            json!({"timestamp": format!("{seconds}.{nanoseconds:09}")})
        }
        Value::Duration(nanoseconds) => json!({"duration": nanoseconds.to_string()}),
        Value::Type(kind) => json!({"type": kind.name()}),
        Value::Optional(content) => {
            json!({"optional": content.iter().map(|content| typed(content)).collect::<Vec<_>>()})
        }
        Value::Ip(address) => json!({"ip": address.to_string()}),
        Value::Cidr(cidr) => json!({"cidr": cidr.to_string()}),
        Value::Quantity(quantity) => json!({"quantity": quantity.decimal()}),
        Value::Url(_) => json!({"other": "kubernetes.URL"}),
        Value::Semver(_) => json!({"other": "kubernetes.Semver"}),
        Value::Format(_) => json!({"other": "kubernetes.NamedFormat"}),
    }
}
