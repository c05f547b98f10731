//! The formats of a period's report, and the samples drawn for it.

use std::{fmt, io};

use super::{model::PeriodReport, sampling::SamplingSheet};

/// A file: its name and its content.
pub type NamedFile = (&'static str, Vec<u8>);

/// A report as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rendered {
    File(Vec<u8>),
    /// Several, which need a folder.
    Files(Vec<NamedFile>),
}

/// A format of a period's report. A new one is a file with its own and a line in the list.
#[derive(Clone, Copy)]
pub struct PeriodFormat {
    /// Its name on the command line.
    pub name: &'static str,
    /// For whom it is, in a few words of help.
    pub about: &'static str,
    render: Render,
}

/// What makes a format of a report.
#[derive(Clone, Copy)]
pub(super) enum Render {
    File(fn(&PeriodReport, &mut dyn io::Write) -> io::Result<()>),
    Files(fn(&PeriodReport) -> io::Result<Vec<NamedFile>>),
    /// One file of the samples that were drawn, instead of the report.
    Samples(fn(&SamplingSheet) -> io::Result<NamedFile>),
}

/// A format of the samples, and none were drawn.
#[derive(Debug, thiserror::Error)]
#[error("no samples were drawn for a report in the format {0}")]
pub struct NoSamples(&'static str);

impl PeriodFormat {
    pub(super) const fn new(name: &'static str, about: &'static str, render: Render) -> Self {
        Self { name, about, render }
    }

    /// Whether it is several files, so that it goes to a folder.
    pub fn is_several_files(&self) -> bool {
        matches!(self.render, Render::Files(_))
    }

    /// Whether samples are to be drawn for it, which reads the log once more.
    pub fn needs_samples(&self) -> bool {
        matches!(self.render, Render::Samples(_))
    }

    /// Writes a report. The sheet is needed where [`Self::needs_samples`] says so.
    pub fn render(
        &self,
        report: &PeriodReport,
        sheet: Option<&SamplingSheet>,
    ) -> io::Result<Rendered> {
        match self.render {
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

impl fmt::Debug for PeriodFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PeriodFormat").field(&self.name).finish()
    }
}

impl PartialEq for PeriodFormat {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
