//! Durations as people write them: Go's syntax with days, weeks, calendar months and years added.

use std::{borrow::Cow, fmt, str::FromStr};

use jiff::{SignedDuration, Span, Timestamp, tz::TimeZone};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::invalid::{FieldPath, Problems};

/// The longest text of a duration, in characters.
pub const MAX_LENGTH: usize = 32;

/// What the schema admits. Everything it admits can be parsed, so an object that the API server
/// stored never fails to load here.
pub const PATTERN: &str = r"^([0-9]{1,9}(mo|y)|[0-9]{1,9}(\.[0-9]{1,9})?(ns|us|ms|s|m|h|d|w))+$";

/// The longest age or validity that a spec may ask for: more is likely a slip of the pen.
const MAX_YEARS: i64 = 100;

const HOW: &str = "write a number and a unit, such as 90s, 30m, 24h, 30d, 2w, 3mo or 1y";

/// A length of time that is never negative. Months and years are calendar steps in UTC: how long
/// they are depends on where they start. Days and weeks are 24 hours and seven times that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Duration {
    months: i64,
    exact: SignedDuration,
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text is empty.
    #[error("a duration is missing; {HOW}")]
    Empty,
    /// It has a sign, where only a length makes sense.
    #[error("{0:?} has a sign, but a duration is a length; {HOW}")]
    Signed(String),
    /// A part of it is not a number followed by a unit.
    #[error("{0:?} is not a duration; {HOW}")]
    Malformed(String),
    /// A number in it has no unit.
    #[error("{0:?} has no unit; {HOW}")]
    NoUnit(String),
    /// The second text, a part of the first, is not a unit.
    #[error(
        "{1:?} in {0:?} is not a unit; use ns, us, ms, s, m (minutes), h, d, w, mo (months) or y"
    )]
    UnknownUnit(String, String),
    /// A fraction of a month or a year has no fixed length.
    #[error("{0:?} has a fraction of a calendar step; write whole months and years, or days")]
    CalendarFraction(String),
    /// More than the type can hold.
    #[error("{0:?} is too long; {HOW}")]
    Overflow(String),
}

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self { months: 0, exact: SignedDuration::ZERO };

    /// A duration of whole seconds.
    pub const fn from_secs(seconds: u32) -> Self {
        Self { months: 0, exact: SignedDuration::from_secs(seconds as i64) }
    }

    /// A duration of whole hours.
    pub const fn from_hours(hours: u16) -> Self {
        Self { months: 0, exact: SignedDuration::from_secs(hours as i64 * 3600) }
    }

    /// A duration of calendar months.
    pub const fn from_months(months: u8) -> Self {
        Self { months: months as i64, exact: SignedDuration::ZERO }
    }

    /// Whether its length is zero.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// The length. None if it has calendar steps, so that the length depends on where it starts.
    pub fn exact(self) -> Option<SignedDuration> {
        (self.months == 0).then_some(self.exact)
    }

    /// How many calendar months it is. None if it is zero or has anything but calendar steps.
    pub fn calendar_months(self) -> Option<i64> {
        self.exact.is_zero().then_some(self.months).filter(|months| *months > 0)
    }

    /// The instant this much later. Calendar steps come first; a day that the month lacks becomes
    /// its last day (January 31 and one month is February 28 or 29). Stops at the end of time.
    #[must_use]
    pub fn add_to(self, instant: Timestamp) -> Timestamp {
        step(instant, self.months, Timestamp::MAX).checked_add(self.exact).unwrap_or(Timestamp::MAX)
    }

    /// The instant this much earlier, by the rules of [`add_to`](Self::add_to). Stops at the
    /// beginning of time.
    #[must_use]
    pub fn subtract_from(self, instant: Timestamp) -> Timestamp {
        step(instant, -self.months, Timestamp::MIN)
            .checked_sub(self.exact)
            .unwrap_or(Timestamp::MIN)
    }
}

/// Moves by calendar months in UTC, or to `bound` where the calendar ends.
fn step(instant: Timestamp, months: i64, bound: Timestamp) -> Timestamp {
    if months == 0 {
        return instant;
    }
    Span::new()
        .try_months(months)
        .and_then(|span| instant.to_zoned(TimeZone::UTC).checked_add(span))
        .map_or(bound, |moved| moved.timestamp())
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        if text.is_empty() {
            return Err(DurationError::Empty);
        }
        // Checked first, or a sign would be reported as a missing number.
        if text.starts_with(['-', '+']) {
            return Err(DurationError::Signed(text.to_owned()));
        }
        // Parts may come in any order and repeatedly, as in Go: their sum is what counts.
        let mut total = Self::ZERO;
        let mut rest = text;
        while !rest.is_empty() {
            let (number, tail) = split_while(rest, |c| c.is_ascii_digit() || c == '.');
            let (unit, tail) = split_while(tail, |c| !c.is_ascii_digit() && c != '.');
            total = total
                .plus(part(text, number, unit)?)
                .ok_or_else(|| DurationError::Overflow(text.to_owned()))?;
            rest = tail;
        }
        Ok(total)
    }
}

fn split_while(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// One number with its unit, out of the duration `text`.
fn part(text: &str, number: &str, unit: &str) -> Result<Duration, DurationError> {
    let malformed = || DurationError::Malformed(text.to_owned());
    let overflow = || DurationError::Overflow(text.to_owned());
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return Err(malformed()),
        None => (number, ""),
    };
    if whole.is_empty() || fraction.contains('.') {
        return Err(malformed());
    }
    let count: i64 = whole.parse().map_err(|_| overflow())?;
    let months = match unit {
        "" => return Err(DurationError::NoUnit(text.to_owned())),
        "mo" => Some(count),
        "y" => Some(count.checked_mul(12).ok_or_else(overflow)?),
        _ => None,
    };
    if let Some(months) = months {
        if !fraction.is_empty() {
            return Err(DurationError::CalendarFraction(text.to_owned()));
        }
        return Ok(Duration { months, exact: SignedDuration::ZERO });
    }
    // Nanoseconds of nine-digit weeks exceed an i64; an i128 holds them all.
    let nanos = nanos_per(unit)
        .ok_or_else(|| DurationError::UnknownUnit(text.to_owned(), unit.to_owned()))?;
    let whole = i128::from(count).checked_mul(nanos).ok_or_else(overflow)?;
    let nanos = whole.checked_add(fraction_of(fraction, nanos)).ok_or_else(overflow)?;
    let seconds = i64::try_from(nanos / NANOS_PER_SECOND).map_err(|_| overflow())?;
    let subsecond = i32::try_from(nanos % NANOS_PER_SECOND).map_err(|_| overflow())?;
    Ok(Duration { months: 0, exact: SignedDuration::new(seconds, subsecond) })
}

const NANOS_PER_SECOND: i128 = 1_000_000_000;

fn nanos_per(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => NANOS_PER_SECOND,
        "m" => 60 * NANOS_PER_SECOND,
        "h" => 3_600 * NANOS_PER_SECOND,
        "d" => 86_400 * NANOS_PER_SECOND,
        "w" => 604_800 * NANOS_PER_SECOND,
        _ => return None,
    })
}

/// The decimals as nanoseconds; what is finer than one is cut off, as Go does. More than 18
/// digits are below any nanosecond, and fewer cannot overflow.
fn fraction_of(decimals: &str, nanos: i128) -> i128 {
    let (mut numerator, mut denominator) = (0, 1);
    for digit in decimals.bytes().take(18).map(|byte| i128::from(byte - b'0')) {
        numerator = numerator * 10 + digit;
        denominator *= 10;
    }
    nanos * numerator / denominator
}

impl Duration {
    /// An age or a validity: longer than zero, and short enough to be meant.
    pub(crate) fn validate(self, at: &FieldPath, problems: &mut Problems) {
        // Leap days do not matter: the limit is to catch a slip of the pen.
        let years = self.months / 12 + self.exact.as_secs() / (365 * 86_400);
        if self.is_zero() {
            problems.push(at, "must be longer than zero", HOW);
        } else if years > MAX_YEARS {
            problems.push(at, format!("{self} is longer than {MAX_YEARS}y"), HOW);
        }
    }

    fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_add(other.months)?,
            exact: self.exact.checked_add(other.exact)?,
        })
    }
}

/// The canonical text: the largest units first, each once, without fractions.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.exact.as_secs();
        let nanos = self.exact.subsec_nanos();
        let (minutes, hours) = (seconds / 60 % 60, seconds / 3600 % 24);
        let parts = [
            (self.months / 12, "y"),
            (self.months % 12, "mo"),
            (seconds / 86_400, "d"),
            (hours, "h"),
            (minutes, "m"),
            (seconds % 60, "s"),
            (i64::from(nanos / 1_000_000), "ms"),
            (i64::from(nanos / 1_000 % 1_000), "us"),
            (i64::from(nanos % 1_000), "ns"),
        ];
        // Zero parts are left out, so that equal durations have one text.
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        let text: String =
            parts.flat_map(|(count, unit)| [count.to_string(), unit.to_owned()]).collect();
        f.pad(if text.is_empty() { "0s" } else { &text })
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": MAX_LENGTH,
            "pattern": PATTERN,
            "x-kubernetes-validations": [{
                "rule": format!("self.matches(r'{PATTERN}') && self.matches('[1-9]')"),
                "message": "must be a duration longer than zero: a number and a unit, such as 90s, 30m, 24h, 30d, 2w, 3mo or 1y",
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written_and_its_canonical_text() {
        for (written, canonical) in [
            ("90s", "1m30s"),
            ("1.5h", "1h30m"),
            ("1h30m", "1h30m"),
            ("30m1h", "1h30m"),
            ("24h", "1d"),
            ("1w", "7d"),
            ("0.5d", "12h"),
            ("90d", "90d"),
            ("14mo", "1y2mo"),
            ("1y6mo2w3h", "1y6mo14d3h"),
            ("1ms1us1ns", "1ms1us1ns"),
            ("1µs", "1us"),
            ("0.0000000019s", "1ns"),
            ("0h", "0s"),
        ] {
            assert_eq!(written.parse::<Duration>().unwrap().to_string(), canonical);
        }
    }

    #[test]
    fn what_is_not_a_duration_says_what_to_write() {
        for (written, wrong) in [
            ("", "missing"),
            ("-1h", "sign"),
            ("+1h", "sign"),
            ("30", "no unit"),
            ("1h30", "no unit"),
            ("h", "not a duration"),
            ("1.h", "not a duration"),
            (".5h", "not a duration"),
            ("1.2.3h", "not a duration"),
            ("1 h", "not a unit"),
            ("1H", "not a unit"),
            ("1hour", "not a unit"),
            ("1month", "not a unit"),
            ("1M", "not a unit"),
            ("1.5mo", "calendar step"),
            ("0.5y", "calendar step"),
            ("99999999999999999999h", "too long"),
            ("9223372036854775807w", "too long"),
            ("9223372036854775807y", "too long"),
            ("9223372036854775807mo1mo", "too long"),
        ] {
            let error = written.parse::<Duration>().unwrap_err().to_string();
            assert!(error.contains(wrong), "{written}: {error}");
        }
    }

    #[test]
    fn months_and_years_follow_the_calendar() {
        for (start, step, end) in [
            ("2027-01-31T12:00:00Z", "1mo", "2027-02-28T12:00:00Z"),
            ("2028-01-31T12:00:00Z", "1mo", "2028-02-29T12:00:00Z"),
            ("2028-02-29T00:00:00Z", "1y", "2029-02-28T00:00:00Z"),
            ("2026-11-30T00:00:00Z", "3mo", "2027-02-28T00:00:00Z"),
            ("2026-12-31T23:59:59Z", "1mo1d", "2027-02-01T23:59:59Z"),
            ("2026-03-28T00:00:00Z", "2d", "2026-03-30T00:00:00Z"),
        ] {
            let step: Duration = step.parse().unwrap();
            assert_eq!(step.add_to(at(start)), at(end), "{start} + {step}");
        }
        let month: Duration = "1mo".parse().unwrap();
        assert_eq!(month.subtract_from(at("2027-03-31T00:00:00Z")), at("2027-02-28T00:00:00Z"));
    }

    #[test]
    fn time_stops_at_its_ends() {
        for long in ["999999999y", "999999999w", "999999999y999999999w"] {
            let long: Duration = long.parse().unwrap();
            assert_eq!(long.add_to(at("2026-01-01T00:00:00Z")), Timestamp::MAX);
            assert_eq!(long.subtract_from(at("2026-01-01T00:00:00Z")), Timestamp::MIN);
        }
    }

    #[test]
    fn the_wire_is_a_string() {
        let duration: Duration = serde_json::from_str("\"36h\"").unwrap();
        assert_eq!(serde_json::to_string(&duration).unwrap(), "\"1d12h\"");
        assert!(serde_json::from_str::<Duration>("36").is_err());
    }

    proptest! {
        #[test]
        fn everything_the_schema_admits_loads_again_as_itself(text in &PATTERN[1..PATTERN.len() - 1]) {
            let duration: Duration = text.parse().unwrap();
            prop_assert_eq!(duration.to_string().parse::<Duration>().unwrap(), duration);
        }

        #[test]
        fn what_is_refused_was_not_admitted_by_the_schema(text in "[-+0-9.hmsdwyo ]{0,12}") {
            let admitted = Regex::new(PATTERN).unwrap().is_match(&text);
            prop_assert_eq!(text.parse::<Duration>().is_ok(), admitted);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = text.parse::<Duration>();
        }

        #[test]
        fn exact_steps_lead_back(seconds in 0_u32.., start in -4_000_000_000_i64..4_000_000_000) {
            let start = Timestamp::from_second(start).unwrap();
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(duration.subtract_from(duration.add_to(start)), start);
        }

        #[test]
        fn more_months_are_never_earlier(months in 0_u8..120, start in 0_i64..4_000_000_000) {
            let start = Timestamp::from_second(start).unwrap();
            let (less, more) = (Duration::from_months(months), Duration::from_months(months + 1));
            prop_assert!(less.add_to(start) < more.add_to(start));
        }
    }
}
