//! Words of a table, which facts name without a copy, on their way back from JSON.

use serde::{Deserialize, Deserializer, de::Error};

/// A word of a table of this program. By this name it is read through [`from_table`], since text that
/// is read lives shorter than the program.
pub type KnownWord = &'static str;

/// Reads a word that is in the table. Another one is of a program that knows more.
pub fn from_table<'de, D: Deserializer<'de>>(
    deserializer: D,
    table: &[KnownWord],
) -> Result<KnownWord, D::Error> {
    let text = String::deserialize(deserializer)?;
    let known = table.iter().copied().find(|known| *known == text);
    known.ok_or_else(|| D::Error::custom(format!("{text:?} is not known to this version")))
}
