//! When a write that failed is tried again. Pure: instants in, waits out.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// The first wait; it doubles with each failure in a row.
const FIRST: Duration = Duration::from_millis(250);

/// The longest wait. A call may take 5 s until it is given up, and after an outage nobody shall
/// wait for more than 10 s.
const LONGEST: Duration = Duration::from_secs(4);

/// The shortest time between two retries of any objects, so that hundreds of objects are no storm.
const SPACING: Duration = Duration::from_millis(250);

/// Whoever failed while nothing worked for this long failed because of the API server.
const TROUBLE: Duration = Duration::from_secs(2);

/// What failed of the writes of one kind.
#[derive(Debug, Default)]
pub struct Retries {
    failing: HashMap<String, Failing>,
    /// When the next retry of any object may begin.
    next: Option<Instant>,
    worked: Option<Instant>,
    /// Whether something failed and nothing has worked since.
    trouble: bool,
}

#[derive(Debug)]
struct Failing {
    failures: u32,
    /// When it is tried again; None: at once, since others work again.
    at: Option<Instant>,
}

impl Retries {
    /// A write failed.
    pub fn failed(&mut self, name: &str, now: Instant) {
        let recently = self.worked.is_some_and(|at| now.duration_since(at) < TROUBLE);
        self.trouble |= !recently;
        let known =
            self.failing.entry(name.to_owned()).or_insert(Failing { failures: 0, at: None });
        let wait = FIRST.saturating_mul(1 << known.failures.min(8)).min(LONGEST);
        known.failures = known.failures.saturating_add(1);
        known.at = Some(now + wait);
    }

    /// A write worked. After trouble with the API server what waits need wait no more. True when
    /// this one had failed.
    pub fn worked(&mut self, name: &str, now: Instant) -> bool {
        let failed = self.failing.remove(name).is_some();
        self.worked = Some(now);
        if std::mem::take(&mut self.trouble) {
            for known in self.failing.values_mut() {
                *known = Failing { failures: 0, at: None };
            }
            self.next = None;
        }
        failed
    }

    /// How long to wait before the next write of an object; None: it may begin now.
    pub fn wait(&self, name: &str, now: Instant) -> Option<Duration> {
        let own = self.failing.get(name)?.at?;
        let at = self.next.map_or(own, |next| next.max(own));
        at.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// A write begins.
    pub fn begins(&mut self, name: &str, now: Instant) {
        if self.failing.get(name).is_some_and(|known| known.at.is_some()) {
            self.next = Some(now + SPACING);
        }
    }

    /// An object is gone.
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
    fn many_that_fail_are_no_storm() {
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
    fn the_first_that_works_after_trouble_frees_all() {
        let start = Instant::now();
        let names: Vec<String> = (0..50).map(|n| format!("c{n}")).collect();
        let mut retries = Retries::default();
        attempts(&mut retries, &names, start, Duration::from_mins(1));
        let now = start + Duration::from_mins(1);
        retries.begins("c7", now);
        assert!(names.iter().all(|name| retries.wait(name, now).is_some()));
        retries.worked("c7", now);
        assert!(names.iter().all(|name| retries.wait(name, now).is_none()));
    }

    #[test]
    fn one_that_always_fails_delays_no_other_and_is_not_freed_by_them() {
        let start = Instant::now();
        let mut retries = Retries::default();
        let mut tries = 0;
        for step in 0..600_u64 {
            let now = start + millis(step * 100);
            assert_eq!(retries.wait("well", now), None);
            retries.worked("well", now);
            if retries.wait("ill", now).is_none() {
                retries.begins("ill", now);
                retries.failed("ill", now);
                tries += 1;
            }
        }
        assert!((15..25).contains(&tries), "{tries} in a minute");
    }

    #[test]
    fn news_do_not_wait_longer_than_an_outage_lasts_and_four_seconds() {
        let start = Instant::now();
        let mut retries = Retries::default();
        for failure in 0..100 {
            retries.failed("a", start + millis(failure));
        }
        assert!(retries.wait("a", start + millis(100)).unwrap() <= LONGEST);
    }
}
