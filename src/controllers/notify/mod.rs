//! Tells receivers what changed: a webhook by CloudEvents, and Alertmanager by alerts.
//!
//! The evidence log is the outbox. The webhook is told of its entries in their order; how far that went
//! is noted in an annotation, so that a restart, another leader or a receiver that is down loses nothing
//! and repeats nothing but what was under way. Nothing waits in memory.

pub mod alerts;
mod cursor;
pub mod events;
mod signature;

use std::{path::PathBuf, time::Duration};

use axum::http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use kube::Client;

use self::{
    cursor::{Cursor, CursorStore},
    events::{CloudEvent, StateReader, timed},
};
use crate::{
    outbound::{Sent, Target},
    telemetry::{Metrics, NotificationOutcome, Receiver},
};
use comptroller_evidence::{entry::Entry, key::VerifierKey, log::LogReader, replay::replay, store};
use comptroller_recorder::{Evidence, SignedCheckpoint, Writing};

/// Entries of one batch follow one another.
const GATHER: Duration = Duration::from_millis(500);

/// How often it is looked whether time alone made something worth telling.
const LOOK: Duration = Duration::from_secs(20);

/// How often it is noted that nothing was told.
const NOTE: SignedDuration = SignedDuration::from_mins(5);

/// How many entries are read at a time.
const PAGE: u64 = 512;

/// How many entries before those to tell of are read, for the states that controls were in.
const LOOK_BACK: u64 = 4_096;

/// How long reading the log may take.
const READING: Duration = Duration::from_secs(30);

/// After failures, the first and the longest wait.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(1);

/// An event that no receiver took for so long is given up.
const DEADLINE: SignedDuration = SignedDuration::from_hours(24);

/// The webhook.
#[derive(Clone, Debug)]
pub struct Webhook {
    pub target: Target,
    /// A file with the key by which events are signed (HMAC). None: they are not.
    pub key: Option<PathBuf>,
}

/// Tells the webhook of what the log holds.
pub struct Notifier {
    webhook: Webhook,
    evidence: Evidence,
    metrics: Metrics,
    cursors: CursorStore,
    /// Up to where it was told. None: that is to be read.
    cursor: Option<Cursor>,
    states: StateReader,
    /// Until when the look at obligations and exceptions is noted. None: it is not.
    noted: Option<Timestamp>,
    failing: bool,
}

impl Notifier {
    pub fn new(
        webhook: Webhook,
        client: Client,
        namespace: &str,
        evidence: Evidence,
        metrics: Metrics,
    ) -> Self {
        let cursors = CursorStore::new(client, namespace);
        Self {
            webhook,
            evidence,
            metrics,
            cursors,
            cursor: None,
            states: StateReader::default(),
            noted: None,
            failing: false,
        }
    }

    /// Runs for as long as the operator does.
    pub async fn run(mut self) {
        let Some(mut checkpoint) = self.evidence.checkpoint() else {
            // Whoever waits for this task would take its end for a failure.
            return std::future::pending().await;
        };
        loop {
            tokio::select! {
                changed = checkpoint.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
                () = tokio::time::sleep(LOOK) => {}
            }
            tokio::time::sleep(GATHER).await;
            if !self.leads() {
                // What the leader tells meanwhile is read when this one leads.
                self.cursor = None;
                continue;
            }
            let newest = checkpoint.borrow_and_update().clone();
            let Some(newest) = newest else { continue };
            if let Err(error) = self.tell(&newest).await {
                tracing::warn!(%error, "what changed can't be told to the webhook: it is tried again");
            }
        }
    }

    fn leads(&self) -> bool {
        matches!(self.evidence.writing(), Writing::Open(_) | Writing::Failing { .. })
    }

    /// Tells all that the log holds and that was not told.
    async fn tell(&mut self, newest: &SignedCheckpoint) -> Result<(), String> {
        let log = read(self.evidence.location().unwrap_or_default(), newest).await?;
        let now = self.evidence.clock().now();
        let mut cursor = self.begin(&log, now).await?;
        while cursor.size < log.size() {
            let end = log.size().min(cursor.size.saturating_add(PAGE));
            let mut events = Vec::new();
            let (states, origin) = (&mut self.states, &newest.origin);
            let take = |index: u64, entry: &Entry| events.extend(states.tell(origin, index, entry));
            let read = replay(&log, cursor.size..end, take).boxed();
            in_time(read).await?;
            for event in events {
                if !self.deliver(&event).await {
                    return Ok(());
                }
                // Of several, the next may take long: what was told is noted.
                if let Some(size) =
                    event.id.parse::<u64>().ok().and_then(|index| index.checked_add(1))
                {
                    cursor.size = size;
                    self.note(&cursor).await;
                }
            }
            cursor.size = end;
            self.note(&cursor).await;
        }
        let to = now.max(cursor.time);
        let due = self.evidence.read(|state| timed(&newest.origin, state, (cursor.time, to)));
        let due = due.unwrap_or_default();
        for event in &due {
            if !self.deliver(event).await {
                return Ok(());
            }
        }
        cursor.time = to;
        self.cursor = Some(cursor);
        // To note each look would be a write every few seconds.
        let is_noted = self.noted.is_some_and(|noted| to.duration_since(noted) < NOTE);
        if !due.is_empty() || !is_noted {
            self.note(&cursor).await;
        }
        Ok(())
    }

    /// Up to where it was told. Who is asked for the first time is told of what follows, and not of all
    /// that ever was.
    async fn begin(&mut self, log: &LogReader, now: Timestamp) -> Result<Cursor, String> {
        if let Some(cursor) = self.cursor {
            return Ok(cursor);
        }
        let noted = self.cursors.read().await.map_err(|error| error.to_string())?;
        let noted = noted.filter(|cursor| cursor.size <= log.size());
        let is_first = noted.is_none();
        let cursor = noted.unwrap_or(Cursor { size: log.size(), time: now });
        let mut states = StateReader::default();
        let back = cursor.size.saturating_sub(LOOK_BACK)..cursor.size;
        in_time(replay(log, back, |_, entry| states.pass(entry)).boxed()).await?;
        self.states = states;
        self.cursor = Some(cursor);
        if is_first {
            self.note(&cursor).await;
        }
        Ok(cursor)
    }

    async fn note(&mut self, cursor: &Cursor) {
        self.cursor = Some(*cursor);
        self.noted = Some(cursor.time);
        if let Err(error) = self.cursors.write(cursor).await {
            tracing::debug!(%error, "how far the webhook was told can't be noted: after a restart it may be told again");
        }
    }

    /// Sends an event until it is taken, refused or too old. False if this process no longer leads.
    async fn deliver(&mut self, event: &CloudEvent) -> bool {
        let outflow = self.metrics.outflow().clone();
        let mut wait = FIRST_RETRY;
        loop {
            if !self.leads() {
                self.cursor = None;
                return false;
            }
            let sent = match self.request(event) {
                Ok((headers, body)) => self.webhook.target.post(headers, body).await,
                Err(why) => Sent::Failed(why),
            };
            let host = self.webhook.target.host();
            match sent {
                Sent::Accepted => {
                    outflow.notification(Receiver::Webhook, NotificationOutcome::Delivered);
                    if std::mem::take(&mut self.failing) {
                        tracing::info!(receiver = host, "the webhook takes events again");
                    }
                    return true;
                }
                Sent::Refused(why) => {
                    outflow.notification(Receiver::Webhook, NotificationOutcome::Dropped);
                    tracing::warn!(
                        receiver = host,
                        event = event.id,
                        "the webhook refuses an event, which is dropped: {why}"
                    );
                    return true;
                }
                Sent::Denied(why) | Sent::Failed(why) => {
                    outflow.notification(Receiver::Webhook, NotificationOutcome::Failed);
                    // Logged when it begins to fail, not each time.
                    if !std::mem::replace(&mut self.failing, true) {
                        tracing::warn!(
                            receiver = host,
                            "the webhook takes no event; it is told of all of them once it does, for up to a day: {why}"
                        );
                    }
                }
            }
            if self.evidence.clock().now().duration_since(event.time) > DEADLINE {
                outflow.notification(Receiver::Webhook, NotificationOutcome::Dropped);
                return true;
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(LONGEST_RETRY);
        }
    }

    fn request(&self, event: &CloudEvent) -> Result<(HeaderMap, Vec<u8>), String> {
        let body = serde_json::to_vec(&event.body).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        let type_ = HeaderValue::from_static("application/cloudevents+json; charset=utf-8");
        headers.insert(CONTENT_TYPE, type_);
        if let Some(path) = &self.webhook.key {
            let at = self.evidence.clock().now();
            let signed = signature::headers(path, &event.id, at, &body);
            headers.extend(signed.map_err(|error| error.to_string())?);
        }
        Ok((headers, body))
    }
}

async fn in_time<T, E: std::fmt::Display>(
    reading: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    let read = tokio::time::timeout(READING, reading).await;
    read.map_err(|_| "the evidence log did not answer in time".to_owned())?
        .map_err(|error| error.to_string())
}

/// The log as it lies there now.
async fn read(location: &str, newest: &SignedCheckpoint) -> Result<LogReader, String> {
    let key = VerifierKey::parse(&newest.verifier_key).map_err(|error| error.to_string())?;
    let store = store::open(location).map_err(|error| error.to_string())?;
    in_time(LogReader::open(store, Some(key)).boxed()).await
}
