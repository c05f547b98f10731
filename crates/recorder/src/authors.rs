//! Whether the policies that bind a record to its author were in force when it was written. Pure.

use jiff::{SignedDuration, Timestamp};

/// How long the word of a guard that nothing happened is good for: its watch is heard from more often.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// How many lapses are kept. What was written before the oldest of them is no longer judged.
const MAX_LAPSES: usize = 256;

/// The policies in force, for each kind of record that they bind to its author.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorGuards {
    pub attestations: GuardHistory,
    pub exceptions: GuardHistory,
    pub responses: GuardHistory,
}

/// When a record was written, as closely as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenWithin {
    pub from: Timestamp,
    pub to: Timestamp,
    /// Whether the write itself was seen. Otherwise `from` is when the object was created, and the
    /// log may know that it was as before for longer.
    pub seen: bool,
}

/// In which times the policies for one kind of record were in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuardHistory {
    /// Since when it is known. None before anything was.
    known_from: Option<Timestamp>,
    /// Times in which they were not in force for sure, oldest first; the end is None while it lasts.
    lapses: Vec<(Timestamp, Option<Timestamp>)>,
    /// What tells the policies in force from others of their names: uids and generations.
    identity: Option<String>,
    /// When the watches of the policies were heard from last.
    heard: Option<Timestamp>,
    /// Whether that was by this process, so that its watches may still be relied on for a moment.
    is_watched: bool,
}

impl GuardHistory {
    /// A history that begins with what the log says: the policies were in force since then, and
    /// somebody looked until `last_at`.
    pub fn recalled(identity: String, since: Timestamp, last_at: Timestamp) -> Self {
        Self {
            known_from: Some(since),
            lapses: Vec::new(),
            identity: Some(identity),
            heard: Some(last_at.max(since)),
            is_watched: false,
        }
    }

    /// As [`recalled`](Self::recalled), where the log says that they were not in force.
    pub fn recalled_lapsed(since: Timestamp, last_at: Timestamp) -> Self {
        Self {
            known_from: Some(since),
            lapses: vec![(since, None)],
            identity: None,
            heard: Some(last_at.max(since)),
            is_watched: false,
        }
    }

    /// Nothing happened to the policies until now.
    pub fn hear(&mut self, now: Timestamp) {
        self.heard = self.heard.max(Some(now));
        self.is_watched = true;
    }

    /// The policies are in force since `since`. Others of their names than before: in between they
    /// may have said anything. True when that changes what is known of the past.
    pub fn hold(&mut self, identity: &str, since: Timestamp, now: Timestamp) -> bool {
        let before = (self.known_from, self.lapses.len());
        let open = self.lapses.last_mut().filter(|(_, until)| until.is_none());
        if let Some((from, until)) = open {
            *until = Some(since.max(*from));
        } else if self.identity.as_deref().is_some_and(|known| known != identity) {
            let from = self.heard.unwrap_or(since).min(since);
            self.lapses.push((from, Some(since)));
        }
        self.known_from.get_or_insert(since);
        self.identity = Some(identity.to_owned());
        self.hear(now);
        self.prune();
        before != (self.known_from, self.lapses.len())
    }

    /// The policies are not in force, since `since` at the latest. True when that is news.
    pub fn lapse(&mut self, since: Timestamp, now: Timestamp) -> bool {
        let open = self.lapses.last().is_some_and(|(_, until)| until.is_none());
        if !open {
            self.known_from.get_or_insert(since);
            self.lapses.push((since, None));
            self.identity = None;
            self.prune();
        }
        self.hear(now);
        !open
    }

    /// Whether the policies were in force all the time in which something may have been written. None
    /// where that is not known.
    pub fn covers(&self, from: Timestamp, to: Timestamp) -> Option<bool> {
        let overlaps = |(begin, end): &(Timestamp, Option<Timestamp>)| {
            *begin <= to && end.is_none_or(|end| from <= end)
        };
        if self.lapses.iter().any(overlaps) {
            return Some(false);
        }
        let fresh = if self.is_watched { FRESH } else { SignedDuration::ZERO };
        let known = self.known_from.is_some_and(|known| known <= from)
            && self.heard.is_some_and(|heard| to <= heard + fresh);
        known.then_some(true)
    }

    /// As [`covers`](Self::covers), for what was created in a second.
    pub fn covers_second(&self, at: Timestamp) -> Option<bool> {
        self.covers(at, at + SignedDuration::from_secs(1))
    }

    fn prune(&mut self) {
        while self.lapses.len() > MAX_LAPSES {
            let (_, until) = self.lapses.remove(0);
            self.known_from = self.known_from.max(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn what_is_written_while_a_policy_is_gone_is_not_bound() {
        let mut history = GuardHistory::default();
        assert_eq!(history.covers_second(at(50)), None, "nothing is known yet");
        history.hold("a", at(10), at(20));
        assert_eq!(history.covers_second(at(30)), Some(true));
        assert_eq!(history.covers_second(at(5)), None, "before the policy was there");
        assert!(history.lapse(at(40), at(41)));
        assert_eq!(history.covers_second(at(42)), Some(false));
        assert!(!history.hold("b", at(45), at(44)), "the lapse was known");
        for (second, bound) in [(30, true), (38, true), (39, false), (43, false), (46, true)] {
            assert_eq!(history.covers_second(at(second)), Some(bound), "{second}");
        }
    }

    #[test]
    fn another_policy_of_the_name_says_that_the_first_was_gone() {
        let mut history = GuardHistory::default();
        history.hold("a", at(10), at(20));
        history.hear(at(30));
        assert!(history.hold("b", at(90), at(100)));
        assert_eq!(history.covers_second(at(25)), Some(true));
        assert_eq!(history.covers_second(at(60)), Some(false));
        assert_eq!(history.covers_second(at(95)), Some(true));
    }

    #[test]
    fn the_same_policy_after_a_restart_was_in_force_all_along() {
        let mut history = GuardHistory::recalled("a".to_owned(), at(10), at(50));
        assert_eq!(history.covers_second(at(40)), Some(true));
        assert_eq!(history.covers_second(at(51)), None, "nobody has looked since");
        assert!(!history.hold("a", at(200), at(200)));
        assert_eq!(history.covers_second(at(120)), Some(true));
        let mut history = GuardHistory::recalled("a".to_owned(), at(10), at(50));
        history.hold("b", at(200), at(201));
        assert_eq!(history.covers_second(at(120)), Some(false));
        let mut history = GuardHistory::recalled_lapsed(at(40), at(50));
        history.hold("b", at(200), at(201));
        assert_eq!(history.covers_second(at(120)), Some(false));
        assert_eq!(history.covers_second(at(20)), None);
    }

    #[test]
    fn silence_of_a_guard_vouches_for_nothing() {
        let mut history = GuardHistory::default();
        history.hold("a", at(0), at(0));
        assert_eq!(history.covers_second(at(40)), Some(true));
        assert_eq!(history.covers_second(at(600)), None);
    }
}
