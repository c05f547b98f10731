//! What fails and what could not be judged, as the status lists it.

use comptroller_core::api::{ControlStatus, Standing, StatusFinding};
use maud::{Markup, html};

use crate::{
    html::{
        table::{short, table, text},
        text::{ago, camel_case, number, outside, paragraphs, resource},
    },
    pages::Request,
    site::controls::KnownControl,
};

pub fn sections(request: &Request<'_>, control: &KnownControl<'_>) -> Markup {
    let Some(status) = control.status() else {
        return html! {
            section aria-labelledby="findings" {
                h2 id="findings" { "Findings" }
                p.empty { strong { "Not known." } " Nobody has evaluated the control yet." }
            }
        };
    };
    let is_current = matches!(control.standing, Standing::Known(_));
    html! {
        section aria-labelledby="findings" {
            h2 id="findings" { "Findings" }
            @if !is_current {
                p.empty { strong { "Not confirmed." } " The status can't be believed at present; what follows is what it said." }
            }
            @if let Some(remedy) = &control.control.spec.remedy {
                @if !status.findings.is_empty() {
                    div.remedy { h3 { "What to do" } (paragraphs(remedy)) }
                }
            }
            (found(request, status))
        }
        @if !status.unknown_items.is_empty() {
            section aria-labelledby="unknown" {
                h2 id="unknown" { "Could not be judged" }
                (findings(request, "What could not be judged, and why", &status.unknown_items))
                (rest(status.unknown, status.unknown_items.len()))
            }
        }
    }
}

fn found(request: &Request<'_>, status: &ControlStatus) -> Markup {
    use comptroller_core::api::State;
    html! {
        @if !status.findings.is_empty() {
            (findings(request, "What is not as the rule asks, the worst first", &status.findings))
            (rest(status.failing, status.findings.len()))
        } @else {
            p.empty {
                @match status.state {
                    State::Unknown => { "None is listed. The state is unknown, so that does not mean that there is none." }
                    State::NotApplicable => { "There is nothing to judge." }
                    State::Failing => { "The status lists none; its reason and its occurrences say why it fails." }
                    State::Passing | State::Excepted => { "There is none." }
                }
            }
        }
    }
}

fn findings(request: &Request<'_>, caption: &str, all: &[StatusFinding]) -> Markup {
    let has_subjects = all.iter().any(|one| one.subject.is_some());
    let mut columns = vec![text("Resource")];
    if has_subjects {
        columns.push(text("Subject"));
    }
    columns.extend([short("Rule"), text("Message"), short("Since")]);
    let rows = all.iter().map(|one| {
        let mut row = vec![resource(&one.resource)];
        if has_subjects {
            row.push(html! { @if let Some(subject) = &one.subject { (outside(subject)) } @else { "–" } });
        }
        row.extend([
            camel_case(&one.rule),
            outside(&one.message),
            html! { @if let Some(since) = &one.since { (ago(since.0, request.site.now)) } @else { "–" } },
        ]);
        row
    });
    table(caption, &columns, rows.collect())
}

/// How many more there are than a status lists.
fn rest(total: i64, listed: usize) -> Markup {
    let left = total.saturating_sub(i64::try_from(listed).unwrap_or(i64::MAX));
    html! { @if left > 0 { p.note { "And " (number(left)) @if left == 1 { " more item" } @else { " more items" } ", which the status does not list." } } }
}
