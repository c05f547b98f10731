//! Times on the command line.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// Reads a time in RFC 3339, or a day, which is its first moment in UTC.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let day: Option<Date> = text.parse().ok();
    day.and_then(|day| day.to_zoned(TimeZone::UTC).ok()).map(|day| day.timestamp()).ok_or_else(
        || {
            "write a day, such as 2026-11-20, or a time in UTC, such as 2026-11-20T09:00:00Z"
                .to_owned()
        },
    )
}
