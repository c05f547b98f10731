//! The open periods as the log has them: each a fold that goes on where it stopped.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use kube::ResourceExt;

use super::summary::{checkpoint_only, provenance};
use comptroller_core::api::{AuditPeriod, AuditPeriodStatus, criteria::Category};
use comptroller_evidence::{
    key::{KeyError, VerifierKey},
    log::{LogError, LogReader},
    replay::{ReplayError, replay},
    store::{self, StoreError},
};
use comptroller_report::period::{
    PeriodClaim,
    fold::PeriodFold,
    model::{PeriodReport, ReportPeriod, Span},
};

/// The most periods that are followed at a time: each keeps every deviation of its time in memory.
const MOST: usize = 16;

/// How often a status is written of which only the checkpoint is new.
const CHECKPOINT_EVERY: Duration = Duration::from_hours(1);

/// What time it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// The time by which everything is dated.
    pub now: Timestamp,
    /// The API server's time. None when it has not answered of late.
    pub server: Option<Timestamp>,
}

/// Where the evidence log is, and what the operator knows it to be verified by.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogPlace<'a> {
    /// A directory, or the URL of a bucket.
    pub location: &'a str,
    /// The verifier key, in note format.
    pub key: &'a str,
}

/// Why a period can't be summed up.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// Its directory or bucket does not answer.
    #[error("the evidence log can't be read: {0}")]
    Store(#[from] StoreError),
    /// The verifier key is not one.
    #[error("the evidence log can't be read: {0}")]
    Key(#[from] KeyError),
    /// The log, or its proof.
    #[error("the evidence log can't be read: {0}")]
    Log(#[from] LogError),
    /// An entry can't be understood.
    #[error("the evidence log can't be read: {0}")]
    Replay(#[from] ReplayError),
    /// More periods are open than are followed.
    #[error(
        "{MOST} other periods are open, and that is how many are followed: delete those that nobody needs"
    )]
    TooMany,
}

impl FollowError {
    /// The reason of the condition Ready.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooMany => "TooManyPeriods",
            _ => "LogUnreadable",
        }
    }
}

/// The folds of the open periods over one reader.
#[derive(Default)]
pub(super) struct Following {
    reader: Option<LogReader>,
    periods: HashMap<String, Fold>,
    /// What periods close with whose entry is not written yet, by their uid.
    closing: HashMap<String, (Option<String>, PeriodClaim)>,
    last_writes: HashMap<String, Instant>,
}

/// A period and what was read for it.
struct Fold {
    of: (Option<String>, Span, Vec<Category>),
    so_far: PeriodFold,
    next: u64,
}

/// A period as of a checkpoint.
pub(super) struct Followed {
    pub report: PeriodReport,
    /// When it may close. None while the log does not say what happened up to its end.
    pub closes_at: Option<Timestamp>,
}

impl Followed {
    /// Whether the log says what happened up to the end of the period, by the API server's time of
    /// now. Never while that is not known: a clock that is ahead must not close a period early.
    pub fn is_final(&self, server_time: Option<Timestamp>) -> bool {
        self.closes_at.zip(server_time).is_some_and(|(closes, now)| now >= closes)
    }
}

impl Following {
    /// Reads what is new in the log, and says what the period has come to.
    pub async fn follow(
        &mut self,
        place: LogPlace<'_>,
        period: &AuditPeriod,
        span: Span,
        times: Times,
    ) -> Result<Followed, FollowError> {
        let name = period.name_any();
        let categories = period.spec.categories();
        let of = (period.uid(), span, categories.clone());
        if self.periods.get(&name).is_some_and(|known| known.of != of) {
            self.forget(&name);
        }
        if !self.periods.contains_key(&name) && self.periods.len() >= MOST {
            return Err(FollowError::TooMany);
        }
        let reader = refreshed(&mut self.reader, place).await?;
        let known = self.periods.entry(name.clone()).or_insert_with(|| Fold {
            of,
            so_far: PeriodFold::new(span, &categories)
                .with_minimum_observation(period.spec.minimum_observation()),
            next: 0,
        });
        known.read(reader).await?;
        let provenance = provenance(reader, place.location, times.now);
        let report =
            known.so_far.finish(ReportPeriod { name: name.clone(), span, categories }, provenance);
        let followed = Followed { report, closes_at: known.so_far.closes_at() };
        if followed.is_final(times.server) {
            // Its deviations need not stay in memory: the status that follows is the last.
            self.periods.remove(&name);
        }
        Ok(followed)
    }

    /// What a period closes with, once that was found and until an entry says so.
    pub fn closing(&self, name: &str, uid: Option<&str>) -> Option<&PeriodClaim> {
        let (of, claim) = self.closing.get(name)?;
        (of.as_deref() == uid).then_some(claim)
    }

    /// Notes what a period closes with.
    pub fn closes_with(&mut self, name: &str, uid: Option<String>, claim: PeriodClaim) {
        self.closing.insert(name.to_owned(), (uid, claim));
    }

    /// Forgets a period that is gone or closed.
    pub fn forget(&mut self, name: &str) {
        self.periods.remove(name);
        self.closing.remove(name);
        self.last_writes.remove(name);
    }

    /// Whether a status is worth a write now: a checkpoint alone can wait.
    pub fn may_write(
        &self,
        name: &str,
        known: &AuditPeriodStatus,
        new: &AuditPeriodStatus,
    ) -> bool {
        let recent = self.last_writes.get(name).is_some_and(|at| at.elapsed() < CHECKPOINT_EVERY);
        !(recent && checkpoint_only(known, new))
    }

    /// Notes that a status was written.
    pub fn written(&mut self, name: &str) {
        self.last_writes.insert(name.to_owned(), Instant::now());
    }
}

/// The reader at the newest checkpoint. It is kept, so that a log that was cut or rewritten since
/// the operator started does not pass.
async fn refreshed<'a>(
    reader: &'a mut Option<LogReader>,
    place: LogPlace<'_>,
) -> Result<&'a LogReader, FollowError> {
    if let Some(reader) = reader {
        reader.refresh().await?;
        return Ok(reader);
    }
    let store = store::open(place.location)?;
    let opened = LogReader::open(store, Some(VerifierKey::parse(place.key)?)).await?;
    Ok(reader.insert(opened))
}

impl Fold {
    /// Takes in what is new. After an error it goes on behind the last entry that it took.
    async fn read(&mut self, reader: &LogReader) -> Result<(), ReplayError> {
        let Self { so_far, next, .. } = self;
        replay(reader, *next..reader.size(), |index, entry| {
            so_far.apply(index, entry);
            *next = index + 1;
        })
        .await?;
        Ok(())
    }
}
