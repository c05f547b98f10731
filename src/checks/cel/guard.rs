//! What keeps an expression from costing more than it is worth.
//!
//! The parser recurses and cannot be interrupted, and pure code has no clock. So the shape of the
//! text is bounded before it is parsed (a stack overflow cannot be caught), and evaluation takes
//! steps from a budget, much as the API server counts cost.

use super::expression::ExpressionError;

/// The longest expression, in bytes.
pub const MAX_SOURCE: usize = 8 * 1024;
/// The deepest nesting of brackets.
pub const MAX_BRACKETS: usize = 32;
/// The deepest nesting of an expression: brackets, and chains such as `a.b.c` or `1 + 2 + 3`.
pub const MAX_NESTING: usize = 256;
/// The stack of the thread that parses. The generated parser takes up to 200 KiB for every
/// bracket without optimization, far more than the stack of a worker thread.
pub(super) const PARSER_STACK: usize = 64 << 20;
/// The most nodes of a parsed expression.
pub const MAX_NODES: usize = 2_000;
/// The longest regular expression, in bytes.
pub const MAX_PATTERN: usize = 1_000;
/// The most memory that a compiled regular expression may take, in bytes.
pub const MAX_COMPILED_PATTERN: usize = 1 << 20;
/// The deepest object that is judged, in nested lists and maps.
pub const MAX_OBJECT_DEPTH: usize = 100;
/// The most variables, match conditions or validations of one program.
pub const MAX_EXPRESSIONS: usize = 64;
/// Steps that all expressions of one program may take for one object. The API server allows
/// 1,000,000 units of cost for one expression, and a step here is about one unit there.
pub const MAX_STEPS: u64 = 2_000_000;

/// Refuses a source text that the parser might not survive, or would misread.
pub(super) fn check_source(source: &str) -> Result<(), ExpressionError> {
    if source.trim().is_empty() {
        return Err(ExpressionError::invalid("it is empty"));
    }
    limit("length in bytes", source.len(), MAX_SOURCE)?;
    Scanner::new(source).check_nesting()
}

/// Refuses what is more than `limit`.
pub(super) fn limit(what: &'static str, found: usize, limit: usize) -> Result<(), ExpressionError> {
    if found > limit {
        return Err(ExpressionError::TooComplex { what, found, limit });
    }
    Ok(())
}

/// One bracket that is open, and what hangs together inside it.
#[derive(Default)]
struct Level {
    /// Operators, selections and calls since the last separator: the grammar nests them.
    chain: usize,
    /// Conditionals, which nest to the right and so are never closed by a separator.
    conditionals: usize,
}

/// Reads an expression just far enough to tell strings and comments from operators.
struct Scanner<'a> {
    chars: std::iter::Peekable<std::str::CharIndices<'a>>,
    source: &'a str,
}

impl<'a> Scanner<'a> {
    fn new(source: &'a str) -> Self {
        Self { chars: source.char_indices().peekable(), source }
    }

    /// Bounds the depth of the parse tree.
    fn check_nesting(mut self) -> Result<(), ExpressionError> {
        let mut levels = vec![Level::default()];
        let mut previous = ' ';
        while let Some((at, c)) = self.chars.next() {
            match c {
                '\'' | '"' => self.skip_string(at, c)?,
                '/' if self.chars.next_if(|(_, next)| *next == '/').is_some() => {
                    while self.chars.next_if(|(_, next)| *next != '\n').is_some() {}
                }
                '!' | '-' if previous == c => return Err(self.unsupported(at, DOUBLED)),
                '(' | '[' | '{' => levels.push(Level::default()),
                ')' | ']' | '}' if levels.len() > 1 => drop(levels.pop()),
                _ => {}
            }
            if let Some(level) = levels.last_mut() {
                match c {
                    ',' => *level = Level::default(),
                    '&' | '|' => level.chain = 0,
                    '?' => level.conditionals += 1,
                    // A word can only be an operator when it stands between spaces, as in
                    // `a in b`: counting every run of letters is more than enough.
                    'n' if previous == 'i' => level.chain += 1,
                    '_' | '\'' | '"' => {}
                    c if c.is_ascii_punctuation() => level.chain += 1,
                    _ => {}
                }
            }
            limit("nesting of brackets", levels.len() - 1, MAX_BRACKETS)?;
            let depth = levels.iter().map(|level| level.chain + level.conditionals + 1).sum();
            limit("nesting", depth, MAX_NESTING)?;
            if !c.is_whitespace() {
                previous = c;
            }
        }
        Ok(())
    }

    /// Consumes a string literal whose opening quote is at `start`. What the lexer would not
    /// take for a string must not be skipped as one, so anything odd is an error here.
    fn skip_string(&mut self, start: usize, quote: char) -> Result<(), ExpressionError> {
        let before = self.source.get(..start).unwrap_or("");
        let raw = ["r", "R", "rb", "rB", "Rb", "RB", "br", "bR", "Br", "BR"]
            .iter()
            .any(|prefix| before.strip_suffix(prefix).is_some_and(|rest| !rest.ends_with(is_word)));
        while let Some((at, c)) = self.chars.next() {
            match c {
                c if c == quote => {
                    let triple =
                        at == start + 1 && self.chars.peek().is_some_and(|(_, c)| *c == quote);
                    return if triple { Err(self.unsupported(at, TRIPLE)) } else { Ok(()) };
                }
                '\\' if !raw => self.skip_escape(at, quote)?,
                '\n' | '\r' => break,
                _ => {}
            }
        }
        Err(ExpressionError::invalid_at(
            self.source,
            start,
            "the string that starts here is not closed",
        ))
    }

    fn skip_escape(&mut self, at: usize, quote: char) -> Result<(), ExpressionError> {
        let digits = match self.chars.next().map(|(_, c)| c) {
            // The library keeps this backslash.
            Some(c @ ('\'' | '"')) if c != quote => return Err(self.unsupported(at, ESCAPED_QUOTE)),
            Some('a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' | '?' | '\'' | '"' | '`') => 0,
            Some('x' | 'X' | '0'..='3') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => return Err(self.bad_escape(at)),
        };
        for _ in 0..digits {
            if self.chars.next_if(|(_, c)| c.is_ascii_hexdigit()).is_none() {
                return Err(self.bad_escape(at));
            }
        }
        Ok(())
    }

    fn bad_escape(&self, at: usize) -> ExpressionError {
        let message =
            "this escape is not known; write a backslash as \\\\, or use a raw string r'...'";
        ExpressionError::invalid_at(self.source, at, message)
    }

    fn unsupported(&self, at: usize, what: &str) -> ExpressionError {
        let line = self.source.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        ExpressionError::Unsupported { feature: format!("{what} in line {line}") }
    }
}

/// The library reads `!!x` as `!x` and parses its operand twice, so that nested ones take
/// exponential time.
const DOUBLED: &str = "a doubled ! or - (write brackets, or leave it out)";
/// The library takes the quotes inside for the end.
const TRIPLE: &str = "a string in three quotes (write one quote)";
const ESCAPED_QUOTE: &str = "an escaped quote that needs no backslash there (leave it out)";

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
