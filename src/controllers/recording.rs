//! The record before the status: brings the log in line with a control's verdict.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{Resource, ResourceExt, core::DeserializeGuard};
use serde::Serialize;
use tokio::{
    sync::{Semaphore, SemaphorePermit, mpsc, oneshot},
    time::timeout,
};

use super::{board::Posted, host::Command, occurrences};
use comptroller_core::{
    api::Control,
    engine::{Verdict, verdict::RECORDED_FINDINGS},
};
use comptroller_evidence::entry::{Data, EntrySubject};
use comptroller_recorder::{Cited, Evidence, EvidenceError, Seen};

/// How many findings are put into words and recorded at the same time: 5,000 take some 10 MiB.
const AT_ONCE: u32 = 10_000;

/// How many names of what was judged take as much as a finding.
const NAMES: usize = 4;

/// How soon to look again for a verdict that was overtaken.
const AGAIN: Duration = Duration::from_millis(100);

/// How long a reconcile waits for its record: others want its place. The record is not lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// How soon to look again for a record that was not made.
pub const RECORD_AGAIN: Duration = Duration::from_secs(1);

/// Why nothing is recorded yet.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The log does not take it.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// It takes too long.
    #[error("the evidence log did not take the record within 10 s")]
    Late,
}

/// Waits for a record, and no longer than a reconcile may.
pub async fn in_time<T>(
    record: impl Future<Output = Result<T, EvidenceError>>,
) -> Result<T, RecordError> {
    Ok(timeout(PATIENCE, record).await.map_err(|_| RecordError::Late)??)
}

/// All that there is to record of a control, as of one evaluation.
#[derive(Debug)]
pub struct Snapshot {
    /// The verdict.
    pub posted: Posted,
    /// The rest.
    pub seen: Seen,
}

/// Asks the engine's task for a [`Snapshot`].
#[derive(Debug)]
pub struct SnapshotRequest {
    /// Of which control.
    pub control: String,
    /// Whether with the names of what was judged.
    pub population: bool,
    /// Where to.
    pub reply: oneshot::Sender<Snapshot>,
}

/// What a status may say.
#[derive(Debug)]
pub enum Recorded {
    /// This verdict, which the log holds in this entry; without a log, in none.
    Yes(Option<Box<Posted>>, Option<Cited>),
    /// Nothing new yet: look again after a while.
    Later(Duration),
}

/// Records controls.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Where to.
    pub evidence: Evidence,
    /// Who knows.
    pub commands: mpsc::Sender<Command>,
    room: Arc<Semaphore>,
}

impl Recording {
    /// Records in `evidence` what `commands` is asked for.
    pub fn new(evidence: Evidence, commands: mpsc::Sender<Command>) -> Self {
        let room = Arc::new(Semaphore::new(usize::try_from(AT_ONCE).unwrap_or(usize::MAX)));
        Self { evidence, commands, room }
    }

    /// Waits until there is memory for all that there is to record of a verdict.
    async fn room(&self, verdict: &Verdict, population: bool) -> Option<SemaphorePermit<'_>> {
        let listed = (verdict.open_findings + verdict.excepted).min(RECORDED_FINDINGS);
        let names = if population { verdict.population / NAMES } else { 0 };
        let size = u32::try_from(listed + names).unwrap_or(AT_ONCE).clamp(1, AT_ONCE);
        self.room.acquire_many(size).await.ok()
    }

    /// Brings the log in line with a control and its verdict. `gather` says how long to wait for
    /// more changes before another is recorded.
    pub async fn bring_up(
        &self,
        object: &DeserializeGuard<Control>,
        posted: Option<Posted>,
        gather: impl Fn() -> Option<Duration>,
        now: Timestamp,
    ) -> Result<Recorded, EvidenceError> {
        if !self.evidence.has_log() {
            return Ok(Recorded::Yes(posted.map(Box::new), None));
        }
        let spec = object.0.as_ref().ok().map(|control| &control.spec);
        record_object(&self.evidence, "Control", object, spec, None).await?;
        let Some(posted) = posted else { return Ok(Recorded::Yes(None, None)) };
        let (name, uid) = (object.name_any(), object.meta().uid.clone());
        let recorded = self.evidence.cited(&name, uid.as_deref(), &posted.verdict, posted.passed);
        if let Some(cited) = recorded {
            self.record_occurrences(&name, &posted.verdict).await?;
            return Ok(self.recorded(&name, posted, cited).await);
        }
        if let Some(left) = gather() {
            return Ok(Recorded::Later(left));
        }
        // Held until all of it is recorded.
        let room;
        let snapshot = if spec.is_some() {
            let population = self.evidence.wants_population(&name, now);
            room = self.room(&posted.verdict, population).await;
            let Some(snapshot) = self.ask(&name, population).await else {
                return Ok(Recorded::Later(AGAIN));
            };
            snapshot
        } else {
            room = None;
            Snapshot { posted, seen: Seen::default() }
        };
        let Snapshot { posted, seen } = snapshot;
        if posted.uid != uid || Some(posted.verdict.generation) != object.meta().generation {
            return Ok(Recorded::Later(AGAIN));
        }
        let verdict = &posted.verdict;
        for passed in &seen.passed {
            self.record_occurrences(&name, &passed.verdict).await?;
        }
        self.record_occurrences(&name, verdict).await?;
        let until = seen.until;
        let recorded = self.evidence.record_verdict(&name, uid.clone(), verdict, seen, now).await;
        drop(room);
        match recorded {
            Ok(()) => {
                let _ =
                    self.commands.send(Command::Recorded { control: name.clone(), until }).await;
            }
            Err(EvidenceError::Outdated) => return Ok(Recorded::Later(AGAIN)),
            Err(error) => return Err(error),
        }
        Ok(match self.evidence.cited(&name, uid.as_deref(), verdict, posted.passed) {
            Some(cited) => self.recorded(&name, posted, cited).await,
            None => Recorded::Later(AGAIN),
        })
    }

    /// What is told of a verdict that the log holds: as of when is what the log says.
    async fn recorded(&self, name: &str, posted: Posted, cited: Cited) -> Recorded {
        let verdict = self.evidence.as_recorded(name, &posted.verdict);
        if verdict != posted.verdict {
            // Which findings are shown, and in which order, depends on it as well.
            let _ = self.commands.send(Command::Adopt(name.to_owned())).await;
        }
        Recorded::Yes(Some(Box::new(Posted { verdict, ..posted })), Some(cited))
    }

    /// Records what became of the occurrences of a human control, as far as the log lacks it.
    async fn record_occurrences(&self, name: &str, verdict: &Verdict) -> Result<(), EvidenceError> {
        let (Some(pseudonyms), false) =
            (self.evidence.pseudonyms(), verdict.occurrences.is_empty())
        else {
            return Ok(());
        };
        let steps = self.evidence.read(|state| {
            let (present, records) = (&verdict.occurrences, &verdict.records);
            let pseudonym = |person: &str| pseudonyms.pseudonym(person);
            occurrences::steps(state.occurrences(name), present, records, &pseudonym)
        });
        let entries: Vec<(EntrySubject, Data)> = steps
            .unwrap_or_default()
            .into_iter()
            .map(|data| (EntrySubject::control(name), data))
            .collect();
        if !entries.is_empty() {
            self.evidence.record_entries(entries).await?;
        }
        Ok(())
    }

    /// Records that the verdict of a control still holds. False: it no longer does.
    pub async fn beat(
        &self,
        name: &str,
        posted: &Posted,
        now: Timestamp,
    ) -> Result<bool, EvidenceError> {
        let mut population = None;
        let mut room = None;
        if self.evidence.wants_population(name, now) {
            room = self.room(&posted.verdict, true).await;
            let snapshot = self.ask(name, true).await;
            population = snapshot
                .filter(|snapshot| snapshot.posted.verdict == posted.verdict)
                .and_then(|snapshot| snapshot.seen.population);
        }
        let recorded = self.evidence.record_heartbeat(name, &posted.verdict, population, now).await;
        drop(room);
        match recorded {
            Ok(()) => Ok(true),
            Err(EvidenceError::Outdated) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn ask(&self, control: &str, population: bool) -> Option<Snapshot> {
        let (reply, answer) = oneshot::channel();
        let request = SnapshotRequest { control: control.to_owned(), population, reply };
        self.commands.send(Command::Snapshot(request)).await.ok()?;
        answer.await.ok()
    }
}

/// Records an object that the operator is governed by, if it is new or changed: the change log.
pub async fn record_object(
    evidence: &Evidence,
    kind: &str,
    object: &impl ResourceExt,
    spec: Option<&impl Serialize>,
    phase: Option<&str>,
) -> Result<(), EvidenceError> {
    let spec = spec.and_then(|spec| serde_json::to_value(spec).ok());
    let generation = object.meta().generation.unwrap_or_default();
    let subject = EntrySubject::new(kind, &object.name_any());
    let uid = object.meta().uid.as_deref();
    evidence.record_object(subject, uid, generation, spec.as_ref(), phase).await.map(drop)
}

#[cfg(test)]
mod tests;
