//! The table: how every control stands, then what is wrong and how to fix it.

use std::io::{self, Write};

use tabwriter::TabWriter;

use super::{
    TextFormat,
    model::{ControlResult, EvaluationReport, ReportedError, ReportedFinding},
    text::{object_name, sentence, visible},
};
use comptroller_core::api::State;

/// How much of a control is listed; the rest is one line.
const MAX_LISTED: usize = 20;

/// The columns of the overview.
const COLUMNS: &[&str] = &["NAME", "STATE", "FAILING", "POPULATION", "SEVERITY", "CRITERIA"];

/// How many of them are shown on the narrowest screen.
const MIN_COLUMNS: usize = 3;

/// What the reader's screen can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStyle {
    /// Whether to colour the states.
    pub colour: bool,
    /// Where to wrap sentences; a pipe has no width.
    pub width: Option<usize>,
}

pub(super) const FORMAT: TextFormat<EvaluationReport> =
    TextFormat::new("table", "For a person", write);

pub(super) fn write(
    evaluation: &EvaluationReport,
    style: TableStyle,
    output: &mut dyn Write,
) -> io::Result<()> {
    let mut table = TableWriter { style, output };
    table.overview(&evaluation.controls)?;
    for control in &evaluation.controls {
        match control.state {
            State::Failing => table.failing(control)?,
            State::Unknown => table.undecided(control)?,
            State::Excepted => table.excepted(control)?,
            State::Passing | State::NotApplicable => {}
        }
    }
    table.errors(&evaluation.errors)?;
    table.notes(&evaluation.notes)?;
    table.summary(evaluation)
}

struct TableWriter<'o> {
    style: TableStyle,
    output: &'o mut dyn Write,
}

impl TableWriter<'_> {
    fn overview(&mut self, controls: &[ControlResult]) -> io::Result<()> {
        if controls.is_empty() {
            return writeln!(self.output, "No controls.");
        }
        // No manifest shows what people did: a row for each would only hide the others.
        let (hidden, controls): (Vec<_>, Vec<_>) = controls
            .iter()
            .partition(|control| control.attested && control.state == State::NotApplicable);
        // Aligned as a whole, with the colours put in afterwards: an escape sequence has no width.
        let lines = self.aligned(&controls)?;
        for (line, control) in
            lines.iter().zip(std::iter::once(None).chain(controls.iter().map(Some)))
        {
            let line = line.trim_end();
            match control {
                None => writeln!(self.output, "{line}")?,
                Some(control) => {
                    let word = control.state.as_str();
                    let line = line.replacen(word, &self.coloured(word, control.state), 1);
                    writeln!(self.output, "{line}")?;
                }
            }
        }
        if !hidden.is_empty() {
            let count = plural(hidden.len(), "control");
            let text = format!("Not listed: {count} attested by people, with nothing due.");
            writeln!(self.output)?;
            self.paragraph("", &text)?;
        }
        Ok(())
    }

    /// The header and a line for each control; the last columns are left out where the screen is
    /// too narrow for them.
    fn aligned(&self, controls: &[&ControlResult]) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        for columns in (MIN_COLUMNS..=COLUMNS.len()).rev() {
            let mut table = TabWriter::new(Vec::new()).minwidth(0).padding(3);
            writeln!(table, "{}", COLUMNS.get(..columns).unwrap_or(COLUMNS).join("\t"))?;
            for control in controls {
                writeln!(table, "{}", cells(control, columns).join("\t"))?;
            }
            let table = table.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
            lines = String::from_utf8_lossy(&table).lines().map(str::to_owned).collect();
            let widest = lines.iter().map(|line| line.trim_end().chars().count()).max();
            if self.style.width.is_none_or(|width| widest.unwrap_or_default() <= width) {
                break;
            }
        }
        Ok(lines)
    }

    fn failing(&mut self, control: &ControlResult) -> io::Result<()> {
        self.heading(control)?;
        if let Some(remedy) = &control.remedy {
            self.paragraph("  ", &format!("Remedy: {remedy}"))?;
        }
        self.findings(&control.findings)?;
        self.unknown_items(control)
    }

    fn undecided(&mut self, control: &ControlResult) -> io::Result<()> {
        self.heading(control)?;
        self.paragraph("  ", &control.message)?;
        self.findings(&control.unknown_items)
    }

    fn unknown_items(&mut self, control: &ControlResult) -> io::Result<()> {
        if control.unknown_items.is_empty() {
            return Ok(());
        }
        writeln!(self.output, "  Could not be judged:")?;
        self.findings(&control.unknown_items)
    }

    fn excepted(&mut self, control: &ControlResult) -> io::Result<()> {
        self.heading(control)?;
        self.findings(&control.excepted_findings)
    }

    fn heading(&mut self, control: &ControlResult) -> io::Result<()> {
        let name = visible(&control.name).into_owned();
        let name = self.coloured(&name, control.state);
        writeln!(self.output, "\n{name}: {}", visible(&control.title))
    }

    fn findings(&mut self, findings: &[ReportedFinding]) -> io::Result<()> {
        let mut above = None;
        for finding in findings.iter().take(MAX_LISTED) {
            // Findings come sorted by object, which is named once above all of its own.
            if above != Some(&finding.resource) {
                above = Some(&finding.resource);
                let object = object_name(&finding.resource);
                write!(self.output, "  {}", visible(&object))?;
                if let Some(at) = &finding.location {
                    write!(self.output, " ({}:{})", visible(&at.file), at.line)?;
                }
                writeln!(self.output)?;
            }
            let sentence = sentence(finding.subject.as_deref(), &finding.message);
            let mut text = format!("{}: {sentence}", finding.rule);
            if let Some(exception) = &finding.exception {
                text = format!("{text} (allowed by ControlException {exception})");
            }
            if !finding.is_new() {
                text.push_str(" (in the baseline)");
            }
            self.paragraph("    ", &text)?;
        }
        match findings.len().checked_sub(MAX_LISTED) {
            None | Some(0) => Ok(()),
            Some(more) => writeln!(self.output, "  and {more} more: -o json lists all"),
        }
    }

    fn errors(&mut self, errors: &[ReportedError]) -> io::Result<()> {
        if errors.is_empty() {
            return Ok(());
        }
        writeln!(self.output, "\nCould not be read:")?;
        for error in errors.iter().take(MAX_LISTED) {
            self.paragraph("  ", &describe(error))?;
        }
        match errors.len().checked_sub(MAX_LISTED) {
            None | Some(0) => Ok(()),
            Some(more) => writeln!(self.output, "  and {more} more: -o json lists all"),
        }
    }

    fn notes(&mut self, notes: &[String]) -> io::Result<()> {
        if notes.is_empty() {
            return Ok(());
        }
        writeln!(self.output, "\nNotes:")?;
        for note in notes.iter().take(MAX_LISTED) {
            self.paragraph("  ", note)?;
        }
        match notes.len().checked_sub(MAX_LISTED) {
            None | Some(0) => Ok(()),
            Some(more) => writeln!(self.output, "  and {more} more: -o json lists all"),
        }
    }

    fn summary(&mut self, evaluation: &EvaluationReport) -> io::Result<()> {
        let summary = &evaluation.summary;
        let states = [
            (summary.failing, "failing"),
            (summary.unknown, "unknown"),
            (summary.excepted, "excepted"),
            (summary.passing, "passing"),
            (summary.not_applicable, "not applicable"),
        ];
        let counts: Vec<String> = states
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let controls = plural(evaluation.controls.len(), "control");
        let mut read = vec![format!("{} read", plural(summary.objects, "object"))];
        if summary.skipped > 0 {
            read.push(format!("{} skipped", plural(summary.skipped, "other document")));
        }
        if !evaluation.errors.is_empty() {
            read.push(plural(evaluation.errors.len(), "error"));
        }
        let known: usize = evaluation.controls.iter().map(ControlResult::baseline_findings).sum();
        if known > 0 {
            read.push(format!("{} in the baseline", plural(known, "finding")));
        }
        let counts =
            if counts.is_empty() { "nothing to judge by".to_owned() } else { counts.join(", ") };
        writeln!(self.output)?;
        self.paragraph("", &format!("{controls}: {counts}; {}.", read.join(", ")))
    }

    /// An indented paragraph, wrapped where the screen ends, with a hanging indent.
    fn paragraph(&mut self, indent: &str, text: &str) -> io::Result<()> {
        let shown = visible(text);
        let room = self.style.width.map_or(usize::MAX, |width| width.saturating_sub(indent.len()));
        let mut used = 0;
        write!(self.output, "{indent}")?;
        for word in shown.split(' ') {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > room.max(20) {
                write!(self.output, "\n{indent}  ")?;
                used = 2;
            } else if used > 0 {
                write!(self.output, " ")?;
                used += 1;
            }
            write!(self.output, "{word}")?;
            used += length;
        }
        writeln!(self.output)
    }

    /// Standard ANSI colours (ECMA-48 SGR), which every palette makes legible.
    fn coloured(&self, text: &str, state: State) -> String {
        let code = match state {
            State::Failing => 31,
            State::Passing => 32,
            State::Unknown => 33,
            State::Excepted => 36,
            State::NotApplicable => 90,
        };
        if self.style.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn cells(control: &ControlResult, columns: usize) -> Vec<String> {
    let mut cells = vec![
        visible(&control.name).into_owned(),
        control.state.to_string(),
        control.failing.to_string(),
        control.population.to_string(),
        control.severity.to_string(),
        visible(&control.criteria.join(",")).into_owned(),
    ];
    cells.truncate(columns);
    cells
}

/// Where and what, in one line.
pub(super) fn describe(error: &ReportedError) -> String {
    let place = error.file.as_ref().map(|file| match error.line {
        Some(line) => format!("{file}:{line}"),
        None => file.to_string(),
    });
    let document = error.document.map(|document| format!("document {document}"));
    let object = error.object.as_ref().map(object_name);
    let parts: Vec<String> =
        [place, document, object, Some(error.message.clone())].into_iter().flatten().collect();
    parts.join(": ")
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
