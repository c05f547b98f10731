//! Checkpoints as people keep them: copied from a page, a mail or a terminal. Pure.

use std::borrow::Cow;

use signed_note::Note;

/// What each signature of a signed note begins with.
const SIGNATURE: char = '—';

/// What some editors put before a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A signed note as it was signed, from one that was copied: with other line ends, spaces around its
/// lines, empty lines, or no line end at its end. Only what signs it decides whether it is right, so
/// nothing is believed that was not signed.
pub fn as_signed(text: &[u8]) -> Cow<'_, [u8]> {
    // Editors of Windows put a mark before the text, which a note may begin with.
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    if Note::from_bytes(text).is_ok() {
        return Cow::Borrowed(text);
    }
    let whole = String::from_utf8_lossy(text);
    let lines: Vec<&str> =
        whole.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect();
    let signatures = lines.iter().position(|line| line.starts_with(SIGNATURE));
    let (body, signatures) = lines.split_at(signatures.unwrap_or(lines.len()));
    let mut note = String::with_capacity(text.len() + 2);
    let line = |line: &&str| format!("{line}\n");
    note.extend(body.iter().map(line));
    note.push('\n');
    note.extend(signatures.iter().map(line));
    Cow::Owned(note.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{key::SigningKey, log::Head};
    use tlog_tiles::EMPTY_HASH;

    const ORIGIN: &str = "comptroller.dev/evidence/7d9e";

    #[test]
    fn a_checkpoint_is_read_however_it_was_copied() {
        let key = SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap();
        let head = Head::sign(&key, ORIGIN, 0, EMPTY_HASH);
        let indented: Vec<String> = head.text.lines().map(|line| format!("    {line}  ")).collect();
        for copied in [
            head.text.clone(),
            head.text.trim_end().to_owned(),
            head.text.replace('\n', "\r\n"),
            head.text.trim_end().replace('\n', "\r\n"),
            format!("\n\n  {}\n \n", head.text),
            format!("\u{feff}{}", head.text),
            indented.join("\n"),
            head.text.replace("\n\n", "\n"),
            head.text.replace('\n', "\n\n"),
            head.text.replace('\n', "\r"),
        ] {
            let note = as_signed(copied.as_bytes());
            let read = Head::open(&note, &key.verifier());
            assert_eq!(read.as_ref(), Ok(&head), "{copied:?}");
        }
    }

    #[test]
    fn what_was_not_signed_is_not_made_right() {
        let key = SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap();
        let head = Head::sign(&key, ORIGIN, 0, EMPTY_HASH);
        for wrong in [
            head.text.replace("\n0\n", "\n1\n"),
            head.text.replace("7d9e\n", "7d9f\n"),
            format!("another line\n{}", head.text),
            String::new(),
            "—".to_owned(),
        ] {
            assert!(Head::open(&as_signed(wrong.as_bytes()), &key.verifier()).is_err(), "{wrong}");
        }
    }
}
