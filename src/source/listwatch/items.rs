//! Cuts the items out of a list while it arrives, so that memory holds one object and not a page.

/// What surrounds the items is small: a list's own metadata.
const MAX_ENVELOPE: usize = 1 << 20;

/// How much is kept of an item that is too large: enough to find its name.
const HEAD: usize = 64 << 10;

/// Why a text is not a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// It is not JSON.
    #[error("byte {0} of the list is not what JSON has there")]
    Syntax(u64),
    /// It ended too soon.
    #[error("the list ends in its midst")]
    Cut,
    /// Something else than a list of objects.
    #[error("the answer is not a list: it has no items")]
    NoItems,
    /// Beside the items there is too much.
    #[error("the list holds more than 1 MiB beside its items")]
    Envelope,
}

/// Where the splitter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Outside of the items.
    Envelope,
    /// In the array of items, at its start.
    First,
    /// After a comma between items.
    Next,
    /// After an item.
    After,
    /// In an item.
    Item,
    /// After the end of the list.
    End,
}

/// Whether a string is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    /// After a backslash.
    Escaped,
}

impl Text {
    /// Reads on in a string. True at its end.
    fn read(&mut self, byte: u8) -> bool {
        *self = match (*self, byte) {
            (Self::Inside, b'\\') => Self::Escaped,
            (Self::Inside, b'"') => Self::Outside,
            _ => Self::Inside,
        };
        *self == Self::Outside
    }
}

/// How an item is told from what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// An object or array: until its bracket closes.
    Nested,
    /// A string: until its quote.
    Text,
    /// A number or word: until what can't be part of it.
    Word,
}

/// What the envelope expects next, at its outermost level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Key,
    Colon,
    Value,
    Comma,
}

/// Splits `{"metadata":…,"items":[…]}`, fed in pieces, into its items and the rest. What is within
/// an item is not checked: whoever parses it does.
#[derive(Debug)]
pub struct Splitter {
    limit: usize,
    place: Place,
    read: u64,
    envelope: Vec<u8>,
    depth: u32,
    text: Text,
    expect: Expect,
    key_from: usize,
    at_items: bool,
    seen_items: bool,
    shape: Shape,
    item: Vec<u8>,
    too_large: bool,
}

/// An item of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// Its text.
    Whole(&'a [u8]),
    /// It is too large; how it begins.
    TooLarge(&'a [u8]),
}

impl Splitter {
    /// For items of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            place: Place::Envelope,
            read: 0,
            envelope: Vec::new(),
            depth: 0,
            text: Text::Outside,
            expect: Expect::Key,
            key_from: 0,
            at_items: false,
            seen_items: false,
            shape: Shape::Nested,
            item: Vec::new(),
            too_large: false,
        }
    }

    /// Reads on in a piece, up to the end of an item: then that is returned, and `piece` is what is
    /// left. None once the piece is used up.
    pub fn next(&mut self, piece: &mut &[u8]) -> Result<Option<Item<'_>>, ListError> {
        while let Some((&byte, rest)) = piece.split_first() {
            if self.place == Place::Item {
                let (used, done) = self.in_item(piece);
                *piece = piece.get(used..).unwrap_or_default();
                self.read += used as u64;
                if done {
                    self.place = Place::After;
                    return Ok(Some(self.item()));
                }
                continue;
            }
            match self.place {
                Place::Envelope => self.in_envelope(byte)?,
                Place::First | Place::Next | Place::After => {
                    if self.between(byte)? {
                        // The first byte of an item is read again as part of it.
                        continue;
                    }
                }
                Place::End if byte.is_ascii_whitespace() => {}
                Place::End | Place::Item => return Err(self.syntax()),
            }
            self.read += 1;
            *piece = rest;
        }
        Ok(None)
    }

    /// What surrounds the items, with `[]` in their place.
    pub fn finish(self) -> Result<Vec<u8>, ListError> {
        match (self.place, self.seen_items) {
            (Place::End, true) => Ok(self.envelope),
            (Place::End, false) => Err(ListError::NoItems),
            _ => Err(ListError::Cut),
        }
    }

    fn syntax(&self) -> ListError {
        ListError::Syntax(self.read)
    }

    fn item(&self) -> Item<'_> {
        if self.too_large { Item::TooLarge(&self.item) } else { Item::Whole(&self.item) }
    }

    /// Between items. True when one begins here.
    fn between(&mut self, byte: u8) -> Result<bool, ListError> {
        match (self.place, byte) {
            (_, byte) if byte.is_ascii_whitespace() => Ok(false),
            (Place::After, b',') => {
                self.place = Place::Next;
                Ok(false)
            }
            (Place::First | Place::After, b']') => {
                self.envelope.push(byte);
                self.place = Place::Envelope;
                self.depth = 1;
                self.expect = Expect::Comma;
                Ok(false)
            }
            (Place::First | Place::Next, byte) => {
                self.shape = match byte {
                    b'{' | b'[' => Shape::Nested,
                    b'"' => Shape::Text,
                    b',' | b']' | b'}' | b':' => return Err(self.syntax()),
                    _ => Shape::Word,
                };
                self.place = Place::Item;
                self.item.clear();
                self.too_large = false;
                self.depth = 0;
                self.text = Text::Outside;
                Ok(true)
            }
            _ => Err(self.syntax()),
        }
    }

    /// Reads on in an item: how many bytes belong to it, and whether it ends with them.
    fn in_item(&mut self, piece: &[u8]) -> (usize, bool) {
        let mut used = 0;
        let mut done = false;
        for &byte in piece {
            if self.shape == Shape::Word
                && (matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace())
            {
                done = true;
                break;
            }
            used += 1;
            match (self.text, byte) {
                (Text::Inside | Text::Escaped, _) => {
                    done = self.text.read(byte) && self.shape == Shape::Text;
                }
                (_, b'"') => self.text = Text::Inside,
                (_, b'{' | b'[') => self.depth += 1,
                (_, b'}' | b']') => {
                    self.depth = self.depth.saturating_sub(1);
                    done = self.depth == 0;
                }
                _ => {}
            }
            if done {
                break;
            }
        }
        self.keep(piece.get(..used).unwrap_or_default());
        (used, done)
    }

    fn keep(&mut self, part: &[u8]) {
        if !self.too_large {
            self.item.extend_from_slice(part);
            if self.item.len() > self.limit {
                self.too_large = true;
                self.item.truncate(HEAD);
                self.item.shrink_to_fit();
            }
        }
    }

    fn in_envelope(&mut self, byte: u8) -> Result<(), ListError> {
        if self.envelope.len() >= MAX_ENVELOPE {
            return Err(ListError::Envelope);
        }
        self.envelope.push(byte);
        if self.text != Text::Outside {
            if self.text.read(byte) {
                self.envelope_text_ends();
            }
            return Ok(());
        }
        match byte {
            _ if byte.is_ascii_whitespace() => {}
            b'{' if self.depth == 0 => self.depth = 1,
            _ if self.depth == 0 => return Err(self.syntax()),
            b'[' if self.depth == 1 && self.expect == Expect::Value && self.at_items => {
                if std::mem::replace(&mut self.seen_items, true) {
                    return Err(self.syntax());
                }
                self.at_items = false;
                self.place = Place::First;
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.value_ends();
                if self.depth == 0 {
                    self.place = Place::End;
                }
            }
            b'"' => {
                self.text = Text::Inside;
                self.key_from = self.envelope.len() - 1;
            }
            b':' if self.depth == 1 && self.expect == Expect::Colon => {
                self.expect = Expect::Value;
            }
            b',' if self.depth == 1 => {
                self.at_items = false;
                self.expect = Expect::Key;
            }
            // A null, as Go writes a list that it never made.
            b'n' if self.depth == 1 && self.at_items => self.seen_items = true,
            _ => {}
        }
        Ok(())
    }

    fn envelope_text_ends(&mut self) {
        if self.depth == 1 && self.expect == Expect::Key {
            let key = self.envelope.get(self.key_from..).unwrap_or_default();
            self.at_items = serde_json::from_slice::<String>(key).is_ok_and(|key| key == "items");
            self.expect = Expect::Colon;
        } else {
            self.value_ends();
        }
    }

    fn value_ends(&mut self) {
        if self.depth == 1 {
            self.expect = Expect::Comma;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*, sample};
    use serde_json::{Map, Value, json};

    use super::*;

    /// Splits a text that comes in pieces of these sizes, again and again.
    fn split(
        text: &[u8],
        sizes: &[usize],
        limit: usize,
    ) -> Result<(Vec<Vec<u8>>, Vec<u8>), ListError> {
        let mut splitter = Splitter::new(limit);
        let mut items = Vec::new();
        let mut rest = text;
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (mut piece, left) = rest.split_at((*size).min(rest.len()));
            rest = left;
            while let Some(item) = splitter.next(&mut piece)? {
                items.push(match item {
                    Item::Whole(text) => text.to_vec(),
                    Item::TooLarge(_) => b"\"too large\"".to_vec(),
                });
            }
        }
        Ok((items, splitter.finish()?))
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
            r#"[a-z"\\\[\]{},:é\n ]{0,12}"#.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                collection::vec((key(), inner), 0..5)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    fn key() -> impl Strategy<Value = String> {
        prop_oneof![Just("items".to_owned()), r#"[a-z"\\{}]{0,6}"#.prop_map(String::from)]
    }

    proptest! {
        #[test]
        fn any_list_splits_as_it_parses(
            items in collection::vec(value(), 0..8),
            before in collection::btree_map(key(), value(), 0..4),
            after in collection::btree_map(key(), value(), 0..4),
            sizes in collection::vec(1_usize..40, 1..10),
            pretty in any::<bool>(),
        ) {
            // The order of keys is that of the text, not of a map.
            let mut parts = Vec::new();
            let render = |value: &Value| {
                if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) }.unwrap()
            };
            let mut envelope = Map::new();
            let mut add = |parts: &mut Vec<String>, rest: &std::collections::BTreeMap<String, Value>| {
                for (key, value) in rest.iter().filter(|(key, _)| *key != "items") {
                    parts.push(format!("{}: {}", json!(key), render(value)));
                    envelope.insert(key.clone(), value.clone());
                }
            };
            add(&mut parts, &before);
            parts.push(format!("\"items\" :{}", render(&json!(items))));
            add(&mut parts, &after);
            let text = format!(" {{{}}}\n", parts.join(" , "));
            envelope.insert("items".to_owned(), json!([]));

            let (found, rest) = split(text.as_bytes(), &sizes, usize::MAX).unwrap();
            let found: Vec<Value> =
                found.iter().map(|item| serde_json::from_slice(item).unwrap()).collect();
            prop_assert_eq!(found, items);
            let rest: Value = serde_json::from_slice(&rest).unwrap();
            prop_assert_eq!(rest, Value::Object(envelope));
        }

        #[test]
        fn no_text_panics_and_a_part_is_never_a_list(
            items in collection::vec(value(), 0..4),
            cut in any::<sample::Index>(),
            noise in collection::vec(sample::select(&b"{}[]\":,\\ \nitems1n"[..]), 0..60),
        ) {
            let text = json!({"items": items, "metadata": {}}).to_string();
            let end = cut.index(text.len());
            prop_assert!(split(&text.as_bytes()[..end], &[7], usize::MAX).is_err());
            let _ = split(&noise, &[3], 4);
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for (text, error) in [
            ("{}", ListError::NoItems),
            (r#"{"kind":"Status","metadata":{"items":[]}}"#, ListError::NoItems),
            (r#"{"kind":"items"}"#, ListError::NoItems),
            ("", ListError::Cut),
            (r#"{"items":[{}"#, ListError::Cut),
            (r#"{"items":[{}]"#, ListError::Cut),
            ("<html>", ListError::Syntax(0)),
            ("[]", ListError::Syntax(0)),
            (r#"{"items":[]}x"#, ListError::Syntax(12)),
            (r#"{"items":[{},]}"#, ListError::Syntax(13)),
            (r#"{"items":[{}{}]}"#, ListError::Syntax(12)),
            (r#"{"items":[],"items":[]}"#, ListError::Syntax(20)),
        ] {
            assert_eq!(split(text.as_bytes(), &[5], 100), Err(error), "{text}");
        }
        for text in [r#"{"items":null}"#, r#"{"items":[]}"#, r#"{"metadata":{},"items": [ ] }"#] {
            assert_eq!(split(text.as_bytes(), &[5], 100).unwrap().0, Vec::<Vec<u8>>::new());
        }
    }

    #[test]
    fn an_item_that_is_too_large_is_passed_over() {
        let large = format!(r#"{{"metadata":{{"name":"big"}},"x":"{}"}}"#, "y".repeat(200_000));
        let text = format!(r#"{{"items":[{{"a":1}},{large},{{"b":2}}]}}"#);
        let mut splitter = Splitter::new(100_000);
        let mut piece = text.as_bytes();
        assert_eq!(splitter.next(&mut piece), Ok(Some(Item::Whole(br#"{"a":1}"#))));
        let head = &large.as_bytes()[..HEAD];
        assert_eq!(splitter.next(&mut piece), Ok(Some(Item::TooLarge(head))));
        assert_eq!(splitter.next(&mut piece), Ok(Some(Item::Whole(br#"{"b":2}"#))));
        assert_eq!(splitter.next(&mut piece), Ok(None));
        assert!(splitter.finish().is_ok());
    }
}
