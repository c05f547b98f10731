//! The lines of a response, each of limited length.

use bytes::{Buf, BytesMut};

use super::request::{RequestError, ResponseBody};

/// The longest line of a watch, in bytes: an object with its event's envelope.
pub const MAX_LINE: usize = 8 << 20;

/// Reads a response line by line.
#[derive(Debug)]
pub struct Lines {
    body: ResponseBody,
    buffer: LineBuffer,
}

impl Lines {
    /// `limit` is the longest line, in bytes.
    pub fn new(body: ResponseBody, limit: usize) -> Self {
        Self { body, buffer: LineBuffer { limit, ..LineBuffer::default() } }
    }

    /// The next line that is not empty; None at the end of the response. An unfinished last line is
    /// dropped. Cancel-safe: it may be dropped and called again.
    pub async fn next(&mut self) -> Result<Option<BytesMut>, RequestError> {
        loop {
            if let Some(line) = self.buffer.line()? {
                return Ok(Some(line));
            }
            if self.buffer.pending.is_empty() {
                // Otherwise each of many watches would keep the space of its longest line.
                self.buffer.pending = BytesMut::new();
            }
            match self.body.next().await? {
                Some(chunk) => self.buffer.pending.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

#[derive(Debug, Default)]
struct LineBuffer {
    pending: BytesMut,
    /// How many bytes of it are known to contain no line feed.
    searched: usize,
    limit: usize,
}

impl LineBuffer {
    fn line(&mut self) -> Result<Option<BytesMut>, RequestError> {
        loop {
            let rest = self.pending.get(self.searched..).unwrap_or_default();
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.pending.len();
                if self.searched > self.limit {
                    let limit = self.limit >> 20;
                    return Err(RequestError::malformed(format!(
                        "a line is longer than {limit} MiB"
                    )));
                }
                return Ok(None);
            };
            let line = self.pending.split_to(self.searched + end);
            self.pending.advance(1);
            self.searched = 0;
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_wherever_pieces_end() {
        let text = b"one\n\ntwo\r\n\nthree\nrest";
        for size in 1..text.len() {
            let mut buffer = LineBuffer { limit: 100, ..LineBuffer::default() };
            let mut lines = Vec::new();
            for chunk in text.chunks(size) {
                buffer.pending.extend_from_slice(chunk);
                while let Some(line) = buffer.line().unwrap() {
                    lines.push(String::from_utf8(line.to_vec()).unwrap());
                }
            }
            assert_eq!(lines, ["one", "two\r", "three"], "pieces of {size}");
            assert_eq!(&buffer.pending[..], b"rest");
        }
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut buffer = LineBuffer { limit: 1 << 20, ..LineBuffer::default() };
        buffer.pending.resize(1 << 20, b'x');
        assert_eq!(buffer.line(), Ok(None));
        buffer.pending.resize((1 << 20) + 1, b'x');
        assert!(buffer.line().is_err());
    }
}
