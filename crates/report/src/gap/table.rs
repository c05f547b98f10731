//! Readiness for a person: the criteria by category, then what to look at, then the whole in a
//! sentence.

use std::io::{self, Write};

use super::{
    CategoryReadiness, CriterionReadiness, ReadinessReport, ServingControl, category_words,
    evidence_words, standing_words,
};
use crate::{
    TextFormat,
    standing::CriterionStanding,
    table::{TableStyle, describe},
    text::visible,
};
use comptroller_core::api::{State, criteria::EvidenceSource};

/// The heads of the columns.
const HEADER: [&str; 5] = ["CRITERION", "STANDING", "EVIDENCE", "CONTROLS", "ASKS"];
/// How many spaces separate two columns.
const GUTTER: usize = 3;
/// A last column narrower than this is not wrapped: it would be a tower of words.
const MIN_LAST_COLUMN: usize = 24;

pub(super) const FORMAT: TextFormat<ReadinessReport> =
    TextFormat::new("table", "For a person", write);

pub(super) fn write(
    readiness: &ReadinessReport,
    style: TableStyle,
    output: &mut dyn Write,
) -> io::Result<()> {
    let rows: Vec<[String; 4]> = readiness.criteria.iter().map(cells).collect();
    let widths = widths(&rows);
    for category in &readiness.categories {
        writeln!(output, "{}", heading(category))?;
        let header = HEADER.map(str::to_owned);
        let [first, second, third, fourth, last] = &header;
        let columns = [first, second, third, fourth].map(String::as_str);
        line(output, columns, last, &widths, style, None)?;
        for (criterion, row) in readiness.criteria.iter().zip(&rows) {
            if criterion.category == category.category {
                let columns = row.each_ref().map(String::as_str);
                line(output, columns, criterion.title, &widths, style, Some(criterion.standing))?;
            }
        }
        writeln!(output)?;
    }
    for standing in [CriterionStanding::Failing, CriterionStanding::Unknown] {
        list(output, readiness, standing)?;
    }
    if !readiness.errors.is_empty() {
        writeln!(output, "Could not be read:")?;
        for error in &readiness.errors {
            writeln!(output, "  {}", visible(&describe(error)))?;
        }
        writeln!(output)?;
    }
    writeln!(output, "{}", summary(readiness))?;
    writeln!(output, "{}", visible(&readiness.basis))
}

fn heading(category: &CategoryReadiness) -> String {
    let standings = category.standings;
    format!(
        "{}: {} of {} criteria covered",
        category_words(category.category),
        standings.covered,
        standings.criteria
    )
}

fn cells(criterion: &CriterionReadiness) -> [String; 4] {
    [
        criterion.id.to_owned(),
        standing_words(criterion.standing).to_owned(),
        evidence_words(criterion.evidence).to_owned(),
        controls_cell(criterion),
    ]
}

/// How many controls, and how many of them are why the criterion stands as it does.
fn controls_cell(criterion: &CriterionReadiness) -> String {
    let all = criterion.controls.len();
    let in_state = |wanted: &dyn Fn(&ServingControl) -> bool| {
        criterion.controls.iter().filter(|control| wanted(control)).count()
    };
    let mut text = match criterion.standing {
        CriterionStanding::NotCovered => return "none".to_owned(),
        CriterionStanding::Failing => {
            format!("{} of {all} failing", in_state(&|one| one.state == Some(State::Failing)))
        }
        CriterionStanding::Unknown if is_coverage(criterion) => format!("{all} not evaluated"),
        CriterionStanding::Unknown => match in_state(&is_undecided) {
            0 => all.to_string(),
            undecided => format!("{undecided} of {all} unknown"),
        },
        CriterionStanding::Passing => all.to_string(),
    };
    if criterion.without_people {
        text.push_str(", no attestation");
    }
    text
}

/// Whether nobody evaluated what covers a criterion.
fn is_coverage(criterion: &CriterionReadiness) -> bool {
    criterion.controls.iter().all(|control| control.state.is_none())
}

fn is_undecided(control: &ServingControl) -> bool {
    matches!(control.state, None | Some(State::Unknown))
}

fn widths(rows: &[[String; 4]]) -> [usize; 4] {
    let mut widths = [0; 4];
    for (column, width) in widths.iter_mut().enumerate() {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::len);
        let header = HEADER.get(column).map_or(0, |name| name.len());
        *width = cells.max().unwrap_or(0).max(header);
    }
    widths
}

/// One row. Its last cell is wrapped into its own column where the screen ends.
fn line(
    output: &mut dyn Write,
    cells: [&str; 4],
    last: &str,
    widths: &[usize; 4],
    style: TableStyle,
    standing: Option<CriterionStanding>,
) -> io::Result<()> {
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let blank = " ".repeat((width + GUTTER).saturating_sub(cell.len()));
        match standing.filter(|_| column == 1 && style.colour).and_then(colour) {
            // Padded outside of the colour, which has no width.
            Some(code) => write!(output, "\u{1b}[{code}m{cell}\u{1b}[0m{blank}")?,
            None => write!(output, "{cell}{blank}")?,
        }
    }
    let indent = widths.iter().map(|width| width + GUTTER).sum::<usize>();
    let room = style.width.map(|width| width.saturating_sub(indent));
    let room = room.filter(|room| *room >= MIN_LAST_COLUMN).unwrap_or(usize::MAX);
    let mut used = 0;
    for word in last.split(' ') {
        if used > 0 && used + 1 + word.len() > room {
            write!(output, "\n{}", " ".repeat(indent))?;
            used = 0;
        } else if used > 0 {
            write!(output, " ")?;
            used += 1;
        }
        write!(output, "{word}")?;
        used += word.len();
    }
    writeln!(output)
}

/// As the table of a scan colours states.
fn colour(standing: CriterionStanding) -> Option<u8> {
    match standing {
        CriterionStanding::Failing => Some(31),
        CriterionStanding::Passing => Some(32),
        CriterionStanding::Unknown => Some(33),
        CriterionStanding::NotCovered => None,
    }
}

/// Which controls are why these criteria stand as they do.
fn list(
    output: &mut dyn Write,
    readiness: &ReadinessReport,
    standing: CriterionStanding,
) -> io::Result<()> {
    let listed = |criterion: &&CriterionReadiness| {
        // Where nobody evaluated anything, there is no reason to name.
        criterion.standing == standing
            && (standing != CriterionStanding::Unknown || !is_coverage(criterion))
    };
    let mut criteria = readiness.criteria.iter().filter(listed).peekable();
    if criteria.peek().is_none() {
        return Ok(());
    }
    let heading = match standing {
        CriterionStanding::Failing => "Failing, by these controls:",
        _ => "Unknown, because of these controls:",
    };
    writeln!(output, "{heading}")?;
    for criterion in criteria {
        let names: Vec<String> = criterion
            .controls
            .iter()
            .filter(|control| match standing {
                CriterionStanding::Failing => control.state == Some(State::Failing),
                _ => is_undecided(control) || control.state == Some(State::NotApplicable),
            })
            .map(|control| reason(control, standing))
            .collect();
        let names = if names.is_empty() {
            "only people can attest it, and no control asks them".to_owned()
        } else {
            names.join(", ")
        };
        writeln!(output, "  {}: {}", criterion.id, visible(&names))?;
    }
    writeln!(output)
}

fn reason(control: &ServingControl, standing: CriterionStanding) -> String {
    if standing == CriterionStanding::Failing || control.reason.is_empty() {
        control.name.clone()
    } else {
        format!("{} ({})", control.name, control.reason)
    }
}

/// The whole in some sentences.
fn summary(readiness: &ReadinessReport) -> String {
    use std::fmt::Write as _;

    let counts = readiness.summary;
    let mut text = format!(
        "Readiness: {} of {} criteria covered ({} passing, {} failing, {} unknown), {} not covered.",
        counts.covered,
        counts.criteria,
        counts.passing,
        counts.failing,
        counts.unknown,
        counts.not_covered,
    );
    let open = |source: EvidenceSource| {
        let of = |one: &&CriterionReadiness| {
            one.standing == CriterionStanding::NotCovered && one.evidence == source
        };
        readiness.criteria.iter().filter(of).count()
    };
    // Writing to a string can't fail.
    if counts.not_covered > 0 {
        let _ = write!(
            text,
            "\nOf those not covered, the cluster can answer for {} and contribute to {}; {} are for people only.",
            open(EvidenceSource::Cluster),
            open(EvidenceSource::Both),
            open(EvidenceSource::Human),
        );
    }
    if counts.without_people > 0 {
        let _ = write!(
            text,
            "\nPeople have a part in {} of those covered, and no control asks them.",
            counts.without_people,
        );
    }
    text
}
