//! Readiness as CSV: a row for each criterion.

use std::io;

use super::{ReadinessReport, ServingControl, category_words, evidence_words, standing_words};
use crate::{TextFormat, spreadsheet::CsvTable};

pub(super) const FORMAT: TextFormat<ReadinessReport> =
    TextFormat::new("csv", "For a spreadsheet", |readiness, _, output| write(readiness, output));

fn write(readiness: &ReadinessReport, output: &mut dyn io::Write) -> io::Result<()> {
    let columns = ["criterion", "category", "asks", "evidence", "standing", "people", "controls"];
    let mut table = CsvTable::new(output, &columns)?;
    for criterion in &readiness.criteria {
        let controls: Vec<String> = criterion.controls.iter().map(describe).collect();
        let people = if criterion.without_people { "no control asks them" } else { "" };
        table.row(&[
            criterion.id,
            category_words(criterion.category),
            criterion.title,
            evidence_words(criterion.evidence),
            standing_words(criterion.standing),
            people,
            &controls.join("; "),
        ])?;
    }
    table.finish().map(drop)
}

fn describe(control: &ServingControl) -> String {
    let state = control.state.map_or("not evaluated", |state| state.as_str());
    format!("{} ({state})", control.name)
}
