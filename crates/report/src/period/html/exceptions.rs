//! Exceptions in full, those that nobody approved too, with each finding that they covered.

use maud::{Markup, html};

use super::{
    page::Page,
    table::HtmlTable,
    text::{item, list, mono, outside, time},
    words::flag,
};
use crate::period::model::{CoveredFinding, ExceptionReport};

/// The most rows of a table.
const MAX_ROWS: usize = 500;

/// The most times, or findings, that one row names.
const MAX_NAMED: usize = 20;

pub fn section(page: &Page<'_>) -> Markup {
    let exceptions = &page.report.exceptions;
    let table = HtmlTable {
        caption: "Exceptions, by name",
        heads: &[
            "Exception",
            "What it covers",
            "Asked and approved (UTC)",
            "In force (UTC)",
            "Findings it covered",
            "Entries",
        ],
        wide: true,
        total: exceptions.len(),
    };
    html! {
        section aria-labelledby="exceptions" {
            h2.flow id="exceptions" { "Exceptions" }
            @if exceptions.is_empty() {
                p { "No exception was asked for or in force." }
            } @else {
                (table.with(exceptions.iter().take(MAX_ROWS).map(|one| exception(page, one))))
            }
        }
    }
}

fn exception(page: &Page<'_>, one: &ExceptionReport) -> Markup {
    let entries: Vec<String> = one.entries.iter().map(u64::to_string).collect();
    html! {
        tr {
            th scope="row" {
                (outside(&one.name)) span.sub { (outside(&one.reason)) }
                @if let Some(ticket) = &one.ticket { span.sub { "ticket " (outside(ticket)) } }
                @if let Some(other) = &one.compensating_control { span.sub { "instead: " (outside(other)) } }
            }
            td {
                (page.name_links(&one.controls))
                @if one.suspends { span.sub { "approves that they are suspended" } }
                @if !one.resources.is_empty() { span.sub { (list(&one.resources)) } }
                @if one.wildcard { (flag("wildcard")) }
            }
            td {
                "asked " (time(one.created_at.unwrap_or(one.asked_at)))
                @if one.created_at.is_none() { span.sub { "which is when it was first seen" } }
                span.sub { "by " (mono(&one.requested_by)) }
                @if let Some(by) = &one.recorded_by { span.sub { "written on their behalf by " (mono(by)) } }
                (binding(one.author_bound, one.unbound_entry))
                @if one.late { (flag("asked for after a finding began")) }
                br;
                @match (&one.approved_by, one.approved_at) {
                    (Some(by), at) => {
                        "approved " @if let Some(at) = at { (time(at)) }
                        span.sub { "by " (mono(by)) }
                        (binding(one.approver_bound, one.unbound_entry))
                    }
                    (None, _) => (flag("never approved")),
                }
                @if one.after_the_fact { (flag("approved after the fact")) }
                span.sub { (outside(&one.phase)) " at the end" }
            }
            td {
                @for active in one.active.iter().take(MAX_NAMED) {
                    (time(active.from)) " to " (time(active.to)) br;
                }
                @if one.active.len() > MAX_NAMED { "and " (one.active.len() - MAX_NAMED) " more times" }
                @if one.active.is_empty() { "never" }
                @if let Some(expires) = one.expires { span.sub { "ends " (time(expires)) } }
            }
            td { (covered(one)) }
            td { (list(&entries)) }
        }
    }
}

/// Whether somebody was bound to write under their own name.
fn binding(bound: Option<bool>, entry: Option<u64>) -> Markup {
    html! {
        @match (bound, entry) {
            (Some(true), _) => {}
            (Some(false), entry) => {
                (flag("author not bound"))
                @if let Some(entry) = entry { span.sub { "as entry " (entry) " shows" } }
            }
            (None, _) => span.sub { "whether the author was bound is not recorded" },
        }
    }
}

fn covered(one: &ExceptionReport) -> Markup {
    // One control needs not be named again and again.
    let line = |finding: &CoveredFinding| {
        html! {
            li {
                (item(&finding.item))
                @if one.controls.len() > 1 { span.sub { (mono(&finding.control)) } }
                span.sub {
                    @if finding.since < finding.from { "found " (time(finding.since)) ", covered " }
                    (time(finding.from)) " to "
                    @if let Some(to) = finding.to { (time(to)) } @else { "the end" }
                }
            }
        }
    };
    html! {
        @if one.covered.is_empty() && one.waived.is_empty() { "none" }
        @if !one.waived.is_empty() {
            ul.plain {
                @for waived in one.waived.iter().take(MAX_NAMED) {
                    li { "occurrence " (outside(&waived.period)) " waived" span.sub { (mono(&waived.control)) ", entry " (waived.entry) } }
                }
            }
        }
        @if !one.covered.is_empty() {
            ul.plain { @for finding in one.covered.iter().take(MAX_NAMED) { (line(finding)) } }
            @if one.covered.len() > MAX_NAMED { "and " (one.covered.len() - MAX_NAMED) " more, in the CSV" }
        }
    }
}
