//! Outages of the API server in the log: a few lines for each, however many watches and writes fail.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::outage_text::{bounded, of_answer};

/// What fails is tried again at least this often; what has not failed for longer works again.
const SILENCE: Duration = Duration::from_secs(75);

/// How long nothing may have failed before an outage is said to be over.
const CALM: Duration = Duration::from_secs(5);

/// How long an API server that answers again may deny what it will grant: it serves before it has
/// read all roles and bindings.
const HEALING: Duration = Duration::from_secs(30);

/// How often what lasts is said again.
const REMIND: Duration = Duration::from_mins(10);

/// An outage is said again once this many times as much fails.
const SPREAD: usize = 4;

/// How many refusals are said in a [`MINUTE`]; the next line says that there are more.
const REFUSALS: usize = 12;

const MINUTE: Duration = Duration::from_mins(1);

/// How many refusals are remembered, so that each is said once.
const REMEMBERED: usize = 1024;

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No answer came.
    NoAnswer,
    /// The API server, or what stands before it, can't serve now (429 and 5xx), or answers what
    /// nobody can read.
    Unwell,
    /// It does not know who asks (401).
    Unauthorized,
    /// Others change the same objects all the time (409).
    Conflict,
    /// A right is missing (403).
    Denied,
    /// It refused what was asked for, and will until somebody acts.
    Refused,
}

impl Failure {
    /// What an error of the client means.
    pub fn of(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_code(status.code),
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => Self::Unwell,
            kube::Error::BuildRequest(_)
            | kube::Error::InferConfig(_)
            | kube::Error::Discovery(_) => Self::Refused,
            _ => Self::NoAnswer,
        }
    }

    /// What an answer with this HTTP status means.
    pub fn of_code(code: u16) -> Self {
        match code {
            401 => Self::Unauthorized,
            403 => Self::Denied,
            409 => Self::Conflict,
            408 | 429 => Self::Unwell,
            code if code >= 500 => Self::Unwell,
            _ => Self::Refused,
        }
    }

    /// An error of the client in a few words, without what was sent or read: that may name people.
    pub fn told(error: &kube::Error) -> String {
        match error {
            kube::Error::Api(status) => of_answer(status),
            kube::Error::SerdeError(error) => {
                format!(
                    "the answer can't be read (line {}, column {})",
                    error.line(),
                    error.column()
                )
            }
            kube::Error::FromUtf8(_) => "the answer is no text".to_owned(),
            error => bounded(&error.to_string()),
        }
    }

    /// What an outage that begins like this is, and what to do.
    const fn remedy(self) -> &'static str {
        match self {
            Self::Unauthorized => {
                "the API server does not know the operator any more: it is tried again, and controls turn Unknown after a minute. See that the token or certificate of its ServiceAccount is valid and that the clocks agree"
            }
            Self::Conflict => {
                "the API server answers with conflicts: the write is tried again. See who else writes the status of controls, such as a second operator"
            }
            _ => {
                "the API server can't be reached or is unwell: it is tried again, verdicts stay for a minute, and then controls turn Unknown. See that it runs, that the network lets the operator through, and for an aggregated API its APIService"
            }
        }
    }
}

/// What fails of the operator's dealings with the API server. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Outages(Arc<Mutex<Ledger>>);

impl Outages {
    /// Something failed. Logs it, if it is news; `remedy` is for what is refused.
    pub fn failed(&self, what: &str, failure: Failure, error: &dyn Display, remedy: &str) {
        let error = bounded(&error.to_string());
        let said = self.lock().failed(what, failure, &error, Instant::now());
        match said {
            None => tracing::debug!(what, error, "failed again"),
            Some(Said::Begins) => tracing::warn!(what, error, "{}", failure.remedy()),
            Some(Said::Spreads { failing }) => {
                tracing::warn!(
                    failing,
                    what,
                    error,
                    "more requests to the API server fail: what to do is with the first line of this outage"
                );
            }
            Some(Said::Lasts { failing, since }) => tracing::warn!(
                failing,
                minutes = since.as_secs() / 60,
                what,
                error,
                "it still is so: {}",
                failure.remedy()
            ),
            Some(Said::Refused) => tracing::warn!(what, error, "{remedy}"),
            Some(Said::Crowded) => tracing::warn!(
                what,
                error,
                "more requests are refused than are logged one by one: mend what the lines before name, or set RUST_LOG=debug to see all"
            ),
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
    Spreads {
        failing: usize,
    },
    Lasts {
        failing: usize,
        since: Duration,
    },
    Refused,
    /// There is more of it than is said.
    Crowded,
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
    /// When something last failed of the kind that an outage is made of.
    down: Option<Instant>,
    answered: Option<Instant>,
    /// By what is refused: the text that was said, and when.
    refused: BTreeMap<String, (String, Instant)>,
    /// When refusals were said in the last minute.
    said: VecDeque<Instant>,
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
        match failure {
            Failure::Refused => return self.refused(what, error, now),
            Failure::Denied => {
                let heals = self.down.is_some_and(|at| now.duration_since(at) < HEALING);
                if !heals {
                    return self.refused(what, error, now);
                }
                // Of an outage that is said to be over nothing more is said.
                self.outage.as_ref()?;
            }
            Failure::Conflict => {}
            Failure::NoAnswer | Failure::Unwell | Failure::Unauthorized => self.down = Some(now),
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

    fn refused(&mut self, what: &str, error: &str, now: Instant) -> Option<Said> {
        let known = self
            .refused
            .get(what)
            .is_some_and(|(text, at)| text == error && now.duration_since(*at) < REMIND);
        if known {
            return None;
        }
        self.said.retain(|at| now.duration_since(*at) < MINUTE);
        if self.said.len() > REFUSALS {
            return None;
        }
        self.said.push_back(now);
        if self.said.len() > REFUSALS {
            return Some(Said::Crowded);
        }
        if self.refused.len() >= REMEMBERED {
            self.refused.retain(|_, (_, at)| now.duration_since(*at) < REMIND);
        }
        self.refused.insert(what.to_owned(), (error.to_owned(), now));
        Some(Said::Refused)
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
            let age = now.duration_since(*at);
            match failure {
                Failure::NoAnswer if answered.is_some_and(|time| time > *at) => false,
                // It is tried again within seconds, or nobody needs it any more.
                Failure::Conflict => age < HEALING,
                _ => age < SILENCE,
            }
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
    fn what_a_healing_api_server_denies_is_part_of_its_outage() {
        let start = Instant::now();
        let mut ledger = Ledger::default();
        let kind = |n: usize| format!("kind {n}");
        assert_eq!(ledger.failed("a", Failure::NoAnswer, "refused", start), Some(Said::Begins));
        let mut said = Vec::new();
        for second in 1..8 {
            for n in 0..3 {
                said.extend(ledger.failed(
                    &kind(n),
                    Failure::Denied,
                    "403",
                    start + seconds(second),
                ));
            }
        }
        assert_eq!(said, [Said::Spreads { failing: 4 }]);
        for what in ["a", "kind 0", "kind 1", "kind 2"] {
            assert!(!ledger.worked(what));
        }
        assert!(ledger.settle(start + seconds(13)).is_some());
        assert_eq!(ledger.failed("kind 0", Failure::Denied, "403", start + seconds(14)), None);
        // What is still denied then is a right that is missing.
        let late = ledger.failed("kind 0", Failure::Denied, "403", start + seconds(40));
        assert_eq!(late, Some(Said::Refused));
    }

    #[test]
    fn long_trouble_with_many_objects_is_tens_of_lines() {
        for failure in [
            Failure::Unauthorized,
            Failure::Conflict,
            Failure::Unwell,
            Failure::Denied,
            Failure::Refused,
        ] {
            let start = Instant::now();
            let mut ledger = Ledger::default();
            let mut lines = 0;
            for second in 0..300 {
                for object in 0..200 {
                    let what = format!("the status of Control c{object}");
                    let said = ledger.failed(&what, failure, &what, start + seconds(second));
                    lines += usize::from(said.is_some());
                }
                assert!(ledger.refused.len() <= REMEMBERED);
            }
            assert!((1..=70).contains(&lines), "{failure:?}: {lines}");
        }
    }

    #[test]
    fn one_conflict_hides_no_missing_right() {
        let start = Instant::now();
        let mut ledger = Ledger::default();
        assert_eq!(ledger.failed("a", Failure::Conflict, "409", start), Some(Said::Begins));
        let said = ledger.failed("b", Failure::Denied, "403", start + seconds(1));
        assert_eq!(said, Some(Said::Refused));
        assert!(ledger.settle(start + seconds(30)).is_some());
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
