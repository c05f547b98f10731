//! The report by criterion: each with its conclusion, and under the first that it serves each control
//! in full.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::{
    control::{self, DeviationShare},
    page::{Page, link},
    text::{mono, outside, time},
    words::flag,
};
use crate::period::model::{Conclusion, ControlReport, CriterionReport};

pub fn section(page: &Page<'_>) -> Markup {
    let report = page.report;
    let share = DeviationShare::of(report);
    let mut told = BTreeSet::new();
    let (covered, uncovered): (Vec<&CriterionReport>, Vec<_>) =
        report.criteria.iter().partition(|one| one.is_covered());
    let parts: Vec<Markup> =
        covered.iter().map(|one| criterion(page, one, &mut told, share)).collect();
    let others: Vec<(usize, &ControlReport)> =
        report.controls.iter().enumerate().filter(|(number, _)| !told.contains(number)).collect();
    html! {
        section aria-labelledby="criteria" {
            h2 id="criteria" { "By criterion" }
            p {
                "Each control is told once, under the first criterion that it serves. A control serves a criterion in part; whether the controls suffice is for the auditor to judge."
                @if report.controls.is_empty() { " No control was in force." }
            }
            @if report.controls.iter().any(|one| one.intervals.len() > 1) && !page.is_type_one() {
                (super::timeline::legend())
            }
            @for part in &parts { (part) }
            @if !others.is_empty() {
                h3.criterion { "Controls that serve no criterion in scope" }
                @for (position, control) in &others {
                    (control::article(page, *position, control, share))
                }
            }
            @if !uncovered.is_empty() { (without_control(page, &uncovered)) }
        }
    }
}

fn criterion(
    page: &Page<'_>,
    criterion: &CriterionReport,
    told: &mut BTreeSet<usize>,
    share: DeviationShare,
) -> Markup {
    let serving: Vec<(usize, &ControlReport)> =
        criterion.controls.iter().filter_map(|name| page.control(name)).collect();
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        serving.into_iter().partition(|(position, _)| told.insert(*position));
    html! {
        div.criterion {
            div.title {
                h3 { (outside(&criterion.id)) " " (outside(&criterion.title)) }
                (page.conclusion(criterion.conclusion))
            }
            @if criterion.conclusion != Conclusion::NoDeviationObserved || criterion.mapping_changed {
                p.basis { (outside(&criterion.basis)) }
            }
            (super::system::points_of_focus(page, &criterion.id))
            @if !elsewhere.is_empty() {
                p.basis {
                    "Told above: "
                    @for (number, (position, control)) in elsewhere.iter().enumerate() {
                        @if number > 0 { "; " }
                        (link(*position, control)) " (" (super::words::conclusion_words(page.span(), control.conclusion)) ")"
                    }
                    "."
                }
            }
            @if criterion.mapping_changed { (mapping(page, criterion)) }
        }
        @for (position, control) in &here { (control::article(page, *position, control, share)) }
    }
}

/// Which control served the criterion when: shown where that changed in the period.
fn mapping(page: &Page<'_>, criterion: &CriterionReport) -> Markup {
    html! {
        p.basis { (flag("What serves this criterion changed in the period")) }
        ul.plain {
            @for one in &criterion.mapping {
                li {
                    (page.name_link(&one.control)) " from " (time(one.from)) " to " (time(one.to)) ": "
                    (super::words::conclusion_words(page.span(), one.conclusion))
                }
            }
        }
    }
}

fn without_control(page: &Page<'_>, criteria: &[&CriterionReport]) -> Markup {
    html! {
        h3.criterion id="without-control" { "Criteria that no control serves" }
        ul.columns {
            @for one in criteria { li { (mono(&one.id)) " " (outside(&one.title)) (super::system::points_of_focus(page, &one.id)) } }
        }
    }
}
