//! When nobody looked, and when the clocks could not be believed.

use maud::{Markup, html};

use super::{
    page::Page,
    table::HtmlTable,
    text::{length, list, outside, time},
};
use crate::period::model::GapReport;

/// The most rows of a table.
const MAX_ROWS: usize = 500;

pub fn gaps(page: &Page<'_>) -> Markup {
    let gaps = &page.report.gaps;
    let table = HtmlTable {
        caption: "Times without observation, by time",
        heads: &["From (UTC)", "To (UTC)", "Length", "Of", "Cause", "Entries"],
        wide: false,
        total: gaps.len(),
    };
    html! {
        section aria-labelledby="gaps" {
            h2.flow id="gaps" { "Gaps in observation" }
            @if gaps.is_empty() {
                p { "The log records no time in which evaluation was not possible, and no silence longer than the controls' heartbeats allow." }
            } @else {
                p { "There is no evidence for these times. What happened then is not known, and counts neither for nor against a control." }
                (table.with(gaps.iter().take(MAX_ROWS).map(|gap| row(page, gap))))
            }
        }
    }
}

fn row(page: &Page<'_>, gap: &GapReport) -> Markup {
    let entries: Vec<String> = gap.entries.iter().map(u64::to_string).collect();
    html! {
        tr {
            th.time scope="row" { (time(gap.from)) }
            td.time { (time(gap.to)) }
            td.time { (length(gap.to.duration_since(gap.from))) }
            td { @if gap.everywhere { "the whole cluster" } @else { (page.name_links(&gap.controls)) } }
            td {
                (gap.cause.meaning())
                @if !gap.reason.is_empty() { span.sub { (outside(&gap.reason)) } }
            }
            td { @if entries.is_empty() { "no entry says so" } @else { (list(&entries)) } }
        }
    }
}

/// Where the clocks disagree by more than a minute, or time falls.
pub fn times(page: &Page<'_>) -> Markup {
    let anomalies = &page.report.log.time_anomalies;
    let table = HtmlTable {
        caption: "Entries whose times can't all be right",
        heads: &[
            "Entry",
            "The operator's clock (UTC)",
            "The API server's (UTC)",
            "Apart",
            "What is wrong",
        ],
        wide: false,
        total: anomalies.len(),
    };
    html! {
        section aria-labelledby="time" {
            h2.flow id="time" { "Time" }
            p {
                "Each entry is dated by the API server's clock, and has the operator's beside it where that says another second. "
                @if anomalies.is_empty() {
                    "In no entry are the two more than a minute apart, and time never falls in the log."
                } @else {
                    "In these entries the two are more than a minute apart, or a time is earlier than in an entry before. Where the clocks differ, nothing is claimed."
                }
            }
            @if !anomalies.is_empty() {
                (table.with(anomalies.iter().take(MAX_ROWS).map(|one| html! {
                    tr {
                        th scope="row" { (one.entry) }
                        td.time { (time(one.at)) }
                        td.time { @if let Some(server) = one.server_time { (time(server)) } @else { "not known" } }
                        td.time { @if let Some(server) = one.server_time { (length(one.at.duration_since(server).abs())) } @else { "–" } }
                        td { (one.fault.meaning()) }
                    }
                })))
            }
        }
    }
}
