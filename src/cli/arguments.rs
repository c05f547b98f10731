//! Parsers of arguments that several commands take.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use comptroller_core::api::criteria::Category;
pub use comptroller_vocabulary::parse_moment as moment;

/// Parses a category of the SOC 2 criteria. The argument must have `ignore_case`.
pub fn category() -> impl TypedValueParser<Value = Category> {
    let names = Category::ALL.iter().map(|category| category.as_str());
    PossibleValuesParser::new(names).try_map(|given| {
        Category::ALL
            .iter()
            .copied()
            .find(|category| category.as_str().eq_ignore_ascii_case(&given))
            .ok_or("no such category")
    })
}
