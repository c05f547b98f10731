//! All controls at a glance: one line each.

use maud::{Markup, html};

use super::{
    scale,
    text::{clipped, outside},
    timeline::{self, TimelineStyle},
};
use crate::period::model::{Conclusion, ControlReport, PeriodReport};

pub fn section(report: &PeriodReport) -> Markup {
    html! {
        section.overview aria-labelledby="overview" {
            h2 id="overview" { "Controls at a glance" }
            @if report.controls.is_empty() {
                p { "No control was in force." }
            } @else {
                (legend())
                (table(report))
            }
        }
    }
}

fn legend() -> Markup {
    html! {
        ul.legend aria-label="What the lines mean" {
            @for style in TimelineStyle::LEGEND {
                li { (state(style, style.label())) }
            }
        }
    }
}

/// A state by its sign, its colour and its word.
pub fn state(style: TimelineStyle, word: &str) -> Markup {
    html! { span class={ "state t-" (style.class()) } { (timeline::sign(style)) (word) } }
}

/// The conclusion of a control, in the manner of a state.
pub fn conclusion(conclusion: Conclusion) -> Markup {
    match conclusion {
        Conclusion::NoDeviationObserved => state(TimelineStyle::Held, conclusion.words()),
        Conclusion::DeviationObserved => state(TimelineStyle::Failed, conclusion.words()),
        Conclusion::NotDeterminable => state(TimelineStyle::Unknown, conclusion.words()),
        Conclusion::NotDue => state(TimelineStyle::None, conclusion.words()),
        Conclusion::AcceptedRisk => state(TimelineStyle::Excepted, conclusion.words()),
    }
}

// The roles are those that the elements have anyway; on a phone the style lays them out as blocks,
// and browsers then forget them.
fn table(report: &PeriodReport) -> Markup {
    let timed = scale(report).is_some();
    html! {
        table role="table" {
            caption { "Every control in force, by name" }
            thead role="rowgroup" {
                tr role="row" {
                    th scope="col" role="columnheader" { "Control" }
                    th scope="col" role="columnheader" { "Conclusion" }
                    @if timed { th scope="col" role="columnheader" { "States over the period" } }
                    th.num scope="col" role="columnheader" { "Evidence" }
                    th.num scope="col" role="columnheader" { "Deviations" }
                }
            }
            tbody role="rowgroup" {
                @for (position, control) in report.controls.iter().enumerate() {
                    (row(report, position, control))
                }
            }
        }
    }
}

fn row(report: &PeriodReport, position: usize, control: &ControlReport) -> Markup {
    html! {
        tr role="row" {
            th scope="row" role="rowheader" {
                a href={ "#control-" (position) } { (outside(&control.title)) }
                span.sub { (clipped(&control.criteria.join(", "))) " · " (control.severity) }
            }
            td role="cell" { (conclusion(control.conclusion)) }
            @if let Some(scale) = scale(report) {
                td.line role="cell" { (timeline::bar(&control.name, position, &control.intervals, scale)) }
            }
            td.num role="cell" data-unit="evidence" { (control.coverage.text()) }
            td.num role="cell" data-unit="deviations" { (control.deviations.len()) }
        }
    }
}
