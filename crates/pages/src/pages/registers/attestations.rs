//! The register of attestations, and a page for each.

use comptroller_core::api::Attestation;
use maud::html;

use super::{Register, known, page_of};
use crate::{
    html::{
        layout::Content,
        table::{facts, short, table, text},
        text::{clipped, list, maybe_when, mono, outside, paragraphs, when},
    },
    pages::{Missing, Request, parts},
};

pub const REGISTER: Register = Register {
    name: "attestations",
    title: "Attestations",
    what: "What people say that they performed, and what proves it, the newest first.",
    count: |request| known(&request.site.attestations),
    rows: |request, number| {
        let source = &request.site.attestations;
        let mut all: Vec<&Attestation> = source.items.iter().map(|one| &**one).collect();
        all.sort_by_key(|one| {
            (std::cmp::Reverse(parts::created(&one.metadata)), one.metadata.name.as_deref())
        });
        page_of(request, source, &all, number, |rows| {
            parts::attestations(request, "Attestations", rows)
        })
    },
    record: Some(record),
};

fn record(request: &Request<'_>, name: &str) -> Result<Content, Missing> {
    let source = &request.site.attestations;
    let Some(one) = source.items.iter().find(|one| one.metadata.name.as_deref() == Some(name))
    else {
        return Err(Missing::object("attestation", name, source));
    };
    let (spec, now) = (&one.spec, request.site.now);
    let artifacts = spec.artifacts.iter().map(|artifact| {
        vec![
            outside(&artifact.uri),
            mono(&artifact.sha256),
            html! { @if let Some(type_) = &artifact.media_type { (outside(type_)) } @else { "–" } },
        ]
    });
    let body = html! {
        div.lead { (paragraphs(&spec.summary)) }
        (facts(vec![
            ("Control", Some(parts::control_link(request, &spec.control))),
            ("Occurrence", Some(mono(&spec.period))),
            ("Outcome", Some(html! { (spec.outcome) ": " (spec.outcome.meaning()) })),
            ("Attested by", Some(outside(&spec.attested_by))),
            ("Written by", spec.recorded_by.as_deref().map(|by| html! { (outside(by)) " on their behalf" })),
            ("Performed", Some(when(spec.performed_at.0, now))),
            ("Recorded", Some(maybe_when(parts::created(&one.metadata), now, "–"))),
            ("Version", spec.version.as_deref().map(outside)),
            ("Took part", (!spec.participants.is_empty()).then(|| list(spec.participants.iter().map(String::as_str), 64))),
            ("Corrects", spec.corrects.as_deref().map(|name| parts::attestation_link(request, name))),
        ]))
        section aria-labelledby="artifacts" {
            h2 id="artifacts" { "What proves it" }
            @if spec.artifacts.is_empty() { p.empty { "No artifact is named." } }
            @else {
                (table(
                    "Artifacts, by where they are kept and their digests",
                    &[text("Where"), text("SHA-256"), short("Type")],
                    artifacts.collect(),
                ))
            }
        }
    };
    Ok(Content { title: clipped(name), above: html! {}, body })
}
