//! What a reader needs before anything else: how many controls came to which conclusion, whether the
//! log can be relied on, what must not be overlooked, and what the report does not cover.

use maud::{Markup, html};

use super::{
    page::{Page, link},
    text::{clipped, count, date, length},
    warnings,
};
use crate::period::model::{Conclusion, ControlReport, CriterionReport, PolicySource, Span};

/// The most controls that a list of the summary names.
const MAX_NAMED: usize = 8;

pub fn section(page: &Page<'_>) -> Markup {
    html! {
        section aria-labelledby="summary" {
            h2.flow id="summary" { "Summary" }
            (reservations(page))
            (conclusions(page))
            p.lead { (lead(page)) }
            (warnings::list(page))
            div.brief {
                div {
                    h3 { @if page.is_type_one() { "What is not as designed" } @else { "What deviated" } }
                    (deviated(page))
                }
                div { h3 { "What is not covered" } (uncovered(page)) }
                div { h3 { "What the log rests on" } (log(page)) }
            }
        }
    }
}

/// What the counts don't show: that the period is not over, and that the record begins within it.
fn reservations(page: &Page<'_>) -> Markup {
    let (span, made) = (page.span(), page.report.provenance.run_at);
    let starts = page.report.controls.iter().flat_map(|one| &one.intervals).map(|one| one.from);
    let late = starts.min().filter(|first| *first > span.start());
    let not_over = match span {
        Span::TypeI { .. } => "The time of this report has not come.",
        Span::TypeII { .. } => "The period is not over.",
    };
    html! {
        @if !span.is_over(made) {
            p.reserved {
                strong { (not_over) }
                " This is what the log said on " (date(made)) ", and not the final report."
            }
        }
        @if let Some(first) = late {
            p.reserved {
                strong { "The record begins on " (date(first)) "." }
                " Nothing is known of the time before it, which counts as time without evidence."
            }
        }
    }
}

/// Every conclusion with its meaning, and how often it was come to.
// The roles are those that the elements have anyway; on a phone the style lays them out as a grid, and
// browsers then forget them.
fn conclusions(page: &Page<'_>) -> Markup {
    let report = page.report;
    html! {
        table.conclusions role="table" {
            caption {
                @if page.is_type_one() { "Conclusions: what was in place, and no opinion" }
                @else { "Conclusions: what was observed, and no opinion" }
            }
            thead role="rowgroup" { tr role="row" {
                th scope="col" role="columnheader" { "Conclusion" }
                th.num scope="col" role="columnheader" { "Controls" }
                th.num scope="col" role="columnheader" { "Criteria" }
                th scope="col" role="columnheader" { "What it says" }
            } }
            tbody role="rowgroup" {
                @for conclusion in Conclusion::ALL.iter().copied() {
                    @let controls = report.controls.iter().filter(|one| one.conclusion == conclusion).count();
                    @let criteria = report.criteria.iter().filter(|one| one.conclusion == conclusion).count();
                    tr.zero[controls + criteria == 0] role="row" {
                        th scope="row" role="rowheader" { (page.conclusion(conclusion)) }
                        td.num role="cell" { (controls) }
                        td.num role="cell" { (criteria) }
                        td role="cell" { (super::words::conclusion_meaning(page.span(), conclusion)) }
                    }
                }
            }
        }
    }
}

/// What the table does not say, in two sentences.
fn lead(page: &Page<'_>) -> Markup {
    let summary = &page.report.summary;
    let is_over = page.span().is_over(page.report.provenance.run_at);
    html! {
        @match page.span() {
            Span::TypeI { as_of } => {
                @if summary.open_deviations == 0 {
                    "As of " (date(as_of)) ", no deviation was open."
                } @else {
                    "As of " (date(as_of)) ", "
                    (count(summary.open_deviations, "deviation was", "deviations were")) " open."
                }
            }
            Span::TypeII { .. } => {
                @if summary.deviations == 0 {
                    "No deviation was recorded. "
                } @else {
                    (count(summary.deviations, "deviation was", "deviations were")) " recorded, of which "
                    @if is_over {
                        (count(summary.open_deviations, "was", "were")) " not seen to end by the end of the period. "
                    } @else {
                        (count(summary.open_deviations, "is", "are")) " still open. "
                    }
                }
                @if summary.coverage.per_mille().is_some() {
                    "There is evidence for " (summary.coverage.text()) " of the time of the controls that the cluster answers; of one with less than "
                    (summary.minimum_observation) "% nothing is concluded but what was observed to deviate."
                }
            }
        }
    }
}

/// The controls that deviated, the most severe first, then those with most that is open.
fn deviated(page: &Page<'_>) -> Markup {
    let open =
        |control: &ControlReport| control.deviations.iter().filter(|one| one.is_open()).count();
    let mut controls: Vec<(usize, &ControlReport)> = page
        .report
        .controls
        .iter()
        .enumerate()
        .filter(|(_, control)| control.conclusion == Conclusion::DeviationObserved)
        .collect();
    // The summary names only a few, so that the worst must come first.
    controls.sort_by_key(|(_, one)| {
        (std::cmp::Reverse(one.severity), std::cmp::Reverse((open(one), one.deviations.len())))
    });
    html! {
        @if controls.is_empty() {
            p { @if page.is_type_one() { "Nothing that was found." } @else { "Nothing that was observed." } }
        }
        ul {
            @for (position, control) in controls.iter().take(MAX_NAMED) {
                li {
                    (link(*position, control))
                    span.sub.note {
                        (control.severity) ", "
                        @if page.is_type_one() {
                            (open(control)) " open"
                        } @else {
                            (count(control.deviations.len(), "deviation", "deviations"))
                            @if open(control) > 0 { ", " (open(control)) " not seen to end" }
                        }
                    }
                }
            }
            (left(controls.len(), "controls"))
        }
    }
}

/// Where the report has nothing to say: criteria that no control serves, controls of which nothing
/// can be concluded, and times when nobody looked.
fn uncovered(page: &Page<'_>) -> Markup {
    let report = page.report;
    let ids = |of: &dyn Fn(&CriterionReport) -> bool| -> Vec<&str> {
        report.criteria.iter().filter(|one| of(one)).map(|one| one.id.as_str()).collect()
    };
    let missing = ids(&|one| !one.is_covered());
    let undecided = ids(&|one| one.is_covered() && one.conclusion == Conclusion::NotDeterminable);
    let unknown: Vec<(usize, &ControlReport)> = report
        .controls
        .iter()
        .enumerate()
        .filter(|(_, control)| control.conclusion == Conclusion::NotDeterminable)
        .collect();
    html! {
        ul {
            li {
                @if missing.is_empty() {
                    "Every criterion in scope has a control."
                } @else {
                    a href="#criteria" {
                        (missing.len()) " of " (report.criteria.len()) " criteria have no control"
                    }
                }
            }
            @if !undecided.is_empty() {
                li {
                    a href="#criteria" {
                        "Nothing can be concluded of " (count(undecided.len(), "criterion", "criteria"))
                    }
                    span.sub.note { (clipped(&undecided.join(", "))) }
                }
            }
            @for (position, control) in unknown.iter().take(MAX_NAMED) {
                li { (link(*position, control)) span.sub.note { "not determinable" } }
            }
            (left(unknown.len(), "controls that are not determinable"))
            @if !page.is_type_one() {
                li {
                    @if report.gaps.is_empty() {
                        "No time without observation is recorded."
                    } @else {
                        a href="#gaps" { (count(report.gaps.len(), "time", "times")) " without observation" }
                        @if let Some(longest) = report.gaps.iter().map(|gap| gap.to.duration_since(gap.from)).max() {
                            span.sub.note { "the longest " (length(longest)) }
                        }
                    }
                }
            }
            li {
                "What people do outside the cluster is known only as they attest it."
            }
        }
    }
}

/// Whether the log continues what was published, who vouches for it, and whether its times agree.
fn log(page: &Page<'_>) -> Markup {
    let log = &page.report.log;
    html! {
        ul {
            li {
                a href="#verify-log" {
                    @match (log.continues_published, &log.published) {
                        (Some(true), _) => "It continues what was published of it",
                        (Some(false), _) => strong { "It does not continue what was published of it" },
                        (None, Some(_)) => "Whether it continues what was published is not recorded",
                        (None, None) => "Nothing was found published of it",
                    }
                }
            }
            li {
                a href="#provenance" {
                    (log.vouched_days) " of " (count(usize::try_from(log.days).unwrap_or(usize::MAX), "day is", "days are")) " vouched for from outside"
                }
                @if log.vouched_days == 0 {
                    span.sub.note { "No witness signed the log: whoever holds its key could have made it up." }
                } @else if log.policy == PolicySource::BesideLog {
                    span.sub.note { (log.policy.words()) }
                }
            }
            li {
                @if log.time_anomalies.is_empty() {
                    "No entry's times disagree."
                } @else {
                    a href="#time" {
                        (count(log.time_anomalies.len(), "entry has", "entries have")) " times that can't all be right"
                    }
                }
            }
        }
    }
}

fn left(total: usize, what: &str) -> Markup {
    html! {
        @if total > MAX_NAMED { li.note { "and " (total - MAX_NAMED) " more " (what) } }
    }
}
