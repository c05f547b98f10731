//! Where and how the findings of a scan are written.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, Write},
    path::PathBuf,
};

use super::args::Target;
use comptroller_report::{EvaluationReport, Format, TableStyle};

/// Where a table is wrapped that nobody looks at on a terminal.
const COLUMNS: u16 = 80;

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A file.
    #[error("{} can't be written: {error}; check that its folder exists and is writable", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Standard output.
    #[error("standard output can't be written: {0}")]
    Stdout(io::Error),
}

/// Writes an evaluation to every target, files first: whoever reads standard output may stop early.
pub(super) fn write_all(
    evaluation: &EvaluationReport,
    targets: &[Target],
) -> Result<(), WriteError> {
    for target in targets {
        if let Some(path) = &target.file {
            write_file(evaluation, target.format, path)
                .map_err(|error| WriteError::File { path: path.clone(), error })?;
        }
    }
    for target in targets.iter().filter(|target| target.file.is_none()) {
        to_stdout(|stdout| target.format.write(evaluation, table_style(), stdout))
            .map_err(WriteError::Stdout)?;
    }
    Ok(())
}

fn write_file(
    evaluation: &EvaluationReport,
    format: &Format<EvaluationReport>,
    path: &PathBuf,
) -> io::Result<()> {
    let style = TableStyle { colour: false, width: Some(usize::from(COLUMNS)) };
    let mut file = BufWriter::new(File::create(path)?);
    format.write(evaluation, style, &mut file)?;
    file.flush()
}

/// Writes to standard output. Who closes the pipe early has read enough.
pub fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut stdout = BufWriter::new(io::stdout().lock());
    match write(&mut stdout).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// The table as standard output can show it.
pub fn table_style() -> TableStyle {
    let terminal = io::stdout().is_terminal();
    let columns = if terminal { console::Term::stdout().size().1 } else { COLUMNS };
    let colour = wants_colour(terminal, |name| std::env::var(name).ok());
    TableStyle { colour, width: Some(usize::from(columns)) }
}

/// Colours only where a person looks on, unless the environment says otherwise: `NO_COLOR` never
/// (<https://no-color.org>), `CLICOLOR_FORCE` also into a pipe (<https://bixense.com/clicolors>).
fn wants_colour(terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    let is = |name: &str, wanted: &str| variable(name).is_some_and(|value| value == wanted);
    if set("NO_COLOR") {
        return false;
    }
    if set("CLICOLOR_FORCE") && !is("CLICOLOR_FORCE", "0") {
        return true;
    }
    terminal && !is("CLICOLOR", "0") && !is("TERM", "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_on_colours() {
        for (terminal, environment, colour) in [
            (true, &[][..], true),
            (false, &[], false),
            (true, &[("NO_COLOR", "1")], false),
            (true, &[("NO_COLOR", "")], true),
            (false, &[("CLICOLOR_FORCE", "1")], true),
            (false, &[("CLICOLOR_FORCE", "0")], false),
            (false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
            (true, &[("CLICOLOR", "0")], false),
            (true, &[("TERM", "dumb")], false),
            (true, &[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")], true),
        ] {
            let variable = |name: &str| {
                let found = environment.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(wants_colour(terminal, variable), colour, "{terminal} {environment:?}");
        }
    }
}
