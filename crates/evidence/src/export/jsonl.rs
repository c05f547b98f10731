//! JSON lines: the entry to the letter, so that its hash can be computed again.

use super::{ExportError, row::ExportRow};

/// A line for each row: `{"cluster":…,"index":…,"entry":…}`, and with `"stored":…` the data that
/// lies beside the log.
pub(super) fn write(cluster: &str, rows: &[ExportRow]) -> Result<Vec<u8>, ExportError> {
    let cluster = serde_json::to_string(cluster)?;
    let mut bytes = Vec::new();
    for row in rows {
        bytes.extend(format!(r#"{{"cluster":{cluster},"index":{},"entry":"#, row.index).bytes());
        // JSON has line breaks only between its tokens; the operator writes none.
        let one_line = |byte: u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte };
        bytes.extend(row.leaf.iter().copied().map(one_line));
        if row.was_stored {
            bytes.extend(format!(r#","stored":{}"#, row.data).bytes());
        }
        bytes.extend(b"}\n");
    }
    Ok(bytes)
}
