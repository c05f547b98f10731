//! JSON: the model as it is.

use std::io;

use serde::Serialize;

use super::{EvaluationReport, TextFormat, text::is_hidden};

pub(super) const FORMAT: TextFormat<EvaluationReport> =
    TextFormat::new("json", "For programs", |evaluation, _, output| {
        write_pretty(evaluation, output)
    });

/// Writes a model for programs, and so that a person may look at it too.
pub(super) fn write_pretty(model: &impl Serialize, output: &mut dyn io::Write) -> io::Result<()> {
    let text = serde_json::to_string_pretty(model)?;
    let mut rest = text.as_str();
    // Only strings hold such characters, and there an escape means the same: a terminal that
    // shows the document stays as it is.
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| *c != '\n' && is_hidden(*c)) {
        output.write_all(rest.get(..at).unwrap_or_default().as_bytes())?;
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(output, "\\u{unit:04x}")?;
        }
        rest = rest.get(at + c.len_utf8()..).unwrap_or_default();
    }
    writeln!(output, "{rest}")
}
