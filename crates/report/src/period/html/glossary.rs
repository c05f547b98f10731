//! The words that this page uses, each once, and only those that it does use.

use maud::{Markup, html};

use super::{page::Page, timeline::TimelineStyle};
use crate::period::model::{BACKDATED_AFTER_DAYS, Ending, PeriodReport};
use comptroller_vocabulary::OccurrencePhase;

/// A word and what it means here.
type Term = (&'static str, &'static str);

pub fn section(page: &Page<'_>) -> Markup {
    let report = page.report;
    let mut terms = general(page);
    terms.extend(states(report));
    terms.extend(endings(report));
    terms.extend(phases(report));
    html! {
        section aria-labelledby="words" {
            h2.flow id="words" { "Words" }
            dl.words {
                @for (word, meaning) in &terms { div { dt { (word) } dd { (meaning) } } }
                @for (word, meaning) in &flags(report) { div { dt { (word) } dd { (meaning) } } }
                @if report.controls.iter().any(|one| !one.deviations.is_empty()) {
                    div { dt { "Isolated, recurring, systematic" } dd { (report.deviation_rule.text()) } }
                }
            }
        }
    }
}

fn general(page: &Page<'_>) -> Vec<Term> {
    let mut terms = vec![
        ("Control", "What shall be so, as its spec says, and how that is tested."),
        ("Population", "The items that a control judged."),
        ("Entry", "A line of the evidence log; its number is its index there."),
    ];
    if page.is_type_one() {
        terms.extend([
            ("Designed", "The spec in force as of the date asks for it."),
            ("Implemented", "As of the date, what the cluster had was as the spec asks."),
        ]);
    } else {
        terms.extend([
            ("Deviation", "A time in which an item was not as the spec of the control asked."),
            ("Observed", "The share of the period for which an entry vouches that somebody looked and could tell."),
        ]);
    }
    terms
}

/// What is flagged of records of people.
fn flags(report: &PeriodReport) -> Vec<(&'static str, String)> {
    let records = || {
        let controls = report.controls.iter();
        controls.flat_map(|one| &one.occurrences).flat_map(|one| &one.records)
    };
    let mut terms = Vec::new();
    if records().any(|one| one.backdated) {
        terms.push((
            "Backdated",
            format!(
                "Recorded more than {BACKDATED_AFTER_DAYS} days after it is said to have been performed, or said to have been performed before the occurrence opened."
            ),
        ));
    }
    let unbound = |bound: Option<bool>| bound == Some(false);
    let exceptions = report.exceptions.iter();
    let is_any_unbound = records().any(|one| unbound(one.author_bound))
        || exceptions.flat_map(|one| [one.author_bound, one.approver_bound]).any(unbound);
    if is_any_unbound {
        terms.push((
            "Author not bound",
            "The policies that bind a record to whoever writes it were not in force at the time: it may be by somebody else than it says.".to_owned(),
        ));
    }
    terms
}

/// The states that the drawings show.
fn states(report: &PeriodReport) -> Vec<Term> {
    let is_used = |style: &TimelineStyle| {
        let mut drawn = report.controls.iter().filter(|one| one.intervals.len() > 1);
        drawn.any(|one| one.intervals.iter().any(|at| TimelineStyle::of_state(at.state) == *style))
    };
    TimelineStyle::LEGEND
        .into_iter()
        .filter(is_used)
        .map(|one| (one.label(), one.meaning()))
        .collect()
}

/// How deviations ended.
fn endings(report: &PeriodReport) -> Vec<Term> {
    let mut deviations = report.controls.iter().flat_map(|one| &one.deviations);
    let used: Vec<Ending> = deviations.by_ref().map(|one| one.ending).collect();
    let endings = Ending::ALL.iter().copied().filter(|one| used.contains(one));
    endings.map(|one| (one.words(), one.meaning())).collect()
}

/// How occurrences of what people do stand.
fn phases(report: &PeriodReport) -> Vec<Term> {
    let occurrences = || report.controls.iter().flat_map(|one| &one.occurrences);
    let phases = OccurrencePhase::ALL.iter().copied();
    phases
        .filter(|phase| occurrences().any(|one| one.phase == *phase))
        .map(|one| (super::attestations::phase_label(one), one.meaning()))
        .collect()
}
