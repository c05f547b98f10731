//! How many controls are in which state, what fails first, and what kept the scan from knowing.

use maud::{Markup, html};

use super::{control, link};
use crate::{
    model::{ControlResult, EvaluationReport, ReportedError},
    period::html::{
        text::{count, outside},
        timeline::TimelineStyle,
        words::state,
    },
    table::describe,
};
use comptroller_core::api::State;

/// The most errors or notes that the page lists.
const MAX_LISTED: usize = 200;

/// The states, what matters most first.
const STATES: [State; 5] =
    [State::Failing, State::Unknown, State::Excepted, State::Passing, State::NotApplicable];

pub fn section(evaluation: &EvaluationReport) -> Markup {
    let of = |wanted| -> Vec<(usize, &ControlResult)> {
        let all = evaluation.controls.iter().enumerate();
        let mut found: Vec<_> = all.filter(|(_, control)| control.state == wanted).collect();
        // The worst first; among those of one severity the order of the names.
        found.sort_by_key(|(_, control)| std::cmp::Reverse(control.severity));
        found
    };
    html! {
        section aria-labelledby="summary" {
            h2 id="summary" { "Summary" }
            p.lead { (lead(evaluation)) }
            table.conclusions {
                caption { "Controls by state" }
                thead { tr { th scope="col" { "State" } th.num scope="col" { "Controls" } th scope="col" { "What it means" } } }
                tbody {
                    @for one in STATES {
                        @let number = of(one).len();
                        tr class=[(number == 0).then_some("zero")] {
                            th scope="row" { (state(TimelineStyle::of_state(Some(one)), control::word(one))) }
                            td.num { (number) }
                            td { (meaning(one)) }
                        }
                    }
                }
            }
            div.brief {
                @for (one, title) in [(State::Failing, "What fails"), (State::Unknown, "What could not be judged")] {
                    @let found = of(one);
                    @if !found.is_empty() {
                        div {
                            h3 { (title) }
                            ul { @for (position, control) in found { (entry(position, control)) } }
                        }
                    }
                }
            }
        }
    }
}

fn lead(evaluation: &EvaluationReport) -> String {
    let summary = &evaluation.summary;
    let known: usize = evaluation.controls.iter().map(ControlResult::baseline_findings).sum();
    let mut sentences = vec![if evaluation.controls.is_empty() {
        "There was no control to judge by.".to_owned()
    } else if summary.failing > 0 {
        let failing = count(summary.failing, "control is", "controls are");
        match summary.unknown {
            0 => format!("{failing} not met."),
            unknown => format!("{failing} not met, and {unknown} could not be judged."),
        }
    } else if summary.unknown > 0 || !evaluation.errors.is_empty() {
        "Nothing that could be judged fails, but not everything could be judged.".to_owned()
    } else {
        "Nothing fails.".to_owned()
    }];
    if known > 0 {
        sentences.push(format!("{} in the baseline.", count(known, "finding is", "findings are")));
    }
    if !evaluation.errors.is_empty() {
        let errors = count(evaluation.errors.len(), "input", "inputs");
        sentences.push(format!("{errors} could not be read."));
    }
    sentences.join(" ")
}

fn meaning(state: State) -> &'static str {
    match state {
        State::Failing => "At least one item is not as the control asks.",
        State::Unknown => "It could not be said; the reason is with the control.",
        State::Excepted => "What is not as the control asks is allowed by an approved exception.",
        State::Passing => "Every item is as the control asks.",
        State::NotApplicable => "There is no item to judge, or nothing is due.",
    }
}

fn entry(position: usize, control: &ControlResult) -> Markup {
    html! {
        li {
            (link(position, control)) " · " (control.severity)
            span.sub { (outside(&control.title)) }
        }
    }
}

pub fn errors(errors: &[ReportedError]) -> Markup {
    let texts: Vec<String> = errors.iter().take(MAX_LISTED).map(describe).collect();
    listed("errors", "Could not be read", &texts, errors.len())
}

pub fn notes(notes: &[String]) -> Markup {
    let texts: Vec<String> = notes.iter().take(MAX_LISTED).cloned().collect();
    listed("notes", "Notes", &texts, notes.len())
}

fn listed(id: &str, title: &str, texts: &[String], total: usize) -> Markup {
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            ul.plain {
                @for text in texts { li { (outside(text)) } }
                @if total > texts.len() { li { (control::rest(total - texts.len())) } }
            }
        }
    }
}
