//! The evidence log as pages show it: read when somebody looks, and never by the task that judges.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::{sync::watch, time::timeout};

use super::{
    history::{HistoryFold, NamedList},
    population,
};
use comptroller_evidence::{
    key::VerifierKey,
    log::{LogError, LogReader},
    replay::{ReplayError, replay},
    store,
    verify::VerifyError,
    witness::{OutsideView, Policy},
};
use comptroller_pages::{LogView, PopulationView, Verification, VouchedBy, Witnesses};

/// How old what was read may be before it is read again.
const FRESH: Duration = Duration::from_secs(1);

/// How often it is asked who else vouches for the log.
const OUTSIDE_EVERY: Duration = Duration::from_mins(1);

/// How long one look at the log may take. A long log is read once; after this it is gone on with.
const READING: Duration = Duration::from_mins(5);

/// How many days that witnesses vouch for are shown, the newest.
const DAYS: usize = 60;

/// How many contradictions are shown. One is an alarm already.
const CONTRADICTIONS: usize = 20;

/// How many lists of populations are kept.
const LISTS: usize = 4;

/// Tells the verifier key, if it is known from elsewhere than the log.
pub type KeyLookup = Box<dyn Fn() -> Option<VerifierKey> + Send + Sync>;

/// What a page shows of the controls in a log.
#[derive(Clone, Copy, Debug)]
pub enum Shown<'a> {
    /// What was recorded of every control.
    All,
    /// What was recorded of one, with its population.
    One(&'a str),
}

/// A log that is followed for pages.
#[derive(Clone)]
pub struct LogSource {
    shared: Arc<Shared>,
}

struct Shared {
    location: String,
    key: KeyLookup,
    policy: Option<Policy>,
    fold: RwLock<HistoryFold>,
    known: RwLock<Known>,
    lists: Mutex<VecDeque<Arc<PopulationView>>>,
    /// Held by whoever reads the log: one at a time.
    reading: Arc<tokio::sync::Mutex<Reading>>,
    /// Grows with each look at the log.
    looks: watch::Sender<u64>,
}

/// What is known of the log as a whole.
#[derive(Default)]
struct Known {
    reader: Option<LogReader>,
    verification: Verification,
    witnesses: Witnesses,
    at: Option<Instant>,
}

/// What only whoever reads the log needs.
#[derive(Default)]
struct Reading {
    reader: Option<LogReader>,
    /// The key that the reader was opened with. None: the one beside the log.
    key: Option<VerifierKey>,
    outside_at: Option<Instant>,
}

impl LogSource {
    /// A log that is read once somebody looks. `key` is asked before each look.
    pub fn new(location: String, key: KeyLookup, policy: Option<Policy>) -> Self {
        let shared = Shared {
            location,
            key,
            policy,
            fold: RwLock::default(),
            known: RwLock::default(),
            lists: Mutex::default(),
            reading: Arc::default(),
            looks: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Where the log is.
    pub fn location(&self) -> &str {
        &self.shared.location
    }

    /// How many entries are known of. 0 before the first look.
    pub fn size(&self) -> u64 {
        self.shared.known().reader.as_ref().map_or(0, LogReader::size)
    }

    /// Has the log read up to its newest entry, unless that was done just now. Waits for that at most
    /// as long as told: the reading goes on, and what is shown says how far it came.
    pub async fn look(&self, patience: Duration) {
        if self.shared.known().at.is_some_and(|at| at.elapsed() < FRESH) {
            return;
        }
        let mut looks = self.shared.looks.subscribe();
        if let Ok(mut reading) = Arc::clone(&self.shared.reading).try_lock_owned() {
            let shared = Arc::clone(&self.shared);
            tokio::spawn(async move {
                shared.look(&mut reading).await;
                drop(reading);
                shared.looks.send_modify(|looks| *looks += 1);
            });
        }
        // Without an answer in time the page shows what is known.
        let _ = timeout(patience, looks.changed()).await;
    }

    /// What the log says as of the last look.
    pub async fn view(&self, shown: Shown<'_>, patience: Duration) -> LogView {
        let population = match shown {
            Shown::All => None,
            Shown::One(control) => self.population(control, patience).await,
        };
        let mut view = self.shared.view();
        let fold = self.shared.fold.read().unwrap_or_else(PoisonError::into_inner);
        (view.gaps, view.earlier_gaps) = fold.gaps();
        view.operators = fold.operators();
        view.last_at = fold.last_at();
        view.controls = match shown {
            Shown::All => fold.controls(),
            Shown::One(name) => {
                let history = fold.control(name).map(|mut history| {
                    history.population = population;
                    (name.to_owned(), history)
                });
                BTreeMap::from_iter(history)
            }
        };
        view
    }

    /// The newest list of what a control judged. None if there is none, or if it can't be read in time:
    /// the verification of the log says what is wrong with it.
    async fn population(&self, control: &str, patience: Duration) -> Option<PopulationView> {
        let (named, reader) = {
            let fold = self.shared.fold.read().unwrap_or_else(PoisonError::into_inner);
            let named: NamedList = fold.list(control)?.clone();
            (named, self.shared.known().reader.clone()?)
        };
        if named.list.count > population::MOST {
            return None;
        }
        let is_it = |list: &&Arc<PopulationView>| list.digest == named.list.digest;
        if let Some(known) = self.shared.lists().iter().find(is_it) {
            let (at, entry) = (named.at, named.entry);
            return Some(PopulationView { at, entry, ..PopulationView::clone(known) });
        }
        let bytes = timeout(patience, reader.stored(&named.list.digest)).await.ok()?.ok()?;
        let view = population::view(&named, &bytes);
        let mut lists = self.shared.lists();
        if lists.len() >= LISTS {
            lists.pop_front();
        }
        lists.push_back(Arc::new(view.clone()));
        Some(view)
    }
}

impl Shared {
    fn known(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn know(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn lists(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<PopulationView>>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folded(&self) -> u64 {
        self.fold.read().unwrap_or_else(PoisonError::into_inner).size()
    }

    /// The log as a whole, without what it says of controls.
    fn view(&self) -> LogView {
        let folded = self.folded();
        let known = self.known();
        let reader = known.reader.as_ref();
        LogView {
            location: self.location.clone(),
            size: reader.map_or(0, LogReader::size),
            checkpoint: reader.map(|reader| reader.checkpoint().to_owned()),
            verifier_key: reader.map(|reader| reader.verifier_key().to_owned()),
            verification: verification(&known.verification, folded, reader),
            witnesses: known.witnesses.clone(),
            ..LogView::default()
        }
    }

    async fn look(&self, reading: &mut Reading) {
        let result = timeout(READING, self.read(reading)).await;
        let at = Timestamp::now();
        let verification = match result {
            Ok(Ok(size)) => Verification::Verified { at, size, key_given: reading.key.is_some() },
            Ok(Err(error)) => found(error, at),
            Err(_) => unreadable(at, "its directory or bucket did not answer within 5 minutes"),
        };
        self.know(|known| {
            known.verification = verification;
            known.at = Some(Instant::now());
        });
    }

    /// Reads what is new, each entry checked against the signed checkpoint. Says how many entries there
    /// are.
    async fn read(&self, reading: &mut Reading) -> Result<u64, ReplayError> {
        let key = (self.key)();
        let is_open = |reader: &LogReader| key.as_ref().is_none_or(|key| reader.has_key(key.as_str()));
        if reading.reader.as_ref().is_some_and(is_open) && reading.key.is_some() == key.is_some() {
            if let Some(reader) = &mut reading.reader {
                reader.refresh().await?;
            }
        } else {
            let store = store::open(&self.location).map_err(LogError::from)?;
            let opened = LogReader::open(store, key.clone()).await?;
            // It may be another log than the one that was read before.
            *self.fold.write().unwrap_or_else(PoisonError::into_inner) = HistoryFold::default();
            (reading.reader, reading.key) = (Some(opened), key);
        }
        let Some(reader) = reading.reader.clone() else { return Ok(0) };
        self.know(|known| known.reader = Some(reader.clone()));
        let fold = |index, entry: &_| {
            self.fold.write().unwrap_or_else(PoisonError::into_inner).apply(index, entry);
        };
        replay(&reader, self.folded()..reader.size(), fold).await?;
        if reading.outside_at.is_none_or(|at| at.elapsed() >= OUTSIDE_EVERY) {
            let outside = OutsideView::read(&reader, self.policy.clone()).await?;
            self.know(|known| known.witnesses = witnesses(outside));
            reading.outside_at = Some(Instant::now());
        }
        Ok(reader.size())
    }
}

/// What is said of the verification: while a long log is read for the first time, how far that is.
fn verification(known: &Verification, folded: u64, reader: Option<&LogReader>) -> Verification {
    let size = reader.map_or(0, LogReader::size);
    match known {
        Verification::NotTried => {
            let so_far = match reader {
                Some(_) => format!("{folded} of its {size} entries so far"),
                None => "no entry so far".to_owned(),
            };
            unreadable(Timestamp::now(), &format!("it is being read, {so_far}; reload this page in a moment"))
        }
        known => known.clone(),
    }
}

fn unreadable(at: Timestamp, reason: &str) -> Verification {
    Verification::Unreadable { at, reason: reason.to_owned() }
}

/// What an error says of the log: that it is wrong, or nothing.
fn found(error: ReplayError, at: Timestamp) -> Verification {
    match error {
        ReplayError::Entry { index, error } => {
            Verification::Bad { at, index: Some(index), reason: error.to_string() }
        }
        ReplayError::Log(error) => {
            let text = error.to_string();
            match VerifyError::from(error) {
                VerifyError::Bad(fault) => Verification::Bad { at, index: fault.index, reason: text },
                _ => unreadable(at, &text),
            }
        }
    }
}

fn witnesses(outside: OutsideView) -> Witnesses {
    let OutsideView { days, contradicted, witnesses, .. } = outside;
    let earlier = days.len().saturating_sub(DAYS);
    let days = days.into_iter().skip(earlier);
    let contradictions = contradicted.into_iter().take(CONTRADICTIONS);
    Witnesses {
        names: witnesses,
        days: days
            .map(|day| VouchedBy { day: day.day, size: day.size, witnesses: day.witnesses })
            .collect(),
        contradictions: contradictions
            .map(|one| format!("a checkpoint of {} entries: {}", one.size, one.reason))
            .collect(),
    }
}
