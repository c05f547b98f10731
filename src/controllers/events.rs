//! Publishing events beside the reconcilers: a lost event loses nothing, since the status has it
//! all, so an API server that does not answer must delay nothing else.

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

use crate::telemetry::{EventOutcome, Failure, Metrics};

/// How many events may wait; what comes then is dropped and counted.
const QUEUE: usize = 256;

/// One call.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What waited for longer is no news: an event bears the time at which it is published.
const STALE: Duration = Duration::from_mins(2);

/// How long a stop waits for what is still to be published.
const GRACE: Duration = Duration::from_secs(3);

/// The longest note that the API server takes, in bytes.
const MAX_NOTE: usize = 1024;

/// The longest name of a reporting instance, in bytes.
const MAX_INSTANCE: usize = 128;

/// The longest name of an object whose events get their names from it: a dot, and 16 digits of time.
const MAX_NAME: usize = 253 - 17;

/// An event to come.
#[derive(Clone, Debug)]
pub struct News {
    /// About what.
    pub regarding: ObjectReference,
    /// Whether somebody should look.
    pub type_: EventType,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// For people.
    pub note: String,
}

/// Where reconcilers leave events.
#[derive(Clone, Debug)]
pub struct Publisher {
    queue: mpsc::Sender<(News, Instant)>,
    metrics: Metrics,
}

impl Publisher {
    /// Leaves an event to be published. Never waits.
    pub fn publish(&self, mut news: News) {
        news.note = clipped(news.note, MAX_NOTE);
        if self.queue.try_send((news, Instant::now())).is_err() {
            self.metrics.event(EventOutcome::Dropped);
        }
    }
}

/// A publisher, and the task that does its work until `reconcilers` are over.
pub fn beside(
    client: Client,
    mut reporter: Reporter,
    metrics: Metrics,
) -> (Publisher, impl Future<Output = ()> + Send + 'static) {
    let (queue, inbox) = mpsc::channel(QUEUE);
    reporter.instance = reporter.instance.map(|instance| clipped(instance, MAX_INSTANCE));
    let recorder = Recorder::new(client.clone(), reporter.clone());
    let task = Task { client, reporter, recorder, metrics: metrics.clone() };
    (Publisher { queue, metrics }, task.run(inbox))
}

/// Runs `work`, with `publishing` beside it; what is left to publish then has a few seconds.
pub async fn run_beside(work: impl Future<Output = ()>, publishing: impl Future<Output = ()>) {
    futures::pin_mut!(publishing);
    tokio::select! {
        biased;
        () = work => {}
        () = &mut publishing => return,
    }
    let _ = tokio::time::timeout(GRACE, publishing).await;
}

struct Task {
    client: Client,
    reporter: Reporter,
    recorder: Recorder,
    metrics: Metrics,
}

impl Task {
    async fn run(mut self, mut inbox: mpsc::Receiver<(News, Instant)>) {
        while let Some((news, made)) = inbox.recv().await {
            if made.elapsed() > STALE {
                self.metrics.event(EventOutcome::Dropped);
                continue;
            }
            let published = tokio::time::timeout(TIMEOUT, self.publish(&news)).await;
            let (failure, error) = match published {
                Ok(Ok(())) => {
                    self.metrics.event(EventOutcome::Published);
                    self.metrics.outages().worked(WHAT);
                    continue;
                }
                Ok(Err(error)) => (Failure::of(&error), Failure::told(&error)),
                Err(_) => (Failure::NoAnswer, "no answer within 5 s".to_owned()),
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
            // One that it would count up is gone: it begins anew.
            Err(kube::Error::Api(answer)) if answer.code == 404 => {
                self.recorder = Recorder::new(self.client.clone(), self.reporter.clone());
                self.recorder.publish(&event(news), &news.regarding).await
            }
            published => published,
        }
    }

    /// Publishes an event whose name can't begin with the whole name of what it is about.
    async fn create(&self, news: &News) -> kube::Result<()> {
        let event = long_named(news, &self.reporter, Timestamp::now());
        let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
        let api: Api<EventObject> = Api::namespaced(self.client.clone(), namespace);
        api.create(&PostParams::default(), &event).await.map(drop)
    }
}

/// What fails, in the log.
const WHAT: &str = "publishing events";

const REMEDY: &str = "an event can't be published: grant create and patch on events of events.k8s.io to the operator";

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
    let name = clipped(news.regarding.name.clone().unwrap_or_default(), MAX_NAME);
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

/// Cuts a text to so many bytes.
fn clipped(mut text: String, limit: usize) -> String {
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
