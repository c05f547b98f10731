//! The time that a report is about.

use jiff::Timestamp;

use crate::period::model::Span;

/// The span in one form: of Type I, both ends are its time, and the time itself is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) instant: bool,
}

impl Window {
    pub(super) fn new(span: Span) -> Self {
        match span {
            Span::TypeI { as_of } => Self { from: as_of, to: as_of, instant: true },
            Span::TypeII { from, to } => Self { from, to: to.max(from), instant: false },
        }
    }

    /// Whether a time is after the last that the report looks at.
    pub(super) fn is_over(self, at: Timestamp) -> bool {
        if self.instant { at > self.to } else { at >= self.to }
    }

    /// Whether a time from then until then has a part in it.
    pub(super) fn touches(self, from: Timestamp, until: Option<Timestamp>) -> bool {
        // Entries have whole seconds, so that what came and went in the first one has no length.
        !self.is_over(from) && (from >= self.from || until.is_none_or(|until| until > self.from))
    }

    /// The part of a time that lies within; None if there is none. At an instant, the whole time up
    /// to it.
    pub(super) fn clip(self, from: Timestamp, to: Timestamp) -> Option<(Timestamp, Timestamp)> {
        if self.instant {
            return (from <= self.to && self.to < to).then_some((from, self.to));
        }
        let (from, to) = (from.max(self.from), to.min(self.to));
        (from < to).then_some((from, to))
    }

    /// The window of a report that is made before the period is over: nobody can have looked at
    /// what is yet to come.
    pub(super) fn until(self, now: Timestamp) -> Self {
        if self.instant { self } else { Self { to: self.to.min(now).max(self.from), ..self } }
    }
}
