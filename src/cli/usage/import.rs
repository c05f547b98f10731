//! `comptroller usage import`: reads audit logs, and writes nothing anywhere.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use super::output::{self, UsageTable};
use crate::cli::output::{RowFormat, to_stdout};
use comptroller_usage::{BreakGlass, ImportError, Limits, Reducer, import_line};

/// The longest line, in bytes: an event has at most an object and its answer.
const LINE: usize = 8 * 1024 * 1024;

/// How many mistakes are named.
const SHOWN: usize = 20;

/// What a file begins with that gzip compressed.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reduce audit logs to who used which right and when last, who changed what, and who read Secrets or
/// entered pods.
///
/// A line is one event of audit.k8s.io/v1. All of the files are right, or nothing is printed. A file does
/// not say whether it is whole, so that a right that is not listed is not known to be unused.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// Files of JSON lines, or - for standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Access that is for emergencies only: user:NAME, group:NAME or binding:NAME, where NAME may have *
    /// and ?. Can be repeated.
    #[arg(long, value_name = "RULE")]
    break_glass: Vec<String>,
    /// The output format.
    #[arg(short, long, value_enum, default_value_t)]
    output: RowFormat,
}

/// Why a file is not imported.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It can't be read.
    #[error("{file}: {source}")]
    Read { file: String, source: io::Error },
    /// It is compressed.
    #[error("{file} is compressed: gzip -dc {file} | comptroller usage import -")]
    Compressed { file: String },
    /// Some lines are wrong.
    #[error("nothing was imported, since {count} lines can't be read:{mistakes}")]
    Lines { count: u64, mistakes: Mistakes },
    /// There are too many.
    #[error(
        "nothing was imported, since more than {} different uses are in these files: import fewer days at a time",
        Limits::IMPORT.facts
    )]
    TooMany,
}

/// The first mistakes, a line each.
#[derive(Debug, Default)]
pub struct Mistakes(Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

/// Imports, and prints what the events come to.
pub fn run(args: &ImportArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let break_glass =
        BreakGlass::parse(&args.break_glass).map_err(|error| format!("--break-glass: {error}"))?;
    let mut reducer = Reducer::new(Limits::IMPORT, break_glass);
    let mut mistakes = LineMistakes::default();
    for file in &args.files {
        let name = file.display().to_string();
        let read = if file == Path::new("-") {
            read_lines(&mut io::stdin().lock(), "standard input", &mut reducer, &mut mistakes)
        } else {
            File::open(file)
                .map_err(|source| FileError::Read { file: name.clone(), source })
                .and_then(|opened| {
                    read_lines(&mut BufReader::new(opened), &name, &mut reducer, &mut mistakes)
                })
        };
        read?;
    }
    mistakes.none()?;
    let (facts, events) = reducer.take_out();
    if events.overflow > 0 {
        return Err(FileError::TooMany.into());
    }
    let table = UsageTable { facts, events, heard: Vec::new(), gaps: Vec::new() };
    to_stdout(|stdout| output::write(&table, args.output, stdout))?;
    eprintln!(
        "A file does not say whether it is whole: a right that is not listed is not known to be unused."
    );
    Ok(0)
}

#[derive(Default)]
struct LineMistakes {
    count: u64,
    first: Vec<String>,
}

impl LineMistakes {
    fn add(&mut self, file: &str, line: u64, mistake: &impl fmt::Display) {
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push(format!("{file}:{line}: {mistake}"));
        }
    }

    fn none(self) -> Result<(), FileError> {
        match self.count {
            0 => Ok(()),
            count => Err(FileError::Lines { count, mistakes: Mistakes(self.first) }),
        }
    }
}

/// Reads a file line by line: as much memory as its longest line.
fn read_lines(
    input: &mut impl BufRead,
    file: &str,
    reducer: &mut Reducer,
    mistakes: &mut LineMistakes,
) -> Result<(), FileError> {
    let failed = |source| FileError::Read { file: file.to_owned(), source };
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let limit = u64::try_from(LINE).unwrap_or(u64::MAX);
        let read = input.by_ref().take(limit).read_until(b'\n', &mut line).map_err(failed)?;
        if read == 0 {
            break;
        }
        if number == 1 && line.starts_with(&GZIP) {
            return Err(FileError::Compressed { file: file.to_owned() });
        }
        if line.last() != Some(&b'\n') && line.len() >= LINE {
            mistakes.add(file, number, &"the line is longer than 8 MiB: is each event on its own?");
            skip_line(input).map_err(failed)?;
            continue;
        }
        let taken: Result<(), ImportError> = import_line(reducer, &line);
        if let Err(mistake) = taken {
            mistakes.add(file, number, &mistake);
        }
    }
    Ok(())
}

/// Reads on to the end of a line and keeps nothing of it.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffered = input.fill_buf()?;
        if buffered.is_empty() {
            return Ok(());
        }
        let end = buffered.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffered.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"a","stage":"ResponseComplete","verb":"get","user":{"username":"jane"},"objectRef":{"resource":"secrets","namespace":"a"},"responseStatus":{"code":200},"stageTimestamp":"2026-11-20T09:14:03Z"}"#;

    fn import(text: &[u8]) -> (Result<(), String>, u64) {
        let mut reducer = Reducer::new(Limits::IMPORT, BreakGlass::default());
        let mut mistakes = LineMistakes::default();
        let result = read_lines(&mut &*text, "audit.log", &mut reducer, &mut mistakes)
            .and_then(|()| mistakes.none());
        (result.map_err(|error| error.to_string()), reducer.take_out().1.taken)
    }

    #[test]
    fn lines_are_read_and_bad_ones_are_named() {
        let good =
            format!("{EVENT}\n\r\n  {}\r\n", EVENT.replace("\"a\",\"stage", "\"b\",\"stage"));
        assert_eq!(import(good.as_bytes()), (Ok(()), 2));
        assert_eq!(import(EVENT.as_bytes()), (Ok(()), 1));
        let (result, _) = import(format!("{EVENT}\nnonsense\n{EVENT}\n{{}}\n").as_bytes());
        let said = result.unwrap_err();
        assert!(
            said.starts_with("nothing was imported, since 2 lines can't be read:\n  audit.log:2: "),
            "{said}"
        );
        assert!(said.contains("\n  audit.log:4: "), "{said}");
        let (result, _) = import(&[0x1f, 0x8b, 8, 0]);
        assert!(result.unwrap_err().contains("gzip -dc audit.log | comptroller usage import -"));
        let (result, _) = import("x\n".repeat(100_000).as_bytes());
        let said = result.unwrap_err();
        assert!(said.contains("100000 lines") && said.lines().count() == SHOWN + 1, "{said}");
    }

    #[test]
    fn a_line_without_end_costs_no_more_than_its_limit() {
        let mut text = vec![b'['; LINE + 10];
        text.extend_from_slice(b"\nnext\n");
        let said = import(&text).0.unwrap_err();
        assert!(said.contains("audit.log:1: the line is longer than 8 MiB"), "{said}");
        assert!(said.contains("audit.log:2: "), "{said}");
    }
}
