//! The page without a browser: well-formed, closed, escaped, bounded, and as it was last looked at.

use std::collections::HashSet;

use super::{
    testing::{attribute, tags},
    *,
};
use crate::period::{
    fold::{criteria::criteria, summary},
    model::{Conclusion, ControlReport, CriterionReport},
    testing::{HOSTILE, rich, type_one, with_deviations, with_registers},
};

fn text_of(report: &PeriodReport) -> String {
    let mut out = Vec::new();
    write(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn tags_nest_and_ids_are_there_once_and_what_is_referred_to_exists() {
    for report in [rich(), type_one(), with_deviations(3), with_registers()] {
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
fn registers_say_what_vouches_for_them_what_moved_and_what_is_not_known() {
    let page = text_of(&with_registers());
    let start = page.find("id=\"registers\"").unwrap();
    let end = page[start..].find("</section>").unwrap();
    let section = &page[start..start + end];
    insta::assert_snapshot!(section.replace("><", ">\n<"));
    assert!(!section.contains("<script") && !section.contains('\u{202e}'));
    assert!(!text_of(&rich()).contains("id=\"registers\""), "without registers nothing is said");
}

#[test]
fn a_table_of_a_register_has_an_end() {
    let mut report = with_registers();
    let row = report.registers[0].items[1].clone();
    report.registers[0].items = vec![row; 5_000];
    let page = text_of(&report);
    assert!(page.contains("and 4800 more, all in the CSV"));
    assert!(page.len() < text_of(&rich()).len() + 200_000, "{}", page.len());
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
    for criterion in &mut report.criteria {
        criterion.conclusion = Conclusion::NoDeviationObserved;
    }
    assert!(!text_of(&report).contains("Nothing can be concluded of"));
    let covered = report.criteria.iter().position(CriterionReport::is_covered).unwrap();
    report.criteria[covered].conclusion = Conclusion::NotDeterminable;
    assert!(text_of(&report).contains("Nothing can be concluded of 1 criterion</a>"));
}

/// What a Type I report is about is a date: nothing operates, is observed, or ends in it.
#[test]
fn a_report_as_of_a_date_has_words_of_its_own() {
    let page = text_of(&type_one());
    let words = page.split_once("</style>").unwrap().1;
    assert!(words.contains("Type I report") || page.contains("Type I report"));
    for word in ["over the period", "in the period", "no deviation observed", "throughout"] {
        assert!(!words.contains(word), "{word}: {}", around(words, word));
    }
    for word in ["As of 30 September 2026", "implemented", "Designed so that: "] {
        assert!(words.contains(word), "{word}");
    }
}

fn around<'t>(text: &'t str, word: &str) -> &'t str {
    let at = text.find(word).unwrap_or_default();
    text.get(at.saturating_sub(80)..(at + 80).min(text.len())).unwrap_or_default()
}

/// An auditor copies it from the page and gives it to `evidence verify --since`.
#[test]
fn the_checkpoint_is_on_the_page_to_the_letter() {
    let report = rich();
    let page = text_of(&report);
    assert!(page.contains(&format!("<pre>{}</pre>", report.provenance.checkpoint)));
}

#[test]
fn every_control_is_told_once_and_under_a_criterion() {
    let report = rich();
    let page = text_of(&report);
    for position in 0..report.controls.len() {
        assert_eq!(page.matches(&format!("<h4 id=\"control-{position}\">")).count(), 1);
    }
    let first = page.find("Told above").unwrap();
    assert!(page.find("<h4 id=\"control-").unwrap() < first);
}

#[test]
fn what_makes_a_conclusion_weaker_is_on_the_first_page() {
    let page = text_of(&rich());
    let before = page.split_once("id=\"criteria\"").unwrap().0;
    for line in [
        "1 published checkpoint is not continued by the log",
        "1 entry has times that can't all be right",
        "1 time in which records were not bound to their authors",
        "1 suspension was approved by nobody",
        "1 deviation is no longer found and was not seen mended",
        "1 item left the scope of a control",
        "1 control accepts or leaves out everything by a wildcard",
        "0 of 92 days are vouched for from outside",
    ] {
        assert!(before.contains(line), "{line}");
    }
}

#[test]
fn tables_have_a_caption_and_heads_with_a_scope() {
    for report in [rich(), type_one()] {
        let page = text_of(&report);
        assert_eq!(page.matches("<table").count(), page.matches("<caption>").count());
        assert_eq!(page.matches("<th ").count(), page.matches(" scope=\"").count());
    }
}

/// So many controls as the pack and a company's own come to, of which nothing is to be told.
fn quiet(controls: usize) -> PeriodReport {
    let mut report = rich();
    let one = report.controls.iter().find(|one| one.deviations.is_empty()).unwrap().clone();
    let ids: Vec<String> = report.criteria.iter().map(|one| one.id.clone()).collect();
    report.controls = (0..controls)
        .map(|number| {
            let id = |step: usize| ids[(number * 5 + step * 7) % ids.len()].clone();
            let mut control = ControlReport {
                name: format!("control-number-{number:02}"),
                title: format!("What the control number {number} asks for is so"),
                criteria: vec![id(0), id(1)],
                population_start: one.population_end.clone(),
                ..one.clone()
            };
            for spec in &mut control.specs {
                spec.title.clone_from(&control.title);
                spec.criteria.clone_from(&control.criteria);
            }
            control
        })
        .collect();
    let (from, to) = (report.period.span.start(), report.period.span.end());
    report.criteria = criteria(&report.period.categories, &report.controls, (from, to), 95);
    report.summary = summary(&report.controls, 95);
    report.exceptions.clear();
    report.gaps.clear();
    report.identity.clear();
    report.log.time_anomalies.clear();
    report.log.continues_published = Some(true);
    report.log.published = Some(report.provenance.checkpoint.clone());
    report
}

/// Printed it is some ten pages; before, 99.
#[test]
fn a_quiet_period_is_a_short_page() {
    let page = text_of(&quiet(68));
    assert!(page.len() < 200_000, "{} bytes", page.len());
    assert!(!page.contains("<figure>"), "there is nothing to draw");
    assert!(!page.contains("id=\"warnings\""));
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
    for (name, report) in [
        ("rich", rich()),
        ("type1", type_one()),
        ("many", with_deviations(10_000)),
        ("quiet", quiet(68)),
    ] {
        std::fs::write(dir.join(format!("{name}.html")), text_of(&report)).unwrap();
    }
}
