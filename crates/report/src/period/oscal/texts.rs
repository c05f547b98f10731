//! Texts, ids and links as OSCAL takes them.

use jiff::Timestamp;
use uuid::Uuid;

use super::model::{OscalEvidence, Property};
use crate::text::visible;
use comptroller_evidence::log::bundle_of;

/// Whose names the properties are.
pub(super) const NS: &str = "https://comptroller.dev/ns/oscal";

/// Ids that stay the same for the same thing in every document (RFC 9562, version 5).
pub(super) struct Ids {
    namespace: Uuid,
}

impl Ids {
    /// The ids of a log's period.
    pub fn new(origin: &str, period: &str) -> Self {
        let ours = Uuid::new_v5(&Uuid::NAMESPACE_URL, NS.as_bytes());
        Self { namespace: Uuid::new_v5(&ours, joined(&[origin, period]).as_bytes()) }
    }

    /// The id of the thing that these names name together.
    pub fn id_of(&self, names: &[&str]) -> Uuid {
        Uuid::new_v5(&self.namespace, joined(names).as_bytes())
    }
}

/// Parted by a character that no name holds, so that two lists of names never read as one.
fn joined(names: &[&str]) -> String {
    names.join("\0")
}

/// A property. An empty value is no value to OSCAL, so there is none.
pub(super) fn property(name: &'static str, value: &str) -> Option<Property> {
    let value = visible(value);
    let value = value.trim();
    (!value.is_empty()).then(|| Property { name, ns: NS, value: value.to_owned() })
}

/// The properties that have a value.
pub(super) fn properties<'v>(
    given: impl IntoIterator<Item = (&'static str, std::borrow::Cow<'v, str>)>,
) -> Vec<Property> {
    given.into_iter().filter_map(|(name, value)| property(name, &value)).collect()
}

/// Text from outside in a field that is Markdown to its readers: one line, and nothing in it is
/// markup, a link or an insertion.
pub(super) fn plain(text: &str) -> String {
    let shown = visible(text);
    let mut plain = String::with_capacity(shown.len());
    for c in shown.trim().chars() {
        if matches!(
            c,
            '\\' | '`'
                | '*'
                | '_'
                | '['
                | ']'
                | '<'
                | '>'
                | '&'
                | '{'
                | '}'
                | '^'
                | '~'
                | '|'
                | '#'
                | '!'
        ) {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}

/// A title: one line, never empty.
pub(super) fn title(text: &str) -> String {
    let text = plain(text);
    if text.is_empty() { "(no title)".to_owned() } else { text }
}

/// A span of time, such as `2026-07-01T00:00:00Z to 2026-10-01T00:00:00Z`.
pub(super) fn span(from: Timestamp, to: Timestamp) -> String {
    format!("{from} to {to}")
}

/// Where the entries of a log are.
pub(super) struct EntryLinks<'r> {
    /// Where the log was read.
    pub source: &'r str,
    /// How many entries it has.
    pub size: u64,
}

impl EntryLinks<'_> {
    /// The evidence that an entry is, with a link to the bundle that holds it.
    pub fn evidence(&self, index: u64, what: &str) -> OscalEvidence {
        OscalEvidence {
            href: Some(self.href(index)),
            description: format!("Entry {index} of the evidence log: {what}"),
            props: properties([("entry", index.to_string().into())]),
        }
    }

    /// The bundle of an entry, as a path of tlog-tiles below the log, and the entry as its fragment.
    fn href(&self, index: u64) -> String {
        let log = reference(self.source.trim_end_matches('/'));
        format!("{log}/{}#{index}", bundle_of(index, self.size))
    }
}

/// A location as a URI reference (RFC 3986): what is no part of one is percent-encoded.
pub(super) fn reference(location: &str) -> String {
    use std::fmt::Write as _;
    let mut reference = String::with_capacity(location.len());
    for byte in location.bytes() {
        let kept = byte.is_ascii_alphanumeric() || b"-._~:/?@!$&'()*+,;=%".contains(&byte);
        if kept {
            reference.push(char::from(byte));
        } else {
            // Writing into a String can't fail.
            let _ = write!(reference, "%{byte:02X}");
        }
    }
    reference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_in_its_bundle() {
        let entries = EntryLinks { source: "s3://acme/my log/", size: 48_213 };
        let base = "s3://acme/my%20log/tile/entries";
        for (index, expected) in [
            (0, "000#0"),
            (255, "000#255"),
            (256, "001#256"),
            (46_002, "179#46002"),
            (48_212, "188.p/85#48212"),
        ] {
            assert_eq!(entries.href(index), format!("{base}/{expected}"));
        }
        let long = EntryLinks { source: "log", size: 1 << 40 };
        assert_eq!(long.href(1_234_067 * 256 + 3), "log/tile/entries/x001/x234/067#315921155");
    }

    #[test]
    fn names_do_not_run_into_each_other() {
        let ids = Ids::new("origin", "period");
        assert_ne!(ids.id_of(&["a", "bc"]), ids.id_of(&["ab", "c"]));
        assert_ne!(ids.id_of(&["a"]), Ids::new("origin", "other").id_of(&["a"]));
        assert_eq!(ids.id_of(&["a"]), Ids::new("origin", "period").id_of(&["a"]));
        assert_eq!(ids.id_of(&["a"]).get_version_num(), 5);
    }

    #[test]
    fn markup_is_text() {
        assert_eq!(plain("[a](http://evil)"), "\\[a\\](http://evil)");
        assert_eq!(plain(" <b>{{ insert }}\n"), "\\<b\\>\\{\\{ insert \\}\\}\\\\n");
        assert_eq!(plain("no-standing-cluster-admin"), "no-standing-cluster-admin");
        assert_eq!(title(" "), "(no title)");
        assert!(property("a", " ").is_none());
    }
}
