//! What the entries of a log come to.

use jiff::{Timestamp, civil::Date};

use comptroller_evidence::{
    data::GapData,
    usage::{EventCounts, Requester, UsageData, UsageFacts, UsedRight},
};

use crate::facts::Facts;

/// All that was heard, and when.
#[derive(Clone, Debug)]
pub struct UsageSummary {
    facts: Facts,
    events: EventCounts,
    /// The times that were heard, which may have gaps in them.
    heard: Vec<(Timestamp, Timestamp)>,
    gaps: Vec<(Timestamp, Timestamp)>,
}

/// What can be said of the last use of a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastUseAnswer {
    /// It was used on this day, and not heard of after it.
    On(Date),
    /// The stream was whole for all of the time, and it was not used.
    NotUsed,
    /// It was not heard of, and the stream was not whole: nothing can be said.
    NotKnown,
}

impl UsageSummary {
    /// Keeps at most so many facts of each kind.
    pub fn new(limit: usize) -> Self {
        Self {
            facts: Facts::new(limit),
            events: EventCounts::default(),
            heard: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// Takes an entry in.
    pub fn add(&mut self, data: UsageData) {
        self.events = self.events.and(data.events);
        self.facts.add(data.facts);
        let heard = (data.from, data.to);
        match self.heard.last_mut() {
            Some(last) if last.1 >= heard.0 => last.1 = last.1.max(heard.1),
            _ => self.heard.push(heard),
        }
    }

    /// Takes a gap of the stream in.
    pub fn add_gap(&mut self, gap: &GapData) {
        self.gaps.push((gap.from, gap.to));
    }

    /// What became of the events.
    pub fn events(&mut self) -> EventCounts {
        self.events.overflow = self.events.overflow.saturating_add(self.facts.take_overflow());
        self.events
    }

    /// The times that were heard, in order.
    pub fn heard(&self) -> &[(Timestamp, Timestamp)] {
        &self.heard
    }

    /// The gaps, in order of their entries.
    pub fn gaps(&self) -> &[(Timestamp, Timestamp)] {
        &self.gaps
    }

    /// Whether every event of a time was heard and kept.
    pub fn is_whole(&mut self, from: Timestamp, to: Timestamp) -> bool {
        let events = self.events();
        let touches = |gap: &(Timestamp, Timestamp)| gap.0 < to && gap.1 > from;
        events.overflow == 0
            && events.unclear == 0
            && self.heard.iter().any(|heard| heard.0 <= from && heard.1 >= to)
            && !self.gaps.iter().any(touches)
    }

    /// What can be said of a right in a time. Never that it was not used, where the stream has a gap.
    pub fn last_use(
        &mut self,
        by: &Requester,
        right: &UsedRight,
        window: (Timestamp, Timestamp),
    ) -> LastUseAnswer {
        match self.facts.last_use(by, right) {
            Some(day) => LastUseAnswer::On(day),
            None if self.is_whole(window.0, window.1) => LastUseAnswer::NotUsed,
            None => LastUseAnswer::NotKnown,
        }
    }

    /// All facts, sorted; none are left.
    pub fn take_facts(&mut self) -> UsageFacts {
        self.facts.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use comptroller_evidence::{data::GapCause, usage::LastUse};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn heard(from: i64, to: i64, facts: UsageFacts) -> UsageData {
        UsageData {
            from: at(from),
            to: at(to),
            part: 1,
            parts: 1,
            digest: facts.digest().unwrap(),
            events: EventCounts::default(),
            facts,
        }
    }

    #[test]
    fn a_right_is_unused_only_where_the_stream_was_whole() {
        let jane = Requester { user: "person:1".to_owned(), impersonator: None };
        let right = |verb: &str| UsedRight { verb: verb.to_owned(), ..UsedRight::default() };
        let day = "2026-11-20".parse().unwrap();
        let used = LastUse { by: jane.clone(), right: right("get"), day };
        let facts = UsageFacts { last_uses: vec![used], ..UsageFacts::default() };
        let mut summary = UsageSummary::new(10);
        summary.add(heard(0, 10, facts));
        summary.add(heard(10, 100, UsageFacts::default()));
        for (verb, window, expected) in [
            ("get", (0, 100), LastUseAnswer::On(day)),
            ("get", (0, 1_000), LastUseAnswer::On(day)),
            ("list", (0, 100), LastUseAnswer::NotUsed),
            ("list", (0, 101), LastUseAnswer::NotKnown),
            ("list", (-1, 100), LastUseAnswer::NotKnown),
        ] {
            let window = (at(window.0), at(window.1));
            assert_eq!(
                summary.last_use(&jane, &right(verb), window),
                expected,
                "{verb} {window:?}"
            );
        }
        let gap = |from, to| {
            GapData::between(at(from), at(to), GapCause::AuditStreamInterrupted, String::new())
        };
        summary.add_gap(&gap(40, 50));
        let mut ask = |from, to| summary.last_use(&jane, &right("list"), (at(from), at(to)));
        assert_eq!(ask(0, 40), LastUseAnswer::NotUsed);
        assert_eq!(ask(0, 41), LastUseAnswer::NotKnown);
        assert_eq!(ask(50, 100), LastUseAnswer::NotUsed);
        summary.add(UsageData {
            events: EventCounts { overflow: 1, ..EventCounts::default() },
            ..heard(100, 110, UsageFacts::default())
        });
        assert_eq!(
            summary.last_use(&jane, &right("list"), (at(50), at(100))),
            LastUseAnswer::NotKnown
        );
    }
}
