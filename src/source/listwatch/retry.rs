//! What a list-watch does next: decisions without a client or a clock.

use std::time::Duration;

use tokio::time::Instant;

use super::{deadlines::Deadlines, request::RequestError};

#[cfg(test)]
mod tests;

/// The kind of a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// A page of a list.
    List,
    /// Opening a watch, or reading its events.
    Watch,
}

/// How a list or a watch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEnd {
    /// The list is complete.
    Listed,
    /// The server or the connection ended the watch.
    Watched {
        /// How long it was open.
        lived: Duration,
        /// Whether it was open for the whole period that was asked for.
        full_period: bool,
        /// Whether it sent an event or a bookmark.
        confirmed: bool,
        /// The error of the connection; None if the response ended properly.
        cut: Option<String>,
    },
    /// The probe was answered: the resource may be watched.
    WatchAllowed,
    /// Nobody ended the watch in time, so its connection may be dead.
    Overdue,
    /// The watch sent a lower resource version than before.
    OlderEvent,
    /// The cluster was restored to an earlier state.
    ClusterRestored,
    /// The handler asked for a new list.
    ListNeeded,
    Failed {
        request: RequestKind,
        error: RequestError,
        /// How long it took to fail.
        took: Duration,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextRequest {
    List,
    /// A watch from the current resource version.
    Watch,
    /// A watch only to see whether it is allowed. `list` alone may be granted: a list would then
    /// claim for a moment that everything is known.
    Probe,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryStep {
    /// What to ask for.
    pub next: NextRequest,
    /// How long to pause before that.
    pub pause: Duration,
    /// What to report before the pause; None if nothing failed.
    pub report: Option<Report>,
}

/// What a failure means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// It is expected to end by itself.
    Failure {
        error: RequestError,
        /// Whether it is worth a line in the operator's log.
        loud: bool,
    },
    /// A permission is missing.
    Forbidden(RequestError),
    /// The resource is not served.
    NotServed(RequestError),
}

/// What failed so far in one list-watch, and what that means for the next request.
#[derive(Debug)]
pub struct RetryState {
    deadlines: Deadlines,
    list_failures: u32,
    watch_failures: u32,
    /// Since when every answer was 403.
    forbidden_since: Option<Instant>,
    /// When everything was known last.
    confirmed_at: Option<Instant>,
    /// The last watch was cut, so its server may come back with an earlier state.
    was_cut: bool,
}

impl RetryState {
    /// The state of a list-watch that begins.
    pub fn new(deadlines: &Deadlines) -> Self {
        Self {
            deadlines: *deadlines,
            list_failures: 0,
            watch_failures: 0,
            forbidden_since: None,
            confirmed_at: None,
            was_cut: false,
        }
    }

    /// Notes that everything up to now is known.
    pub fn confirmed(&mut self, now: Instant) {
        self.confirmed_at = Some(now);
    }

    /// When a watch that was opened at `opened` must be checked by a consistent read. After a watch
    /// that was cut that is at once: if etcd was restored meanwhile, new writes may soon exceed the
    /// known resource version, and a watch that resumes from there would never show what it missed.
    pub fn check_at(&self, opened: Instant) -> Instant {
        if self.was_cut {
            return opened;
        }
        let quiet = self.confirmed_at.map_or(opened, |at| at + self.deadlines.quiet);
        quiet.max(opened + self.deadlines.settle)
    }

    /// Notes that the check was sent.
    pub fn check_sent(&mut self) {
        self.was_cut = false;
    }

    /// How long to watch: `usual`, or less so that the watch ends in time after the last
    /// confirmation.
    pub fn watch_period(&self, usual: Duration, now: Instant) -> Duration {
        let silent =
            self.confirmed_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let left = self.deadlines.max_silence.saturating_sub(silent);
        usual.min(left.max(self.deadlines.min_period))
    }

    fn is_silent(&self, now: Instant) -> bool {
        self.confirmed_at.is_none_or(|at| now.saturating_duration_since(at) >= self.deadlines.quiet)
    }

    /// What follows an end. `outage` is whether the API server was recently unreachable or unhealthy.
    /// `random`, from 0 to 1, keeps many list-watches from retrying at the same moment.
    pub fn next_step(
        &mut self,
        ended: WatchEnd,
        now: Instant,
        outage: bool,
        random: f64,
    ) -> RetryStep {
        if !matches!(&ended, WatchEnd::Failed { error, .. } if error.code() == Some(403)) {
            self.forbidden_since = None;
        }
        self.was_cut |= match &ended {
            WatchEnd::Watched { full_period, cut, .. } => !full_period || cut.is_some(),
            WatchEnd::Overdue => true,
            _ => false,
        };
        match ended {
            WatchEnd::Listed => {
                self.list_failures = 0;
                self.confirmed_at = Some(now);
                self.was_cut = false;
                RetryStep { next: NextRequest::Watch, pause: Duration::ZERO, report: None }
            }
            WatchEnd::WatchAllowed => {
                RetryStep { next: NextRequest::List, pause: Duration::ZERO, report: None }
            }
            WatchEnd::Watched { lived, full_period, confirmed, cut }
                if full_period || lived >= self.deadlines.long_lived =>
            {
                self.watch_failures = 0;
                let error = cut.map(RequestError::NoAnswer);
                // With little time left, one more silent watch would end after the kind went stale.
                let lasts =
                    self.watch_period(self.deadlines.period, now) > self.deadlines.min_period;
                RetryStep {
                    next: if confirmed && lasts { NextRequest::Watch } else { NextRequest::List },
                    pause: Duration::ZERO,
                    report: error.map(|error| Report::Failure { error, loud: false }),
                }
            }
            WatchEnd::Watched { lived, cut, .. } => self.after_short_watch(lived, cut, now, random),
            WatchEnd::Overdue if !self.is_silent(now) => {
                RetryStep { next: NextRequest::Watch, pause: Duration::ZERO, report: None }
            }
            WatchEnd::Overdue => {
                let text = "the watch went silent and was not ended in time";
                RetryStep {
                    next: NextRequest::List,
                    pause: Duration::ZERO,
                    report: Some(Report::Failure {
                        error: RequestError::NoAnswer(text.to_owned()),
                        loud: true,
                    }),
                }
            }
            WatchEnd::OlderEvent => {
                self.relist("the watch went back to an earlier version", random)
            }
            WatchEnd::ClusterRestored => {
                self.relist("the revisions of the cluster went back", random)
            }
            WatchEnd::ListNeeded => RetryStep { report: None, ..self.relist("", random) },
            WatchEnd::Failed { request, error, took } => {
                self.after_failure(request, error, took, now, outage, random)
            }
        }
    }

    fn after_short_watch(
        &mut self,
        lived: Duration,
        cut: Option<String>,
        now: Instant,
        random: f64,
    ) -> RetryStep {
        let limits = self.deadlines;
        self.watch_failures = self.watch_failures.saturating_add(1);
        // An event that cuts the connection each time it is sent would never arrive by watching.
        let list = self.is_silent(now) || (lived < limits.short_lived && self.watch_failures > 1);
        let pause = self.backoff(self.watch_failures, limits.max_backoff_after_watch, random);
        let text =
            cut.unwrap_or_else(|| format!("the watch ended after {:.1} s", lived.as_secs_f32()));
        RetryStep {
            next: if list { NextRequest::List } else { NextRequest::Watch },
            // The time that the watch lived was a pause already.
            pause: pause.saturating_sub(lived),
            report: Some(Report::Failure {
                error: RequestError::NoAnswer(text),
                // Proxies and rolling updates cut a watch now and then.
                loud: self.watch_failures > 2,
            }),
        }
    }

    /// Lists again: at once the first time, with pauses if it recurs.
    fn relist(&mut self, reason: &str, random: f64) -> RetryStep {
        self.watch_failures = self.watch_failures.saturating_add(1);
        let pause =
            self.backoff(self.watch_failures - 1, self.deadlines.max_backoff_after_watch, random);
        RetryStep {
            next: NextRequest::List,
            pause,
            report: Some(Report::Failure {
                error: RequestError::Malformed(reason.to_owned()),
                loud: self.watch_failures > 2,
            }),
        }
    }

    fn after_failure(
        &mut self,
        request: RequestKind,
        error: RequestError,
        took: Duration,
        now: Instant,
        outage: bool,
        random: f64,
    ) -> RetryStep {
        let limits = self.deadlines;
        // 410 Gone: the resource version expired, which is normal after a pause.
        if error.code() == Some(410) {
            let step = self.relist("", random);
            let loud = self.watch_failures > 2;
            return RetryStep { report: Some(Report::Failure { error, loud }), ..step };
        }
        let failures = match request {
            RequestKind::List => &mut self.list_failures,
            RequestKind::Watch => &mut self.watch_failures,
        };
        *failures = failures.saturating_add(1);
        let failures = *failures;
        match (error.code(), request) {
            (Some(403), _) => {
                let since = *self.forbidden_since.get_or_insert(now);
                let starting = outage && now - since < limits.startup_refusals;
                let pause = self.backoff(failures, limits.max_backoff_when_refused, random);
                // An API server that starts refuses everything until it has read its roles. Believing
                // that would turn every control Unknown, Forbidden after each restart.
                let (pause, report) = if starting {
                    let pause = pause.min(limits.startup_refusals / 15);
                    (pause, Report::Failure { error, loud: false })
                } else {
                    (pause, Report::Forbidden(error))
                };
                let next = match request {
                    RequestKind::Watch => NextRequest::Probe,
                    RequestKind::List => NextRequest::List,
                };
                RetryStep { next, pause, report: Some(report) }
            }
            // One replica of the API server may not know a new CRD yet: the list decides.
            (Some(404 | 405), RequestKind::Watch) => RetryStep {
                next: NextRequest::List,
                pause: self.backoff(failures, limits.max_backoff, random),
                report: Some(Report::Failure { error, loud: false }),
            },
            (Some(404 | 405), RequestKind::List) => RetryStep {
                next: NextRequest::List,
                pause: self.backoff(failures, limits.max_backoff_when_refused, random),
                report: Some(Report::NotServed(error)),
            },
            _ => {
                // A server may name an hour; then the kind would be stale long before.
                let retry_after = match &error {
                    RequestError::Status { retry_after: Some(time), .. } => {
                        (*time).min(limits.max_backoff_when_refused)
                    }
                    _ => Duration::ZERO,
                };
                // A request that took 10 s to fail has been a pause already.
                let pause = self.backoff(failures, limits.max_backoff, random).saturating_sub(took);
                RetryStep {
                    next: NextRequest::List,
                    pause: pause.max(retry_after),
                    report: Some(Report::Failure { error, loud: true }),
                }
            }
        }
    }

    /// Exponential backoff up to `longest`, less up to a quarter at random; zero for no failure.
    fn backoff(&self, failures: u32, longest: Duration, random: f64) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let whole =
            self.deadlines.first_backoff.saturating_mul(1 << doublings.min(16)).min(longest);
        whole.mul_f64(0.75 + random.clamp(0.0, 1.0) / 4.0)
    }
}
