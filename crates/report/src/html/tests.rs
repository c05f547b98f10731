//! The page without a browser: closed, escaped, bounded, and as it was last looked at.

use std::collections::HashSet;

use super::*;
use crate::{
    TableStyle,
    period::html::testing::{attribute, tags},
    tests::{HOSTILE, evaluation},
};

fn dated() -> EvaluationReport {
    EvaluationReport {
        evaluated_at: Some("2026-11-30T12:00:00Z".parse().unwrap()),
        scanned: Some(format!("manifests {HOSTILE}")),
        notes: vec!["no namespace is named".into(), HOSTILE.into()],
        ..evaluation()
    }
}

fn page(evaluation: &EvaluationReport) -> String {
    let mut out = Vec::new();
    FORMAT.write(evaluation, TableStyle::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_page_is_as_agreed() {
    let page = page(&dated()).replace(env!("CARGO_PKG_VERSION"), "VERSION");
    let (_, body) = page.split_once("</style>").unwrap();
    insta::assert_snapshot!(body.replace("><", ">\n<"));
}

#[test]
fn tags_nest_and_what_is_referred_to_exists_once() {
    for evaluation in [dated(), EvaluationReport::default()] {
        let tags = tags(&page(&evaluation));
        let ids: Vec<&str> = tags.iter().filter_map(|tag| attribute(tag, "id")).collect();
        let unique: HashSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{ids:?}");
        for tag in &tags {
            let anchor = attribute(tag, "href").map(|href| href.strip_prefix('#').unwrap());
            for id in anchor.into_iter().chain(attribute(tag, "aria-labelledby")) {
                assert!(unique.contains(id), "{tag}: there is no {id}");
            }
            assert!(!tag.starts_with("script") && attribute(tag, "src").is_none(), "{tag}");
        }
    }
}

#[test]
fn every_control_is_told_once_whatever_it_serves() {
    let mut evaluation = dated();
    evaluation.controls[0].criteria = Vec::new();
    evaluation.controls[1].criteria = vec!["ISO27001:A.8.2".into()];
    evaluation.controls[2].criteria = vec!["A1.2".into(), "CC6.1".into()];
    let page = page(&evaluation);
    for position in 0..evaluation.controls.len() {
        let id = format!("id=\"control-{position}\"");
        assert_eq!(page.matches(&id).count(), 1, "{id}");
    }
    assert!(page.contains("Controls that serve no criterion"));
    assert!(page.contains("<bdi>ISO27001:A.8.2</bdi>"));
}

#[test]
fn hostile_texts_are_text() {
    let page = page(&dated());
    assert!(!page.contains("<script") && !page.contains('\u{1b}') && !page.contains('\u{202e}'));
    assert!(page.contains("&lt;script&gt;"));
}

#[test]
fn ten_thousand_findings_still_open() {
    let mut evaluation = dated();
    let one = evaluation.controls[2].findings[0].clone();
    evaluation.controls[2].findings = vec![one; 10_000];
    let page = page(&evaluation);
    assert!(page.len() < 400_000, "{} bytes", page.len());
    assert!(page.contains("and 9800 more: -o json lists all"));
}

#[test]
fn the_first_sentence_never_says_more_than_is_known() {
    let lead = |change: fn(&mut EvaluationReport)| {
        let mut evaluation = EvaluationReport {
            controls: vec![evaluation().controls.remove(4)],
            ..EvaluationReport::default()
        };
        change(&mut evaluation);
        page(&evaluation)
    };
    assert!(lead(|_| {}).contains("Nothing fails."));
    assert!(lead(|one| one.summary.unknown = 1).contains("not everything could be judged"));
    assert!(lead(|one| one.errors = evaluation().errors).contains("2 inputs could not be read"));
    assert!(lead(|one| one.controls.clear()).contains("There was no control to judge by."));
}
