//! The frame around a page: head, menu, notices, main part and foot.

use maud::{DOCTYPE, Markup, html};

use super::text::{ago, clipped, count, outside, plain_time};
use crate::{
    model::{ServedBy, Site, Verification},
    pages,
    site::sources::{self, SourceState},
};

/// The path of the stylesheet, which changes with it, so that browsers may keep it.
pub fn stylesheet_link() -> String {
    format!("{STYLESHEET}?v={STYLE_VERSION:016x}")
}

/// The path of the stylesheet.
pub const STYLESHEET: &str = "/ui/style.css";

/// The stylesheet.
pub const STYLE: &str = include_str!("../style.css");

/// FNV-1a of the stylesheet: tells one release's from another's, and no more is asked of it.
const STYLE_VERSION: u64 = {
    let bytes = STYLE.as_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut position = 0;
    while position < bytes.len() {
        hash = (hash ^ bytes[position] as u64).wrapping_mul(0x0100_0000_01b3);
        position += 1;
    }
    hash
};

/// The most notices that stand above every page; the evidence and the overview say the rest.
const MAX_NOTICES: usize = 4;

/// The main part of a page and its title.
#[derive(Debug)]
pub struct Content {
    /// What the window is called, and the only heading of the first level.
    pub title: String,
    /// What stands above the title, such as what kind of thing it is. Empty for nothing.
    pub above: Markup,
    /// What follows the title.
    pub body: Markup,
}

impl Content {
    /// A page with a title of our own.
    pub fn new(title: &str, body: Markup) -> Self {
        Self { title: title.to_owned(), above: html! {}, body }
    }
}

/// The whole document. `here` is the first segment of the path, by which the menu shows where one is;
/// without a site there is no menu to follow and nothing to notice.
pub fn document(site: Option<&Site>, here: &str, content: &Content) -> Markup {
    let cluster = site.map(cluster_name).unwrap_or_default();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title {
                    (clipped(&content.title)) " · "
                    @if !cluster.is_empty() { (clipped(&cluster)) " · " }
                    "Comptroller"
                }
                link rel="icon" href="data:,";
                link rel="stylesheet" href=(stylesheet_link());
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    div.wide {
                        p.brand {
                            @if site.is_some() { a href="/ui/" { "Comptroller" } } @else { "Comptroller" }
                            @if !cluster.is_empty() { span.cluster { (outside(&cluster)) } }
                        }
                        @if site.is_some() { (menu(here)) }
                    }
                }
                main id="main" tabindex="-1" {
                    @if let Some(site) = site { (notices(site)) }
                    div.title {
                        (content.above)
                        h1 { bdi { (clipped(&content.title)) } }
                    }
                    (content.body)
                }
                @if let Some(site) = site { footer.wide { (foot(site)) } }
            }
        }
    }
}

/// The name of the cluster in a sentence or a heading.
pub fn cluster_name(site: &Site) -> String {
    if site.cluster.is_empty() { "this cluster".to_owned() } else { site.cluster.clone() }
}

fn menu(here: &str) -> Markup {
    html! {
        nav aria-label="Main" {
            ul {
                @for (path, name) in pages::menu() {
                    @let link = if path.is_empty() { "/ui/".to_owned() } else { format!("/ui/{path}") };
                    li {
                        @if path == here { a href=(link) aria-current="page" { (name) } }
                        @else { a href=(link) { (name) } }
                    }
                }
            }
        }
    }
}

/// What a reader of any page must know before believing it.
fn notices(site: &Site) -> Markup {
    let mut told: Vec<Markup> = Vec::new();
    if let Some(log) = &site.log {
        if let Verification::Bad { at, reason, .. } = &log.verification {
            told.push(html! {
                strong { "The evidence log is wrong." } " Found " (ago(*at, site.now)) ": " (outside(reason))
                " " a href="/ui/log" { "What that means" }
            });
        }
        if !log.witnesses.contradictions.is_empty() {
            told.push(html! {
                strong { "The evidence log is not the one that others saw." }
                " " a href="/ui/log" { "What they saw" }
            });
        }
    }
    for source in sources::all(site) {
        match source.state {
            SourceState::Fresh => {}
            SourceState::Stale(Some(heard)) => told.push(html! {
                strong { "These facts may be out of date." } " " (outside(&source.name))
                " was last heard from " (ago(heard, site.now)) "."
            }),
            SourceState::Stale(None) => told.push(html! {
                strong { (outside(&source.name)) " has not been read yet." }
                " What depends on it is missing from the pages."
            }),
            SourceState::Unreadable(why) => told.push(html! {
                strong { (outside(&source.name)) " can't be read." } " " (outside(why))
            }),
        }
    }
    let left = told.len().saturating_sub(MAX_NOTICES);
    html! {
        @if !told.is_empty() {
            aside.notices aria-label="Notices" {
                ul {
                    @for notice in told.into_iter().take(MAX_NOTICES) { li { (notice) } }
                    @if left > 0 { li { "And " (count(left, "more notice", "more notices")) ": see the freshness on the " a href="/ui/" { "overview" } "." } }
                }
            }
        }
    }
}

fn foot(site: &Site) -> Markup {
    html! {
        p {
            "As of " time datetime=(site.now) { (plain_time(site.now)) " UTC" } ". "
            @match &site.served_by {
                ServedBy::Operator { instance, version, leads } => {
                    "Served by the operator " (outside(instance)) ", version " (outside(version)) ". "
                    @if !leads { "This replica is on standby: another one evaluates and records. " }
                }
                ServedBy::Person { user, version } => {
                    "Served on this machine with the rights of "
                    @if user.is_empty() { "your kubeconfig" } @else { (outside(user)) }
                    ", version " (outside(version)) ". "
                }
            }
            "All times are in UTC."
        }
    }
}
