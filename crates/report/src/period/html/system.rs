//! The system that the report is about, as the company describes it in the `AuditPeriod`.

use maud::{Markup, html};

use super::{
    page::Page,
    text::{list, outside, paragraphs, time},
};
use crate::period::model::{
    ComplementaryControlReport, ReportedSystem, SubserviceReport, SystemBoundary,
};

/// Whether there is anything to tell.
pub fn is_described(page: &Page<'_>) -> bool {
    page.report.system_description != ReportedSystem::default()
}

pub fn section(page: &Page<'_>) -> Markup {
    let described = &page.report.system_description;
    html! {
        section aria-labelledby="system" {
            h2.flow id="system" { "The system" }
            p.note {
                "In the words of the company: nothing here was observed."
                @if let (Some(at), Some(entry)) = (described.written_at, described.entry) {
                    " As written in the AuditPeriod at " (time(at)) ", entry " (entry) "."
                }
            }
            @if let Some(company) = &described.company { p { "Company: " (outside(company)) } }
            @if let Some(system) = &described.system {
                p { "System: " strong { (outside(&system.name)) } }
                @if let Some(text) = &system.description { (paragraphs(text)) }
            }
            @if let Some(boundary) = &described.boundary { (bounds(boundary)) }
            @if !described.subservice_organizations.is_empty() {
                h3 { "Subservice organizations" }
                @for one in &described.subservice_organizations { (organization(one)) }
            }
            @if !described.complementary_user_entity_controls.is_empty() {
                h3 { "What the users of the system must do" }
                (controls(&described.complementary_user_entity_controls))
            }
        }
    }
}

fn bounds(boundary: &SystemBoundary) -> Markup {
    html! {
        h3 { "Boundary" }
        @if !boundary.clusters.is_empty() { p.line { "Clusters: " (list(&boundary.clusters)) } }
        p.line {
            "Namespaces: "
            @if boundary.namespaces.is_empty() { "all" } @else { (list(&boundary.namespaces)) }
        }
        @if !boundary.excluded.is_empty() {
            ul.plain {
                @for one in &boundary.excluded {
                    li { "Outside: " (outside(&one.what)) ": " (outside(&one.why)) }
                }
            }
        }
    }
}

fn organization(one: &SubserviceReport) -> Markup {
    html! {
        p.line {
            strong { (outside(&one.name)) } ": " (outside(&one.services)) " ("
            (one.method_words()) ")"
            @if let Some(report) = &one.report { ". Its own report: " (outside(report)) }
        }
        @if !one.complementary_controls.is_empty() {
            p.line { "Controls that it must have:" }
            (controls(&one.complementary_controls))
        }
    }
}

fn controls(controls: &[ComplementaryControlReport]) -> Markup {
    html! {
        ul.plain {
            @for one in controls {
                li {
                    (outside(&one.control))
                    @if !one.criteria.is_empty() { " (" (list(&one.criteria)) ")" }
                }
            }
        }
    }
}

/// What the company looks at for a criterion.
pub fn points_of_focus(page: &Page<'_>, criterion: &str) -> Markup {
    let all = &page.report.system_description.points_of_focus;
    html! {
        @for focus in all.iter().filter(|one| one.criterion == criterion) {
            p.basis { "What the company looks at:" }
            ul.plain { @for point in &focus.points { li { (outside(point)) } } }
        }
    }
}
