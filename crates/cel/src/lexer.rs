//! From the text of an expression to its tokens, as cel-go's grammar (`CEL.g4`) has them.

use super::expression::ExpressionError;

/// The smallest part of an expression that means something by itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Name(String),
    /// Digits, decimal or after `0x`.
    Int(String),
    Uint(String),
    Double(String),
    String(String),
    Bytes(Vec<u8>),
    /// An operator or a bracket.
    Mark(&'static str),
    End,
}

/// Longer marks stand before those they start with.
const MARKS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "[", "]", "{", "}", "(", ")", ".", ",", "-", "!",
    "?", ":", "+", "*", "/", "%",
];

/// Reads tokens one after the other. After the last come as many [`Token::End`] as are asked for.
pub(super) struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(source: &'a str) -> Self {
        Self { source, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or("")
    }

    fn error(&self, at: usize, message: &str) -> ExpressionError {
        ExpressionError::invalid_at(self.source, at, message)
    }

    fn take(&mut self, length: usize) -> &'a str {
        let text = self.rest().get(..length).unwrap_or("");
        self.at += length;
        text
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        self.take(rest.find(|c| !wanted(c)).unwrap_or(rest.len()))
    }

    /// The next token and the offset of its first byte.
    pub fn next(&mut self) -> Result<(usize, Token), ExpressionError> {
        loop {
            self.take_while(|c| matches!(c, '\t' | ' ' | '\r' | '\n' | '\x0C'));
            if !self.rest().starts_with("//") {
                break;
            }
            self.take_while(|c| c != '\n');
        }
        let at = self.at;
        let token = self.token()?;
        Ok((at, token))
    }

    fn token(&mut self) -> Result<Token, ExpressionError> {
        let rest = self.rest();
        let mut chars = rest.chars();
        let (Some(first), second) = (chars.next(), chars.next()) else { return Ok(Token::End) };
        if first.is_ascii_digit() || (first == '.' && second.is_some_and(|c| c.is_ascii_digit())) {
            return Ok(self.number());
        }
        // Before names: `r'..'` and `b'..'` start like one.
        if let Some(string) = self.string() {
            return string;
        }
        if first.is_ascii_alphabetic() || first == '_' {
            return Ok(Token::Name(
                self.take_while(|c| c.is_ascii_alphanumeric() || c == '_').to_owned(),
            ));
        }
        let mark = MARKS.iter().find(|mark| rest.starts_with(**mark));
        let mark = mark.ok_or_else(|| {
            self.error(self.at, &format!("{first:?} has no meaning in an expression"))
        })?;
        self.take(mark.len());
        Ok(Token::Mark(mark))
    }

    fn number(&mut self) -> Token {
        let rest = self.rest();
        let start = self.at;
        let hex =
            rest.strip_prefix("0x").filter(|hex| hex.starts_with(|c: char| c.is_ascii_hexdigit()));
        if hex.is_some() {
            self.take(2);
            self.take_while(|c| c.is_ascii_hexdigit());
            return self.unsigned(start);
        }
        self.take_while(|c| c.is_ascii_digit());
        let mut is_double = false;
        if self
            .rest()
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        {
            self.take(1);
            self.take_while(|c| c.is_ascii_digit());
            is_double = true;
        }
        // `1e` without digits is the int 1 and the name `e`, which the parser then refuses.
        if let Some(exponent) = self.rest().strip_prefix(['e', 'E']) {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.starts_with(|c: char| c.is_ascii_digit()) {
                self.take(1 + exponent.len() - digits.len());
                self.take_while(|c| c.is_ascii_digit());
                is_double = true;
            }
        }
        if is_double {
            return Token::Double(self.source.get(start..self.at).unwrap_or("").to_owned());
        }
        self.unsigned(start)
    }

    /// An integer, and whether `u` follows it.
    fn unsigned(&mut self, start: usize) -> Token {
        let digits = self.source.get(start..self.at).unwrap_or("").to_owned();
        if self.rest().starts_with(['u', 'U']) {
            self.take(1);
            return Token::Uint(digits);
        }
        Token::Int(digits)
    }

    /// A string or bytes, when one starts here.
    fn string(&mut self) -> Option<Result<Token, ExpressionError>> {
        let rest = self.rest();
        let after_bytes = rest.strip_prefix(['b', 'B']).unwrap_or(rest);
        let is_bytes = after_bytes.len() < rest.len();
        let after_raw = after_bytes.strip_prefix(['r', 'R']).unwrap_or(after_bytes);
        let is_raw = after_raw.len() < after_bytes.len();
        let quote = after_raw.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let start = self.at;
        self.take(rest.len() - after_raw.len());
        Some(self.quoted(start, quote, is_raw).and_then(|content| {
            // As the lexer of the API server reads lines.
            let content = content.replace("\r\n", "\n").replace('\r', "\n");
            if is_raw {
                return Ok(if is_bytes {
                    Token::Bytes(content.into_bytes())
                } else {
                    Token::String(content)
                });
            }
            self.unescaped(start, &content, is_bytes)
        }))
    }

    /// What stands between the quotes, with its escapes.
    fn quoted(
        &mut self,
        start: usize,
        quote: char,
        is_raw: bool,
    ) -> Result<&'a str, ExpressionError> {
        let triple = match quote {
            '\'' => "'''",
            _ => "\"\"\"",
        };
        let rest = self.rest();
        // `''` is an empty string, and three quotes open a text of several lines.
        let (end, is_triple) =
            if rest.starts_with(triple) { (triple, true) } else { (&triple[..1], false) };
        self.take(end.len());
        let body = self.rest();
        let mut escaped = false;
        for (at, c) in body.char_indices() {
            if escaped {
                escaped = false;
            } else if !is_raw && c == '\\' {
                escaped = true;
            } else if body.get(at..).is_some_and(|rest| rest.starts_with(end)) {
                self.take(at + end.len());
                return Ok(body.get(..at).unwrap_or(""));
            } else if !is_triple && matches!(c, '\n' | '\r') {
                break;
            }
        }
        Err(self.error(start, "the string that starts here is not closed"))
    }

    fn unescaped(
        &self,
        start: usize,
        content: &str,
        is_bytes: bool,
    ) -> Result<Token, ExpressionError> {
        let wrong = || {
            self.error(
                start,
                "an escape in this string is not known; write a backslash as \\\\, or use a raw string r'...'",
            )
        };
        let mut output = Vec::with_capacity(content.len());
        let mut buffer = [0; 4];
        let mut chars = content.chars();
        while let Some(c) = chars.next() {
            if c != '\\' {
                output.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
                continue;
            }
            let escape = chars.next().ok_or_else(wrong)?;
            let (radix, digits, skipped) = match escape {
                'x' | 'X' => (16, 2, 0),
                'u' if !is_bytes => (16, 4, 0),
                'U' if !is_bytes => (16, 8, 0),
                '0'..='3' => (8, 2, escape.to_digit(8).unwrap_or(0)),
                _ => {
                    output.push(simple_escape(escape).ok_or_else(wrong)?);
                    continue;
                }
            };
            // The first digit of an octal escape was read to tell what it is.
            let mut code = skipped;
            for _ in 0..digits {
                let digit = chars.next().and_then(|c| c.to_digit(radix)).ok_or_else(wrong)?;
                code = code.wrapping_mul(radix).wrapping_add(digit);
            }
            // In bytes an escape is a byte, in a string a code point.
            if is_bytes {
                output.push(u8::try_from(code).map_err(|_| wrong())?);
            } else {
                let c = char::from_u32(code).ok_or_else(wrong)?;
                output.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            }
        }
        if is_bytes {
            return Ok(Token::Bytes(output));
        }
        String::from_utf8(output).map(Token::String).map_err(|_| wrong())
    }
}

fn simple_escape(c: char) -> Option<u8> {
    Some(match c {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' | '\'' | '"' | '`' | '?' => u8::try_from(c).ok()?,
        _ => return None,
    })
}
