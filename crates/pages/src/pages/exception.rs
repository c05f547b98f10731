//! One exception: what it covers, why, who answers for it and until when.

use comptroller_core::api::{ControlException, ExceptionPhase};
use comptroller_report::shell_word;
use maud::{Markup, html};

use super::{Missing, PageKind, Request, parts};
use crate::html::{
    layout::Content,
    state::exception_phase,
    table::{facts, short, table, text},
    text::{ago, clipped, command, maybe_when, mono, number, outside, paragraphs, when},
};

pub const PAGE: PageKind = PageKind { path: "exceptions/*", menu: None, make };

fn make(request: &Request<'_>, names: &[&str]) -> Result<Content, Missing> {
    let name = names.first().copied().unwrap_or_default();
    let source = &request.site.exceptions;
    let Some(exception) =
        source.items.iter().find(|one| one.metadata.name.as_deref() == Some(name))
    else {
        return Err(Missing::object("exception", name, source));
    };
    let (spec, now) = (&exception.spec, request.site.now);
    let phase = exception.status.as_ref().map(|status| status.phase);
    let body = html! {
        div.standing {
            @if let Some(phase) = phase { (exception_phase(phase)) p { (outside(phase.meaning())) } }
            @else { p { "Not judged yet, so it excepts nothing." } }
        }
        (conditions(request, exception))
        section aria-labelledby="reason" {
            h2 id="reason" { "Why" }
            (paragraphs(&spec.reason))
            @if let Some(instead) = &spec.compensating_control {
                h3 { "What protects the cluster instead" }
                (paragraphs(instead))
            }
        }
        (facts(vec![
            ("Asked for by", Some(outside(&spec.requested_by))),
            ("Written by", spec.recorded_by.as_deref().map(|by| html! { (outside(by)) " on their behalf" })),
            ("Asked for", Some(maybe_when(parts::created(&exception.metadata), now, "–"))),
            ("Approved by", Some(html! {
                @if let Some(by) = &spec.approved_by { (outside(by)) } @else { "nobody yet" }
            })),
            ("Expires", Some(when(spec.expires.0, now))),
            ("Ticket", spec.ticket.as_deref().map(outside)),
            ("Findings that it covers", exception.status.as_ref().map(|status| html! { (number(status.matched)) })),
        ]))
        section aria-labelledby="covers" {
            h2 id="covers" { "What it covers" }
            h3 { "Controls" }
            (parts::control_links(request, &spec.controls, usize::MAX))
            (resources(exception))
        }
        section aria-labelledby="commands" {
            h2 id="commands" { "On the command line" }
            @let word = shell_word(name);
            (command(&format!("kubectl get controlexception {word} -o yaml")))
            @if spec.approved_by.is_none() && phase != Some(ExceptionPhase::Expired) {
                p { "To approve it, as a person other than the one who asked:" }
                (command(&format!(
                    "kubectl patch controlexception {word} --type merge -p '{{\"spec\":{{\"approvedBy\":\"YOUR-USER-NAME\"}}}}'"
                )))
            }
        }
    };
    let above = html! { p.eyebrow { a href="/ui/exceptions" { "Exceptions" } } };
    Ok(Content { title: clipped(name), above, body })
}

fn conditions(request: &Request<'_>, exception: &ControlException) -> Markup {
    let all = exception.status.as_ref().map(|status| status.conditions.as_slice());
    html! {
        @for one in all.unwrap_or_default().iter().filter(|one| one.status != "True") {
            p.wanting {
                strong { (outside(&one.type_)) " is " (outside(&one.status)) } ", "
                (ago(one.last_transition_time.0, request.site.now)) ": " (outside(&one.message))
            }
        }
    }
}

fn resources(exception: &ControlException) -> Markup {
    let spec = &exception.spec;
    let rows = spec.resources.iter().map(|one| {
        vec![
            mono(&one.name.to_string()),
            outside(&one.kind),
            html! { @if let Some(namespace) = &one.namespace { (mono(&namespace.to_string())) } @else { "any, or none" } },
        ]
    });
    html! {
        @if spec.suspends {
            p { "That the controls are suspended: nothing of them is judged while it is in force." }
        } @else {
            (table(
                "Resources, where * stands for any text",
                &[text("Name"), short("Kind"), text("Namespace")],
                rows.collect(),
            ))
        }
        @if spec.controls.is_empty() { p.empty { "It names no control." } }
    }
}
