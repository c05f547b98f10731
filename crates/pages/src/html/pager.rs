//! Long lists, a page at a time.

use maud::{Markup, html};

use super::{link::Query, text::number};

/// How many rows a page of a list has.
pub const ROWS: usize = 100;

/// The rows of one page, and where that lies in the list.
pub struct Paged<'a, T> {
    /// The rows.
    pub rows: &'a [T],
    current: usize,
    last: usize,
    first_row: usize,
    total: usize,
}

/// Where the links of a pager lead.
#[derive(Clone, Copy)]
pub struct PagerLinks<'a> {
    /// The path of the page.
    pub path: &'a str,
    /// The query that it was asked with.
    pub query: &'a Query,
    /// The keys of the query that its links keep.
    pub keep: &'a [&'a str],
    /// The key that has the number of the page.
    pub key: &'a str,
    /// The id of the element to show; empty for the top of the page.
    pub anchor: &'a str,
}

impl<'a, T> Paged<'a, T> {
    /// The page of a number, from 1; beyond the end it is the last.
    pub fn new(all: &'a [T], number: usize) -> Self {
        let last = all.len().div_ceil(ROWS).max(1);
        let current = number.clamp(1, last);
        let first_row = (current - 1) * ROWS;
        let end = (first_row + ROWS).min(all.len());
        let rows = all.get(first_row..end).unwrap_or_default();
        Self { rows, current, last, first_row, total: all.len() }
    }

    /// The links to the other pages; nothing where there is one page.
    pub fn links(&self, what: &str, links: PagerLinks<'_>) -> Markup {
        let to = |number: usize| {
            let link = links.query.link(links.path, links.keep, links.key, &number.to_string());
            if links.anchor.is_empty() { link } else { format!("{link}#{}", links.anchor) }
        };
        let (current, last) = (self.current, self.last);
        html! {
            @if last > 1 {
                nav.pager aria-label={ "Pages of " (what) } {
                    ul {
                        li { @if current > 1 { a href=(to(1)) { "First" } } @else { span { "First" } } }
                        li { @if current > 1 { a rel="prev" href=(to(current - 1)) { "Previous" } } @else { span { "Previous" } } }
                        li.here {
                            (number(self.first_row + 1)) "–" (number(self.first_row + self.rows.len()))
                            " of " (number(self.total))
                        }
                        li { @if current < last { a rel="next" href=(to(current + 1)) { "Next" } } @else { span { "Next" } } }
                        li { @if current < last { a href=(to(last)) { "Last" } } @else { span { "Last" } } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_on_one_page_and_beyond_the_end_is_the_last() {
        let all: Vec<usize> = (0..=ROWS * 2).collect();
        let pages = [1, 2, 3].map(|number| Paged::new(&all, number).rows.to_vec());
        assert_eq!(pages.concat(), all);
        assert_eq!(Paged::new(&all, 99).rows, [ROWS * 2]);
        assert!(Paged::<u8>::new(&[], 7).rows.is_empty());
    }
}
