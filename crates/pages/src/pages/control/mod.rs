//! One control: how it stands and why, its rule, what was recorded of it, what it judged, what people
//! did about it, and the commands that show the same.

mod drawing;
mod findings;
mod population;
mod rule;
mod timeline;

use comptroller_core::api::{Attestation, ControlException, DeviationResponse, Standing};
use comptroller_report::shell_word;
use maud::{Markup, html};

use super::{Missing, PageKind, Request, parts};
use crate::{
    html::{
        layout::Content,
        link,
        pager::Paged,
        state,
        table::{facts, short, table, text},
        text::{ago, clipped, command, count, maybe_when, mono, number, outside, paragraphs, when},
    },
    site::{controls::KnownControl, obligations},
};

pub const PAGE: PageKind = PageKind { path: "controls/*", menu: None, make };

fn make(request: &Request<'_>, names: &[&str]) -> Result<Content, Missing> {
    let name = names.first().copied().unwrap_or_default();
    let Some(control) = request.controls.get(name) else {
        return Err(Missing::object("control", name, &request.site.controls));
    };
    let spec = &control.control.spec;
    let body = html! {
        (head(request, control))
        (findings::sections(request, control))
        (rule::section(control))
        @if control.is_attested() { (occurrences(request, control)) }
        (timeline::section(request, control))
        (people(request, control))
        (commands(request, control))
        // Last, since it is the longest by far.
        (population::section(request, control))
    };
    let above = html! {
        p.eyebrow { a href="/ui/controls" { "Controls" } " / " (mono(name)) }
    };
    Ok(Content { title: clipped(&spec.title), above, body })
}

fn head(request: &Request<'_>, control: &KnownControl<'_>) -> Markup {
    let (spec, now) = (&control.control.spec, request.site.now);
    let status = control.status();
    html! {
        div.standing {
            (parts::standing(control, now))
            @if let Some(since) = control.since() {
                @if matches!(control.standing, Standing::Known(_)) {
                    p { "Since " (when(since, now)) }
                }
            }
        }
        @if let Some(why) = why(control) { p { (outside(why)) } }
        @if let Some(objective) = &spec.objective { div.lead { (paragraphs(objective)) } }
        (facts(vec![
            ("Severity", Some(state::severity(spec.severity))),
            ("Owner", Some(outside(&spec.owner))),
            ("Serves", Some(criteria(control))),
            ("Reason", Some(outside(control.reason()))),
            ("Last evaluated", Some(maybe_when(
                status.and_then(|status| status.last_evaluated.as_ref()).map(|at| at.0), now, "never",
            ))),
            ("Judged", status.map(|status| html! {
                (number(status.population)) " items: " (number(status.failing)) " failing, "
                (number(status.excepted)) " excepted, " (number(status.unknown)) " unknown"
            })),
            ("Evidence", Some(evidence(control))),
        ]))
        (conditions(request, control))
    }
}

/// Why it is in its state, in a sentence of its status. None if the status has none, or can't be believed.
fn why<'s>(control: &KnownControl<'s>) -> Option<&'s str> {
    let Standing::Known(_) = control.standing else { return None };
    let conditions = &control.status()?.conditions;
    let compliant = conditions.iter().find(|one| one.type_ == "Compliant")?;
    (!compliant.message.is_empty()).then_some(compliant.message.as_str())
}

fn criteria(control: &KnownControl<'_>) -> Markup {
    let query = link::Query::default();
    html! {
        ul.inline {
            @for criterion in &control.control.spec.criteria {
                li {
                    a href=(query.link("/ui/controls", &[], "criterion", criterion.as_str())) { (outside(criterion.as_str())) }
                    @if let Some(known) = criterion.soc2() { span.sub { (known.title) } }
                }
            }
        }
    }
}

fn evidence(control: &KnownControl<'_>) -> Markup {
    let status = control.status();
    let recorded = status.and_then(|status| {
        status.conditions.iter().find(|condition| condition.type_ == "EvidenceRecorded")
    });
    html! {
        @if let Some(entry) = status.and_then(|status| status.evidence.as_ref()) {
            "Entry " (number(entry.index)) " of the log"
        } @else { "No entry of a log is named" }
        @if let Some(condition) = recorded {
            @if condition.status != "True" { span.sub { (outside(&condition.reason)) ": " (outside(&condition.message)) } }
        }
    }
}

/// The conditions that are not as they should be. That a control does not hold is said above.
fn conditions(request: &Request<'_>, control: &KnownControl<'_>) -> Markup {
    let all = control.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let is_wanting = |type_: &str, status: &str| type_ != "Compliant" && status != "True";
    html! {
        @for one in all.iter().filter(|one| is_wanting(&one.type_, &one.status)) {
            p.wanting {
                strong { (outside(&one.type_)) " is " (outside(&one.status)) } ", "
                (ago(one.last_transition_time.0, request.site.now)) ": "
                (outside(if one.message.is_empty() { &one.reason } else { &one.message }))
            }
        }
    }
}

fn occurrences(request: &Request<'_>, control: &KnownControl<'_>) -> Markup {
    let now = request.site.now;
    let all = control.status().map(|status| status.occurrences.as_slice()).unwrap_or_default();
    let rows = all.iter().rev().map(|one| {
        let owed = obligations::obligation(*control, one, now);
        vec![
            mono(&one.period),
            state::occurrence_phase(one.phase, owed.is_overdue),
            when(one.opens.0, now),
            html! {
                (when(one.due.0, now))
                @if one.grace_until.0 > one.due.0 { span.sub { "grace until " (when(one.grace_until.0, now)) } }
            },
            html! {
                @for record in &one.records {
                    div {
                        (parts::attestation_link(request, &record.name))
                        @if !record.counts { span.sub { "does not count" } }
                        @if !record.note.is_empty() { span.sub { (outside(&record.note)) } }
                    }
                }
                @if let Some(by) = &one.waived_by { div { "Waived by " (parts::exception_link(request, by)) } }
                @if one.records.is_empty() && one.waived_by.is_none() { "–" }
            },
        ]
    });
    let columns =
        [text("Occurrence"), short("Phase"), short("Opens"), short("Due"), text("Answered by")];
    let open = all.iter().filter(|one| one.phase == comptroller_core::api::OccurrencePhase::Open);
    html! {
        section aria-labelledby="occurrences" {
            h2 id="occurrences" { "Occurrences" }
            @if all.is_empty() { p.empty { "None has been set up yet." } }
            @else { (table("When it is to be performed, and whether it was; the newest first", &columns, rows.collect())) }
            @for one in open {
                p { "To answer " (mono(&one.period)) ":" }
                (command(&obligations::obligation(*control, one, now).command()))
            }
        }
    }
}

/// What people decided, attested and answered about the control.
fn people(request: &Request<'_>, control: &KnownControl<'_>) -> Markup {
    let site = request.site;
    let names = |names: &[String]| names.iter().any(|name| name == control.name);
    let mut exceptions: Vec<&ControlException> = site
        .exceptions
        .items
        .iter()
        .map(|one| &**one)
        .filter(|one| names(&one.spec.controls))
        .collect();
    exceptions.sort_by_key(|one| (one.spec.expires.0, one.metadata.name.as_deref()));
    let mut attested: Vec<&Attestation> = site
        .attestations
        .items
        .iter()
        .map(|one| &**one)
        .filter(|one| one.spec.control == control.name)
        .collect();
    attested.sort_by_key(|one| std::cmp::Reverse(one.spec.performed_at.0));
    let mut responses: Vec<&DeviationResponse> = site
        .responses
        .items
        .iter()
        .map(|one| &**one)
        .filter(|one| one.spec.control == control.name)
        .collect();
    responses.sort_by_key(|one| std::cmp::Reverse(parts::created(&one.metadata)));
    let shown = Paged::new(&exceptions, request.query.page("exceptions"));
    html! {
        section aria-labelledby="exceptions" {
            h2 id="exceptions" { "Exceptions" }
            @if exceptions.is_empty() { (parts::nothing(request, &site.exceptions, &html! { "No exception names it." })) }
            @else {
                (parts::exceptions(request, "Exceptions from the control, the first to end first", shown.rows))
                (shown.links("exceptions", request.pager(&[], "exceptions", "exceptions")))
            }
        }
        @if control.is_attested() || !attested.is_empty() {
            @let shown = Paged::new(&attested, request.query.page("attestations"));
            section aria-labelledby="attestations" {
                h2 id="attestations" { "Attestations" }
                @if attested.is_empty() { (parts::nothing(request, &site.attestations, &html! { "Nobody has attested it." })) }
                @else {
                    (parts::attestations(request, "What people attested, the newest first", shown.rows))
                    (shown.links("attestations", request.pager(&[], "attestations", "attestations")))
                }
            }
        }
        @if !responses.is_empty() {
            @let shown = Paged::new(&responses, request.query.page("responses"));
            section aria-labelledby="responses" {
                h2 id="responses" { "Responses" }
                (parts::responses(request, "What management said of deviations, the newest first", shown.rows))
                (shown.links("responses", request.pager(&[], "responses", "responses")))
            }
        }
    }
}

fn commands(request: &Request<'_>, control: &KnownControl<'_>) -> Markup {
    let name = shell_word(control.name);
    let entry = control.status().and_then(|status| status.evidence.as_ref());
    let log = request.site.log.as_ref();
    html! {
        section aria-labelledby="commands" {
            h2 id="commands" { "The same on the command line" }
            (command(&format!("kubectl get control {name}")))
            (command(&format!("kubectl describe control {name}")))
            (command(&format!("kubectl get control {name} -o yaml")))
            @if let (Some(entry), Some(log)) = (entry, log) {
                p { "The entry that the status names, with the proof that the log holds it:" }
                (command(&format!("comptroller evidence prove {} {}", entry.index, shell_word(&log.location))))
            }
            @if control.status().is_some_and(|status| usize::try_from(status.failing).unwrap_or(0) > status.findings.len()) {
                p { "Every finding, of one evaluation now:" }
                (command("comptroller scan --cluster -o json"))
            }
            @if let Some(managers) = managers(control) { p.note { (managers) } }
        }
    }
}

/// By what means the spec was last written. The API server keeps that, and not who it was.
fn managers(control: &KnownControl<'_>) -> Option<Markup> {
    let writers = control.control.metadata.managed_fields.as_ref()?;
    let newest = writers
        .iter()
        .filter(|one| one.subresource.is_none())
        .max_by_key(|one| one.time.as_ref().map(|at| at.0))?;
    let (manager, at) = (newest.manager.as_deref()?, newest.time.as_ref()?);
    Some(html! {
        "The API server says that the object was last written by means of " (mono(manager)) ", "
        (crate::html::text::time(at.0)) "; by whom, only its audit log says. It has "
        (count(writers.len(), "writer", "writers")) " in all."
    })
}
