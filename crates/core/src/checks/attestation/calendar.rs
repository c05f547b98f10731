//! When occurrences begin, what they are called, and when they are due: the calendar in UTC.

use jiff::{
    Span, Timestamp,
    civil::{Date, date},
    tz::TimeZone,
};

use crate::api::test_spec::AttestationTest;

/// Calendar years, halves, quarters and months all begin with it.
const EPOCH: Date = date(2000, 1, 1);

/// The dates of one occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dates {
    /// The name of the occurrence within the control: `2026-Q4`.
    pub period: String,
    /// When its period begins, and it can be attested.
    pub opens: Timestamp,
    /// Until when a record is on time, inclusive.
    pub due: Timestamp,
    /// Until when a record is late rather than missed, inclusive.
    pub grace_until: Timestamp,
}

/// The calendar of a rule: occurrences by number, zero being the one that begins at its anchor.
#[derive(Clone, Debug)]
pub struct Calendar<'a> {
    rule: &'a AttestationTest,
    anchor: Date,
    months: i64,
}

impl<'a> Calendar<'a> {
    /// The calendar that a rule describes.
    pub fn new(rule: &'a AttestationTest) -> Self {
        Self { rule, anchor: rule.start_date().unwrap_or(EPOCH), months: rule.months() }
    }

    /// The number of the occurrence whose period holds an instant.
    pub fn number_at(&self, instant: Timestamp) -> i64 {
        let day = instant.to_zoned(TimeZone::UTC).date();
        let passed = months_of(day) - months_of(self.anchor);
        let number = passed.div_euclid(self.months);
        // The anchor's day of the month may not have come yet.
        if self.begin(number).is_some_and(|begin| begin > day) { number - 1 } else { number }
    }

    /// The dates of an occurrence; None beyond the end of the calendar.
    pub fn occurrence(&self, number: i64) -> Option<Dates> {
        let begin = self.begin(number)?;
        let opens = midnight(begin)?;
        let end = midnight(self.begin(number.checked_add(1)?)?)?;
        let due = self.rule.open_for.map_or(end, |open_for| open_for.add_to(opens).min(end));
        let grace_until = self.rule.grace.map_or(due, |grace| grace.add_to(due));
        Some(Dates { period: self.name(begin), opens, due, grace_until })
    }

    /// Counted from the anchor each time, so that a period that begins on the 31st does not slip.
    fn begin(&self, number: i64) -> Option<Date> {
        let months = self.months.checked_mul(number)?;
        self.anchor.checked_add(Span::new().try_months(months).ok()?).ok()
    }

    fn name(&self, begin: Date) -> String {
        let (year, month) = (begin.year(), begin.month());
        match (self.months, month, begin.day()) {
            (1, _, 1) => format!("{year:04}-{month:02}"),
            (3, 1 | 4 | 7 | 10, 1) => format!("{year:04}-Q{}", (month + 2) / 3),
            (6, 1 | 7, 1) => format!("{year:04}-H{}", (month + 5) / 6),
            (months, 1, 1) if months % 12 == 0 => format!("{year:04}"),
            _ => begin.to_string(),
        }
    }
}

fn months_of(day: Date) -> i64 {
    i64::from(day.year()) * 12 + i64::from(day.month())
}

fn midnight(day: Date) -> Option<Timestamp> {
    day.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp())
}
