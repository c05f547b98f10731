//! The times in which the log could not be written, told as few gaps. Pure.
//!
//! The first time that the log can be written again ends a gap. A log that fails again soon is
//! still in the same outage: what is lost from then on is one more gap, written once the log has
//! been good for a while, however often it failed until then.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use comptroller_evidence::data::{GapCause, GapData};

/// For how long the log must be good before an outage is over.
pub(super) const SETTLED: SignedDuration = SignedDuration::from_secs(60);

/// An outage, or none.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// The first failure that no gap in the log tells of, and why.
    unreported: Option<(Timestamp, Arc<str>)>,
    /// Whether a gap of this outage is in the log.
    is_reported: bool,
    /// Since when the log is good again.
    good: Option<Timestamp>,
}

impl Outage {
    /// The log could not be opened or written.
    pub fn failed(&mut self, now: Timestamp, why: &Arc<str>) {
        if self.unreported.is_none() && self.good.is_some_and(|good| now >= good + SETTLED) {
            *self = Self::default();
        }
        self.good = None;
        self.unreported.get_or_insert_with(|| (now, Arc::clone(why)));
    }

    /// The log was opened again; `reported_until` is the end of a gap that was found in it, of an append
    /// that came through without this process being told. Says the gap to write at once.
    pub fn opened(&mut self, now: Timestamp, reported_until: Option<Timestamp>) -> Option<GapData> {
        if let Some(to) = reported_until {
            self.is_reported = true;
            if let Some((since, _)) = &mut self.unreported {
                *since = (*since).max(to);
            }
        }
        let (since, why) = self.unreported.as_ref().filter(|_| !self.is_reported)?;
        Some(gap(*since, now, why))
    }

    /// What was to be written first is in the log: `gap` says whether it told of the outage.
    pub fn written(&mut self, now: Timestamp, gap: bool) {
        if gap && self.unreported.take().is_some() {
            self.is_reported = true;
        }
        self.unreported.take_if(|(since, _)| *since >= now);
        self.good = Some(now);
    }

    /// When to look whether the outage is over. None: nothing is left to tell.
    pub fn settles(&self) -> Option<Timestamp> {
        self.unreported.as_ref()?;
        self.good.map(|good| good + SETTLED)
    }

    /// What is left to tell, once the log has been good for long enough, or at the end.
    pub fn rest(&self, now: Timestamp, end: bool) -> Option<GapData> {
        let (since, why) = self.unreported.as_ref()?;
        let good = self.good?;
        (end || now >= good + SETTLED).then(|| gap(*since, good, why))
    }

    /// What was left to tell is in the log.
    pub fn over(&mut self) {
        *self = Self::default();
    }
}

fn gap(since: Timestamp, to: Timestamp, why: &str) -> GapData {
    GapData::between(
        since,
        to,
        GapCause::LogUnwritable,
        format!("the log could not be written: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn words(gap: Option<&GapData>) -> Option<(i64, i64)> {
        gap.map(|gap| (gap.from.as_second(), gap.to.as_second()))
    }

    /// What happens to a log: it fails, or is opened and what comes first is written or not.
    enum Event {
        Fails(i64),
        Opens(i64),
        /// It is opened, and the append of the gap fails after it came through.
        ComesThrough(i64),
    }

    fn gaps(events: &[Event], end: i64) -> Vec<(i64, i64)> {
        let (why, mut outage, mut written) = ("full".into(), Outage::default(), Vec::new());
        let mut through: Option<GapData> = None;
        let settle = |outage: &mut Outage, now: i64, written: &mut Vec<(i64, i64)>| {
            if let Some(gap) = outage.rest(at(now), false) {
                written.extend(words(Some(&gap)));
                outage.over();
            }
        };
        for event in events {
            match *event {
                Event::Fails(now) => {
                    settle(&mut outage, now, &mut written);
                    outage.failed(at(now), &why);
                }
                Event::Opens(now) => {
                    let gap = outage.opened(at(now), through.take().map(|gap| gap.to));
                    written.extend(words(gap.as_ref()));
                    outage.written(at(now), gap.is_some());
                }
                Event::ComesThrough(now) => {
                    let gap = outage.opened(at(now), through.take().map(|gap| gap.to));
                    written.extend(words(gap.as_ref()));
                    through = gap;
                    outage.failed(at(now), &why);
                }
            }
        }
        settle(&mut outage, end, &mut written);
        written
    }

    #[test]
    fn one_outage_is_one_gap_from_its_first_failure() {
        use Event::{ComesThrough, Fails, Opens};
        for (what, events, expected) in [
            ("none", vec![Opens(0)], vec![]),
            ("plain", vec![Opens(0), Fails(10), Fails(11), Fails(13), Opens(20)], vec![(10, 20)]),
            (
                "each retry comes through and is not told so",
                [Opens(0), Fails(10)]
                    .into_iter()
                    .chain((11..100).map(ComesThrough))
                    .chain([Opens(100)])
                    .collect(),
                vec![(10, 11), (11, 100)],
            ),
            (
                "it flaps",
                [Opens(0), Fails(10), Opens(12)]
                    .into_iter()
                    .chain((0..30).flat_map(|n| [Fails(13 + 2 * n), Opens(14 + 2 * n)]))
                    .collect(),
                vec![(10, 12), (13, 72)],
            ),
            (
                "two outages",
                vec![Opens(0), Fails(10), Opens(20), Fails(300), Opens(310)],
                vec![(10, 20), (300, 310)],
            ),
        ] {
            assert_eq!(gaps(&events, 1000), expected, "{what}");
        }
    }

    #[test]
    fn what_is_said_at_a_start_is_no_outage() {
        let (why, mut outage) = ("full".into(), Outage::default());
        outage.written(at(1), true);
        outage.failed(at(3), &why);
        assert_eq!(words(outage.opened(at(5), None).as_ref()), Some((3, 5)));
    }

    #[test]
    fn what_is_left_is_told_at_the_end() {
        let (why, mut outage) = ("full".into(), Outage::default());
        outage.failed(at(1), &why);
        assert!(outage.opened(at(2), None).is_some());
        outage.written(at(2), true);
        assert_eq!((outage.settles(), outage.rest(at(3), true)), (None, None));
        outage.failed(at(4), &why);
        assert_eq!(outage.opened(at(6), None), None);
        outage.written(at(6), false);
        assert_eq!(outage.settles(), Some(at(66)));
        assert_eq!(outage.rest(at(7), false), None);
        assert_eq!(words(outage.rest(at(7), true).as_ref()), Some((4, 6)));
    }
}
