//! Readiness as JSON: the whole model.

use super::Readiness;
use crate::{Format, json::write_pretty};

/// For programs.
pub(super) const FORMAT: Format<Readiness> =
    Format::new("json", "For programs", |readiness, _, output| write_pretty(readiness, output));
