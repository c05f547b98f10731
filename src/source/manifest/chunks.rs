//! Splits a stream into YAML documents at its marker lines, with one document in memory at a time.

use std::io::{self, BufRead, Read};

/// The text of one document, with its markers, and where it begins in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DocumentChunk {
    /// The bytes, without the byte order mark of the document.
    pub text: Vec<u8>,
    /// The line of its first byte, from 1.
    pub line: usize,
    /// Whether it is longer than the limit, so that `text` is only its beginning.
    pub too_long: bool,
}

/// The documents of a stream. Marker lines (`---`, `...`) can't occur inside a scalar (YAML 1.1,
/// 9.1.1), so a document that can't be parsed never swallows the next one.
pub(super) struct Chunks<R> {
    input: R,
    limit: usize,
    /// Lines read so far.
    lines: usize,
    /// The `---` line that begins the next document, once it was read.
    carried: Option<Vec<u8>>,
    done: bool,
}

impl<R: BufRead> Chunks<R> {
    pub fn new(input: R, limit: usize) -> Self {
        Self { input, limit, lines: 0, carried: None, done: false }
    }

    /// The number of the last line that was read.
    pub fn line(&self) -> usize {
        self.lines
    }

    /// The next document with more than comments and markers; None at the end.
    pub fn next(&mut self) -> io::Result<Option<DocumentChunk>> {
        while !self.done {
            let chunk = self.read_chunk()?;
            if chunk.too_long || !is_blank(&chunk.text) {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    fn read_chunk(&mut self) -> io::Result<DocumentChunk> {
        let mut chunk = DocumentChunk {
            line: self.lines + usize::from(self.carried.is_none()),
            text: self.carried.take().unwrap_or_default(),
            too_long: false,
        };
        // A marker line may have the beginning of its document.
        let mut begun = has_content(&chunk.text);
        loop {
            let start = chunk.text.len();
            let read = self.read_line(&mut chunk)?;
            if read == 0 {
                self.done = true;
                return Ok(chunk);
            }
            self.lines += 1;
            // `cat` joins files with their byte order marks, so any document may begin with one.
            if !begun || is_marked_marker(chunk.text.get(start..).unwrap_or_default()) {
                drop_byte_order_mark(&mut chunk.text, start);
            }
            let line = chunk.text.get(start..).unwrap_or_default();
            begun |= has_content(line);
            if is_marker(line, *b"---") && (start > 0 || chunk.too_long) {
                self.carried = Some(line.to_vec());
                chunk.text.truncate(start);
                return Ok(chunk);
            }
            if is_marker(line, *b"...") {
                return Ok(chunk);
            }
            if chunk.text.len() > self.limit {
                chunk.too_long = true;
                chunk.text.truncate(start);
            }
        }
    }

    /// Appends a line to the chunk, or the beginning of one that is longer than a document may be.
    /// Returns how many bytes were consumed.
    fn read_line(&mut self, chunk: &mut DocumentChunk) -> io::Result<usize> {
        // Some room is left for a marker, so that the document after one that is too long is found.
        let room = self.limit.saturating_sub(chunk.text.len()) + 8;
        let mut read = (&mut self.input).take(room as u64).read_until(b'\n', &mut chunk.text)?;
        if read == room && chunk.text.last() != Some(&b'\n') {
            read += discard_line(&mut self.input)?;
            chunk.too_long = true;
        }
        if self.lines == 0 {
            reject_utf16(&chunk.text)?;
        }
        Ok(read)
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

fn drop_byte_order_mark(text: &mut Vec<u8>, at: usize) {
    while text.get(at..).is_some_and(|line| line.starts_with(BYTE_ORDER_MARK)) {
        text.drain(at..at + BYTE_ORDER_MARK.len());
    }
}

/// Whether a line is a marker after a byte order mark, as in joined files.
fn is_marked_marker(line: &[u8]) -> bool {
    line.strip_prefix(BYTE_ORDER_MARK).is_some_and(|rest| is_marker(rest, *b"---"))
}

/// Rejects UTF-16, which Windows shells write, by its byte order mark.
fn reject_utf16(text: &[u8]) -> io::Result<()> {
    if text.starts_with(b"\xFF\xFE") || text.starts_with(b"\xFE\xFF") {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the file is UTF-16: save it as UTF-8",
        ));
    }
    Ok(())
}

/// Consumes the rest of a line without keeping it.
fn discard_line(input: &mut impl BufRead) -> io::Result<usize> {
    let mut consumed = 0;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(consumed);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |at| at + 1);
        input.consume(used);
        consumed += used;
        if end.is_some() {
            return Ok(consumed);
        }
    }
}

/// Whether a line is this marker: followed by a blank or the end of the line.
fn is_marker(line: &[u8], marker: [u8; 3]) -> bool {
    line.strip_prefix(&marker)
        .is_some_and(|rest| matches!(rest.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n')))
}

/// Whether there is nothing but blanks, comments, directives and markers.
fn is_blank(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').all(|line| !has_content(line))
}

/// Whether a line has content of the document itself.
fn has_content(line: &[u8]) -> bool {
    let directive = line.starts_with(b"%");
    let line = if is_marker(line, *b"---") || is_marker(line, *b"...") {
        line.get(3..).unwrap_or_default()
    } else {
        line
    };
    match line.trim_ascii().first() {
        None | Some(b'#') => false,
        Some(_) => !directive,
    }
}

/// How many lines of a document come before its content.
pub(super) fn lines_before_content(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').position(has_content).unwrap_or_default()
}
