//! Instants, as the API server and the log keep them and as people write them.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// The instant without what lies below the second, which neither the API server nor the log keeps.
pub fn whole_seconds(instant: Timestamp) -> Timestamp {
    // Cutting can't leave the range of a timestamp, so that the untouched one is never used.
    Timestamp::from_second(instant.as_second()).unwrap_or(instant)
}

/// The text is neither a day nor a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a day, such as 2026-11-20, or a time in UTC, such as 2026-11-20T09:00:00Z")]
pub struct NotAMoment;

/// Reads what a person gives as a time: one in RFC 3339, or a day, which is its first moment in UTC.
pub fn parse_moment(text: &str) -> Result<Timestamp, NotAMoment> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let day: Date = text.parse().map_err(|_| NotAMoment)?;
    day.to_zoned(TimeZone::UTC).map(|day| day.timestamp()).map_err(|_| NotAMoment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_its_first_moment_in_utc() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (text, moment) in [
            ("2026-11-20", at("2026-11-20T00:00:00Z")),
            ("2026-11-20T09:00:00Z", at("2026-11-20T09:00:00Z")),
            ("2026-11-20T09:00:00+02:00", at("2026-11-20T07:00:00Z")),
        ] {
            assert_eq!(parse_moment(text), Ok(moment));
        }
        for text in ["", "yesterday", "2026-13-01", "2026-11"] {
            assert_eq!(parse_moment(text), Err(NotAMoment), "{text:?}");
        }
    }
}
