//! The report over an audit period: one model, folded from the log, and a file for each format.
//!
//! It never reads the cluster, so that it is the same today and in three years.

mod claim;
pub(crate) mod csv;
pub mod digest;
pub mod fold;
mod format;
pub(crate) mod html;
pub(crate) mod json;
pub mod model;
pub(crate) mod oscal;
pub mod sampling;
mod span;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use claim::PeriodClaim;
pub use digest::digest;
pub use fold::what_was_done;
pub use format::{NamedFile, PeriodFormat, Render, Rendered};

/// The formats of a period's report, the default first: the registry, one line each.
pub const FORMATS: &[PeriodFormat] =
    &[html::FORMAT, csv::FORMAT, json::FORMAT, oscal::FORMAT, sampling::FORMAT];
