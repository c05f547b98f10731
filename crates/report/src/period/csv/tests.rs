//! The tables, cell by cell.

use super::*;
use crate::period::testing::{HOSTILE, rich, type_one, with_deviations, with_registers};

fn named<'f>(files: &'f [NamedFile], name: &str) -> &'f str {
    let (_, content) = files.iter().find(|(file, _)| *file == name).unwrap();
    std::str::from_utf8(content).unwrap()
}

#[test]
fn tables_are_as_agreed() {
    let files = files(&rich()).unwrap();
    let all: Vec<String> = files
        .iter()
        .map(|(name, content)| {
            format!("== {name}\n{}", String::from_utf8(content.clone()).unwrap())
        })
        .collect();
    insta::assert_snapshot!(all.join("\n").replace("\r\n", "\n"));
}

#[test]
fn registers_are_as_agreed() {
    let files = files(&with_registers()).unwrap();
    let all: Vec<String> = ["registers.csv", "register_lists.csv", "register_items.csv"]
        .map(|name| format!("== {name}\n{}", named(&files, name)))
        .into();
    insta::assert_snapshot!(all.join("\n").replace("\r\n", "\n"));
}

#[test]
fn every_table_has_as_many_cells_in_each_row_and_none_is_a_formula() {
    for report in [rich(), type_one(), with_registers()] {
        for (name, content) in files(&report).unwrap() {
            let mut reader = ::csv::ReaderBuilder::new().from_reader(content.as_slice());
            for record in reader.records() {
                let record = record.unwrap_or_else(|error| panic!("{name}: {error}"));
                for cell in &record {
                    assert!(!cell.starts_with(['=', '+', '-', '@']), "{name}: {cell}");
                    let acts = cell.chars().any(|c| c.is_control() || c == '\u{202e}');
                    assert!(!acts, "{name}: {cell:?}");
                }
            }
        }
    }
}

#[test]
fn the_hostile_name_is_there_as_text() {
    let files = files(&rich()).unwrap();
    let mut reader = ::csv::Reader::from_reader(named(&files, "deviations.csv").as_bytes());
    let expected = format!("'{}", crate::visible(HOSTILE));
    let names: Vec<String> =
        reader.records().map(|record| record.unwrap().get(5).unwrap().to_owned()).collect();
    assert!(names.contains(&expected), "{names:?}");
}

#[test]
fn rows_are_as_many_as_there_is_to_say() {
    let report = with_deviations(500);
    let files = files(&report).unwrap();
    let rows = |name: &str| named(&files, name).matches("\r\n").count() - 1;
    assert_eq!(rows("deviations.csv"), report.summary.deviations);
    assert_eq!(rows("criteria.csv"), 36);
    assert_eq!(rows("controls.csv"), report.controls.len());
    assert_eq!(rows("spec_changes.csv"), 4, "a row a field, and one for the creation");
}
