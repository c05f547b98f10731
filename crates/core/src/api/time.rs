//! Instants as the API server keeps them: RFC 3339 in UTC, whole seconds.

use std::borrow::Cow;

use jiff::Timestamp;
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_core::Rule;
use serde::{Deserialize, Deserializer, de};

/// What a date and time looks like in a spec: RFC 3339 without the odd forms that programs read
/// differently (lower-case letters, leap seconds, offsets of a day). What it admits and the API
/// server's format `date-time` admits as well can be read here.
pub const PATTERN: &str = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

/// The last year that RFC 3339 can write. The last hours of it are beyond what a [`Timestamp`] can
/// hold, and people write them to say "never".
const LAST_YEAR: &str = "9999-12-3";

/// The instant as it comes back from the API server. [`Time`] keeps sub-seconds in memory but
/// not on the wire, so an untruncated one differs from itself after a round trip.
pub fn whole_seconds(instant: Timestamp) -> Time {
    Time(comptroller_vocabulary::whole_seconds(instant))
}

/// The API server does not look at the type of a value that has a format, so that a list would pass
/// for a time. An expression over it does.
pub(super) fn is_a_time() -> Rule {
    Rule::new("self.getFullYear() >= 0").message("must be a date")
}

/// Reads a date and time. One beyond the last instant that can be represented becomes that instant.
pub(crate) fn parse(text: &str) -> Result<Timestamp, jiff::Error> {
    text.parse().or_else(|error| {
        // Only real days of the last year: a misspelled date must stay an error.
        let day = text.get(..10).and_then(|day| day.parse::<jiff::civil::Date>().ok());
        if day.is_some() && text.starts_with(LAST_YEAR) { Ok(Timestamp::MAX) } else { Err(error) }
    })
}

/// Reads a required field of a spec.
pub(super) fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    parse(&text).map(Time).map_err(de::Error::custom)
}

/// Reads a field of a spec that may be absent or null.
pub(super) fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Time>, D::Error> {
    let text = Option::<Cow<'_, str>>::deserialize(deserializer)?;
    text.map(|text| parse(&text).map(Time).map_err(de::Error::custom)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_calendar_is_the_last_instant() {
        for (text, read) in [
            ("2027-01-31T00:00:00Z", Some("2027-01-31T00:00:00Z")),
            ("2027-01-31T02:00:00.5+02:00", Some("2027-01-31T00:00:00.5Z")),
            ("9999-12-30T21:59:59Z", Some("9999-12-30T21:59:59Z")),
            ("9999-12-31T23:59:59Z", Some("9999-12-30T22:00:00.999999999Z")),
            ("9999-12-31T23:59:59-12:00", Some("9999-12-30T22:00:00.999999999Z")),
            ("9999-12-32T00:00:00Z", None),
            ("never", None),
        ] {
            let wanted = read.map(|read| read.parse().unwrap());
            assert_eq!(parse(text).ok(), wanted, "{text}");
        }
    }
}
