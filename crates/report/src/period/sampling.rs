//! The sampling sheet: for each control the population, and a seeded sample of it that anybody can
//! draw again. Pure.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, io};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    format::{NamedFile, PeriodFormat, Render},
    model::{ControlReport, PeriodReport, Provenance, RegisterReport, ReportedItem, Span},
};
use crate::{register_text, spreadsheet::CsvTable};
use comptroller_core::api::Duration;
use comptroller_evidence::{
    data::OccurrencePhase,
    fold::register_windows::SeenRow,
    register_sample::{DrawnItem, RegisterSample, Stratify, draw_register, population_digest},
    sample::{self, Sample, Size},
    sample_table::{Frequency, SampleTable},
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
    /// The seed of every sample, where somebody gave one; otherwise each has its own, which nobody picked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
    /// How many are drawn.
    #[serde(skip)]
    pub table: SampleTable,
    /// Each control, by name.
    pub controls: Vec<ControlSample>,
    /// Each register, by name, once they are [drawn from](Self::draw_registers).
    pub registers: Vec<RegisterSheet>,
}

/// The sample of a register: drawn from everything that was in it at some time.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RegisterSheet {
    pub register: String,
    /// The first moment of the time whose population it is.
    pub from: Timestamp,
    /// The end of that time.
    pub to: Timestamp,
    /// The entry of the log that says how many there were at the end; none where none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// The command that draws it again.
    pub command: String,
    #[serde(flatten)]
    pub sample: RegisterSample,
    /// When the register was not known: what came and went then may be missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_known: Vec<String>,
}

/// The sample of a control.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ControlSample {
    /// The name of the Control.
    pub control: String,
    /// The first moment of the time whose population it is.
    pub from: Timestamp,
    /// The end of that time.
    pub to: Timestamp,
    /// How many items were in it at some time.
    pub population: u64,
    /// The SHA-256 of the list of all of them; none where nothing is listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The digests of the stored lists that it is the union of.
    pub lists: BTreeSet<String>,
    /// Those of them that were not read.
    pub unread: BTreeSet<String>,
    /// The entry of the log that says how many there were at the end; none where this report lists
    /// the population.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<u64>,
    /// The command that draws it again; none where this report lists the population.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The items that were drawn; None where there is nothing to draw from, or not yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<Sample>,
    /// Why there is no sample, or not of all; None where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// How often the control is performed.
    #[serde(skip)]
    frequency: Frequency,
    /// The items, one a line.
    #[serde(skip)]
    items: BTreeSet<String>,
}

impl SamplingSheet {
    /// A sheet for what was in each population at some time of the period. Those of human controls,
    /// their occurrences, are drawn from at once; lists that lie beside the log are
    /// [read](Self::read) and [drawn from](Self::draw) later.
    pub fn new(report: &PeriodReport, seed: Option<&str>, table: &SampleTable) -> Self {
        let (seed, table) = (seed.map(str::to_owned), table.clone());
        let mut sheet = Self { seed, table, controls: Vec::new(), registers: Vec::new() };
        let window = bounds(report);
        for control in &report.controls {
            let row = if control.occurrences.is_empty() {
                sample_of_lists(control, &report.provenance, window)
            } else {
                Some(sheet.sample_of_occurrences(control, window))
            };
            sheet.controls.extend(row);
        }
        sheet
    }

    /// The digests of the lists to [read](Self::read).
    pub fn lists_to_read(&self) -> BTreeSet<String> {
        self.controls.iter().flat_map(|row| row.unread.iter().cloned()).collect()
    }

    /// Takes in a list for every control whose population it is.
    pub fn read(&mut self, list: &str) {
        let digest = canonical::sha256(list.as_bytes());
        for row in &mut self.controls {
            // Two controls may have judged the same items: one list, read once, serves both.
            if row.unread.remove(&digest) {
                row.items.extend(list.lines().map(identity));
            }
        }
    }

    /// Draws from the lists that were read and from what came between them.
    pub fn draw(&mut self) {
        let Self { seed, table, controls, .. } = self;
        for row in controls.iter_mut().filter(|row| row.sample.is_none()) {
            drop_without_uid(&mut row.items);
            if row.items.is_empty() {
                continue;
            }
            let list: String = row.items.iter().flat_map(|item| [item.as_str(), "\n"]).collect();
            let sample = drawn(&list, seed.as_deref(), table, row);
            row.population = sample.population;
            row.digest = Some(sample.population_digest.clone());
            row.sample = Some(sample);
            row.missing = match row.unread.len() {
                0 => None,
                unread => Some(format!(
                    "{unread} of the {} lists of this population were not read",
                    row.lists.len()
                )),
            };
        }
    }

    /// Draws from the registers of the report, by strata of the dates if asked for.
    pub fn draw_registers(&mut self, report: &PeriodReport, stratify: Option<Stratify>) {
        let window = bounds(report);
        let whole = report.registers.iter().filter(|register| register.population.is_some());
        self.registers = whole
            .map(|register| self.sheet_of(register, window, &report.provenance, stratify))
            .collect();
    }

    fn sheet_of(
        &self,
        register: &RegisterReport,
        (from, to): (Timestamp, Timestamp),
        provenance: &Provenance,
        stratify: Option<Stratify>,
    ) -> RegisterSheet {
        let rows = &register.items;
        let derived = || {
            let subject = format!("Register {}", register.name);
            sample::derived_seed(from, to, &subject, &population_digest(rows))
        };
        let seed = self.seed.clone().unwrap_or_else(derived);
        let size = Size::Table(self.table.sizes(Frequency::ManyADay));
        RegisterSheet {
            register: register.name.clone(),
            from,
            to,
            entry: register.basis.at_end.as_ref().map(|end| end.entry),
            command: provenance.command.clone(),
            sample: draw_register(rows, from, &seed, &size, stratify),
            not_known: register.unknown(),
        }
    }

    /// The name of the table and its rows, or the rows alone.
    fn size_table(&self, frequency: Frequency) -> String {
        let rows = self.table.sizes(frequency).to_string();
        let table = self.table.to_string();
        if table == rows { rows } else { format!("{table}: {rows}") }
    }

    /// Writes it as a table: a row for each item, with room for what the auditor finds.
    pub fn csv(&self) -> io::Result<NamedFile> {
        let columns = [
            "control",
            "register",
            "from",
            "to",
            "population",
            "population_digest",
            "entry",
            "seed",
            "size_table",
            "line",
            "item",
            "hash",
            "stratum",
            "came",
            "went",
            "entries",
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
        for sheet in &self.registers {
            for one in &sheet.sample.items {
                table.row(&self.register_cells(sheet, Some(one), ""))?;
            }
            if sheet.sample.population == 0 {
                table.row(&self.register_cells(sheet, None, "nothing was in it"))?;
            }
            for unknown in &sheet.not_known {
                table.row(&self.register_cells(sheet, None, &format!("not known {unknown}")))?;
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
    ) -> [String; 19] {
        let drawn = row.sample.as_ref().map(|sample| &sample.seed);
        let seed = drawn.or(self.seed.as_ref());
        [
            row.control.clone(),
            String::new(),
            row.from.to_string(),
            row.to.to_string(),
            row.population.to_string(),
            row.digest.clone().unwrap_or_default(),
            row.entry.map(|entry| entry.to_string()).unwrap_or_default(),
            seed.cloned().unwrap_or_default(),
            self.size_table(row.frequency),
            line.to_owned(),
            item.to_owned(),
            hash.to_owned(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            note.to_owned(),
            row.command.clone().unwrap_or_default(),
        ]
    }

    fn register_cells(
        &self,
        sheet: &RegisterSheet,
        one: Option<&DrawnItem>,
        note: &str,
    ) -> [String; 19] {
        let row = one.map(|one| &one.item);
        let text = |text: Option<String>| text.unwrap_or_default();
        [
            String::new(),
            sheet.register.clone(),
            sheet.from.to_string(),
            sheet.to.to_string(),
            sheet.sample.population.to_string(),
            sheet.sample.population_digest.clone(),
            text(sheet.entry.map(|entry| entry.to_string())),
            sheet.sample.seed.clone(),
            self.size_table(Frequency::ManyADay),
            text(one.map(|one| one.line.to_string())),
            text(row.map(|row| register_text::fields(&row.fields))),
            text(one.map(|one| one.hash.clone())),
            text(one.and_then(|one| one.stratum.clone())),
            text(row.map(|row| row.came.time())),
            text(row.map(|row| row.went.as_ref().map_or("still there".to_owned(), SeenRow::time))),
            text(row.map(|row| register_text::numbers(&row.entries()))),
            String::new(),
            note.to_owned(),
            sheet.command.clone(),
        ]
    }

    /// The population of a human control is the list of its occurrences whose time is over.
    fn sample_of_occurrences(
        &self,
        control: &ControlReport,
        (from, to): (Timestamp, Timestamp),
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
        let mut row = ControlSample {
            control: control.name.clone(),
            from,
            to,
            population: 0,
            digest: None,
            lists: BTreeSet::new(),
            unread: BTreeSet::new(),
            entry: None,
            command: None,
            sample: None,
            missing: None,
            frequency: frequency(control),
            items: BTreeSet::new(),
        };
        let sample = drawn(&list, self.seed.as_deref(), &self.table, &row);
        row.missing = (sample.population == 0).then(|| "no occurrence of it was over".to_owned());
        row.population = sample.population;
        row.digest = Some(sample.population_digest.clone());
        row.sample = Some(sample);
        row
    }
}

/// A sample by the seed that was given, or by that which follows from the population.
fn drawn(list: &str, seed: Option<&str>, table: &SampleTable, row: &ControlSample) -> Sample {
    let derived = || {
        let digest = canonical::sha256(list.as_bytes());
        sample::derived_seed(row.from, row.to, &row.control, &digest)
    };
    let seed = seed.map_or_else(derived, str::to_owned);
    sample::draw(list, &seed, &Size::Table(table.sizes(row.frequency)))
}

/// How often a control is performed: as its newest spec says, or whenever something changes. Events
/// come as often as they like, so that their sample is as large as any.
fn frequency(control: &ControlReport) -> Frequency {
    let newest = control.specs.last();
    let every = newest.and_then(|version| {
        let every = version.spec.pointer("/test/attestation/every")?.as_str()?;
        every.parse::<Duration>().ok()?.calendar_months()
    });
    let waits_for_events =
        newest.is_some_and(|version| version.spec.pointer("/test/attestation/on").is_some());
    match every {
        Some(months) => Frequency::of_months(months),
        None if control.is_attested() && !waits_for_events => Frequency::Monthly,
        None => Frequency::ManyADay,
    }
}

fn bounds(report: &PeriodReport) -> (Timestamp, Timestamp) {
    match report.period.span {
        Span::TypeI { as_of } => (as_of, as_of),
        Span::TypeII { from, to } => (from, to),
    }
}

/// An item of a list without the digest of its facts, which changes while the item stays.
fn identity(line: &str) -> String {
    line.splitn(6, '\t').take(5).collect::<Vec<_>>().join("\t")
}

/// Lists of older versions have no uids: what they name is the same item as one with a uid.
fn drop_without_uid(items: &mut BTreeSet<String>) {
    let named: BTreeSet<String> = items
        .iter()
        .filter_map(|item| item.rsplit_once('\t').filter(|_| item.matches('\t').count() == 4))
        .map(|(name, _)| name.to_owned())
        .collect();
    items.retain(|item| !named.contains(item));
}

fn line_of(item: &ReportedItem) -> String {
    let resource = &item.resource;
    let namespace = resource.namespace.as_deref().unwrap_or_default();
    let mut line = [&resource.api_version, &resource.kind, namespace, &resource.name].join("\t");
    if let Some(uid) = &item.uid {
        line.push('\t');
        line.push_str(uid);
    }
    line
}

/// A population whose lists lie beside the log.
fn sample_of_lists(
    control: &ControlReport,
    provenance: &Provenance,
    (from, to): (Timestamp, Timestamp),
) -> Option<ControlSample> {
    let newest = control.population_end.as_ref().or(control.population_start.as_ref())?;
    let window = &control.population_window;
    // The list of the end may be older than the window, and is then in no entry of it.
    let populations = [&control.population_start, &control.population_end].into_iter().flatten();
    let lists: BTreeSet<String> = window
        .lists
        .iter()
        .chain(populations)
        .filter_map(|population| population.list.as_ref())
        .map(|list| list.digest.clone())
        .collect();
    let missing = if lists.is_empty() && newest.count > 0 {
        "the log holds no list of this population"
    } else if lists.is_empty() {
        "nothing was in scope"
    } else {
        "the lists were not read"
    };
    Some(ControlSample {
        control: control.name.clone(),
        from,
        to,
        population: newest.count,
        digest: None,
        unread: lists.clone(),
        lists,
        entry: Some(newest.entry),
        command: Some(provenance.command.clone()),
        sample: None,
        missing: Some(missing.to_owned()),
        frequency: frequency(control),
        // What left in the window was in the population at its beginning, whatever the lists say.
        items: window.moves.iter().map(|one| line_of(&one.item)).collect(),
    })
}
