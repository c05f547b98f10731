//! The formats of a report, and where each goes.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use comptroller_report::period::{
    csv::{self, CsvFile},
    html, json,
    model::PeriodReport,
    oscal,
    sampling::SamplingSheet,
};

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One page for a browser and for paper.
    #[default]
    Html,
    /// A file for each table.
    Csv,
    /// The whole model, for programs.
    Json,
    /// OSCAL assessment results 1.2.1, as JSON.
    Oscal,
    /// The samples of each population, as a table to fill in.
    Sample,
}

impl Format {
    const ALL: [Self; 5] = [Self::Html, Self::Csv, Self::Json, Self::Oscal, Self::Sample];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Oscal => "oscal",
            Self::Sample => "sample",
        }
    }

    /// Whether it can go there.
    pub fn check(self, to: Option<&Path>) -> Result<(), String> {
        let is_format = |path: &Path| Self::ALL.iter().any(|one| path == Path::new(one.name()));
        match (self, to) {
            // Elsewhere --output is the long form of -o.
            (_, Some(path)) if is_format(path) => {
                Err(format!("{0} is a format: write -o {0}, or --output ./{0}", path.display()))
            }
            (Self::Csv, None) => {
                Err("-o csv is several files: give a folder with --output DIR".to_owned())
            }
            (Self::Csv, Some(path)) if path.is_file() => {
                Err(format!("{} is a file, and -o csv is several: give a folder", path.display()))
            }
            (Self::Html | Self::Json | Self::Oscal | Self::Sample, Some(path)) if path.is_dir() => {
                Err(format!("{} is a folder: give a file with --output", path.display()))
            }
            _ => Ok(()),
        }
    }
}

/// A report as bytes.
pub enum Rendered {
    /// One file.
    File(Vec<u8>),
    /// Several, by name.
    Files(Vec<CsvFile>),
}

/// Writes a report in a format.
pub fn render(
    report: &PeriodReport,
    sheet: Option<&SamplingSheet>,
    format: Format,
) -> io::Result<Rendered> {
    let mut bytes = Vec::new();
    match (format, sheet) {
        (Format::Html, _) => html::write(report, &mut bytes)?,
        (Format::Json, _) => json::write(report, &mut bytes)?,
        (Format::Oscal, _) => oscal::write(report, &mut bytes)?,
        (Format::Sample, Some(sheet)) => return Ok(Rendered::File(sheet.csv()?.1)),
        (Format::Csv | Format::Sample, _) => return Ok(Rendered::Files(csv::files(report)?)),
    }
    Ok(Rendered::File(bytes))
}

/// Puts it where it was asked for.
pub fn write(rendered: &Rendered, to: Option<&Path>) -> Result<(), String> {
    let named =
        |path: &Path, error: io::Error| format!("{} can't be written: {error}", path.display());
    match (rendered, to) {
        (Rendered::File(bytes), Some(path)) => {
            fs::write(path, bytes).map_err(|error| named(path, error))
        }
        (Rendered::File(bytes), None) => {
            let mut out = io::stdout().lock();
            match out.write_all(bytes).and_then(|()| out.flush()) {
                // Whoever reads has read enough, as `head` does.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                Err(error) => Err(format!("standard output can't be written: {error}")),
                Ok(()) => Ok(()),
            }
        }
        (Rendered::Files(files), to) => {
            let dir = to.unwrap_or(Path::new("."));
            fs::create_dir_all(dir).map_err(|error| named(dir, error))?;
            for (name, bytes) in files {
                let path = dir.join(name);
                fs::write(&path, bytes).map_err(|error| named(&path, error))?;
            }
            Ok(())
        }
    }
}
