//! A format on the command line: one of those that a report offers, by its name.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use comptroller_core::nearest::either;
use comptroller_report::Format;

/// A name that no format has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a format: write {known}")]
pub struct UnknownFormat {
    name: String,
    /// All names, as `table, json or csv`.
    known: String,
}

/// Parses the name of one of these formats; help lists them all.
pub fn format_parser<W: Clone + Send + Sync>(
    formats: &'static [Format<W>],
) -> impl TypedValueParser<Value = &'static Format<W>> {
    let values = formats.iter().map(|format| PossibleValue::new(format.name).help(format.about));
    PossibleValuesParser::new(values).try_map(|name| find(formats, &name))
}

/// The format of this name, whatever its case; otherwise an error that names them all.
pub fn find<W>(
    formats: &'static [Format<W>],
    name: &str,
) -> Result<&'static Format<W>, UnknownFormat> {
    formats.iter().find(|format| format.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let names: Vec<&str> = formats.iter().map(|format| format.name).collect();
        UnknownFormat { name: name.to_owned(), known: either(&names) }
    })
}
