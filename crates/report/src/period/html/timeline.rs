//! The states of a control over the period, drawn as SVG.
//!
//! A state is told by its height and its pattern as well as by its colour; a time in which nobody
//! looked is an empty, dashed frame. However many states there were, the drawing has a bounded
//! size: each of its columns shows the worst state that falls into it, so that nothing bad is too
//! short to be seen.

use jiff::{SignedDuration, Timestamp, ToSpan, civil::DateTime, tz::TimeZone};
use maud::{Markup, html};

use super::text::{clipped, length, plain_time};
use crate::period::model::Interval;
use comptroller_core::api::State;

/// The columns of a drawing.
const COLUMNS: usize = 480;

/// The most intervals that the description of a drawing names.
const MAX_NAMED: usize = 8;

/// How a column of a drawing looks, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimelineStyle {
    /// The control was not in force.
    Absent,
    /// There was nothing to govern.
    None,
    /// Passing: everything in scope is as it should be.
    Passing,
    /// Whatever fails is excepted.
    Excepted,
    /// It could not be said.
    Unknown,
    /// Nobody looked, or no entry vouches for the time.
    Gap,
    /// Failing: something in scope is not as it should be.
    Failed,
}

impl TimelineStyle {
    /// Those that the legend explains, in its order.
    pub const LEGEND: [Self; 6] =
        [Self::Passing, Self::Failed, Self::Excepted, Self::Unknown, Self::None, Self::Gap];

    /// The style of a state; None is a time in which nobody looked.
    pub fn of_state(state: Option<State>) -> Self {
        match state {
            Some(State::Passing) => Self::Passing,
            Some(State::Failing) => Self::Failed,
            Some(State::Excepted) => Self::Excepted,
            Some(State::Unknown) => Self::Unknown,
            Some(State::NotApplicable) => Self::None,
            None => Self::Gap,
        }
    }

    /// The end of its class names.
    pub fn class(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::None => "none",
            Self::Passing => "passing",
            Self::Excepted => "excepted",
            Self::Unknown => "unknown",
            Self::Gap => "gap",
            Self::Failed => "failed",
        }
    }

    /// What it is called.
    pub fn label(self) -> &'static str {
        match self {
            Self::Absent => "Not in force",
            Self::None => "Not applicable",
            Self::Passing => "Passing",
            Self::Excepted => "Excepted",
            Self::Unknown => "Unknown",
            Self::Gap => "Not observed",
            Self::Failed => "Failing",
        }
    }

    /// What it says of a time.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Absent => "The control did not exist.",
            Self::None => "The control had no item to judge.",
            Self::Passing => "Every item was as the spec asks.",
            Self::Excepted => "What was not as the spec asks was allowed by exceptions.",
            Self::Unknown => "It could not be said whether the items were as the spec asks.",
            Self::Gap => "Nobody looked, or no entry vouches for the time.",
            Self::Failed => "At least one item was not as the spec asks.",
        }
    }

    /// Where it lies in a lane: its first and its last sixteenth.
    fn lane_extent(self) -> (usize, usize) {
        match self {
            Self::Absent => (8, 8),
            Self::None => (7, 9),
            Self::Passing => (6, 11),
            Self::Excepted | Self::Unknown => (3, 14),
            Self::Gap => (2, 15),
            Self::Failed => (0, 16),
        }
    }
}

/// The period that a drawing spans.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// The first moment of the period.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

impl Scale {
    fn seconds(self) -> i128 {
        i128::from(self.to.duration_since(self.from).as_secs().max(1))
    }

    /// Where a time lies, of `width`.
    fn place(self, at: Timestamp, width: usize) -> usize {
        let offset = i128::from(at.duration_since(self.from).as_secs()).clamp(0, self.seconds());
        let place = offset * i128::try_from(width).unwrap_or(i128::MAX) / self.seconds();
        usize::try_from(place).unwrap_or(width).min(width)
    }
}

/// Neighbouring columns of one style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ColumnRun {
    start: usize,
    end: usize,
    style: TimelineStyle,
}

fn runs(intervals: &[Interval], scale: Scale) -> Vec<ColumnRun> {
    let mut columns = [TimelineStyle::Absent; COLUMNS];
    for interval in intervals {
        let start = scale.place(interval.from, COLUMNS).min(COLUMNS - 1);
        // At least one column, however short: a minute of failure in a year must be seen.
        let end = scale.place(interval.to, COLUMNS).max(start + 1);
        let style = TimelineStyle::of_state(interval.state);
        for column in columns.iter_mut().take(end).skip(start) {
            *column = (*column).max(style);
        }
    }
    let mut runs: Vec<ColumnRun> = Vec::new();
    for (column, style) in columns.into_iter().enumerate() {
        match runs.last_mut() {
            Some(run) if run.style == style => run.end = column + 1,
            _ => runs.push(ColumnRun { start: column, end: column + 1, style }),
        }
    }
    runs.retain(|run| run.style != TimelineStyle::Absent);
    runs
}

/// The fewest columns that something bad takes, so that it is seen on a phone too.
const MIN_BAD_COLUMNS: usize = 3;

/// A lane of runs, each column `zoom` units wide and the lane `16 * tall` units high. What is bad
/// comes last, on top of its neighbours.
fn lane(runs: &[ColumnRun], zoom: usize, top: usize, tall: usize) -> Markup {
    let is_bad = |run: &&ColumnRun| matches!(run.style, TimelineStyle::Failed | TimelineStyle::Gap);
    let rect = |run: &ColumnRun, min_columns: usize| {
        let (first, last) = run.style.lane_extent();
        let width = (run.end - run.start).max(min_columns);
        // One at the right end grows to the left, so that it is not cut off.
        let start = run.start.min(COLUMNS - width);
        html! {
            rect class={ "i-" (run.style.class()) } x=(start * zoom) y=(top + first * tall)
                width=(width * zoom) height=((last - first) * tall) {}
        }
    };
    html! {
        @for run in runs.iter().filter(|run| !is_bad(run)) { (rect(run, 1)) }
        @for run in runs.iter().filter(is_bad) { (rect(run, MIN_BAD_COLUMNS)) }
    }
}

/// What the drawings mean, once for all of them.
pub fn legend() -> Markup {
    html! {
        ul.legend aria-label="What the drawings mean" {
            @for style in TimelineStyle::LEGEND {
                li { (super::words::state(style, style.label())) }
            }
        }
    }
}

/// The drawing of a control's own section, with words and a time axis.
pub fn figure(name: &str, position: usize, intervals: &[Interval], scale: Scale) -> Markup {
    const ZOOM: usize = 2;
    const TOP: usize = 22;
    let runs = runs(intervals, scale);
    let (title, desc) = (format!("line-{position}-title"), format!("line-{position}-desc"));
    html! {
        svg viewBox={ "0 0 " (COLUMNS * ZOOM) " 82" } role="img" aria-labelledby={ (title) " " (desc) } {
            title id=(title) { "States of " (clipped(name)) " over the period" }
            desc id=(desc) { (description(intervals)) }
            @for tick in ticks(scale) {
                @let x = scale.place(tick.at, COLUMNS * ZOOM);
                line.grid x1=(x) x2=(x) y1=(TOP) y2="62" {}
                text x=(x + 4) y="74" { (tick.label) }
            }
            (lane(&runs, ZOOM, TOP, 2))
            line.axis x1="0" x2=(COLUMNS * ZOOM) y1="62" y2="62" {}
            @for run in &runs { (mark(*run, ZOOM)) }
        }
    }
}

/// The word above a run that is wide enough for it, a flag above a bad one that is not.
fn mark(run: ColumnRun, zoom: usize) -> Markup {
    let (width, middle) = ((run.end - run.start) * zoom, (run.start + run.end) * zoom / 2);
    let word = run.style.label();
    html! {
        @if width >= word.len() * 7 {
            text.word x=(middle) y="11" text-anchor="middle" { (word) }
        } @else if matches!(run.style, TimelineStyle::Failed | TimelineStyle::Gap) {
            @let class = if run.style == TimelineStyle::Gap { "flag-gap" } else { "flag" };
            path class=(class) d={ "M" (middle) " 20l-5 -7h10z" } {}
        }
    }
}

/// A sign of a state, to stand before its name.
pub fn sign(style: TimelineStyle) -> Markup {
    let (first, last) = style.lane_extent();
    html! {
        svg viewBox="0 0 16 16" aria-hidden="true" {
            rect class={ "i-" (style.class()) } x="1" width="14" y=(first) height=(last - first) {}
        }
    }
}

/// The patterns that every drawing of the page refers to.
pub fn patterns() -> Markup {
    html! {
        svg.patterns aria-hidden="true" focusable="false" {
            defs {
                pattern id="p-failed" width="6" height="6" patternUnits="userSpaceOnUse" {
                    rect.p-failed width="6" height="6" {}
                    path.l-failed d="M0 6L6 0" stroke-width=".8" {}
                }
                pattern id="p-excepted" width="4" height="4" patternUnits="userSpaceOnUse" {
                    path.p-excepted d="M0 0L4 4M-1 3L1 5M3 -1L5 1" stroke-width="1.4" {}
                }
                pattern id="p-unknown" width="4" height="4" patternUnits="userSpaceOnUse" {
                    circle.p-unknown cx="2" cy="2" r="1.3" {}
                }
                pattern id="p-gap" width="8" height="8" patternUnits="userSpaceOnUse" {
                    path.p-gap d="M0 8L8 0" stroke-width=".5" {}
                }
            }
        }
    }
}

/// A mark on the time axis.
#[derive(Debug, PartialEq, Eq)]
struct Tick {
    at: Timestamp,
    label: String,
}

/// At most some 14 round times within the period.
fn ticks(scale: Scale) -> Vec<Tick> {
    let days = scale.seconds() / 86_400;
    let (step, label) = match days {
        0..=1 => (3.hours(), "%H:%M"),
        2..=14 => (1.day(), "%-d %b"),
        15..=70 => (7.days(), "%-d %b"),
        71..=430 => (1.month(), "%b %Y"),
        431..=1_300 => (3.months(), "%b %Y"),
        _ => (1.year(), "%Y"),
    };
    let start = scale.from.to_zoned(TimeZone::UTC).datetime();
    let day = if days > 70 { start.date().first_of_month() } else { start.date() };
    let first = day.to_datetime(jiff::civil::Time::midnight());
    let mut ticks = Vec::new();
    let mut next: Option<DateTime> = Some(first);
    // The bound ends the loop whatever the calendar does; the steps alone give at most some 14.
    while let Some(time) = next.filter(|_| ticks.len() < 40) {
        let Ok(at) = time.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()) else { break };
        if at >= scale.to {
            break;
        }
        if at >= scale.from {
            ticks.push(Tick { at, label: at.strftime(label).to_string() });
        }
        next = time.checked_add(step).ok();
    }
    ticks
}

/// The share of each state, in words: the short text alternative.
pub fn shares(intervals: &[Interval]) -> String {
    let total: i64 = intervals.iter().map(|one| one.length().as_secs()).sum();
    if total <= 0 {
        return "Nothing is recorded.".to_owned();
    }
    let words = TimelineStyle::LEGEND.iter().filter_map(|style| {
        let of = intervals.iter().filter(|one| TimelineStyle::of_state(one.state) == *style);
        let seconds: i64 = of.map(|one| one.length().as_secs()).sum();
        (seconds > 0)
            .then(|| format!("{} {}", style.label(), length(SignedDuration::from_secs(seconds))))
    });
    format!("{}.", words.collect::<Vec<_>>().join(", "))
}

/// The intervals one by one: the long text alternative, with an end.
fn description(intervals: &[Interval]) -> String {
    let named = intervals.iter().take(MAX_NAMED).map(|one| {
        let (word, from, to) =
            (TimelineStyle::of_state(one.state).label(), plain_time(one.from), plain_time(one.to));
        format!("{word} from {from} to {to} UTC")
    });
    let mut words = named.collect::<Vec<_>>().join("; ");
    if intervals.len() > MAX_NAMED {
        words.push_str("; the rest is in the table of states");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::testing::at;

    fn scale() -> Scale {
        Scale { from: at("2026-01-01T00:00:00Z"), to: at("2027-01-01T00:00:00Z") }
    }

    fn interval(from: &str, to: &str, state: Option<State>) -> Interval {
        Interval { from: at(from), to: at(to), state, reason: String::new() }
    }

    #[test]
    fn a_minute_of_failure_in_a_year_is_seen() {
        let runs = runs(
            &[
                interval("2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z", Some(State::Passing)),
                interval("2026-06-01T00:00:00Z", "2026-06-01T00:01:00Z", Some(State::Failing)),
                interval("2026-06-01T00:01:00Z", "2027-01-01T00:00:00Z", Some(State::Passing)),
            ],
            scale(),
        );
        let looks: Vec<TimelineStyle> = runs.iter().map(|run| run.style).collect();
        assert_eq!(looks, [TimelineStyle::Passing, TimelineStyle::Failed, TimelineStyle::Passing]);
        assert_eq!(runs.last().map(|run| run.end), Some(COLUMNS));
    }

    #[test]
    fn the_time_before_a_control_is_no_gap() {
        let late = interval("2026-07-01T00:00:00Z", "2027-01-01T00:00:00Z", None);
        let drawn = runs(&[late], scale());
        assert_eq!(drawn, [ColumnRun { start: 238, end: COLUMNS, style: TimelineStyle::Gap }]);
    }

    #[test]
    fn a_drawing_is_bounded_however_often_a_control_flaps() {
        let start = scale().from;
        let flapping: Vec<Interval> = (0..50_000)
            .map(|number| Interval {
                from: start + SignedDuration::from_secs(number * 600),
                to: start + SignedDuration::from_secs(number * 600 + 600),
                state: Some(if number % 2 == 0 { State::Passing } else { State::Failing }),
                reason: String::new(),
            })
            .collect();
        assert!(figure("flaps", 0, &flapping, scale()).into_string().len() < 100_000);
    }

    #[test]
    fn the_axis_has_round_times_in_any_period() {
        for (to, first, count) in [
            ("2026-01-01T12:00:00Z", "00:00", 4),
            ("2026-01-08T00:00:00Z", "1 Jan", 7),
            ("2026-03-01T00:00:00Z", "1 Jan", 9),
            ("2027-01-01T00:00:00Z", "Jan 2026", 12),
            ("2029-01-01T00:00:00Z", "Jan 2026", 12),
            ("2036-01-01T00:00:00Z", "2026", 10),
        ] {
            let ticks = ticks(Scale { to: at(to), ..scale() });
            assert_eq!((ticks[0].label.as_str(), ticks.len()), (first, count), "{to}");
        }
    }
}
