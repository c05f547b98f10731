//! What a parser's events say of a document before its tree is built: which anchor an alias means,
//! how deep it is nested, and which scalars have tags.
//!
//! The parser of the tree numbers anchors by how many names it knows, so that an alias behind an
//! anchor whose name was used before may get another one's value; it does not say which text has a
//! tag; and its time grows with the square of the depth. Few documents give reason to look, so the
//! others are not parsed twice.

use std::{borrow::Cow, collections::HashSet};

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, Tag};

use super::scalar::{self, Scalar};

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

/// A document that the tree's parser reads as kubectl does.
pub(super) struct Prepared<'t> {
    /// Each anchor has a name of its own, so that an alias means the last anchor of its name before
    /// it. Lines stay where they are.
    pub text: Cow<'t, [u8]>,
    /// Where in it plain scalars with tags begin, in ascending order.
    pub tagged: Vec<usize>,
}

/// Looks at the events of a document that gives reason to.
pub(super) fn prepare(text: &[u8]) -> Result<Prepared<'_>, Refused> {
    let as_it_is = |tagged| Prepared { text: Cow::Borrowed(text), tagged };
    let repeats = may_repeat_anchors(text);
    if !repeats && !may_hold_tags(text) && !may_be_too_deep(text) {
        return Ok(as_it_is(Vec::new()));
    }
    // The tree's parser says where text is not UTF-8, after reading no further.
    let Ok(source) = std::str::from_utf8(text) else {
        return Ok(as_it_is(Vec::new()));
    };
    let Marks { names, tagged } = marks(source)?;
    Ok(if repeats { rename(text, &names, &tagged) } else { as_it_is(tagged) })
}

/// What the events of a document point at, in the order of the text.
struct Marks {
    names: Vec<Name>,
    /// Where plain scalars with tags begin.
    tagged: Vec<usize>,
}

/// An anchor or an alias: where its name is, and the number of the anchor.
struct Name {
    start: usize,
    end: usize,
    anchor: usize,
}

fn marks(source: &str) -> Result<Marks, Refused> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_anchor_events = true;
    options.flow_nesting_limit = DEEPEST;
    options.block_nesting_limit = DEEPEST;
    let (mut names, mut tagged) = (Vec::new(), Vec::new());
    for event in Parser::new_from_str_with_options(source, options) {
        let (event, span) = event.map_err(|error| Refused {
            offset: error.marker().byte_offset(),
            message: match error.kind() {
                ErrorKind::RecursionLimitExceeded => "nested more than 128 levels deep",
                ErrorKind::PlainScalarStartsWithDashFlowIndicator => {
                    "a lone `-` stands between brackets: quote it"
                }
                ErrorKind::InvalidQuotedScalarIndent => {
                    "a quoted text goes on left of where it may: indent its lines deeper than its key"
                }
                _ if source.contains('\u{feff}') => {
                    "a byte order mark (U+FEFF) stands within the text: remove it"
                }
                _ => "its anchors, tags or brackets can't be followed: check quotes, brackets, indentation and the names of aliases",
            },
        })?;
        if let Some(message) = event.tag().and_then(|tag| misread(&event, tag)) {
            return Err(Refused { offset: span.start.byte_offset(), message });
        }
        match event {
            Event::Scalar(_, ScalarStyle::Plain, _, Some(_)) => {
                tagged.extend(span.start.byte_offset());
            }
            Event::Anchor(anchor, _) | Event::Alias(anchor) => {
                // Without its sigil, which stays.
                names.extend(span.byte_range().map(|range| Name {
                    start: range.start + 1,
                    end: range.end,
                    anchor,
                }));
            }
            _ => {}
        }
    }
    // An anchor's event comes behind that of its node.
    names.sort_by_key(|name| name.start);
    Ok(Marks { names, tagged })
}

/// What to do where the tree's parser would not see what a tag means to kubectl.
fn misread(event: &Event<'_>, tag: &Tag) -> Option<&'static str> {
    match tag.suffix_in_namespace("tag:yaml.org,2002:").as_deref() {
        Some("binary") => {
            Some("a value is tagged !!binary, which kubectl decodes: write the text itself")
        }
        Some("str" | "bool" | "int" | "float" | "null") => None,
        _ => match event {
            // Any other tag, even a lone `!`, makes text of it.
            Event::Scalar(text, ScalarStyle::Plain, ..)
                if scalar::resolve(text) != Scalar::Text =>
            {
                Some("a tag makes text of a number, a boolean or null: quote it and drop the tag")
            }
            _ => None,
        },
    }
}

fn rename(text: &[u8], names: &[Name], tagged: &[usize]) -> Prepared<'static> {
    let mut renamed = Vec::with_capacity(text.len() + names.len());
    let mut moved = Vec::with_capacity(tagged.len());
    let mut tagged = tagged.iter().copied().peekable();
    let mut from = 0;
    for name in names {
        while let Some(offset) = tagged.next_if(|offset| *offset < name.start) {
            moved.push(renamed.len() + offset.saturating_sub(from));
        }
        renamed.extend_from_slice(text.get(from..name.start).unwrap_or_default());
        renamed.extend_from_slice(name.anchor.to_string().as_bytes());
        from = name.end;
    }
    moved.extend(tagged.map(|offset| renamed.len() + offset.saturating_sub(from)));
    renamed.extend_from_slice(text.get(from..).unwrap_or_default());
    Prepared { text: Cow::Owned(renamed), tagged: moved }
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

/// Whether an exclamation mark stands where a tag may begin, be it in a comment or a script: first
/// in its line, behind an indicator or behind an anchor.
fn may_hold_tags(text: &[u8]) -> bool {
    let marks = text.iter().enumerate().filter(|(_, byte)| **byte == b'!');
    marks.map(|(at, _)| text.get(..at).unwrap_or_default()).any(|before| {
        let blanks = before.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let before_blanks = before.get(..before.len() - blanks).unwrap_or_default();
        match before_blanks.last() {
            None | Some(b'\n' | b'\r' | b':' | b'-' | b'?' | b'[' | b'{' | b',') => true,
            Some(_) => blanks > 0 && ends_in_anchor(before_blanks),
        }
    })
}

fn ends_in_anchor(text: &[u8]) -> bool {
    let not_in_name = text.iter().rev().find(|byte| !is_name(**byte));
    not_in_name == Some(&b'&')
}

/// Whether the brackets suffice to nest flow collections too deep, and the text is so long that
/// their depth would cost time. Where they close is not looked at: quotes and comments hold any.
fn may_be_too_deep(text: &[u8]) -> bool {
    /// Bytes times brackets; the tree's parser takes less than a nanosecond for each.
    const CHEAP: usize = 1 << 26;
    let open = text.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    open > DEEPEST && open.saturating_mul(text.len()) > CHEAP
}
