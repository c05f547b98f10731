//! The evidence log as pages show it: read when somebody looks, and never by the task that judges.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::{sync::watch, time::timeout};

use comptroller_evidence::{
    key::VerifierKey,
    log::{LogError, LogReader},
    replay::{ReplayError, replay},
    store,
    verify::VerifyError,
    witness::{OutsideView, Policy},
};
use comptroller_pages::{
    LogFold, LogView, PopulationItem, ReadPopulation, Verification, VouchedBy, Witnesses,
};

/// How old what was read may be before it is read again.
const FRESH: Duration = Duration::from_secs(1);

/// How often it is asked who else vouches for the log.
const OUTSIDE_EVERY: Duration = Duration::from_mins(1);

/// How long one look at the log may take. A long log is read once; the next look goes on behind it.
const READING: Duration = Duration::from_mins(5);

/// How many days that witnesses vouch for are shown, the newest.
const DAYS: usize = 60;

/// How many contradictions are shown. One is an alarm already.
const CONTRADICTIONS: usize = 20;

/// How many lists of populations are kept.
const LISTS: usize = 4;

/// The most items of a list that is read for a page.
const ITEMS: u64 = 50_000;

/// Tells the verifier key, if it is known from elsewhere than the log.
pub type KeyLookup = Box<dyn Fn() -> Option<VerifierKey> + Send + Sync>;

/// A log that is followed for pages. Clones share it.
#[derive(Clone)]
pub struct LogSource(Arc<Shared>);

struct Shared {
    location: String,
    key: KeyLookup,
    policy: Option<Policy>,
    known: RwLock<Known>,
    /// How many entries were taken in, also while others are still being read.
    taken: AtomicU64,
    /// Lists that were read, by their digest.
    lists: Mutex<VecDeque<(String, Vec<PopulationItem>)>>,
    /// Held by whoever reads the log: one at a time.
    reading: Arc<tokio::sync::Mutex<Reading>>,
    /// Grows with each look at the log.
    looks: watch::Sender<u64>,
}

/// What is known of the log.
#[derive(Default)]
struct Known {
    reader: Option<LogReader>,
    /// What the last look found. None: none was finished.
    view: Option<Arc<LogView>>,
    at: Option<Instant>,
}

/// What only whoever reads the log needs.
#[derive(Default)]
struct Reading {
    reader: Option<LogReader>,
    /// Whether the reader was opened with a key; otherwise the one beside the log was believed.
    key_given: bool,
    fold: LogFold,
    witnesses: Witnesses,
    outside_at: Option<Instant>,
}

impl LogSource {
    /// A log that is read once somebody looks. `key` is asked before each look.
    pub fn new(location: String, key: KeyLookup, policy: Option<Policy>) -> Self {
        Self(Arc::new(Shared {
            location,
            key,
            policy,
            known: RwLock::default(),
            taken: AtomicU64::default(),
            lists: Mutex::default(),
            reading: Arc::default(),
            looks: watch::Sender::new(0),
        }))
    }

    /// Where the log is.
    pub fn location(&self) -> &str {
        &self.0.location
    }

    /// How many entries are known of. 0 before the first look.
    pub fn size(&self) -> u64 {
        self.0.known().reader.as_ref().map_or(0, LogReader::size)
    }

    /// What the log says, read up to its newest entry unless that was done just now. Waits for that at
    /// most as long as told: the reading goes on, and what is shown says how far it came.
    pub async fn view(&self, patience: Duration) -> Arc<LogView> {
        self.look(patience).await;
        let known = self.0.known();
        match &known.view {
            Some(view) => Arc::clone(view),
            None => Arc::new(self.0.unfinished(known.reader.as_ref())),
        }
    }

    async fn look(&self, patience: Duration) {
        if self.0.known().at.is_some_and(|at| at.elapsed() < FRESH) {
            return;
        }
        let mut looks = self.0.looks.subscribe();
        if let Ok(mut reading) = Arc::clone(&self.0.reading).try_lock_owned() {
            let shared = Arc::clone(&self.0);
            tokio::spawn(async move {
                shared.look(&mut reading).await;
                drop(reading);
                shared.looks.send_modify(|looks| *looks += 1);
            });
        }
        // Without an answer in time the page shows what is known.
        let _ = timeout(patience, looks.changed()).await;
    }

    /// The newest list of what a control judged. None if the log has none.
    pub async fn population(
        &self,
        view: &LogView,
        control: &str,
        patience: Duration,
    ) -> Option<ReadPopulation> {
        let listed = view.controls.get(control)?.population.as_ref()?;
        let reader = self.0.known().reader.clone()?;
        let digest = listed.digest.clone();
        let known = self.0.lists().iter().find(|(known, _)| *known == digest).cloned();
        let items = match known {
            Some((_, items)) => Ok(items),
            None if listed.count > ITEMS => Err(format!(
                "it has more than {ITEMS} items, which is too much for a page: `comptroller evidence export` writes all of it"
            )),
            None => self.read_list(&reader, &digest, patience).await,
        };
        Some(ReadPopulation { control: control.to_owned(), digest, items })
    }

    async fn read_list(
        &self,
        reader: &LogReader,
        digest: &str,
        patience: Duration,
    ) -> Result<Vec<PopulationItem>, String> {
        let late = "the store of the log did not answer in time; reload this page";
        let bytes = timeout(patience, reader.stored(digest)).await.map_err(|_| late.to_owned())?;
        let bytes = bytes.map_err(|error| error.to_string())?;
        let items = PopulationItem::of_list(&String::from_utf8_lossy(&bytes));
        let mut lists = self.0.lists();
        if lists.len() >= LISTS {
            lists.pop_front();
        }
        lists.push_back((digest.to_owned(), items.clone()));
        Ok(items)
    }
}

impl Shared {
    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn know(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn lists(&self) -> MutexGuard<'_, VecDeque<(String, Vec<PopulationItem>)>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is said of a log that is being read for the first time: how far that is.
    fn unfinished(&self, reader: Option<&LogReader>) -> LogView {
        let so_far = reader.map_or_else(
            || "no entry so far".to_owned(),
            |reader| {
                format!(
                    "{} of {} entries so far",
                    self.taken.load(Ordering::Relaxed),
                    reader.size()
                )
            },
        );
        let reason = format!("it is still being read, {so_far}; reload this page in a moment");
        let verification = Verification::Unreadable { at: Timestamp::now(), reason };
        self.whole(LogView { verification, ..LogView::default() }, reader)
    }

    /// Adds where the log is, and what vouches for it.
    fn whole(&self, view: LogView, reader: Option<&LogReader>) -> LogView {
        LogView {
            location: without_credentials(&self.location),
            size: reader.map_or(view.size, LogReader::size),
            checkpoint: reader.map(|reader| reader.checkpoint().to_owned()),
            verifier_key: reader.map(|reader| reader.verifier_key().to_owned()),
            ..view
        }
    }

    async fn look(&self, reading: &mut Reading) {
        let before = reading.fold.view().size;
        let result = timeout(READING, self.read(reading)).await;
        let at = Timestamp::now();
        let verification = match result {
            Ok(Ok(size)) => Verification::Verified { at, size, key_given: reading.key_given },
            Ok(Err(error)) => found(error, at),
            Err(_) => unreadable(at, "its directory or bucket did not answer within 5 minutes"),
        };
        let is_news = before != reading.fold.view().size;
        let known = self.known().view.clone().filter(|_| !is_news);
        // Most looks find nothing new, and the timelines need not be copied.
        let mut view = known.unwrap_or_else(|| Arc::new(reading.fold.view().clone()));
        let changed = Arc::make_mut(&mut view);
        changed.verification = verification;
        changed.witnesses = reading.witnesses.clone();
        *changed = self.whole(std::mem::take(changed), reading.reader.as_ref());
        self.know(|known| {
            known.view = Some(view);
            known.at = Some(Instant::now());
        });
    }

    /// Reads what is new, each entry checked against the signed checkpoint. Says how many entries there
    /// are.
    async fn read(&self, reading: &mut Reading) -> Result<u64, ReplayError> {
        let key = (self.key)();
        let is_of =
            |reader: &LogReader| key.as_ref().is_none_or(|key| reader.has_key(key.as_str()));
        match &mut reading.reader {
            Some(reader) if is_of(reader) && reading.key_given == key.is_some() => {
                reader.refresh().await?;
            }
            _ => {
                let store = store::open(&self.location).map_err(LogError::from)?;
                reading.reader = Some(LogReader::open(store, key.clone()).await?);
                reading.key_given = key.is_some();
                // It may be another log than the one that was read before.
                reading.fold = LogFold::default();
            }
        }
        let Some(reader) = reading.reader.clone() else { return Ok(0) };
        self.know(|known| known.reader = Some(reader.clone()));
        let fold = &mut reading.fold;
        replay(&reader, fold.view().size..reader.size(), |index, entry| {
            fold.apply(index, entry);
            self.taken.store(index + 1, Ordering::Relaxed);
        })
        .await?;
        if reading.outside_at.is_none_or(|at| at.elapsed() >= OUTSIDE_EVERY) {
            reading.witnesses = witnesses(OutsideView::read(&reader, self.policy.clone()).await?);
            reading.outside_at = Some(Instant::now());
        }
        Ok(reader.size())
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
            let reason = error.to_string();
            match VerifyError::from(error) {
                VerifyError::Bad(fault) => Verification::Bad { at, index: fault.index, reason },
                _ => unreadable(at, &reason),
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

/// The location without what a URL may have of a user and a password.
fn without_credentials(location: &str) -> String {
    match url::Url::parse(location) {
        Ok(mut url) if !url.username().is_empty() || url.password().is_some() => {
            // A URL without a host has neither.
            let _ = url.set_username("").and_then(|()| url.set_password(None));
            url.to_string()
        }
        _ => location.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use comptroller_evidence::{
        entry::{ClockReading, Data, Entry, EntrySubject, EntryType},
        key::SigningKey,
        log::LogWriter,
        store::DirectoryStore,
    };
    use serde_json::json;

    const ORIGIN: &str = "comptroller.dev/evidence/7d9e3a60";
    const PATIENCE: Duration = Duration::from_secs(30);

    fn verdict(second: i64) -> Vec<u8> {
        let data = json!({
            "generation": 1, "state": "Passing", "reason": "NoFindings", "message": "",
            "since": "2026-11-20T09:14:03Z", "population": 3, "failing": 0, "excepted": 0,
            "unknown": 0, "findings": "sha256:00",
            "populationList": {"digest": format!("sha256:{}", "0".repeat(64)), "count": 3},
        });
        let entry = Entry {
            at: Timestamp::from_second(1_800_000_000 + second).unwrap(),
            clock: ClockReading::default(),
            epoch: 1,
            subject: EntrySubject::control("a"),
            data: Data::parse(EntryType::Verdict, data).unwrap(),
        };
        entry.to_text().unwrap().into_bytes()
    }

    fn source(path: &std::path::Path, key: Option<VerifierKey>) -> LogSource {
        LogSource::new(path.display().to_string(), Box::new(move || key.clone()), None)
    }

    /// What a look finds that does not rest on the last one.
    async fn looked(source: &LogSource) -> Arc<LogView> {
        source.0.know(|known| known.at = None);
        source.view(PATIENCE).await
    }

    #[tokio::test]
    async fn a_log_is_followed_and_a_manipulated_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let key = SigningKey::from_seed(ORIGIN, &[7; 32]).unwrap();
        let open = || {
            let store = Arc::new(DirectoryStore::new(path.clone()));
            LogWriter::open(store, key.clone(), ORIGIN)
        };
        let none = source(&path, None).view(PATIENCE).await;
        assert!(matches!(none.verification, Verification::Unreadable { .. }), "{none:?}");

        let mut log = open().await.unwrap();
        log.append(&[verdict(1), verdict(2)]).await.unwrap();
        let (given, believed) = (source(&path, Some(key.verifier())), source(&path, None));
        let view = looked(&given).await;
        assert_eq!((view.size, view.controls["a"].events.len()), (2, 2));
        assert!(matches!(
            view.verification,
            Verification::Verified { size: 2, key_given: true, .. }
        ));
        let population = given.population(&view, "a", PATIENCE).await.unwrap();
        assert!(population.items.unwrap_err().contains("missing"));
        assert_eq!(given.population(&view, "b", PATIENCE).await, None);

        log.append(&[verdict(3)]).await.unwrap();
        let view = looked(&given).await;
        assert_eq!((view.size, view.controls["a"].events.len()), (3, 3));
        let view = looked(&believed).await;
        assert!(matches!(view.verification, Verification::Verified { key_given: false, .. }));

        // An entry that was exchanged is found by whoever reads it first.
        drop(log);
        let tile = path.join("tile/entries/000.p/3");
        let bytes = std::fs::read(&tile).unwrap();
        let text = String::from_utf8_lossy(&bytes).replace("Passing", "Failing");
        std::fs::write(&tile, text).unwrap();
        let view = looked(&source(&path, None)).await;
        assert!(matches!(view.verification, Verification::Bad { .. }), "{:?}", view.verification);
        // What was read before stays, and another log in its place is told.
        std::fs::remove_dir_all(&path).unwrap();
        let mut log = open().await.unwrap();
        log.append(&[verdict(9)]).await.unwrap();
        let view = looked(&given).await;
        assert!(matches!(view.verification, Verification::Bad { .. }), "{:?}", view.verification);
        assert_eq!(view.controls["a"].events.len(), 3);
    }

    #[test]
    fn a_location_is_shown_without_credentials() {
        for (location, shown) in [
            ("s3://key:secret@bucket/prefix", "s3://bucket/prefix"),
            ("s3://bucket/prefix", "s3://bucket/prefix"),
            ("/var/lib/comptroller", "/var/lib/comptroller"),
        ] {
            assert_eq!(without_credentials(location), shown);
        }
    }
}
