//! All exceptions: those to decide on, those in force, and those that are over.

use std::cmp::Reverse;

use comptroller_core::api::{ControlException, ExceptionPhase};
use maud::{Markup, html};

use super::{Missing, PageKind, Request, parts};
use crate::html::{layout::Content, pager::Paged};

pub const PAGE: PageKind = PageKind { path: "exceptions", menu: Some("Exceptions"), make };

/// The keys of the query that the pages of a list keep.
const KEEP: &[&str] = &["pending", "active", "over"];

fn make(request: &Request<'_>, _: &[&str]) -> Result<Content, Missing> {
    let source = &request.site.exceptions;
    let in_phases = |wanted: &[Option<ExceptionPhase>]| {
        let phase = |one: &ControlException| one.status.as_ref().map(|status| status.phase);
        let mut found: Vec<&ControlException> = source
            .items
            .iter()
            .map(|one| &**one)
            .filter(|one| wanted.contains(&phase(one)))
            .collect();
        found.sort_by_key(|one| (one.spec.expires.0, one.metadata.name.as_deref()));
        found
    };
    let pending = in_phases(&[None, Some(ExceptionPhase::Pending)]);
    let active = in_phases(&[Some(ExceptionPhase::Active), Some(ExceptionPhase::Unused)]);
    let mut over = in_phases(&[Some(ExceptionPhase::Expired), Some(ExceptionPhase::Rejected)]);
    over.sort_by_key(|one| (Reverse(one.spec.expires.0), one.metadata.name.as_deref()));
    let body = html! {
        p.summary {
            "An exception is asked for by one person, approved by another, and ends by itself. Until it is approved, nothing is excepted."
        }
        @if source.items.is_empty() { (parts::nothing(request, source, &html! { "There are none." })) }
        (section(request, "pending", "Waiting for approval", "The first to end first", &pending))
        (section(request, "active", "In force", "The first to end first", &active))
        (section(request, "over", "Over or rejected", "The newest first", &over))
    };
    Ok(Content::new("Exceptions", body))
}

fn section(
    request: &Request<'_>,
    id: &str,
    heading: &str,
    caption: &str,
    found: &[&ControlException],
) -> Markup {
    let paged = Paged::new(found, request.query.page(id));
    html! {
        @if !found.is_empty() {
            section aria-labelledby=(id) {
                h2 id=(id) { (heading) " (" (crate::html::text::number(found.len())) ")" }
                (parts::exceptions(request, caption, paged.rows))
                (paged.links(heading, request.pager(KEEP, id, id)))
            }
        }
    }
}
