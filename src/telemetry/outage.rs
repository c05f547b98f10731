//! Outages of the API server in the log: a few lines for each, however many watches and writes fail.

use std::{
    collections::BTreeMap,
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use kube::runtime::watcher;

/// What fails is tried again at least this often; what has not failed for longer works again.
const SILENCE: Duration = Duration::from_secs(75);

/// How long nothing may have failed before an outage is said to be over.
const CALM: Duration = Duration::from_secs(5);

/// How often what lasts is said again.
const REMIND: Duration = Duration::from_mins(10);

/// An outage is said again once this many times as much fails.
const SPREAD: usize = 4;

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer came.
    NoAnswer,
    /// The API server, or what stands before it, can't serve now (429 and 5xx).
    Unwell,
    /// It refused, and will until somebody acts.
    Refused,
}

impl Failure {
    /// What an error of the client means.
    pub fn of(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_code(status.code),
            kube::Error::SerdeError(_)
            | kube::Error::BuildRequest(_)
            | kube::Error::InferConfig(_)
            | kube::Error::Discovery(_) => Self::Refused,
            _ => Self::NoAnswer,
        }
    }

    /// What an error of a watch means; None for a resource version that is too old, after which the
    /// kind is just listed anew.
    pub fn of_watch(error: &watcher::Error) -> Option<Self> {
        match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => match error {
                kube::Error::Api(status) if status.code == 410 => None,
                error => Some(Self::of(error)),
            },
            watcher::Error::WatchError(status) if status.code == 410 => None,
            watcher::Error::WatchError(status) => Some(Self::of_code(status.code)),
            watcher::Error::NoResourceVersion => Some(Self::Refused),
        }
    }

    /// What an HTTP status means.
    pub fn of_code(code: u16) -> Self {
        if code == 429 || code >= 500 { Self::Unwell } else { Self::Refused }
    }
}

/// What fails of the operator's dealings with the API server. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Outages(Arc<Mutex<Ledger>>);

impl Outages {
    /// Something failed. Logs it, if it is news; `remedy` is for what is refused.
    pub fn failed(&self, what: &str, failure: Failure, error: &dyn Display, remedy: &str) {
        let said = self.lock().failed(what, failure, &error.to_string(), Instant::now());
        match said {
            None => tracing::debug!(what, %error, "failed again"),
            Some(Said::Begins) => tracing::warn!(
                what,
                %error,
                "the API server can't be reached or is unwell: it is tried again, verdicts stay for two minutes, and then controls turn Unknown. See that it runs, that the network lets the operator through, and for an aggregated API its APIService"
            ),
            Some(Said::Spreads { failing }) => {
                tracing::warn!(failing, what, %error, "more requests to the API server fail");
            }
            Some(Said::Lasts { failing, since }) => tracing::warn!(
                failing,
                minutes = since.as_secs() / 60,
                what,
                %error,
                "the API server still can't be reached or is unwell"
            ),
            Some(Said::Refused) => tracing::warn!(what, %error, "{remedy}"),
        }
    }

    /// Something that had failed works.
    pub fn worked(&self, what: &str) {
        let recovered = self.lock().worked(what);
        if recovered {
            tracing::info!(what, "is granted now");
        }
    }

    /// An answer came, of whatever kind.
    pub fn answered(&self) {
        self.lock().answered(Instant::now());
    }

    /// Says so if an outage is over. To be called from time to time.
    pub fn settle(&self) {
        let over = self.lock().settle(Instant::now());
        if let Some(Over { lasted, failures }) = over {
            tracing::info!(seconds = lasted.as_secs(), failures, "the API server answers again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is worth a line.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Begins,
    Spreads { failing: usize },
    Lasts { failing: usize, since: Duration },
    Refused,
}

/// The end of an outage.
#[derive(Debug, PartialEq, Eq)]
struct Over {
    lasted: Duration,
    failures: u64,
}

#[derive(Debug, Default)]
struct Ledger {
    outage: Option<Outage>,
    answered: Option<Instant>,
    /// By what is refused: the text that was said, and when.
    refused: BTreeMap<String, (String, Instant)>,
}

#[derive(Debug)]
struct Outage {
    began: Instant,
    said_at: Instant,
    /// How many things had failed when that was last said.
    said: usize,
    failures: u64,
    failing: BTreeMap<String, (Failure, Instant)>,
    last: Instant,
}

impl Ledger {
    fn failed(&mut self, what: &str, failure: Failure, error: &str, now: Instant) -> Option<Said> {
        if failure == Failure::Refused {
            let known = self
                .refused
                .get(what)
                .is_some_and(|(text, at)| text == error && now.duration_since(*at) < REMIND);
            if known {
                return None;
            }
            self.refused.insert(what.to_owned(), (error.to_owned(), now));
            return Some(Said::Refused);
        }
        let begins = self.outage.is_none();
        let outage = self.outage.get_or_insert_with(|| Outage {
            began: now,
            said_at: now,
            said: 1,
            failures: 0,
            failing: BTreeMap::new(),
            last: now,
        });
        outage.failures += 1;
        outage.last = now;
        outage.failing.insert(what.to_owned(), (failure, now));
        let failing = outage.failing.len();
        if begins {
            return Some(Said::Begins);
        }
        if failing >= outage.said.saturating_mul(SPREAD) {
            outage.said = failing;
            outage.said_at = now;
            return Some(Said::Spreads { failing });
        }
        if now.duration_since(outage.said_at) >= REMIND {
            outage.said_at = now;
            return Some(Said::Lasts { failing, since: now.duration_since(outage.began) });
        }
        None
    }

    /// True when it had been refused.
    fn worked(&mut self, what: &str) -> bool {
        if let Some(outage) = &mut self.outage {
            outage.failing.remove(what);
        }
        self.refused.remove(what).is_some()
    }

    fn answered(&mut self, now: Instant) {
        self.answered = Some(now);
    }

    fn settle(&mut self, now: Instant) -> Option<Over> {
        let answered = self.answered;
        let outage = self.outage.as_mut()?;
        // A watch that is taken up again is silent; that anything was answered since says enough
        // for what had got no answer.
        outage.failing.retain(|_, (failure, at)| {
            let reached = *failure == Failure::NoAnswer && answered.is_some_and(|time| time > *at);
            !reached && now.duration_since(*at) < SILENCE
        });
        if !outage.failing.is_empty() || now.duration_since(outage.last) < CALM {
            return None;
        }
        let end = answered.map_or(outage.last, |time| time.max(outage.last).min(now));
        let over = Over { lasted: end.duration_since(outage.began), failures: outage.failures };
        self.outage = None;
        Some(over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn an_outage_is_a_few_lines() {
        let start = Instant::now();
        let mut ledger = Ledger::default();
        let mut lines = 0;
        for second in 0..60 {
            for kind in 0..30 {
                let said = ledger.failed(
                    &format!("kind {kind}"),
                    Failure::NoAnswer,
                    "connection refused",
                    start + seconds(second),
                );
                lines += usize::from(said.is_some());
            }
            assert_eq!(ledger.settle(start + seconds(second)), None);
        }
        assert_eq!(lines, 3, "begins, spreads to 4, spreads to 16");
        ledger.answered(start + seconds(61));
        assert_eq!(ledger.settle(start + seconds(62)), None, "it may begin again at once");
        let over = ledger.settle(start + seconds(65));
        assert_eq!(over.map(|over| over.lasted), Some(seconds(61)), "until the first answer");
        assert_eq!(ledger.settle(start + seconds(90)), None);
    }

    #[test]
    fn what_lasts_is_said_again_now_and_then() {
        let start = Instant::now();
        let mut ledger = Ledger::default();
        let said: Vec<_> = (0..180)
            .filter_map(|step| {
                let now = start + seconds(step * 10);
                ledger.settle(now);
                ledger.failed("metrics", Failure::Unwell, "503", now)
            })
            .collect();
        let lasts = |minutes: u64| Said::Lasts { failing: 1, since: seconds(minutes * 60) };
        assert_eq!(said, [Said::Begins, lasts(10), lasts(20)]);
        ledger.answered(start + seconds(1795));
        assert_eq!(ledger.settle(start + seconds(1800)), None, "an answer is not this answer");
        assert!(ledger.settle(start + seconds(1790 + 75)).is_some());
    }

    #[test]
    fn a_refusal_is_said_once_until_it_changes() {
        let start = Instant::now();
        let mut ledger = Ledger::default();
        let mut refuse = |text: &str, at| {
            ledger.failed("pods", Failure::Refused, text, start + seconds(at)).is_some()
        };
        assert!(refuse("forbidden", 0));
        assert!(!refuse("forbidden", 30));
        assert!(refuse("forbidden to bob", 60));
        assert!(!refuse("forbidden to bob", 600));
        assert!(refuse("forbidden to bob", 700));
        assert!(ledger.worked("pods"));
        assert!(!ledger.worked("pods"));
        assert_eq!(ledger.settle(start + seconds(800)), None, "no outage");
    }
}
