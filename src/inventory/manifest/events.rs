//! What a parser's events say of a document before its tree is built: which anchor an alias means,
//! how deep it is nested, and which tags it has.
//!
//! The parser of the tree numbers anchors by how many names it knows, so that an alias behind an
//! anchor whose name was used before may get another one's value; and its time grows with the
//! square of the depth. Few documents give reason to look, so the others are not parsed twice.

use std::{borrow::Cow, collections::HashSet};

use granit_parser::{ErrorKind, Event, Options, Parser};

/// How deep a document may be nested; the tree's parser has the same limit.
const DEEPEST: usize = 128;

/// Why a document is not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Where in the text.
    pub offset: Option<usize>,
    /// Names nothing that the document says.
    pub message: &'static str,
}

/// The text of a document in which each anchor has a name of its own, so that an alias means the
/// last anchor of its name before it. Lines stay where they are.
pub(super) fn prepare(text: &[u8]) -> Result<Cow<'_, [u8]>, Refused> {
    let repeats = may_repeat_anchors(text);
    if !repeats && !may_hold_binary(text) && !may_be_too_deep(text) {
        return Ok(Cow::Borrowed(text));
    }
    // The tree's parser says where text is not UTF-8, after reading no further.
    let Ok(source) = std::str::from_utf8(text) else {
        return Ok(Cow::Borrowed(text));
    };
    let names = names(source)?;
    Ok(if repeats { Cow::Owned(rename(text, &names)) } else { Cow::Borrowed(text) })
}

/// An anchor or an alias: where its name is, and the number of the anchor.
struct Name {
    start: usize,
    end: usize,
    anchor: usize,
}

fn names(source: &str) -> Result<Vec<Name>, Refused> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_anchor_events = true;
    options.flow_nesting_limit = DEEPEST;
    options.block_nesting_limit = DEEPEST;
    let mut names = Vec::new();
    for event in Parser::new_from_str_with_options(source, options) {
        let (event, span) = event.map_err(|error| Refused {
            offset: error.marker().byte_offset(),
            message: match error.kind() {
                ErrorKind::RecursionLimitExceeded => "nested more than 128 levels deep",
                _ => "its anchors or brackets can't be followed: check quotes, brackets, indentation and the names of aliases",
            },
        })?;
        if event.tag().is_some_and(|tag| {
            tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() == Some("binary")
        }) {
            return Err(Refused {
                offset: span.start.byte_offset(),
                message: "a value is tagged !!binary, which kubectl decodes: write the text itself",
            });
        }
        let (Event::Anchor(anchor, _) | Event::Alias(anchor)) = event else {
            continue;
        };
        // Without its sigil, which stays.
        if let Some(range) = span.byte_range() {
            names.push(Name { start: range.start + 1, end: range.end, anchor });
        }
    }
    // An anchor's event comes behind that of its node.
    names.sort_by_key(|name| name.start);
    Ok(names)
}

fn rename(text: &[u8], names: &[Name]) -> Vec<u8> {
    let mut renamed = Vec::with_capacity(text.len() + names.len());
    let mut from = 0;
    for name in names {
        renamed.extend_from_slice(text.get(from..name.start).unwrap_or_default());
        renamed.extend_from_slice(name.anchor.to_string().as_bytes());
        from = name.end;
    }
    renamed.extend_from_slice(text.get(from..).unwrap_or_default());
    renamed
}

/// Whether some `&name` stands twice in a text with a `*name`, whatever either is.
fn may_repeat_anchors(text: &[u8]) -> bool {
    let mut anchors = HashSet::new();
    let mut repeated = false;
    let mut aliases = false;
    for (at, sigil) in text.iter().enumerate() {
        if !matches!(sigil, b'&' | b'*') {
            continue;
        }
        let rest = text.get(at + 1..).unwrap_or_default();
        let name = rest.split(|byte| !is_name(*byte)).next().unwrap_or_default();
        if name.is_empty() {
            continue;
        }
        if *sigil == b'*' {
            aliases = true;
        } else {
            repeated |= !anchors.insert(name);
        }
        if repeated && aliases {
            return true;
        }
    }
    false
}

/// The characters of a name to the tree's parser, which takes no others.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Whether some tag may be that of base64, which the tree's parser leaves encoded.
fn may_hold_binary(text: &[u8]) -> bool {
    let has = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    text.contains(&b'!') && (has(b"!!binary") || has(b"2002:binary") || has(b"%TAG"))
}

/// Whether the brackets suffice to nest flow collections too deep, and the text is so long that
/// their depth would cost time. Where they close is not looked at: quotes and comments hold any.
fn may_be_too_deep(text: &[u8]) -> bool {
    /// Bytes times brackets; the tree's parser takes less than a nanosecond for each.
    const CHEAP: usize = 1 << 26;
    let open = text.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    open > DEEPEST && open.saturating_mul(text.len()) > CHEAP
}
