//! Tables with a caption, heads that name their columns, and an end.

use maud::{Markup, html};

/// A table whose rows are cut at `most`; the rest is counted and said to be in the CSV.
pub struct HtmlTable<'a> {
    /// What the rows are, for everybody and for screen readers.
    pub caption: &'a str,
    /// The heads of its columns; the first column names the row.
    pub heads: &'a [&'a str],
    /// Whether it needs more room than a phone has by far.
    pub wide: bool,
    /// How many rows there are in all.
    pub total: usize,
}

impl HtmlTable<'_> {
    /// The table with these rows, of which each is a `tr`.
    pub fn with(&self, rows: impl ExactSizeIterator<Item = Markup>) -> Markup {
        self.with_rest(rows, more)
    }

    /// The same, where something else is said of the rows that are left out.
    pub fn with_rest(
        &self,
        rows: impl ExactSizeIterator<Item = Markup>,
        rest: impl Fn(usize) -> String,
    ) -> Markup {
        let left = self.total.saturating_sub(rows.len());
        html! {
            div.scroll.wide[self.wide] tabindex="0" role="region" aria-label=(self.caption) {
                table {
                    caption { (self.caption) }
                    thead { tr { @for head in self.heads { th scope="col" { (head) } } } }
                    tbody {
                        @for row in rows { (row) }
                        @if left > 0 {
                            tr.more { td colspan=(self.heads.len()) { (rest(left)) } }
                        }
                    }
                }
            }
        }
    }
}

/// What is said of rows that are left out.
pub fn more(left: usize) -> String {
    format!("and {left} more, all in the CSV (comptroller report … -o csv)")
}
