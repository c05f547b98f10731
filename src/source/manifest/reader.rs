//! Reads one file: its documents become objects or errors, each with its position.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    io::BufRead,
    sync::Arc,
};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny};
use serde_json::Value;

use super::{
    DocumentLine, Limits, ManifestDocument, ManifestError,
    chunks::{self, Chunks, DocumentChunk},
    events, kinds, strip_secret,
    tree::{Syntax, TreeBuilder, ValueSeed},
};

type DocumentVisitor<'v> = &'v mut dyn FnMut(Result<ManifestDocument, ManifestError>);

pub(super) struct ManifestReader<'v> {
    file: Arc<str>,
    limits: Limits,
    /// The document that is being read, from 1.
    document: usize,
    errors: usize,
    /// The position of the first document that looks like a template, with the kinds of all of them.
    template: Option<(DocumentLine, BTreeSet<String>)>,
    visit: DocumentVisitor<'v>,
}

/// Part of a file.
struct Text<'t> {
    bytes: &'t [u8],
    /// The line of its first byte.
    line: usize,
    /// An offset and its line. Positions are asked for in ascending order, so the lines of a list are counted
    /// only once.
    cursor: Cell<(usize, usize)>,
}

impl<'t> Text<'t> {
    fn new(bytes: &'t [u8], line: usize) -> Self {
        let cursor = Cell::new((0, line));
        Self { bytes, line, cursor }
    }

    fn line_of(&self, offset: usize) -> usize {
        let (known, line) = self.cursor.get();
        let (from, line) = if offset < known { (0, self.line) } else { (known, line) };
        let between = self.bytes.get(from..offset).unwrap_or_default();
        let line = line + between.split(|byte| *byte == b'\n').count() - 1;
        self.cursor.set((offset, line));
        line
    }
}

impl<'v> ManifestReader<'v> {
    pub fn new(file: &str, limits: Limits, visit: DocumentVisitor<'v>) -> Self {
        Self { file: file.into(), limits, document: 0, errors: 0, template: None, visit }
    }

    /// Reads up to the end of the input, or up to the limit of errors.
    pub fn read(&mut self, input: impl BufRead) {
        self.read_documents(input);
        if let Some((location, kinds)) = self.template.take() {
            let message = "looks like a template: render it first, for example with `helm template CHART | comptroller scan -`";
            self.fail_at(location, message.into(), kinds.into_iter().collect());
        }
    }

    fn read_documents(&mut self, input: impl BufRead) {
        let mut chunks = Chunks::new(input, self.limits.document_bytes);
        // A file of garbage would otherwise yield an error for each of its lines.
        while self.errors < self.limits.errors_per_file {
            match chunks.next() {
                Ok(Some(chunk)) => self.read_chunk(&chunk),
                Ok(None) => return,
                Err(error) => {
                    self.document += 1;
                    return self.fail(chunks.line(), format!("reading stopped: {error}"), b"");
                }
            }
        }
        let message = format!("{} errors in this file: the rest of it is not read", self.errors);
        self.fail(chunks.line(), message, b"");
    }

    fn read_chunk(&mut self, chunk: &DocumentChunk) {
        let text = &Text::new(&chunk.text, chunk.line);
        if chunk.too_long {
            self.document += 1;
            let limit = self.limits.document_bytes;
            let message = format!(
                "longer than {limit} bytes: split it into documents, separated by lines of ---"
            );
            return self.fail(text.line, message, text.bytes);
        }
        let content = text.bytes.trim_ascii_start();
        let content = content.strip_prefix(b"---").unwrap_or(content);
        match content.trim_ascii_start().first() {
            Some(b'{' | b'[') => self.read_json(text),
            _ => self.read_yaml(text),
        }
    }

    fn read_yaml(&mut self, text: &Text<'_>) {
        self.document += 1;
        let line = text.line + chunks::lines_before_content(text.bytes);
        let prepared = match events::prepare(text.bytes) {
            Ok(prepared) => prepared,
            Err(rejected) => {
                let line = rejected.offset.map_or(line, |offset| text.line_of(offset));
                return self.reject(text, line, rejected.message.into());
            }
        };
        let text = &Text::new(&prepared.text, text.line);
        let builder = TreeBuilder::new(text.bytes, Syntax::Yaml, &prepared.tagged);
        let deserializer = yaml_serde::Deserializer::from_slice(text.bytes);
        if let Err(error) = self.build(text, line, &builder, deserializer) {
            let at = error
                .location()
                .map_or(line, |location| text.line + location.line().saturating_sub(1));
            self.explain(text, &builder, at, &error.to_string());
        }
    }

    /// One or more JSON values, one after the other.
    fn read_json(&mut self, text: &Text<'_>) {
        let marker = if text.bytes.starts_with(b"---") { 3 } else { 0 };
        let mut start = marker;
        while let Some(bytes) = text.bytes.get(start..)
            && self.errors < self.limits.errors_per_file
        {
            let part = &Text::new(bytes, text.line_of(start));
            match self.read_json_values(part) {
                JsonEnd::AtTheEnd => return,
                JsonEnd::NotJson if start == marker => return self.read_yaml(text),
                JsonEnd::NotJson => return self.read_yaml(part),
                JsonEnd::ResumeAt(offset) => start += offset,
            }
        }
    }

    /// Reads values until one fails. The extent of each is found first, and then it is read by itself: asking
    /// `serde_json` whether the input ends counts lines each time, which would be quadratic.
    fn read_json_values(&mut self, text: &Text<'_>) -> JsonEnd {
        let mut values = serde_json::Deserializer::from_slice(text.bytes).into_iter::<IgnoredAny>();
        loop {
            let start = values.byte_offset();
            let whole = match values.next() {
                None => return JsonEnd::AtTheEnd,
                Some(found) => found.is_ok(),
            };
            let end = if whole { values.byte_offset() } else { text.bytes.len() };
            let bytes = text.bytes.get(start..end).unwrap_or_default();
            let part = Text::new(bytes, text.line_of(start));
            self.document += 1;
            let builder = TreeBuilder::new(bytes, Syntax::Json, &[]);
            let mut deserializer = serde_json::Deserializer::from_slice(bytes);
            let Err(error) = self.build(&part, part.line, &builder, &mut deserializer) else {
                continue;
            };
            if start == 0 && !begins_like_json(bytes) {
                // It may be a flow mapping of YAML, which begins with the same brace.
                self.document -= 1;
                return JsonEnd::NotJson;
            }
            let line = part.line + error.line().saturating_sub(1);
            self.explain(&part, &builder, line, &error.to_string());
            if whole {
                return JsonEnd::ResumeAt(end);
            }
            return next_json_value(
                text.bytes,
                start + builder.first_key.get().unwrap_or_default(),
            );
        }
    }

    /// Builds one document and emits its objects.
    fn build<'de, D: Deserializer<'de>>(
        &mut self,
        text: &Text<'_>,
        line: usize,
        builder: &TreeBuilder<'_>,
        deserializer: D,
    ) -> Result<(), D::Error> {
        let document = self.document;
        let place = |offset: Option<usize>| DocumentLine {
            document,
            line: offset.map_or(line, |offset| text.line_of(offset)),
        };
        let is_list = Cell::new(false);
        // Items of a typed list may lack a kind, and the list's own kind may come after them, so these wait.
        let held = RefCell::new(Vec::new());
        let this = RefCell::new(&mut *self);
        let handler = |item: Value, offset: Option<usize>| {
            is_list.set(true);
            let location = place(offset);
            if type_of(&item).is_ok_and(|found| found.is_some()) {
                this.borrow_mut().emit(item, location);
            } else {
                held.borrow_mut().push((item, location));
            }
        };
        let value = ValueSeed::document(builder, &handler).deserialize(deserializer)?;
        let location = match text_line(text, builder) {
            Some(line) => DocumentLine { document, line },
            None => place(None),
        };
        if is_list.get() {
            for (item, at) in held.into_inner() {
                self.emit_item(&value, item, at);
            }
        } else {
            self.emit(value, location);
        }
        Ok(())
    }

    /// Emits an item of a list. An item without a type has that of the list.
    fn emit_item(&mut self, list: &Value, mut item: Value, location: DocumentLine) {
        // A typed list, such as a PodList, gives its items no type, and kubectl accepts that.
        if let Value::Object(fields) = &mut item
            && !fields.contains_key("kind")
            && let Some(kind) = list.get("kind").and_then(Value::as_str)
            && let Some(kind) = kind.strip_suffix("List").filter(|kind| !kind.is_empty())
            && let Some(version) = list.get("apiVersion")
        {
            fields.insert("kind".into(), kind.into());
            fields.entry("apiVersion").or_insert_with(|| version.clone());
        }
        if item.get("kind").is_none() {
            let message =
                "an item of the list has no kind: every item needs its own apiVersion and kind";
            return self.fail_at(location, message.into(), kinds::kind_of(&item));
        }
        self.emit(item, location);
    }

    /// Emits an object, or its items if it is a list itself.
    fn emit(&mut self, mut object: Value, location: DocumentLine) {
        match type_of(&object) {
            Err(message) => return self.fail_at(location, message, kinds::kind_of(&object)),
            Ok(None) => return (self.visit)(Ok(ManifestDocument::Other(location))),
            Ok(Some(())) => {}
        }
        match object.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => {
                for item in items {
                    self.emit_item(&object, item, location);
                }
                return;
            }
            // For kubectl a list without items is empty.
            None | Some(Value::Null) if is_list(&object) => return,
            Some(items) if is_list(&object) && !items.is_null() => {
                let message = "items is not a list: write one object per item, each behind `- `";
                return self.fail_at(
                    location,
                    message.into(),
                    kinds::mentioned_in(items.to_string().as_bytes()),
                );
            }
            // An object that merely has a field of this name: it is put back.
            Some(items) => {
                if let Some(field) = object.get_mut("items") {
                    *field = items;
                }
            }
            None => {}
        }
        strip_secret(&mut object);
        (self.visit)(Ok(ManifestDocument::Object(object, location)));
    }

    /// Reports why a document can't be read: with our own error if there is one, or else the parser's.
    fn explain(&mut self, text: &Text<'_>, builder: &TreeBuilder<'_>, line: usize, parser: &str) {
        // A key of a Secret may itself be confidential, such as one that was mistyped into its value.
        let secret = contains(text.bytes, b"Secret");
        let error = builder.error.take();
        let line = error
            .as_ref()
            .and_then(|error| error.offset)
            .map_or(line, |offset| text.line_of(offset));
        let message = match error {
            Some(error) => match error.key.filter(|_| !secret) {
                Some(key) => format!("{} (the key is `{key}`)", error.message),
                None => error.message.into(),
            },
            None => parser_message(parser),
        };
        self.reject(text, line, message);
    }

    /// Reports a document that can't be read. A template gets a single error, however many documents it has.
    fn reject(&mut self, text: &Text<'_>, line: usize, message: String) {
        // Every document of a template is likely to fail, for this one reason.
        if contains(text.bytes, b"{{") {
            let location = DocumentLine { document: self.document, line };
            let (_, kinds) = self.template.get_or_insert_with(|| (location, BTreeSet::new()));
            kinds.extend(kinds::mentioned_in(text.bytes));
        } else {
            self.fail(line, message, text.bytes);
        }
    }

    /// Reports an error in the current document, whose text is given.
    fn fail(&mut self, line: usize, message: String, text: &[u8]) {
        let document = self.document.max(1);
        self.fail_at(DocumentLine { document, line }, message, kinds::mentioned_in(text));
    }

    fn fail_at(&mut self, location: DocumentLine, message: String, kinds: Vec<String>) {
        self.errors += 1;
        let file = Arc::clone(&self.file);
        (self.visit)(Err(ManifestError { file, location, message, kinds }));
    }
}

/// How reading JSON values ended.
enum JsonEnd {
    AtTheEnd,
    /// The first value is not JSON at all.
    NotJson,
    /// A value was invalid; the next one may begin at this offset.
    ResumeAt(usize),
}

/// The line of the first key, at which a document begins after comments and blank lines; None if it has no
/// key.
fn text_line(text: &Text<'_>, builder: &TreeBuilder<'_>) -> Option<usize> {
    builder.first_key.get().map(|offset| text.line_of(offset))
}

/// After an invalid value, the next one begins with a brace at the start of a line: pretty printers indent
/// everything else, and in JSON lines each value has its own line.
fn next_json_value(bytes: &[u8], from: usize) -> JsonEnd {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.windows(2)
        .position(|pair| pair == b"\n{")
        .map_or(JsonEnd::AtTheEnd, |at| JsonEnd::ResumeAt(from + at + 1))
}

/// `{"` may be YAML too, but then the author most likely meant JSON, whose errors are clearer.
fn begins_like_json(bytes: &[u8]) -> bool {
    let inner = bytes.trim_ascii_start().get(1..).unwrap_or_default().trim_ascii_start();
    matches!(inner.first(), Some(b'"' | b'}') | None)
}

/// Whether an object is a list by its kind. A named object is not.
fn is_list(object: &Value) -> bool {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    kind.ends_with("List") && object.pointer("/metadata/name").is_none()
}

/// Whether a document has a type. None if it is not meant to have one.
///
/// # Errors
/// If its type is invalid or incomplete.
fn type_of(object: &Value) -> Result<Option<()>, String> {
    let text = |field: &str| match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.as_str())),
        Some(_) => Err(format!("{field} is not text: write it in quotes")),
    };
    let Some(kind) = text("kind")? else {
        return match kinds::missing_kind(object) {
            Some(message) => Err(message),
            None => Ok(None),
        };
    };
    match text("apiVersion")? {
        Some(_) => Ok(Some(())),
        None => Err(format!("kind {kind} without apiVersion: add one, such as `apiVersion: v1`")),
    }
}

/// The parser's message without its positions, which count from the beginning of the document, and without
/// what it quotes, which may be from a Secret.
fn parser_message(message: &str) -> String {
    if message.contains("invalid type") {
        return "a map or a list stands where a key is expected: quote it if it is text".into();
    }
    if message.contains("invalid value") {
        return "a value does not fit its tag: drop the tag, or fix the value".into();
    }
    if message.contains("recursion limit") {
        return "nested more than 128 levels deep".into();
    }
    let mut clean = String::new();
    let mut rest = message;
    while let Some((before, after)) = rest.split_once(" at line ") {
        clean.push_str(before);
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
        rest = rest.strip_prefix(" column ").unwrap_or(rest);
        rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    clean.push_str(rest);
    clean
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
