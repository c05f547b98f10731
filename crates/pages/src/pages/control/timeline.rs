//! What the log recorded of a control, the newest first: states, gaps, and who changed the rule.

use comptroller_core::api::OccurrencePhase;
use comptroller_evidence::data::{ChangeKind, FieldChange};
use maud::{Markup, html};

use super::drawing;
use crate::{
    html::{
        pager::Paged,
        state::{Tone, badge, occurrence_phase, state},
        table::{amount, short, table, text},
        text::{clipped, length, mono, number, outside, time, when},
    },
    model::{ControlHistory, LogView, TimelineEvent, TimelineFact},
    pages::{Request, parts},
    site::controls::KnownControl,
};

/// The most fields of one change that are shown.
const MAX_FIELDS: usize = 12;

pub fn section(request: &Request<'_>, control: &KnownControl<'_>) -> Markup {
    html! {
        section aria-labelledby="timeline" {
            h2 id="timeline" { "What was recorded" }
            @match &request.site.log {
                None => p.empty {
                    strong { "No log was read." }
                    " What follows from the status alone is how the control stands now, not how it stood before."
                },
                Some(log) => (body(request, log, control)),
            }
        }
    }
}

fn body(request: &Request<'_>, log: &LogView, control: &KnownControl<'_>) -> Markup {
    let none = ControlHistory::default();
    let history = log.controls.get(control.name).unwrap_or(&none);
    if history.events.is_empty() {
        return html! {
            p.empty {
                "The log has no entry about this control"
                @if log.controls_from > 0 { " in what was read of it, which begins with entry " (number(log.controls_from)) }
                ". Nothing is proved of it."
            }
        };
    }
    let events = merged(log, history);
    let newest_first: Vec<&TimelineEvent> = events.iter().rev().collect();
    let paged = Paged::new(&newest_first, request.query.page("events"));
    let rows = paged.rows.iter().map(|event| row(request, event)).collect();
    html! {
        (drawing::drawing(&events, request.site.now))
        (table(
            "Entries about the control, the newest first",
            &[short("When"), short("What"), text("Detail"), amount("Entry")],
            rows,
        ))
        (paged.links("entries", request.pager(&["page"], "events", "timeline")))
        @if history.earlier > 0 {
            p.note {
                (number(history.earlier)) " earlier entries are not shown; "
                code { "comptroller evidence export" } " and the reports have all of them."
            }
        }
        @if let Some(last) = history.last_at {
            p.note { "The newest verdict or heartbeat was written at " (time(last)) "." }
        }
    }
}

/// The events with the gaps of the whole cluster since the first of them, by time.
fn merged(log: &LogView, history: &ControlHistory) -> Vec<TimelineEvent> {
    let first = history.events.front().map(|event| event.at);
    let mut events: Vec<TimelineEvent> = history.events.iter().cloned().collect();
    let everywhere = log.gaps.iter().filter(|gap| first.is_some_and(|first| gap.to > first));
    events.extend(everywhere.map(|gap| TimelineEvent {
        at: gap.from,
        entry: gap.entry,
        fact: TimelineFact::Gap { to: gap.to, cause: gap.cause, reason: gap.reason.clone() },
    }));
    events.sort_by_key(|event| (event.at, event.entry));
    events
}

fn row(request: &Request<'_>, event: &TimelineEvent) -> Vec<Markup> {
    let (what, detail) = told(request, event);
    vec![when(event.at, request.site.now), what, detail, html! { (number(event.entry)) }]
}

fn told(request: &Request<'_>, event: &TimelineEvent) -> (Markup, Markup) {
    match &event.fact {
        TimelineFact::State {
            state: came_to,
            reason,
            message,
            population,
            failing,
            excepted,
            unknown,
        } => (
            state(*came_to),
            html! {
                (outside(if message.is_empty() { reason } else { message }))
                span.sub {
                    (number(population)) " judged, " (number(failing)) " failing, " (number(excepted))
                    " excepted, " (number(unknown)) " unknown"
                }
            },
        ),
        TimelineFact::Gap { to, cause, reason } => (
            badge(Tone::Unknown, "Not observed"),
            html! {
                "For " (length(to.duration_since(event.at))) ", until " (time(*to)) ": "
                (outside(reason))
                @if let Some(cause) = cause { span.sub { (cause.meaning()) } }
            },
        ),
        TimelineFact::Rule { change, fields, by } => {
            (rule_badge(*change), rule(fields, by.as_deref()))
        }
        TimelineFact::Exception { name, change, phase } => (
            badge(Tone::Accepted, "Exception"),
            html! {
                (parts::exception_link(request, name)) " "
                @match (change, phase) {
                    (ChangeKind::Created, _) => "was asked for",
                    (ChangeKind::Deleted, _) => "was deleted",
                    (ChangeKind::Updated, _) => "was changed",
                    (ChangeKind::Phase, _) => "went on",
                }
                @if let Some(phase) = phase { ", now " (outside(phase)) }
            },
        ),
        TimelineFact::Occurrence { period, phase, record, message } => (
            occurrence_phase(*phase, false),
            html! {
                (mono(period)) " " (occurrence_words(*phase))
                @if let Some(record) = record { ", by " (parts::attestation_link(request, record)) }
                @if !message.is_empty() { span.sub { (outside(message)) } }
            },
        ),
        TimelineFact::Response { name } => (
            badge(Tone::Neutral, "Response"),
            html! { "Management responded: " (parts::response_link(request, name)) },
        ),
        TimelineFact::Unread => (
            badge(Tone::Unknown, "Not read"),
            html! { "The data of the entry lies beside the log and was not read." },
        ),
    }
}

fn rule_badge(change: ChangeKind) -> Markup {
    badge(
        Tone::Neutral,
        match change {
            ChangeKind::Created => "Rule declared",
            ChangeKind::Updated => "Rule changed",
            ChangeKind::Deleted => "Control deleted",
            ChangeKind::Phase => "Phase changed",
        },
    )
}

fn rule(fields: &[FieldChange], by: Option<&str>) -> Markup {
    let value = |value: &serde_json::Value| clipped(&value.to_string());
    html! {
        @for field in fields.iter().take(MAX_FIELDS) {
            div.change {
                (mono(&field.path))
                @if let Some(from) = &field.from { del { span.hint { "from " } bdi { (value(from)) } } }
                @if let Some(to) = &field.to { ins { span.hint { "to " } bdi { (value(to)) } } }
            }
        }
        @if fields.len() > MAX_FIELDS { span.sub { "and " (fields.len() - MAX_FIELDS) " more fields" } }
        span.sub {
            @match by {
                Some(by) => { "by " (outside(by)) }
                None => { "by whom is not recorded: only the API server's audit log says" }
            }
        }
    }
}

fn occurrence_words(phase: OccurrencePhase) -> &'static str {
    match phase {
        OccurrencePhase::Scheduled => "was scheduled",
        OccurrencePhase::Open => "is open",
        OccurrencePhase::Completed => "was completed",
        OccurrencePhase::CompletedLate => "was completed late",
        OccurrencePhase::Missed => "was missed",
        OccurrencePhase::Waived => "was waived",
    }
}
