//! Who could have written the evidence: guards that were not in force, lists that changed, and who
//! could act as somebody else.

use maud::{Markup, html};

use super::{
    page::Page,
    table::HtmlTable,
    text::{list, outside, time},
    words::flag,
};

/// The most rows of a table.
const MAX_ROWS: usize = 500;

pub fn section(page: &Page<'_>) -> Markup {
    let facts = &page.report.identity;
    let table = HtmlTable {
        caption: "What bears on who wrote the evidence",
        heads: &["From (UTC)", "To (UTC)", "What", "Who", "Entry"],
        wide: false,
        total: facts.len(),
    };
    html! {
        section aria-labelledby="identity" {
            h2.flow id="identity" { "Identity" }
            p {
                "Admission policies bind each attestation, approval and response to whoever writes it. People appear as pseudonyms, which the company can tie to a name. "
                "The log can't show who is in a group, who holds a client certificate or a key, and what the cloud provider's own access management allows."
            }
            @if facts.is_empty() {
                p { "No entry says that a guard of the evidence was not in force, or who could act as somebody else." }
            } @else {
                (table.with(facts.iter().take(MAX_ROWS).map(|one| html! {
                    tr {
                        th.time scope="row" { (time(one.from)) }
                        td.time { @if let Some(to) = one.to { (time(to)) } @else { "still so at the end" } }
                        td {
                            (outside(&one.what))
                            @if one.author_not_bound { " " (flag("author not bound")) }
                        }
                        td { span.mono { (list(&one.who)) } }
                        td { (one.entry) }
                    }
                })))
            }
        }
    }
}

/// What became of the period, and of others about its time.
pub fn periods(page: &Page<'_>) -> Markup {
    let changes = &page.report.period_changes;
    let table = HtmlTable {
        caption: "What became of audit periods about this time",
        heads: &["At (UTC)", "AuditPeriod", "What", "Entry"],
        wide: false,
        total: changes.len(),
    };
    html! {
        section aria-labelledby="periods" {
            h2.flow id="periods" { "Audit periods" }
            p { "Whoever chooses the period chooses what is told. One that was deleted, or declared again with other times, may have told more." }
            (table.with(changes.iter().take(MAX_ROWS).map(|one| html! {
                tr {
                    th.time scope="row" { (time(one.at)) }
                    td { (outside(&one.name)) }
                    td { (outside(&one.what)) }
                    td { (one.entry) }
                }
            })))
        }
    }
}
