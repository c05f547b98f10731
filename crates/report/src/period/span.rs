//! The span of a report, and that of an `AuditPeriod`.

use jiff::Timestamp;

use super::model::Span;
use comptroller_core::api::{AuditPeriodSpec, ReportType};

impl Span {
    /// The span of an `AuditPeriod`; None if it lacks the times of its type.
    pub fn of(spec: &AuditPeriodSpec) -> Option<Self> {
        match spec.type_ {
            ReportType::TypeI => Some(Self::TypeI { as_of: spec.as_of.as_ref()?.0 }),
            ReportType::TypeII => {
                Some(Self::TypeII { from: spec.from.as_ref()?.0, to: spec.to.as_ref()?.0 })
            }
        }
    }

    /// The first moment that the report looks at.
    pub fn start(self) -> Timestamp {
        match self {
            Self::TypeI { as_of } => as_of,
            Self::TypeII { from, .. } => from,
        }
    }

    /// The time at which it is over.
    pub fn end(self) -> Timestamp {
        match self {
            Self::TypeI { as_of } => as_of,
            Self::TypeII { to, .. } => to,
        }
    }

    /// Whether it lies before a time as a whole: the time of Type I itself belongs to it.
    pub fn is_over(self, at: Timestamp) -> bool {
        match self {
            Self::TypeI { as_of } => at > as_of,
            Self::TypeII { to, .. } => at >= to,
        }
    }
}
