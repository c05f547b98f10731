//! What was not judged though it exists: items out of scope, and controls that were suspended.

use maud::{Markup, html};

use super::{
    page::Page,
    table::HtmlTable,
    text::{item, length, mono, outside, time},
    words::flag,
};
use crate::period::model::{OutOfScope, Suspension};

/// The most rows of a table.
const MAX_ROWS: usize = 500;

pub fn out_of_scope(page: &Page<'_>) -> Markup {
    let rows: Vec<(&str, &OutOfScope)> = page
        .report
        .controls
        .iter()
        .flat_map(|control| control.out_of_scope.iter().map(|one| (control.name.as_str(), one)))
        .collect();
    let table = HtmlTable {
        caption: "Items that left the scope of a control though they exist",
        heads: &["Item", "Control", "Out from (UTC)", "Back (UTC)", "Why", "Entries"],
        wide: true,
        total: rows.len(),
    };
    html! {
        section aria-labelledby="scope" {
            h2.flow id="scope" { "Out of scope, and since when" }
            @if rows.is_empty() {
                p { "No entry says that an item left the scope of a control while it existed." }
            } @else {
                p { "Nobody judged these items while they were outside. A deviation of one of them stays open until it was seen mended." }
                (table.with(rows.iter().take(MAX_ROWS).map(|(control, one)| html! {
                    tr {
                        th scope="row" { (item(&one.item)) }
                        td { (page.name_link(control)) }
                        td.time { (time(one.from)) }
                        td.time {
                            @if let Some(to) = one.to {
                                (time(to)) span.sub { "after " (length(to.duration_since(one.from))) }
                            } @else { (flag("still out")) }
                        }
                        td {
                            @if one.why.is_empty() { (one.cause.meaning()) } @else { (outside(&one.why)) }
                        }
                        td { (one.entry) @if let Some(back) = one.return_entry { ", " (back) } }
                    }
                })))
            }
        }
    }
}

pub fn suspensions(page: &Page<'_>) -> Markup {
    let rows: Vec<(&str, &Suspension)> = page
        .report
        .controls
        .iter()
        .flat_map(|control| control.suspensions.iter().map(|one| (control.name.as_str(), one)))
        .collect();
    let table = HtmlTable {
        caption: "Times in which a control was suspended",
        heads: &["Control", "From (UTC)", "To (UTC)", "Length", "Approved by", "Entry"],
        wide: false,
        total: rows.len(),
    };
    html! {
        section aria-labelledby="suspensions" {
            h2.flow id="suspensions" { "Suspensions" }
            @if rows.is_empty() {
                p { "No control was suspended." }
            } @else {
                p { "Nothing was judged in these times. Where nobody approved, nothing is concluded of them." }
                (table.with(rows.iter().take(MAX_ROWS).map(|(control, one)| html! {
                    tr {
                        th scope="row" { (page.name_link(control)) }
                        td.time { (time(one.from)) }
                        td.time { (time(one.to)) }
                        td.time { (length(one.to.duration_since(one.from))) }
                        td {
                            @if let Some(by) = &one.approved_by {
                                (mono(by))
                                @if let Some(exception) = &one.exception { span.sub { "by the exception " (outside(exception)) } }
                                @if one.author_bound == Some(false) { (flag("author not bound")) }
                            } @else { (flag("nobody")) }
                        }
                        td { (one.entry) }
                    }
                })))
            }
        }
    }
}
