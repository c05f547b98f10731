//! A first look at a document by its parser events: which anchor an alias means, how deep it is nested,
//! and which scalars have tags.
//!
//! The parser that builds the tree has three gaps. It numbers anchors by how many names it knows, so that
//! an alias after a reused anchor name may get the wrong value; it does not show which text has a tag; and
//! its time grows with the square of the depth. Few documents can be affected, and the others are not
//! parsed twice.

use std::{borrow::Cow, collections::HashSet};

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, Tag};

use super::scalar::{self, Scalar};

/// How deep a document may be nested; the tree's parser has the same limit.
const DEEPEST: usize = 128;

/// Why a document is rejected.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RejectedDocument {
    /// The position in the text; None if it is unknown.
    pub offset: Option<usize>,
    /// Quotes nothing of the document, which may be a Secret.
    pub message: &'static str,
}

/// A document in a form that the tree's parser reads as kubectl does.
pub(super) struct PreparedDocument<'t> {
    /// Every anchor has a unique name, so that an alias means the last anchor of its name before it. Lines
    /// keep their numbers.
    pub text: Cow<'t, [u8]>,
    /// The offsets of plain scalars with tags, in ascending order.
    pub tagged: Vec<usize>,
}

/// Prepares a document: unchanged, unless it may be affected by one of the gaps.
pub(super) fn prepare(text: &[u8]) -> Result<PreparedDocument<'_>, RejectedDocument> {
    let as_it_is = |tagged| PreparedDocument { text: Cow::Borrowed(text), tagged };
    let repeats = may_repeat_anchors(text);
    if !repeats && !may_hold_tags(text) && !may_be_too_deep(text) {
        return Ok(as_it_is(Vec::new()));
    }
    // The tree's parser reports text that is not UTF-8, with its position.
    let Ok(source) = std::str::from_utf8(text) else {
        return Ok(as_it_is(Vec::new()));
    };
    let AnchorsAndTags { names, tagged } = marks(source)?;
    Ok(if repeats { rename(text, &names, &tagged) } else { as_it_is(tagged) })
}

/// The anchors and tags of a document, in the order of the text.
struct AnchorsAndTags {
    names: Vec<AnchorName>,
    /// The offsets of plain scalars with tags.
    tagged: Vec<usize>,
}

/// The name of an anchor or an alias, and the number of the anchor.
struct AnchorName {
    start: usize,
    end: usize,
    anchor: usize,
}

fn marks(source: &str) -> Result<AnchorsAndTags, RejectedDocument> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_anchor_events = true;
    options.flow_nesting_limit = DEEPEST;
    options.block_nesting_limit = DEEPEST;
    let (mut names, mut tagged) = (Vec::new(), Vec::new());
    for event in Parser::new_from_str_with_options(source, options) {
        let (event, span) = event.map_err(|error| RejectedDocument {
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
        if let Some(message) = event.tag().and_then(|tag| misread_tag(&event, tag)) {
            return Err(RejectedDocument { offset: span.start.byte_offset(), message });
        }
        match event {
            Event::Scalar(_, ScalarStyle::Plain, _, Some(_)) => {
                tagged.extend(span.start.byte_offset());
            }
            Event::Anchor(anchor, _) | Event::Alias(anchor) => {
                // Without `&` or `*`, which stays.
                names.extend(span.byte_range().map(|range| AnchorName {
                    start: range.start + 1,
                    end: range.end,
                    anchor,
                }));
            }
            _ => {}
        }
    }
    // The event of an anchor comes after that of its node.
    names.sort_by_key(|name| name.start);
    Ok(AnchorsAndTags { names, tagged })
}

/// What to do about a tag that the tree's parser does not interpret as kubectl does; None if it does.
fn misread_tag(event: &Event<'_>, tag: &Tag) -> Option<&'static str> {
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

fn rename(text: &[u8], names: &[AnchorName], tagged: &[usize]) -> PreparedDocument<'static> {
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
    PreparedDocument { text: Cow::Owned(renamed), tagged: moved }
}

/// Whether some `&name` occurs twice in a text with a `*name`, even if in a comment or a script.
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

/// The characters that the tree's parser accepts in a name.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Whether there is an exclamation mark where a tag may begin, even if in a comment or a script: at the start
/// of a line, after an indicator or after an anchor.
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

/// Whether there are enough brackets to nest flow collections too deep, in a text so long that the depth
/// would cost time. Closing brackets are not considered, since quotes and comments may contain any.
fn may_be_too_deep(text: &[u8]) -> bool {
    /// Bytes times brackets; the tree's parser takes less than a nanosecond for each.
    const CHEAP: usize = 1 << 26;
    let open = text.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    open > DEEPEST && open.saturating_mul(text.len()) > CHEAP
}
