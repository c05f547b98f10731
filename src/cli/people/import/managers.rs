//! Who the managers of an export are, and whether they lead anywhere. Pure.

use std::collections::{BTreeSet, HashMap};

use super::{
    columns::{Columns, Field},
    issue::Issues,
    rows::{Export, Row},
};
use comptroller_core::api::PersonSpec;

/// Replaces managers by the names of their Persons, and finds ways of managers that lead back.
/// `others` are people who are in the cluster and not in the export.
pub fn resolve(export: &mut Export, others: &[(String, PersonSpec)], issues: &mut Issues) {
    let Export { rows, columns } = export;
    let directory = Directory::new(rows, others);
    let mut managers: HashMap<String, String> = HashMap::with_capacity(rows.len());
    for (name, spec) in others {
        managers.extend(spec.manager.clone().map(|manager| (name.clone(), manager)));
    }
    let found: Vec<Option<String>> = rows
        .iter()
        .map(|row| {
            let text = row.spec.manager.as_deref()?;
            let (problem, remedy) = match directory.find(text) {
                Found::One(name) => return Some(name.to_owned()),
                Found::Several => (
                    "is the name of several people",
                    "write the address, user name or number of the manager",
                ),
                Found::Nobody => (
                    "is nobody of the export or the cluster",
                    "add a row for the manager, correct the cell, or leave it empty",
                ),
            };
            issues.row(
                row.line,
                columns.header(Field::Manager),
                format!("{text:?} {problem}"),
                remedy,
            );
            None
        })
        .collect();
    drop(directory);
    for (row, found) in rows.iter_mut().zip(found) {
        managers.extend(found.clone().map(|manager| (row.name.clone(), manager)));
        row.spec.manager = found;
    }
    check_cycles(rows, columns, &managers, issues);
}

/// Each way of managers that leads back is told once, at the first of its rows.
fn check_cycles(
    rows: &[Row],
    columns: &Columns,
    managers: &HashMap<String, String>,
    issues: &mut Issues,
) {
    const SHOWN: usize = 8;
    let lines: HashMap<&str, u64> = rows.iter().map(|row| (row.name.as_str(), row.line)).collect();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for row in rows {
        let mut way: Vec<&str> = Vec::new();
        let mut on_way: BTreeSet<&str> = BTreeSet::new();
        let mut at = row.name.as_str();
        while !done.contains(at) {
            if !on_way.insert(at) {
                let from = way.iter().position(|name| *name == at).unwrap_or_default();
                let cycle = way.get(from..).unwrap_or_default();
                let mut names: Vec<&str> = cycle.iter().copied().take(SHOWN).collect();
                names.push(if cycle.len() > SHOWN { "..." } else { at });
                // Whoever only reports to somebody on the way has no mistake of their own.
                let line = cycle.iter().filter_map(|name| lines.get(name)).min();
                issues.row(
                    line.copied().unwrap_or(row.line),
                    columns.header(Field::Manager),
                    format!("the managers lead back to {at}: {}", names.join(" -> ")),
                    "correct the manager of one of them",
                );
                break;
            }
            way.push(at);
            match managers.get(at) {
                Some(manager) => at = manager,
                None => break,
            }
        }
        done.extend(on_way);
    }
}

enum Found<'a> {
    One(&'a str),
    Several,
    Nobody,
}

/// Everybody by what a manager may be written as.
struct Directory<'a> {
    /// By object name, number, address and user name.
    keys: HashMap<String, Option<&'a str>>,
    /// By the name that people know them by.
    shown: HashMap<String, Option<&'a str>>,
}

impl<'a> Directory<'a> {
    fn new(rows: &'a [Row], others: &'a [(String, PersonSpec)]) -> Self {
        let mut directory = Self { keys: HashMap::new(), shown: HashMap::new() };
        for row in rows {
            directory.add(&row.name, &row.spec, &row.id);
        }
        for (name, spec) in others {
            directory.add(name, spec, "");
        }
        directory
    }

    fn add(&mut self, name: &'a str, spec: &PersonSpec, id: &str) {
        let texts = [name, id, spec.email.as_deref().unwrap_or_default()];
        let usernames = spec.identities.usernames.iter().map(String::as_str);
        for text in texts.into_iter().chain(usernames).filter(|text| !text.is_empty()) {
            note(&mut self.keys, text, name);
        }
        note(&mut self.shown, &spec.display_name, name);
    }

    fn find(&self, text: &str) -> Found<'a> {
        let text = text.to_lowercase();
        match self.keys.get(&text).or_else(|| self.shown.get(&text)) {
            Some(Some(name)) => Found::One(name),
            Some(None) => Found::Several,
            None => Found::Nobody,
        }
    }
}

fn note<'a>(names: &mut HashMap<String, Option<&'a str>>, text: &str, name: &'a str) {
    let known = names.entry(text.to_lowercase()).or_insert(Some(name));
    if *known != Some(name) {
        *known = None;
    }
}
