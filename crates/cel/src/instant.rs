//! Moments of the calendar from year 1 to year 9999, to the nanosecond, read and written as Go
//! does: both ends are times that people write, "never" above all.

use std::cmp::Ordering;

/// A moment, with the offset it was written in. Two moments are equal whatever their offsets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instant {
    /// Since 1970-01-01T00:00:00Z; negative before.
    seconds: i64,
    nanoseconds: u32,
    /// Of the text it was read from, in seconds east of UTC: it is written there too.
    offset: i32,
}

/// The first second of year 1, where Go's calendar and the range of CEL begin: 0001-01-01T00:00:00Z.
const MIN: i64 = -62_135_596_800;
/// The last second that RFC 3339 can write: 9999-12-31T23:59:59Z.
const MAX: i64 = 253_402_300_799;
const BILLION: i64 = 1_000_000_000;

impl PartialEq for Instant {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Instant {}

impl PartialOrd for Instant {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Instant {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.seconds, self.nanoseconds).cmp(&(other.seconds, other.nanoseconds))
    }
}

/// A moment as a calendar and a clock show it. The first month and the first day are 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    /// The first is 0.
    pub day_of_year: i64,
    /// 0 on Sunday, as `getDayOfWeek()` counts.
    pub day_of_week: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub millisecond: i64,
}

impl Instant {
    /// A moment in UTC; None outside of the calendar.
    pub fn from_unix(seconds: i64) -> Option<Self> {
        Self::new(seconds, 0, 0)
    }

    fn new(seconds: i64, nanoseconds: u32, offset: i32) -> Option<Self> {
        // A range that the API server enforces on every result, not only on what is written.
        (MIN..=MAX).contains(&seconds).then_some(Self { seconds, nanoseconds, offset })
    }

    pub fn unix(self) -> i64 {
        self.seconds
    }

    pub fn parts(self) -> (i64, u32) {
        (self.seconds, self.nanoseconds)
    }

    /// Whether it is the zero time of Go.
    pub fn is_zero(self) -> bool {
        self.seconds == MIN && self.nanoseconds == 0
    }

    /// The moment so many nanoseconds later; None outside of the calendar.
    pub fn plus(self, nanoseconds: i64) -> Option<Self> {
        // By Euclid, so that the fraction stays positive for a negative duration and before 1970.
        let fraction = i64::from(self.nanoseconds) + nanoseconds.rem_euclid(BILLION);
        let seconds = self.seconds + nanoseconds.div_euclid(BILLION) + fraction.div_euclid(BILLION);
        Self::new(seconds, u32::try_from(fraction.rem_euclid(BILLION)).ok()?, self.offset)
    }

    /// The nanoseconds from another moment to this one; None when they don't fit a duration.
    pub fn since(self, other: Self) -> Option<i64> {
        let seconds = self.seconds.checked_sub(other.seconds)?.checked_mul(BILLION)?;
        seconds.checked_add(i64::from(self.nanoseconds) - i64::from(other.nanoseconds))
    }

    /// What a clock shows so many seconds east of UTC.
    pub fn civil(self, offset: i64) -> Civil {
        let seconds = self.seconds + offset;
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = date_of(days);
        Civil {
            year,
            month,
            day,
            day_of_year: days - days_before(year, 1, 1),
            // 1970-01-01 was a Thursday.
            day_of_week: (days + 4).rem_euclid(7),
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            millisecond: i64::from(self.nanoseconds) / 1_000_000,
        }
    }

    /// RFC 3339 with as many decimals as there are.
    pub fn text(self) -> String {
        let Civil { year, month, day, hour, minute, second, .. } =
            self.civil(i64::from(self.offset));
        // As many decimals as there are, so that a text reads back as the same instant.
        let fraction = format!("{:09}", self.nanoseconds);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        let zone = match self.offset / 60 {
            0 => "Z".to_owned(),
            minutes => {
                let sign = if minutes < 0 { '-' } else { '+' };
                format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
        };
        format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{point}{fraction}{zone}"
        )
    }

    /// Reads RFC 3339 as leniently as Go: an hour may have one digit, and a comma may stand before
    /// the decimals. None for what Go refuses.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = Digits(text.as_bytes());
        let year = rest.number(4)?;
        rest.mark(b'-')?;
        let month = rest.number(2).filter(|month| (1..=12).contains(month))?;
        rest.mark(b'-')?;
        let day = rest.number(2)?;
        rest.mark(b'T')?;
        // Go's layout takes one digit for the hour, and for nothing else.
        let hour = rest.number(2).or_else(|| rest.number(1)).filter(|hour| *hour < 24)?;
        rest.mark(b':')?;
        let minute = rest.number(2).filter(|minute| *minute < 60)?;
        rest.mark(b':')?;
        let second = rest.number(2).filter(|second| *second < 60)?;
        let nanoseconds = rest.fraction();
        let offset = rest.zone()?;
        // After the zone: whatever is wrong, the answer is the same.
        if day < 1 || day > days_in(year, month) {
            return None;
        }
        let local = days_before(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        Self::new(local - i64::from(offset), nanoseconds, offset)
    }
}

/// Whether a text is a date such as 2026-11-29.
pub(super) fn is_date(text: &str) -> bool {
    let mut rest = Digits(text.as_bytes());
    let mut date = || {
        let year = rest.number(4)?;
        rest.mark(b'-')?;
        let month = rest.number(2).filter(|month| (1..=12).contains(month))?;
        rest.mark(b'-')?;
        let day = rest.number(2)?;
        (rest.0.is_empty() && day >= 1 && day <= days_in(year, month)).then_some(())
    };
    date().is_some()
}

struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn number(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        let value = digits.iter().try_fold(0, |value, digit| {
            digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
        })?;
        self.0 = rest;
        Some(value)
    }

    fn mark(&mut self, mark: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == mark).then(|| self.0 = rest)
    }

    /// The decimals of a second, as far as nanoseconds go.
    fn fraction(&mut self) -> u32 {
        let [b'.' | b',', digits @ ..] = self.0 else { return 0 };
        let count = digits.iter().take_while(|digit| digit.is_ascii_digit()).count();
        if count == 0 {
            return 0;
        }
        self.0 = digits.get(count..).unwrap_or(&[]);
        let kept = digits.iter().take(count).chain(std::iter::repeat(&b'0')).take(9);
        kept.fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
    }

    /// The rest: a zone, in seconds east of UTC.
    fn zone(&mut self) -> Option<i32> {
        let sign = match self.0 {
            [b'Z'] => return Some(0),
            [b'+', ..] => 1,
            [b'-', ..] => -1,
            _ => return None,
        };
        self.0 = self.0.get(1..)?;
        let hours = self.number(2).filter(|hours| *hours <= 24)?;
        self.mark(b':')?;
        let minutes = self.number(2).filter(|minutes| *minutes <= 60)?;
        let offset = i32::try_from(hours * 3600 + minutes * 60).ok()?;
        self.0.is_empty().then_some(sign * offset)
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The days from 1970 to a date, by Howard Hinnant's `days_from_civil`. Years start in March, so that
/// a leap day is the last of one.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The date so many days after 1970, by Howard Hinnant's `civil_from_days`.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}
