//! The formats of a report: what the command line offers, and how each is written.

use std::{fmt, io};

use super::TableStyle;

/// A format, with what makes it: a function for a report that is one text, and
/// [`period::Render`](crate::period::Render) for a period's. A new one is a file with its `FORMAT` and a
/// line in the list.
#[derive(Clone, Copy)]
pub struct Format<W: 'static> {
    /// Its name on the command line.
    pub name: &'static str,
    /// For whom it is, in a few words of help.
    pub about: &'static str,
    pub(crate) writer: W,
}

/// Writes a report of the type `R` as one text. The style says how a terminal shows tables; other
/// formats ignore it.
pub type WriteReport<R> = fn(&R, TableStyle, &mut dyn io::Write) -> io::Result<()>;

/// A format of a report that is one text.
pub type TextFormat<R> = Format<WriteReport<R>>;

impl<W> Format<W> {
    pub(crate) const fn new(name: &'static str, about: &'static str, writer: W) -> Self {
        Self { name, about, writer }
    }
}

impl<R> TextFormat<R> {
    pub fn write(
        &self,
        report: &R,
        style: TableStyle,
        output: &mut dyn io::Write,
    ) -> io::Result<()> {
        (self.writer)(report, style, output)
    }
}

impl<W> fmt::Debug for Format<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Format").field(&self.name).finish()
    }
}
