//! The register of responses to deviations, and a page for each.

use comptroller_core::api::{DeviatingItem, DeviationResponse};
use maud::{Markup, html};

use super::{Register, known, page_of};
use crate::{
    html::{
        layout::Content,
        table::{facts, short, table, text},
        text::{clipped, maybe_when, outside, paragraphs, when},
    },
    pages::{Missing, Request, parts},
};

pub const REGISTER: Register = Register {
    name: "responses",
    title: "Responses to deviations",
    what: "What management said of deviations: the cause, the response and who owns it; the newest first.",
    count: |request| known(&request.site.responses),
    rows: |request, number| {
        let source = &request.site.responses;
        let mut all: Vec<&DeviationResponse> = source.items.iter().map(|one| &**one).collect();
        all.sort_by_key(|one| {
            (std::cmp::Reverse(parts::created(&one.metadata)), one.metadata.name.as_deref())
        });
        page_of(request, source, &all, number, |rows| parts::responses(request, "Responses", rows))
    },
    record: Some(record),
};

fn record(request: &Request<'_>, name: &str) -> Result<Content, Missing> {
    let source = &request.site.responses;
    let Some(one) = source.items.iter().find(|one| one.metadata.name.as_deref() == Some(name))
    else {
        return Err(Missing::object("response", name, source));
    };
    let (spec, now) = (&one.spec, request.site.now);
    let body = html! {
        (facts(vec![
            ("Control", Some(parts::control_link(request, &spec.control))),
            ("Deviations since", Some(html! {
                @if let Some(from) = &spec.from { (when(from.0, now)) } @else { "any up to the response" }
            })),
            ("Responded by", Some(outside(&spec.responded_by))),
            ("Written by", spec.recorded_by.as_deref().map(|by| html! { (outside(by)) " on their behalf" })),
            ("Recorded", Some(maybe_when(parts::created(&one.metadata), now, "–"))),
            ("Owner of the correction", Some(outside(&spec.owner))),
            ("Corrected by", Some(maybe_when(spec.corrective_action_by.as_ref().map(|at| at.0), now, "no date"))),
            ("Corrects", spec.corrects.as_deref().map(|name| parts::response_link(request, name))),
        ]))
        section aria-labelledby="cause" { h2 id="cause" { "Cause" } (paragraphs(&spec.cause)) }
        section aria-labelledby="response" { h2 id="response" { "Response" } (paragraphs(&spec.response)) }
        section aria-labelledby="items" {
            h2 id="items" { "Items" }
            @if spec.items.is_empty() { p { "Every deviation of the control." } } @else { (items(&spec.items)) }
        }
    };
    Ok(Content { title: clipped(name), above: html! {}, body })
}

fn items(items: &[DeviatingItem]) -> Markup {
    let rows = items.iter().map(|item| {
        vec![
            outside(&item.name),
            outside(&item.kind),
            html! { @if let Some(namespace) = &item.namespace { (outside(namespace)) } @else { "–" } },
        ]
    });
    table("Items that deviated", &[text("Name"), short("Kind"), text("Namespace")], rows.collect())
}
