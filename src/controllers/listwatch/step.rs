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
        /// Whether it spoke.
        heard: bool,
        /// Why, when it was cut.
        cut: Option<String>,
    },
    /// A watch is granted.
    Granted,
    /// Nobody ended the watch in its time: its connection is dead.
    Overdue,
    /// The watch spoke of a version before the one where it stood.
    Backwards,
    /// The cluster is an earlier one.
    Rewound,
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
}

impl Course {
    /// Of a list-watch that begins.
    pub fn new(deadlines: Deadlines) -> Self {
        Self { deadlines, list_strikes: 0, watch_strikes: 0, refused: None, heard: None }
    }

    /// Everything until now is known.
    pub fn heard(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// When to ask whether anything happened, in a watch that opened then.
    pub fn quiet_at(&self, opened: Instant) -> Instant {
        let quiet = self.heard.map_or(opened, |heard| heard + self.deadlines.quiet);
        quiet.max(opened + self.deadlines.settle)
    }

    /// What follows. `outage` is whether the API server was out of reach or unwell of late; `chance`
    /// is from 0 to 1, and keeps many from doing the same at once.
    pub fn after(&mut self, ended: Ended, now: Instant, outage: bool, chance: f64) -> Step {
        if !matches!(&ended, Ended::Failed { problem, .. } if problem.code() == Some(403)) {
            self.refused = None;
        }
        match ended {
            Ended::Listed => {
                self.list_strikes = 0;
                self.heard = Some(now);
                Step { next: Next::Watch, pause: Duration::ZERO, say: None }
            }
            Ended::Granted => Step { next: Next::List, pause: Duration::ZERO, say: None },
            Ended::Watched { lived, heard, cut } => self.after_watch(lived, heard, cut, now, chance),
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
            Ended::Failed { asked, problem, took } => {
                self.after_failure(asked, problem, took, now, outage, chance)
            }
        }
    }

    fn after_watch(
        &mut self,
        lived: Duration,
        heard: bool,
        cut: Option<String>,
        now: Instant,
        chance: f64,
    ) -> Step {
        let limits = self.deadlines;
        if lived >= limits.long {
            self.watch_strikes = 0;
            let say = cut.map(|cut| Say::Trouble { problem: Problem::NoAnswer(cut), loud: false });
            let next = if heard { Next::Watch } else { Next::List };
            return Step { next, pause: Duration::ZERO, say };
        }
        self.watch_strikes = self.watch_strikes.saturating_add(1);
        let silent = self.heard.is_none_or(|heard| now - heard >= limits.quiet);
        // What is cut again and again may never get through, however often it is sent.
        let list = silent || (lived < limits.short && self.watch_strikes > 1);
        let pause = self.backoff(self.watch_strikes, limits.longest_after_watch, chance);
        let text = cut.unwrap_or_else(|| {
            format!("the watch ended after {:.1} s", lived.as_secs_f32())
        });
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
            pause: self.backoff(
                self.watch_strikes - 1,
                self.deadlines.longest_after_watch,
                chance,
            ),
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
