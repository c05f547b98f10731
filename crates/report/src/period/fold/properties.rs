//! What holds of the report of any log.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{
    super::{
        digest,
        model::{Interval, PeriodReport, ReportPeriod, Span},
    },
    CLOSING_GRACE, PeriodFold, SETTLES,
    tests::{at, control, finding, fold, gap, heartbeat, operator, provenance, verdict},
};
use comptroller_core::api::{State, criteria::Category};
use comptroller_evidence::{
    data::{ChangeKind, OperatorEvent},
    entry::{Entry, EntrySubject},
};

/// What happens in a step, of one of three controls.
#[derive(Clone, Debug)]
enum Step {
    Verdict(State, Vec<usize>, Vec<usize>, bool),
    Heartbeat(State),
    Changed(ChangeKind, &'static str),
    Gap(i64, bool),
    Operator(OperatorEvent),
}

fn step() -> impl Strategy<Value = Step> {
    let state = proptest::sample::select(State::ALL);
    let names = || proptest::collection::vec(0_usize..4, 0..3);
    prop_oneof![
        4 => (state.clone(), names(), names(), any::<bool>())
            .prop_map(|(state, new, gone, excepted)| Step::Verdict(state, new, gone, excepted)),
        6 => state.prop_map(Step::Heartbeat),
        2 => (
            proptest::sample::select(ChangeKind::ALL),
            proptest::sample::select(vec!["10m", "1h", "6h"]),
        )
            .prop_map(|(kind, heartbeat)| Step::Changed(kind, heartbeat)),
        1 => (0_i64..120, any::<bool>()).prop_map(|(length, own)| Step::Gap(length, own)),
        1 => proptest::sample::select(OperatorEvent::ALL).prop_map(Step::Operator),
    ]
}

fn entry(time: Timestamp, name: &str, step: Step) -> Entry {
    let findings = |places: Vec<usize>, exception: Option<&str>| {
        let found = |place: usize| finding(["w", "x", "y", "z"][place], time, exception);
        places.into_iter().map(found).collect()
    };
    match step {
        Step::Verdict(state, new, gone, excepted) => {
            let new = findings(new, excepted.then_some("waiver"));
            verdict(name, time, state, new, findings(gone, None))
        }
        Step::Heartbeat(state) => heartbeat(name, time, state, 5),
        Step::Changed(kind, heartbeat) => control(name, time, kind, Some(heartbeat)),
        Step::Gap(length, own) => {
            let subject =
                if own { EntrySubject::control(name) } else { EntrySubject::new("Cluster", "c") };
            gap(subject, time - SignedDuration::from_mins(length), time)
        }
        Step::Operator(event) => operator(time, event),
    }
}

/// A log of a day or so. Now and then a clock is set back.
fn log() -> impl Strategy<Value = Vec<Entry>> {
    let steps = proptest::collection::vec((-5_i64..80, 0_usize..3, step()), 0..60);
    steps.prop_map(|steps| {
        let mut minutes = 0;
        steps
            .into_iter()
            .map(|(passed, name, step)| {
                minutes += passed;
                entry(at(0, minutes), ["a", "b", "c"][name], step)
            })
            .collect()
    })
}

fn span() -> impl Strategy<Value = Span> {
    (0_i64..24, 0_i64..12)
        .prop_map(|(from, length)| Span::TypeII { from: at(from, 0), to: at(from + length, 0) })
}

fn ends(span: Span) -> (Timestamp, Timestamp) {
    match span {
        Span::TypeI { as_of } => (as_of, as_of),
        Span::TypeII { from, to } => (from, to),
    }
}

fn are_ordered(intervals: &[Interval]) -> bool {
    intervals.iter().all(|interval| interval.from < interval.to)
        && intervals.windows(2).all(|pair| pair[0].to <= pair[1].from)
}

fn deviates(report: &PeriodReport, from: Timestamp, to: Timestamp) -> bool {
    report.controls.iter().flat_map(|control| &control.deviations).all(|found| {
        found.from < to.max(from)
            && found.to.is_none_or(|until| until > from && until <= to && until >= found.from)
            && (found.to.is_none() || found.closed_entry.is_some())
    })
}

proptest! {
    #[test]
    fn intervals_fill_what_is_expected_and_never_overlap(log in log(), span in span()) {
        let report = fold(span, &log);
        let (from, to) = ends(span);
        for control in &report.controls {
            prop_assert!(are_ordered(&control.intervals), "{:?}", control.intervals);
            let within = |interval: &Interval| from <= interval.from && interval.to <= to;
            prop_assert!(control.intervals.iter().all(within));
            let total: i64 =
                control.intervals.iter().map(|interval| interval.length().as_secs()).sum();
            prop_assert!(total <= control.coverage.expected_seconds);
            prop_assert!(control.coverage.observed_seconds >= 0);
            prop_assert!(
                control.coverage.observed_seconds <= control.coverage.expected_seconds
            );
            // Between deletions there is no hole.
            let deletions =
                control.changes.iter().filter(|change| change.change == "Deleted").count();
            let holes = control
                .intervals
                .windows(2)
                .filter(|pair| pair[0].to < pair[1].from)
                .count();
            prop_assert!(holes <= deletions);
        }
        prop_assert!(deviates(&report, from, to));
        for gap in &report.gaps {
            prop_assert!(from <= gap.from && gap.from < gap.to && gap.to <= to);
        }
    }

    #[test]
    fn a_report_is_the_same_whatever_comes_after_its_period(
        log in log(),
        more in log(),
        span in span(),
    ) {
        let (_, to) = ends(span);
        let before = fold(span, &log);
        // Time never falls in a log.
        let looked = log.iter().map(|entry| entry.at).max().max(Some(to + CLOSING_GRACE)).unwrap();
        let later = |mut entry: Entry| {
            entry.at = entry.at.max(looked + SETTLES);
            entry
        };
        // Somebody looked again: what happened up to the end is known, and no gap comes later.
        let known = heartbeat("a", looked, State::Passing, 5);
        let whole: Vec<Entry> =
            log.into_iter().chain([known]).chain(more.into_iter().map(later)).collect();
        prop_assert_eq!(digest(&fold(span, &whole)).unwrap(), digest(&before).unwrap());
    }

    #[test]
    fn finishing_on_the_way_changes_nothing(log in log(), span in span(), part in 0_usize..60) {
        let at_once = fold(span, &log);
        let mut fold = PeriodFold::new(span, &[Category::Security]);
        let period = || ReportPeriod { name: "p".to_owned(), span, categories: Vec::new() };
        let now = || provenance("2030-01-01T00:00:00Z".parse().unwrap());
        for (index, entry) in (0_u64..).zip(&log) {
            if index == part as u64 {
                fold.finish(period(), now());
            }
            fold.apply(index, entry);
        }
        prop_assert_eq!(fold.finish(period(), now()), at_once);
    }

    #[test]
    fn the_parts_of_a_period_have_the_coverage_of_the_whole(log in log(), from in 0_i64..12) {
        let span = |from: i64, to: i64| Span::TypeII { from: at(from, 0), to: at(to, 0) };
        // Entries about the past are passed over once the period is over, so a part may claim what
        // the whole knows better.
        let log: Vec<Entry> = log
            .into_iter()
            .filter(|entry| !matches!(entry.data, comptroller_evidence::entry::Data::Gap(_)))
            .collect();
        if log.windows(2).any(|pair| pair[0].at > pair[1].at) {
            return Ok(());
        }
        let seconds = |from, to| fold(span(from, to), &log).summary.coverage;
        let (first, second) = (seconds(from, from + 4), seconds(from + 4, from + 8));
        let whole = seconds(from, from + 8);
        // What a part vouches for at its end, the next entry may end or a new heartbeat prolong.
        prop_assert_eq!(
            first.observed_seconds + second.observed_seconds,
            whole.observed_seconds
        );
    }

    #[test]
    fn a_type_one_report_agrees_with_the_interval_around_its_time(
        log in log(),
        hour in 1_i64..20,
        minute in 0_i64..60,
    ) {
        let time = at(hour, minute);
        let until: Vec<Entry> = log.into_iter().filter(|entry| entry.at <= time).collect();
        let instant = fold(Span::TypeI { as_of: time }, &until);
        let to = time + SignedDuration::from_secs(1);
        let around = fold(Span::TypeII { from: time, to }, &until);
        for control in &instant.controls {
            let same = around.controls.iter().find(|other| other.name == control.name).unwrap();
            prop_assert_eq!(control.intervals.len(), 1);
            let state = control.intervals[0].state;
            // A validity that ends exactly then still vouches for the instant.
            let other = same.intervals.first().and_then(|interval| interval.state);
            prop_assert!(state == other || other.is_none(), "{:?} {:?}", control, same);
        }
    }
}
