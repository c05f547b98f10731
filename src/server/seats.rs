//! Which connections stay when there are too many.
//!
//! A new connection always gets a seat, so that strangers who hold on to theirs keep nobody out:
//! another one ends for it. Those that showed the right to read go last, and of the others the
//! oldest of the source that has most.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use super::source::Source;

/// Connections by number, which grows with each; `H` ends one when it is dropped.
#[derive(Debug)]
pub struct Seats<H> {
    most: usize,
    most_of_one: usize,
    taken: BTreeMap<u64, Taken<H>>,
    by_source: HashMap<Source, usize>,
    next: u64,
}

#[derive(Debug)]
struct Taken<H> {
    source: Source,
    trusted: bool,
    _hold: H,
}

impl<H> Seats<H> {
    /// At most `most` seats, and `most_of_one` for one source.
    pub fn new(most: usize, most_of_one: usize) -> Self {
        Self {
            most: most.max(1),
            most_of_one: most_of_one.max(1),
            taken: BTreeMap::new(),
            by_source: HashMap::new(),
            next: 0,
        }
    }

    /// The number of a new connection.
    pub fn take(&mut self, source: Source, hold: H) -> u64 {
        if self.of(source) >= self.most_of_one {
            self.end_one(Some(source));
        } else if self.taken.len() >= self.most {
            self.end_one(None);
        }
        let number = self.next;
        self.next += 1;
        self.taken.insert(number, Taken { source, trusted: false, _hold: hold });
        *self.by_source.entry(source).or_default() += 1;
        number
    }

    /// Whoever is there showed the right to read.
    pub fn trust(&mut self, number: u64) {
        if let Some(taken) = self.taken.get_mut(&number) {
            taken.trusted = true;
        }
    }

    pub fn trusts(&self, number: u64) -> bool {
        self.taken.get(&number).is_some_and(|taken| taken.trusted)
    }

    /// The connection has ended, by itself or because another took its seat.
    pub fn leave(&mut self, number: u64) {
        let Some(taken) = self.taken.remove(&number) else { return };
        if let Some(count) = self.by_source.get_mut(&taken.source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&taken.source);
            }
        }
    }

    fn of(&self, source: Source) -> usize {
        self.by_source.get(&source).copied().unwrap_or_default()
    }

    /// Ends the connection that is missed least, of `source` or of all.
    fn end_one(&mut self, source: Option<Source>) {
        let candidates =
            self.taken.iter().filter(|(_, taken)| source.is_none_or(|one| taken.source == one));
        let least = candidates
            .min_by_key(|(number, taken)| (taken.trusted, Reverse(self.of(taken.source)), **number))
            .map(|(number, _)| *number);
        if let Some(least) = least {
            self.leave(least);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(last: u8) -> Source {
        Source::of([192, 0, 2, last].into())
    }

    fn numbers<H>(seats: &Seats<H>) -> Vec<u64> {
        seats.taken.keys().copied().collect()
    }

    #[test]
    fn a_source_at_its_limit_loses_its_own_oldest() {
        let mut seats = Seats::new(10, 2);
        for last in [1, 2, 1, 1] {
            seats.take(source(last), ());
        }
        assert_eq!(numbers(&seats), [1, 2, 3]);
    }

    #[test]
    fn when_all_seats_are_taken_the_source_with_most_makes_room() {
        let mut seats = Seats::new(4, 3);
        for last in [1, 2, 2, 2, 3] {
            seats.take(source(last), ());
        }
        assert_eq!(numbers(&seats), [0, 2, 3, 4]);
    }

    #[test]
    fn who_showed_a_right_goes_last() {
        let mut seats = Seats::new(3, 3);
        let scraper = seats.take(source(1), ());
        seats.trust(scraper);
        for last in 2..100 {
            seats.take(source(last), ());
            assert!(seats.trusts(scraper));
        }
        let mut all_trusted = Seats::new(2, 2);
        for last in [1, 2, 3] {
            let number = all_trusted.take(source(last), ());
            all_trusted.trust(number);
        }
        assert_eq!(numbers(&all_trusted), [1, 2]);
    }

    #[test]
    fn whose_seat_is_taken_is_told() {
        let mut seats = Seats::new(1, 1);
        let (hold, mut ended) = tokio::sync::oneshot::channel::<()>();
        seats.take(source(1), hold);
        assert!(ended.try_recv().is_err_and(|error| error.to_string().contains("empty")));
        let (other, _ended) = tokio::sync::oneshot::channel::<()>();
        seats.take(source(2), other);
        assert!(ended.try_recv().is_err_and(|error| error.to_string().contains("closed")));
    }

    proptest! {
        #[test]
        fn limits_hold_and_nothing_is_kept_of_who_left(
            steps in prop::collection::vec((0_u8..6, 0_u64..40, 0_u8..3), 0..200)
        ) {
            let mut seats = Seats::new(8, 3);
            for (last, number, action) in steps {
                match action {
                    0 => { seats.take(source(last), ()); }
                    1 => seats.leave(number),
                    _ => seats.trust(number),
                }
                prop_assert!(seats.taken.len() <= 8);
                let mut counted: HashMap<Source, usize> = HashMap::new();
                for taken in seats.taken.values() {
                    *counted.entry(taken.source).or_default() += 1;
                }
                prop_assert!(counted.values().all(|count| *count <= 3));
                prop_assert_eq!(&counted, &seats.by_source);
            }
        }
    }
}
