//! Publishes events in a task of its own. A lost event loses nothing, since the status has it all, so
//! an API server that does not answer must not delay reconciles.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event as EventObject},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client,
    api::PostParams,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::sync::mpsc;

use crate::telemetry::{EventOutcome, Metrics, RequestFailure};

/// How many events may wait; further ones are dropped and counted.
const QUEUE: usize = 256;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// An event that waited for longer is dropped: its time would be that of publishing, which is wrong by
/// then.
const STALE: Duration = Duration::from_mins(2);

/// How long a shutdown waits for the events that are left.
const GRACE: Duration = Duration::from_secs(3);

/// The longest note that the API server accepts, in bytes.
const MAX_NOTE: usize = 1024;

/// The longest name of a reporting instance, in bytes.
const MAX_INSTANCE: usize = 128;

/// The longest name of an object whose events can be named after it: a dot and 16 hexadecimal digits of
/// time are appended, and a name has at most 253 bytes.
const MAX_NAME: usize = 253 - 17;

/// An event to publish.
#[derive(Clone, Debug)]
pub struct News {
    /// The object that it is about.
    pub regarding: ObjectReference,
    /// `Warning` if somebody should act.
    pub type_: EventType,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// What happened, for people. Cut to 1024 bytes.
    pub note: String,
}

/// Queues events for publishing. Clones share the queue.
#[derive(Clone, Debug)]
pub struct Publisher {
    queue: mpsc::Sender<(News, Instant)>,
    metrics: Metrics,
}

impl Publisher {
    /// Queues an event. Never waits: if the queue is full, the event is dropped and counted.
    pub fn publish(&self, mut news: News) {
        news.note = truncated(news.note, MAX_NOTE);
        // A reconcile must never wait for events.
        if self.queue.try_send((news, Instant::now())).is_err() {
            self.metrics.event(EventOutcome::Dropped);
        }
    }
}

/// A publisher, and the task that sends its events until every publisher is dropped.
pub fn beside(
    client: Client,
    mut reporter: Reporter,
    metrics: Metrics,
) -> (Publisher, impl Future<Output = ()> + Send + 'static) {
    let (queue, inbox) = mpsc::channel(QUEUE);
    reporter.instance = reporter.instance.map(|instance| truncated(instance, MAX_INSTANCE));
    let recorder = Recorder::new(client.clone(), reporter.clone());
    let task = PublishTask { client, reporter, recorder, metrics: metrics.clone() };
    (Publisher { queue, metrics }, task.run(inbox))
}

/// Runs `work` with `publishing` beside it. The events that are left afterwards get a few seconds.
pub async fn run_beside(work: impl Future<Output = ()>, publishing: impl Future<Output = ()>) {
    futures::pin_mut!(publishing);
    tokio::select! {
        biased;
        () = work => {}
        () = &mut publishing => return,
    }
    let _ = tokio::time::timeout(GRACE, publishing).await;
}

struct PublishTask {
    client: Client,
    reporter: Reporter,
    recorder: Recorder,
    metrics: Metrics,
}

impl PublishTask {
    async fn run(mut self, mut inbox: mpsc::Receiver<(News, Instant)>) {
        while let Some((news, queued_at)) = inbox.recv().await {
            if queued_at.elapsed() > STALE {
                self.metrics.event(EventOutcome::Dropped);
                continue;
            }
            let published = tokio::time::timeout(TIMEOUT, self.publish(&news)).await;
            let (failure, error) = match published {
                Ok(Ok(())) => {
                    self.metrics.event(EventOutcome::Published);
                    self.metrics.outages().recovered(WHAT);
                    continue;
                }
                Ok(Err(error)) => (RequestFailure::of(&error), RequestFailure::describe(&error)),
                Err(_) => (RequestFailure::NoAnswer, "no answer within 5 s".to_owned()),
            };
            self.metrics.event(EventOutcome::Failed);
            self.metrics.outages().failed(WHAT, failure, &error, REMEDY);
        }
    }

    async fn publish(&mut self, news: &News) -> kube::Result<()> {
        if news.regarding.name.as_ref().is_some_and(|name| name.len() > MAX_NAME) {
            return self.create(news).await;
        }
        match self.recorder.publish(&event(news), &news.regarding).await {
            // The recorder counts repetitions up in the first event, which the API server deletes after
            // an hour: a new recorder begins a new one.
            Err(kube::Error::Api(status)) if status.code == 404 => {
                self.recorder = Recorder::new(self.client.clone(), self.reporter.clone());
                self.recorder.publish(&event(news), &news.regarding).await
            }
            published => published,
        }
    }

    /// Publishes an event about an object whose name is too long to be part of the event's.
    async fn create(&self, news: &News) -> kube::Result<()> {
        // The machine's own time, as kube's recorder has it for all other events.
        let event = long_named(news, &self.reporter, Timestamp::now());
        let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
        let api: Api<EventObject> = Api::namespaced(self.client.clone(), namespace);
        api.create(&PostParams::default(), &event).await.map(drop)
    }
}

/// What fails, in the operator's log.
const WHAT: &str = "publishing events";

const REMEDY: &str =
    "an event can't be published: grant the operator create and patch on events of events.k8s.io";

const ACTION: &str = "Evaluate";

fn event(news: &News) -> Event {
    Event {
        type_: news.type_,
        reason: news.reason.clone(),
        note: Some(news.note.clone()),
        action: ACTION.to_owned(),
        secondary: None,
    }
}

fn long_named(news: &News, reporter: &Reporter, now: Timestamp) -> EventObject {
    let name = truncated(news.regarding.name.clone().unwrap_or_default(), MAX_NAME);
    let name = name.trim_end_matches(['.', '-']);
    let namespace = news.regarding.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let type_ = match news.type_ {
        EventType::Normal => "Normal",
        EventType::Warning => "Warning",
    };
    EventObject {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{:x}", now.as_nanosecond())),
            namespace: Some(namespace),
            ..ObjectMeta::default()
        },
        action: Some(ACTION.to_owned()),
        reason: Some(news.reason.clone()),
        note: Some(news.note.clone()),
        type_: Some(type_.to_owned()),
        event_time: Some(MicroTime(now)),
        regarding: Some(news.regarding.clone()),
        reporting_controller: Some(reporter.controller.clone()),
        reporting_instance: reporter.instance.clone().or_else(|| Some(reporter.controller.clone())),
        ..EventObject::default()
    }
}

/// Cuts a text to at most `limit` bytes, between characters.
fn truncated(mut text: String, limit: usize) -> String {
    text.truncate(text.floor_char_boundary(limit));
    text
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;

    fn news(name: &str, note: &str) -> News {
        News {
            regarding: ObjectReference {
                name: Some(name.to_owned()),
                ..ObjectReference::default()
            },
            type_: EventType::Warning,
            reason: "Failing".to_owned(),
            note: note.to_owned(),
        }
    }

    #[tokio::test]
    async fn a_queue_that_nobody_empties_delays_nobody() {
        let metrics = Metrics::register(Registry::new()).unwrap();
        let (queue, mut inbox) = mpsc::channel(QUEUE);
        let publisher = Publisher { queue, metrics: metrics.clone() };
        for _ in 0..QUEUE + 3 {
            publisher.publish(news("a", &"é".repeat(2000)));
        }
        let scrape = metrics.render().unwrap();
        assert!(scrape.contains("comptroller_events_total{outcome=\"dropped\"} 3"), "{scrape}");
        let (first, _) = inbox.recv().await.unwrap();
        assert_eq!(first.note.len(), MAX_NOTE);
    }

    #[test]
    fn a_name_of_any_length_has_events() {
        let reporter = Reporter { controller: "c".to_owned(), instance: None };
        let name = format!("{}.{}", "a".repeat(MAX_NAME - 1), "b".repeat(16));
        let event = long_named(&news(&name, ""), &reporter, Timestamp::MAX);
        let named = event.metadata.name.unwrap();
        assert!(named.len() <= 253 && !named.contains(".."), "{named}");
        assert_eq!(event.regarding.unwrap().name, Some(name));
    }
}
