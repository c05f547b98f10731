//! From a log that is not open to one that is, and back: opening it, what is said first, and what
//! is said and done when that fails.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::watch, time::Instant};

use super::{Open, RecordError, Recorder, Stage, say};
use crate::{
    Current, Obstacle, Writing,
    draft::Entries,
    first_entries::{NewWriter, first_entries},
    identity::{OperatorIdentity, VERSION},
    opening::{self, KnownLog, OpenError, Opened},
};
use comptroller_core::api::time::whole_seconds;
use comptroller_evidence::{
    data::{GapCause, GapData, OperatorData},
    entry::{Data, EntrySubject},
    fold::RunningOperator,
    log::{LogError, Recovered},
};

/// How long opening the log may take, in which all of it may have to be read.
const OPENING: Duration = Duration::from_mins(5);

/// How long opening takes before it is said that nothing is recorded meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest wait before the log is opened again.
const LONGEST: Duration = Duration::from_secs(10);

/// The same for a lock that another process holds: whoever waits for it is to follow at once.
const LOCKED: Duration = Duration::from_secs(1);

/// The same for a log that another writer took over though nobody was elected: two that took it
/// from one another would fill it with nothing else.
const FENCED: Duration = Duration::from_secs(30);

impl Recorder {
    /// Tries to open the log, for as long as this process leads.
    pub(super) async fn open(&mut self) {
        let opened = {
            let lost = self.leadership.clone().lost();
            let opening = tokio::time::timeout(OPENING, self.try_open());
            tokio::pin!(lost, opening);
            // A volume that hangs is no reason to keep silent for as long as it hangs.
            let patience = tokio::time::sleep(PATIENCE);
            tokio::pin!(patience);
            loop {
                tokio::select! {
                    biased;
                    () = &mut lost => return,
                    opened = &mut opening => break opened,
                    () = &mut patience, if !patience.is_elapsed() => {
                        let slow = "the log is being opened, which takes more than 10 s: a long log is read, or its volume or bucket does not answer";
                        tracing::warn!("{slow}");
                        let now = self.config.clock.now();
                        say(&self.writing, &failing(&self.writing, Obstacle::Log, slow.into(), now));
                    }
                }
            }
        };
        let result = match opened {
            Ok(Ok((uid, opened))) => {
                self.uid = Some(uid);
                if self.identity == OperatorIdentity::default() {
                    self.identity = (self.config.identity)().await;
                }
                self.begin(opened).await
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(RecordError::Late),
        };
        if let Err(error) = result {
            self.fail(&error);
        }
    }

    async fn try_open(&self) -> Result<(String, Opened), OpenError> {
        let uid = match &self.uid {
            Some(uid) => uid.clone(),
            None => (self.config.cluster)().await.map_err(OpenError::Cluster)?,
        };
        let known = KnownLog {
            state: self.read(|current| current.state.clone()),
            signed: self.log.checkpoint.borrow().clone(),
            witnessed: self.witnessed,
            locked: self.locked,
        };
        let opened = opening::open(&self.config, &uid, known).await?;
        Ok((uid, opened))
    }

    /// The log is open: says what is to be said first, then takes requests.
    async fn begin(&mut self, opened: Opened) -> Result<(), RecordError> {
        let Opened { writer, state, pseudonyms, key, store, gap, published } = opened;
        self.witnessed = true;
        self.note_recovered(writer.recovered());
        writer.name_holder(&self.config.instance);
        let now = whole_seconds(self.config.clock.now()).0.max(state.last_at().unwrap_or_default());
        let origin = writer.origin().to_owned();
        let own = self.own.as_ref().filter(|own| is_same(own, state.operator()));
        // An epoch is that of one writer: it goes on only if nobody else wrote meanwhile.
        let same = self.epoch.filter(|epoch| own.is_some() && *epoch == state.epoch());
        let epoch = same.unwrap_or_else(|| self.leadership.epoch(&state));
        // Another wrote meanwhile: what this one did not see is the other's to tell.
        if own.is_none() {
            self.config.clock.told(now);
        }
        let (mut first, tells): (Entries, bool) = if same.is_some() {
            let gap = self.outage.opened(now, gap.map(|gap| gap.to));
            let gap = gap.map(|gap| (opening::cluster(&origin), Data::Gap(gap)));
            let tells = gap.is_some();
            (gap.into_iter().collect(), tells)
        } else {
            let elected = self.leadership.is_elected();
            let own = own.and(state.operator());
            let writer = NewWriter {
                instance: &self.config.instance,
                elected,
                own,
                led_until: self.led_until,
                runs_since: now
                    .saturating_sub(self.config.clock.machine().uptime - self.began)
                    .unwrap_or(now),
                unreachable: self.config.clock.server_silence(),
            };
            let started = OperatorData { published, ..self.identity.started(&pseudonyms) };
            (first_entries(&state, &origin, writer, started, now), true)
        };
        let own = own.cloned();
        // A log that flaps is opened many times, and is not to be filled with how it was opened: in
        // the same epoch what was recovered is told with the gap of the outage.
        if same.is_none() || tells {
            tell_recovered(&mut first, &self.recovered, opening::cluster(&origin), now);
        }
        {
            let mut current = self.log.current.write().unwrap_or_else(PoisonError::into_inner);
            *current = Current { state, pseudonyms: Some(pseudonyms) };
        }
        // An append that was given up, or another writer, may have changed what the log says.
        self.memory.forget_messages();
        // Even if the append seems to fail, the log may have it when it is opened again.
        self.epoch = Some(epoch);
        self.own = own.or_else(|| {
            let (instance, version) = (self.config.instance.clone(), VERSION.to_owned());
            Some(RunningOperator {
                instance,
                version,
                since: now,
                epoch,
                entry: 0,
                watched_before: None,
            })
        });
        let verifier = key.verifier();
        let mut open = Open { writer, key, verifier, store, epoch, kept: 0 };
        self.told_gap = first.iter().find_map(|(_, data)| match data {
            Data::Gap(gap) => Some(gap.clone()),
            _ => None,
        });
        let told = tells || same.is_none();
        let pause = self.with_pause(&mut first, &origin);
        self.append(&mut open, first, Vec::new(), now).await?;
        if let Some(pause) = pause {
            self.config.clock.told(pause.to);
        }
        if told {
            self.recovered = Recovered::default();
        }
        tracing::info!(origin, entries = open.writer.size(), epoch, "the evidence log is open");
        self.outage.written(now, tells);
        self.complained = None;
        self.observer.put_back(false);
        say(&self.log.discontinued, &None);
        self.log.displaced.send_replace(false);
        self.stage = Stage::Open(Box::new(open));
        self.term += 1;
        // Clocks that differ, or agree again, are told of before anything is claimed: by the log,
        // since another process may have found that they differ.
        self.clocks_differ = self.read(|current| current.state.clocks_differ_since());
        self.compare_clocks().await;
        self.say_open();
        Ok(())
    }

    /// Tells what is left to tell of an outage, once it is over.
    pub(super) async fn settle(&mut self, end: bool) {
        let Stage::Open(open) = &self.stage else { return };
        let now = self.entry_time();
        let Some(gap) = self.outage.rest(now, end) else { return };
        let cluster = opening::cluster(open.writer.origin());
        let mut entries = vec![(cluster.clone(), Data::Gap(gap))];
        tell_recovered(&mut entries, &self.recovered, cluster, now);
        if self.write(entries, Vec::new(), now).await.is_ok() {
            self.outage.over();
            self.recovered = Recovered::default();
        }
    }

    /// Keeps what recovery found until an entry tells it, and counts it.
    fn note_recovered(&mut self, found: &Recovered) {
        let Recovered { finished, quarantined } = found;
        if *finished == 0 && quarantined.is_empty() {
            return;
        }
        tracing::warn!(
            finished,
            quarantined = quarantined.join(", "),
            "the evidence log was recovered: an append that was cut short was finished, or an object that can't be explained was moved to quarantine"
        );
        self.observer.recovered(*finished, quarantined.len());
        self.recovered.finished += finished;
        self.recovered.quarantined.extend(quarantined.iter().cloned());
    }

    /// The log can't be written: says so, and tries again later.
    pub(super) fn fail(&mut self, error: &RecordError) {
        if matches!(error, RecordError::Deposed) {
            return self.stand_by();
        }
        self.locked = error.is_locked();
        let why: Arc<str> = error.to_string().into();
        self.outage.failed(self.config.clock.now(), &why);
        self.observer.failed();
        self.observer.put_back(error.is_put_back());
        say(&self.log.discontinued, &error.is_put_back().then(|| Arc::clone(&why)));
        let mut backoff = match std::mem::replace(&mut self.stage, Stage::Standby) {
            Stage::Failing { backoff, .. } => backoff,
            // A stage that was taken to be appended to is one that was open.
            Stage::Open(_) | Stage::Standby => Box::new(super::backoff()),
        };
        let wait = match error {
            RecordError::Log(LogError::Fenced(_)) if !self.leadership.is_elected() => FENCED,
            error if error.is_locked() => LOCKED,
            _ => backoff.next().unwrap_or(LONGEST).min(LONGEST),
        };
        // An API server that has just come back refuses at first what it then grants.
        if error.is_unanswered() && self.leads_since.elapsed() < PATIENCE {
            tracing::debug!(%error, "the evidence log can't be opened yet");
            self.stage = Stage::Failing { why, retry: Instant::now() + wait, backoff };
            return;
        }
        // Without an election nobody says which of two operators is to write: the one that does
        // goes on, and this one keeps off its statuses.
        let displaced = error.is_locked() && !self.leadership.is_elected();
        self.log.displaced.send_replace(displaced);
        if self.complained.as_ref() != Some(&why) {
            if displaced {
                tracing::error!(%error, "another operator writes the evidence log, so this one writes no statuses and is not ready");
            } else {
                tracing::error!(%error, "evidence can't be recorded, so no new verdict is claimed; it is tried again");
            }
            self.complained = Some(Arc::clone(&why));
        }
        let retry = Instant::now() + wait;
        self.stage = Stage::Failing { why: Arc::clone(&why), retry, backoff };
        let obstacle = if error.is_put_back() { Obstacle::Discontinued } else { Obstacle::Log };
        let failing = failing(&self.writing, obstacle, why, self.config.clock.now());
        self.say(&if displaced { Writing::Standby } else { failing });
    }
}

/// That the log can't be written, since when it could not without a break.
fn failing(
    writing: &watch::Sender<Writing>,
    obstacle: Obstacle,
    why: Arc<str>,
    now: Timestamp,
) -> Writing {
    let since = match &*writing.borrow() {
        Writing::Failing { since, .. } => *since,
        Writing::Standby | Writing::Opening | Writing::Open(_) => now,
    };
    Writing::Failing { obstacle, why, since }
}

/// Says with a gap among these entries what recovery found; without one, with a gap of no length, as
/// nothing was missed.
fn tell_recovered(
    entries: &mut Entries,
    recovered: &Recovered,
    cluster: EntrySubject,
    now: Timestamp,
) {
    let Some(found) = describe_recovered(recovered) else { return };
    let gap = entries.iter_mut().find_map(|(_, data)| match data {
        Data::Gap(gap) => Some(gap),
        _ => None,
    });
    match gap {
        Some(gap) => gap.reason = format!("{}; {found}", gap.reason),
        None => entries.insert(
            0,
            (cluster, Data::Gap(GapData::between(now, now, GapCause::LogUnwritable, found))),
        ),
    }
}

/// What recovery found, for a person. None: nothing.
fn describe_recovered(recovered: &Recovered) -> Option<String> {
    let Recovered { finished, quarantined } = recovered;
    let finished = match finished {
        0 => None,
        1 => Some("1 entry of an append that was cut short was finished".to_owned()),
        more => Some(format!("{more} entries of an append that was cut short were finished")),
    };
    let quarantined = (!quarantined.is_empty())
        .then(|| format!("what could not be explained was moved to {}", quarantined.join(", ")));
    let found: Vec<String> = finished.into_iter().chain(quarantined).collect();
    (!found.is_empty()).then(|| format!("when the log was opened, {}", found.join(", and ")))
}

/// Whether the last operator of the log is this very process: in which entry it said that it
/// started may not be known to it.
fn is_same(own: &RunningOperator, last: Option<&RunningOperator>) -> bool {
    let who = |one: &RunningOperator| (one.instance.clone(), one.epoch, one.since);
    last.is_some_and(|last| who(last) == who(own))
}
