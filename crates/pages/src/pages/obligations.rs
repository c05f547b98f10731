//! What people owe: occurrences that are overdue, open or coming, and those that are over.

use maud::html;

use super::{Missing, PageKind, Request, parts};
use crate::{
    html::{
        layout::Content,
        pager::Paged,
        state::occurrence_phase,
        table::{short, table, text},
        text::{count, maybe_when, mono, number, when},
    },
    site::obligations::{self, Obligation},
};

pub const PAGE: PageKind = PageKind { path: "obligations", menu: Some("Obligations"), make };

/// The keys of the query that the pages of a list keep.
const KEEP: &[&str] = &["overdue", "waiting", "closed"];

fn make(request: &Request<'_>, _: &[&str]) -> Result<Content, Missing> {
    let now = request.site.now;
    let (overdue, waiting): (Vec<Obligation<'_>>, Vec<Obligation<'_>>) =
        obligations::waiting(&request.controls, now).into_iter().partition(|one| one.is_overdue);
    let closed = obligations::closed(&request.controls, now);
    let attested = request.controls.all.iter().filter(|one| one.is_attested()).count();
    let body = html! {
        p.summary {
            (count(attested, "control asks", "controls ask")) " people to perform a procedure and to attest to it. "
            (number(overdue.len())) " overdue, " (number(waiting.len())) " open or coming."
        }
        @if attested == 0 {
            (parts::nothing(request, &request.site.controls, &html! { "No control has an attestation test." }))
        }
        @for (id, heading, found) in [("overdue", "Overdue", &overdue), ("waiting", "Open and coming", &waiting)] {
            @if !found.is_empty() {
                @let paged = Paged::new(found, request.query.page(id));
                section aria-labelledby=(id) {
                    h2 id=(id) { (heading) }
                    (parts::obligations("The first that is due first", paged.rows, now))
                    (paged.links(heading, request.pager(KEEP, id, id)))
                }
            }
        }
        @if !closed.is_empty() {
            @let paged = Paged::new(&closed, request.query.page("closed"));
            section aria-labelledby="closed" {
                h2 id="closed" { "Over" }
                (table(
                    "The newest first. What was missed stays missed",
                    &[text("Control"), short("Occurrence"), short("Phase"), short("Was due"), short("Closed"), text("Answered by")],
                    paged.rows.iter().map(|one| closed_row(request, one)).collect(),
                ))
                (paged.links("what is over", request.pager(KEEP, "closed", "closed")))
            }
        }
    };
    Ok(Content::new("Obligations", body))
}

fn closed_row(request: &Request<'_>, one: &Obligation<'_>) -> Vec<maud::Markup> {
    let (occurrence, now) = (one.occurrence, request.site.now);
    vec![
        parts::control_title(&one.control),
        mono(&occurrence.period),
        occurrence_phase(occurrence.phase, false),
        when(occurrence.due.0, now),
        maybe_when(occurrence.closed.as_ref().map(|at| at.0), now, "–"),
        html! {
            @for record in occurrence.records.iter().filter(|record| record.counts) {
                div { (parts::attestation_link(request, &record.name)) }
            }
            @if let Some(by) = &occurrence.waived_by { div { "Waived by " (parts::exception_link(request, by)) } }
            @if occurrence.records.iter().all(|record| !record.counts) && occurrence.waived_by.is_none() { "–" }
        },
    ]
}
