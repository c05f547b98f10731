//! How many lines an outage makes, and when it is over.

use super::*;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn an_outage_is_a_few_lines() {
    let start = Instant::now();
    let mut tracker = OutageTracker::default();
    let mut lines = 0;
    for second in 0..60 {
        for kind in 0..30 {
            let line = tracker.failed(
                &format!("kind {kind}"),
                RequestFailure::NoAnswer,
                "connection refused",
                start + seconds(second),
            );
            lines += usize::from(line.is_some());
        }
        assert_eq!(tracker.settle(start + seconds(second)), None);
    }
    assert_eq!(lines, 3, "begins, spreads to 4, spreads to 16");
    tracker.answered(start + seconds(61));
    assert_eq!(tracker.settle(start + seconds(62)), None, "it may begin again at once");
    let over = tracker.settle(start + seconds(65));
    assert_eq!(over.map(|over| over.lasted), Some(seconds(61)), "until the first answer");
    assert_eq!(tracker.settle(start + seconds(90)), None);
}

#[test]
fn a_lasting_outage_is_logged_again_now_and_then() {
    let start = Instant::now();
    let mut tracker = OutageTracker::default();
    let lines: Vec<_> = (0..180)
        .filter_map(|step| {
            let now = start + seconds(step * 10);
            tracker.settle(now);
            tracker.failed("metrics", RequestFailure::Unavailable, "503", now)
        })
        .collect();
    let lasts = |minutes: u64| LogLine::Lasts { failing: 1, since: seconds(minutes * 60) };
    assert_eq!(lines, [LogLine::Begins, lasts(10), lasts(20)]);
    tracker.answered(start + seconds(1795));
    assert_eq!(tracker.settle(start + seconds(1800)), None, "an answer is not this answer");
    assert!(tracker.settle(start + seconds(1790 + 75)).is_some());
}

#[test]
fn denials_of_a_starting_api_server_are_part_of_its_outage() {
    let start = Instant::now();
    let mut tracker = OutageTracker::default();
    let kind = |n: usize| format!("kind {n}");
    assert_eq!(
        tracker.failed("a", RequestFailure::NoAnswer, "refused", start),
        Some(LogLine::Begins)
    );
    let mut lines = Vec::new();
    for second in 1..8 {
        for n in 0..3 {
            lines.extend(tracker.failed(
                &kind(n),
                RequestFailure::Denied,
                "403",
                start + seconds(second),
            ));
        }
    }
    assert_eq!(lines, [LogLine::Spreads { failing: 4 }]);
    for what in ["a", "kind 0", "kind 1", "kind 2"] {
        assert!(!tracker.recovered(what));
    }
    assert!(tracker.settle(start + seconds(13)).is_some());
    assert_eq!(tracker.failed("kind 0", RequestFailure::Denied, "403", start + seconds(14)), None);
    // What is still denied then is a right that is missing.
    let late = tracker.failed("kind 0", RequestFailure::Denied, "403", start + seconds(40));
    assert_eq!(late, Some(LogLine::Rejected));
}

#[test]
fn long_failures_of_many_objects_are_tens_of_lines() {
    for failure in [
        RequestFailure::Unauthorized,
        RequestFailure::Conflict,
        RequestFailure::Unavailable,
        RequestFailure::Denied,
        RequestFailure::Rejected,
    ] {
        let start = Instant::now();
        let mut tracker = OutageTracker::default();
        let mut lines = 0;
        for second in 0..300 {
            for object in 0..200 {
                let what = format!("the status of Control c{object}");
                let line = tracker.failed(&what, failure, &what, start + seconds(second));
                lines += usize::from(line.is_some());
            }
            assert!(tracker.rejected.len() <= REMEMBERED);
        }
        assert!((1..=70).contains(&lines), "{failure:?}: {lines}");
    }
}

#[test]
fn one_conflict_hides_no_missing_right() {
    let start = Instant::now();
    let mut tracker = OutageTracker::default();
    assert_eq!(tracker.failed("a", RequestFailure::Conflict, "409", start), Some(LogLine::Begins));
    let lines = tracker.failed("b", RequestFailure::Denied, "403", start + seconds(1));
    assert_eq!(lines, Some(LogLine::Rejected));
    assert!(tracker.settle(start + seconds(30)).is_some());
}

#[test]
fn a_rejection_is_logged_once_until_it_changes() {
    let start = Instant::now();
    let mut tracker = OutageTracker::default();
    let mut refuse = |text: &str, at| {
        tracker.failed("pods", RequestFailure::Rejected, text, start + seconds(at)).is_some()
    };
    assert!(refuse("forbidden", 0));
    assert!(!refuse("forbidden", 30));
    assert!(refuse("forbidden to bob", 60));
    assert!(!refuse("forbidden to bob", 600));
    assert!(refuse("forbidden to bob", 700));
    assert!(tracker.recovered("pods"));
    assert!(!tracker.recovered("pods"));
    assert_eq!(tracker.settle(start + seconds(800)), None, "no outage");
}
