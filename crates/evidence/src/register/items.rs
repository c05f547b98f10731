//! The items of a register, and how a list of them is written.
//!
//! Grants of one binding differ in their subject alone, so an item is written as what differs from the
//! item before it in its list: a field that is the same is left out, and one that it lacks is `null`.
//! There is one such text for a list, whatever is in it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use comptroller_vocabulary::canonical::{self, CanonicalError};

/// The longest key, in bytes. Derivation cuts what is longer to a digest.
pub const MAX_KEY: usize = 1024;

/// What is kept of an item, by the name of the field: texts, whole numbers, truth values and lists of
/// texts. What is not known is absent, never null.
pub type Fields = BTreeMap<String, Value>;

/// One item of a register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegisterItem {
    /// What it is known by for as long as it is in the register, and if it comes back.
    pub key: String,
    /// When it was seen to come, go or change. None: when the entry was written, to the second.
    pub seen: Option<Timestamp>,
    /// What is kept of it.
    pub fields: Fields,
}

/// Why something is not an item of a register.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    #[error("an item of a register has no key")]
    NoKey,
    #[error("the key of an item has {0} bytes, and at most {MAX_KEY} are allowed")]
    LongKey(usize),
    #[error(
        "the field {field} of the item {key} is not a text, a whole number, true, false or a list of texts"
    )]
    NotFlat { key: String, field: String },
}

impl RegisterItem {
    /// An item that is seen as its entry is written.
    pub fn new(key: impl Into<String>, fields: Fields) -> Self {
        Self { key: key.into(), seen: None, fields }
    }

    /// The digest of what it is: the SHA-256 of the canonical JSON of `{"fields":…,"key":…}`.
    pub fn digest(&self) -> Result<[u8; 32], CanonicalError> {
        #[derive(Serialize)]
        struct Whole<'a> {
            fields: &'a Fields,
            key: &'a str,
        }
        let text = canonical::to_string(&Whole { fields: &self.fields, key: &self.key })?;
        Ok(super::digests::sha256(text.as_bytes()))
    }

    /// Says what is wrong with it, if something is.
    pub fn check(&self) -> Result<(), ItemError> {
        if self.key.is_empty() {
            return Err(ItemError::NoKey);
        }
        if self.key.len() > MAX_KEY {
            return Err(ItemError::LongKey(self.key.len()));
        }
        let uneven = self.fields.iter().find(|(_, value)| !is_flat(value));
        uneven.map_or(Ok(()), |(field, _)| {
            Err(ItemError::NotFlat { key: self.key.clone(), field: field.clone() })
        })
    }
}

fn is_flat(value: &Value) -> bool {
    match value {
        Value::String(_) | Value::Bool(_) => true,
        Value::Number(number) => !number.is_f64(),
        Value::Array(texts) => texts.iter().all(Value::is_string),
        Value::Null | Value::Object(_) => false,
    }
}

/// An item on the wire: its fields as far as they differ from those of the item before it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    fields: Fields,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<Timestamp>,
}

/// What of `item` differs from what is known of the one before it.
fn differences(before: &Fields, item: &Fields) -> Fields {
    let new = item.iter().filter(|(name, value)| before.get(*name) != Some(*value));
    let gone = before.keys().filter(|name| !item.contains_key(*name));
    new.map(|(name, value)| (name.clone(), value.clone()))
        .chain(gone.map(|name| (name.clone(), Value::Null)))
        .collect()
}

/// Lists of items, for serde.
pub mod list {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::{Fields, RegisterItem, Value, Wire, differences};

    pub fn serialize<S: Serializer>(
        items: &[RegisterItem],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let none = Fields::new();
        let before = std::iter::once(&none).chain(items.iter().map(|item| &item.fields));
        serializer.collect_seq(items.iter().zip(before).map(|(item, before)| Wire {
            fields: differences(before, &item.fields),
            key: item.key.clone(),
            seen: item.seen,
        }))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<RegisterItem>, D::Error> {
        let mut fields = Fields::new();
        let wire = Vec::<Wire>::deserialize(deserializer)?;
        let items = wire.into_iter().map(|Wire { fields: differing, key, seen }| {
            for (name, value) in differing {
                match value {
                    Value::Null => drop(fields.remove(&name)),
                    value => drop(fields.insert(name, value)),
                }
            }
            let item = RegisterItem { key, seen, fields: fields.clone() };
            item.check().map_err(D::Error::custom)?;
            Ok(item)
        });
        items.collect()
    }
}
