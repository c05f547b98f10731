//! The report as one page that stands alone: no script, nothing fetched, made to be read on a
//! screen, on a phone and on paper.
//!
//! All text from outside passes through [`text`], which escapes it and writes out what is hidden.

mod attestations;
mod control;
mod criteria;
mod deviations;
mod exceptions;
mod gaps;
mod glossary;
mod identity;
mod page;
mod population;
mod provenance;
mod registers;
mod scope;
mod spec;
mod summary;
mod system;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod timeline;
mod warnings;
pub(crate) mod words;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::io;

use jiff::{SignedDuration, Timestamp};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::{
    page::Page,
    text::{clipped, date, outside, plain_time},
};
use super::{
    format::{PeriodFormat, Render},
    model::{PeriodReport, ReportPeriod, Span},
};

/// Nothing may be fetched, run or sent; only the page's own styles apply.
pub(crate) const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

pub(crate) const STYLE: &str = include_str!("style.css");

/// One page for a browser and for paper.
pub(super) const FORMAT: PeriodFormat =
    PeriodFormat::new("html", "One page for a browser and for paper", Render::File(write));

/// Writes the page; the same report is the same bytes.
pub fn write(report: &PeriodReport, out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(markup(&Page::new(report)).into_string().as_bytes())
}

fn markup(page: &Page<'_>) -> Markup {
    let report = page.report;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="generator" content={ "Comptroller " (clipped(&report.provenance.version)) };
                title { (clipped(&report.period.name)) ": " (kind(&report.period.span)) " report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#summary" { "Skip to the summary" }
                (timeline::patterns())
                header { (heading(&report.period)) }
                (contents(page))
                main {
                    (summary::section(page))
                    @if system::is_described(page) { (system::section(page)) }
                    (criteria::section(page))
                    (scope::out_of_scope(page))
                    (scope::suspensions(page))
                    (exceptions::section(page))
                    @if !report.registers.is_empty() { (registers::section(page)) }
                    @if has_gaps(page) { (gaps::gaps(page)) }
                    (gaps::times(page))
                    (identity::section(page))
                    @if !report.period_changes.is_empty() { (identity::periods(page)) }
                    (provenance::section(page))
                    (glossary::section(page))
                }
                footer { (footer(report)) }
            }
        }
    }
}

fn kind(span: &Span) -> &'static str {
    match span {
        Span::TypeI { .. } => "Type I",
        Span::TypeII { .. } => "Type II",
    }
}

fn heading(period: &ReportPeriod) -> Markup {
    let categories: Vec<&str> = period.categories.iter().map(|one| one.as_str()).collect();
    html! {
        p.eyebrow { "Control status report · " (kind(&period.span)) }
        h1 { (outside(&period.name)) }
        p.span { (span(&period.span)) }
        p.scope { "Categories in scope: " (categories.join(", ")) }
    }
}

fn span(span: &Span) -> Markup {
    match span {
        Span::TypeI { as_of } => html! { "As of " (date(*as_of)) ", " (plain_time(*as_of)) " UTC" },
        Span::TypeII { from, to } => html! {
            (date(*from)) " to " (date(last_moment(*to)))
            span.sub.note {
                "From " (plain_time(*from)) " up to, but not including, " (plain_time(*to)) ". All times are in UTC."
            }
        },
    }
}

/// The end of a period is the first moment after it: the day before, if it is a midnight.
fn last_moment(end: Timestamp) -> Timestamp {
    end.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(end)
}

/// A time without observation is one of a period; a report as of a date has one only where nobody
/// looked then.
fn has_gaps(page: &Page<'_>) -> bool {
    !page.is_type_one() || !page.report.gaps.is_empty()
}

fn contents(page: &Page<'_>) -> Markup {
    let parts = [
        ("summary", "Summary"),
        ("system", "The system"),
        ("criteria", "By criterion"),
        ("scope", "Out of scope"),
        ("suspensions", "Suspensions"),
        ("exceptions", "Exceptions"),
        ("registers", "Registers"),
        ("gaps", "Gaps"),
        ("time", "Time"),
        ("identity", "Identity"),
        ("periods", "Audit periods"),
        ("provenance", "Provenance and verification"),
        ("words", "Words"),
    ];
    html! {
        nav aria-label="Contents" {
            ol {
                @for (id, title) in parts {
                    @let is_there = match id {
                        "registers" => !page.report.registers.is_empty(),
                        "gaps" => has_gaps(page),
                        "periods" => !page.report.period_changes.is_empty(),
                        "system" => system::is_described(page),
                        _ => true,
                    };
                    @if is_there {
                        li { a href={ "#" (id) } { (title) } }
                    }
                }
            }
        }
    }
}

fn footer(report: &PeriodReport) -> Markup {
    html! {
        p.note {
            "Made by Comptroller " (outside(&report.provenance.version)) " at "
            (text::time(report.provenance.run_at)) " UTC by " (outside(&report.provenance.run_by))
            ". It states what the evidence log records and gives no opinion."
        }
    }
}
