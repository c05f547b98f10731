//! Appending: entries become durable under a signed checkpoint, and then part of the fold.

use std::{sync::PoisonError, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use jiff::Timestamp;

use super::{Open, RecordError, Recorder, Stage};
use crate::{EvidenceError, Obstacle, SignedCheckpoint, Writing, draft::Entries, obligations};
use comptroller_core::api::time::whole_seconds;
use comptroller_evidence::{
    data::StoredData,
    entry::{Data, Entry, EntryError, MAX_ENTRY},
    log::{Appended, LogWriter},
    snapshot,
};

/// How long an append may take before it is said that nothing is recorded meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many texts are stored beside the log at a time: as many as there are threads for the disk.
const STORED_AT_ONCE: usize = 4;

/// A store that hangs is one that fails. Longer than its own retries of a lost connection take.
const TIMEOUT: Duration = Duration::from_secs(30);

impl Recorder {
    /// Writes entries to a log that is open. After a failure it is not, and is opened again: that
    /// finds out what of them is in it.
    pub(super) async fn write(
        &mut self,
        mut entries: Entries,
        stored: Vec<Bytes>,
        now: Timestamp,
    ) -> Result<(), EvidenceError> {
        self.check_open()?;
        // In which time nobody looked is said before anything else.
        let pause = match &self.stage {
            Stage::Open(open) => self.with_pause(&mut entries, open.writer.origin()),
            _ => None,
        };
        if entries.is_empty() {
            return Ok(());
        }
        let stage = std::mem::replace(&mut self.stage, Stage::Standby);
        let Stage::Open(mut open) = stage else { return Err(EvidenceError::Standby) };
        if let Err(error) = self.append(&mut open, entries, stored, now).await {
            // The writer goes before anything else: it holds the lock.
            drop(open);
            self.fail(&error);
            // Whoever was deposed meanwhile, too, does not know what of it is in the log.
            return Err(EvidenceError::Unavailable(error.to_string().into()));
        }
        if let Some(pause) = pause {
            self.config.clock.told(pause.to);
        }
        // It may have been said that it takes too long.
        self.say_open();
        if open.writer.size() >= open.kept + snapshot::EVERY {
            self.keep_snapshot(&mut open).await;
        }
        self.stage = Stage::Open(open);
        Ok(())
    }

    /// Keeps the fold beside the log, so that the next start is quick. A failure only costs time.
    pub(super) async fn keep_snapshot(&self, open: &mut Open) {
        // Not tried again before the log has grown as much again.
        open.kept = open.writer.size();
        let state = self.read(|current| current.state.clone());
        let save = snapshot::save(open.store.as_ref(), &open.key, open.writer.checkpoint(), &state);
        match self.while_leading(save.boxed()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the fold of the log could not be kept"),
            Err(error) => tracing::warn!(%error, "the fold of the log was given up"),
        }
    }

    /// Waits for a step for some time, and no longer than this process leads: who no longer does
    /// must say so at once, since statuses follow the log.
    async fn while_leading<T>(&self, step: impl Future<Output = T>) -> Result<T, RecordError> {
        // A process that was stopped for a while may not have been told yet.
        if !self.leadership.holds() {
            return Err(RecordError::Deposed);
        }
        tokio::select! {
            biased;
            () = self.leadership.clone().lost() => Err(RecordError::Deposed),
            done = tokio::time::timeout(TIMEOUT, step) => done.map_err(|_| RecordError::Late),
        }
    }

    /// Waits for an append, and says so once it takes too long: what held until then must not be
    /// claimed for as long as a store hangs.
    async fn unless_slow<T>(&self, append: impl Future<Output = T>) -> T {
        let since = self.config.clock.now();
        tokio::pin!(append);
        if let Ok(done) = tokio::time::timeout(PATIENCE, &mut append).await {
            return done;
        }
        let why = "the evidence log did not take the record within 10 s: its volume or bucket does not answer";
        tracing::warn!("{why}");
        self.say(&Writing::Failing { obstacle: Obstacle::Log, why: why.into(), since });
        append.await
    }

    /// Makes entries durable under a checkpoint, then takes them into the fold.
    pub(super) async fn append(
        &self,
        open: &mut Open,
        mut drafts: Entries,
        stored: Vec<Bytes>,
        now: Timestamp,
    ) -> Result<Appended, RecordError> {
        let epoch = open.epoch;
        let at = whole_seconds(now).0;
        // An event and what it obliges to are in one append: no crash is between them.
        let first = open.writer.size();
        let openings = self.read(|current| {
            obligations::openings(&current.state, &self.event_rules, &drafts, first, at)
        });
        drafts.extend(openings);
        let clock = self.config.clock.reading(at);
        let entries: Vec<Entry> = drafts
            .into_iter()
            .map(|(subject, data)| Entry { at, clock, epoch, subject, data })
            .collect();
        let write = async {
            {
                let writer = &open.writer;
                // One by one, the populations of a first start would take as long as all else.
                let puts: Vec<BoxFuture<'_, _>> =
                    stored.iter().map(|bytes| writer.put_stored(bytes).boxed()).collect();
                let puts = stream::iter(puts).buffer_unordered(STORED_AT_ONCE);
                puts.try_collect::<Vec<String>>().await?;
            }
            let mut leaves = Vec::with_capacity(entries.len());
            for entry in &entries {
                leaves.push(leaf(&open.writer, entry).await?);
            }
            Ok::<_, RecordError>(open.writer.append(&leaves).boxed().await?)
        };
        let appended = self.unless_slow(self.while_leading(write)).await??;
        {
            let mut current = self.log.current.write().unwrap_or_else(PoisonError::into_inner);
            for (index, entry) in (appended.first..).zip(&entries) {
                current.state.apply(index, entry);
            }
        }
        for entry in &entries {
            if let Data::Register(data) = &entry.data {
                let changes = data.added.len() + data.removed.len() + data.changed.len();
                self.observer.register_recorded(&entry.subject.name, data.total, changes);
            }
        }
        self.observer.appended(appended.size, now);
        self.log.checkpoint.send_replace(Some(SignedCheckpoint {
            origin: open.writer.origin().to_owned(),
            verifier_key: open.verifier.as_str().to_owned(),
            text: open.writer.checkpoint().to_owned(),
        }));
        Ok(appended)
    }
}

/// The leaf of an entry. Data that is too long for one goes beside the log, and its digest in it.
async fn leaf(writer: &LogWriter, entry: &Entry) -> Result<Vec<u8>, RecordError> {
    let text = entry.to_text()?;
    if text.len() <= MAX_ENTRY {
        return Ok(text.into_bytes());
    }
    drop(text);
    let data = entry.data.to_text().map_err(EntryError::from)?;
    let digest = writer.put_stored(data.as_bytes()).await?;
    let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
    let stored = StoredData { stored: digest, bytes };
    let Entry { at, clock, epoch, subject, data } = entry;
    let data = Data::Stored(data.entry_type(), stored);
    let short = Entry { at: *at, clock: *clock, epoch: *epoch, subject: subject.clone(), data };
    Ok(short.to_text()?.into_bytes())
}
