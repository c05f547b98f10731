//! Splits a list into its items while it arrives, so that memory holds one object and not a page.

#[cfg(test)]
mod tests;

/// The largest envelope, in bytes: the list without its items, which is only its own metadata.
const MAX_ENVELOPE: usize = 1 << 20;

/// How many bytes are kept of an item that is too large: enough to find its name.
const HEAD: usize = 64 << 10;

/// Why a response is not a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// It is not JSON, from this byte on.
    #[error("the list is not valid JSON at byte {0}")]
    Syntax(u64),
    /// It ended too soon.
    #[error("the list is incomplete")]
    Cut,
    /// It is a JSON object without `items`.
    #[error("the response is not a list: it has no items")]
    NoItems,
    /// It has more than 1 MiB besides its items.
    #[error("the list has more than 1 MiB besides its items")]
    Envelope,
}

/// The position of the splitter in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Outside of the items.
    Envelope,
    /// In the array of items, at its start.
    First,
    /// After a comma between items.
    Next,
    After,
    Item,
    /// After the end of the list.
    End,
}

/// Whether the position is within a JSON string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StringState {
    Outside,
    Inside,
    /// In a string, after a backslash.
    Escaped,
}

impl StringState {
    /// Takes one byte of a string. True if it is the closing quote.
    fn advance(&mut self, byte: u8) -> bool {
        *self = match (*self, byte) {
            (Self::Inside, b'\\') => Self::Escaped,
            (Self::Inside, b'"') => Self::Outside,
            _ => Self::Inside,
        };
        *self == Self::Outside
    }
}

/// How the end of an item is recognized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ItemShape {
    /// An object or array: until its bracket closes.
    Nested,
    /// A string: until its quote.
    Text,
    /// A number or word: until what can't be part of it.
    WatchEvent,
}

/// The next token that the envelope may have, at its outermost level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Key,
    Colon,
    Value,
    Comma,
}

/// Splits `{"metadata":…,"items":[…]}`, which arrives in chunks, into its items and its envelope.
/// It only counts brackets within an item: whether that is valid JSON is for the parser of the item.
#[derive(Debug)]
pub struct ItemSplitter {
    limit: usize,
    position: Position,
    /// How many bytes were taken, for errors.
    read: u64,
    envelope: Vec<u8>,
    depth: u32,
    text: StringState,
    expect: Expect,
    key_from: usize,
    at_items: bool,
    seen_items: bool,
    shape: ItemShape,
    item: Vec<u8>,
    too_large: bool,
}

/// An item of a list, as JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitItem<'a> {
    Whole(&'a [u8]),
    /// The beginning of an item that is too large.
    TooLarge(&'a [u8]),
}

impl ItemSplitter {
    /// `limit` is the size of the largest item, in bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            position: Position::Envelope,
            read: 0,
            envelope: Vec::new(),
            depth: 0,
            text: StringState::Outside,
            expect: Expect::Key,
            key_from: 0,
            at_items: false,
            seen_items: false,
            shape: ItemShape::Nested,
            item: Vec::new(),
            too_large: false,
        }
    }

    /// Takes bytes from `chunk` up to the end of an item, and returns that item; the rest stays in
    /// `chunk`. None once the chunk is used up.
    pub fn next(&mut self, chunk: &mut &[u8]) -> Result<Option<SplitItem<'_>>, ListError> {
        while let Some((&byte, rest)) = chunk.split_first() {
            if self.position == Position::Item {
                let (used, done) = self.in_item(chunk);
                *chunk = chunk.get(used..).unwrap_or_default();
                self.read += used as u64;
                if done {
                    self.position = Position::After;
                    return Ok(Some(self.item()));
                }
                continue;
            }
            match self.position {
                Position::Envelope => self.in_envelope(byte)?,
                Position::First | Position::Next | Position::After => {
                    if self.between(byte)? {
                        // This byte is taken again, as the first of the item.
                        continue;
                    }
                }
                Position::End if byte.is_ascii_whitespace() => {}
                Position::End | Position::Item => return Err(self.syntax()),
            }
            self.read += 1;
            *chunk = rest;
        }
        Ok(None)
    }

    /// The envelope, with `[]` for the items. To be called at the end of the response.
    pub fn finish(self) -> Result<Vec<u8>, ListError> {
        match (self.position, self.seen_items) {
            (Position::End, true) => Ok(self.envelope),
            (Position::End, false) => Err(ListError::NoItems),
            _ => Err(ListError::Cut),
        }
    }

    fn syntax(&self) -> ListError {
        ListError::Syntax(self.read)
    }

    fn item(&self) -> SplitItem<'_> {
        if self.too_large { SplitItem::TooLarge(&self.item) } else { SplitItem::Whole(&self.item) }
    }

    /// Takes a byte between items. True if an item begins with it.
    fn between(&mut self, byte: u8) -> Result<bool, ListError> {
        match (self.position, byte) {
            (_, byte) if byte.is_ascii_whitespace() => Ok(false),
            (Position::After, b',') => {
                self.position = Position::Next;
                Ok(false)
            }
            (Position::First | Position::After, b']') => {
                self.envelope.push(byte);
                self.position = Position::Envelope;
                self.depth = 1;
                self.expect = Expect::Comma;
                Ok(false)
            }
            (Position::First | Position::Next, byte) => {
                self.shape = match byte {
                    b'{' | b'[' => ItemShape::Nested,
                    b'"' => ItemShape::Text,
                    b',' | b']' | b'}' | b':' => return Err(self.syntax()),
                    _ => ItemShape::WatchEvent,
                };
                self.position = Position::Item;
                self.item.clear();
                self.too_large = false;
                self.depth = 0;
                self.text = StringState::Outside;
                Ok(true)
            }
            _ => Err(self.syntax()),
        }
    }

    /// How many bytes of `chunk` belong to the current item, and whether it ends with them.
    fn in_item(&mut self, chunk: &[u8]) -> (usize, bool) {
        let mut used = 0;
        let mut done = false;
        for &byte in chunk {
            if self.shape == ItemShape::WatchEvent
                && (matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace())
            {
                done = true;
                break;
            }
            used += 1;
            match (self.text, byte) {
                (StringState::Inside | StringState::Escaped, _) => {
                    done = self.text.advance(byte) && self.shape == ItemShape::Text;
                }
                (_, b'"') => self.text = StringState::Inside,
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
        self.keep(chunk.get(..used).unwrap_or_default());
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
        if self.text != StringState::Outside {
            if self.text.advance(byte) {
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
                self.position = Position::First;
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.value_ends();
                if self.depth == 0 {
                    self.position = Position::End;
                }
            }
            b'"' => {
                self.text = StringState::Inside;
                self.key_from = self.envelope.len() - 1;
            }
            b':' if self.depth == 1 && self.expect == Expect::Colon => {
                self.expect = Expect::Value;
            }
            b',' if self.depth == 1 => {
                self.at_items = false;
                self.expect = Expect::Key;
            }
            // `null` is how Go writes an empty list that was never allocated.
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
