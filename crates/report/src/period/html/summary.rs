//! What a manager reads in a minute: the period, the counts, what deviated, what is open, and
//! what is not covered.

use jiff::SignedDuration;
use maud::{Markup, html};

use super::text::{clipped, count, date, length, outside};
use crate::period::model::{
    Conclusion, ControlReport, CriterionReport, Interval, PeriodReport, Span,
};

/// The most controls or gaps that the summary names.
const MAX_NAMED: usize = 8;

pub fn section(report: &PeriodReport) -> Markup {
    html! {
        section aria-labelledby="summary" {
            h2.flow id="summary" { "Summary" }
            (reservations(report))
            p.lead { (lead(report)) }
            (figures(report))
            div.brief {
                div { h3 { "What deviated" } (deviated(report)) }
                div { h3 { "What is open" } (open(report)) }
                div { h3 { "What is not covered" } (uncovered(report)) }
            }
        }
    }
}

/// What the counts don't show: that the period is not over, and that the record begins within it. The
/// time before the record counts against the coverage, as `fold::timeline::coverage` has it.
fn reservations(report: &PeriodReport) -> Markup {
    let (span, made) = (report.period.span, report.provenance.run_at);
    let starts = report.controls.iter().flat_map(|one| &one.intervals).map(|one| one.from);
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

/// The whole in three sentences.
fn lead(report: &PeriodReport) -> Markup {
    let summary = &report.summary;
    let when = match report.period.span {
        Span::TypeI { as_of } => format!("On {}", date(as_of)),
        Span::TypeII { .. } => "In the period".to_owned(),
    };
    html! {
        (when) ", " (count(summary.controls, "control was", "controls were")) " in force: "
        "of " (summary.no_deviation_observed) " no deviation was observed, "
        (summary.deviation_observed) " deviated at least once, "
        (summary.not_determinable) " could not be determined, "
        (summary.accepted_risk) " had no deviation only by accepted risk, and "
        (summary.not_due) " had nothing to do. "
        @if summary.deviations == 0 {
            "No deviation was recorded. "
        } @else {
            (count(summary.deviations, "deviation was", "deviations were")) " recorded, of which "
            @if report.period.span.is_over(report.provenance.run_at) {
                (count(summary.open_deviations, "was", "were")) " still open at the end. "
            } @else {
                (count(summary.open_deviations, "is", "are")) " still open. "
            }
        }
        @if summary.coverage.per_mille().is_some() {
            "There is evidence for " (summary.coverage.text()) " of the time of all controls."
        } @else {
            "No time was expected to be covered by evidence."
        }
    }
}

fn figures(report: &PeriodReport) -> Markup {
    let summary = &report.summary;
    let figure = |bad: bool, value: String, what: &str| {
        html! { div.bad[bad] { dt { (what) } dd { (value) } } }
    };
    html! {
        dl.figures {
            (figure(false, summary.no_deviation_observed.to_string(), "controls without an observed deviation"))
            (figure(summary.deviation_observed > 0, summary.deviation_observed.to_string(), "controls deviated"))
            (figure(false, summary.not_determinable.to_string(), "controls not determinable"))
            (figure(summary.open_deviations > 0, summary.open_deviations.to_string(), "deviations open at the end"))
            (figure(false, summary.coverage.text(), "of the time has evidence"))
        }
    }
}

/// How long a control was in the state that `of` accepts.
fn time(control: &ControlReport, of: impl Fn(&Interval) -> bool) -> SignedDuration {
    let matching = control.intervals.iter().filter(|one| of(one));
    SignedDuration::from_secs(matching.map(|one| one.length().as_secs()).sum())
}

fn failing(control: &ControlReport) -> SignedDuration {
    time(control, |one| one.state == Some(comptroller_core::api::State::Failing))
}

/// The controls that deviated, the most severe first, then the longest.
fn deviated(report: &PeriodReport) -> Markup {
    let mut controls: Vec<(usize, &ControlReport)> = report
        .controls
        .iter()
        .enumerate()
        .filter(|(_, control)| control.conclusion == Conclusion::DeviationObserved)
        .collect();
    // The summary names only a few, so that the worst must come first.
    controls
        .sort_by_key(|(_, one)| (std::cmp::Reverse(one.severity), std::cmp::Reverse(failing(one))));
    html! {
        @if controls.is_empty() { p { "Nothing that was observed." } }
        ul {
            @for (position, control) in controls.iter().take(MAX_NAMED) {
                li {
                    a href={ "#control-" (position) } { (outside(&control.title)) }
                    span.sub.note {
                        (control.severity) ", " (count(control.deviations.len(), "deviation", "deviations"))
                        @if matches!(report.period.span, Span::TypeII { .. }) {
                            ", failing for " (length(failing(control)))
                        }
                    }
                }
            }
            (left(controls.len(), "controls"))
        }
    }
}

/// What was open at the end, and what nobody did.
fn open(report: &PeriodReport) -> Markup {
    let of =
        |control: &ControlReport| control.deviations.iter().filter(|one| one.is_open()).count();
    let open: Vec<(usize, &ControlReport)> =
        report.controls.iter().enumerate().filter(|(_, control)| of(control) > 0).collect();
    html! {
        @if open.is_empty() { p { "No deviation was open at the end." } }
        ul {
            @for (position, control) in open.iter().take(MAX_NAMED) {
                li {
                    a href={ "#control-" (position) } { (outside(&control.title)) }
                    span.sub.note {
                        (count(of(control), "deviation", "deviations"))
                        @if let Some(first) = control.deviations.iter().filter(|one| one.is_open()).map(|one| one.from).min() {
                            ", the oldest since " (date(first))
                        }
                    }
                }
            }
            (left(open.len(), "controls"))
        }
    }
}

/// Where the report has nothing to say: criteria that no control serves or of which nothing can be
/// said, controls that could not be judged, and times when nobody looked.
fn uncovered(report: &PeriodReport) -> Markup {
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
                    span.sub.note { (clipped(&missing.join(", "))) }
                }
            }
            @if !undecided.is_empty() {
                li {
                    a href="#criteria" {
                        "Nothing can be said of " (count(undecided.len(), "criterion", "criteria"))
                    }
                    span.sub.note { (clipped(&undecided.join(", "))) }
                }
            }
            @for (position, control) in unknown.iter().take(MAX_NAMED) {
                li {
                    a href={ "#control-" (position) } { (outside(&control.title)) }
                    span.sub.note { "could not be judged" }
                }
            }
            (left(unknown.len(), "controls that could not be judged"))
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
    }
}

fn left(total: usize, what: &str) -> Markup {
    html! {
        @if total > MAX_NAMED { li.note { "and " (total - MAX_NAMED) " more " (what) } }
    }
}
