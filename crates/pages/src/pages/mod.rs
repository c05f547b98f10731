//! The pages: a file for each, and its line in [`PAGES`].

#![allow(
    clippy::unnecessary_wraps,
    reason = "all pages have the signature of the table, also those that can't be missing"
)]

mod control;
mod controls;
mod exception;
mod exceptions;
mod log;
mod obligations;
mod overview;
mod parts;
mod period;
mod periods;
mod registers;

use crate::{
    html::{layout::Content, link::Query, pager::PagerLinks},
    model::{Site, Source},
    site::controls::KnownControls,
};

/// Every page: the registry, one line each, in the order of the menu.
const PAGES: &[PageKind] = &[
    overview::PAGE,
    controls::PAGE,
    control::PAGE,
    exceptions::PAGE,
    exception::PAGE,
    obligations::PAGE,
    periods::PAGE,
    period::PAGE,
    registers::PAGE,
    registers::LIST,
    registers::RECORD,
    log::PAGE,
];

/// One page, or one page for each object of a kind.
pub struct PageKind {
    /// Its path below `/ui/`, where `*` is a name of any text; empty for the first page.
    pub path: &'static str,
    /// What the menu calls it; None if it is not in the menu.
    pub menu: Option<&'static str>,
    /// Makes it, given the names in its path.
    pub make: fn(&Request<'_>, &[&str]) -> Result<Content, Missing>,
}

/// What a page is made from.
pub struct Request<'s> {
    /// The facts.
    pub site: &'s Site,
    /// The path as it was asked for.
    pub path: &'s str,
    /// What the query string asks.
    pub query: &'s Query,
    /// The controls of the site.
    pub controls: KnownControls<'s>,
}

impl<'s> Request<'s> {
    /// Links to the other pages of a list on this page.
    pub fn pager(&'s self, keep: &'s [&'s str], key: &'s str, anchor: &'s str) -> PagerLinks<'s> {
        PagerLinks { path: self.path, query: self.query, keep, key, anchor }
    }
}

/// Why what a path names is not there, in one sentence.
#[derive(Debug)]
pub struct Missing(pub String);

impl Missing {
    /// No page has the path.
    pub fn page() -> Self {
        Self("The address is wrong, or what it named is gone.".to_owned())
    }

    /// No object of a kind has the name; or it can't be known, since the kind can't be read.
    pub fn object<T>(kind: &str, name: &str, source: &Source<T>) -> Self {
        Self(match &source.trouble {
            Some(trouble) => format!("Whether there is a {kind} {name} is not known: {trouble}"),
            None => format!("There is no {kind} {name}, or it was deleted."),
        })
    }
}

/// The entries of the menu: paths below `/ui/` and names.
pub fn menu() -> impl Iterator<Item = (&'static str, &'static str)> {
    PAGES.iter().filter_map(|page| Some((page.path, page.menu?)))
}

/// The page of a path, with the names in it; None if there is none.
pub fn find(segments: &[String]) -> Option<(&'static PageKind, Vec<&str>)> {
    PAGES.iter().find_map(|page| {
        let pattern: Vec<&str> = page.path.split('/').filter(|part| !part.is_empty()).collect();
        let fits = pattern.len() == segments.len()
            && pattern.iter().zip(segments).all(|(part, segment)| *part == "*" || part == segment);
        let names = pattern.iter().zip(segments).filter(|(part, _)| **part == "*");
        fits.then(|| (page, names.map(|(_, segment)| segment.as_str()).collect()))
    })
}
