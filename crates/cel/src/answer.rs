//! What an expression is of an object, with its type: for tools and tests that compare values.

use serde_json::{Value as Json, json};

use super::evaluate::{Evaluation, Fault};
use super::expression::{Expr, ExpressionError, Role};
use super::functions::{DECLARATIONS, printf};
use super::guard::MAX_STEPS;
use super::value::{self, Key, Value};

/// What an expression is of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A value, as JSON that names its type: `{"int": "1"}`.
    Value(Json),
    /// It has no value for this object, for the API server neither, and why.
    Error(String),
    /// It does not compile, for the API server neither, and why.
    Invalid(String),
    /// It may have a value, which is not known here, and why.
    Refused(String),
}

/// Evaluates an expression, which may read `object`.
pub fn answer(source: &str, object: &Json) -> Answer {
    let compiled = match Expr::compile(source, Role::Variable, &[]) {
        Ok(compiled) => compiled,
        Err(error @ ExpressionError::Invalid { .. }) => return Answer::Invalid(error.to_string()),
        Err(error) => return Answer::Refused(error.to_string()),
    };
    let Some(object) = value::from_json(object) else {
        return Answer::Refused("the object is nested too deep".to_owned());
    };
    let mut evaluation = Evaluation::new(&object, &Value::Null, &[], MAX_STEPS);
    match evaluation.eval(compiled.node()) {
        Ok(value) => Answer::Value(typed(&value)),
        Err(Fault::Error(message)) => Answer::Error(message),
        Err(Fault::Refused(reason)) => Answer::Refused(reason),
        Err(Fault::Exhausted) => Answer::Refused("it is too expensive".to_owned()),
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
        Value::Double(number) => json!({"double": format!("{:x}", number.to_bits())}),
        Value::String(text) => json!({"string": text.as_ref()}),
        Value::Bytes(bytes) => json!({"bytes": printf::hex(bytes, false)}),
        Value::List(items) => json!({"list": items.iter().map(typed).collect::<Vec<_>>()}),
        Value::Map(map) => {
            let entry = |(key, item): &(Key, Value)| {
                let key = typed(&Value::from(key));
                (key.to_string(), json!([key, typed(item)]))
            };
            let mut entries: Vec<_> = map.entries().iter().map(entry).collect();
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
