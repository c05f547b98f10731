//! The registers: how many items each had at both ends, what vouches for it, and what came and went.

use maud::{Markup, html};

use super::{
    page::Page,
    table::HtmlTable,
    text::{count, mono, outside, time},
};
use crate::{
    period::model::{RegisterReport, Span},
    register_text,
};
use comptroller_evidence::fold::register_windows::{RegisterRow, RegisterVoucher, SeenRow};

/// The most rows of a table of a register.
const MAX_ROWS: usize = 200;

/// The most entries of an item that are named.
const MAX_ENTRIES: usize = 12;

/// The most reasons why a register was not known.
const MAX_REASONS: usize = 20;

pub fn section(page: &Page<'_>) -> Markup {
    html! {
        section aria-labelledby="registers" {
            h2.flow id="registers" { "Registers" }
            p {
                "A register is a population that is kept whole: every item that came, changed or went is in an "
                "entry of the log, with the digest of all that is in the register after it. Samples can be drawn "
                "from everything that was in one at some time of the period, however short."
            }
            @for register in &page.report.registers { (article(page, register)) }
        }
    }
}

fn article(page: &Page<'_>, register: &RegisterReport) -> Markup {
    let basis = &register.basis;
    let read = basis.lists.iter().filter(|list| list.is_complete()).count();
    html! {
        article {
            h3 { (mono(&register.name)) }
            @if page.is_type_one() {
                p.line { "As of the date: " (end(basis.at_end.as_ref())) "." }
            } @else {
                p.line { "At the start: " (end(basis.at_start.as_ref())) "." }
                p.line { "At the end: " (end(basis.at_end.as_ref())) "." }
                p.line {
                    "Between them " (basis.came) " came, " (basis.went) " went and " (basis.changed) " changed, in "
                    (whole(basis.entries, "entry", "entries"))
                    @if basis.entries > 0 { " with the digest " (mono(&basis.entries_digest)) }
                    "."
                }
            }
            @if let Some(population) = register.population {
                p.line { "In it at some time: " (whole(population, "item", "items")) "." }
            }
            @else { p.line { "This report was made without its items: those that comptroller report writes have them." } }
            @if let Some(entry) = basis.lists_entry {
                p.line {
                    "Derived from " (count(basis.lists.len(), "list", "lists")) ", " (read)
                    " of them complete, as entry " (entry) " says"
                    @if let Some(collector) = &basis.collector { "; read by " (mono(collector)) }
                    "."
                }
            }
            (not_known(register))
            @if !page.is_type_one() { (moves(page, register)) }
        }
    }
}

fn end(voucher: Option<&RegisterVoucher>) -> Markup {
    html! {
        @match voucher {
            Some(one) => {
                (whole(one.total, "item", "items")) ", entry " (one.entry) " of " (time(one.at)) ", digest "
                (mono(&one.digest))
            }
            None => { "not known: the log has no whole list of it by then" }
        }
    }
}

fn not_known(register: &RegisterReport) -> Markup {
    let left = register.not_known.len().saturating_sub(MAX_REASONS);
    html! {
        @if !register.not_known.is_empty() || !register.faults.is_empty() {
            p.line { "Not known, so that what came and went may be missing:" }
            ul {
                @for gap in register.not_known.iter().take(MAX_REASONS) {
                    li {
                        @match gap.from { Some(from) => { "from " (time(from)) } None => { "from the beginning" } }
                        @match gap.to { Some(to) => { " to " (time(to)) } None => { " on" } }
                        ": " (outside(&gap.reason))
                        @if let Some(entry) = gap.entry { " (entry " (entry) ")" }
                    }
                }
                @if left > 0 { li { "and " (left) " more, all in the JSON" } }
                @for fault in register.faults.iter().take(MAX_REASONS) {
                    li { "entry " (fault.entry) " does not follow from those before it: " (outside(&fault.fault)) }
                }
            }
        }
    }
}

fn moves(page: &Page<'_>, register: &RegisterReport) -> Markup {
    let Span::TypeII { from, .. } = page.span() else { return html! {} };
    let moved = register.moved(from);
    let table = HtmlTable {
        caption: "What came into the register and what went",
        heads: &["Item", "Came (UTC)", "Went (UTC)", "Entries"],
        wide: false,
        total: moved.len(),
    };
    html! {
        @if !moved.is_empty() {
            details.aside {
                summary { (count(moved.len(), "item came or went", "items came or went")) ", one by one" }
                (table.with(moved.iter().take(MAX_ROWS).map(|row| item(&register.name, row))))
            }
        }
    }
}

fn item(register: &str, row: &RegisterRow) -> Markup {
    let entries = row.entries();
    let named: Vec<u64> = entries.iter().copied().take(MAX_ENTRIES).collect();
    html! {
        tr {
            th scope="row" {
                (outside(&register_text::name(register, row)))
                span.sub { (mono(&row.key)) }
            }
            td.time { (seen(&row.came)) }
            td.time { @match &row.went { Some(went) => { (seen(went)) } None => { "still there" } } }
            td {
                (register_text::numbers(&named))
                @if entries.len() > named.len() { " and " (entries.len() - named.len()) " more" }
            }
        }
    }
}

fn seen(seen: &SeenRow) -> Markup {
    html! {
        @match seen.between {
            Some(between) => { "between " (time(between.from)) " and " (time(between.to)) }
            None if seen.in_first_list => { "by " (time(seen.at)) }
            None => { (time(seen.at)) }
        }
    }
}

fn whole(number: u64, one: &str, many: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), one, many)
}
