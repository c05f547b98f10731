//! How far an occurrence of a human control has come.

use crate::closed_enum;

/// How many records of one occurrence a status names, the first ones. The log remembers more of
/// them, so that what a status dropped is not recorded twice.
pub const MAX_OCCURRENCE_RECORDS: usize = 16;

closed_enum! {
    /// The phase of an occurrence of a human control.
    #[derive(Default)]
    pub enum OccurrencePhase {
        /// It has not opened yet.
        #[default]
        Scheduled = "Scheduled",
        /// It can be attested.
        Open = "Open",
        /// It was attested in time.
        Completed = "Completed",
        /// It was attested after it was due, within its grace.
        CompletedLate = "CompletedLate",
        /// Nobody attested it in time, and it stays missed.
        Missed = "Missed",
        /// An approved exception, dated before it was due, waives it.
        Waived = "Waived",
    }
}

impl OccurrencePhase {
    /// Whether nothing changes it any more.
    pub fn is_closed(self) -> bool {
        !matches!(self, Self::Scheduled | Self::Open)
    }

    /// Whether it was attested.
    pub fn is_completed(self) -> bool {
        matches!(self, Self::Completed | Self::CompletedLate)
    }
}
