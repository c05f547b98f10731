//! Paths below `/ui/` and the query strings behind them.

use std::fmt::Write;

use maud::{Markup, html};
use url::form_urlencoded;

use super::text::mono;

/// The path of a page: its segments, each encoded. None for a name that no path can have: a browser
/// takes `.` and `..` for directions, however they are encoded.
pub fn path(segments: &[&str]) -> Option<String> {
    let mut path = String::from("/ui");
    for segment in segments {
        if matches!(*segment, "" | "." | "..") {
            return None;
        }
        path.push('/');
        for byte in segment.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~:@!$'()*,;=".contains(&byte) {
                path.push(char::from(byte));
            } else {
                // Writing to a String can't fail.
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    Some(path)
}

/// The segments of a path below `/ui/`, decoded. None for a path of elsewhere, and for bytes that are
/// not text.
pub fn segments(path: &str) -> Option<Vec<String>> {
    let below = path.strip_prefix("/ui/")?;
    if below.is_empty() {
        return Some(Vec::new());
    }
    below.split('/').map(decode).collect()
}

fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// A name that leads to its page, if it is one that a path can have.
pub fn named(collection: &[&str], name: &str) -> Markup {
    let segments: Vec<&str> = collection.iter().copied().chain([name]).collect();
    html! {
        @if let Some(path) = path(&segments) { a href=(path) { (mono(name)) } } @else { (mono(name)) }
    }
}

/// What a query string asks, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// The most characters of a value that count: it is repeated in every link of the page.
    const MAX_CHARS: usize = 256;

    /// Reads a query string. Empty values say nothing, as a form that was left blank; of a key that is
    /// given twice the first counts.
    pub fn parse(query: &str) -> Self {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (key, value) in form_urlencoded::parse(query.as_bytes()).take(64) {
            let value: String = value.trim().chars().take(Self::MAX_CHARS).collect();
            if !value.is_empty() && pairs.iter().all(|(known, _)| *known != key) {
                pairs.push((key.into_owned(), value));
            }
        }
        Self(pairs)
    }

    /// The value of a key; None if it is not there.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// The number of a page of a long list, from 1. The first, if the value is none.
    pub fn page(&self, key: &str) -> usize {
        self.get(key).and_then(|text| text.parse().ok()).unwrap_or(1).max(1)
    }

    /// The path with this query, only of the keys in `keep`, and one value that replaces another.
    pub fn link(&self, path: &str, keep: &[&str], key: &str, value: &str) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        for (known, old) in self.0.iter().filter(|(known, _)| known != key) {
            if keep.contains(&known.as_str()) {
                text.append_pair(known, old);
            }
        }
        text.append_pair(key, value);
        format!("{path}?{}", text.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back_as_its_segments() {
        for name in ["a", "a/b", "ä?#%", "\u{202e}", "<b>\"", "...", "a b"] {
            let path = path(&["controls", name]).unwrap();
            assert!(path.is_ascii() && !path.contains(['"', '<', '?', '#', ' ']), "{path}");
            assert_eq!(segments(&path).unwrap(), ["controls", name]);
        }
        for name in ["", ".", ".."] {
            assert_eq!(path(&["controls", name]), None);
        }
        for bad in ["/ui/%", "/ui/%f", "/ui/%zz", "/ui/%ff", "/other", "/ui"] {
            assert_eq!(segments(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_query_keeps_what_it_is_asked_to_keep() {
        let query = Query::parse("q=a+%26b&state=&state=Failing&x=1&page=3&page=4");
        assert_eq!(query.get("state"), Some("Failing"));
        assert_eq!(query.page("page"), 3);
        assert_eq!(query.page("q"), 1);
        let link = query.link("/ui/controls", &["q", "state"], "page", "2");
        assert_eq!(link, "/ui/controls?q=a+%26b&state=Failing&page=2");
    }
}
