//! Limits how often the API server is asked about unknown tokens: clients that make tokens up must not
//! become a load on it, and must not keep Prometheus out.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::client_source::ClientSource;

/// For all unknown sources together.
const UNKNOWN: Rate = Rate { burst: 20.0, per_second: 5.0 };
/// For one unknown source; several of them fit into the limit of all.
const ONE_UNKNOWN: Rate = Rate { burst: 6.0, per_second: 0.2 };
/// For all sources that recently had a valid token, separate from the unknown ones: tokens are renewed
/// hourly, and the new one is unknown at first.
const FAMILIAR: Rate = Rate { burst: 10.0, per_second: 2.0 };
/// For one such source.
const ONE_FAMILIAR: Rate = Rate { burst: 6.0, per_second: 0.5 };
/// How long a source counts as familiar after a valid token.
const REMEMBERED: Duration = Duration::from_hours(1);
/// How many sources are remembered, of each kind.
const SOURCES: usize = 1024;

#[derive(Clone, Copy, Debug)]
struct Rate {
    burst: f64,
    per_second: f64,
}

#[derive(Clone, Copy, Debug)]
struct SourceBucket {
    rate: Rate,
    level: f64,
    at: Instant,
}

impl SourceBucket {
    fn full(rate: Rate, now: Instant) -> Self {
        Self { rate, level: rate.burst, at: now }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * self.rate.per_second).min(self.rate.burst);
        self.at = self.at.max(now);
    }

    /// How long until there is a token in it.
    fn wait(&self) -> Duration {
        Duration::from_secs_f64(((1.0 - self.level) / self.rate.per_second).max(0.0))
    }
}

/// The buckets of all sources.
#[derive(Debug)]
pub struct Throttle {
    unknown: SourceBucket,
    familiar: SourceBucket,
    sources: HashMap<ClientSource, SourceBucket>,
    readers: HashMap<ClientSource, Instant>,
}

impl Throttle {
    pub fn new(now: Instant) -> Self {
        Self {
            unknown: SourceBucket::full(UNKNOWN, now),
            familiar: SourceBucket::full(FAMILIAR, now),
            sources: HashMap::new(),
            readers: HashMap::new(),
        }
    }

    /// Takes a token for a question from `source`.
    ///
    /// # Errors
    /// How long to wait, if there is none.
    pub fn admit(&mut self, source: ClientSource, now: Instant) -> Result<(), Duration> {
        let familiar = self.is_familiar(source, now);
        let (all, rate) = if familiar {
            (&mut self.familiar, ONE_FAMILIAR)
        } else {
            (&mut self.unknown, ONE_UNKNOWN)
        };
        if self.sources.len() >= SOURCES && !self.sources.contains_key(&source) {
            forget_one(&mut self.sources, now);
        }
        // Both must have a token before either loses one, or a source that is denied would use up the
        // limit of all.
        let one = self.sources.entry(source).or_insert_with(|| SourceBucket::full(rate, now));
        // The source may have become familiar, or unknown again, since its bucket was made.
        one.rate = rate;
        one.fill(now);
        all.fill(now);
        let wait = one.wait().max(all.wait());
        if wait.is_zero() {
            one.level -= 1.0;
            all.level -= 1.0;
            return Ok(());
        }
        Err(wait)
    }

    /// Notes a token from `source` that was allowed to read.
    pub fn note_reader(&mut self, source: ClientSource, now: Instant) {
        if self.readers.len() >= SOURCES && !self.readers.contains_key(&source) {
            let oldest = self.readers.iter().min_by_key(|(_, at)| **at).map(|(source, _)| *source);
            if let Some(oldest) = oldest {
                self.readers.remove(&oldest);
            }
        }
        self.readers.insert(source, now);
    }

    fn is_familiar(&self, source: ClientSource, now: Instant) -> bool {
        let readers = self.readers.get(&source);
        readers.is_some_and(|at| now.saturating_duration_since(*at) < REMEMBERED)
    }
}

/// Makes room for a source. A bucket that is full again is the same as none; if there is none, the
/// fullest is dropped, which favours its source least.
fn forget_one(sources: &mut HashMap<ClientSource, SourceBucket>, now: Instant) {
    sources.retain(|_, bucket| {
        bucket.fill(now);
        bucket.level < bucket.rate.burst
    });
    if sources.len() < SOURCES {
        return;
    }
    let fullest = sources.iter().max_by(|(_, one), (_, other)| one.level.total_cmp(&other.level));
    if let Some(source) = fullest.map(|(source, _)| *source) {
        sources.remove(&source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(number: u32) -> ClientSource {
        ClientSource::of(std::net::Ipv4Addr::from_bits(number).into())
    }

    /// How many questions pass within `seconds`, when each of `sources` asks a hundred times a second.
    fn passed(throttle: &mut Throttle, sources: &[u32], seconds: u32, start: Instant) -> usize {
        let mut passed = 0;
        for tick in 0..seconds * 100 {
            let now = start + Duration::from_millis(u64::from(tick) * 10);
            for number in sources {
                passed += usize::from(throttle.admit(source(*number), now).is_ok());
            }
        }
        passed
    }

    #[test]
    fn unknown_sources_ask_little_however_many_they_are() {
        for (sources, limit) in [(1, 6 + 2), (16, 20 + 50), (5_000, 20 + 50)] {
            let start = Instant::now();
            let mut throttle = Throttle::new(start);
            let sources: Vec<u32> = (0..sources).collect();
            let passed = passed(&mut throttle, &sources, 10, start);
            assert!((limit - 2..=limit).contains(&passed), "{}: {passed}", sources.len());
            assert!(throttle.sources.len() <= SOURCES);
        }
    }

    #[test]
    fn a_few_unknown_sources_do_not_use_up_the_limit_of_all() {
        let start = Instant::now();
        let mut throttle = Throttle::new(start);
        passed(&mut throttle, &(0..16).collect::<Vec<_>>(), 60, start);
        let scraper = throttle.admit(source(99), start + Duration::from_mins(1));
        assert_eq!(scraper, Ok(()));
    }

    #[test]
    fn a_source_with_a_valid_token_does_not_wait_behind_unknown_ones() {
        let start = Instant::now();
        let mut throttle = Throttle::new(start);
        throttle.note_reader(source(7), start);
        passed(&mut throttle, &(1_000..1_200).collect::<Vec<_>>(), 10, start);
        let now = start + Duration::from_secs(10);
        while throttle.admit(source(1_000), now).is_ok() || throttle.admit(source(9), now).is_ok() {
        }
        assert!(throttle.admit(source(8), now).is_err());
        assert_eq!(throttle.admit(source(7), now), Ok(()));
        // An hour later it is unknown again.
        let mut later = Throttle::new(start);
        later.note_reader(source(7), start);
        assert!(!later.is_familiar(source(7), start + REMEMBERED));
    }

    #[test]
    fn a_denied_source_gets_the_time_to_wait() {
        let start = Instant::now();
        let mut throttle = Throttle::new(start);
        for _ in 0..6 {
            assert_eq!(throttle.admit(source(1), start), Ok(()));
        }
        let wait = throttle.admit(source(1), start).unwrap_err();
        assert!(wait <= Duration::from_secs(5), "{wait:?}");
        assert_eq!(throttle.admit(source(1), start + wait + Duration::from_millis(1)), Ok(()));
    }

    #[test]
    fn familiar_sources_are_bounded() {
        let start = Instant::now();
        let mut throttle = Throttle::new(start);
        for number in 0..5_000 {
            throttle.note_reader(source(number), start + Duration::from_millis(u64::from(number)));
        }
        assert_eq!(throttle.readers.len(), SOURCES);
        assert!(throttle.is_familiar(source(4_999), start + Duration::from_secs(5)));
    }
}
