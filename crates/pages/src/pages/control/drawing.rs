//! The states of a control over time, drawn as SVG.
//!
//! A state is told by its height as well as by its colour; a time in which nobody looked is an empty,
//! dashed frame. However many states there were, the drawing has a bounded size: each of its columns
//! shows the worst that falls into it, so that nothing bad is too short to be seen.

use comptroller_core::api::State;
use jiff::Timestamp;
use maud::{Markup, html};

use crate::{
    html::text::{plain_time, time},
    model::{TimelineEvent, TimelineFact},
};

/// The columns of a drawing, and its width.
const COLUMNS: usize = 240;

/// How tall a drawing is.
const HEIGHT: usize = 32;

/// How a column looks, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Look {
    Absent,
    NotApplicable,
    Passing,
    Excepted,
    Unknown,
    Gap,
    Failing,
}

impl Look {
    fn of(state: State) -> Self {
        match state {
            State::Passing => Self::Passing,
            State::Failing => Self::Failing,
            State::Excepted => Self::Excepted,
            State::Unknown => Self::Unknown,
            State::NotApplicable => Self::NotApplicable,
        }
    }

    /// Its class, and how tall it is.
    fn bar(self) -> (&'static str, usize) {
        match self {
            Self::Absent => ("absent", 1),
            Self::NotApplicable => ("neutral", 4),
            Self::Passing => ("good", 10),
            Self::Excepted => ("accepted", 16),
            Self::Unknown => ("unknown", 22),
            Self::Gap => ("gap", 28),
            Self::Failing => ("bad", HEIGHT),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Absent => "no control",
            Self::NotApplicable => "not applicable",
            Self::Passing => "passing",
            Self::Excepted => "excepted",
            Self::Unknown => "unknown",
            Self::Gap => "not observed",
            Self::Failing => "failing",
        }
    }
}

/// The drawing from the first event to now. Events are by time; None to draw if there is no state.
pub fn drawing(events: &[TimelineEvent], now: Timestamp) -> Markup {
    let Some(first) = events.first().map(|event| event.at).filter(|first| *first < now) else {
        return html! {};
    };
    let columns = columns(events, first, now);
    let runs = columns.chunk_by(|a, b| a == b);
    let mut seen: Vec<Look> = columns.clone();
    seen.sort_unstable();
    seen.dedup();
    let words: Vec<&str> =
        seen.iter().rev().filter(|look| **look != Look::Absent).map(|look| look.word()).collect();
    let mut x = 0;
    html! {
        figure.drawing {
            svg viewBox={ "0 0 " (COLUMNS) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                aria-label={
                    "From " (plain_time(first)) " to " (plain_time(now)) " the control was, at some time: "
                    (words.join(", ")) ". The table below says when."
                } {
                @for run in runs {
                    @let (class, height) = run.first().map_or(("absent", 1), |look| look.bar());
                    @let at = { let at = x; x += run.len(); at };
                    rect class=(class) x=(at) y=(HEIGHT - height) width=(run.len()) height=(height) {}
                }
            }
            figcaption {
                span { (time(first)) }
                span { "the taller, the worse; a frame is a time in which nobody looked" }
                span { (time(now)) }
            }
        }
    }
}

fn columns(events: &[TimelineEvent], first: Timestamp, now: Timestamp) -> Vec<Look> {
    let whole = i128::from(now.duration_since(first).as_secs().max(1));
    let width = i128::try_from(COLUMNS).unwrap_or(1);
    let place = |at: Timestamp| {
        let passed = i128::from(at.duration_since(first).as_secs()).clamp(0, whole);
        usize::try_from(passed * width / whole).unwrap_or(0).min(COLUMNS - 1)
    };
    let mut columns = vec![Look::Absent; COLUMNS];
    let mut paint = |from: Timestamp, to: Timestamp, look: Look| {
        for column in columns.iter_mut().take(place(to) + 1).skip(place(from)) {
            *column = (*column).max(look);
        }
    };
    let mut state: Option<(Timestamp, Look)> = None;
    for event in events {
        let next = match &event.fact {
            TimelineFact::State { state, .. } => Some(Look::of(*state)),
            TimelineFact::Rule {
                change: comptroller_evidence::data::ChangeKind::Deleted, ..
            } => Some(Look::Absent),
            TimelineFact::Unread => Some(Look::Unknown),
            TimelineFact::Gap { to, .. } => {
                paint(event.at, *to, Look::Gap);
                None
            }
            _ => None,
        };
        if let Some(next) = next {
            if let Some((since, look)) = state {
                paint(since, event.at, look);
            }
            state = Some((event.at, next));
        }
    }
    if let Some((since, look)) = state {
        paint(since, now, look);
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(second: i64, state: State) -> TimelineEvent {
        TimelineEvent {
            at: Timestamp::from_second(second).unwrap(),
            entry: 0,
            fact: TimelineFact::State {
                state,
                reason: String::new(),
                message: String::new(),
                population: 0,
                failing: 0,
                excepted: 0,
                unknown: 0,
            },
        }
    }

    #[test]
    fn what_is_short_and_bad_is_still_seen() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let events = [
            event(0, State::Passing),
            event(500_000, State::Failing),
            event(500_001, State::Passing),
        ];
        let columns = columns(&events, at(0), at(1_000_000));
        assert_eq!(columns.iter().filter(|look| **look == Look::Failing).count(), 1);
        assert_eq!(columns.iter().filter(|look| **look == Look::Absent).count(), 0);
    }
}
