//! The operator's hand on the log: one task writes, everybody else asks it to.
//!
//! [`Evidence`] is that hand; clones share it. A request waits until it is durable under a signed
//! checkpoint, and requests that arrive together share one. What the log already says is not
//! written again: the task compares with the fold of the log, which it owns.

pub mod draft;
mod leadership;
mod observer;
mod opening;
mod outage;
mod passed;
mod recall;
mod task;
#[cfg(test)]
mod tests;
mod witness;
mod words;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};

use self::{
    draft::{Draft, HeartbeatDraft, ObjectDraft, VerdictDraft},
    passed::{Doubts, People},
    task::Request,
};
pub use self::{
    leadership::Leadership,
    observer::Observer,
    opening::{EvidenceConfig, Terms},
    passed::Seen,
    task::Recorder,
    witness::{Citation, Published, Witness},
};
use comptroller_core::{
    api::{EvidenceRef, ResourceRef, State},
    engine::{Reason, Verdict},
};
use comptroller_evidence::{
    entry::{Data, EntrySubject},
    fold::LogState,
    key::Pseudonyms,
    privacy::Pseudonymizer,
};

/// How often the list of what a control judged is recorded, if it changed.
const POPULATION_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// How many requests may wait.
const QUEUE: usize = 1024;

/// Why something is not recorded. Status must not claim what is not.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The log can't be written.
    #[error("evidence can't be recorded, so no new verdict is claimed: {0}")]
    Unavailable(Arc<str>),
    /// This process does not lead, so another writes.
    #[error("this replica does not lead, so it records nothing")]
    Standby,
    /// What was to be recorded is no longer so; look again.
    #[error("what was to be recorded has changed meanwhile")]
    Outdated,
}

/// Whether there is a log to write, and whether it can be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Writing {
    /// Another replica leads.
    #[default]
    Standby,
    /// This replica leads, and opens the log.
    Opening,
    /// It may be written; without a log, statuses may. The number grows each time that the log was
    /// opened, since it may say more than this process has heard.
    Open(u64),
    /// It can't be written, and why.
    Failing(Arc<str>),
}

/// What vouches for the log: published where an administrator of the log can't reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Which log it is.
    pub origin: String,
    /// The key that verifies it, in note format.
    pub verifier_key: String,
    /// The newest signed checkpoint.
    pub checkpoint: String,
}

/// The newest entry that says how a control stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cited {
    /// When it was written.
    pub at: Timestamp,
    /// Where it is.
    pub reference: EvidenceRef,
}

/// Where evidence is recorded. Clones share one log.
#[derive(Clone, Debug)]
pub struct Evidence {
    writing: watch::Receiver<Writing>,
    leadership: Leadership,
    log: Option<Arc<Log>>,
}

/// What the recorder shares with those who ask it.
#[derive(Debug)]
struct Log {
    location: String,
    requests: mpsc::Sender<Request>,
    current: RwLock<Current>,
    recorded: Mutex<HashMap<String, Recorded>>,
    doubts: Doubts,
    /// Tells an object that was created anew from the one that the log knows, if it has no uid.
    uids: Mutex<HashMap<EntrySubject, String>>,
    anchor: watch::Sender<Option<Anchor>>,
    /// Whether another operator writes, though none was elected.
    displaced: watch::Sender<bool>,
}

/// The log as of now.
#[derive(Default)]
struct Current {
    state: LogState,
    pseudonyms: Option<Arc<Pseudonyms>>,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("size", &self.state.size()).finish_non_exhaustive()
    }
}

/// The verdict of a control that this process recorded last, or found recorded.
#[derive(Debug)]
struct Recorded {
    uid: Option<String>,
    generation: i64,
    state: State,
    reason: Reason,
    digest: u64,
    message: String,
    /// The number of the last verdict before it that was over.
    passed: u64,
    /// The findings of it that name people, who are pseudonyms in the log.
    people: People,
    population_checked: Option<Timestamp>,
}

impl Recorded {
    fn is(&self, uid: Option<&str>, verdict: &Verdict) -> bool {
        self.uid.as_deref() == uid
            && self.generation == verdict.generation
            && self.state == verdict.state
            && self.reason == verdict.reason
            && self.digest == verdict.digest
    }
}

impl Evidence {
    /// Without a log: who leads may write statuses, and nothing is recorded.
    pub fn without_log(leadership: impl Into<Leadership>) -> Self {
        let leadership = leadership.into();
        let mut following = leadership.clone();
        let mut term = 0;
        let mut now = move |leads: bool| {
            term += u64::from(leads);
            if leads { Writing::Open(term) } else { Writing::Standby }
        };
        let (sender, writing) = watch::channel(now(following.look()));
        tokio::spawn(async move {
            while following.changed().await {
                sender.send_replace(now(following.look()));
            }
        });
        Self { writing, leadership, log: None }
    }

    /// Whether the log may be written.
    pub fn writing(&self) -> Writing {
        let writing = self.writing.borrow().clone();
        // Who was stopped for a while and goes on may not have been told that another leads.
        if self.leadership.holds() { writing } else { Writing::Standby }
    }

    /// Whether another operator writes the log, so that this one does nothing though it should.
    pub fn displaced(&self) -> Option<watch::Receiver<bool>> {
        self.log.as_ref().map(|log| log.displaced.subscribe())
    }

    /// To be told when that changes.
    pub fn subscribe(&self) -> watch::Receiver<Writing> {
        self.writing.clone()
    }

    /// Whether there is a log at all.
    pub fn has_log(&self) -> bool {
        self.log.is_some()
    }

    /// Where the log is. None without a log.
    pub fn location(&self) -> Option<&str> {
        self.log.as_ref().map(|log| log.location.as_str())
    }

    /// What vouches for the log, whenever it changes. None without a log.
    pub fn anchor(&self) -> Option<watch::Receiver<Option<Anchor>>> {
        self.log.as_ref().map(|log| log.anchor.subscribe())
    }

    /// Looks at the fold of the log. None without a log, and until it was opened first.
    pub fn read<T>(&self, look: impl FnOnce(&LogState) -> T) -> Option<T> {
        let log = self.log.as_ref()?;
        let current = log.current.read().unwrap_or_else(PoisonError::into_inner);
        current.pseudonyms.as_ref().map(|_| look(&current.state))
    }

    /// The pseudonyms of people in this log. None without a log, and until it was opened first.
    pub fn pseudonyms(&self) -> Option<Arc<Pseudonyms>> {
        let log = self.log.as_ref()?;
        log.current.read().unwrap_or_else(PoisonError::into_inner).pseudonyms.clone()
    }

    /// Records entries as they are, one after another under one checkpoint. Says where the last of
    /// them is; None without a log. They name no people: see [`Evidence::pseudonyms`].
    pub async fn record_entries(
        &self,
        entries: Vec<(EntrySubject, Data)>,
    ) -> Result<Option<EvidenceRef>, EvidenceError> {
        self.ask(Draft::Entries(entries)).await
    }

    /// Records an object that the operator is governed by, if it is new or changed. With another
    /// `uid` than before it was deleted and created anew. None as the spec: it can't be read.
    pub async fn record_object(
        &self,
        subject: EntrySubject,
        uid: Option<&str>,
        generation: i64,
        spec: Option<&serde_json::Value>,
        phase: Option<&str>,
    ) -> Result<Option<EvidenceRef>, EvidenceError> {
        let Some(log) = &self.log else { return Ok(None) };
        let Some(pseudonyms) = self.pseudonyms() else { return self.unopened() };
        let name = |person: &str| pseudonyms.pseudonym(person);
        let spec = spec.map(|spec| Pseudonymizer::new(&name).spec(spec));
        let phase = phase.map(str::to_owned);
        let lock = || log.uids.lock().unwrap_or_else(PoisonError::into_inner);
        let anew = lock().get(&subject).is_some_and(|known| Some(known.as_str()) != uid);
        let uid = uid.map(str::to_owned);
        let draft = ObjectDraft {
            subject: subject.clone(),
            generation,
            spec,
            phase,
            uid: uid.clone(),
            anew,
        };
        let known = self.read(|state| draft.known(state)).flatten();
        let recorded = match known {
            Some(index) => Some(reference(index)),
            None => self.ask(Draft::Object(Box::new(draft))).await?,
        };
        if let Some(uid) = uid {
            lock().insert(subject, uid);
        }
        Ok(recorded)
    }

    /// Records that such an object is gone, if the log has it.
    pub async fn record_gone(
        &self,
        subject: EntrySubject,
    ) -> Result<Option<EvidenceRef>, EvidenceError> {
        if subject.kind == "Control" {
            self.with_recorded(|recorded| recorded.remove(&subject.name));
        }
        if let Some(log) = &self.log {
            log.uids.lock().unwrap_or_else(PoisonError::into_inner).remove(&subject);
        }
        self.ask(Draft::Gone(subject)).await
    }

    /// The entry that says how a control stands, if the log holds this very verdict, and what was
    /// over before it up to the one with the number `passed`.
    pub fn cited(
        &self,
        control: &str,
        uid: Option<&str>,
        verdict: &Verdict,
        passed: u64,
    ) -> Option<Cited> {
        let known = self.with_recorded(|recorded| {
            recorded
                .get(control)
                .is_some_and(|known| known.is(uid, verdict) && known.passed >= passed)
        });
        if known != Some(true) {
            return None;
        }
        self.read(|state| {
            let verdict = state.control(control)?.verdict.as_ref()?;
            Some(Cited { at: verdict.last_at, reference: reference(verdict.last_entry) })
        })?
    }

    /// Whether the list of what a control judged is due.
    pub fn wants_population(&self, control: &str, now: Timestamp) -> bool {
        let old = |at: Timestamp| now.duration_since(at) >= POPULATION_EVERY;
        let checked = self.with_recorded(|recorded| recorded.get(control)?.population_checked);
        if checked.flatten().is_some_and(|at| !old(at)) {
            return false;
        }
        self.read(|state| {
            let verdict = state.control(control).and_then(|control| control.verdict.as_ref());
            let list = verdict.and_then(|verdict| verdict.population_list.as_ref());
            list.is_none_or(|(_, at)| old(*at))
        })
        .unwrap_or(false)
    }

    /// Records what holds of a control and what was over before it, unless the log holds it already.
    pub async fn record_verdict(
        &self,
        control: &str,
        uid: Option<String>,
        verdict: &Verdict,
        seen: Seen,
        now: Timestamp,
    ) -> Result<(), EvidenceError> {
        let Some(pseudonyms) = self.pseudonyms() else { return self.unopened().map(drop) };
        let (until, checked) = (seen.until, seen.population.as_ref().map(|_| now));
        let (mut draft, people) = {
            let name = |person: &str| pseudonyms.pseudonym(person);
            let pseudonymizer = Pseudonymizer::new(&name);
            let passed = self.over(control, &seen, &pseudonymizer);
            let Seen { wrong, population, .. } = seen;
            let draft = VerdictDraft::new(control, verdict, &wrong, population, &pseudonymizer);
            (VerdictDraft { passed, ..draft }, passed::people(&wrong, &pseudonymizer))
        };
        let message = draft.data.message.clone();
        draft.blocked = self
            .with_recorded(|recorded| recorded.get(control).map(|known| known.message.clone()))
            .flatten();
        self.attempt(control, until, self.ask(Draft::Verdict(Box::new(draft)))).await?;
        self.with_recorded(|recorded| {
            let before = recorded.get(control).and_then(|known| known.population_checked);
            let known = Recorded {
                uid,
                generation: verdict.generation,
                state: verdict.state,
                reason: verdict.reason,
                digest: verdict.digest,
                message,
                passed: until,
                people,
                population_checked: checked.or(before),
            };
            recorded.insert(control.to_owned(), known);
        });
        Ok(())
    }

    /// Records that what the log holds of a control is still so.
    pub async fn record_heartbeat(
        &self,
        control: &str,
        verdict: &Verdict,
        population: Option<Vec<ResourceRef>>,
        now: Timestamp,
    ) -> Result<(), EvidenceError> {
        let Some(pseudonyms) = self.pseudonyms() else { return self.unopened().map(drop) };
        let name = |person: &str| pseudonyms.pseudonym(person);
        let checked = population.is_some();
        let draft = HeartbeatDraft::new(control, verdict, population, &Pseudonymizer::new(&name));
        let beaten = self.ask(Draft::Heartbeat(Box::new(draft))).await;
        if matches!(beaten, Err(EvidenceError::Outdated)) {
            // What this process believes to be recorded is not, so that it is recorded anew.
            self.with_recorded(|recorded| recorded.remove(control));
        }
        beaten?;
        self.with_recorded(|recorded| {
            if let Some(known) = recorded.get_mut(control).filter(|_| checked) {
                known.population_checked = Some(now);
            }
        });
        Ok(())
    }

    /// Ends the log in order: says that the operator stopped, and closes it.
    pub async fn stop(&self) {
        let Some(log) = &self.log else { return };
        let (reply, done) = oneshot::channel();
        if log.requests.send(Request::Stop(reply)).await.is_ok() {
            let _ = done.await;
        }
    }

    /// Resolves once the recorder has ended, in order or not; never without a log.
    pub async fn ended(self) {
        match self.log {
            Some(log) => log.requests.closed().await,
            None => std::future::pending().await,
        }
    }

    async fn ask(&self, draft: Draft) -> Result<Option<EvidenceRef>, EvidenceError> {
        let Some(log) = &self.log else { return Ok(None) };
        let (reply, answer) = oneshot::channel();
        let gone = || EvidenceError::Unavailable("the recorder has ended".into());
        log.requests.send(Request::Record(draft, reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// What a request is told before the log was opened first.
    fn unopened(&self) -> Result<Option<EvidenceRef>, EvidenceError> {
        match (&self.log, self.writing()) {
            (None, _) => Ok(None),
            (_, Writing::Failing(why)) => Err(EvidenceError::Unavailable(why)),
            (_, Writing::Standby) => Err(EvidenceError::Standby),
            (_, Writing::Opening | Writing::Open(_)) => {
                Err(EvidenceError::Unavailable("the log is being opened".into()))
            }
        }
    }

    fn with_recorded<T>(
        &self,
        with: impl FnOnce(&mut HashMap<String, Recorded>) -> T,
    ) -> Option<T> {
        let log = self.log.as_ref()?;
        Some(with(&mut log.recorded.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Where an entry is. The smallest log that has it, so that it is the same whoever looks.
fn reference(index: u64) -> EvidenceRef {
    let index = i64::try_from(index).unwrap_or(i64::MAX);
    EvidenceRef { index, log_size: index.saturating_add(1) }
}
