//! Logs outages of the API server: a few lines for each, however many watches and writes fail.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::failure::{RequestFailure, bounded};

#[cfg(test)]
mod tests;

/// Everything is retried more often than this, so what has not failed for longer works again.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(75);

/// How long nothing must fail before an outage counts as over.
const CALM: Duration = Duration::from_secs(5);

/// How long an API server that answers again may deny what it will grant: it serves requests before it
/// has read all roles and bindings.
const STARTING: Duration = Duration::from_secs(30);

/// How often a lasting problem is logged again.
const REMIND: Duration = Duration::from_mins(10);

/// An outage is logged again once this many times as many things fail.
const SPREAD: usize = 4;

/// How many refusals are logged in a [`MINUTE`]; one more line then says that there are more.
const REJECTIONS: usize = 12;

const MINUTE: Duration = Duration::from_mins(1);

/// How many refusals are remembered, so that each is logged once.
const REMEMBERED: usize = 1024;

/// Everything of the operator that fails at the API server. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Outages(Arc<Mutex<OutageTracker>>);

impl Outages {
    /// Notes that `what` failed, and logs it if that is new. `remedy` says what to do if it was rejected
    /// or denied.
    pub fn failed(&self, what: &str, failure: RequestFailure, error: &dyn Display, remedy: &str) {
        let error = bounded(&error.to_string());
        let line = self.lock().failed(what, failure, &error, Instant::now());
        match line {
            None => tracing::debug!(what, error, "failed again"),
            Some(LogLine::Begins) => tracing::warn!(what, error, "{}", failure.remedy()),
            Some(LogLine::Spreads { failing }) => {
                tracing::warn!(
                    failing,
                    what,
                    error,
                    "more requests to the API server fail: see the first line of this outage for what to do"
                );
            }
            Some(LogLine::Lasts { failing, since }) => tracing::warn!(
                failing,
                minutes = since.as_secs() / 60,
                what,
                error,
                "the outage continues: {}",
                failure.remedy()
            ),
            Some(LogLine::Rejected) => tracing::warn!(what, error, "{remedy}"),
            Some(LogLine::TooMany) => tracing::warn!(
                what,
                error,
                "more requests are rejected than are logged one by one: fix what the previous lines name, or set RUST_LOG=debug to see all"
            ),
        }
    }

    /// Notes that `what` works.
    pub fn recovered(&self, what: &str) {
        let recovered = self.lock().recovered(what);
        if recovered {
            tracing::info!(what, "allowed now");
        }
    }

    /// Notes that the API server answered, with success or an error.
    pub fn answered(&self) {
        self.lock().answered(Instant::now());
    }

    /// Logs the end of an outage that is over. To be called every few seconds.
    pub fn settle(&self) {
        let over = self.lock().settle(Instant::now());
        if let Some(OutageEnd { lasted, failures }) = over {
            tracing::info!(seconds = lasted.as_secs(), failures, "the API server answers again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, OutageTracker> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line to log.
#[derive(Debug, PartialEq, Eq)]
enum LogLine {
    Begins,
    Spreads {
        failing: usize,
    },
    Lasts {
        failing: usize,
        since: Duration,
    },
    Rejected,
    /// More is rejected than is logged.
    TooMany,
}

/// An outage that is over.
#[derive(Debug, PartialEq, Eq)]
struct OutageEnd {
    lasted: Duration,
    failures: u64,
}

#[derive(Debug, Default)]
struct OutageTracker {
    outage: Option<ApiOutage>,
    /// When the API server itself failed last.
    down: Option<Instant>,
    answered: Option<Instant>,
    /// What is rejected, with the error that was logged and when.
    rejected: BTreeMap<String, (String, Instant)>,
    /// When rejections were logged in the last minute.
    logged: VecDeque<Instant>,
}

#[derive(Debug)]
struct ApiOutage {
    began: Instant,
    logged_at: Instant,
    /// How many things were failing in the last logged line.
    logged: usize,
    failures: u64,
    failing: BTreeMap<String, (RequestFailure, Instant)>,
    last: Instant,
}

impl OutageTracker {
    fn failed(
        &mut self,
        what: &str,
        failure: RequestFailure,
        error: &str,
        now: Instant,
    ) -> Option<LogLine> {
        match failure {
            RequestFailure::Rejected => return self.rejected(what, error, now),
            RequestFailure::Denied => {
                let starting = self.down.is_some_and(|at| now.duration_since(at) < STARTING);
                if !starting {
                    return self.rejected(what, error, now);
                }
                // Right after an outage was logged as over, a new one would only confuse.
                self.outage.as_ref()?;
            }
            // The API server is up, so this explains no later denial.
            RequestFailure::Conflict => {}
            RequestFailure::NoAnswer
            | RequestFailure::Unavailable
            | RequestFailure::Unauthorized => self.down = Some(now),
        }
        let begins = self.outage.is_none();
        let outage = self.outage.get_or_insert_with(|| ApiOutage {
            began: now,
            logged_at: now,
            logged: 1,
            failures: 0,
            failing: BTreeMap::new(),
            last: now,
        });
        outage.failures += 1;
        outage.last = now;
        outage.failing.insert(what.to_owned(), (failure, now));
        let failing = outage.failing.len();
        if begins {
            return Some(LogLine::Begins);
        }
        if failing >= outage.logged.saturating_mul(SPREAD) {
            outage.logged = failing;
            outage.logged_at = now;
            return Some(LogLine::Spreads { failing });
        }
        if now.duration_since(outage.logged_at) >= REMIND {
            outage.logged_at = now;
            return Some(LogLine::Lasts { failing, since: now.duration_since(outage.began) });
        }
        None
    }

    fn rejected(&mut self, what: &str, error: &str, now: Instant) -> Option<LogLine> {
        let known = self
            .rejected
            .get(what)
            .is_some_and(|(text, at)| text == error && now.duration_since(*at) < REMIND);
        if known {
            return None;
        }
        self.logged.retain(|at| now.duration_since(*at) < MINUTE);
        // A missing permission may affect hundreds of objects at once.
        if self.logged.len() > REJECTIONS {
            return None;
        }
        self.logged.push_back(now);
        if self.logged.len() > REJECTIONS {
            return Some(LogLine::TooMany);
        }
        // Objects come and go with names of their own, so what is remembered must be bounded.
        if self.rejected.len() >= REMEMBERED {
            self.rejected.retain(|_, (_, at)| now.duration_since(*at) < REMIND);
        }
        self.rejected.insert(what.to_owned(), (error.to_owned(), now));
        Some(LogLine::Rejected)
    }

    /// True if it had been rejected.
    fn recovered(&mut self, what: &str) -> bool {
        if let Some(outage) = &mut self.outage {
            outage.failing.remove(what);
        }
        self.rejected.remove(what).is_some()
    }

    fn answered(&mut self, now: Instant) {
        self.answered = Some(now);
    }

    fn settle(&mut self, now: Instant) -> Option<OutageEnd> {
        let answered = self.answered;
        let outage = self.outage.as_mut()?;
        // A watch that works again may have nothing to report, so any response since then counts as
        // recovery for what got no response.
        outage.failing.retain(|_, (failure, at)| {
            let age = now.duration_since(*at);
            match failure {
                RequestFailure::NoAnswer if answered.is_some_and(|time| time > *at) => false,
                // It would have been retried within seconds, unless nobody needs it any more.
                RequestFailure::Conflict => age < STARTING,
                _ => age < FORGOTTEN_AFTER,
            }
        });
        if !outage.failing.is_empty() || now.duration_since(outage.last) < CALM {
            return None;
        }
        // It ended with the first response after the last failure, and not when this is noticed.
        let end = answered.map_or(outage.last, |time| time.max(outage.last).min(now));
        let over =
            OutageEnd { lasted: end.duration_since(outage.began), failures: outage.failures };
        self.outage = None;
        Some(over)
    }
}
