//! The lists that a report cites: what lies beside the log is believed only if it is what was stored.

use std::collections::BTreeMap;

use comptroller_evidence::{
    data::PopulationList,
    log::{LogError, LogReader},
};
use comptroller_report::{
    period::{PeriodFormat, model::PeriodReport},
    visible,
};

/// A list that a report cites is not what the log says.
#[derive(Debug, thiserror::Error)]
pub enum CitedError {
    /// It is missing, or its bytes are others.
    #[error(
        "the report cites the list of what {control} judged (entry {entry}), which is not as it was stored: {error}; restore it from a copy, and see what `comptroller evidence verify` says"
    )]
    List { control: String, entry: u64, error: LogError },
    /// It has another number of lines.
    #[error(
        "the report cites the list of what {control} judged (entry {entry}), which has {lines} items and not {count} as the log says"
    )]
    Count { control: String, entry: u64, lines: u64, count: u64 },
}

/// Reads every list that a report cites in a format, each once, and checks it against its digest.
pub async fn check(
    report: &PeriodReport,
    format: &PeriodFormat,
    reader: &LogReader,
) -> Result<(), CitedError> {
    for (list, (control, entry)) in lists(report, format.cites_all_lists()) {
        let bytes = reader.stored(&list.digest).await.map_err(|error| CitedError::List {
            control: visible(control).into_owned(),
            entry,
            error,
        })?;
        let lines = bytes.split_inclusive(|byte| *byte == b'\n').count() as u64;
        if lines != list.count {
            let control = visible(control).into_owned();
            return Err(CitedError::Count { control, entry, lines, count: list.count });
        }
    }
    Ok(())
}

/// The lists that a report cites, with a control and an entry that do: those of both ends, and where a
/// format names them, those of the time between.
fn lists(
    report: &PeriodReport,
    with_window: bool,
) -> impl Iterator<Item = (&PopulationList, (&str, u64))> {
    let mut lists = BTreeMap::new();
    for control in &report.controls {
        let window = control.population_window.lists.iter().filter(|_| with_window);
        let ends = control.population_start.iter().chain(&control.population_end);
        for population in ends.chain(window) {
            if let Some(list) = &population.list {
                lists
                    .entry(&list.digest)
                    .or_insert((list, (control.name.as_str(), population.entry)));
            }
        }
    }
    lists.into_values()
}
