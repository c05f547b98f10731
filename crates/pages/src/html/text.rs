//! Texts from outside, times and numbers, as pages show them.

use comptroller_vocabulary::{ResourceRef, visible};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

/// The longest text from outside that a cell shows, in characters: a row must stay a row.
const MAX_CHARS: usize = 1_200;

/// A text from outside: what is hidden in it is written out, what reads from right to left stays
/// within itself, and what is too long is cut.
pub fn outside(text: &str) -> Markup {
    html! { bdi { (clipped(text)) } }
}

/// The same as plain text, for titles, labels and values of fields.
pub fn clipped(text: &str) -> String {
    comptroller_vocabulary::clipped(text, MAX_CHARS)
}

/// A digest, a user name, or the name of an object.
pub fn mono(text: &str) -> Markup {
    html! { span.mono { (outside(text)) } }
}

/// A `CamelCase` word, such as a rule, which a narrow column breaks before a capital only.
pub fn camel_case(word: &str) -> Markup {
    let word = clipped(word);
    let starts = word.match_indices(|c: char| c.is_ascii_uppercase()).map(|(at, _)| at);
    // Not between two capitals, which belong to an abbreviation.
    let follows_small =
        |at: &usize| word.as_bytes().get(at.wrapping_sub(1)).is_some_and(u8::is_ascii_lowercase);
    let mut rest = 0;
    let parts: Vec<&str> = starts
        .filter(follows_small)
        .chain([word.len()])
        .map(|at| {
            let part = word.get(rest..at).unwrap_or_default();
            rest = at;
            part
        })
        .collect();
    html! {
        bdi { @for (position, part) in parts.iter().enumerate() { @if position > 0 { wbr; } (part) } }
    }
}

/// A long text that people wrote, with its paragraphs.
pub fn paragraphs(text: &str) -> Markup {
    html! {
        @for line in text.lines().filter(|line| !line.trim().is_empty()) { p { bdi { (clipped(line)) } } }
    }
}

/// Names from outside, at most `most` of them.
pub fn list<'t>(items: impl ExactSizeIterator<Item = &'t str>, most: usize) -> Markup {
    let left = items.len().saturating_sub(most);
    html! {
        @if items.len() == 0 { "–" }
        @for (position, item) in items.take(most).enumerate() {
            @if position > 0 { ", " }
            (outside(item))
        }
        @if left > 0 { " and " (number(left)) " more" }
    }
}

/// A command to paste into a shell.
pub fn command(line: &str) -> Markup {
    html! { pre.command { code { (visible(line)) } } }
}

/// `2026-07-01 09:14:03 UTC`, and how long that was before the page was made.
pub fn when(at: Timestamp, now: Timestamp) -> Markup {
    html! {
        (time(at))
        span.sub { (relative(at, now)) }
    }
}

/// `2026-07-01 09:14:03 UTC`, which a narrow column breaks between date and time only.
pub fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (plain_time(at)) "\u{a0}UTC" } }
}

/// How long before or after the page was made; the time itself is in the element.
pub fn ago(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(at) title={ (plain_time(at)) " UTC" } { (relative(at, now)) } }
}

/// A time that may not be known.
pub fn maybe_when(at: Option<Timestamp>, now: Timestamp, otherwise: &str) -> Markup {
    html! { @if let Some(at) = at { (when(at, now)) } @else { (otherwise) } }
}

/// `2026-07-01 09:14:03`, in UTC.
pub fn plain_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `3 h ago`, `in 12 days`, `just now`.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs();
    let length = length(SignedDuration::from_secs(seconds.abs()));
    match seconds {
        0..=4 => "just now".to_owned(),
        5.. => format!("{length} ago"),
        _ => format!("in {length}"),
    }
}

/// The largest unit of a length, and the next for hours and days: `38 min`, `5 h 12 min`, `2 days 3 h`.
pub fn length(length: SignedDuration) -> String {
    let seconds = length.as_secs().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let in_days = || if days == 1 { "1 day".to_owned() } else { format!("{} days", number(days)) };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, 0) => format!("{hours} h"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        (1..=6, 1.., _) => format!("{} {hours} h", in_days()),
        _ => in_days(),
    }
}

/// `10,000`: with a comma before each group of three digits.
pub fn number(number: impl Copy + ToString) -> String {
    let digits = number.to_string();
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |rest| ("-", rest));
    let mut text = String::from(sign);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 control`, `2,000 controls`.
pub fn count(amount: usize, one: &str, many: &str) -> String {
    format!("{} {}", number(amount), if amount == 1 { one } else { many })
}

/// An object by its kind, namespace and name, with its API version below.
pub fn resource(resource: &ResourceRef) -> Markup {
    html! {
        (outside(&resource_name(resource)))
        @if !resource.api_version.is_empty() { span.sub { (outside(&resource.api_version)) } }
    }
}

/// `Deployment prod/web`.
pub fn resource_name(resource: &ResourceRef) -> String {
    match &resource.namespace {
        Some(namespace) => format!("{} {namespace}/{}", resource.kind, resource.name),
        None => format!("{} {}", resource.kind, resource.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_breaks_before_a_capital_that_begins_one() {
        for (word, html) in [
            ("ClusterAdmin", "<bdi>Cluster<wbr>Admin</bdi>"),
            ("NoTLS", "<bdi>No<wbr>TLS</bdi>"),
            ("", "<bdi></bdi>"),
            ("Été<B", "<bdi>Été&lt;B</bdi>"),
        ] {
            assert_eq!(camel_case(word).into_string(), html);
        }
    }

    #[test]
    fn lengths_read_as_people_say_them() {
        for (seconds, text) in [
            (-5, "0 s"),
            (59, "59 s"),
            (2_317, "38 min"),
            (3_600, "1 h"),
            (18_720, "5 h 12 min"),
            (86_400, "1 day"),
            (97_200, "1 day 3 h"),
            (700_000, "8 days"),
            (86_400 * 1_234, "1,234 days"),
        ] {
            assert_eq!(length(SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn times_are_told_from_the_page() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (second, text) in [(100, "just now"), (40, "1 min ago"), (4_000, "in 1 h 5 min")] {
            assert_eq!(relative(at(second), at(100)), text);
        }
    }

    #[test]
    fn numbers_are_grouped() {
        for (value, text) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (-12_345_678, "-12,345,678")]
        {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn what_is_hidden_is_written_out_and_what_is_long_is_cut() {
        assert_eq!(clipped("a\u{202e}b\u{1b}"), "a\\u{202e}b\\u{1b}");
        let cut = clipped(&"é".repeat(MAX_CHARS + 1));
        assert_eq!(cut.chars().count(), MAX_CHARS + "… (cut)".chars().count());
    }
}
