//! In which times the stream was whole.
//!
//! An event that is missing can't be seen, so the operator makes requests of its own, numbered, and
//! waits for their events: heartbeats. The stream was heard from one heartbeat to the next if both
//! arrived. One that does not arrive in time begins a hole at the one before it, and the next that
//! arrives ends it.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// The most heartbeats that are waited for: those of an hour, were one sent each second.
const MAX_WAITING: usize = 3_600;

/// The most holes that are kept until they are recorded; the last one grows then.
const MAX_HOLES: usize = 256;

/// A time of which events may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The last heartbeat before it.
    pub from: Timestamp,
    /// The first heartbeat after it.
    pub to: Timestamp,
}

/// The heartbeats of a stream.
#[derive(Clone, Debug)]
pub struct Heartbeats {
    late: SignedDuration,
    /// Since when the stream is heard that nothing recorded tells of.
    since: Option<Timestamp>,
    /// The newest heartbeat up to which it is known what arrived.
    heard_until: Option<Timestamp>,
    /// Since when events may be missing, and the time before which no heartbeat ends that.
    missing: Option<Missing>,
    waiting: VecDeque<Heartbeat>,
    holes: Vec<Hole>,
    began: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    from: Timestamp,
    until_after: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Heartbeat {
    number: u64,
    at: Timestamp,
    is_heard: bool,
}

impl Heartbeats {
    /// `late` is how long an event may take. `heard_until` is what the log says: since then events may
    /// be missing. None if the stream was never heard.
    pub fn new(late: SignedDuration, heard_until: Option<Timestamp>) -> Self {
        Self {
            late,
            since: heard_until,
            heard_until,
            missing: heard_until.map(|from| Missing { from, until_after: from }),
            waiting: VecDeque::new(),
            holes: Vec::new(),
            began: None,
        }
    }

    /// A request was made.
    pub fn sent(&mut self, number: u64, at: Timestamp) {
        self.began.get_or_insert(at);
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
            self.miss(at);
        }
        self.waiting.push_back(Heartbeat { number, at, is_heard: false });
    }

    /// The API server did not answer a request, so that there may be no event of it.
    pub fn withdraw(&mut self, number: u64) {
        self.waiting.retain(|heartbeat| heartbeat.number != number || heartbeat.is_heard);
    }

    /// The event of a request arrived.
    pub fn heard(&mut self, number: u64) {
        let found = self.waiting.iter_mut().find(|heartbeat| heartbeat.number == number);
        if let Some(heartbeat) = found {
            heartbeat.is_heard = true;
        }
    }

    /// A batch of the API server was not taken: it may send it again, or not.
    pub fn interrupted(&mut self, now: Timestamp) {
        self.miss(now);
    }

    /// Looks what arrived in time.
    pub fn check(&mut self, now: Timestamp) {
        while let Some(first) = self.waiting.front().copied() {
            if first.is_heard {
                self.hear(first.at);
            } else if now.duration_since(first.at) > self.late {
                self.miss(first.at);
            } else {
                // Batches overtake one another.
                break;
            }
            self.waiting.pop_front();
        }
        // None is sent while the API server does not answer, and nothing vouches for the stream then.
        let last = self.heard_until.max(self.began);
        let silence = self.late + self.late;
        if let Some(last) = last.filter(|last| now.duration_since(*last) > silence) {
            self.miss(last);
        }
    }

    fn hear(&mut self, at: Timestamp) {
        if let Some(missing) = self.missing {
            if at <= missing.until_after {
                return;
            }
            self.missing = None;
            let is_full = self.holes.len() >= MAX_HOLES;
            match self.holes.last_mut() {
                Some(last) if is_full => last.to = at,
                _ => self.holes.push(Hole { from: missing.from, to: at }),
            }
        }
        self.since.get_or_insert(at);
        self.heard_until = Some(self.heard_until.map_or(at, |until| until.max(at)));
    }

    fn miss(&mut self, at: Timestamp) {
        let from = self.heard_until.unwrap_or(at);
        let missing = self.missing.get_or_insert(Missing { from, until_after: at });
        missing.until_after = missing.until_after.max(at);
    }

    /// Since when events may be missing. None while the stream is whole.
    pub fn missing_since(&self) -> Option<Timestamp> {
        self.missing.map(|missing| missing.from)
    }

    /// Whether events are missing now for longer than an event may take: after a start, the first
    /// heartbeats are waited for.
    pub fn is_silent(&self, now: Timestamp) -> bool {
        let waited = self.began.is_some_and(|began| now.duration_since(began) > self.late);
        self.missing.is_some() && waited
    }

    /// Until when the stream is known to have been heard. None if it never was.
    pub fn heard_until(&self) -> Option<Timestamp> {
        self.heard_until
    }

    /// The time that can be recorded: since what is recorded, until the newest heartbeat. None before
    /// the first heartbeat arrived.
    pub fn covered(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.since?, self.heard_until?))
    }

    /// The holes that ended and are not recorded.
    pub fn holes(&self) -> &[Hole] {
        &self.holes
    }

    /// What was heard until `to` is recorded, with so many holes.
    pub fn recorded(&mut self, to: Timestamp, holes: usize) {
        self.since = Some(to);
        self.holes.drain(..holes.min(self.holes.len()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LATE: SignedDuration = SignedDuration::from_secs(10);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Heartbeats at these seconds; those of `lost` never arrive, the others at once.
    fn heartbeats(heard_until: Option<i64>, seconds: &[i64], lost: &[i64], now: i64) -> Heartbeats {
        let mut heartbeats = Heartbeats::new(LATE, heard_until.map(at));
        for (number, second) in (0..).zip(seconds) {
            heartbeats.sent(number, at(*second));
            if !lost.contains(second) {
                heartbeats.heard(number);
            }
            heartbeats.check(at(*second));
        }
        heartbeats.check(at(now));
        heartbeats
    }

    fn holes(heartbeats: &Heartbeats) -> Vec<(i64, i64)> {
        let seconds = |hole: &Hole| (hole.from.as_second(), hole.to.as_second());
        heartbeats.holes().iter().map(seconds).collect()
    }

    #[test]
    fn a_hole_lies_between_the_heartbeats_around_it() {
        for (what, before, sent, lost, now, expected, missing) in [
            ("whole", None, &[100, 105, 110][..], &[][..], 111, vec![], None),
            ("one lost", None, &[100, 105, 110, 115], &[105], 130, vec![(100, 110)], None),
            ("not late yet", None, &[100, 105], &[105], 112, vec![], None),
            ("silent", None, &[100, 105, 110], &[105, 110], 140, vec![], Some(100)),
            ("a restart", Some(50), &[100, 105], &[], 106, vec![(50, 100)], None),
            ("a restart in silence", Some(50), &[100, 105], &[100, 105], 140, vec![], Some(50)),
            ("no answer", None, &[100], &[], 200, vec![], Some(100)),
            ("never heard", None, &[100, 105], &[100, 105], 140, vec![], Some(100)),
        ] {
            let heartbeats = heartbeats(before, sent, lost, now);
            assert_eq!(holes(&heartbeats), expected, "{what}");
            assert_eq!(heartbeats.missing_since(), missing.map(at), "{what}");
        }
    }

    #[test]
    fn a_refused_batch_is_a_hole_that_no_earlier_heartbeat_ends() {
        let mut heartbeats = heartbeats(None, &[100], &[], 100);
        heartbeats.sent(7, at(105));
        heartbeats.interrupted(at(107));
        heartbeats.heard(7);
        heartbeats.check(at(108));
        assert_eq!(heartbeats.missing_since(), Some(at(100)));
        heartbeats.sent(8, at(110));
        heartbeats.heard(8);
        heartbeats.check(at(110));
        assert_eq!(holes(&heartbeats), [(100, 110)]);
        assert_eq!(heartbeats.covered(), Some((at(100), at(110))));
        heartbeats.recorded(at(110), 1);
        assert_eq!((holes(&heartbeats), heartbeats.covered()), (vec![], Some((at(110), at(110)))));
    }

    #[test]
    fn a_heartbeat_that_was_overtaken_is_waited_for() {
        let mut heartbeats = Heartbeats::new(LATE, None);
        for (number, second) in [(1, 100), (2, 105), (3, 109)] {
            heartbeats.sent(number, at(second));
        }
        for number in [1, 3, 2, 99] {
            heartbeats.heard(number);
            heartbeats.check(at(110));
        }
        assert_eq!((holes(&heartbeats), heartbeats.heard_until()), (vec![], Some(at(109))));
    }

    proptest! {
        #[test]
        fn a_lost_heartbeat_always_lies_in_a_hole(lost in prop::collection::vec(any::<bool>(), 1..60)) {
            let seconds: Vec<i64> = (0..).map(|n| 100 + 3 * n).take(lost.len()).collect();
            let lost: Vec<i64> =
                seconds.iter().zip(lost).filter(|(_, lost)| *lost).map(|(second, _)| *second).collect();
            let now = 100 + 3 * 60 + 11;
            let heartbeats = heartbeats(Some(90), &seconds, &lost, now);
            let open = heartbeats.missing_since().map(|from| (from.as_second(), i64::MAX));
            let holes: Vec<_> = holes(&heartbeats).into_iter().chain(open).collect();
            for second in lost {
                prop_assert!(holes.iter().any(|(from, to)| *from < second && second < *to));
            }
            prop_assert!(heartbeats.waiting.is_empty());
        }
    }
}
