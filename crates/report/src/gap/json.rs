//! Readiness as JSON: the whole model.

use super::ReadinessReport;
use crate::{Format, json::write_pretty};

pub(super) const FORMAT: Format<ReadinessReport> =
    Format::new("json", "For programs", |readiness, _, output| write_pretty(readiness, output));
