//! What others vouch for: for which days, and which checkpoints the log does not continue.

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

use super::{
    cosignature::Cosignature,
    kept::{CONTRADICTED, day_of, days_kept, policy_beside},
    policy::Policy,
};
use crate::{
    entry::Entry,
    log::{LogError, LogReader},
};

/// How much earlier than a cosignature an entry may be dated that it does not cover: clocks differ,
/// and appending goes on while a witness is asked.
const LEEWAY: SignedDuration = SignedDuration::from_mins(10);

/// What is known of a log from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutsideView {
    /// The days on which a quorum of witnesses saw the log as it is, in order.
    pub days: Vec<VouchedDay>,
    /// Checkpoints that were signed for this log, or cosigned, and that it does not continue.
    pub contradicted: Vec<Contradiction>,
    /// Whether the reader gave the policy; otherwise the one beside the log was believed.
    pub policy_given: bool,
    /// The names of the witnesses of the policy; none without a policy.
    pub witnesses: Vec<String>,
}

/// A day on which others saw the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VouchedDay {
    /// The day in UTC, such as `2026-11-30`.
    pub day: Date,
    /// The first of the cosignatures.
    pub at: Timestamp,
    /// How many entries the checkpoint covers.
    pub size: u64,
    /// Who cosigned it.
    pub witnesses: Vec<String>,
}

/// A checkpoint that the log does not continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// How many entries it covers.
    pub size: u64,
    /// The signed note.
    pub checkpoint: String,
    /// How the log contradicts it.
    pub reason: String,
}

impl OutsideView {
    /// Reads what is kept beside a log, and checks it. Without a policy the one beside the log is
    /// believed, which its writer chose.
    pub async fn read(log: &LogReader, given: Option<Policy>) -> Result<Self, LogError> {
        let store = &**log.store();
        let policy_given = given.is_some();
        let policy = match given {
            Some(policy) => Some(policy),
            // One that can't be read vouches for nothing.
            None => policy_beside(store).await?.and_then(Result::ok),
        };
        let mut view = Self { policy_given, ..Self::default() };
        view.contradictions(log).await?;
        let Some(policy) = policy else { return Ok(view) };
        view.witnesses = policy.witnesses().map(|it| it.key.name().to_owned()).collect();
        for path in days_kept(store).await? {
            let Some(object) = store.get(&path).await? else { continue };
            let day = path.rsplit('/').next().unwrap_or_default();
            view.day(log, &policy, day, &object.bytes).await?;
        }
        Ok(view)
    }

    /// How many days of a period, in UTC, others vouch for.
    pub fn vouched_days(&self, from: Timestamp, to: Timestamp) -> u64 {
        let Some((first, last)) = bounds(from, to) else { return 0 };
        let within = |day: &&VouchedDay| (first..=last).contains(&day.day);
        self.days.iter().filter(within).count() as u64
    }

    async fn contradictions(&mut self, log: &LogReader) -> Result<(), LogError> {
        for path in log.store().list(CONTRADICTED).await? {
            let Some(object) = log.store().get(&path).await? else { continue };
            // What the key of the log did not sign says nothing of it.
            let Ok(head) = log.open_checkpoint(&object.bytes) else { continue };
            match log.check_continues(&head).await {
                Ok(()) => {}
                Err(error) if is_contradiction(&error) => {
                    self.contradict(head.size, &object.bytes, &error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn day(
        &mut self,
        log: &LogReader,
        policy: &Policy,
        day: &str,
        note: &[u8],
    ) -> Result<(), LogError> {
        let (Ok(date), Ok(head)) = (day.parse::<Date>(), log.open_checkpoint(note)) else {
            return Ok(());
        };
        let cosignatures: Vec<Cosignature> =
            policy.cosignatures(note).into_iter().filter(|it| day_of(it) == day).collect();
        let Some(at) = cosignatures.iter().map(|it| it.at).min() else { return Ok(()) };
        if !policy.is_met(&cosignatures) || !policy.names_log(log.key()) {
            return Ok(());
        }
        match log.check_continues(&head).await {
            Ok(()) => {}
            Err(error) if is_contradiction(&error) => {
                self.contradict(head.size, note, &error);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        // Who kept showing a short log to the witnesses and made up the rest afterwards.
        if let Some(next) = entry_at(log, head.size).await?
            && next < at.saturating_sub(LEEWAY).unwrap_or(Timestamp::MIN)
        {
            return Ok(());
        }
        let witnesses: BTreeSet<String> = cosignatures.into_iter().map(|it| it.witness).collect();
        let witnesses = witnesses.into_iter().collect();
        self.days.push(VouchedDay { day: date, at, size: head.size, witnesses });
        Ok(())
    }

    fn contradict(&mut self, size: u64, note: &[u8], error: &LogError) {
        let checkpoint = String::from_utf8_lossy(note).into_owned();
        self.contradicted.push(Contradiction { size, checkpoint, reason: error.to_string() });
    }
}

/// How many days, in UTC, a period has or touches.
pub fn days(from: Timestamp, to: Timestamp) -> u64 {
    let Some((first, last)) = bounds(from, to) else { return 0 };
    let between = first.until(last).map_or(0, |span| span.get_days());
    u64::try_from(between).unwrap_or(0) + 1
}

/// The first and the last day of `[from, to)`. None: it is empty.
fn bounds(from: Timestamp, to: Timestamp) -> Option<(Date, Date)> {
    let date = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    let last = to.checked_sub(SignedDuration::from_nanos(1)).ok()?;
    (from < to).then(|| (date(from), date(last)))
}

/// When an entry was written. None: the log has none of this index, or it can't be read.
async fn entry_at(log: &LogReader, index: u64) -> Result<Option<Timestamp>, LogError> {
    let entries = log.entries(index..index + 1);
    let mut entries = std::pin::pin!(entries);
    let entry = entries.try_next().await?;
    Ok(entry.and_then(|(_, text)| Entry::parse(&text).ok()).map(|entry| entry.at))
}

/// Whether an error says that a log does not continue a checkpoint.
pub(super) fn is_contradiction(error: &LogError) -> bool {
    matches!(error, LogError::RolledBack { .. } | LogError::Forked { .. })
}
