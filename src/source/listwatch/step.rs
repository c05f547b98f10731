//! What a list-watch does next: decisions without a client or a clock.

use std::time::{Duration, Instant};

use super::{deadlines::Deadlines, wire::Problem};

/// What was asked for when a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A list.
    List,
    /// A watch, or more of one.
    Watch,
}

/// How a list or a watch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The list is complete.
    Listed,
    /// The watch was ended by the server, or its connection was.
    Watched {
        /// For how long it was open.
        lived: Duration,
        /// Whether that was its period.
        whole: bool,
        /// Whether it spoke.
        heard: bool,
        /// Why, when it was cut.
        cut: Option<String>,
    },
    /// A watch is granted.
    Granted,
    /// Nobody ended the watch in its time: its connection may be dead.
    Overdue,
    /// The watch spoke of a version before the one where it stood.
    Backwards,
    /// The cluster is an earlier one.
    Rewound,
    /// Whoever listens needs a list to be sure of what it holds.
    Unsure,
    /// A request failed.
    Failed {
        /// Which.
        asked: Asked,
        /// Why.
        problem: Problem,
        /// For how long it was waited for.
        took: Duration,
    },
}

/// What is asked for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A list.
    List,
    /// A watch from where the last one stood.
    Watch,
    /// Whether a watch is granted. A list alone may be, and would claim for a moment that all is
    /// known.
    Probe,
}

/// What to do, and before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What to ask for.
    pub next: Next,
    /// How long to wait before.
    pub pause: Duration,
    /// What to say of it.
    pub say: Option<Say>,
}

/// What a failure means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// Something that ends by itself.
    Trouble {
        /// What.
        problem: Problem,
        /// Whether it is worth a line in the log.
        loud: bool,
    },
    /// A right is missing.
    Forbidden(Problem),
    /// The resource is not served.
    NotServed(Problem),
}

/// The course of one list-watch: what failed so far.
#[derive(Debug)]
pub struct Course {
    deadlines: Deadlines,
    list_strikes: u32,
    watch_strikes: u32,
    /// Since when it is refused, without a break.
    refused: Option<Instant>,
    heard: Option<Instant>,
    /// The last watch was cut: its server may come back as an earlier one.
    doubtful: bool,
}

impl Course {
    /// Of a list-watch that begins.
    pub fn new(deadlines: &Deadlines) -> Self {
        Self {
            deadlines: *deadlines,
            list_strikes: 0,
            watch_strikes: 0,
            refused: None,
            heard: None,
            doubtful: false,
        }
    }

    /// Everything until now is known.
    pub fn heard(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// When to ask whether anything happened, in a watch that opened then. After one that was cut it
    /// is at once: where etcd was put back meanwhile, writes may soon overtake what was known, and a
    /// watch that goes on from there would never say what it missed.
    pub fn quiet_at(&self, opened: Instant) -> Instant {
        if self.doubtful {
            return opened;
        }
        let quiet = self.heard.map_or(opened, |heard| heard + self.deadlines.quiet);
        quiet.max(opened + self.deadlines.settle)
    }

    /// It is being asked.
    pub fn asks(&mut self) {
        self.doubtful = false;
    }

    /// For how long to watch: `usual`, or less so that it ends in time after the last word.
    pub fn period(&self, usual: Duration, now: Instant) -> Duration {
        let silent =
            self.heard.map_or(Duration::ZERO, |heard| now.saturating_duration_since(heard));
        let left = self.deadlines.word.saturating_sub(silent).max(self.deadlines.shortest);
        usual.min(left)
    }

    fn silent(&self, now: Instant) -> bool {
        self.heard.is_none_or(|heard| now.saturating_duration_since(heard) >= self.deadlines.quiet)
    }

    /// What follows. `outage` is whether the API server was out of reach or unwell of late; `chance`
    /// is from 0 to 1, and keeps many from doing the same at once.
    pub fn after(&mut self, ended: Ended, now: Instant, outage: bool, chance: f64) -> Step {
        if !matches!(&ended, Ended::Failed { problem, .. } if problem.code() == Some(403)) {
            self.refused = None;
        }
        self.doubtful |= match &ended {
            Ended::Watched { whole, cut, .. } => !whole || cut.is_some(),
            Ended::Overdue => true,
            _ => false,
        };
        match ended {
            Ended::Listed => {
                self.list_strikes = 0;
                self.heard = Some(now);
                self.doubtful = false;
                Step { next: Next::Watch, pause: Duration::ZERO, say: None }
            }
            Ended::Granted => Step { next: Next::List, pause: Duration::ZERO, say: None },
            Ended::Watched { lived, whole, heard, cut }
                if whole || lived >= self.deadlines.long =>
            {
                self.watch_strikes = 0;
                let problem = cut.map(Problem::NoAnswer);
                // Another watch would end too late if it said nothing either.
                let lasts = self.period(self.deadlines.period, now) > self.deadlines.shortest;
                Step {
                    next: if heard && lasts { Next::Watch } else { Next::List },
                    pause: Duration::ZERO,
                    say: problem.map(|problem| Say::Trouble { problem, loud: false }),
                }
            }
            Ended::Watched { lived, cut, .. } => self.after_short_watch(lived, cut, now, chance),
            Ended::Overdue if !self.silent(now) => {
                Step { next: Next::Watch, pause: Duration::ZERO, say: None }
            }
            Ended::Overdue => {
                let text = "the watch went silent and was not ended in its time";
                Step {
                    next: Next::List,
                    pause: Duration::ZERO,
                    say: Some(Say::Trouble {
                        problem: Problem::NoAnswer(text.to_owned()),
                        loud: true,
                    }),
                }
            }
            Ended::Backwards => self.struck("the watch went back to an earlier version", chance),
            Ended::Rewound => self.struck("the revisions of the cluster went back", chance),
            Ended::Unsure => Step { say: None, ..self.struck("", chance) },
            Ended::Failed { asked, problem, took } => {
                self.after_failure(asked, problem, took, now, outage, chance)
            }
        }
    }

    fn after_short_watch(
        &mut self,
        lived: Duration,
        cut: Option<String>,
        now: Instant,
        chance: f64,
    ) -> Step {
        let limits = self.deadlines;
        self.watch_strikes = self.watch_strikes.saturating_add(1);
        // What is cut again and again may never get through, however often it is sent.
        let list = self.silent(now) || (lived < limits.short && self.watch_strikes > 1);
        let pause = self.backoff(self.watch_strikes, limits.longest_after_watch, chance);
        let text =
            cut.unwrap_or_else(|| format!("the watch ended after {:.1} s", lived.as_secs_f32()));
        Step {
            next: if list { Next::List } else { Next::Watch },
            pause: pause.saturating_sub(lived),
            say: Some(Say::Trouble {
                problem: Problem::NoAnswer(text),
                loud: self.watch_strikes > 2,
            }),
        }
    }

    /// After something that is no trouble once.
    fn struck(&mut self, text: &str, chance: f64) -> Step {
        self.watch_strikes = self.watch_strikes.saturating_add(1);
        Step {
            next: Next::List,
            pause: self.backoff(self.watch_strikes - 1, self.deadlines.longest_after_watch, chance),
            say: Some(Say::Trouble {
                problem: Problem::Garbled(text.to_owned()),
                loud: self.watch_strikes > 2,
            }),
        }
    }

    fn after_failure(
        &mut self,
        asked: Asked,
        problem: Problem,
        took: Duration,
        now: Instant,
        outage: bool,
        chance: f64,
    ) -> Step {
        let limits = self.deadlines;
        if problem.code() == Some(410) {
            let step = self.struck("", chance);
            let loud = self.watch_strikes > 2;
            return Step { say: Some(Say::Trouble { problem, loud }), ..step };
        }
        let strikes = match asked {
            Asked::List => &mut self.list_strikes,
            Asked::Watch => &mut self.watch_strikes,
        };
        *strikes = strikes.saturating_add(1);
        let strikes = *strikes;
        let told = |longest| self.backoff(strikes, longest, chance).saturating_sub(took);
        match (problem.code(), asked) {
            (Some(403), _) => {
                let refused = *self.refused.get_or_insert(now);
                let waking = outage && now - refused < limits.waking;
                let pause = self.backoff(strikes, limits.longest_when_told, chance);
                let (pause, say) = if waking {
                    let pause = pause.min(limits.waking / 5);
                    (pause, Say::Trouble { problem, loud: false })
                } else {
                    (pause, Say::Forbidden(problem))
                };
                let next = if asked == Asked::Watch { Next::Probe } else { Next::List };
                Step { next, pause, say: Some(say) }
            }
            // One replica of the API server may not know a definition yet: the next list decides.
            (Some(404 | 405), Asked::Watch) => Step {
                next: Next::List,
                pause: self.backoff(strikes, limits.longest, chance),
                say: Some(Say::Trouble { problem, loud: false }),
            },
            (Some(404 | 405), Asked::List) => Step {
                next: Next::List,
                pause: self.backoff(strikes, limits.longest_when_told, chance),
                say: Some(Say::NotServed(problem)),
            },
            _ => {
                let asked_for = match &problem {
                    Problem::Status { retry_after: Some(time), .. } => *time,
                    _ => Duration::ZERO,
                };
                let pause = told(limits.longest).max(asked_for.min(limits.longest_when_told));
                Step { next: Next::List, pause, say: Some(Say::Trouble { problem, loud: true }) }
            }
        }
    }

    /// Doubles with each strike; the first that counts is 1.
    fn backoff(&self, strikes: u32, longest: Duration, chance: f64) -> Duration {
        let Some(doublings) = strikes.checked_sub(1) else { return Duration::ZERO };
        let whole = self.deadlines.backoff.saturating_mul(1 << doublings.min(16)).min(longest);
        whole.mul_f64(0.75 + chance.clamp(0.0, 1.0) / 4.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn course() -> Course {
        Course::new(&Deadlines::default())
    }

    fn status(code: u16) -> Problem {
        Problem::Status { code, message: "no".to_owned(), retry_after: None }
    }

    fn failed(asked: Asked, problem: Problem) -> Ended {
        Ended::Failed { asked, problem, took: Duration::ZERO }
    }

    fn watched(seconds: f64, heard: bool) -> Ended {
        let lived = Duration::from_secs_f64(seconds);
        Ended::Watched { lived, whole: seconds > 35.0, heard, cut: None }
    }

    /// What follows an end that comes first, long after the last word.
    fn first(ended: Ended) -> Step {
        course().after(ended, Instant::now(), false, 1.0)
    }

    #[test]
    fn each_end_has_its_sequel() {
        use Asked::{List, Watch};
        for (ended, next, pause) in [
            (Ended::Listed, Next::Watch, 0.0),
            (Ended::Granted, Next::List, 0.0),
            (watched(38.0, true), Next::Watch, 0.0),
            (watched(38.0, false), Next::List, 0.0),
            (watched(0.0, false), Next::List, 0.5),
            (watched(0.2, true), Next::List, 0.3),
            (Ended::Overdue, Next::List, 0.0),
            (Ended::Backwards, Next::List, 0.0),
            (Ended::Rewound, Next::List, 0.0),
            (failed(Watch, status(410)), Next::List, 0.0),
            (failed(List, status(410)), Next::List, 0.0),
            (failed(Watch, status(503)), Next::List, 0.5),
            (failed(List, status(401)), Next::List, 0.5),
            (failed(List, Problem::Garbled("x".into())), Next::List, 0.5),
            (failed(List, status(403)), Next::List, 0.5),
            (failed(Watch, status(403)), Next::Probe, 0.5),
            (failed(Watch, status(404)), Next::List, 0.5),
            (failed(List, status(404)), Next::List, 0.5),
        ] {
            let step = first(ended.clone());
            assert_eq!((step.next, step.pause.as_secs_f64()), (next, pause), "{ended:?}");
        }
    }

    #[test]
    fn what_is_said_depends_on_what_failed() {
        let say = |ended| first(ended).say;
        let failure = |asked, code| say(failed(asked, status(code)));
        assert!(matches!(failure(Asked::List, 403), Some(Say::Forbidden(_))));
        assert!(matches!(failure(Asked::Watch, 403), Some(Say::Forbidden(_))));
        assert!(matches!(failure(Asked::List, 404), Some(Say::NotServed(_))));
        // One replica may not know the definition yet.
        assert!(matches!(failure(Asked::Watch, 404), Some(Say::Trouble { loud: false, .. })));
        assert!(matches!(failure(Asked::Watch, 410), Some(Say::Trouble { loud: false, .. })));
        assert!(matches!(failure(Asked::List, 500), Some(Say::Trouble { loud: true, .. })));
        assert_eq!(say(watched(38.0, false)), None);
        assert!(say(watched(1.0, true)).is_some(), "counted as trouble");
    }

    #[test]
    fn waits_double_up_to_their_limit() {
        let now = Instant::now();
        let pauses = |ended: Ended, times: usize| -> Vec<f64> {
            let mut course = course();
            (0..times)
                .map(|_| course.after(ended.clone(), now, false, 1.0).pause.as_secs_f64())
                .collect()
        };
        let unwell = pauses(failed(Asked::List, status(500)), 6);
        assert_eq!(unwell, [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]);
        let refused = pauses(failed(Asked::List, status(403)), 7);
        assert_eq!(refused[4..], [8.0, 8.0, 8.0]);
        let short = pauses(watched(0.0, false), 7);
        assert_eq!(short, [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]);
        let old = pauses(failed(Asked::Watch, status(410)), 7);
        assert_eq!(old, [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0]);
        for many in [100, 1000] {
            assert_eq!(pauses(failed(Asked::List, status(500)), many).last(), Some(&5.0));
        }
    }

    #[test]
    fn what_was_waited_for_is_not_waited_for_again() {
        let problem = Problem::NoAnswer("no answer within 10 s".to_owned());
        let mut course = course();
        for _ in 0..10 {
            let ended =
                Ended::Failed { asked: Asked::List, problem: problem.clone(), took: SECOND * 10 };
            assert_eq!(course.after(ended, Instant::now(), true, 1.0).pause, Duration::ZERO);
        }
    }

    #[test]
    fn a_server_that_says_when_is_heeded_up_to_a_limit() {
        for (asks, waits) in [(0, 500), (3, 3000), (8, 8000), (600, 8000)] {
            let problem = Problem::Status {
                code: 429,
                message: "slow down".to_owned(),
                retry_after: Some(SECOND * asks),
            };
            let step = first(failed(Asked::List, problem));
            assert_eq!(step.pause, Duration::from_millis(waits), "{asks}");
        }
    }

    #[test]
    fn a_list_ends_the_troubles_of_lists_and_only_a_long_watch_those_of_watches() {
        let now = Instant::now();
        let mut course = course();
        let old = failed(Asked::Watch, status(410));
        for millis in [0, 500, 1000, 2000] {
            let pause = course.after(old.clone(), now, false, 1.0).pause;
            assert_eq!(pause, Duration::from_millis(millis));
            course.after(Ended::Listed, now, false, 1.0);
        }
        course.after(watched(31.0, true), now, false, 1.0);
        assert_eq!(course.after(old, now, false, 1.0).pause, Duration::ZERO);
        for _ in 0..5 {
            course.after(failed(Asked::List, status(500)), now, false, 1.0);
        }
        course.after(Ended::Listed, now, false, 1.0);
        let step = course.after(failed(Asked::List, status(500)), now, false, 1.0);
        assert_eq!(step.pause, SECOND / 2);
    }

    #[test]
    fn a_watch_that_is_cut_resumes_while_it_is_heard_of() {
        let now = Instant::now();
        let mut course = course();
        course.after(Ended::Listed, now, false, 1.0);
        let step = course.after(watched(0.1, true), now + SECOND, false, 1.0);
        assert_eq!(step.next, Next::Watch, "once may happen");
        let step = course.after(watched(0.1, true), now + SECOND, false, 1.0);
        assert_eq!(step.next, Next::List, "what is cut each time may hide something");
        course.after(Ended::Listed, now + SECOND, false, 1.0);
        for cut in 1..3 {
            let later = now + SECOND * 12 * cut;
            let step = course.after(watched(12.0, false), later, false, 1.0);
            assert_eq!(step.next, Next::Watch, "a proxy with a short limit");
        }
        let step = course.after(watched(12.0, false), now + SECOND * 36, false, 1.0);
        assert_eq!(step.next, Next::List, "but not heard of for too long");
    }

    #[test]
    fn a_watch_ends_in_time_after_the_last_word() {
        let start = Instant::now();
        let mut course = course();
        course.heard(start);
        for (ago, seconds) in [(0, 40), (10, 40), (17, 33), (30, 20), (45, 15), (300, 15)] {
            let period = course.period(SECOND * 40, start + SECOND * ago);
            assert_eq!(period, SECOND * seconds, "{ago} s after");
        }
        for (ago, next) in [(2, Next::Watch), (34, Next::Watch), (35, Next::List)] {
            let step = course.after(watched(40.0, true), start + SECOND * ago, false, 1.0);
            assert_eq!((step.next, step.say), (next, None), "{ago} s after");
        }
    }

    #[test]
    fn a_watch_that_nobody_ends_is_dead_unless_it_spoke_of_late() {
        let now = Instant::now();
        for (ago, next) in [(7, Next::Watch), (24, Next::Watch), (25, Next::List)] {
            let mut course = course();
            course.heard(now);
            let step = course.after(Ended::Overdue, now + SECOND * ago, false, 1.0);
            assert_eq!((step.next, step.say.is_some()), (next, next == Next::List), "{ago} s ago");
        }
    }

    #[test]
    fn refusals_of_a_server_that_wakes_up_are_not_believed_at_once() {
        let start = Instant::now();
        let mut course = course();
        let refused = failed(Asked::List, status(403));
        let mut said = |seconds: u64, outage| {
            course.after(
                refused.clone(),
                start + SECOND * u32::try_from(seconds).unwrap(),
                outage,
                1.0,
            )
        };
        assert!(matches!(said(0, true).say, Some(Say::Trouble { loud: false, .. })));
        assert!(said(2, true).pause <= SECOND * 2, "soon again");
        assert!(matches!(said(9, true).say, Some(Say::Trouble { .. })));
        assert!(matches!(said(10, true).say, Some(Say::Forbidden(_))));
        course.after(Ended::Listed, start, true, 1.0);
        let step = course.after(refused.clone(), start + SECOND * 20, true, 1.0);
        assert!(matches!(step.say, Some(Say::Trouble { .. })), "it was granted in between");
        let step = course.after(refused, start + SECOND * 21, false, 1.0);
        assert!(matches!(step.say, Some(Say::Forbidden(_))), "no outage explains it");
    }

    #[test]
    fn a_watch_after_one_that_was_cut_is_asked_for_at_once() {
        let now = Instant::now();
        let cut = Some("connection reset".to_owned());
        for (ended, at_once) in [
            (watched(40.0, true), false),
            (Ended::Watched { lived: SECOND * 40, whole: false, heard: true, cut }, true),
            (watched(3.0, true), true),
            (Ended::Overdue, true),
        ] {
            let mut course = course();
            course.after(Ended::Listed, now, false, 1.0);
            course.after(ended.clone(), now + SECOND, false, 1.0);
            assert_eq!(course.quiet_at(now) == now, at_once, "{ended:?}");
            course.asks();
            assert!(course.quiet_at(now) > now, "asked once");
        }
    }

    #[test]
    fn a_quiet_watch_is_asked_for_well_before_it_counts_as_silent() {
        let start = Instant::now();
        let mut course = course();
        course.heard(start);
        assert_eq!(course.quiet_at(start), start + SECOND * 25);
        let opened = start + SECOND * 20;
        assert_eq!(course.quiet_at(opened), opened + SECOND * 10, "a watch may speak at first");
    }
}
