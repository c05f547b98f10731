//! What people did: each occurrence of a human control, with every record that names it in full.

use maud::{Markup, html};

use super::{
    control::MAX_ROWS,
    page::Page,
    table::HtmlTable,
    text::{count, list, mono, outside, time},
    timeline::TimelineStyle,
    words::{flag, state},
};
use crate::period::model::{AttestationReport, OccurrenceReport};
use comptroller_evidence::data::OccurrencePhase;

/// The most records of one occurrence that are shown.
const MAX_RECORDS: usize = 10;

/// The most artifacts of one record that are shown.
const MAX_ARTIFACTS: usize = 10;

pub fn table(page: &Page<'_>, occurrences: &[OccurrenceReport]) -> Markup {
    let table = HtmlTable {
        caption: if page.is_type_one() {
            "Occurrences as of the date, and what was attested"
        } else {
            "Occurrences, and what was attested"
        },
        heads: &["Occurrence", "Outcome", "Times (UTC)", "Who", "What was recorded", "Entry"],
        wide: true,
        total: occurrences.len(),
    };
    table.with(occurrences.iter().take(MAX_ROWS).map(|one| {
        html! {
            (occurrence(one))
            @for record in one.records.iter().take(MAX_RECORDS) { (attestation(record)) }
            @if one.records.len() > MAX_RECORDS {
                tr.more { td colspan="6" { (super::table::more(one.records.len() - MAX_RECORDS)) } }
            }
        }
    }))
}

fn occurrence(one: &OccurrenceReport) -> Markup {
    // Logs of older versions have no records; what they have of them stands with the occurrence.
    let bare = one.records.is_empty();
    html! {
        tr {
            th scope="row" {
                (outside(&one.period))
                @if let Some(event) = &one.event { br; (outside(&event.describe())) }
            }
            td { (phase(one.phase)) }
            td.time {
                "opened " (time(one.opens)) br; "due " (time(one.due))
                span.sub { "grace until " (time(one.grace_until)) }
                @if let (true, Some(performed)) = (bare, one.performed_at) { span.sub { "performed " (time(performed)) } }
            }
            td { @if bare && !one.attested_by.is_empty() { span.mono { (list(&one.attested_by)) } } }
            td {
                @if let Some(exception) = &one.waived_by {
                    "Waived by the exception " a href="#exceptions" { (outside(exception)) } ". "
                }
                @if bare {
                    @if one.attested_by.is_empty() { "Nothing was recorded." }
                    @if !one.artifacts.is_empty() { span.mono { (list(&one.artifacts)) } }
                } @else { (count(one.records.len(), "record:", "records:")) }
            }
            td { (one.entry) }
        }
    }
}

fn attestation(one: &AttestationReport) -> Markup {
    html! {
        tr.record {
            td { span.sub { (outside(&one.name)) } }
            td {
                (outcome(&one.outcome))
                @if !one.counts { " " (flag("does not count")) }
                @if one.late { " " (flag("recorded late")) }
                @if one.backdated { " " (flag("backdated")) }
                @if one.author_bound == Some(false) {
                    " " (flag("author not bound"))
                    @if let Some(entry) = one.unbound_entry { span.sub { "as entry " (entry) " shows" } }
                }
            }
            td.time {
                "performed " (time(one.performed_at)) br;
                "recorded " (time(one.recorded_at)) br;
                @if let Some(seen) = one.seen_at { "seen " (time(seen)) } @else { "seen: not recorded" }
            }
            td {
                (mono(&one.attested_by))
                @if one.on_behalf {
                    span.sub {
                        "written on their behalf by "
                        @if let Some(by) = &one.recorded_by { (mono(by)) } @else { "somebody the log does not name" }
                    }
                }
                @else if let Some(by) = one.recorded_by.as_ref().filter(|by| **by != one.attested_by) {
                    span.sub { "written by " (mono(by)) }
                }
                @if one.author_bound.is_none() { span.sub { "whether the author was bound is not recorded" } }
                @if one.participants > 0 { span.sub { (one.participants) " took part" } }
            }
            td {
                @if one.summary.is_empty() { "no summary" } @else { (outside(&one.summary)) }
                @if !one.counts && !one.note.is_empty() { span.sub { (outside(&one.note)) } }
                @if let Some(version) = &one.version { span.sub { "version " (outside(version)) } }
                @for artifact in one.artifacts.iter().take(MAX_ARTIFACTS) {
                    span.sub { (mono(&artifact.uri)) br; (mono(&artifact.digest)) }
                }
                @if one.artifacts.len() > MAX_ARTIFACTS {
                    span.sub { "and " (one.artifacts.len() - MAX_ARTIFACTS) " more artifacts" }
                }
                span.sub { "record " (mono(&one.spec_digest)) }
            }
            td { (one.entry) }
        }
    }
}

/// How the procedure ended, as the record says.
fn outcome(outcome: &str) -> Markup {
    match outcome {
        "Completed" => html! { "completed, nothing found" },
        "CompletedWithFindings" => html! { "completed, with findings" },
        other => outside(other),
    }
}

/// What a phase is called.
pub fn phase_label(phase: OccurrencePhase) -> &'static str {
    match phase {
        OccurrencePhase::Completed => "Completed",
        OccurrencePhase::CompletedLate => "Completed late",
        OccurrencePhase::Missed => "Missed",
        OccurrencePhase::Waived => "Waived",
        OccurrencePhase::Open => "Open",
        OccurrencePhase::Scheduled => "Scheduled",
    }
}

fn phase(phase: OccurrencePhase) -> Markup {
    let style = match phase {
        OccurrencePhase::Completed => TimelineStyle::Passing,
        OccurrencePhase::CompletedLate | OccurrencePhase::Waived => TimelineStyle::Excepted,
        OccurrencePhase::Missed => TimelineStyle::Failed,
        OccurrencePhase::Open => TimelineStyle::Unknown,
        OccurrencePhase::Scheduled => TimelineStyle::None,
    };
    state(style, phase_label(phase))
}
