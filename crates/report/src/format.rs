//! The formats of a report: what the command line offers, and how each is written.

use std::{fmt, io};

use super::TableStyle;

/// A format of reports of the type `R`. A new one is a file with its own and a line in the list.
pub struct Format<R: 'static> {
    /// Its name on the command line.
    pub name: &'static str,
    /// For whom it is, in a few words of help.
    pub about: &'static str,
    write: WriteReport<R>,
}

type WriteReport<R> = fn(&R, TableStyle, &mut dyn io::Write) -> io::Result<()>;

impl<R> Format<R> {
    pub(crate) const fn new(
        name: &'static str,
        about: &'static str,
        write: WriteReport<R>,
    ) -> Self {
        Self { name, about, write }
    }

    /// Writes a report. The style says how a terminal shows tables; other formats ignore it.
    pub fn write(
        &self,
        report: &R,
        style: TableStyle,
        output: &mut dyn io::Write,
    ) -> io::Result<()> {
        (self.write)(report, style, output)
    }
}

impl<R> fmt::Debug for Format<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Format").field(&self.name).finish()
    }
}
