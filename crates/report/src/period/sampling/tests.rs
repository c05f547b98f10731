//! What is drawn, and from what.

use super::*;
use crate::period::{
    model::{PopulationMove, ReportedPopulation},
    testing::{rich, with_registers},
};
use comptroller_core::api::ResourceRef;
use comptroller_evidence::data::{PopulationCause, PopulationList};

const LIST: &str = "apps/v1\tDeployment\tshop\t=cmd\nv1\tNode\t\tnode-1\nv1\tNode\t\tnode-2\n";

/// The rich report, with one control whose list is known.
fn report() -> PeriodReport {
    let mut report = rich();
    for control in &mut report.controls {
        if control.name == "certificates-do-not-expire" {
            let digest = canonical::sha256(LIST.as_bytes());
            control.population_start = None;
            if let Some(population) = &mut control.population_end {
                population.list = Some(PopulationList { digest, count: 3 });
            }
        }
    }
    report
}

fn row<'s>(sheet: &'s SamplingSheet, control: &str) -> &'s ControlSample {
    sheet.controls.iter().find(|row| row.control == control).unwrap()
}

#[test]
fn a_list_is_drawn_from_once_it_is_read() {
    let table = SampleTable::default();
    let mut sheet = SamplingSheet::new(&report(), Some("seed 1"), &table);
    let before = sheet.lists_to_read();
    assert!(before.contains(&canonical::sha256(LIST.as_bytes())));
    let certificates = row(&sheet, "certificates-do-not-expire");
    assert_eq!(certificates.missing.as_deref(), Some("the lists were not read"));
    sheet.read("another\n");
    assert_eq!(sheet.lists_to_read(), before, "another list is nobody's");
    sheet.read(LIST);
    sheet.draw();
    assert_eq!(sheet.lists_to_read().len() + 1, before.len());
    let drawn = row(&sheet, "certificates-do-not-expire");
    assert_eq!((drawn.population, drawn.entry), (3, Some(48_190)));
    assert_eq!(drawn.sample.as_ref().unwrap().items.len(), 3, "below five, all");
    assert_eq!(drawn.missing, None);
    assert_eq!(drawn.command.as_ref(), Some(&report().provenance.command));
}

#[test]
fn what_was_there_for_an_hour_is_in_the_population() {
    let first = "v1\tPod\ta\tone\tuid-1\tsha256:1\nv1\tPod\ta\ttwo\n";
    let second = "v1\tPod\ta\tone\tuid-1\tsha256:2\nv1\tPod\ta\ttwo\tuid-2\tsha256:3\n";
    let mut report = report();
    let control =
        report.controls.iter_mut().find(|one| one.name == "certificates-do-not-expire").unwrap();
    let newest = control.population_end.clone().unwrap();
    let listed = |list: &str| ReportedPopulation {
        list: Some(PopulationList { digest: canonical::sha256(list.as_bytes()), count: 2 }),
        ..newest.clone()
    };
    control.population_window.lists = vec![listed(first)];
    control.population_end = Some(listed(second));
    let resource = ResourceRef {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        namespace: Some("a".to_owned()),
        name: "brief".to_owned(),
    };
    let item = ReportedItem { resource, uid: Some("uid-3".to_owned()) };
    for entered in [true, false] {
        control.population_window.moves.push(PopulationMove {
            at: newest.at,
            item: item.clone(),
            entered,
            why: PopulationCause::Object,
            detail: String::new(),
            entry: 1,
        });
    }
    let table = SampleTable::default();
    let mut sheet = SamplingSheet::new(&report, Some("1"), &table);
    sheet.read(first);
    sheet.draw();
    let partly = row(&sheet, "certificates-do-not-expire");
    assert!(partly.missing.as_ref().unwrap().starts_with("1 of the 2 lists"));
    let mut sheet = SamplingSheet::new(&report, Some("1"), &table);
    sheet.read(second);
    sheet.read(first);
    sheet.draw();
    let items: Vec<String> = row(&sheet, "certificates-do-not-expire")
        .sample
        .as_ref()
        .unwrap()
        .items
        .iter()
        .map(|one| one.item.clone())
        .collect();
    assert_eq!(
        items,
        ["v1\tPod\ta\tbrief\tuid-3", "v1\tPod\ta\tone\tuid-1", "v1\tPod\ta\ttwo\tuid-2"]
    );
}

#[test]
fn occurrences_are_the_population_of_a_human_control() {
    let sheet = SamplingSheet::new(&report(), Some("1"), &SampleTable::default());
    let review = row(&sheet, "log-review");
    let items: Vec<&str> =
        review.sample.as_ref().unwrap().items.iter().map(|one| one.item.as_str()).collect();
    assert_eq!(items, ["2026-06", "2026-07", "2026-08"]);
    assert_eq!(
        row(&sheet, "secrets-encrypted-at-rest").missing.as_deref(),
        Some("nothing was in scope")
    );
}

#[test]
fn the_sheet_is_a_table_with_every_item_as_text() {
    let table = SampleTable::default();
    let mut sheet = SamplingSheet::new(&report(), Some("1"), &table);
    sheet.read(LIST);
    sheet.draw();
    let (name, content) = sheet.csv().unwrap();
    assert_eq!(name, "sampling.csv");
    let mut reader = ::csv::Reader::from_reader(content.as_slice());
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let items: Vec<&str> = rows
        .iter()
        .filter(|row| &row[0] == "certificates-do-not-expire")
        .map(|row| &row[10])
        .collect();
    assert_eq!(items, ["apps/v1 Deployment shop =cmd", "v1 Node node-1", "v1 Node node-2"]);
    assert!(rows.iter().all(|row| &row[7] == "1" && !row[10].starts_with('=')));
}

#[test]
fn a_seed_that_nobody_gave_follows_from_the_population() {
    let table: SampleTable = "by-frequency".parse().unwrap();
    let drawn = |report: &PeriodReport| {
        let mut sheet = SamplingSheet::new(report, None, &table);
        sheet.read(LIST);
        sheet.draw();
        let certificates = row(&sheet, "certificates-do-not-expire").clone();
        let sample = certificates.sample.clone().unwrap();
        let (from, to) = (certificates.from, certificates.to);
        let digest = certificates.digest.clone().unwrap();
        assert_eq!(sample.seed, sample::derived_seed(from, to, &certificates.control, &digest));
        assert_eq!(sheet.size_table(certificates.frequency), "by-frequency: 40");
        assert_eq!(sheet.size_table(row(&sheet, "log-review").frequency), "by-frequency: 2");
        sample
    };
    let first = drawn(&report());
    // A log that has grown by then, and another who draws.
    let mut later = report();
    later.provenance.checkpoint = "another".to_owned();
    assert_eq!(drawn(&later), first);
}

#[test]
fn a_short_lived_grant_is_drawn_with_when_it_came_and_went_and_the_entries_that_say_so() {
    let report = with_registers();
    let mut sheet = SamplingSheet::new(&report, Some("1"), &SampleTable::default());
    sheet.draw_registers(&report, Some(Stratify::Month));
    let csv = String::from_utf8(sheet.csv().unwrap().1).unwrap();
    let rows: Vec<&str> = csv.lines().filter(|line| line.starts_with(",grants,")).collect();
    assert_eq!(rows.len(), 4, "all three, and that it was not known for an hour: {rows:?}");
    let short = rows.iter().find(|row| row.contains("person:1f0c")).unwrap();
    assert!(
        short.contains(",2026-07,2026-07-14T10:00:00Z,2026-07-14T12:00:00Z,9100 9120,"),
        "{short}"
    );
    assert!(
        rows.iter().any(|row| row.contains("standing,by 2026-06-01T00:00:00Z,still there,12,"))
    );
    assert!(rows.iter().any(|row| row.contains("not known from 2026-08-02T00:00:00Z")));
    assert!(csv.contains(",volumes,") && csv.contains("nothing was in it"), "{csv}");
    // Whoever draws from the same window with the same seed gets the same.
    let mut again = SamplingSheet::new(&report, Some("1"), &SampleTable::default());
    again.draw_registers(&report, Some(Stratify::Month));
    assert_eq!(again.registers, sheet.registers);
}

#[test]
fn a_register_whose_items_were_not_read_is_not_drawn_from() {
    let mut report = with_registers();
    for register in &mut report.registers {
        register.population = None;
    }
    let mut sheet = SamplingSheet::new(&report, Some("1"), &SampleTable::default());
    sheet.draw_registers(&report, None);
    assert!(sheet.registers.is_empty());
}
