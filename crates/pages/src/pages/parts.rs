//! Fragments that several pages show in the same way.

use comptroller_core::api::{
    Attestation, ControlException, DeviationResponse, ExceptionResource, Standing,
};
use jiff::Timestamp;
use maud::{Markup, html};

use super::Request;
use crate::{
    html::{
        link,
        state::{self, exception_phase},
        table::{Column, short, table, text},
        text::{ago, list, maybe_when, mono, outside, resource_name, when},
    },
    model::Source,
    site::{
        controls::KnownControl,
        obligations::Obligation,
        sources::{self, SourceState},
    },
};
use comptroller_vocabulary::ResourceRef;

/// What can be claimed of a control, by sign and word, and why no more.
pub fn standing(control: &KnownControl<'_>, now: Timestamp) -> Markup {
    html! {
        (state::state(control.state()))
        @match control.standing {
            Standing::Known(_) => {}
            Standing::NotEvaluated => span.sub { "not evaluated yet" },
            Standing::OtherSpec(before) => span.sub { "the spec changed; before it was " (state::state_word(before)) },
            Standing::Stale(before, last) => span.sub {
                "not confirmed since " (ago(last, now)) ", when it was " (state::state_word(before))
            },
        }
    }
}

/// A control by its title, with its name below.
pub fn control_title(control: &KnownControl<'_>) -> Markup {
    html! {
        @if let Some(path) = link::path(&["controls", control.name]) {
            a href=(path) { (outside(&control.control.spec.title)) }
        } @else { (outside(&control.control.spec.title)) }
        span.sub { (mono(control.name)) }
    }
}

/// The name of a control, which leads to its page if there is one.
pub fn control_link(request: &Request<'_>, name: &str) -> Markup {
    html! {
        @if request.controls.get(name).is_some() { (link::named(&["controls"], name)) }
        @else { (mono(name)) span.sub { "no such control" } }
    }
}

/// The name of an object of a kind, which leads to its page if the object is known.
fn object_link<T>(
    source: &Source<T>,
    name_of: impl Fn(&T) -> Option<&str>,
    collection: &[&str],
    name: &str,
) -> Markup {
    let is_known = source.items.iter().any(|one| name_of(one) == Some(name));
    html! { @if is_known { (link::named(collection, name)) } @else { (mono(name)) } }
}

/// The name of an exception.
pub fn exception_link(request: &Request<'_>, name: &str) -> Markup {
    let source = &request.site.exceptions;
    object_link(source, |one| one.metadata.name.as_deref(), &["exceptions"], name)
}

/// The name of an attestation.
pub fn attestation_link(request: &Request<'_>, name: &str) -> Markup {
    let source = &request.site.attestations;
    object_link(source, |one| one.metadata.name.as_deref(), &["registers", "attestations"], name)
}

/// The name of a response.
pub fn response_link(request: &Request<'_>, name: &str) -> Markup {
    let source = &request.site.responses;
    object_link(source, |one| one.metadata.name.as_deref(), &["registers", "responses"], name)
}

/// Names of controls, at most `most` of them.
pub fn control_links(request: &Request<'_>, names: &[String], most: usize) -> Markup {
    html! {
        ul.plain {
            @for name in names.iter().take(most) { li { (control_link(request, name)) } }
            @if names.len() > most { li { "and " (names.len() - most) " more" } }
        }
    }
}

/// The columns of a table of controls.
pub const CONTROL_COLUMNS: &[Column] = &[
    text("Control"),
    short("State"),
    short("Severity"),
    text("Items"),
    text("Criteria"),
    text("Owner"),
    short("Since"),
];

/// A row of such a table.
pub fn control_row(control: &KnownControl<'_>, now: Timestamp) -> Vec<Markup> {
    let spec = &control.control.spec;
    vec![
        control_title(control),
        standing(control, now),
        state::severity(spec.severity),
        items(control),
        list(spec.criteria.iter().map(comptroller_core::api::Criterion::as_str), 12),
        outside(&spec.owner),
        html! { @if let Some(since) = control.since() { (ago(since, now)) } @else { "–" } },
    ]
}

/// How many items were judged, and how many of them are not in order.
fn items(control: &KnownControl<'_>) -> Markup {
    use crate::html::text::number;
    html! {
        @match (control.standing, control.status()) {
            (Standing::Known(_), Some(status)) => {
                @if status.failing > 0 { strong { (number(status.failing)) " failing" } " of " }
                (number(status.population))
                @if status.unknown > 0 { span.sub { (number(status.unknown)) " unknown" } }
                @if status.excepted > 0 { span.sub { (number(status.excepted)) " excepted" } }
            }
            _ => "–",
        }
    }
}

/// Objects that an exception names: `Deployment prod/web-*`.
pub fn excepted(resource: &ExceptionResource) -> String {
    let name = ResourceRef {
        api_version: String::new(),
        kind: resource.kind.clone(),
        namespace: resource.namespace.as_ref().map(ToString::to_string),
        name: resource.name.to_string(),
    };
    resource_name(&name)
}

/// A table of exceptions.
pub fn exceptions(request: &Request<'_>, caption: &str, all: &[&ControlException]) -> Markup {
    let now = request.site.now;
    let columns = [
        text("Exception"),
        short("Phase"),
        text("Controls"),
        text("Covers"),
        text("Asked by"),
        text("Approved by"),
        short("Expires"),
    ];
    let rows = all.iter().map(|one| {
        let (name, spec) = (one.metadata.name.as_deref().unwrap_or_default(), &one.spec);
        vec![
            html! { (link::named(&["exceptions"], name)) },
            html! { @if let Some(status) = &one.status { (exception_phase(status.phase)) } @else { "Not judged yet" } },
            control_links(request, &spec.controls, 5),
            html! {
                @if spec.suspends { "The suspension of the controls" }
                @else {
                    ul.plain {
                        @for resource in spec.resources.iter().take(5) { li { (outside(&excepted(resource))) } }
                        @if spec.resources.len() > 5 { li { "and " (spec.resources.len() - 5) " more" } }
                    }
                }
            },
            outside(&spec.requested_by),
            html! { @if let Some(by) = &spec.approved_by { (outside(by)) } @else { "nobody yet" } },
            when(spec.expires.0, now),
        ]
    });
    table(caption, &columns, rows.collect())
}

/// A table of attestations.
pub fn attestations(request: &Request<'_>, caption: &str, all: &[&Attestation]) -> Markup {
    let columns = [
        text("Attestation"),
        text("Control"),
        short("Occurrence"),
        text("Attested by"),
        short("Performed"),
        text("Outcome"),
        short("Recorded"),
    ];
    let now = request.site.now;
    let rows = all.iter().map(|one| {
        let (name, spec) = (one.metadata.name.as_deref().unwrap_or_default(), &one.spec);
        vec![
            link::named(&["registers", "attestations"], name),
            control_link(request, &spec.control),
            mono(&spec.period),
            html! {
                (outside(&spec.attested_by))
                @if let Some(by) = &spec.recorded_by { span.sub { "written by " (outside(by)) } }
            },
            when(spec.performed_at.0, now),
            outside(spec.outcome.as_str()),
            maybe_when(created(&one.metadata), now, "–"),
        ]
    });
    table(caption, &columns, rows.collect())
}

/// A table of responses.
pub fn responses(request: &Request<'_>, caption: &str, all: &[&DeviationResponse]) -> Markup {
    let columns = [
        text("Response"),
        text("Control"),
        text("Cause"),
        text("Owner"),
        text("Responded by"),
        short("Corrected by"),
    ];
    let rows = all.iter().map(|one| {
        let (name, spec) = (one.metadata.name.as_deref().unwrap_or_default(), &one.spec);
        vec![
            link::named(&["registers", "responses"], name),
            control_link(request, &spec.control),
            outside(&spec.cause),
            outside(&spec.owner),
            outside(&spec.responded_by),
            maybe_when(
                spec.corrective_action_by.as_ref().map(|at| at.0),
                request.site.now,
                "no date",
            ),
        ]
    });
    table(caption, &columns, rows.collect())
}

/// A table of what waits for people, with the command that answers each.
pub fn obligations(caption: &str, all: &[Obligation<'_>], now: Timestamp) -> Markup {
    let columns =
        [text("Control"), short("Occurrence"), short("Phase"), short("Due"), text("To answer it")];
    let rows = all.iter().map(|one| {
        vec![
            control_title(&one.control),
            mono(&one.occurrence.period),
            state::occurrence_phase(one.occurrence.phase, one.is_overdue),
            html! {
                (when(one.occurrence.due.0, now))
                @if one.is_overdue {
                    span.sub { "missed for good " (ago(one.occurrence.grace_until.0, now)) }
                }
            },
            html! {
                @if one.occurrence.phase == comptroller_core::api::OccurrencePhase::Scheduled {
                    "Opens " (ago(one.occurrence.opens.0, now))
                } @else { code.line { (comptroller_vocabulary::visible(&one.command())) } }
            },
        ]
    });
    table(caption, &columns, rows.collect())
}

/// When the API server created an object.
pub fn created(
    metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
) -> Option<Timestamp> {
    metadata.creation_timestamp.as_ref().map(|at| at.0)
}

/// Says that there is nothing, or that it is not known.
pub fn nothing<T>(request: &Request<'_>, source: &Source<T>, otherwise: &Markup) -> Markup {
    html! {
        @match sources::of(request.site, source) {
            SourceState::Unreadable(why) => p.empty { strong { "Not known." } " " (outside(why)) },
            SourceState::Stale(None) => p.empty { strong { "Not known." } " It has not been read yet." },
            SourceState::Fresh | SourceState::Stale(Some(_)) => p.empty { (otherwise) },
        }
    }
}
