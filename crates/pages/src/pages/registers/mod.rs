//! The registers: what the cluster and the people have on record, one list each, the newest first.

mod attestations;
mod controls;
mod exceptions;
mod responses;

use maud::{Markup, html};

use super::{Missing, PageKind, Request, parts};
use crate::html::{
    layout::Content,
    pager::{Paged, ROWS},
    table::{amount, table, text},
    text::number,
};

/// Every register: the registry, one line each.
const REGISTERS: &[Register] =
    &[controls::REGISTER, exceptions::REGISTER, attestations::REGISTER, responses::REGISTER];

/// The list of registers.
pub const PAGE: PageKind = PageKind { path: "registers", menu: Some("Registers"), make: list };
/// One register.
pub const LIST: PageKind = PageKind { path: "registers/*", menu: None, make: one };
/// One record of a register.
pub const RECORD: PageKind = PageKind { path: "registers/*/*", menu: None, make: record };

/// Makes the page of one record.
type MakeRecord = fn(&Request<'_>, &str) -> Result<Content, Missing>;

/// A list that is kept whole.
pub struct Register {
    /// Its name in the path.
    pub name: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// What is in it, in one sentence.
    pub what: &'static str,
    /// How many records it has; None if it can't be read.
    pub count: fn(&Request<'_>) -> Option<usize>,
    /// A table of the records of a page, from 1, and how many there are in all.
    pub rows: fn(&Request<'_>, usize) -> (Markup, usize),
    /// The page of one record by its name. None for a register whose records have a page elsewhere.
    pub record: Option<MakeRecord>,
}

fn list(request: &Request<'_>, _: &[&str]) -> Result<Content, Missing> {
    let rows = REGISTERS.iter().map(|register| {
        vec![
            html! { a href={ "/ui/registers/" (register.name) } { (register.title) } },
            html! { (register.what) },
            html! { @if let Some(amount) = (register.count)(request) { (number(amount)) } @else { "not known" } },
        ]
    });
    let body = html! {
        p.summary { "Everything on record, the newest first, to look through or to draw a sample from." }
        (table("Registers", &[text("Register"), text("What is in it"), amount("Records")], rows.collect()))
    };
    Ok(Content::new("Registers", body))
}

fn one(request: &Request<'_>, names: &[&str]) -> Result<Content, Missing> {
    let register = find(names.first().copied().unwrap_or_default())?;
    let (table, total) = (register.rows)(request, request.query.page("page"));
    let body = html! {
        p.summary { (register.what) }
        (table)
        // The register has cut out its page; what is left to say is where that lies.
        (Paged::new(&vec![(); total], request.query.page("page")).links(register.title, request.pager(&[], "page", "")))
        @if total > ROWS { p.note { (number(total)) " records in all." } }
    };
    let above = html! { p.eyebrow { a href="/ui/registers" { "Registers" } } };
    Ok(Content { title: register.title.to_owned(), above, body })
}

fn record(request: &Request<'_>, names: &[&str]) -> Result<Content, Missing> {
    let (Some(register), Some(name)) = (names.first(), names.get(1)) else {
        return Err(Missing::page());
    };
    let register = find(register)?;
    let Some(record) = register.record else { return Err(Missing::page()) };
    let mut content = record(request, name)?;
    content.above = html! {
        p.eyebrow {
            a href="/ui/registers" { "Registers" } " / "
            a href={ "/ui/registers/" (register.name) } { (register.title) }
        }
    };
    Ok(content)
}

fn find(name: &str) -> Result<&'static Register, Missing> {
    REGISTERS.iter().find(|register| register.name == name).ok_or_else(Missing::page)
}

/// The table of one page of the records, or why there is none.
fn page_of<T>(
    request: &Request<'_>,
    source: &crate::model::Source<T>,
    all: &[&T],
    number: usize,
    table: impl Fn(&[&T]) -> Markup,
) -> (Markup, usize) {
    let shown = Paged::new(all, number);
    let markup = if all.is_empty() {
        parts::nothing(request, source, &html! { "There are no records." })
    } else {
        table(shown.rows)
    };
    (markup, all.len())
}

/// How many objects a source has; None if it can't be read.
fn known<T>(source: &crate::model::Source<T>) -> Option<usize> {
    source.trouble.is_none().then_some(source.items.len())
}
