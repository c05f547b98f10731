//! Which connections stay if there are too many.
//!
//! A new connection always gets a slot and another one is closed for it, so that clients that hold on to
//! theirs keep nobody out. Connections with an authorized request are closed last; of the others, the
//! oldest one of the source that has most.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use super::client_source::ClientSource;

/// Connections by a number that grows with each. Dropping its `H` closes a connection.
#[derive(Debug)]
pub struct Slots<H> {
    capacity: usize,
    per_source: usize,
    taken: BTreeMap<u64, TakenSlot<H>>,
    by_source: HashMap<ClientSource, usize>,
    next: u64,
}

#[derive(Debug)]
struct TakenSlot<H> {
    source: ClientSource,
    trusted: bool,
    _handle: H,
}

impl<H> Slots<H> {
    /// At most `capacity` connections, and `per_source` of one source.
    pub fn new(capacity: usize, per_source: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            per_source: per_source.max(1),
            taken: BTreeMap::new(),
            by_source: HashMap::new(),
            next: 0,
        }
    }

    /// Takes a slot for a new connection, and returns its number.
    pub fn take(&mut self, source: ClientSource, handle: H) -> u64 {
        // A source at its limit replaces a connection of its own, so that it never costs others
        // one.
        if self.count(source) >= self.per_source {
            self.close_one(Some(source));
        } else if self.taken.len() >= self.capacity {
            self.close_one(None);
        }
        let number = self.next;
        self.next += 1;
        self.taken.insert(number, TakenSlot { source, trusted: false, _handle: handle });
        *self.by_source.entry(source).or_default() += 1;
        number
    }

    /// Notes an authorized request.
    pub fn trust(&mut self, number: u64) {
        if let Some(taken) = self.taken.get_mut(&number) {
            taken.trusted = true;
        }
    }

    pub fn trusts(&self, number: u64) -> bool {
        self.taken.get(&number).is_some_and(|taken| taken.trusted)
    }

    /// Frees the slot of a connection that has ended, by itself or because another took its slot.
    pub fn release(&mut self, number: u64) {
        let Some(taken) = self.taken.remove(&number) else { return };
        if let Some(count) = self.by_source.get_mut(&taken.source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&taken.source);
            }
        }
    }

    fn count(&self, source: ClientSource) -> usize {
        self.by_source.get(&source).copied().unwrap_or_default()
    }

    /// Closes the connection that is missed least: of `source`, or of all if that is None.
    fn close_one(&mut self, source: Option<ClientSource>) {
        let candidates =
            self.taken.iter().filter(|(_, taken)| source.is_none_or(|one| taken.source == one));
        let least = candidates
            .min_by_key(|(number, taken)| {
                (taken.trusted, Reverse(self.count(taken.source)), **number)
            })
            .map(|(number, _)| *number);
        if let Some(least) = least {
            self.release(least);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(last: u8) -> ClientSource {
        ClientSource::of([192, 0, 2, last].into())
    }

    fn numbers<H>(slots: &Slots<H>) -> Vec<u64> {
        slots.taken.keys().copied().collect()
    }

    #[test]
    fn a_source_at_its_limit_loses_its_own_oldest() {
        let mut slots = Slots::new(10, 2);
        for last in [1, 2, 1, 1] {
            slots.take(source(last), ());
        }
        assert_eq!(numbers(&slots), [1, 2, 3]);
    }

    #[test]
    fn if_all_slots_are_taken_the_source_with_most_makes_room() {
        let mut slots = Slots::new(4, 3);
        for last in [1, 2, 2, 2, 3] {
            slots.take(source(last), ());
        }
        assert_eq!(numbers(&slots), [0, 2, 3, 4]);
    }

    #[test]
    fn authorized_connections_are_closed_last() {
        let mut slots = Slots::new(3, 3);
        let scraper = slots.take(source(1), ());
        slots.trust(scraper);
        for last in 2..100 {
            slots.take(source(last), ());
            assert!(slots.trusts(scraper));
        }
        let mut all_trusted = Slots::new(2, 2);
        for last in [1, 2, 3] {
            let number = all_trusted.take(source(last), ());
            all_trusted.trust(number);
        }
        assert_eq!(numbers(&all_trusted), [1, 2]);
    }

    #[test]
    fn a_closed_connection_is_notified() {
        let mut slots = Slots::new(1, 1);
        let (handle, mut ended) = tokio::sync::oneshot::channel::<()>();
        slots.take(source(1), handle);
        assert!(ended.try_recv().is_err_and(|error| error.to_string().contains("empty")));
        let (other, _ended) = tokio::sync::oneshot::channel::<()>();
        slots.take(source(2), other);
        assert!(ended.try_recv().is_err_and(|error| error.to_string().contains("closed")));
    }

    proptest! {
        #[test]
        fn limits_hold_and_nothing_is_kept_of_closed_connections(
            steps in prop::collection::vec((0_u8..6, 0_u64..40, 0_u8..3), 0..200)
        ) {
            let mut slots = Slots::new(8, 3);
            for (last, number, action) in steps {
                match action {
                    0 => { slots.take(source(last), ()); }
                    1 => slots.release(number),
                    _ => slots.trust(number),
                }
                prop_assert!(slots.taken.len() <= 8);
                let mut counted: HashMap<ClientSource, usize> = HashMap::new();
                for taken in slots.taken.values() {
                    *counted.entry(taken.source).or_default() += 1;
                }
                prop_assert!(counted.values().all(|count| *count <= 3));
                prop_assert_eq!(&counted, &slots.by_source);
            }
        }
    }
}
