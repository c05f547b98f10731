//! How fast all list-watches together may ask.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Requests a second, over time. With what else the operator asks for it stays below 20.
const RATE: f64 = 14.0;

/// How many may come at once after a time of rest.
const BURST: f64 = 3.0;

/// How many may come at once after the start: first lists of a large cluster.
const AT_START: f64 = 250.0;

/// Hands out times to ask at. Whatever a server does, no more is asked for than this.
#[derive(Debug)]
pub struct Pace(Mutex<Tokens>);

#[derive(Debug)]
struct Tokens {
    /// Negative when some wait.
    left: f64,
    at: Instant,
}

impl Pace {
    /// A pace that begins now.
    pub fn new(now: Instant) -> Self {
        Self(Mutex::new(Tokens { left: AT_START, at: now }))
    }

    /// Takes the next place; how long to wait for it.
    pub fn take(&self, now: Instant) -> Duration {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let grown = now.saturating_duration_since(tokens.at).as_secs_f64() * RATE;
        if tokens.left < BURST {
            tokens.left = (tokens.left + grown).min(BURST);
        }
        tokens.at = tokens.at.max(now);
        tokens.left -= 1.0;
        Duration::from_secs_f64((-tokens.left).max(0.0) / RATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_than_its_share() {
        let start = Instant::now();
        let pace = Pace::new(start);
        let mut granted: Vec<f64> = Vec::new();
        // Forty that ask again at once.
        let mut waiting: Vec<f64> = vec![0.0; 40];
        for _ in 0..2000 {
            let next = waiting.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
            let (at, now) = next.map(|(at, now)| (at, *now)).unwrap();
            let wait = pace.take(start + Duration::from_secs_f64(now)).as_secs_f64();
            granted.push(now + wait);
            waiting[at] = now + wait;
        }
        let most =
            |from: f64| granted.iter().filter(|time| (from..from + 1.0).contains(*time)).count();
        assert!(most(0.0) <= 270, "{}", most(0.0));
        for second in 1..100 {
            assert!(most(f64::from(second)) <= 18, "{}", most(f64::from(second)));
        }
    }

    #[test]
    fn rest_is_not_saved_up() {
        let start = Instant::now();
        let pace = Pace::new(start);
        for _ in 0..250 {
            assert_eq!(pace.take(start), Duration::ZERO);
        }
        let later = start + Duration::from_mins(10);
        let free = (0..20).take_while(|_| pace.take(later).is_zero()).count();
        assert_eq!(free, 3);
    }
}
