//! The sampling sheet: for each control the population, and a seeded sample of it that anybody can
//! draw again. Pure.

use std::{collections::BTreeSet, io};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    format::{NamedFile, PeriodFormat, Render},
    model::{ControlReport, PeriodReport, Provenance, Span},
};
use crate::{shell_word, spreadsheet::CsvTable};
use comptroller_evidence::{
    data::OccurrencePhase,
    sample::{self, Sample, Size, SizeTable},
};
use comptroller_vocabulary::canonical;

/// The samples of each population, as a table to fill in.
pub(super) const FORMAT: PeriodFormat = PeriodFormat::new(
    "sample",
    "The samples of each population, as a table to fill in",
    Render::Samples(SamplingSheet::csv),
);

/// The samples of all controls.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SamplingSheet {
    /// The seed of every sample.
    pub seed: String,
    /// How many are drawn, as `4:all,50:5,250:10%,25`.
    pub size_table: String,
    /// Each control, by name.
    pub controls: Vec<ControlSample>,
}

/// The sample of a control.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ControlSample {
    /// The name of the Control.
    pub control: String,
    /// When the population was so.
    pub at: Timestamp,
    /// How many items it has.
    pub population: u64,
    /// The SHA-256 of its list; none where no list was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The entry of the log that says so; none where this report lists the population.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// The command that draws it again; none where this report lists the population.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The items that were drawn; None where there is nothing to draw from, or not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<Sample>,
    /// Why there is no sample, or no item in it; None where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// The seed where nobody gives one, the digest of the checkpoint: nobody knew it before the log was
/// written. An auditor who wants to be sure gives their own.
pub fn default_seed(checkpoint: &str) -> String {
    canonical::sha256(checkpoint.as_bytes())
}

impl SamplingSheet {
    /// A sheet for the populations at the end of the period. Those of human controls, their
    /// occurrences, are drawn from at once; lists that lie beside the log are [drawn from later](Self::lists_to_draw_from).
    pub fn new(report: &PeriodReport, seed: &str, table: &SizeTable) -> Self {
        let mut sheet =
            Self { seed: seed.to_owned(), size_table: table.to_string(), controls: Vec::new() };
        for control in &report.controls {
            let row = if control.occurrences.is_empty() {
                sample_of_list(control, &report.provenance, &sheet)
            } else {
                Some(sample_of_occurrences(control, end_of_period(report), seed, table))
            };
            sheet.controls.extend(row);
        }
        sheet
    }

    /// The digests of the lists to [draw](Self::draw) from.
    pub fn lists_to_draw_from(&self) -> BTreeSet<String> {
        let open = self.controls.iter().filter(|row| row.sample.is_none());
        open.filter_map(|row| row.digest.clone()).collect()
    }

    /// Draws from a list for every control whose population it is.
    pub fn draw(&mut self, list: &str, table: &SizeTable) {
        let digest = canonical::sha256(list.as_bytes());
        for row in &mut self.controls {
            // Two controls may have judged the same items: one list, read once, serves both.
            if row.sample.is_none() && row.digest.as_deref() == Some(digest.as_str()) {
                row.sample = Some(sample::draw(list, &self.seed, &Size::Table(table.clone())));
                row.missing = None;
            }
        }
    }

    /// Writes it as a table: a row for each item, with room for what the auditor finds.
    pub fn csv(&self) -> io::Result<NamedFile> {
        let columns = [
            "control",
            "at",
            "population",
            "population_digest",
            "entry",
            "seed",
            "size_table",
            "line",
            "item",
            "hash",
            "result",
            "note",
            "command_to_redraw",
        ];
        let mut table = CsvTable::new(Vec::new(), &columns)?;
        for row in &self.controls {
            let items = row.sample.iter().flat_map(|sample| &sample.items);
            for item in items {
                // The cells of an item are parted by tabs, which a spreadsheet cell should not hold.
                let shown = item.item.split('\t').filter(|part| !part.is_empty());
                let name = shown.collect::<Vec<_>>().join(" ");
                table.row(&self.cells(row, &item.line.to_string(), &name, &item.hash, ""))?;
            }
            if let Some(missing) = &row.missing {
                table.row(&self.cells(row, "", "", "", missing))?;
            }
        }
        Ok(("sampling.csv", table.finish()?))
    }

    fn cells(
        &self,
        row: &ControlSample,
        line: &str,
        item: &str,
        hash: &str,
        note: &str,
    ) -> [String; 13] {
        [
            row.control.clone(),
            row.at.to_string(),
            row.population.to_string(),
            row.digest.clone().unwrap_or_default(),
            row.entry.map(|entry| entry.to_string()).unwrap_or_default(),
            self.seed.clone(),
            self.size_table.clone(),
            line.to_owned(),
            item.to_owned(),
            hash.to_owned(),
            String::new(),
            note.to_owned(),
            row.command.clone().unwrap_or_default(),
        ]
    }
}

fn end_of_period(report: &PeriodReport) -> Timestamp {
    match report.period.span {
        Span::TypeI { as_of } => as_of,
        Span::TypeII { to, .. } => to,
    }
}

/// A population that lies beside the log.
fn sample_of_list(
    control: &ControlReport,
    provenance: &Provenance,
    sheet: &SamplingSheet,
) -> Option<ControlSample> {
    let population = control.population_end.as_ref().or(control.population_start.as_ref())?;
    let mut row = ControlSample {
        control: control.name.clone(),
        at: population.at,
        population: population.count,
        digest: None,
        entry: Some(population.entry),
        command: None,
        sample: None,
        missing: Some("nothing was in scope".to_owned()),
    };
    if let Some(list) = &population.list {
        row.population = list.count;
        row.digest = Some(list.digest.clone());
        row.command = Some(command(&control.name, population.at, provenance, sheet));
        row.missing = Some("the list was not read".to_owned());
    } else if population.count > 0 {
        row.missing = Some("the log holds no list of this population".to_owned());
    }
    Some(row)
}

fn command(control: &str, at: Timestamp, provenance: &Provenance, sheet: &SamplingSheet) -> String {
    format!(
        "comptroller evidence sample {} --control {} --at {at} --seed {} --sizes {}",
        shell_word(&provenance.source),
        shell_word(control),
        shell_word(&sheet.seed),
        shell_word(&sheet.size_table),
    )
}

/// The population of a human control is the list of its occurrences whose time is over.
fn sample_of_occurrences(
    control: &ControlReport,
    at: Timestamp,
    seed: &str,
    table: &SizeTable,
) -> ControlSample {
    // One that is still open may yet be attested, and would be another item tomorrow.
    let over = control
        .occurrences
        .iter()
        .filter(|one| !matches!(one.phase, OccurrencePhase::Scheduled | OccurrencePhase::Open));
    let mut list = String::new();
    for occurrence in over {
        list.push_str(&occurrence.period);
        list.push('\n');
    }
    let sample = sample::draw(&list, seed, &Size::Table(table.clone()));
    let missing = (sample.population == 0).then(|| "no occurrence of it was over".to_owned());
    ControlSample {
        control: control.name.clone(),
        at,
        population: sample.population,
        digest: Some(sample.population_digest.clone()),
        entry: None,
        command: None,
        sample: Some(sample),
        missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::testing::{rich, type_one};
    use comptroller_evidence::data::PopulationList;

    const LIST: &str = "apps/v1\tDeployment\tshop\t=cmd\nv1\tNode\t\tnode-1\nv1\tNode\t\tnode-2\n";

    /// The rich report, with one control whose list is known.
    fn report() -> PeriodReport {
        let mut report = rich();
        for control in &mut report.controls {
            if let Some(population) = &mut control.population_end
                && control.name == "certificates-do-not-expire"
            {
                let digest = canonical::sha256(LIST.as_bytes());
                population.list = Some(PopulationList { digest, count: 3 });
            }
        }
        report
    }

    fn row<'s>(sheet: &'s SamplingSheet, control: &str) -> &'s ControlSample {
        sheet.controls.iter().find(|row| row.control == control).unwrap()
    }

    #[test]
    fn a_list_is_drawn_from_once_it_is_read() {
        let table = SizeTable::default();
        let mut sheet = SamplingSheet::new(&report(), "seed 1", &table);
        let before = sheet.lists_to_draw_from();
        assert!(before.contains(&canonical::sha256(LIST.as_bytes())));
        let certificates = row(&sheet, "certificates-do-not-expire");
        assert_eq!((certificates.population, certificates.entry), (3, Some(48_190)));
        assert_eq!(certificates.missing.as_deref(), Some("the list was not read"));
        sheet.draw("another\n", &table);
        assert_eq!(sheet.lists_to_draw_from(), before, "another list is nobody's");
        sheet.draw(LIST, &table);
        assert_eq!(sheet.lists_to_draw_from().len() + 1, before.len());
        let drawn = row(&sheet, "certificates-do-not-expire");
        assert_eq!(drawn.sample.as_ref().unwrap().items.len(), 3, "below five, all");
        assert_eq!(drawn.missing, None);
        assert_eq!(
            drawn.command.as_deref(),
            Some(
                "comptroller evidence sample s3://acme-evidence/production --control certificates-do-not-expire --at 2026-09-30T23:10:00Z --seed 'seed 1' --sizes 4:all,50:5,250:10%,25"
            )
        );
    }

    #[test]
    fn occurrences_are_the_population_of_a_human_control() {
        let sheet = SamplingSheet::new(&report(), "1", &SizeTable::default());
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
        let table = SizeTable::default();
        let mut sheet = SamplingSheet::new(&report(), "1", &table);
        sheet.draw(LIST, &table);
        let (name, content) = sheet.csv().unwrap();
        assert_eq!(name, "sampling.csv");
        let mut reader = ::csv::Reader::from_reader(content.as_slice());
        let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let items: Vec<&str> = rows
            .iter()
            .filter(|row| &row[0] == "certificates-do-not-expire")
            .map(|row| &row[8])
            .collect();
        assert_eq!(items, ["apps/v1 Deployment shop =cmd", "v1 Node node-1", "v1 Node node-2"]);
        assert!(rows.iter().all(|row| &row[5] == "1" && !row[8].starts_with('=')));
    }

    #[test]
    fn the_default_seed_is_that_of_the_checkpoint() {
        let (one, mut other) = (rich().provenance, type_one().provenance);
        assert_eq!(default_seed(&one.checkpoint), default_seed(&other.checkpoint));
        other.checkpoint.push('x');
        assert_ne!(default_seed(&one.checkpoint), default_seed(&other.checkpoint));
    }
}
