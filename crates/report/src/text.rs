//! Text from outside, made safe to show.

use std::{borrow::Cow, fmt::Write as _};

use comptroller_core::api::ResourceRef;

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

pub(super) fn is_hidden(c: char) -> bool {
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

/// The text as one word of a POSIX shell.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/,%@+=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
    }
}

/// `Deployment prod/web`.
pub(super) fn object_name(resource: &ResourceRef) -> String {
    match &resource.namespace {
        Some(namespace) => format!("{} {namespace}/{}", resource.kind, resource.name),
        None => format!("{} {}", resource.kind, resource.name),
    }
}

/// The message with who it is about.
pub(super) fn sentence(subject: Option<&str>, message: &str) -> String {
    match subject {
        Some(subject) => format!("{subject}: {message}"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted_whatever_a_name_says() {
        for (text, word) in [
            ("s3://bucket/a-b_c", "s3://bucket/a-b_c"),
            ("4:all,50:5,250:10%,25", "4:all,50:5,250:10%,25"),
            ("a b; rm", "'a b; rm'"),
            ("a'b $(c)", r"'a'\''b $(c)'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(text), word);
        }
    }
}
