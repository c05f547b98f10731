//! An evaluation as one page that stands alone: no script, nothing fetched, made to be read on a screen,
//! on a phone and on paper. It looks as the report over a period does.
//!
//! All text from outside passes through `text`, which escapes it and writes out what is hidden.

mod control;
mod summary;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{
    TextFormat,
    model::{ControlResult, EvaluationReport},
    period::html::{
        POLICY, STYLE,
        text::{clipped, count, mono, outside, time},
        timeline,
    },
};
use comptroller_core::api::criteria::SOC2;

/// One page for a browser and for paper.
pub(super) const FORMAT: TextFormat<EvaluationReport> =
    TextFormat::new("html", "One page for a browser and for paper", |evaluation, _, output| {
        output.write_all(markup(evaluation).into_string().as_bytes())
    });

/// The controls under a heading, each with its number in the evaluation.
struct Group<'e> {
    /// The id of a criterion or the name of a framework; empty for controls that serve none.
    id: String,
    /// What the criterion asks, where that is known.
    title: &'static str,
    /// Controls that are told here.
    here: Vec<(usize, &'e ControlResult)>,
    /// Controls that serve it too and are told above.
    above: Vec<(usize, &'e ControlResult)>,
}

/// Every control once, under the first criterion that it serves: those of SOC 2 in their order, then
/// other frameworks, then controls that serve none.
fn groups(evaluation: &EvaluationReport) -> Vec<Group<'_>> {
    let soc2 = SOC2.iter().map(|criterion| (criterion.id.to_owned(), criterion.title));
    let others: BTreeSet<&str> = evaluation
        .controls
        .iter()
        .flat_map(|control| &control.criteria)
        .map(String::as_str)
        .filter(|id| SOC2.iter().all(|criterion| criterion.id != *id))
        .collect();
    let ids = soc2.chain(others.into_iter().map(|id| (id.to_owned(), "")));
    let mut told = BTreeSet::new();
    let mut groups = Vec::new();
    for (id, title) in ids {
        let serving = evaluation.controls.iter().enumerate();
        let serving = serving.filter(|(_, control)| control.criteria.contains(&id));
        let (here, above): (Vec<_>, Vec<_>) =
            serving.partition(|(position, _)| told.insert(*position));
        if !here.is_empty() || !above.is_empty() {
            groups.push(Group { id, title, here, above });
        }
    }
    let rest = evaluation.controls.iter().enumerate();
    let here: Vec<_> = rest.filter(|(position, _)| !told.contains(position)).collect();
    if !here.is_empty() {
        groups.push(Group { id: String::new(), title: "", here, above: Vec::new() });
    }
    groups
}

fn markup(evaluation: &EvaluationReport) -> Markup {
    let scanned = evaluation.scanned.as_deref().unwrap_or("an evaluation");
    let groups = groups(evaluation);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="generator" content={ "Comptroller " (env!("CARGO_PKG_VERSION")) };
                title { "Scan of " (clipped(scanned)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#summary" { "Skip to the summary" }
                (timeline::patterns())
                header {
                    p.eyebrow { "Scan report" }
                    h1 { (outside(scanned)) }
                    @if let Some(at) = evaluation.evaluated_at { p.span { (time(at)) " UTC" } }
                    p.scope { (read(evaluation)) }
                }
                (contents(evaluation))
                main {
                    (summary::section(evaluation))
                    section aria-labelledby="criteria" {
                        h2 id="criteria" { "By criterion" }
                        p {
                            "Each control is told once, under the first criterion that it serves. "
                            "This is one moment: it does not show that a control held over time."
                            @if evaluation.controls.is_empty() { " There was no control to judge by." }
                        }
                        @for group in &groups { (group_section(group)) }
                    }
                    @if !evaluation.errors.is_empty() { (summary::errors(&evaluation.errors)) }
                    @if !evaluation.notes.is_empty() { (summary::notes(&evaluation.notes)) }
                }
                footer {
                    p.note {
                        "Made by Comptroller " (env!("CARGO_PKG_VERSION"))
                        ". What could not be judged is unknown, and unknown is not a pass."
                    }
                }
            }
        }
    }
}

fn read(evaluation: &EvaluationReport) -> String {
    let mut parts = vec![
        count(evaluation.controls.len(), "control", "controls"),
        format!("{} read", count(evaluation.summary.objects, "object", "objects")),
    ];
    if evaluation.summary.skipped > 0 {
        let skipped = count(evaluation.summary.skipped, "other document", "other documents");
        parts.push(format!("{skipped} skipped"));
    }
    parts.join(" · ")
}

fn contents(evaluation: &EvaluationReport) -> Markup {
    html! {
        nav aria-label="Contents" {
            ol {
                li { a href="#summary" { "Summary" } }
                li { a href="#criteria" { "By criterion" } }
                @if !evaluation.errors.is_empty() { li { a href="#errors" { "Could not be read" } } }
                @if !evaluation.notes.is_empty() { li { a href="#notes" { "Notes" } } }
            }
        }
    }
}

fn group_section(group: &Group<'_>) -> Markup {
    html! {
        div.criterion {
            @if group.id.is_empty() {
                h3 { "Controls that serve no criterion" }
            } @else {
                h3 { (outside(&group.id)) " " (group.title) }
            }
            @if !group.above.is_empty() {
                p.basis {
                    "Told above: "
                    @for (number, (position, control)) in group.above.iter().enumerate() {
                        @if number > 0 { "; " }
                        (link(*position, control)) " (" (control::word(control.state)) ")"
                    }
                    "."
                }
            }
        }
        @for (position, control) in &group.here { (control::article(*position, control)) }
    }
}

/// The name of a control, which leads to where it is told in full.
fn link(position: usize, control: &ControlResult) -> Markup {
    html! { a href={ "#control-" (position) } { (mono(&control.name)) } }
}
