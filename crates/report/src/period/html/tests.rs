//! The page without a browser: well-formed, closed, escaped, bounded, and as it was last looked at.

use std::collections::HashSet;

use super::*;
use crate::period::{
    model::Conclusion,
    testing::{HOSTILE, rich, type_one, with_deviations},
};

/// Elements that have no end tag.
const VOID: [&str; 3] = ["meta", "br", "hr"];

fn text_of(report: &PeriodReport) -> String {
    let mut out = Vec::new();
    write(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The tags of a page in their order, as `name attributes`, after a check that they nest.
fn tags(page: &str) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    let mut tags = Vec::new();
    let (before, rest) = page.split_once("<style>").unwrap();
    let after = rest.split_once("</style>").unwrap().1;
    for text in [before, after] {
        for part in text.split('<').skip(1) {
            let (tag, _) = part.split_once('>').unwrap_or_else(|| panic!("an open tag: {part}"));
            let name = tag.split_ascii_whitespace().next().unwrap_or_default();
            if let Some(name) = name.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name), "an end without its begin");
            } else if !name.starts_with('!') {
                if !VOID.contains(&name) {
                    open.push(name.to_owned());
                }
                tags.push(tag.to_owned());
            }
        }
    }
    assert_eq!(open, Vec::<String>::new(), "left open");
    tags
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

#[test]
fn tags_nest_and_ids_are_there_once_and_what_is_referred_to_exists() {
    for report in [rich(), type_one(), with_deviations(3)] {
        let tags = tags(&text_of(&report));
        let ids: Vec<&str> = tags.iter().filter_map(|tag| attribute(tag, "id")).collect();
        let unique: HashSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{ids:?}");
        for tag in &tags {
            let anchor = attribute(tag, "href").map(|href| href.strip_prefix('#').unwrap());
            let labels = attribute(tag, "aria-labelledby").unwrap_or_default();
            for id in anchor.into_iter().chain(labels.split_ascii_whitespace()) {
                assert!(unique.contains(id), "{tag}: there is no {id}");
            }
        }
    }
}

#[test]
fn nothing_runs_and_nothing_is_fetched() {
    for tag in tags(&text_of(&rich())) {
        let name = tag.split_ascii_whitespace().next().unwrap_or_default();
        assert!(!["script", "link", "img", "iframe", "object", "form"].contains(&name), "{tag}");
        assert!(attribute(&tag, "src").is_none(), "{tag}");
        assert!(!tag.split('"').step_by(2).any(|names| names.contains(" on")), "{tag}");
    }
    assert!(!STYLE.contains("@import") && !STYLE.contains("http"));
    assert!(!STYLE.replace("url(#", "").contains("url("));
    assert!(!STYLE.contains('<'), "it would end the style element");
}

#[test]
fn hostile_names_are_text_and_what_is_hidden_in_them_is_seen() {
    let page = text_of(&rich());
    assert!(!page.contains("<script"));
    assert!(!page.contains('\u{1b}') && !page.contains('\u{202e}'));
    assert!(page.contains("&lt;/svg&gt;&lt;script&gt;"));
    assert!(page.contains("\\u{202e}gpj"));
    assert!(HOSTILE.contains('\u{202e}'), "what is tested for must be there");
}

#[test]
fn headings_go_down_one_at_a_time() {
    for report in [rich(), type_one()] {
        let mut last = 0;
        for tag in tags(&text_of(&report)) {
            let name = tag.split_ascii_whitespace().next().unwrap_or_default();
            let level = name.strip_prefix('h').and_then(|level| level.parse::<u8>().ok());
            if let Some(level) = level {
                assert!(level <= last + 1, "h{level} after h{last}");
                last = level;
            }
        }
    }
}

#[test]
fn ten_thousand_deviations_still_open() {
    let page = text_of(&with_deviations(10_000));
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert!(page.contains("and 9800 more, all in the CSV"));
    assert!(page.contains("10004 deviations were recorded"));
}

#[test]
fn criteria_of_which_nothing_can_be_said_are_in_the_summary() {
    let mut report = rich();
    let covered = report.criteria.iter().position(|one| one.is_covered()).unwrap();
    for criterion in &mut report.criteria {
        criterion.conclusion = Conclusion::NoDeviationObserved;
    }
    assert!(!text_of(&report).contains("Nothing can be said of"));
    report.criteria[covered].conclusion = Conclusion::NotDeterminable;
    assert!(text_of(&report).contains("Nothing can be said of 1 criterion</a>"));
}

#[test]
fn a_report_at_a_time_has_no_timeline() {
    let page = text_of(&type_one());
    assert!(page.contains("Type I report"));
    assert!(!page.contains("over the period"));
}

#[test]
fn a_report_of_less_than_its_period_says_so_first() {
    assert!(!text_of(&rich()).contains("class=\"reserved\""));
    let mut report = rich();
    report.provenance.run_at = "2026-09-01T00:00:00Z".parse().unwrap();
    let page = text_of(&report);
    assert!(page.contains("The period is not over."));
    assert!(page.contains("2 are still open."));
    assert!(!page.contains("whoever makes it"));
    let start = report.period.span.start();
    for control in &mut report.controls {
        control.intervals.retain(|one| one.from > start);
    }
    assert!(text_of(&report).contains("The record begins on "));
}

/// Look at the page in a browser before accepting a change of it.
#[test]
fn the_page_is_as_it_was_looked_at() {
    let page = text_of(&rich());
    let (head, rest) = page.split_once("<style>").unwrap();
    let body = rest.split_once("</style>").unwrap().1;
    // A line to each element, so that a change is a small one in a review.
    insta::assert_snapshot!(format!("{head}{body}").replace("><", ">\n<"));
}

#[test]
#[ignore = "writes the pages to look at: PAGES=DIR cargo test --lib pages_to_look_at -- --ignored"]
fn pages_to_look_at() {
    let dir = std::path::PathBuf::from(std::env::var_os("PAGES").unwrap());
    for (name, report) in
        [("rich", rich()), ("type1", type_one()), ("many", with_deviations(10_000))]
    {
        std::fs::write(dir.join(format!("{name}.html")), text_of(&report)).unwrap();
    }
}
