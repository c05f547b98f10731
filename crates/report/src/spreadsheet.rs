//! CSV that a spreadsheet shows and never runs.
//!
//! A cell that begins like a formula is one to Excel, LibreOffice and Google Sheets, whatever the
//! quotes around it. Such a cell gets an apostrophe in front, which they take for "this is text"
//! (OWASP ASVS 5.0, 1.2.10). The file itself is RFC 4180: UTF-8, CRLF, quotes where needed.

use std::{borrow::Cow, io};

/// Writes rows of a table.
pub struct CsvTable<W: io::Write> {
    writer: csv::Writer<W>,
}

impl<W: io::Write> CsvTable<W> {
    /// Begins a table with the names of its columns.
    pub fn new(output: W, columns: &[&str]) -> io::Result<Self> {
        let writer =
            csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(output);
        let mut table = Self { writer };
        table.row(columns)?;
        Ok(table)
    }

    /// Writes a row. A table has as many cells in each.
    pub fn row<C: AsRef<str>>(&mut self, cells: &[C]) -> io::Result<()> {
        let cells = cells.iter().map(|cell| cell_text(cell.as_ref()));
        let shown: Vec<Cow<'_, str>> = cells.collect();
        self.writer.write_record(shown.iter().map(|cell| cell.as_bytes())).map_err(io::Error::from)
    }

    /// Writes what is left and gives the output back.
    pub fn finish(self) -> io::Result<W> {
        self.writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
    }
}

/// The text as a cell: one line, without control characters, and no formula.
pub fn cell_text(text: &str) -> Cow<'_, str> {
    let shown = super::text::visible(text);
    let first = text.chars().next();
    // The first character of the text decides too: a hidden one that is shown escaped begins with a
    // backslash, but what follows it may still have been meant as a formula.
    if begins_formula(shown.trim_start().chars().next()) || begins_formula(first) {
        Cow::Owned(format!("'{shown}"))
    } else {
        shown
    }
}

fn begins_formula(first: Option<char>) -> bool {
    first.is_some_and(|c| {
        matches!(
            c,
            '=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '\0'
            // Fullwidth and other forms that spreadsheets fold to the plain ones.
            | '\u{FF1D}' | '\u{FF0B}' | '\u{FF0D}' | '\u{FF20}' | '\u{2212}' | '\u{FE62}'
            | '\u{FE63}' | '\u{FE66}' | '\u{FE6B}'
        )
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(rows: &[&[&str]]) -> String {
        let mut table = CsvTable::new(Vec::new(), &["a", "b"]).unwrap();
        for row in rows {
            table.row(row).unwrap();
        }
        String::from_utf8(table.finish().unwrap()).unwrap()
    }

    #[test]
    fn cells_that_begin_a_formula_become_text() {
        for (cell, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("a=1", "a=1"),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\\t=1"),
            ("\r=1", "'\\u{d}=1"),
            ("\n=1", "'\\n=1"),
            ("\0=1", "'\\u{0}=1"),
            (" =1", "' =1"),
            ("\u{FF1D}1", "'\u{FF1D}1"),
            ("\u{FF0B}1", "'\u{FF0B}1"),
            ("\u{FF0D}1", "'\u{FF0D}1"),
            ("\u{FF20}x", "'\u{FF20}x"),
            ("a\r\nb", "a\\u{d}\\nb"),
            ("\u{202e}x", "\\u{202e}x"),
        ] {
            assert_eq!(cell_text(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn quotes_and_commas_are_quoted_as_rfc_4180_has_it() {
        assert_eq!(
            written(&[&["x,y", "he said \"no\""]]),
            "a,b\r\n\"x,y\",\"he said \"\"no\"\"\"\r\n"
        );
    }

    proptest! {
        #[test]
        fn every_row_stays_one_line_and_no_cell_is_a_formula(a in any::<String>(), b in any::<String>()) {
            let text = written(&[&[&a, &b]]);
            prop_assert_eq!(text.matches("\r\n").count(), 2);
            prop_assert_eq!(text.lines().count(), 2);
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            prop_assert_eq!(record.len(), 2);
            for (cell, given) in record.iter().zip([&a, &b]) {
                prop_assert!(!begins_formula(cell.trim_start().chars().next()), "{:?}", cell);
                let shown = super::super::text::visible(given);
                prop_assert!(cell == shown || cell == format!("'{shown}"), "{:?}", cell);
            }
        }
    }
}
