//! The rate limit of all list-watches together: a token bucket.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Sustained requests per second. With the operator's other requests that stays below 20.
const RATE: f64 = 14.0;

/// The largest burst after a quiet time.
const BURST: f64 = 3.0;

/// The largest burst after the start, for the first lists of a large cluster.
const AT_START: f64 = 250.0;

/// Hands out slots for requests. Whatever a server does, the list-watches together send no more.
#[derive(Debug)]
pub struct RateLimiter(Mutex<TokenBucket>);

#[derive(Debug)]
struct TokenBucket {
    /// Negative while requests wait for their slot.
    tokens: f64,
    updated: Instant,
}

impl RateLimiter {
    pub fn new(now: Instant) -> Self {
        Self(Mutex::new(TokenBucket { tokens: AT_START, updated: now }))
    }

    /// Reserves the next slot and returns how long to wait for it.
    pub fn reserve(&self, now: Instant) -> Duration {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let grown = now.saturating_duration_since(bucket.updated).as_secs_f64() * RATE;
        // Above the burst only the tokens of the start are left, and those are not refilled.
        if bucket.tokens < BURST {
            bucket.tokens = (bucket.tokens + grown).min(BURST);
        }
        // Threads may call with times that are slightly out of order.
        bucket.updated = bucket.updated.max(now);
        bucket.tokens -= 1.0;
        Duration::from_secs_f64((-bucket.tokens).max(0.0) / RATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_than_its_share() {
        let start = Instant::now();
        let limiter = RateLimiter::new(start);
        let mut granted: Vec<f64> = Vec::new();
        // Forty that ask again at once.
        let mut waiting: Vec<f64> = vec![0.0; 40];
        for _ in 0..2000 {
            let next = waiting.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
            let (at, now) = next.map(|(at, now)| (at, *now)).unwrap();
            let wait = limiter.reserve(start + Duration::from_secs_f64(now)).as_secs_f64();
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
        let limiter = RateLimiter::new(start);
        for _ in 0..250 {
            assert_eq!(limiter.reserve(start), Duration::ZERO);
        }
        let later = start + Duration::from_mins(10);
        let free = (0..20).take_while(|_| limiter.reserve(later).is_zero()).count();
        assert_eq!(free, 3);
    }
}
