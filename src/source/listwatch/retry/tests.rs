//! Tables of what follows which end.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn retry_state() -> RetryState {
    RetryState::new(&Deadlines::default())
}

fn status(code: u16) -> RequestError {
    RequestError::Status { code, message: "no".to_owned(), retry_after: None }
}

fn failed(request: RequestKind, error: RequestError) -> WatchEnd {
    WatchEnd::Failed { request, error, took: Duration::ZERO }
}

fn watched(seconds: f64, confirmed: bool) -> WatchEnd {
    let lived = Duration::from_secs_f64(seconds);
    WatchEnd::Watched { lived, full_period: seconds > 35.0, confirmed, cut: None }
}

/// What follows an end that comes first, long after the last word.
fn first(ended: WatchEnd) -> RetryStep {
    retry_state().next_step(ended, Instant::now(), false, 1.0)
}

#[test]
fn each_end_has_its_sequel() {
    use RequestKind::{List, Watch};
    for (ended, next, pause) in [
        (WatchEnd::Listed, NextRequest::Watch, 0.0),
        (WatchEnd::WatchAllowed, NextRequest::List, 0.0),
        (watched(38.0, true), NextRequest::Watch, 0.0),
        (watched(38.0, false), NextRequest::List, 0.0),
        (watched(0.0, false), NextRequest::List, 0.5),
        (watched(0.2, true), NextRequest::List, 0.3),
        (WatchEnd::Overdue, NextRequest::List, 0.0),
        (WatchEnd::OlderEvent, NextRequest::List, 0.0),
        (WatchEnd::ClusterRestored, NextRequest::List, 0.0),
        (failed(Watch, status(410)), NextRequest::List, 0.0),
        (failed(List, status(410)), NextRequest::List, 0.0),
        (failed(Watch, status(503)), NextRequest::List, 0.5),
        (failed(List, status(401)), NextRequest::List, 0.5),
        (failed(List, RequestError::Malformed("x".into())), NextRequest::List, 0.5),
        (failed(List, status(403)), NextRequest::List, 0.5),
        (failed(Watch, status(403)), NextRequest::Probe, 0.5),
        (failed(Watch, status(404)), NextRequest::List, 0.5),
        (failed(List, status(404)), NextRequest::List, 0.5),
    ] {
        let step = first(ended.clone());
        assert_eq!((step.next, step.pause.as_secs_f64()), (next, pause), "{ended:?}");
    }
}

#[test]
fn what_is_said_depends_on_what_failed() {
    let say = |ended| first(ended).report;
    let failure = |asked, code| say(failed(asked, status(code)));
    assert!(matches!(failure(RequestKind::List, 403), Some(Report::Forbidden(_))));
    assert!(matches!(failure(RequestKind::Watch, 403), Some(Report::Forbidden(_))));
    assert!(matches!(failure(RequestKind::List, 404), Some(Report::NotServed(_))));
    // One replica may not know the definition yet.
    assert!(matches!(failure(RequestKind::Watch, 404), Some(Report::Failure { loud: false, .. })));
    assert!(matches!(failure(RequestKind::Watch, 410), Some(Report::Failure { loud: false, .. })));
    assert!(matches!(failure(RequestKind::List, 500), Some(Report::Failure { loud: true, .. })));
    assert_eq!(say(watched(38.0, false)), None);
    assert!(say(watched(1.0, true)).is_some(), "counted as trouble");
}

#[test]
fn waits_double_up_to_their_limit() {
    let now = Instant::now();
    let pauses = |ended: WatchEnd, times: usize| -> Vec<f64> {
        let mut retry = retry_state();
        (0..times)
            .map(|_| retry.next_step(ended.clone(), now, false, 1.0).pause.as_secs_f64())
            .collect()
    };
    let unwell = pauses(failed(RequestKind::List, status(500)), 6);
    assert_eq!(unwell, [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]);
    let refused = pauses(failed(RequestKind::List, status(403)), 7);
    assert_eq!(refused[4..], [8.0, 8.0, 8.0]);
    let short = pauses(watched(0.0, false), 7);
    assert_eq!(short, [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]);
    let old = pauses(failed(RequestKind::Watch, status(410)), 7);
    assert_eq!(old, [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0]);
    for many in [100, 1000] {
        assert_eq!(pauses(failed(RequestKind::List, status(500)), many).last(), Some(&5.0));
    }
}

#[test]
fn what_was_waited_for_is_not_waited_for_again() {
    let error = RequestError::NoAnswer("no answer within 10 s".to_owned());
    let mut retry = retry_state();
    for _ in 0..10 {
        let ended = WatchEnd::Failed {
            request: RequestKind::List,
            error: error.clone(),
            took: SECOND * 10,
        };
        assert_eq!(retry.next_step(ended, Instant::now(), true, 1.0).pause, Duration::ZERO);
    }
}

#[test]
fn a_server_that_says_when_is_heeded_up_to_a_limit() {
    for (asks, waits) in [(0, 500), (3, 3000), (8, 8000), (600, 8000)] {
        let error = RequestError::Status {
            code: 429,
            message: "slow down".to_owned(),
            retry_after: Some(SECOND * asks),
        };
        let step = first(failed(RequestKind::List, error));
        assert_eq!(step.pause, Duration::from_millis(waits), "{asks}");
    }
}

#[test]
fn a_list_ends_the_troubles_of_lists_and_only_a_long_watch_those_of_watches() {
    let now = Instant::now();
    let mut retry = retry_state();
    let old = failed(RequestKind::Watch, status(410));
    for millis in [0, 500, 1000, 2000] {
        let pause = retry.next_step(old.clone(), now, false, 1.0).pause;
        assert_eq!(pause, Duration::from_millis(millis));
        retry.next_step(WatchEnd::Listed, now, false, 1.0);
    }
    retry.next_step(watched(31.0, true), now, false, 1.0);
    assert_eq!(retry.next_step(old, now, false, 1.0).pause, Duration::ZERO);
    for _ in 0..5 {
        retry.next_step(failed(RequestKind::List, status(500)), now, false, 1.0);
    }
    retry.next_step(WatchEnd::Listed, now, false, 1.0);
    let step = retry.next_step(failed(RequestKind::List, status(500)), now, false, 1.0);
    assert_eq!(step.pause, SECOND / 2);
}

#[test]
fn a_watch_that_is_cut_resumes_while_it_is_heard_of() {
    let now = Instant::now();
    let mut retry = retry_state();
    retry.next_step(WatchEnd::Listed, now, false, 1.0);
    let step = retry.next_step(watched(0.1, true), now + SECOND, false, 1.0);
    assert_eq!(step.next, NextRequest::Watch, "once may happen");
    let step = retry.next_step(watched(0.1, true), now + SECOND, false, 1.0);
    assert_eq!(step.next, NextRequest::List, "what is cut each time may hide something");
    retry.next_step(WatchEnd::Listed, now + SECOND, false, 1.0);
    for cut in 1..3 {
        let later = now + SECOND * 12 * cut;
        let step = retry.next_step(watched(12.0, false), later, false, 1.0);
        assert_eq!(step.next, NextRequest::Watch, "a proxy with a short limit");
    }
    let step = retry.next_step(watched(12.0, false), now + SECOND * 36, false, 1.0);
    assert_eq!(step.next, NextRequest::List, "but not heard of for too long");
}

#[test]
fn a_watch_ends_in_time_after_the_last_word() {
    let start = Instant::now();
    let mut retry = retry_state();
    retry.confirmed(start);
    for (ago, seconds) in [(0, 40), (10, 40), (17, 33), (30, 20), (45, 15), (300, 15)] {
        let period = retry.watch_period(SECOND * 40, start + SECOND * ago);
        assert_eq!(period, SECOND * seconds, "{ago} s after");
    }
    for (ago, next) in [(2, NextRequest::Watch), (34, NextRequest::Watch), (35, NextRequest::List)]
    {
        let step = retry.next_step(watched(40.0, true), start + SECOND * ago, false, 1.0);
        assert_eq!((step.next, step.report), (next, None), "{ago} s after");
    }
}

#[test]
fn a_watch_that_nobody_ends_is_dead_unless_it_spoke_of_late() {
    let now = Instant::now();
    for (ago, next) in [(7, NextRequest::Watch), (24, NextRequest::Watch), (25, NextRequest::List)]
    {
        let mut retry = retry_state();
        retry.confirmed(now);
        let step = retry.next_step(WatchEnd::Overdue, now + SECOND * ago, false, 1.0);
        assert_eq!(
            (step.next, step.report.is_some()),
            (next, next == NextRequest::List),
            "{ago} s ago"
        );
    }
}

#[test]
fn refusals_of_a_server_that_wakes_up_are_not_believed_at_once() {
    let start = Instant::now();
    let mut retry = retry_state();
    let refused = failed(RequestKind::List, status(403));
    let mut said = |seconds: u64, outage| {
        retry.next_step(
            refused.clone(),
            start + SECOND * u32::try_from(seconds).unwrap(),
            outage,
            1.0,
        )
    };
    assert!(matches!(said(0, true).report, Some(Report::Failure { loud: false, .. })));
    assert!(said(2, true).pause <= SECOND * 2, "soon again");
    assert!(matches!(said(29, true).report, Some(Report::Failure { .. })));
    assert!(matches!(said(30, true).report, Some(Report::Forbidden(_))));
    retry.next_step(WatchEnd::Listed, start, true, 1.0);
    let step = retry.next_step(refused.clone(), start + SECOND * 40, true, 1.0);
    assert!(matches!(step.report, Some(Report::Failure { .. })), "it was granted in between");
    let step = retry.next_step(refused, start + SECOND * 41, false, 1.0);
    assert!(matches!(step.report, Some(Report::Forbidden(_))), "no outage explains it");
}

#[test]
fn a_watch_after_one_that_was_cut_is_asked_for_at_once() {
    let now = Instant::now();
    let cut = Some("connection reset".to_owned());
    for (ended, at_once) in [
        (watched(40.0, true), false),
        (WatchEnd::Watched { lived: SECOND * 40, full_period: false, confirmed: true, cut }, true),
        (watched(3.0, true), true),
        (WatchEnd::Overdue, true),
    ] {
        let mut retry = retry_state();
        retry.next_step(WatchEnd::Listed, now, false, 1.0);
        retry.next_step(ended.clone(), now + SECOND, false, 1.0);
        assert_eq!(retry.check_at(now) == now, at_once, "{ended:?}");
        retry.check_sent();
        assert!(retry.check_at(now) > now, "asked once");
    }
}

#[test]
fn a_quiet_watch_is_asked_for_well_before_it_counts_as_silent() {
    let start = Instant::now();
    let mut retry = retry_state();
    retry.confirmed(start);
    assert_eq!(retry.check_at(start), start + SECOND * 25);
    let opened = start + SECOND * 20;
    assert_eq!(retry.check_at(opened), opened + SECOND * 10, "a watch may speak at first");
}
