//! The lines of an answer, each of limited length.

use bytes::{Buf, BytesMut};

use super::wire::{Answer, Problem};

/// The longest line of a watch: an object with what surrounds it in an event.
pub const MAX_LINE: usize = 8 << 20;

/// Cuts a stream into lines.
#[derive(Debug)]
pub struct Lines {
    answer: Answer,
    cutter: Cutter,
}

impl Lines {
    /// The lines of an answer, of at most `limit` bytes.
    pub fn new(answer: Answer, limit: usize) -> Self {
        Self { answer, cutter: Cutter { limit, ..Cutter::default() } }
    }

    /// The next line that is not empty; None at the end. A line without an end is none. May be
    /// dropped and called again.
    pub async fn next(&mut self) -> Result<Option<BytesMut>, Problem> {
        loop {
            if let Some(line) = self.cutter.line()? {
                return Ok(Some(line));
            }
            if self.cutter.pending.is_empty() {
                // The space of a long line is not kept by each of many watches.
                self.cutter.pending = BytesMut::new();
            }
            match self.answer.next().await? {
                Some(piece) => self.cutter.pending.extend_from_slice(&piece),
                None => return Ok(None),
            }
        }
    }
}

#[derive(Debug, Default)]
struct Cutter {
    pending: BytesMut,
    /// How much of it holds no end of a line.
    searched: usize,
    limit: usize,
}

impl Cutter {
    fn line(&mut self) -> Result<Option<BytesMut>, Problem> {
        loop {
            let rest = self.pending.get(self.searched..).unwrap_or_default();
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.pending.len();
                if self.searched > self.limit {
                    let limit = self.limit >> 20;
                    return Err(Problem::garbled(format!("a line is longer than {limit} MiB")));
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
            let mut cutter = Cutter { limit: 100, ..Cutter::default() };
            let mut lines = Vec::new();
            for piece in text.chunks(size) {
                cutter.pending.extend_from_slice(piece);
                while let Some(line) = cutter.line().unwrap() {
                    lines.push(String::from_utf8(line.to_vec()).unwrap());
                }
            }
            assert_eq!(lines, ["one", "two\r", "three"], "pieces of {size}");
            assert_eq!(&cutter.pending[..], b"rest");
        }
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut cutter = Cutter { limit: 1 << 20, ..Cutter::default() };
        cutter.pending.resize(1 << 20, b'x');
        assert_eq!(cutter.line(), Ok(None));
        cutter.pending.resize((1 << 20) + 1, b'x');
        assert!(cutter.line().is_err());
    }
}
