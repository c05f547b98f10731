//! Texts from outside, times and lengths, as the page shows them.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use crate::{period::model::ReportedItem, text::visible};

/// The longest text from outside that is shown, in characters: a row must stay a row.
const MAX_CHARS: usize = 600;

/// The most criteria, controls or digests that one cell names.
const MAX_ITEMS: usize = 40;

/// A text from outside: what is hidden in it is written out, what reads from right to left stays
/// within itself, and what is too long is cut.
pub fn outside(text: &str) -> Markup {
    html! { bdi { (clipped(text)) } }
}

/// The same as plain text, for titles and descriptions.
pub fn clipped(text: &str) -> String {
    comptroller_vocabulary::clipped(text, MAX_CHARS)
}

/// A list from outside, as so many words.
pub fn list(items: &[String]) -> Markup {
    html! {
        @for (position, item) in items.iter().take(MAX_ITEMS).enumerate() {
            @if position > 0 { ", " }
            (outside(item))
        }
        @if items.len() > MAX_ITEMS { " and " (items.len() - MAX_ITEMS) " more" }
        @if items.is_empty() { "–" }
    }
}

/// A long text that people wrote, with its paragraphs.
pub fn paragraphs(text: &str) -> Markup {
    html! {
        @for line in text.lines().filter(|line| !line.trim().is_empty()) { p { bdi { (visible(line)) } } }
    }
}

/// A time, to the second.
pub fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (plain_time(at)) } }
}

/// `2026-07-01 00:00:00`, in UTC.
pub fn plain_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `1 July 2026`, in UTC.
pub fn date(at: Timestamp) -> String {
    at.strftime("%-d %B %Y").to_string()
}

/// A digest or a name of machines.
pub fn mono(text: &str) -> Markup {
    html! { span.mono { (outside(text)) } }
}

/// `Deployment shop/web`, with the API version and the uid below.
pub fn item(item: &ReportedItem) -> Markup {
    html! {
        (outside(&crate::text::object_name(&item.resource)))
        span.sub { (outside(&item.resource.api_version)) }
        @if let Some(uid) = &item.uid { span.sub { "uid " (mono(uid)) } }
    }
}

/// The two largest units of a length: `2d 12h`, `38m 37s`, `0s`.
pub fn length(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let Some(first) = units.iter().position(|(size, _)| seconds >= *size) else {
        return "0s".to_owned();
    };
    let mut left = seconds;
    let mut words = Vec::new();
    for (size, unit) in units.iter().skip(first).take(2) {
        if left >= *size {
            words.push(format!("{}{unit}", left / size));
        }
        left %= size;
    }
    words.join(" ")
}

/// `1 control`, `2 controls`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_keep_their_two_largest_units() {
        for (seconds, text) in [
            (-5, "0s"),
            (0, "0s"),
            (59, "59s"),
            (2_317, "38m 37s"),
            (3_600, "1h"),
            (216_000, "2d 12h"),
            (86_401, "1d"),
        ] {
            assert_eq!(length(SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn what_is_hidden_is_written_out_and_what_is_long_is_cut() {
        assert_eq!(clipped("a\u{202e}b\u{1b}"), "a\\u{202e}b\\u{1b}");
        let cut = clipped(&"é".repeat(MAX_CHARS + 1));
        assert_eq!(cut.chars().count(), MAX_CHARS + "… (cut)".chars().count());
    }
}
