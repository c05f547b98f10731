//! The formats of a period's report, and the samples drawn for it.

use std::io;

use super::{model::PeriodReport, sampling::SamplingSheet};
use crate::Format;

/// A file: its name and its content.
pub type NamedFile = (&'static str, Vec<u8>);

/// A report as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rendered {
    File(Vec<u8>),
    /// Several, which need a folder.
    Files(Vec<NamedFile>),
}

/// A format of a period's report.
pub type PeriodFormat = Format<Render>;

/// What makes a format of a period's report.
#[derive(Clone, Copy)]
pub enum Render {
    File(fn(&PeriodReport, &mut dyn io::Write) -> io::Result<()>),
    /// A file for each table.
    Files(fn(&PeriodReport) -> io::Result<Vec<NamedFile>>),
    /// One file of the samples that were drawn, instead of the report.
    Samples(fn(&SamplingSheet) -> io::Result<NamedFile>),
}

/// A format of the samples, and none were drawn.
#[derive(Debug, thiserror::Error)]
#[error("no samples were drawn for a report in the format {0}")]
pub struct NoSamples(&'static str);

impl PeriodFormat {
    /// Whether it is several files, so that it goes to a folder.
    pub fn is_several_files(&self) -> bool {
        matches!(self.writer, Render::Files(_))
    }

    /// Whether samples are to be drawn for it, which reads the log once more.
    pub fn needs_samples(&self) -> bool {
        matches!(self.writer, Render::Samples(_))
    }

    /// Whether it names the stored lists of the whole period, and not only those of its ends.
    pub fn cites_all_lists(&self) -> bool {
        self.needs_samples() || self.name == super::json::FORMAT.name
    }

    /// Writes a report. The sheet is needed where [`Self::needs_samples`] says so.
    pub fn render(
        &self,
        report: &PeriodReport,
        sheet: Option<&SamplingSheet>,
    ) -> io::Result<Rendered> {
        match self.writer {
            Render::File(write) => {
                let mut bytes = Vec::new();
                write(report, &mut bytes)?;
                Ok(Rendered::File(bytes))
            }
            Render::Files(files) => Ok(Rendered::Files(files(report)?)),
            Render::Samples(csv) => {
                let sheet = sheet.ok_or_else(|| io::Error::other(NoSamples(self.name)))?;
                Ok(Rendered::File(csv(sheet)?.1))
            }
        }
    }
}
