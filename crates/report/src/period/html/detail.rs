//! Each control by itself: what it is, its states, its population, every deviation, what people
//! did, and how its spec changed.

use maud::{Markup, html};
use serde_json::Value;

use super::{
    controls::{conclusion, state},
    scale,
    table::HtmlTable,
    text::{clipped, length, list, mono, outside, resource, time},
    timeline::{self, TimelineStyle},
};
use crate::period::model::{
    Accepted, ControlReport, Deviation, Ending, Interval, OccurrenceReport, PeriodReport,
    ReportedPopulation, SpecChange,
};
use comptroller_evidence::data::{FieldChange, OccurrencePhase};

/// The most rows of a table of a control.
const MAX_ROWS: usize = 200;

/// The most deviations of all controls together: a page beyond it no longer opens everywhere.
const MAX_DEVIATIONS: usize = 4_000;

/// The fewest deviations that a control shows, however many controls deviated.
const MIN_DEVIATIONS: usize = 20;

/// The most fields of one change that are shown.
const MAX_FIELDS: usize = 20;

pub fn section(report: &PeriodReport) -> Markup {
    let deviated = report.controls.iter().filter(|one| !one.deviations.is_empty()).count();
    // Shared among the controls that deviated, so that one that flaps does not hide the others.
    let share = (MAX_DEVIATIONS / deviated.max(1)).clamp(MIN_DEVIATIONS, MAX_ROWS);
    html! {
        @if !report.controls.is_empty() {
            section aria-labelledby="controls" {
                h2 id="controls" { "Each control" }
                @for (position, control) in report.controls.iter().enumerate() {
                    (article(report, position, control, share))
                }
            }
        }
    }
}

fn article(
    report: &PeriodReport,
    position: usize,
    control: &ControlReport,
    share: usize,
) -> Markup {
    html! {
        article.control aria-labelledby={ "control-" (position) } {
            div.title {
                h3 id={ "control-" (position) } { (outside(&control.title)) }
                (conclusion(control.conclusion))
            }
            @if let Some(objective) = &control.objective {
                p.objective { (outside(objective)) }
            }
            (facts(control))
            @if !control.accepted.is_empty() { (accepted(&control.accepted)) }
            @if let Some(scale) = scale(report) {
                figure {
                    div.scroll tabindex="0" role="region" aria-label="States over the period" {
                        (timeline::figure(&control.name, position, &control.intervals, scale))
                    }
                    figcaption { (timeline::shares(&control.intervals)) }
                }
            }
            @if control.intervals.len() > 1 { (states(&control.intervals)) }
            (populations(control))
            @if !control.occurrences.is_empty() { (occurrences(&control.occurrences)) }
            (deviations(&control.deviations, share))
            @if !control.changes.is_empty() { (changes(&control.changes)) }
        }
    }
}

fn facts(control: &ControlReport) -> Markup {
    html! {
        dl.facts {
            div { dt { "Name" } dd { (mono(&control.name)) } }
            div { dt { "Criteria" } dd { (list(&control.criteria)) } }
            div { dt { "Owner" } dd { (outside(&control.owner)) } }
            div { dt { "Severity" } dd { (control.severity) } }
            div { dt { "Test" } dd { (outside(&control.test)) } }
            div { dt { "Time with evidence" } dd { (control.coverage.text()) } }
            div.all { dt { "Digest of the spec at the end" } dd { (mono(&control.spec_digest)) } }
        }
    }
}

fn accepted(accepted: &[Accepted]) -> Markup {
    let table = HtmlTable {
        caption: "Accepted or left out, by the spec at the end",
        heads: &["What", "Why"],
        wide: false,
        total: accepted.len(),
    };
    table.with(accepted.iter().take(MAX_ROWS).map(|one| {
        let reason = one.reason.as_deref().unwrap_or("the spec does not say");
        html! {
            tr {
                th scope="row" { (outside(&one.what)) }
                td { (outside(reason)) }
            }
        }
    }))
}

fn states(intervals: &[Interval]) -> Markup {
    let table = HtmlTable {
        caption: "States",
        heads: &["State", "From (UTC)", "To (UTC)", "Length", "Reason"],
        wide: false,
        total: intervals.len(),
    };
    table.with(intervals.iter().take(MAX_ROWS).map(|one| {
        let style = TimelineStyle::of_state(one.state);
        html! {
            tr {
                th scope="row" { (state(style, style.label())) }
                td.time { (time(one.from)) }
                td.time { (time(one.to)) }
                td.time { (length(one.length())) }
                td { (outside(&one.reason)) }
            }
        }
    }))
}

fn populations(control: &ControlReport) -> Markup {
    let populations: Vec<(&str, &ReportedPopulation)> =
        [("At the start", &control.population_start), ("At the end", &control.population_end)]
            .into_iter()
            .filter_map(|(when, one)| Some((when, one.as_ref()?)))
            .collect();
    let table = HtmlTable {
        caption: "Population",
        heads: &["When", "Time (UTC)", "Items", "List of the items, by its digest", "Entry"],
        wide: false,
        total: populations.len(),
    };
    html! {
        @if !populations.is_empty() {
            (table.with(populations.iter().map(|(when, one)| html! {
                tr {
                    th scope="row" { (when) }
                    td.time { (time(one.at)) }
                    td { (one.count) }
                    td {
                        @if let Some(list) = &one.list {
                            (mono(&list.digest))
                            @if list.count != one.count { span.sub { (list.count) " items" } }
                        } @else { "none stored" }
                    }
                    td { (one.entry) }
                }
            })))
        }
    }
}

/// Those to show: all, or the worst if there are too many, by time.
fn shown(deviations: &[Deviation], most: usize) -> Vec<&Deviation> {
    let mut shown: Vec<&Deviation> = deviations.iter().collect();
    if shown.len() > most {
        shown.sort_by_key(|one| (!one.is_open(), std::cmp::Reverse(one.severity), one.from));
        shown.truncate(most);
        // Chosen by weight, shown by time like every other table.
        shown.sort_by_key(|one| one.from);
    }
    shown
}

fn deviations(deviations: &[Deviation], most: usize) -> Markup {
    let shown = shown(deviations, most);
    let table = HtmlTable {
        caption: if shown.len() < deviations.len() {
            "Deviations: those still open and the most severe"
        } else {
            "Deviations"
        },
        heads: &["Found", "Where", "Since (UTC)", "Until (UTC)", "How it ended", "Entries"],
        wide: true,
        total: deviations.len(),
    };
    html! {
        @if deviations.is_empty() {
            h4 { "Deviations" }
            p.note { "None was recorded." }
        } @else {
            (table.with(shown.into_iter().map(deviation)))
        }
    }
}

fn deviation(one: &Deviation) -> Markup {
    html! {
        tr {
            th scope="row" {
                (outside(&one.message))
                span.sub { (outside(&one.rule)) " · " (one.severity) }
            }
            td {
                (resource(&one.item.resource))
                @if let Some(subject) = &one.subject { span.sub { (outside(subject)) } }
            }
            td.time { (time(one.from)) }
            td.time { @if let Some(until) = one.to { (time(until)) } @else { "–" } }
            td { (ending(one)) }
            td {
                (one.opened_entry)
                @if let Some(closed) = one.closed_entry { ", " (closed) }
            }
        }
    }
}

fn ending(one: &Deviation) -> Markup {
    let lasted = one.to.map(|until| length(until.duration_since(one.from)));
    html! {
        @match one.ending {
            Ending::Open => (state(TimelineStyle::Failed, "Still open")),
            other => (other.words()),
        }
        @if let Some(exception) = &one.exception { " by " (outside(exception)) }
        @if let Some(lasted) = lasted { span.sub { "after " (lasted) } }
    }
}

fn occurrences(occurrences: &[OccurrenceReport]) -> Markup {
    let table = HtmlTable {
        caption: "Occurrences",
        heads: &[
            "Period",
            "Outcome",
            "Opened (UTC)",
            "Due (UTC)",
            "Performed (UTC)",
            "Attested by",
            "Artifacts",
            "Entry",
        ],
        wide: true,
        total: occurrences.len(),
    };
    table.with(occurrences.iter().take(MAX_ROWS).map(|one| {
        html! {
            tr {
                th scope="row" { (outside(&one.period)) }
                td { (phase(one.phase)) }
                td.time { (time(one.opens)) }
                td.time { (time(one.due)) span.sub { "grace until " (time(one.grace_until)) } }
                td.time { @if let Some(at) = one.performed_at { (time(at)) } @else { "–" } }
                td { span.mono { (list(&one.attested_by)) } }
                td { span.mono { (list(&one.artifacts)) } }
                td { (one.entry) }
            }
        }
    }))
}

fn phase(phase: OccurrencePhase) -> Markup {
    match phase {
        OccurrencePhase::Completed => state(TimelineStyle::Held, "Completed"),
        OccurrencePhase::CompletedLate => state(TimelineStyle::Excepted, "Completed late"),
        OccurrencePhase::Missed => state(TimelineStyle::Failed, "Missed"),
        OccurrencePhase::Waived => state(TimelineStyle::Excepted, "Waived"),
        OccurrencePhase::Open => state(TimelineStyle::Unknown, "Open"),
        OccurrencePhase::Scheduled => state(TimelineStyle::None, "Scheduled"),
    }
}

fn changes(changes: &[SpecChange]) -> Markup {
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
                td { (outside(&one.change)) }
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
