//! The rule of a control: in words, and as people wrote it.

use comptroller_report::{period::what_was_done, yaml::yaml};
use comptroller_vocabulary::lines_in_full;
use maud::{Markup, html};

use crate::{
    html::{
        table::{facts, table, text},
        text::{list, mono, outside},
    },
    site::controls::KnownControl,
};
use comptroller_core::api::{ControlSpec, Exclusion};

/// How many things that a rule leaves out are shown; the YAML has all of them.
const MOST: usize = 100;

pub fn section(control: &KnownControl<'_>) -> Markup {
    let spec = &control.control.spec;
    // A spec that the API server has kept can be written as JSON; if not, there is nothing to show.
    let value = serde_json::to_value(spec).unwrap_or_default();
    html! {
        section aria-labelledby="rule" {
            h2 id="rule" { "The rule" }
            p { (outside(&what_was_done(&value))) }
            @if let Some(remedy) = &spec.remedy {
                @if control.status().is_none_or(|status| status.findings.is_empty()) {
                    p { "If it fails: " (outside(remedy)) }
                }
            }
            (facts(vec![
                ("Generation", control.control.metadata.generation.map(|generation| html! { (generation) })),
                ("Confirmed at least every", Some(html! { (spec.heartbeat()) })),
                ("Requests that violate it", Some(html! { (spec.enforcement()) ": " (outside(spec.enforcement().meaning())) })),
                ("Suspended", spec.suspend.then(|| html! { "Yes: nothing is judged" })),
                ("Exceptions are approved by", spec.approvers.as_ref().map(approvers)),
                ("Lesson", spec.lesson.as_deref().map(mono)),
            ]))
            (left_out(spec))
            details {
                summary { "The spec as YAML" }
                pre { code { (lines_in_full(&yaml(&value, "kubectl get control -o yaml has all of it"))) } }
            }
        }
    }
}

fn approvers(approvers: &comptroller_core::api::Approvers) -> Markup {
    html! {
        @if !approvers.users.is_empty() { (list(approvers.users.iter().map(String::as_str), 20)) }
        @if !approvers.groups.is_empty() {
            @if !approvers.users.is_empty() { "; " }
            "the groups " (list(approvers.groups.iter().map(String::as_str), 20))
        }
    }
}

/// What the rule does not look at, and why.
fn left_out(spec: &ControlSpec) -> Markup {
    let Some(scope) = &spec.scope else { return html! {} };
    let rows = scope.exclude.iter().take(MOST).map(|one| vec![what(one), outside(&one.reason)]);
    let left = scope.exclude.len().saturating_sub(MOST);
    html! {
        @if !scope.exclude.is_empty() {
            (table("What it leaves out, and why", &[text("Left out"), text("Reason")], rows.collect()))
            @if left > 0 { p.note { "And " (left) " more, in the YAML." } }
        }
    }
}

fn what(exclusion: &Exclusion) -> Markup {
    let Exclusion { namespace, kind, name, .. } = exclusion;
    let namespace = namespace.as_deref();
    html! {
        @match (kind.as_deref(), name.as_deref(), namespace) {
            (Some(kind), Some(name), Some(namespace)) => (outside(&format!("{kind} {namespace}/{name}"))),
            (Some(kind), Some(name), None) => (outside(&format!("{kind} {name}"))),
            (_, _, Some(namespace)) => { "The namespace " (outside(namespace)) }
            _ => "–",
        }
    }
}
