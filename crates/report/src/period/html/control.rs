//! A control in full: what it came to, what was done, its spec, its states, its population, every
//! deviation, and what people did. What there is nothing of is not mentioned.

use maud::{Markup, html};

use super::{
    attestations, deviations,
    page::Page,
    population, spec,
    table::HtmlTable,
    text::{count, length, list, mono, outside, time},
    timeline::{self, TimelineStyle},
    words::{flag, state},
};
use crate::period::model::{Conclusion, ControlReport, Interval, PeriodReport};

/// The most rows of a table of a control.
pub const MAX_ROWS: usize = 200;

/// The most deviations that each control shows.
#[derive(Clone, Copy)]
pub struct DeviationShare(pub usize);

impl DeviationShare {
    /// The most deviations of all controls together: a page beyond it no longer opens everywhere.
    const MAX_IN_ALL: usize = 4_000;

    /// The fewest deviations that a control shows, however many controls deviated.
    const MIN: usize = 20;

    /// Shared among the controls that deviated, so that one that flaps does not hide the others.
    pub fn of(report: &PeriodReport) -> Self {
        let deviated = report.controls.iter().filter(|one| !one.deviations.is_empty()).count();
        Self((Self::MAX_IN_ALL / deviated.max(1)).clamp(Self::MIN, MAX_ROWS))
    }
}

pub fn article(
    page: &Page<'_>,
    position: usize,
    control: &ControlReport,
    share: DeviationShare,
) -> Markup {
    html! {
        article.control aria-labelledby={ "control-" (position) } {
            div.title {
                h4 id={ "control-" (position) } { (outside(&control.title)) }
                (page.conclusion(control.conclusion))
            }
            p.meta {
                (mono(&control.name)) " · " (control.severity) " · owner " (outside(&control.owner))
                @if !control.criteria.is_empty() { " · serves " (list(&control.criteria)) }
                @if !page.is_type_one() && !control.is_attested() {
                    " · observed " (control.coverage.text())
                }
            }
            (spec::what_was_done(page, control))
            @if control.conclusion != Conclusion::NoDeviationObserved {
                p.basis { (outside(&control.basis)) }
            }
            (spec::flags(control))
            (states(page, position, control))
            // Of what people do, the occurrences are the population.
            @if !control.is_attested() { (population::lines(page, control)) }
            (elsewhere(control))
            (spec::details(page, control))
            @if !control.occurrences.is_empty() {
                (attestations::table(page, &control.occurrences))
            }
            @if !control.deviations.is_empty() {
                (deviations::table(page, control, share))
            }
        }
    }
}

/// The states over the period: a drawing where there was more than one.
fn states(page: &Page<'_>, position: usize, control: &ControlReport) -> Markup {
    let (Some(scale), Some(first)) = (page.scale(), control.intervals.first()) else {
        return html! {};
    };
    let whole = first.from <= scale.from;
    html! {
        @if control.intervals.len() > 1 {
            // What people do is told by its occurrences.
            @if !control.is_attested() {
                figure {
                    div.scroll tabindex="0" role="region" aria-label="States over the period" {
                        (timeline::figure(&control.name, position, &control.intervals, scale))
                    }
                    figcaption { (timeline::shares(&control.intervals)) }
                }
            }
            details.aside {
                summary { (control.intervals.len()) " states, one by one" }
                (state_table(&control.intervals))
            }
        } @else if !whole || first.state != Some(comptroller_core::api::State::Passing) {
            p.line {
                (TimelineStyle::of_state(first.state).label()) " from " (time(first.from)) " to " (time(first.to))
                " (" (outside(&first.reason)) ")."
            }
        }
    }
}

fn state_table(intervals: &[Interval]) -> Markup {
    let table = HtmlTable {
        caption: "States",
        heads: &["State", "From (UTC)", "To (UTC)", "Length", "Reason"],
        wide: false,
        total: intervals.len(),
    };
    table.with(intervals.iter().take(MAX_ROWS).map(|one| {
        let style = TimelineStyle::of_state(one.state);
        html! {
            tr {
                th scope="row" { (state(style, style.label())) }
                td.time { (time(one.from)) }
                td.time { (time(one.to)) }
                td.time { (length(one.length())) }
                td { (outside(&one.reason)) }
            }
        }
    }))
}

/// What is told in a section of its own, for all controls together.
fn elsewhere(control: &ControlReport) -> Markup {
    let unapproved = control.suspensions.iter().any(|one| one.approved_by.is_none());
    let (outside, back) = {
        let back = control.out_of_scope.iter().filter(|one| one.to.is_some()).count();
        (control.out_of_scope.len(), back)
    };
    html! {
        @if outside > 0 {
            p.line {
                (flag("Out of scope")) " " a href="#scope" { (count(outside, "item", "items")) " left the scope" }
                ", " (back) " came back."
            }
        }
        @if !control.suspensions.is_empty() {
            p.line {
                (flag("Suspended")) " " a href="#suspensions" { (count(control.suspensions.len(), "time", "times")) }
                @if unapproved { ", not always with an approval." } @else { ", with approval." }
            }
        }
        @if !control.excepted_findings.is_empty() {
            p.line {
                a href="#exceptions" {
                    (count(control.excepted_findings.len(), "finding was", "findings were")) " allowed by exceptions"
                } "."
            }
        }
    }
}
