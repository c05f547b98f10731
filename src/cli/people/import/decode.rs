//! From the bytes of an export to text. Pure.

/// How a text is encoded that does not begin with a byte order mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Encoding {
    #[default]
    #[value(name = "utf-8")]
    Utf8,
    #[value(name = "utf-16le")]
    Utf16Le,
    #[value(name = "utf-16be")]
    Utf16Be,
    /// What spreadsheets write on Windows in western Europe and America.
    #[value(name = "windows-1252")]
    Windows1252,
}

/// Why the bytes are no text in the encoding.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// They are not UTF-8.
    #[error(
        "line {0} is not UTF-8; save the export as UTF-8, or name its encoding, such as --encoding windows-1252"
    )]
    Utf8(usize),
    /// They hold zeros, as UTF-16 does.
    #[error(
        "line {0} has a zero byte, as UTF-16 without a byte order mark has; give --encoding utf-16le or utf-16be"
    )]
    Zero(usize),
    /// They are not UTF-16.
    #[error("line {0} is not UTF-16; name the encoding of the export with --encoding")]
    Utf16(usize),
    /// A byte that the code page does not have.
    #[error("line {0} is not Windows-1252; name the encoding of the export with --encoding")]
    Windows1252(usize),
}

/// What Windows-1252 has where Latin-1 has control characters; None where it has nothing.
const WINDOWS: [Option<char>; 32] = [
    Some('€'),
    None,
    Some('‚'),
    Some('ƒ'),
    Some('„'),
    Some('…'),
    Some('†'),
    Some('‡'),
    Some('ˆ'),
    Some('‰'),
    Some('Š'),
    Some('‹'),
    Some('Œ'),
    None,
    Some('Ž'),
    None,
    None,
    Some('‘'),
    Some('’'),
    Some('“'),
    Some('”'),
    Some('•'),
    Some('–'),
    Some('—'),
    Some('˜'),
    Some('™'),
    Some('š'),
    Some('›'),
    Some('œ'),
    None,
    Some('ž'),
    Some('Ÿ'),
];

/// The text, without its byte order mark. A mark says what the encoding is, whatever is given.
pub fn decode(bytes: &[u8], encoding: Encoding) -> Result<String, DecodeError> {
    let (encoding, bytes) = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => (Encoding::Utf8, rest),
        [0xFF, 0xFE, rest @ ..] => (Encoding::Utf16Le, rest),
        [0xFE, 0xFF, rest @ ..] => (Encoding::Utf16Be, rest),
        all => (encoding, all),
    };
    match encoding {
        Encoding::Utf8 => utf8(bytes),
        Encoding::Utf16Le => utf16(bytes, u16::from_le_bytes),
        Encoding::Utf16Be => utf16(bytes, u16::from_be_bytes),
        Encoding::Windows1252 => windows_1252(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, DecodeError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| DecodeError::Utf8(line_at(bytes, error.valid_up_to())))?;
    match text.find('\0') {
        Some(at) => Err(DecodeError::Zero(line_at(bytes, at))),
        None => Ok(text.to_owned()),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, DecodeError> {
    let mut text = String::with_capacity(bytes.len() / 2);
    let pairs = bytes.chunks_exact(2);
    let cut = !pairs.remainder().is_empty();
    let units = pairs.filter_map(|pair| Some(unit(pair.try_into().ok()?)));
    for decoded in char::decode_utf16(units) {
        match decoded {
            Ok(c) if c != '\0' => text.push(c),
            _ => return Err(DecodeError::Utf16(line_at(text.as_bytes(), text.len()))),
        }
    }
    if cut { Err(DecodeError::Utf16(line_at(text.as_bytes(), text.len()))) } else { Ok(text) }
}

fn windows_1252(bytes: &[u8]) -> Result<String, DecodeError> {
    let mut text = String::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        let decoded = match byte {
            0 => None,
            0x80..=0x9F => WINDOWS.get(usize::from(byte - 0x80)).copied().flatten(),
            other => Some(char::from(*other)),
        };
        text.push(decoded.ok_or_else(|| DecodeError::Windows1252(line_at(bytes, at)))?);
    }
    Ok(text)
}

/// The line in which a byte lies, from 1.
fn line_at(bytes: &[u8], at: usize) -> usize {
    1 + bytes.iter().take(at).filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_is_read_and_a_mark_decides() {
        let text = "name\nZoë €\n";
        let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
        for (bytes, given) in [
            (text.as_bytes().to_vec(), Encoding::Utf8),
            (marked(b"\xEF\xBB\xBF", text.as_bytes()), Encoding::Windows1252),
            (marked(b"\xFF\xFE", &le), Encoding::Utf8),
            (marked(b"\xFE\xFF", &be), Encoding::Utf8),
            (le.clone(), Encoding::Utf16Le),
            (be.clone(), Encoding::Utf16Be),
            (b"name\nZo\xEB \x80\n".to_vec(), Encoding::Windows1252),
        ] {
            assert_eq!(decode(&bytes, given).as_deref(), Ok(text), "{given:?}");
        }
        for (bytes, given, error) in [
            (&b"a\nZo\xEB\n"[..], Encoding::Utf8, DecodeError::Utf8(2)),
            (&le[..], Encoding::Utf8, DecodeError::Utf8(2)),
            (&b"a\0b\0"[..], Encoding::Utf8, DecodeError::Zero(1)),
            (&b"\xFF\xFEa\0b"[..], Encoding::Utf8, DecodeError::Utf16(1)),
            (&b"\x00\xD8a\0"[..], Encoding::Utf16Le, DecodeError::Utf16(1)),
            (&b"a\n\x81"[..], Encoding::Windows1252, DecodeError::Windows1252(2)),
        ] {
            assert_eq!(decode(bytes, given), Err(error));
        }
    }
}
