//! The control itself: what was done, by which spec, and what changed in it.

use comptroller_vocabulary::lines_in_full;
use maud::{Markup, html};
use serde_json::Value;

use super::{
    control::MAX_ROWS,
    page::Page,
    table::HtmlTable,
    text::{clipped, count, mono, outside, time},
    words::flag,
};
use crate::{
    period::model::{Accepted, ControlReport, SpecChange, SpecVersion},
    yaml::yaml,
};
use comptroller_evidence::data::FieldChange;

/// Where the rest of a spec is that is too long for the page.
const REST: &str = "the JSON has all of it (comptroller report … -o json)";

/// The most versions of a spec that are shown in full.
const MAX_VERSIONS: usize = 20;

/// The most fields of one change that are shown.
const MAX_FIELDS: usize = 20;

/// The most names of what a spec accepts, in one line.
const MAX_ACCEPTED: usize = 40;

/// What was done in a sentence. Where that changed, the last and a hint to the versions.
pub fn what_was_done(page: &Page<'_>, control: &ControlReport) -> Markup {
    let (last, objective) = (control.specs.last(), control.objective.as_deref());
    html! {
        @match (last, objective) {
            (Some(last), _) => p.done { (outside(&last.what_was_done)) },
            (None, Some(objective)) => p.done { (outside(objective)) },
            (None, None) => {}
        }
        @if page.is_type_one() { @if let (Some(_), Some(objective)) = (last, objective) {
            p.line { "Designed so that: " (outside(objective)) }
        } }
    }
}

/// What of the spec a reader must not overlook: wildcards, what it accepts, and that titles or
/// severities were others before.
pub fn flags(control: &ControlReport) -> Markup {
    let others = || control.specs.iter().rev().skip(1);
    html! {
        @for wildcard in control.wildcards.iter().take(MAX_FIELDS) {
            p.line {
                (flag("Accepts everything")) " " (mono(&wildcard.pattern)) " at " (mono(&wildcard.field))
                " from " (time(wildcard.from)) " to " (time(wildcard.to)) ", entry " (wildcard.entry) "."
            }
        }
        @for version in others().filter(|one| one.title != control.title || one.severity != control.severity).take(MAX_VERSIONS) {
            p.line {
                (flag("Another until")) " " (time(version.to)) ": " (version.severity) ", “" (outside(&version.title)) "”."
            }
        }
        (accepted(&control.accepted))
    }
}

fn accepted(accepted: &[Accepted]) -> Markup {
    html! {
        @if !accepted.is_empty() {
            p.line {
                "Accepted or left out: "
                @for (number, one) in accepted.iter().take(MAX_ACCEPTED).enumerate() {
                    @if number > 0 { "; " }
                    (outside(&one.what)) " ("
                    @if let Some(reason) = &one.reason { (outside(reason)) } @else { "the spec does not say why" }
                    ")"
                }
                @if accepted.len() > MAX_ACCEPTED { "; and " (accepted.len() - MAX_ACCEPTED) " more, in the spec" }
                "."
            }
        }
    }
}

/// The specs in full, to open, and the changes between them.
pub fn details(page: &Page<'_>, control: &ControlReport) -> Markup {
    let shown: Vec<&SpecVersion> = control.specs.iter().rev().take(MAX_VERSIONS).collect();
    html! {
        @for (number, version) in shown.iter().enumerate() {
            details {
                summary {
                    @if number == 0 { "Spec in force" } @else { "Spec before" }
                    @if page.is_type_one() || is_always(page, control) { ", entry " } @else {
                        " from " (time(version.from)) " to " (time(version.to)) ", entry "
                    }
                    (version.entry) ", " (mono(&version.spec_digest))
                }
                pre { (lines_in_full(&yaml(&version.spec, REST))) }
            }
        }
        @if control.specs.is_empty() && !control.spec_digest.is_empty() {
            p.line { "Spec: " (mono(&control.spec_digest)) }
        }
        @if control.specs.len() > MAX_VERSIONS {
            p.line { "and " (count(control.specs.len() - MAX_VERSIONS, "earlier version", "earlier versions")) ", in the JSON" }
        }
        @if !page.is_type_one() {
            @let told: Vec<&SpecChange> = control.changes.iter().filter(|one| !is_told(control, one)).collect();
            @if !told.is_empty() { (changes(&told)) }
        }
    }
}

/// Whether one spec was in force over the whole period.
fn is_always(page: &Page<'_>, control: &ControlReport) -> bool {
    let (from, to) = (page.span().start(), page.span().end());
    matches!(control.specs.as_slice(), [one] if one.from <= from && one.to >= to)
}

/// Whether a change says no more than the spec that it brought, which is there with its entry: that
/// the control was declared.
fn is_told(control: &ControlReport, change: &SpecChange) -> bool {
    change.fields.is_empty() && control.specs.iter().any(|one| one.entry == change.entry)
}

fn changes(changes: &[&SpecChange]) -> Markup {
    let table = HtmlTable {
        caption: "Changes of the spec",
        heads: &["Seen (UTC)", "What", "Fields", "Digest after it", "Entry"],
        wide: true,
        total: changes.len(),
    };
    table.with(changes.iter().take(MAX_ROWS).map(|one| {
        html! {
            tr {
                th.time scope="row" { (time(one.at)) }
                td.time { (outside(&one.change)) }
                td {
                    @for field in one.fields.iter().take(MAX_FIELDS) { (diff(field)) }
                    @if one.fields.len() > MAX_FIELDS {
                        span.sub { "and " (one.fields.len() - MAX_FIELDS) " more fields" }
                    }
                    @if one.fields.is_empty() { "–" }
                }
                td { @if let Some(digest) = &one.spec_digest { (mono(digest)) } @else { "–" } }
                td { (one.entry) }
            }
        }
    }))
}

fn diff(field: &FieldChange) -> Markup {
    let text = |value: &Value| clipped(&value.to_string());
    html! {
        (mono(&field.path))
        @if let Some(from) = &field.from { del { bdi { (text(from)) } } }
        @if let Some(to) = &field.to { ins { bdi { (text(to)) } } }
    }
}
