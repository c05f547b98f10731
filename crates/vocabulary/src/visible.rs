//! Text from outside, made safe to show on a terminal.

use std::{borrow::Cow, fmt::Write as _};

/// The text with everything visible that could act on a terminal or change the order of what is
/// read: control characters (ESC, C0, C1), line breaks, bidirectional overrides, zero-width and
/// tag characters. They appear as `\u{1b}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            c if is_hidden(c) => {
                // Writing to a string can't fail.
                let _ = write!(shown, "{}", c.escape_unicode());
            }
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// A text of several lines, each as [`visible`] shows it.
pub fn visible_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(visible).collect();
    lines.join("\n")
}

/// A text as [`visible`] shows it; of one that is longer than `most` characters, the beginning.
pub fn clipped(text: &str, most: usize) -> String {
    // Cut before it is written out, so that the cut never falls into the middle of an escape.
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}… (cut)", visible(text.get(..end).unwrap_or_default())),
        None => visible(text).into_owned(),
    }
}

/// A text of which every character counts, such as a checkpoint that is copied from a page and
/// verified: each line as [`visible`] shows it, and ended.
pub fn lines_in_full(text: &str) -> String {
    let mut whole = String::with_capacity(text.len() + 1);
    for line in text.lines() {
        whole.push_str(&visible(line));
        whole.push('\n');
    }
    whole
}

/// Whether a character shows nothing by itself, and may act on a terminal or on the text around it.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}'
            | '\u{061C}'
            | '\u{180E}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_act_on_a_terminal_is_shown_as_text() {
        for (text, shown) in [
            ("Control prod/web", "Control prod/web"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\nVerified", "a\\nVerified"),
            ("a\r\tb", "a\\u{d}\\tb"),
            ("\u{202e}gnp", "\\u{202e}gnp"),
            ("\u{9b}31m", "\\u{9b}31m"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn a_cut_is_never_inside_an_escape() {
        for (text, most, shown) in [
            ("jane", 4, "jane"),
            ("jane", 3, "jan… (cut)"),
            ("ab\u{202e}cd", 3, "ab\\u{202e}… (cut)"),
            ("äöü", 2, "äö… (cut)"),
            ("", 0, ""),
        ] {
            assert_eq!(clipped(text, most), shown);
        }
    }

    #[test]
    fn a_checkpoint_keeps_its_last_line_end() {
        assert_eq!(lines_in_full("a\n\n— b\u{9b}"), "a\n\n— b\\u{9b}\n");
    }
}
