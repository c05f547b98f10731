//! Regular expressions in RE2's syntax, as Go reads it, rewritten for Rust's engine.
//!
//! Both run in linear time and prefer the same match. Their syntax differs in classes, escapes,
//! flags, braces and stacked repetitions, so every character is written as a number, and nothing is
//! handed on that was not understood here.

use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;

use super::pattern::PatternError;

/// What a pattern may repeat at most, one repetition in another multiplied.
const MAX_REPETITIONS: u32 = 1000;

/// A pattern for Rust's engine.
pub(super) struct Translated {
    pub pattern: String,
    /// Whether it depends on tables of Unicode, which differ from version to version.
    pub needs_unicode: bool,
}

pub(super) fn translate(pattern: &str) -> Result<Translated, PatternError> {
    let mut translator = Translator {
        chars: pattern.chars().peekable(),
        output: String::with_capacity(pattern.len() * 4),
        groups: vec![OpenGroup::default()],
        last: Last::Nothing,
        needs_unicode: false,
    };
    translator.run()?;
    if translator.groups.len() > 1 {
        return invalid("a ( is not closed");
    }
    let Translator { output, needs_unicode, .. } = translator;
    Ok(Translated { pattern: output, needs_unicode })
}

/// What stands before the next character: what a repetition would repeat.
#[derive(Clone, Copy)]
enum Last {
    Nothing,
    /// Something that repeats so often itself.
    Atom(u32),
    Repetition(u32),
    /// Flags, where Go repeats what stands before them.
    Flags,
}

#[derive(Default)]
struct OpenGroup {
    /// The most repetitions inside.
    repetitions: u32,
}

struct Translator<'a> {
    chars: Peekable<Chars<'a>>,
    output: String,
    groups: Vec<OpenGroup>,
    last: Last,
    needs_unicode: bool,
}

type Translation<T = ()> = Result<T, PatternError>;

fn invalid<T>(message: &str) -> Translation<T> {
    Err(PatternError::Invalid(format!("the regular expression is not valid: {message}")))
}

fn unsupported<T>(what: &str) -> Translation<T> {
    Err(PatternError::Unsupported(format!("{what} in a regular expression")))
}

impl Translator<'_> {
    fn run(&mut self) -> Translation {
        while let Some(c) = self.chars.next() {
            match c {
                '\\' => self.escape()?,
                '[' => {
                    let class = self.class()?;
                    self.atom(&class);
                }
                '(' => self.open()?,
                ')' => self.close()?,
                '|' => {
                    self.end_of_atom();
                    self.output.push('|');
                    self.last = Last::Nothing;
                }
                '.' | '^' | '$' => self.atom(&c.to_string()),
                '*' | '+' | '?' => self.repeat(&c.to_string(), 1)?,
                '{' => self.braces()?,
                c => self.literal(c),
            }
        }
        self.end_of_atom();
        Ok(())
    }

    /// Remembers how often the last atom repeats, before another begins.
    fn end_of_atom(&mut self) {
        if let (Last::Atom(count) | Last::Repetition(count), Some(group)) =
            (self.last, self.groups.last_mut())
        {
            group.repetitions = group.repetitions.max(count);
        }
    }

    fn atom(&mut self, text: &str) {
        self.end_of_atom();
        self.output.push_str(text);
        self.last = Last::Atom(1);
    }

    fn literal(&mut self, c: char) {
        let text = number(c);
        self.atom(&text);
    }

    fn repeat(&mut self, text: &str, count: u32) -> Translation {
        let inner = match self.last {
            Last::Nothing => return invalid("a repetition has nothing to repeat"),
            Last::Repetition(_) => return invalid("a repetition is repeated; write a group"),
            Last::Flags => return unsupported("a repetition after flags"),
            Last::Atom(inner) => inner,
        };
        // Go multiplies nested repetitions and refuses more than 1000; the size of the compiled pattern would
        // not tell.
        let product = inner.saturating_mul(count.max(1));
        if product > MAX_REPETITIONS {
            return invalid("it repeats more than 1000 times");
        }
        self.output.push_str(text);
        // Lazy, which both engines write and mean alike.
        if self.chars.next_if_eq(&'?').is_some() {
            self.output.push('?');
        }
        self.last = Last::Repetition(product);
        Ok(())
    }

    /// `{n}`, `{n,}` or `{n,m}`; any other brace is a character.
    fn braces(&mut self) -> Translation {
        let rest = self.chars.clone();
        let inside: String = rest.take_while(|c| *c != '}').collect();
        let length = inside.chars().count();
        let is_closed = self.chars.clone().nth(length) == Some('}');
        let (from, to) = inside.split_once(',').unwrap_or((&inside, &inside));
        let count = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            (digits && (text.len() == 1 || !text.starts_with('0')))
                .then(|| text.parse::<u32>().unwrap_or(u32::MAX))
        };
        let (Some(from), true) = (count(from), is_closed && (to.is_empty() || count(to).is_some()))
        else {
            // Go takes a brace that is no repetition for itself, and Rust's engine refuses it.
            self.literal('{');
            return Ok(());
        };
        let to = count(to);
        if from > MAX_REPETITIONS || to.is_some_and(|to| to > MAX_REPETITIONS || to < from) {
            return invalid("a repetition must be of n to m times, up to 1000");
        }
        self.chars.nth(length);
        self.repeat(&format!("{{{inside}}}"), to.unwrap_or(from).max(from))
    }

    fn open(&mut self) -> Translation {
        self.end_of_atom();
        if self.chars.next_if_eq(&'?').is_none() {
            self.group("(?:");
            return Ok(());
        }
        match self.chars.peek() {
            Some('P' | '<') => self.named_group(),
            _ => self.flags(),
        }
    }

    fn group(&mut self, text: &str) {
        self.output.push_str(text);
        self.groups.push(OpenGroup::default());
        self.last = Last::Nothing;
    }

    fn named_group(&mut self) -> Translation {
        self.chars.next_if_eq(&'P');
        if self.chars.next() != Some('<') {
            return invalid("(?P must be followed by <name>");
        }
        let mut name = String::new();
        while let Some(c) = self.chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
        }
        if name.is_empty() || self.chars.next() != Some('>') {
            return invalid(
                "the name of a group is missing or has other characters than letters, digits and underscores",
            );
        }
        // No function here asks for a group by name or number, so none captures.
        self.group("(?:");
        Ok(())
    }

    fn flags(&mut self) -> Translation {
        let mut flags = String::new();
        let (mut negated, mut since) = (false, 0);
        loop {
            match self.chars.next() {
                Some(c @ ('i' | 'm' | 's' | 'U')) => {
                    self.needs_unicode |= c == 'i';
                    since += 1;
                    // Rust knows each flag once.
                    if flags.contains(c) {
                        return unsupported("a flag that is written twice");
                    }
                    flags.push(c);
                }
                Some('-') if !negated => {
                    (negated, since) = (true, 0);
                    flags.push('-');
                }
                Some(end @ (':' | ')')) if !negated || since > 0 => {
                    if end == ':' {
                        self.group(&format!("(?{flags}:"));
                    } else if flags.is_empty() {
                        return unsupported("(?)");
                    } else {
                        let _ = write!(self.output, "(?{flags})");
                        self.last = Last::Flags;
                    }
                    return Ok(());
                }
                _ => return invalid("(? must be followed by a flag, a name or a colon"),
            }
        }
    }

    fn close(&mut self) -> Translation {
        self.end_of_atom();
        let Some(group) = self.groups.pop().filter(|_| !self.groups.is_empty()) else {
            return invalid("a ) closes nothing");
        };
        self.output.push(')');
        self.last = Last::Atom(group.repetitions.max(1));
        Ok(())
    }

    fn escape(&mut self) -> Translation {
        match self.chars.peek() {
            Some('A') => self.anchor("\\A"),
            Some('z') => self.anchor("\\z"),
            // A word is of ASCII in RE2, and of Unicode in Rust unless told otherwise.
            Some('b') => self.anchor("(?-u:\\b)"),
            Some('B') => self.anchor("(?-u:\\B)"),
            Some('Q') => self.quoted(),
            _ => {
                if let Some(class) = self.class_escape()? {
                    self.atom(&class);
                } else {
                    let c = self.character()?;
                    self.literal(c);
                }
            }
        }
        Ok(())
    }

    fn anchor(&mut self, text: &str) {
        self.chars.next();
        self.atom(text);
    }

    /// `\Q...\E`: characters that mean themselves.
    fn quoted(&mut self) {
        self.chars.next();
        while let Some(c) = self.chars.next() {
            if c == '\\' && self.chars.next_if_eq(&'E').is_some() {
                break;
            }
            self.literal(c);
        }
    }

    /// `\d`, `\pL` and their like, after the backslash.
    fn class_escape(&mut self) -> Translation<Option<String>> {
        let class = match self.chars.peek() {
            Some('d') => "[0-9]",
            Some('D') => "[^0-9]",
            Some('w') => "[0-9A-Za-z_]",
            Some('W') => "[^0-9A-Za-z_]",
            Some('s') => "[\\t\\n\\x0C\\r ]",
            Some('S') => "[^\\t\\n\\x0C\\r ]",
            Some('p' | 'P') => return self.property().map(Some),
            _ => return Ok(None),
        };
        self.chars.next();
        Ok(Some(class.to_owned()))
    }

    /// `\pL` or `\p{Greek}`, by the names that Go and Rust give the same characters.
    fn property(&mut self) -> Translation<String> {
        const NAMES: [&str; 56] = [
            "L",
            "Ll",
            "Lm",
            "Lo",
            "Lt",
            "Lu",
            "M",
            "Mc",
            "Me",
            "Mn",
            "N",
            "Nd",
            "Nl",
            "No",
            "P",
            "Pc",
            "Pd",
            "Pe",
            "Pf",
            "Pi",
            "Po",
            "Ps",
            "S",
            "Sc",
            "Sk",
            "Sm",
            "So",
            "Z",
            "Zl",
            "Zp",
            "Zs",
            "Cc",
            "Cf",
            "Co",
            "Arabic",
            "Armenian",
            "Bengali",
            "Cyrillic",
            "Devanagari",
            "Ethiopic",
            "Georgian",
            "Greek",
            "Gujarati",
            "Han",
            "Hangul",
            "Hebrew",
            "Hiragana",
            "Katakana",
            "Khmer",
            "Latin",
            "Mongolian",
            "Tamil",
            "Telugu",
            "Thai",
            "Tibetan",
            "Common",
        ];
        let mut negated = self.chars.next() == Some('P');
        let name = match self.chars.next() {
            Some('{') => {
                let mut name = String::new();
                loop {
                    match self.chars.next() {
                        Some('}') => break name,
                        Some(c) => name.push(c),
                        None => return invalid("a \\p{ is not closed"),
                    }
                }
            }
            Some(c) => c.to_string(),
            None => return invalid("\\p has no name"),
        };
        let plain = name.strip_prefix('^').unwrap_or(&name);
        negated ^= plain.len() < name.len();
        if !NAMES.contains(&plain) {
            return unsupported(&format!("the class \\p{{{name}}}"));
        }
        self.needs_unicode = true;
        let sign = if negated { 'P' } else { 'p' };
        Ok(format!("\\{sign}{{{plain}}}"))
    }

    /// One character, after a backslash.
    fn character(&mut self) -> Translation<char> {
        let unknown = "an escape is not known; write \\x{...} for a code point";
        let Some(c) = self.chars.next() else { return invalid("it ends with a backslash") };
        Ok(match c {
            'a' => '\x07',
            'f' => '\x0C',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0B',
            '0' | '1'..='7' => {
                let is_octal = |c: &char| ('0'..='7').contains(c);
                if c != '0' && !self.chars.peek().is_some_and(is_octal) {
                    return invalid("it refers back to a group, which is not possible");
                }
                let mut code = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    match self.chars.next_if(is_octal).and_then(|c| c.to_digit(8)) {
                        Some(digit) => code = code * 8 + digit,
                        None => break,
                    }
                }
                return char::from_u32(code).map_or_else(|| invalid(unknown), Ok);
            }
            'x' => return self.hexadecimal(),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
            _ => return invalid(unknown),
        })
    }

    fn hexadecimal(&mut self) -> Translation<char> {
        let wrong = "\\x must be followed by two hexadecimal digits, or by {...}";
        let mut code: u32 = 0;
        if self.chars.next_if_eq(&'{').is_some() {
            let mut digits = 0;
            loop {
                match self.chars.next() {
                    Some('}') if digits > 0 => break,
                    Some(c) => {
                        let Some(digit) = c.to_digit(16) else { return invalid(wrong) };
                        code = code.saturating_mul(16).saturating_add(digit);
                        digits += 1;
                    }
                    None => return invalid(wrong),
                }
            }
        } else {
            for _ in 0..2 {
                let Some(digit) = self.chars.next().and_then(|c| c.to_digit(16)) else {
                    return invalid(wrong);
                };
                code = code * 16 + digit;
            }
        }
        match char::from_u32(code) {
            Some(c) => Ok(c),
            // Go takes half of a pair for a character, which no text holds.
            None if code <= 0x10_ffff => unsupported("half of a surrogate pair"),
            None => invalid(wrong),
        }
    }

    /// `[...]`, after its bracket.
    fn class(&mut self) -> Translation<String> {
        let mut output = String::from("[");
        if self.chars.next_if_eq(&'^').is_some() {
            output.push('^');
        }
        let mut is_first = true;
        loop {
            let Some(c) = self.chars.next() else { return invalid("a [ is not closed") };
            match c {
                // A bracket that comes first is a member of the class.
                ']' if !is_first => break,
                '[' if self.chars.peek() == Some(&':') && self.names_class() => {
                    let named = self.named_class()?;
                    output.push_str(&named);
                }
                '\\' => {
                    if let Some(class) = self.class_escape()? {
                        output.push_str(&class);
                    } else {
                        let low = self.character()?;
                        self.range(low, &mut output)?;
                    }
                }
                low => self.range(low, &mut output)?,
            }
            is_first = false;
        }
        output.push(']');
        Ok(output)
    }

    /// Whether `:]` follows the `[` that was read.
    fn names_class(&self) -> bool {
        let rest: String = self.chars.clone().skip(1).collect();
        rest.contains(":]")
    }

    fn named_class(&mut self) -> Translation<String> {
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print",
            "punct", "space", "upper", "word", "xdigit",
        ];
        self.chars.next();
        let mut name = String::new();
        while let Some(c) = self.chars.next_if(|c| *c != ':') {
            name.push(c);
        }
        let closed = self.chars.next() == Some(':') && self.chars.next() == Some(']');
        let plain = name.strip_prefix('^').unwrap_or(&name);
        if !closed || !NAMES.contains(&plain) {
            return invalid("a class [:name:] is not known");
        }
        Ok(format!("[:{name}:]"))
    }

    /// A character of a class, or a range that starts with it.
    fn range(&mut self, low: char, output: &mut String) -> Translation {
        output.push_str(&number(low));
        // A dash at the end of a class is a member of it.
        let mut rest = self.chars.clone();
        if rest.next() != Some('-') || rest.next().is_none_or(|c| c == ']') {
            return Ok(());
        }
        self.chars.next();
        let high = match self.chars.next() {
            Some('\\') => self.character()?,
            Some(high) => high,
            None => return invalid("a [ is not closed"),
        };
        if high < low {
            return invalid("a range of a class ends before it starts");
        }
        let _ = write!(output, "-{}", number(high));
        Ok(())
    }
}

/// A character by its number, which means the same anywhere in a pattern.
fn number(c: char) -> String {
    if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\x{{{:x}}}", u32::from(c)) }
}
