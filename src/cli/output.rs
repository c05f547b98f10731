//! What all commands share for their output.

use std::io::{self, BufWriter, IsTerminal, Write};

use comptroller_report::TableStyle;

/// The width of a table that is not written to a terminal.
const COLUMNS: u16 = 80;

/// The format of a command that writes rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum RowFormat {
    /// A table for people.
    #[default]
    Table,
    /// JSON, to be read by programs.
    Json,
    /// CSV, to open in a spreadsheet.
    Csv,
}

/// Writes to standard output, buffered. A reader that closes the pipe early, as `head` does, has read
/// enough, so that is not an error.
///
/// # Errors
/// If `write` fails, or standard output for any other reason.
pub fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut stdout = BufWriter::new(io::stdout().lock());
    match write(&mut stdout).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// How a table fits standard output.
pub fn table_style() -> TableStyle {
    let terminal = io::stdout().is_terminal();
    let columns = if terminal { console::Term::stdout().size().1 } else { COLUMNS };
    let colour = wants_colour(terminal, |name| std::env::var(name).ok());
    TableStyle { colour, width: Some(usize::from(columns)) }
}

/// Whether to use colours: on a terminal, unless the environment says otherwise. `NO_COLOR` turns them
/// off (<https://no-color.org>), `CLICOLOR_FORCE` on even for a pipe
/// (<https://bixense.com/clicolors>).
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

/// How a table is written to a file.
pub fn plain_table_style() -> TableStyle {
    TableStyle { colour: false, width: Some(usize::from(COLUMNS)) }
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
