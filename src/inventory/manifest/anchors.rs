//! Finds anchors that are defined twice, which the parser resolves to the wrong value.

use std::collections::HashSet;

/// Where a document defines an anchor again, if aliases could notice.
///
/// The parser numbers anchors by how many names it knows, so that after a second definition a
/// later anchor takes its number. Text inside block scalars is skipped: scripts hold `&` and `*`.
pub(super) fn redefined(text: &[u8]) -> Option<usize> {
    if !names(text, b'*') || !names(text, b'&') {
        return None;
    }
    let mut known = HashSet::new();
    let mut block_indent = None;
    let mut offset = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let indent = line.iter().take_while(|byte| **byte == b' ').count();
        let blank = line.trim_ascii().is_empty();
        if block_indent.is_some_and(|outer| blank || indent > outer) {
            offset += line.len();
            continue;
        }
        block_indent = opens_block(line).then_some(indent);
        for (at, name) in anchors_in(line) {
            if !known.insert(name) {
                return Some(offset + at);
            }
        }
        offset += line.len();
    }
    None
}

/// Whether there is a `*name` or `&name` anywhere.
fn names(text: &[u8], sigil: u8) -> bool {
    text.windows(2)
        .any(|pair| matches!(pair, [first, second] if *first == sigil && is_name(*second)))
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// Whether a line ends with the header of a block scalar: `|`, `>-`, `|2+`.
fn opens_block(line: &[u8]) -> bool {
    let text = line.trim_ascii_end();
    let header = text
        .iter()
        .rposition(u8::is_ascii_whitespace)
        .map_or(text, |at| text.get(at + 1..).unwrap_or_default());
    matches!(header.first(), Some(b'|' | b'>')) && header.len() <= 3
}

/// The anchors of a line: where a node may begin, and only up to a comment or a quoted scalar.
fn anchors_in(line: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    line.split(u8::is_ascii_whitespace)
        .map(move |word| {
            let start = at;
            at += word.len() + 1;
            (start, word)
        })
        .take_while(|(_, word)| {
            word.is_empty()
                || word.ends_with(b":")
                || matches!(word.first(), Some(b'-' | b'?' | b'&' | b'!' | b'[' | b'{'))
        })
        .filter_map(|(start, word)| {
            let name = word.strip_prefix(b"&")?;
            (!name.is_empty()).then_some((start, name))
        })
}
