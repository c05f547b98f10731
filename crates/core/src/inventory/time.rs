//! Times that other tools wrote, which may lie beyond those that can be computed with.

use jiff::{Timestamp, fmt::temporal::Pieces};

use super::facts::ProjectionError;

/// The time that a field holds (RFC 3339). None where it is absent, empty, or the zero time of Go,
/// all of which tools write for "never". What lies before or after the calendar, as the
/// 9999-12-31T23:59:59Z of a certificate that does not expire (RFC 5280, 4.1.2.5), is the first
/// or last instant of it.
pub fn parse_time(field: &str, text: Option<&str>) -> Result<Option<Timestamp>, ProjectionError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match read(text) {
        Some(at) => Ok(Some(at).filter(|at| at.as_second() != GO_ZERO)),
        None => Err(ProjectionError(format!(
            "{field} is {:?}, which is not a time in RFC 3339 form, such as 2026-11-20T09:00:00Z",
            start_of(text)
        ))),
    }
}

/// 0001-01-01T00:00:00Z, in seconds since 1970.
const GO_ZERO: i64 = -62_135_596_800;

fn read(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let pieces = Pieces::parse(text).ok()?;
    let civil = pieces.date().to_datetime(pieces.time()?);
    // Only the end that the year lies beyond; the offset can no longer matter.
    let end = if civil.year() > 0 { Timestamp::MAX } else { Timestamp::MIN };
    Some(pieces.to_numeric_offset()?.to_timestamp(civil).unwrap_or(end))
}

/// The start of a text, enough to recognize it.
fn start_of(text: &str) -> &str {
    const BYTES: usize = 64;
    text.get(..text.floor_char_boundary(BYTES)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Result<Option<Timestamp>, String> {
        parse_time("status.at", Some(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn times_are_read_to_the_ends_of_the_calendar() {
        let at = |text: &str| Ok(Some(text.parse::<Timestamp>().unwrap()));
        for (text, expected) in [
            ("2026-11-20T09:00:00Z", at("2026-11-20T09:00:00Z")),
            ("2026-11-20t09:00:00.25z", at("2026-11-20T09:00:00.25Z")),
            ("2026-11-20T09:00:00+05:30", at("2026-11-20T03:30:00Z")),
            ("2026-11-20T09:00:00-12:00", at("2026-11-20T21:00:00Z")),
            // A leap second is the last one before it, as Kubernetes' own clock has none.
            ("2016-12-31T23:59:60Z", at("2016-12-31T23:59:59Z")),
            ("0000-01-01T00:00:00Z", at("0000-01-01T00:00:00Z")),
            ("9999-12-30T21:59:59Z", at("9999-12-30T21:59:59Z")),
            ("9999-12-31T23:59:59Z", Ok(Some(Timestamp::MAX))),
            ("9999-12-31T23:59:59.999999999+00:00", Ok(Some(Timestamp::MAX))),
            ("9999-12-31T23:59:59-23:59", Ok(Some(Timestamp::MAX))),
            ("-009999-01-01T00:00:00Z", Ok(Some(Timestamp::MIN))),
            ("0001-01-01T00:00:00Z", Ok(None)),
            ("", Ok(None)),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        assert_eq!(parse_time("status.at", None).unwrap(), None);
    }

    #[test]
    fn what_is_not_a_time_is_an_error() {
        for text in [
            "soon",
            "2026-11-20",
            "2026-11-20T09:00:00",
            "2026-02-30T00:00:00Z",
            "10000-01-01T00:00:00Z",
        ] {
            let error = of(text).unwrap_err();
            assert!(
                error.starts_with(&format!("status.at is {text:?}, which is not a time")),
                "{error}"
            );
        }
        assert!(of(&"ü".repeat(10_000)).unwrap_err().len() < 300);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-+0-9TZ:.]{0,40}|.{0,40}") {
            let _ = of(&text);
        }

        #[test]
        fn later_is_never_earlier(days in 0_i64..400, offset in -23_i8..24) {
            let first = "9999-01-01T00:00:00";
            let day = first.parse::<jiff::civil::DateTime>().unwrap();
            let day = day.checked_add(jiff::Span::new().days(days.min(364))).unwrap();
            let text = format!("{day}{}{:02}:00", if offset < 0 { '-' } else { '+' }, offset.abs());
            prop_assert!(of(&text).unwrap() >= of("9998-12-30T00:00:00Z").unwrap());
        }
    }
}
