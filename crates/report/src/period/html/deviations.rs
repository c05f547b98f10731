//! The deviations of a control: what was found, how it ended, why it came about and what management
//! says to it.

use maud::{Markup, html};

use super::{
    control::DeviationShare,
    page::Page,
    table::HtmlTable,
    text::{item, length, mono, outside, time},
    timeline::TimelineStyle,
    words::{flag, state},
};
use crate::period::model::{ControlReport, Deviation, Ending, ResponseReport};

/// Those to show: all, or the worst if there are too many, by time.
fn shown(deviations: &[Deviation], most: usize) -> Vec<&Deviation> {
    let mut shown: Vec<&Deviation> = deviations.iter().collect();
    if shown.len() > most {
        shown.sort_by_key(|one| (!one.is_open(), std::cmp::Reverse(one.severity), one.from));
        shown.truncate(most);
        // Chosen by weight, shown by time like every other table.
        shown.sort_by_key(|one| one.from);
    }
    shown
}

pub fn table(page: &Page<'_>, control: &ControlReport, share: DeviationShare) -> Markup {
    let all = &control.deviations;
    let shown = shown(all, share.0);
    let table = HtmlTable {
        caption: match (page.is_type_one(), shown.len() < all.len()) {
            (true, _) => "Deviations as of the date",
            (false, true) => "Deviations: those not seen to end and the most severe",
            (false, false) => "Deviations",
        },
        heads: if page.is_type_one() {
            &["Found", "Where", "Since (UTC)", "Standing", "Cause and response", "Entries"]
        } else {
            &[
                "Found",
                "Where",
                "From and to (UTC)",
                "How it ended",
                "Cause and response",
                "Entries",
            ]
        },
        wide: true,
        total: all.len(),
    };
    html! {
        (table.with(shown.into_iter().map(deviation)))
        @if let Some(pattern) = control.deviation_pattern {
            p.line { "By the rule of this report they are: " strong { (pattern.as_str().to_ascii_lowercase()) } "." }
        }
    }
}

fn deviation(one: &Deviation) -> Markup {
    html! {
        tr {
            th scope="row" {
                (outside(&one.message))
                span.sub { (outside(&one.rule)) " · " (one.severity) " · " (one.pattern.as_str().to_ascii_lowercase()) }
            }
            td {
                (item(&one.item))
                @if let Some(subject) = &one.subject { span.sub { (outside(subject)) } }
            }
            td.time {
                (time(one.from)) br;
                @if let Some(to) = one.to { (time(to)) } @else { "–" }
            }
            td { (ending(one)) }
            td { (cause_and_response(one)) }
            td {
                (one.opened_entry)
                @if let Some(closed) = one.closed_entry { ", " (closed) }
            }
        }
    }
}

fn ending(one: &Deviation) -> Markup {
    let lasted = one.to.map(|to| length(to.duration_since(one.from)));
    html! {
        @if one.is_open() {
            (state(TimelineStyle::Failed, "open"))
            @if one.ending != Ending::Open { span.sub { (one.ending.words()) } }
        } @else {
            (one.ending.words())
        }
        @if let Some(exception) = &one.exception { " by " a href="#exceptions" { (outside(exception)) } }
        @if let Some(lasted) = lasted { span.sub { "after " (lasted) } }
        @if let Some(last) = one.last_found { span.sub { "last found " (time(last)) } }
        @if !one.ending_detail.is_empty() { span.sub { (outside(&one.ending_detail)) } }
    }
}

fn cause_and_response(one: &Deviation) -> Markup {
    html! {
        @match &one.response {
            Some(response) => (responded(one, response)),
            None => {
                @if let Some(cause) = &one.cause { (outside(cause)) }
                @else { "not known" }
                span.sub { "no response of management" }
            }
        }
    }
}

fn responded(one: &Deviation, response: &ResponseReport) -> Markup {
    let known = one.cause.as_ref().unwrap_or(&response.cause);
    html! {
        (outside(known))
        @if *known != response.cause { span.sub { "management says: " (outside(&response.cause)) } }
        span.sub { "Response: " (outside(&response.response)) }
        span.sub {
            "owner " (outside(&response.owner))
            @if let Some(by) = &response.corrective_action_by { ", to be put right by " (outside(by)) }
        }
        span.sub {
            (mono(&response.responded_by)) ", " (time(response.at)) ", " (outside(&response.name)) ", entry " (response.entry)
        }
        @if response.author_bound == Some(false) { (flag("author not bound")) }
    }
}
