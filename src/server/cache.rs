//! Answers of the API server, kept for a while: bounded in number and in age.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

/// What an answer is for. A digest, so that no token stays in memory and no key is long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

impl Key {
    pub fn of(question: &[u8]) -> Self {
        Self(Sha256::digest(question).into())
    }
}

/// Answers by question.
#[derive(Debug)]
pub struct Cache<V> {
    entries: Mutex<HashMap<Key, Entry<V>>>,
    capacity: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    until: Instant,
}

impl<V: Clone> Cache<V> {
    /// A cache of at most `capacity` answers.
    pub fn new(capacity: usize) -> Self {
        Self { entries: Mutex::default(), capacity }
    }

    /// The answer, if it still holds.
    pub fn get(&self, key: Key, now: Instant) -> Option<V> {
        self.with(|entries| {
            let entry = entries.get(&key).filter(|entry| now < entry.until)?;
            Some(entry.value.clone())
        })
    }

    /// Keeps an answer. In a full cache the one that ends first makes room.
    pub fn put(&self, key: Key, value: V, lasts: Duration, now: Instant) {
        self.with(|entries| {
            if entries.len() >= self.capacity && !entries.contains_key(&key) {
                entries.retain(|_, entry| now < entry.until);
                let first =
                    entries.iter().min_by_key(|(_, entry)| entry.until).map(|(key, _)| *key);
                if let Some(first) = first.filter(|_| entries.len() >= self.capacity) {
                    entries.remove(&first);
                }
            }
            entries.insert(key, Entry { value, until: now + lasts });
        });
    }

    pub fn remove(&self, key: Key) {
        self.with(|entries| entries.remove(&key));
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<Key, Entry<V>>) -> T) -> T {
        act(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn key(number: usize) -> Key {
        Key::of(&number.to_le_bytes())
    }

    #[test]
    fn an_answer_ends_on_time() {
        let now = Instant::now();
        let cache = Cache::new(4);
        cache.put(key(1), "yes", MINUTE, now);
        assert_eq!(cache.get(key(1), now + MINUTE.mul_f64(0.999)), Some("yes"));
        assert_eq!(cache.get(key(1), now + MINUTE), None);
        assert_eq!(cache.get(key(2), now), None);
    }

    #[test]
    fn a_new_answer_replaces_the_old_one() {
        let now = Instant::now();
        let cache = Cache::new(1);
        cache.put(key(1), "yes", MINUTE, now);
        cache.put(key(1), "no", MINUTE, now);
        assert_eq!(cache.get(key(1), now), Some("no"));
    }

    #[test]
    fn a_flood_of_questions_does_not_fill_memory() {
        let now = Instant::now();
        let cache = Cache::new(16);
        for number in 0..10_000 {
            cache.put(key(number), number, MINUTE, now + Duration::from_millis(number as u64));
            assert!(cache.with(|entries| entries.len()) <= 16);
        }
        // The newest are kept.
        let late = now + Duration::from_secs(10);
        assert!((9_984..10_000).all(|number| cache.get(key(number), late) == Some(number)));
    }
}
