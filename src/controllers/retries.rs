//! When a failed write is retried. Pure: instants in, waits out.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// The first wait; it doubles with each consecutive failure.
const FIRST: Duration = Duration::from_millis(250);

/// The longest wait. A call is given up after 5 s, and after an outage no status should be late by more
/// than 10 s.
const LONGEST: Duration = Duration::from_secs(4);

/// The shortest time between two retries of any objects, so that hundreds of objects make no storm.
const SPACING: Duration = Duration::from_millis(250);

/// A failure counts as one of the API server, not of the object, if no write succeeded for this long.
const OUTAGE_AFTER: Duration = Duration::from_secs(2);

/// The failed writes of one kind.
#[derive(Debug, Default)]
pub struct Retries {
    failing: HashMap<String, FailingWrite>,
    /// When the next retry of any object may begin.
    next: Option<Instant>,
    last_success: Option<Instant>,
    /// Whether the API server failed and no write succeeded since.
    outage: bool,
}

#[derive(Debug)]
struct FailingWrite {
    /// Failures since the last write that worked.
    failures: u32,
    /// When it may be retried; None for at once, after another write succeeded.
    at: Option<Instant>,
}

impl Retries {
    /// Notes a failed write.
    pub fn failed(&mut self, name: &str, now: Instant) {
        let recently = self.last_success.is_some_and(|at| now.duration_since(at) < OUTAGE_AFTER);
        self.outage |= !recently;
        let known =
            self.failing.entry(name.to_owned()).or_insert(FailingWrite { failures: 0, at: None });
        let wait = FIRST.saturating_mul(1 << known.failures.min(8)).min(LONGEST);
        known.failures = known.failures.saturating_add(1);
        known.at = Some(now + wait);
    }

    /// Notes a successful write. True if this object's write had failed before.
    pub fn recovered(&mut self, name: &str, now: Instant) -> bool {
        let failed = self.failing.remove(name).is_some();
        self.last_success = Some(now);
        // The API server answers again, so waiting out the backoff would only make statuses late. If
        // only this object had failed, the others have reasons of their own and keep waiting.
        if std::mem::take(&mut self.outage) {
            for known in self.failing.values_mut() {
                *known = FailingWrite { failures: 0, at: None };
            }
            self.next = None;
        }
        failed
    }

    /// Time left until an object may be written again; None if it may be written now.
    pub fn wait(&self, name: &str, now: Instant) -> Option<Duration> {
        let own = self.failing.get(name)?.at?;
        let at = self.next.map_or(own, |next| next.max(own));
        at.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Notes that a write begins.
    pub fn begins(&mut self, name: &str, now: Instant) {
        if self.failing.get(name).is_some_and(|known| known.at.is_some()) {
            self.next = Some(now + SPACING);
        }
    }

    /// Drops an object that was deleted.
    pub fn forget(&mut self, name: &str) {
        self.failing.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// Tries every object as often as it may be tried; when each attempt begins.
    fn attempts(
        retries: &mut Retries,
        names: &[String],
        start: Instant,
        until: Duration,
    ) -> Vec<Instant> {
        let mut all = Vec::new();
        let mut now = start;
        while now < start + until {
            for name in names {
                if retries.wait(name, now).is_none() {
                    retries.begins(name, now);
                    all.push(now);
                    retries.failed(name, now);
                }
            }
            now += millis(10);
        }
        all
    }

    #[test]
    fn waits_double_up_to_four_seconds() {
        let start = Instant::now();
        let mut retries = Retries::default();
        let all = attempts(&mut retries, &["a".to_owned()], start, Duration::from_secs(20));
        let gaps: Vec<u128> = all.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
        assert_eq!(gaps, [250, 500, 1000, 2000, 4000, 4000, 4000, 4000]);
    }

    #[test]
    fn many_failing_objects_make_no_storm() {
        let start = Instant::now();
        let names: Vec<String> = (0..300).map(|n| format!("c{n}")).collect();
        let mut retries = Retries::default();
        for name in &names {
            retries.failed(name, start);
        }
        let all = attempts(&mut retries, &names, start, Duration::from_mins(1));
        assert!((200..=241).contains(&all.len()), "{}", all.len());
    }

    #[test]
    fn the_first_success_after_an_outage_frees_all() {
        let start = Instant::now();
        let names: Vec<String> = (0..50).map(|n| format!("c{n}")).collect();
        let mut retries = Retries::default();
        attempts(&mut retries, &names, start, Duration::from_mins(1));
        let now = start + Duration::from_mins(1);
        retries.begins("c7", now);
        assert!(names.iter().all(|name| retries.wait(name, now).is_some()));
        retries.recovered("c7", now);
        assert!(names.iter().all(|name| retries.wait(name, now).is_none()));
    }

    #[test]
    fn an_object_that_always_fails_delays_no_other_and_is_not_freed_by_them() {
        let start = Instant::now();
        let mut retries = Retries::default();
        let mut tries = 0;
        for step in 0..600_u64 {
            let now = start + millis(step * 100);
            assert_eq!(retries.wait("well", now), None);
            retries.recovered("well", now);
            if retries.wait("ill", now).is_none() {
                retries.begins("ill", now);
                retries.failed("ill", now);
                tries += 1;
            }
        }
        assert!((15..25).contains(&tries), "{tries} in a minute");
    }

    #[test]
    fn no_wait_is_longer_than_four_seconds() {
        let start = Instant::now();
        let mut retries = Retries::default();
        for failure in 0..100 {
            retries.failed("a", start + millis(failure));
        }
        assert!(retries.wait("a", start + millis(100)).unwrap() <= LONGEST);
    }
}
