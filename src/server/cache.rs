//! Results of the API server's reviews, kept for a while: bounded in number and in age.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

/// The key of a result: a digest, so that no token stays in memory and all keys are short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    pub fn of(request: &[u8]) -> Self {
        Self(Sha256::digest(request).into())
    }
}

#[derive(Debug)]
pub struct ReviewCache<V> {
    entries: Mutex<HashMap<CacheKey, CachedResult<V>>>,
    capacity: usize,
}

#[derive(Debug)]
struct CachedResult<V> {
    value: V,
    until: Instant,
}

impl<V: Clone> ReviewCache<V> {
    /// A cache of at most `capacity` results.
    pub fn new(capacity: usize) -> Self {
        Self { entries: Mutex::default(), capacity }
    }

    /// The result for a key; None if there is none, or if it has expired.
    pub fn get(&self, key: CacheKey, now: Instant) -> Option<V> {
        self.with(|entries| {
            let entry = entries.get(&key).filter(|entry| now < entry.until)?;
            Some(entry.value.clone())
        })
    }

    /// Keeps a result. In a full cache the one that expires first makes room.
    pub fn put(&self, key: CacheKey, value: V, lasts: Duration, now: Instant) {
        self.with(|entries| {
            if entries.len() >= self.capacity && !entries.contains_key(&key) {
                // Expired results go first; one that still holds goes only if there are none.
                entries.retain(|_, entry| now < entry.until);
                let first =
                    entries.iter().min_by_key(|(_, entry)| entry.until).map(|(key, _)| *key);
                if let Some(first) = first.filter(|_| entries.len() >= self.capacity) {
                    entries.remove(&first);
                }
            }
            entries.insert(key, CachedResult { value, until: now + lasts });
        });
    }

    pub fn remove(&self, key: CacheKey) {
        self.with(|entries| entries.remove(&key));
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<CacheKey, CachedResult<V>>) -> T) -> T {
        act(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn key(number: usize) -> CacheKey {
        CacheKey::of(&number.to_le_bytes())
    }

    #[test]
    fn a_result_expires_on_time() {
        let now = Instant::now();
        let cache = ReviewCache::new(4);
        cache.put(key(1), "yes", MINUTE, now);
        assert_eq!(cache.get(key(1), now + MINUTE.mul_f64(0.999)), Some("yes"));
        assert_eq!(cache.get(key(1), now + MINUTE), None);
        assert_eq!(cache.get(key(2), now), None);
    }

    #[test]
    fn a_new_result_replaces_the_old_one() {
        let now = Instant::now();
        let cache = ReviewCache::new(1);
        cache.put(key(1), "yes", MINUTE, now);
        cache.put(key(1), "no", MINUTE, now);
        assert_eq!(cache.get(key(1), now), Some("no"));
    }

    #[test]
    fn a_flood_of_requests_does_not_fill_memory() {
        let now = Instant::now();
        let cache = ReviewCache::new(16);
        for number in 0..10_000 {
            cache.put(key(number), number, MINUTE, now + Duration::from_millis(number as u64));
            assert!(cache.with(|entries| entries.len()) <= 16);
        }
        // The newest are kept.
        let late = now + Duration::from_secs(10);
        assert!((9_984..10_000).all(|number| cache.get(key(number), late) == Some(number)));
    }
}
