//! The links of a page: to files that exist, and to headings that they have.

use std::{collections::BTreeSet, fs, path::Path};

use crate::repository;

/// Every link of a page that leads nowhere, with its place.
pub fn broken(path: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join(path)).unwrap();
    let folder = Path::new(path).parent().unwrap();
    let mut wrong = Vec::new();
    for (number, line) in prose(&text) {
        for target in targets(line) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let linked = if file.is_empty() {
                repository().join(path)
            } else {
                repository().join(folder).join(file)
            };
            if !linked.exists() {
                wrong.push(format!("{path}:{number}: there is no {file}"));
            } else if !anchor.is_empty() && linked.is_file() {
                let headings = headings(&fs::read_to_string(&linked).unwrap());
                if !headings.contains(anchor) {
                    wrong.push(format!("{path}:{number}: {file} has no heading #{anchor}"));
                }
            }
        }
    }
    wrong
}

/// The lines outside of code.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    text.lines().enumerate().filter_map(move |(number, line)| {
        let fence = line.trim_start().starts_with("```");
        if fence {
            code = !code;
        }
        (!fence && !code).then_some((number + 1, line))
    })
}

fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// The anchors of a page, as GitHub and GitLab make them of headings.
fn headings(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, line) in prose(text).filter(|(_, line)| line.starts_with('#')) {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        found.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
    }
    found
}
