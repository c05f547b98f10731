//! The first page: what needs attention, then how things stand, how fresh that is, and what proves it.

use std::cmp::Reverse;

use comptroller_core::api::{
    AuditPeriod, ControlException, ExceptionPhase, Severity, Standing, State,
};
use jiff::SignedDuration;
use maud::{Markup, html};

use super::{Missing, PageKind, Request, log, parts};
use crate::{
    html::{
        layout::{Content, cluster_name},
        link,
        state::{Tone, badge, period_phase, state, state_word},
        table::{amount, short, table, text},
        text::{count, maybe_when, number, outside},
    },
    site::{
        controls::KnownControl,
        obligations,
        sources::{self, NamedSource, SourceState},
    },
};

pub const PAGE: PageKind = PageKind { path: "", menu: Some("Overview"), make };

/// How many rows a list of what needs attention has; the rest is a link away.
const MOST: usize = 12;

/// How soon an exception ends that needs attention.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

fn make(request: &Request<'_>, _: &[&str]) -> Result<Content, Missing> {
    let site = request.site;
    let body = html! {
        p.lead { (summary(request)) }
        (attention(request))
        section aria-labelledby="counts" {
            h2 id="counts" { "How the controls stand" }
            @if request.controls.all.is_empty() {
                (parts::nothing(request, &site.controls, &no_controls()))
            } @else { (counts(request)) }
        }
        section aria-labelledby="evidence" {
            h2 id="evidence" { "Evidence" }
            (log::in_short(site))
            p { a href="/ui/log" { "The evidence log in full" } }
        }
        section aria-labelledby="periods" {
            h2 id="periods" { "Audit periods" }
            (periods(request))
        }
        section aria-labelledby="freshness" {
            h2 id="freshness" { "How fresh this is" }
            (freshness(request))
        }
    };
    let above = html! { p.eyebrow { "Controls of " bdi { (crate::html::text::clipped(&cluster_name(site))) } } };
    Ok(Content { title: "Overview".to_owned(), above, body })
}

fn no_controls() -> Markup {
    html! {
        "There are no controls yet. " code { "comptroller pack | kubectl apply --server-side -f -" }
        " adds the built-in ones."
    }
}

/// The whole in one or two sentences. Nothing unknown is left out of it.
fn summary(request: &Request<'_>) -> Markup {
    let of = |state| request.controls.count(state);
    let total = request.controls.all.len();
    let (failing, unknown) = (of(State::Failing), of(State::Unknown));
    html! {
        @if total == 0 { "No control is known, so nothing can be said." }
        @else {
            @if failing == 0 && unknown == 0 {
                "No control fails and none is unknown, of " (count(total, "control", "controls")) "."
            } @else {
                "Of " (count(total, "control", "controls")) ", "
                strong { (number(failing)) @if failing == 1 { " fails" } @else { " fail" } }
                " and "
                strong { (number(unknown)) @if unknown == 1 { " is unknown" } @else { " are unknown" } }
                "."
            }
            @if request.site.log.is_none() {
                " No evidence log was read, so nothing on these pages is proved by one."
            }
        }
    }
}

fn attention(request: &Request<'_>) -> Markup {
    let now = request.site.now;
    let in_state = |state| -> Vec<&KnownControl<'_>> {
        request.controls.all.iter().filter(|one| one.state() == state).collect()
    };
    let (failing, unknown) = (in_state(State::Failing), in_state(State::Unknown));
    let overdue: Vec<_> = obligations::waiting(&request.controls, now)
        .into_iter()
        .filter(|one| one.is_overdue)
        .collect();
    let ending = ending(request);
    let is_calm =
        failing.is_empty() && unknown.is_empty() && overdue.is_empty() && ending.is_empty();
    html! {
        section aria-labelledby="attention" {
            h2 id="attention" { "Needs attention" }
            @if is_calm {
                p.empty { (calm(request)) }
            }
            (controls(request, "Failing", &failing, State::Failing))
            (controls(request, "Unknown", &unknown, State::Unknown))
            @if !overdue.is_empty() {
                h3 { "Overdue" }
                (parts::obligations("What people owe, the longest overdue first", overdue.get(..MOST).unwrap_or(&overdue), now))
                @if overdue.len() > MOST { p { a href="/ui/obligations" { "All " (number(overdue.len())) " that are overdue" } } }
            }
            @if !ending.is_empty() {
                h3 { "Exceptions to decide on or that end soon" }
                (parts::exceptions(request, "Waiting for approval, or ending within 14 days", ending.get(..MOST).unwrap_or(&ending)))
                @if ending.len() > MOST { p { a href="/ui/exceptions" { "All exceptions" } } }
            }
        }
    }
}

/// What is said when nothing needs attention: only what is known can be calm.
fn calm(request: &Request<'_>) -> &'static str {
    let is_known = |state: SourceState<'_>| state == SourceState::Fresh;
    let site = request.site;
    if request.controls.all.is_empty() {
        "Nothing is known of any control."
    } else if sources::all(site).iter().all(|source| is_known(source.state)) {
        "Nothing at the moment: no control fails or is unknown, nothing is overdue, and no exception ends soon."
    } else {
        "Nothing in what could be read. Not everything could be: see the notices above."
    }
}

fn controls(
    request: &Request<'_>,
    heading: &str,
    found: &[&KnownControl<'_>],
    state: State,
) -> Markup {
    let now = request.site.now;
    html! {
        @if !found.is_empty() {
            h3 { (heading) }
            @let rows = found.iter().take(MOST).map(|one| {
                vec![
                    html! { (parts::control_title(one)) },
                    parts::standing(one, now),
                    crate::html::state::severity(one.severity()),
                    why(one),
                    outside(&one.control.spec.owner),
                ]
            });
            (table(
                &format!("{} controls, the most severe first", state_word(state)),
                &[text("Control"), short("State"), short("Severity"), text("Why"), text("Owner")],
                rows.collect(),
            ))
            @if found.len() > MOST {
                p { a href={ "/ui/controls?state=" (state) } { "All " (number(found.len())) } }
            }
        }
    }
}

/// The worst finding, or what could not be judged, or why the status can't be believed.
fn why(control: &KnownControl<'_>) -> Markup {
    if !matches!(control.standing, Standing::Known(_)) {
        return outside(control.reason());
    }
    let status = control.status();
    let finding = match control.state() {
        State::Failing => status.and_then(|status| status.findings.first()),
        _ => status.and_then(|status| status.unknown_items.first()),
    };
    let compliant = status.and_then(|status| {
        status.conditions.iter().find(|one| one.type_ == "Compliant" || one.type_ == "Ready")
    });
    html! {
        @match (finding, compliant) {
            (Some(finding), _) => (outside(&finding.message)),
            (None, Some(condition)) if !condition.message.is_empty() => (outside(&condition.message)),
            _ => (outside(control.reason())),
        }
    }
}

/// The exceptions that wait for approval, or end soon, the first to end first.
fn ending<'s>(request: &Request<'s>) -> Vec<&'s ControlException> {
    let site = request.site;
    let is_near = |one: &&ControlException| {
        let left = one.spec.expires.0.duration_since(site.now);
        match one.status.as_ref().map(|status| status.phase) {
            Some(ExceptionPhase::Pending) => true,
            Some(ExceptionPhase::Active | ExceptionPhase::Unused) => {
                left <= SOON && !left.is_negative()
            }
            Some(ExceptionPhase::Expired | ExceptionPhase::Rejected) => false,
            None => left <= SOON,
        }
    };
    let mut ending: Vec<&ControlException> =
        site.exceptions.items.iter().map(|one| &**one).filter(is_near).collect();
    ending.sort_by_key(|one| (one.spec.expires.0, one.metadata.name.as_deref()));
    ending
}

fn counts(request: &Request<'_>) -> Markup {
    let states =
        [State::Failing, State::Unknown, State::Excepted, State::Passing, State::NotApplicable];
    let severities: Vec<Severity> = Severity::ALL.iter().rev().copied().collect();
    let mut columns = vec![text("State"), amount("All")];
    columns.extend(severities.iter().map(|severity| amount(severity.as_str())));
    let rows = states.map(|shown| {
        let of = |severity: Option<Severity>| {
            let is_it = |one: &&KnownControl<'_>| {
                one.state() == shown && severity.is_none_or(|wanted| one.severity() == wanted)
            };
            request.controls.all.iter().filter(is_it).count()
        };
        let cell = |severity: Option<Severity>| {
            let amount = of(severity);
            let link = match severity {
                Some(severity) => format!("/ui/controls?state={shown}&severity={severity}"),
                None => format!("/ui/controls?state={shown}"),
            };
            html! { @if amount == 0 { span.zero { "0" } } @else { a href=(link) { (number(amount)) } } }
        };
        let mut row = vec![html! { (state(shown)) }, cell(None)];
        row.extend(severities.iter().map(|severity| cell(Some(*severity))));
        row
    });
    html! {
        (table("Controls by state and severity", &columns, rows.into()))
        p { a href="/ui/controls" { "All controls by criterion" } }
    }
}

fn periods(request: &Request<'_>) -> Markup {
    let source = &request.site.periods;
    let mut all: Vec<&AuditPeriod> = source.items.iter().map(|one| &**one).collect();
    all.sort_by_key(|one| (Reverse(super::periods::end(one)), one.metadata.name.as_deref()));
    html! {
        @if all.is_empty() {
            (parts::nothing(request, source, &html! { "There are none. An AuditPeriod sums up what the log says of a time." }))
        } @else {
            ul.plain {
                @for period in all.iter().take(3) {
                    @let name = period.metadata.name.as_deref().unwrap_or_default();
                    @let status = period.status.as_ref();
                    li {
                        (link::named(&["periods"], name)) " "
                        (period_phase(status.map(|status| status.phase).unwrap_or_default()))
                        @if let Some(coverage) = status.and_then(|status| status.coverage.as_deref())
                            .filter(|coverage| coverage.ends_with('%'))
                        {
                            " evidence for " (outside(coverage)) " of the time"
                        }
                    }
                }
            }
            @if all.len() > 3 { p { a href="/ui/periods" { "All " (number(all.len())) " periods" } } }
        }
    }
}

fn freshness(request: &Request<'_>) -> Markup {
    let mut all = sources::all(request.site);
    // What is in doubt stands first, and what judging rests on without a doubt is a click away: a
    // cluster has a hundred kinds that are fine.
    all.sort_by_key(|source| source.state == SourceState::Fresh);
    let (told, fine): (Vec<NamedSource<'_>>, Vec<NamedSource<'_>>) = all
        .into_iter()
        .partition(|source| source.state != SourceState::Fresh || source.count.is_some());
    html! {
        (sources_table(request, "What the pages rest on, and when it was last heard from", &told))
        @if !fine.is_empty() {
            details {
                summary { (count(fine.len(), "kind", "kinds")) " that controls are judged by, all up to date" }
                (sources_table(request, "Kinds that controls are judged by", &fine))
            }
        }
    }
}

fn sources_table(request: &Request<'_>, caption: &str, sources: &[NamedSource<'_>]) -> Markup {
    let rows = sources.iter().map(|source| {
        vec![
            outside(&source.name),
            match source.state {
                SourceState::Fresh => badge(Tone::Good, "Up to date"),
                SourceState::Stale(Some(_)) => badge(Tone::Warn, "Out of date"),
                SourceState::Stale(None) => badge(Tone::Unknown, "Not read yet"),
                SourceState::Unreadable(_) => badge(Tone::Bad, "Can't be read"),
            },
            maybe_when(source.heard, request.site.now, "never"),
            html! {
                @match (source.state, source.count) {
                    (SourceState::Unreadable(why), _) => (outside(why)),
                    (SourceState::Fresh | SourceState::Stale(Some(_)), Some(amount)) => (count(amount, "object", "objects")),
                    _ => "–",
                }
            },
        ]
    });
    let columns = [text("Source"), short("State"), short("Last heard from"), text("Detail")];
    table(caption, &columns, rows.collect())
}
