//! Builds the untyped tree of one document, the same for YAML and JSON, and notes what is wrong and where.
//! Duplicate keys, merges and aliases are handled in the same pass.

use std::{cell::Cell, cell::RefCell, collections::BTreeSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::scalar::{self, Scalar};

/// The syntax of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// YAML 1.1 as kubectl reads it.
    Yaml,
    Json,
}

/// An error in a document that was found while building its tree.
#[derive(Debug)]
pub(super) struct TreeError {
    /// The position in the text; None if it is unknown.
    pub offset: Option<usize>,
    /// Quotes nothing of the document, which may be a Secret.
    pub message: &'static str,
    /// The key that it is about; None if it is not about a key.
    pub key: Option<String>,
}

/// The state that is shared while building one document.
pub(super) struct TreeBuilder<'text> {
    text: &'text [u8],
    syntax: Syntax,
    /// The offsets of plain scalars with tags, in ascending order.
    tagged: &'text [usize],
    /// How many more bytes may be built. Aliases can expand a short text to gigabytes.
    budget: Cell<usize>,
    pub error: RefCell<Option<TreeError>>,
    /// The offset of the first key of the document.
    pub first_key: Cell<Option<usize>>,
}

/// What aliases may add to a document, in bytes.
const ALIAS_ALLOWANCE: usize = 4 << 20;

impl<'text> TreeBuilder<'text> {
    pub fn new(text: &'text [u8], syntax: Syntax, tagged: &'text [usize]) -> Self {
        Self {
            text,
            syntax,
            tagged,
            // Without aliases the text has at least half as many bytes as its nodes are charged.
            budget: Cell::new(2 * text.len() + ALIAS_ALLOWANCE),
            error: RefCell::new(None),
            first_key: Cell::new(None),
        }
    }

    /// The offset of a borrowed string in the text; None if it lies elsewhere.
    fn offset(&self, part: &str) -> Option<usize> {
        (part.as_ptr() as usize)
            .checked_sub(self.text.as_ptr() as usize)
            .filter(|offset| offset + part.len() <= self.text.len())
    }

    fn charge<E: Error>(&self, bytes: usize) -> Result<(), E> {
        match self.budget.get().checked_sub(bytes + 1) {
            Some(left) => {
                self.budget.set(left);
                Ok(())
            }
            None => Err(self.fail(
                None,
                "aliases expand to far more than the text: write the repeated parts out",
                None,
            )),
        }
    }

    fn fail<E: Error>(&self, offset: Option<usize>, message: &'static str, key: Option<&str>) -> E {
        self.error.borrow_mut().get_or_insert(TreeError {
            offset,
            message,
            key: key.map(str::to_owned),
        });
        E::custom(message)
    }

    /// Whether a borrowed scalar is plain: not quoted, and without a tag that makes it text.
    fn is_plain(&self, scalar: &str) -> bool {
        let Some(offset) = self.offset(scalar) else {
            return false;
        };
        let before = offset.checked_sub(1).and_then(|before| self.text.get(before));
        !matches!(before, Some(b'"' | b'\'')) && self.tagged.binary_search(&offset).is_err()
    }

    /// The value of a string that the parser did not resolve. kubectl may read it as a number or a boolean.
    fn text_value<E: Error>(&self, text: &str) -> Result<Value, E> {
        let plain = match scalar::resolve(text) {
            // The parser has resolved an empty plain scalar to null, so this one is quoted or tagged.
            _ if text.is_empty() => Scalar::Text,
            Scalar::Text => Scalar::Text,
            other if self.syntax == Syntax::Yaml && self.is_plain(text) => other,
            _ => Scalar::Text,
        };
        Ok(match plain {
            Scalar::Null => Value::Null,
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::Int(value) => value.into(),
            Scalar::Unsigned(value) => value.into(),
            Scalar::Float(value) => return self.float(value, self.offset(text)),
            Scalar::Text => Value::String(text.to_owned()),
        })
    }

    fn float<E: Error>(&self, value: f64, offset: Option<usize>) -> Result<Value, E> {
        if self.syntax == Syntax::Yaml
            && let Some(whole) = scalar::whole(value)
        {
            return Ok(whole.into());
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| {
            self.fail(
                offset,
                "a number is infinite or not a number, which JSON can't carry: quote it, or write a finite one",
                None,
            )
        })
    }
}

/// Takes the items of a list, each with the offset of its first key.
pub(super) type ItemHandler<'s> = &'s dyn Fn(Value, Option<usize>);

/// The position of a value in its document.
#[derive(Clone, Copy)]
enum ValuePosition<'s> {
    Document(ItemHandler<'s>),
    Items(ItemHandler<'s>),
    Inner,
}

#[derive(Clone, Copy)]
pub(super) struct ValueSeed<'b, 'text> {
    builder: &'b TreeBuilder<'text>,
    position: ValuePosition<'b>,
}

impl<'b, 'text> ValueSeed<'b, 'text> {
    /// Builds a document. Its top-level `items`, which make it a list for kubectl, go to `handler` one by one
    /// and are null in the result, so that the list is never in memory as a whole.
    pub fn document(builder: &'b TreeBuilder<'text>, handler: ItemHandler<'b>) -> Self {
        let position = ValuePosition::Document(handler);
        Self { builder, position }
    }

    fn inner(builder: &'b TreeBuilder<'text>) -> Self {
        let position = ValuePosition::Inner;
        Self { builder, position }
    }

    fn stream<'de, A: SeqAccess<'de>>(
        self,
        handler: ItemHandler<'_>,
        mut access: A,
    ) -> Result<Value, A::Error> {
        let document_key = self.builder.first_key.take();
        while let Some(item) = access.next_element_seed(Self::inner(self.builder))? {
            handler(item, self.builder.first_key.take());
        }
        self.builder.first_key.set(document_key);
        Ok(Value::Null)
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, '_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.builder.charge(0)?;
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.builder.charge(0)?;
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.builder.charge(0)?;
        Ok(value.into())
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        self.visit_f64(value.to_string().parse().unwrap_or(f64::NAN))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        self.visit_f64(value.to_string().parse().unwrap_or(f64::NAN))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.builder.charge(0)?;
        self.builder.float(value, None)
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Value, E> {
        self.builder.charge(value.len())?;
        self.builder.text_value(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        self.builder.charge(value.len())?;
        Ok(Value::String(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.builder.charge(0)?;
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        self.builder.charge(0)?;
        if let ValuePosition::Items(handler) = self.position {
            return self.stream(handler, access);
        }
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(Self::inner(self.builder))? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        let builder = self.builder;
        let map = match self.position {
            ValuePosition::Document(handler) => build_map(builder, access, |key, access| {
                let position = if key == "items" {
                    ValuePosition::Items(handler)
                } else {
                    ValuePosition::Inner
                };
                access.next_value_seed(Self { builder, position })
            }),
            _ => {
                build_map(builder, access, |_, access| access.next_value_seed(Self::inner(builder)))
            }
        };
        map.map(Value::Object)
    }

    /// A value with a custom tag, such as `!Ref x`. JSON has no tags, so the tag is dropped.
    fn visit_enum<A: serde::de::EnumAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        use serde::de::VariantAccess as _;
        let (serde::de::IgnoredAny, content) = access.variant()?;
        content.newtype_variant_seed(self)
    }
}

/// Builds a map; `value` builds the value of a key.
fn build_map<'de, A: MapAccess<'de>>(
    builder: &TreeBuilder<'_>,
    mut access: A,
    mut value: impl FnMut(&str, &mut A) -> Result<Value, A::Error>,
) -> Result<Map<String, Value>, A::Error> {
    builder.charge(0)?;
    let mut map = Map::new();
    // Keys that a merge has set, which the document may still set itself.
    let mut merged = BTreeSet::new();
    while let Some(key) = access.next_key_seed(KeySeed(builder))? {
        if builder.first_key.get().is_none() {
            builder.first_key.set(key.offset);
        }
        let Some(name) = key.name else {
            let source = access.next_value_seed(ValueSeed::inner(builder))?;
            merge(builder, &mut map, &mut merged, source, key.offset)?;
            continue;
        };
        if map.contains_key(&name) && !merged.remove(&name) {
            return Err(builder.fail(
                key.offset,
                "a key appears twice in one map: remove one of them",
                Some(&name),
            ));
        }
        let content = value(&name, &mut access)?;
        map.insert(name, content);
    }
    Ok(map)
}

/// Merges the sources of `<<`. As in kubectl, their keys replace those above, and the first source takes
/// precedence.
fn merge<E: Error>(
    builder: &TreeBuilder<'_>,
    map: &mut Map<String, Value>,
    merged: &mut BTreeSet<String>,
    source: Value,
    offset: Option<usize>,
) -> Result<(), E> {
    let sources = match source {
        Value::Array(sources) => sources,
        source => vec![source],
    };
    // In reverse, so that the first source is inserted last and takes precedence.
    for source in sources.into_iter().rev() {
        let Value::Object(source) = source else {
            return Err(builder.fail(
                offset,
                "`<<` merges something that is not a map: name a map, or a list of maps",
                None,
            ));
        };
        for (key, value) in source {
            merged.insert(key.clone());
            map.insert(key, value);
        }
    }
    Ok(())
}

/// A key of a map.
struct DocumentKey {
    /// Its text in JSON; None for a merge (`<<`).
    name: Option<String>,
    offset: Option<usize>,
}

#[derive(Clone, Copy)]
struct KeySeed<'b, 'text>(&'b TreeBuilder<'text>);

impl<'de> DeserializeSeed<'de> for KeySeed<'_, '_> {
    type Value = DocumentKey;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<DocumentKey, D::Error> {
        // As text, whatever the parser would make of it: only `scalar` resolves keys as kubectl does.
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed<'_, '_> {
    type Value = DocumentKey;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<DocumentKey, E> {
        self.0.charge(text.len())?;
        let offset = self.0.offset(text);
        let special = text == "<<" || scalar::resolve(text) != Scalar::Text;
        if !special || self.0.syntax == Syntax::Json || !self.0.is_plain(text) {
            let name = Some(text.to_owned());
            return Ok(DocumentKey { name, offset });
        }
        if text == "<<" {
            return Ok(DocumentKey { name: None, offset });
        }
        match scalar::key(text) {
            Some(name) => Ok(DocumentKey { name: Some(name), offset }),
            None => Err(self.0.fail(
                offset,
                "a key is null: quote it, or put a name before the colon",
                None,
            )),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<DocumentKey, E> {
        self.0.charge(text.len())?;
        Ok(DocumentKey { name: Some(text.to_owned()), offset: None })
    }
}
