//! Instants as the API server keeps them.

use jiff::Timestamp;

/// The instant without what lies below the second, which neither the API server nor the log keeps.
pub fn whole_seconds(instant: Timestamp) -> Timestamp {
    Timestamp::from_second(instant.as_second()).unwrap_or(instant)
}
