//! What concerns several controls: exceptions, gaps, criteria.

use maud::{Markup, html};

use super::{
    controls::conclusion,
    table::HtmlTable,
    text::{count, length, list, mono, outside, time},
};
use crate::period::model::{Conclusion, ExceptionReport, GapReport, PeriodReport};

/// The most rows of a table.
const MAX_ROWS: usize = 500;

/// The most times that one row names.
const MAX_TIMES: usize = 20;

pub fn exceptions(report: &PeriodReport) -> Markup {
    let table = HtmlTable {
        caption: "Exceptions, by name",
        heads: &[
            "Exception",
            "Controls",
            "In force (UTC)",
            "Requested by",
            "Approved by",
            "Ends (UTC)",
            "Entries",
        ],
        wide: true,
        total: report.exceptions.len(),
    };
    html! {
        section aria-labelledby="exceptions" {
            h2 id="exceptions" { "Exceptions" }
            @if report.exceptions.is_empty() {
                p { "No exception was in force." }
            } @else {
                p.note { "People appear as pseudonyms, which the key of the log alone can tie to a name." }
                (table.with(report.exceptions.iter().take(MAX_ROWS).map(exception)))
            }
        }
    }
}

fn exception(one: &ExceptionReport) -> Markup {
    let entries: Vec<String> = one.entries.iter().map(u64::to_string).collect();
    html! {
        tr {
            th scope="row" { (outside(&one.name)) span.sub { (outside(&one.reason)) } }
            td { (list(&one.controls)) }
            td {
                @for active in one.active.iter().take(MAX_TIMES) {
                    (time(active.from)) " to " (time(active.to)) br;
                }
                @if one.active.len() > MAX_TIMES { "and " (one.active.len() - MAX_TIMES) " more times" }
                @if one.active.is_empty() { "never in force" }
            }
            td { (mono(&one.requested_by)) }
            td { @if let Some(by) = &one.approved_by { (mono(by)) } @else { "nobody" } }
            td.time { @if let Some(expires) = one.expires { (time(expires)) } @else { "–" } }
            td { (list(&entries)) }
        }
    }
}

pub fn gaps(report: &PeriodReport) -> Markup {
    let table = HtmlTable {
        caption: "Times without observation",
        heads: &["From (UTC)", "To (UTC)", "Length", "Of", "Why", "Entries"],
        wide: false,
        total: report.gaps.len(),
    };
    html! {
        section aria-labelledby="gaps" {
            h2.flow id="gaps" { "Gaps in observation" }
            @if report.gaps.is_empty() {
                p { "The log records no time in which evaluation was not possible, and no silence longer than the controls' heartbeats allow." }
            } @else {
                p { "There is no evidence for these times. What happened then is not known, and counts neither for nor against a control." }
                (table.with(report.gaps.iter().take(MAX_ROWS).map(|gap| html! {
                    tr {
                        th.time scope="row" { (time(gap.from)) }
                        td.time { (time(gap.to)) }
                        td.time { (length(gap.to.duration_since(gap.from))) }
                        td { (affected(gap)) }
                        td { (outside(&gap.reason)) }
                        td { (entries(gap)) }
                    }
                })))
            }
        }
    }
}

pub fn criteria(report: &PeriodReport) -> Markup {
    let of = |wanted| report.criteria.iter().filter(|one| one.conclusion == wanted).count();
    let table = HtmlTable {
        caption: "Criteria of the categories in scope, with the controls that serve them",
        heads: &["Criterion", "What it asks, in our words", "Conclusion", "Controls"],
        wide: false,
        total: report.criteria.len(),
    };
    html! {
        section aria-labelledby="criteria" {
            h2 id="criteria" { "Criteria" }
            p {
                "Of " (count(report.criteria.len(), "criterion", "criteria")) " in scope, "
                (of(Conclusion::NoDeviationObserved)) " are served by controls without an observed deviation, "
                (of(Conclusion::DeviationObserved)) " by one that deviated, and of "
                (of(Conclusion::NotDeterminable)) " nothing can be determined. A control serves a criterion in part; whether the controls suffice is for the auditor to judge."
            }
            (table.with(report.criteria.iter().take(MAX_ROWS).map(|one| html! {
                tr {
                    th scope="row" { (outside(&one.id)) }
                    td { (outside(&one.title)) }
                    td { (conclusion(one.conclusion)) }
                    td { (list(&one.controls)) }
                }
            })))
        }
    }
}

fn affected(gap: &GapReport) -> Markup {
    html! { @if gap.everywhere { "the whole cluster" } @else { (list(&gap.controls)) } }
}

fn entries(gap: &GapReport) -> Markup {
    let entries: Vec<String> = gap.entries.iter().map(u64::to_string).collect();
    html! { @if entries.is_empty() { "no entry says so" } @else { (list(&entries)) } }
}
