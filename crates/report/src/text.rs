//! Text from outside, made safe to show.

use std::borrow::Cow;

use comptroller_vocabulary::ResourceRef;
pub use comptroller_vocabulary::{is_hidden, visible};

/// The text as one word of a POSIX shell.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/,%@+=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
    }
}

/// An object by its kind, namespace and name, such as `Deployment prod/web`.
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
