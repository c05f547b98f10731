//! Readiness as JSON: the whole model.

use super::ReadinessReport;
use crate::{TextFormat, json::write_pretty};

pub(super) const FORMAT: TextFormat<ReadinessReport> =
    TextFormat::new("json", "For programs", |readiness, _, output| write_pretty(readiness, output));
