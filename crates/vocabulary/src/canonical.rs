//! Canonical JSON: one text for one value, so that a digest means something.
//!
//! Keys are sorted and nothing is spaced, as RFC 8785 has it for values without fractions; numbers
//! with a fraction are refused, since two programs may print one differently.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::hex;

/// Why a value has no canonical text.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// A number that has no exact text.
    #[error(
        "{0} has a fraction, and evidence holds whole numbers and texts only: write it as a text"
    )]
    Fraction(serde_json::Number),
    /// A value that JSON can't hold.
    #[error("the value can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// The canonical text of a value.
pub fn to_string(value: &impl Serialize) -> Result<String, CanonicalError> {
    // `Value` sorts its keys: its maps are B-trees.
    let value = serde_json::to_value(value)?;
    refuse_fractions(&value)?;
    Ok(serde_json::to_string(&value)?)
}

/// The SHA-256 of the canonical text, as `sha256:` and 64 hexadecimal digits.
pub fn digest(value: &impl Serialize) -> Result<String, CanonicalError> {
    Ok(sha256(to_string(value)?.as_bytes()))
}

/// The SHA-256 of bytes, as `sha256:` and 64 hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

fn refuse_fractions(value: &Value) -> Result<(), CanonicalError> {
    match value {
        Value::Number(number) if number.is_f64() => Err(CanonicalError::Fraction(number.clone())),
        Value::Array(values) => values.iter().try_for_each(refuse_fractions),
        Value::Object(fields) => fields.values().try_for_each(refuse_fractions),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_and_nothing_is_spaced() {
        let value = json!({"b": [1, {"z": null, "a": "\u{e9}\n"}], "a": true});
        assert_eq!(to_string(&value).unwrap(), r#"{"a":true,"b":[1,{"a":"é\n","z":null}]}"#);
    }

    #[test]
    fn fractions_are_refused_wherever_they_are() {
        assert!(matches!(to_string(&json!([{"a": 1.5}])), Err(CanonicalError::Fraction(_))));
    }

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        assert_eq!(
            sha256(b""),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
