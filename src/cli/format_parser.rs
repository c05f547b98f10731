//! A format on the command line: one of those that a report offers, by its name.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use comptroller_report::{Format, period::PeriodFormat};

/// What can be chosen by a name on the command line.
pub trait Choice: Sync + 'static {
    fn name(&self) -> &'static str;

    /// What help says of it.
    fn about(&self) -> &'static str;
}

impl<R> Choice for Format<R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }
}

impl Choice for PeriodFormat {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }
}

/// Parses the name of one of these formats; help lists them all.
pub fn format_parser<F: Choice>(
    formats: &'static [F],
) -> impl TypedValueParser<Value = &'static F> {
    let values =
        formats.iter().map(|format| PossibleValue::new(format.name()).help(format.about()));
    PossibleValuesParser::new(values)
        .try_map(|name| find(formats, &name).ok_or_else(|| format!("{name:?} is not a format")))
}

/// The format of this name, whatever its case. None if there is none.
pub fn find<F: Choice>(formats: &'static [F], name: &str) -> Option<&'static F> {
    formats.iter().find(|format| format.name().eq_ignore_ascii_case(name))
}

/// The names of formats in a sentence: `table, json or csv`.
pub fn names<F: Choice>(formats: &[F]) -> String {
    let names: Vec<&str> = formats.iter().map(Choice::name).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    }
}
