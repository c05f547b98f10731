//! Instants as the API server keeps them: RFC 3339 in UTC, whole seconds.

use jiff::Timestamp;
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The instant as it comes back from the API server. [`Time`] keeps sub-seconds in memory but
/// not on the wire, so an untruncated one differs from itself after a round trip.
pub fn whole_seconds(instant: Timestamp) -> Time {
    Time(Timestamp::from_second(instant.as_second()).unwrap_or(instant))
}
