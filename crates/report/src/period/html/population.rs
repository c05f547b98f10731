//! The population of a control: at the start, at the end, and all that was in it between.

use maud::{Markup, html};

use super::{
    control::MAX_ROWS,
    page::Page,
    table::HtmlTable,
    text::{count, item, mono, outside, time},
};
use crate::period::model::{ControlReport, PopulationMove, ReportedPopulation, WindowPopulation};

pub fn lines(page: &Page<'_>, control: &ControlReport) -> Markup {
    let (start, end) = (&control.population_start, &control.population_end);
    let window = &control.population_window;
    html! {
        @if page.is_type_one() {
            @if let Some(one) = end.as_ref().or(start.as_ref()) { p.line { "Population: " (at_a_time(one)) "." } }
        } @else {
            (start_and_end(start.as_ref(), end.as_ref()))
            (union(window))
            @if !window.moves.is_empty() {
                details.aside {
                    summary { (count(window.moves.len(), "item came or left", "items came or left")) ", one by one" }
                    (moves(&window.moves))
                }
            }
        }
    }
}

/// Both in one line; items that were the same at both times are told once.
fn start_and_end(start: Option<&ReportedPopulation>, end: Option<&ReportedPopulation>) -> Markup {
    let same = |one: &ReportedPopulation, other: &ReportedPopulation| {
        let digest = |of: &ReportedPopulation| {
            of.digest.clone().or_else(|| of.list.as_ref().map(|list| list.digest.clone()))
        };
        one.count == other.count && (digest(one) == digest(other) || one.count == 0)
    };
    html! {
        @match (start, end) {
            (Some(start), Some(end)) if same(start, end) => {
                @let number = usize::try_from(end.count).unwrap_or(usize::MAX);
                p.line {
                    "Population at both ends: " (count(number, "item", "items"))
                    @if start.entry == end.entry { ", entry " (end.entry) } @else {
                        ", entries " (start.entry) " and " (end.entry)
                    }
                    (digests(end)) "."
                }
            }
            (start, end) => {
                @if let Some(one) = start { p.line { "Population at the start: " (at_a_time(one)) "." } }
                @if let Some(one) = end { p.line { "Population at the end: " (at_a_time(one)) "." } }
            }
        }
    }
}

fn at_a_time(one: &ReportedPopulation) -> Markup {
    let counted = usize::try_from(one.count).unwrap_or(usize::MAX);
    html! {
        (count(counted, "item", "items")) ", " (time(one.at)) ", entry " (one.entry)
        (digests(one))
    }
}

/// The digest of exactly these items, and that of the list where it is another.
fn digests(one: &ReportedPopulation) -> Markup {
    let list = one.list.as_ref();
    html! {
        @match (&one.digest, list) {
            (Some(digest), Some(list)) if list.digest == *digest => { ", " (mono(digest)) }
            (Some(_) | None, None) if one.count == 0 => {}
            (Some(digest), Some(list)) => {
                ", digest " (mono(digest)) ", the newest stored list " (mono(&list.digest)) " (" (list.count) " items)"
            }
            (Some(digest), None) => { ", digest " (mono(digest)) ", no list stored" }
            (None, Some(list)) => { ", the newest stored list " (mono(&list.digest)) " (" (list.count) " items)" }
            (None, None) => {}
        }
    }
}

/// What is sampled: all that was in the population at some time of the period.
fn union(window: &WindowPopulation) -> Markup {
    let came = window.moves.iter().filter(|one| one.entered).count();
    let left = window.moves.len() - came;
    html! {
        @if window.lists.len() > 1 || !window.moves.is_empty() {
            p.line {
                "Over the period: the items of " (count(window.lists.len(), "stored list", "stored lists"))
                ", and what came (" (came) ") or left (" (left) ") between them. Samples are drawn from all of it."
            }
        }
    }
}

fn moves(moves: &[PopulationMove]) -> Markup {
    let table = HtmlTable {
        caption: "What came into the population and what left it",
        heads: &["Seen (UTC)", "Item", "Came or left", "Why", "Entry"],
        wide: false,
        total: moves.len(),
    };
    table.with(moves.iter().take(MAX_ROWS).map(|one| {
        html! {
            tr {
                th.time scope="row" { (time(one.at)) }
                td { (item(&one.item)) }
                td { @if one.entered { "came" } @else { "left" } }
                td {
                    (one.why.meaning())
                    @if !one.detail.is_empty() { span.sub { (outside(&one.detail)) } }
                }
                td { (one.entry) }
            }
        }
    }))
}
