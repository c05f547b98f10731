//! Tables with a caption, heads that name their columns, and rows that become cards on a phone.
//!
//! A stylesheet that lays rows out as blocks takes the table's meaning from a screen reader; the roles
//! give it back.

use maud::{Markup, html};

/// A column: its head, and how its cells look.
#[derive(Clone, Copy)]
pub struct Column {
    head: &'static str,
    class: &'static str,
}

/// A column of texts.
pub const fn text(head: &'static str) -> Column {
    Column { head, class: "text" }
}

/// A column of short texts that do not wrap where there is room.
pub const fn short(head: &'static str) -> Column {
    Column { head, class: "short" }
}

/// A column of numbers.
pub const fn amount(head: &'static str) -> Column {
    Column { head, class: "num" }
}

/// A table; the first column names the row.
pub fn table(caption: &str, columns: &[Column], rows: Vec<Vec<Markup>>) -> Markup {
    html! {
        table role="table" {
            caption { (caption) }
            thead role="rowgroup" {
                tr role="row" {
                    @for column in columns {
                        th role="columnheader" scope="col" class=(column.class) { (column.head) }
                    }
                }
            }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for (position, (cell, column)) in row.into_iter().zip(columns).enumerate() {
                            @if position == 0 {
                                th role="rowheader" scope="row" class=(column.class) { (cell) }
                            } @else {
                                // What the stylesheet writes before the cell on a phone.
                                td role="cell" class=(column.class) data-label=(column.head) { div.cell { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Facts about one thing, each with its name. What is None is not mentioned.
pub fn facts(rows: Vec<(&str, Option<Markup>)>) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in rows {
                @if let Some(value) = value { div { dt { (name) } dd { (value) } } }
            }
        }
    }
}
