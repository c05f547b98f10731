//! A control in full: how it stands and why, what to do, and every finding.

use maud::{Markup, html};

use crate::{
    model::{ControlResult, ReportedFinding},
    period::html::{
        table::HtmlTable,
        text::{list, mono, outside},
        timeline::TimelineStyle,
        words::{flag, state},
    },
    text::object_name,
};
use comptroller_core::api::State;

/// The most rows of a table, so that the page opens everywhere.
const MAX_ROWS: usize = 200;

/// What a state is called in a text.
pub fn word(state: State) -> &'static str {
    TimelineStyle::of_state(Some(state)).label()
}

/// What is said of rows that are left out.
pub fn rest(left: usize) -> String {
    format!("and {left} more: -o json lists all")
}

pub fn article(position: usize, control: &ControlResult) -> Markup {
    let style = TimelineStyle::of_state(Some(control.state));
    html! {
        article.control aria-labelledby={ "control-" (position) } {
            div.title {
                h4 id={ "control-" (position) } { (outside(&control.title)) }
                (state(style, style.label()))
            }
            p.meta {
                (mono(&control.name)) " · " (control.severity)
                @if !control.criteria.is_empty() { " · serves " (list(&control.criteria)) }
                " · " (control.population) " judged"
                @if control.failing > 0 { " · " (control.failing) " failing" }
                @if control.excepted > 0 { " · " (control.excepted) " excepted" }
                @if control.unknown > 0 { " · " (control.unknown) " unknown" }
            }
            @if control.state != State::Passing { p.basis { (outside(&control.message)) } }
            @if let (State::Failing, Some(remedy)) = (control.state, &control.remedy) {
                p.done { "Remedy: " (outside(remedy)) }
            }
            (findings("Findings", &control.findings))
            (findings("Could not be judged", &control.unknown_items))
            (findings("Allowed by exceptions", &control.excepted_findings))
        }
    }
}

fn findings(caption: &str, findings: &[ReportedFinding]) -> Markup {
    if findings.is_empty() {
        return html! {};
    }
    let table = HtmlTable {
        caption,
        heads: &["Object", "Who", "What"],
        wide: false,
        total: findings.len(),
    };
    table.with_rest(findings.iter().take(MAX_ROWS).map(row), rest)
}

fn row(finding: &ReportedFinding) -> Markup {
    html! {
        tr {
            th scope="row" {
                (outside(&object_name(&finding.resource)))
                @if let Some(at) = &finding.location {
                    span.sub { (mono(&at.file)) ":" (at.line) }
                }
            }
            td { @if let Some(subject) = &finding.subject { (outside(subject)) } @else { "–" } }
            td {
                (outside(&finding.message))
                span.sub {
                    (outside(&finding.rule)) " · " (finding.severity)
                    @if let Some(exception) = &finding.exception {
                        " · ControlException " (mono(exception))
                    }
                }
                @if !finding.is_new() { (flag("In the baseline")) }
            }
        }
    }
}
