//! When somebody looked and what they saw, and when nobody did.

use jiff::{SignedDuration, Timestamp};

use super::{Window, gaps::RecordedGap};
use crate::period::model::{Coverage, Interval};
use comptroller_core::api::State;

/// The reason of an interval in which there is no entry that vouches.
const NO_ENTRY: &str = "NoEntry";
/// The reason of an interval before the first verdict of a control.
const NOT_YET: &str = "NotYetJudged";

/// The sentence for a gap that the absence of entries shows.
const SILENCE: &str = "no entry vouches for this time: the newest before it is older than one and \
                       a half heartbeats";

/// The sentence for the time between a declaration and the first verdict.
const BEFORE_FIRST: &str = "the control was declared and not judged yet";

/// Recorded gaps without overlaps, by time: where two cover a time, the one that began first.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps(Vec<(Timestamp, Timestamp, &'static str)>);

impl Gaps {
    pub(super) fn new(recorded: &[RecordedGap]) -> Self {
        Self::disjoint(recorded.iter().map(|gap| (gap.from, gap.to, gap.cause.as_str())).collect())
    }

    /// These and those of one control.
    pub(super) fn with(&self, recorded: &[RecordedGap]) -> Self {
        let own = recorded.iter().map(|gap| (gap.from, gap.to, gap.cause.as_str()));
        Self::disjoint(self.0.iter().copied().chain(own).collect())
    }

    fn disjoint(mut all: Vec<(Timestamp, Timestamp, &'static str)>) -> Self {
        // By their beginning, so that one pass can cut each where the one before it ends.
        all.sort_unstable();
        let mut disjoint: Vec<(Timestamp, Timestamp, &'static str)> = Vec::new();
        for (from, to, reason_word) in all {
            let from = disjoint.last().map_or(from, |last| from.max(last.1));
            if from < to {
                disjoint.push((from, to, reason_word));
            }
        }
        Self(disjoint)
    }
}

/// What was seen from a time on, for as long as the entry vouches.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) from: Timestamp,
    /// The first moment for which nobody vouches any more.
    pub(super) to: Timestamp,
    pub(super) state: State,
    pub(super) reason: String,
}

/// The states of a control, without overlaps and by time, with holes where nobody looked.
#[derive(Clone, Debug, Default)]
pub(super) struct Timeline {
    segments: Vec<Segment>,
}

impl Timeline {
    /// An entry at a time says what holds, and vouches for it until another time.
    pub(super) fn observe(&mut self, segment: Segment, window: Window) {
        if let Some(last) = self.segments.last_mut() {
            let adjoins = last.to >= segment.from;
            // One segment for a state that goes on, however many heartbeats repeat it: a year has 9,000.
            if adjoins && last.state == segment.state && last.reason == segment.reason {
                last.to = segment.to;
                return;
            }
            last.to = last.to.min(segment.from);
            // What ended before the period is of no use to its report.
            if last.to <= last.from || last.to <= window.from {
                self.segments.pop();
            }
        }
        self.segments.push(segment);
    }

    /// The control is gone: nothing is vouched for from then on.
    pub(super) fn end(&mut self, at: Timestamp) {
        if let Some(last) = self.segments.last_mut() {
            last.to = last.to.min(at).max(last.from);
        }
    }

    /// The newest observation vouches until another time, since the heartbeat changed.
    pub(super) fn vouch_until(&mut self, to: Timestamp) {
        if let Some(last) = self.segments.last_mut() {
            last.to = to.max(last.from);
        }
    }

    /// Until when the newest observation vouches.
    pub(super) fn vouched_until(&self) -> Option<Timestamp> {
        self.segments.last().map(|last| last.to)
    }

    /// Fills a time in which the control existed with its states and with gaps. `declared_at` is when it
    /// began to exist.
    pub(super) fn fill(
        &self,
        declared_at: Timestamp,
        from: Timestamp,
        to: Timestamp,
        gaps: &Gaps,
    ) -> Vec<Interval> {
        let mut filled = Vec::new();
        let mut at = from.max(declared_at);
        let seen = |segment: &Segment| (segment.state, segment.reason.clone());
        let silence = |at| if at == declared_at { NOT_YET } else { NO_ENTRY };
        // Both lists are by time, so one walk over each is enough.
        let first = self.segments.partition_point(|segment| segment.to <= at);
        for segment in self.segments.get(first..).unwrap_or_default() {
            if segment.from >= to {
                break;
            }
            push(&mut filled, at, segment.from, None, silence(at));
            at = at.max(segment.from);
            let (state, reason) = seen(segment);
            push(&mut filled, at, segment.to.min(to), Some(state), &reason);
            at = at.max(segment.to.min(to));
        }
        push(&mut filled, at, to, None, silence(at));
        without_gaps(&filled, gaps)
    }

    /// What held at a time, and since when: the interval ends at that time.
    pub(super) fn at(&self, at: Timestamp, declared_at: Timestamp, gaps: &Gaps) -> Interval {
        if let Some((from, _, reason_word)) = gaps.0.iter().find(|gap| gap.0 <= at && at < gap.1) {
            return interval((*from).max(declared_at).min(at), at, None, reason_word);
        }
        let seen = self.segments.iter().rev().find(|segment| segment.from <= at);
        match seen {
            Some(segment) if at <= segment.to => {
                interval(segment.from, at, Some(segment.state), &segment.reason)
            }
            Some(segment) => interval(segment.to.max(declared_at).min(at), at, None, NO_ENTRY),
            None => interval(declared_at.min(at), at, None, NOT_YET),
        }
    }
}

/// Takes out of the intervals what entries say was not observed.
fn without_gaps(filled: &[Interval], gaps: &Gaps) -> Vec<Interval> {
    let mut result = Vec::new();
    let mut rest = gaps.0.as_slice();
    for piece in filled {
        let passed = rest.iter().take_while(|gap| gap.1 <= piece.from).count();
        rest = rest.get(passed..).unwrap_or_default();
        let mut at = piece.from;
        for (from, to, reason_word) in rest.iter().take_while(|gap| gap.0 < piece.to) {
            push(&mut result, at, *from, piece.state, &piece.reason);
            at = at.max(*from);
            push(&mut result, at, piece.to.min(*to), None, reason_word);
            at = at.max(piece.to.min(*to));
        }
        push(&mut result, at, piece.to, piece.state, &piece.reason);
    }
    result
}

fn interval(from: Timestamp, to: Timestamp, state: Option<State>, reason: &str) -> Interval {
    Interval { from, to, state, reason: reason.to_owned() }
}

/// Appends an interval unless it is empty, as part of the one before where nothing changed.
pub(super) fn push(
    intervals: &mut Vec<Interval>,
    from: Timestamp,
    to: Timestamp,
    state: Option<State>,
    reason: &str,
) {
    if from >= to {
        return;
    }
    match intervals.last_mut() {
        Some(last) if last.to == from && last.state == state && last.reason == reason => {
            last.to = to;
        }
        _ => intervals.push(interval(from, to, state, reason)),
    }
}

/// The sentence of an interval that only the absence of entries shows to be a gap; None for others.
pub(super) fn silence(interval: &Interval) -> Option<&'static str> {
    match interval.reason.as_str() {
        _ if interval.state.is_some() => None,
        NO_ENTRY => Some(SILENCE),
        NOT_YET => Some(BEFORE_FIRST),
        _ => None,
    }
}

/// Whether an interval is evidence: somebody looked and could tell.
pub(super) fn is_evidence(interval: &Interval) -> bool {
    interval.state.is_some_and(|state| state != State::Unknown)
}

/// The share of the window for which there is evidence: a control that was declared on the last day,
/// or a log that began then, says nothing of the days before. What is expected is rounded up to a
/// second, so that it is never less than what was observed.
pub(super) fn coverage(intervals: &[Interval], window: Window) -> Coverage {
    let observed = intervals
        .iter()
        .filter(|interval| is_evidence(interval))
        .fold(SignedDuration::ZERO, |sum, interval| sum.saturating_add(interval.length()));
    let expected = window.to.duration_since(window.from);
    Coverage {
        observed_seconds: observed.as_secs(),
        expected_seconds: expected.as_secs() + i64::from(expected.subsec_nanos() > 0),
    }
}
