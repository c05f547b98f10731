//! All audit periods, the latest first.

use std::cmp::Reverse;

use comptroller_core::api::{AuditPeriod, ReportType};
use jiff::Timestamp;
use maud::{Markup, html};

use super::{Missing, PageKind, Request, parts};
use crate::html::{
    layout::Content,
    link,
    pager::Paged,
    state::period_phase,
    table::{amount, short, table, text},
    text::{number, outside, time},
};

pub const PAGE: PageKind = PageKind { path: "periods", menu: Some("Periods"), make };

fn make(request: &Request<'_>, _: &[&str]) -> Result<Content, Missing> {
    let source = &request.site.periods;
    let mut all: Vec<&AuditPeriod> = source.items.iter().map(|one| &**one).collect();
    all.sort_by_key(|one| (Reverse(end(one)), one.metadata.name.as_deref()));
    let paged = Paged::new(&all, request.query.page("page"));
    let columns = [
        text("Period"),
        short("Phase"),
        text("Time"),
        amount("Evidence"),
        amount("No deviation"),
        amount("Deviation"),
        amount("Not determinable"),
    ];
    let body = html! {
        p.summary { "What the evidence log says of a time, for an auditor." }
        @if all.is_empty() {
            (parts::nothing(request, source, &html! { "There are none. An AuditPeriod names the time that a report is about." }))
        } @else {
            (table("Audit periods, the latest first", &columns, paged.rows.iter().map(|one| row(one)).collect()))
            (paged.links("periods", request.pager(&[], "page", "")))
        }
    };
    Ok(Content::new("Audit periods", body))
}

fn row(period: &AuditPeriod) -> Vec<Markup> {
    let status = period.status.as_ref();
    let controls = status.and_then(|status| status.controls);
    let of = |amount: Option<i64>| html! { @if let Some(amount) = amount { (number(amount)) } @else { "–" } };
    vec![
        link::named(&["periods"], period.metadata.name.as_deref().unwrap_or_default()),
        period_phase(status.map(|status| status.phase).unwrap_or_default()),
        span(period),
        html! { @if let Some(share) = status.and_then(|status| status.coverage.as_deref()) { (outside(share)) } @else { "–" } },
        of(controls.map(|controls| controls.no_deviation_observed)),
        of(controls.map(|controls| controls.deviation_observed)),
        of(controls.map(|controls| controls.not_determinable)),
    ]
}

/// The time of a period in words.
pub fn span(period: &AuditPeriod) -> Markup {
    let spec = &period.spec;
    html! {
        @match (spec.type_, &spec.as_of, &spec.from, &spec.to) {
            (ReportType::TypeI, Some(as_of), ..) => { "Type I, as of " (time(as_of.0)) },
            (ReportType::TypeII, _, Some(from), Some(to)) => { "Type II, from " (time(from.0)) " to " (time(to.0)) },
            (type_, ..) => { (type_) ", without its times" },
        }
    }
}

/// The end of a period; None if its spec does not say.
pub fn end(period: &AuditPeriod) -> Option<Timestamp> {
    let spec = &period.spec;
    spec.to.as_ref().or(spec.as_of.as_ref()).map(|at| at.0)
}
