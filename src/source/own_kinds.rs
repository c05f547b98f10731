//! A watch of one of the operator's own kinds: as a stream for its reconciler, and as events for the
//! engine.

use std::{collections::BTreeSet, fmt::Debug};

use kube::{Resource, ResourceExt, core::DeserializeGuard, runtime::watcher::Event};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use super::{
    listwatch::{Closed, EventHandler, Flow, RequestError, WatchEvent, WatchedResource},
    raw_object::ObjectName,
};

/// How many messages wait for the reader before the list-watch is slowed down.
const QUEUE: usize = 64;

/// What happened to the objects of a kind.
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectEvent<K> {
    /// An object was created, changed or listed; its current state.
    Applied(K),
    /// The object of this name was deleted.
    Deleted(String),
    /// A list is complete and has these names: every other object is gone.
    Listed(BTreeSet<String>),
    /// Nothing happened up to now.
    Confirmed,
    /// The list or watch fails with this error and is retried.
    Failing(String),
}

/// Turns the events of a kube watcher into [`ObjectEvent`]s.
#[derive(Debug, Default)]
pub struct EventFollower {
    listing: BTreeSet<String>,
}

impl EventFollower {
    /// The meaning of an event; None at the start of a list. An object that was deleted while the
    /// watch was cut has no event: it is missing in the next [`ObjectEvent::Listed`].
    pub fn follow<K: ResourceExt + Clone>(&mut self, event: &Event<K>) -> Option<ObjectEvent<K>> {
        match event {
            Event::Init => {
                self.listing.clear();
                None
            }
            Event::InitApply(object) => {
                self.listing.insert(object.name_any());
                Some(ObjectEvent::Applied(object.clone()))
            }
            Event::InitDone => Some(ObjectEvent::Listed(std::mem::take(&mut self.listing))),
            Event::Apply(object) => Some(ObjectEvent::Applied(object.clone())),
            Event::Delete(object) => Some(ObjectEvent::Deleted(object.name_any())),
        }
    }
}

/// A message of the watch. An object whose spec can't be read is an event too.
#[derive(Debug)]
pub enum WatchMessage<K> {
    /// An event, in the form that kube's controllers take.
    Event(Box<Event<DeserializeGuard<K>>>),
    /// Nothing happened up to now.
    Confirmed,
    /// It fails with this error and is retried.
    Failing(String),
}

/// Sends the events of a list-watch as [`WatchMessage`]s.
#[derive(Debug)]
pub struct MessageSender<K> {
    messages: mpsc::Sender<WatchMessage<K>>,
    remedy: &'static str,
}

/// The resource of a kind, and a handler for its list-watch with the receiver of its messages.
pub fn own_kind<K>() -> (WatchedResource, MessageSender<K>, mpsc::Receiver<WatchMessage<K>>)
where
    K: Resource<DynamicType = ()>,
{
    let remedy = "one of the operator's own kinds can't be read: install its CRD and the roles in config/rbac";
    kind_at(K::url_path(&(), None), remedy)
}

/// The same for a kind of Kubernetes, of which few objects concern the operator itself. `remedy` says
/// what to do if it can't be read.
pub fn kind_at<K>(
    path: String,
    remedy: &'static str,
) -> (WatchedResource, MessageSender<K>, mpsc::Receiver<WatchMessage<K>>)
where
    K: Resource<DynamicType = ()>,
{
    let (messages, receiver) = mpsc::channel(QUEUE);
    let resource = WatchedResource {
        path,
        name: K::plural(&()).into_owned(),
        // Which other kinds are watched depends on these, so they do not queue behind them.
        queued: false,
        metadata_only: false,
    };
    (resource, MessageSender { messages, remedy }, receiver)
}

impl<K> EventHandler for MessageSender<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    async fn handle(&mut self, event: WatchEvent<'_>) -> Result<Flow, Closed> {
        let message = |event| Some(WatchMessage::Event(Box::new(event)));
        let message = match event {
            WatchEvent::ListStarted => message(Event::Init),
            WatchEvent::ListItem(text) => read(text).map(Event::InitApply).and_then(message),
            WatchEvent::ListComplete(_) => message(Event::InitDone),
            WatchEvent::Applied(text) => read(text).map(Event::Apply).and_then(message),
            WatchEvent::Deleted(text) => read(text).map(Event::Delete).and_then(message),
            WatchEvent::Confirmed => Some(WatchMessage::Confirmed),
            WatchEvent::Failing(error) | WatchEvent::Forbidden(error) => {
                Some(WatchMessage::Failing(error))
            }
            WatchEvent::NotServed => {
                Some(WatchMessage::Failing("the API server does not serve it".to_owned()))
            }
            // etcd takes at most 1.5 MiB, so no object of ours is this large.
            WatchEvent::TooLarge(head) => {
                let object = logged_name::<K>(head);
                tracing::warn!(kind = %K::kind(&()), %object, "an object is larger than 8 MiB and is ignored: make it smaller");
                None
            }
        };
        if let Some(message) = message {
            self.messages.send(message).await.map_err(|_| Closed)?;
        }
        Ok(Flow::Continue)
    }

    fn remedy(&self, _: &RequestError) -> &'static str {
        self.remedy
    }
}

/// The name of an object, for logs; of a Person, which is personal data, nothing.
fn logged_name<K: Resource<DynamicType = ()>>(text: &[u8]) -> String {
    if K::kind(&()) == "Person" { String::new() } else { ObjectName::find(text).to_string() }
}

/// An object of a kind. None if not even its metadata can be read, which no API server sends.
fn read<K: Resource<DynamicType = ()> + DeserializeOwned>(
    text: &[u8],
) -> Option<DeserializeGuard<K>> {
    serde_json::from_slice(text)
        .inspect_err(|error| {
            let object = logged_name::<K>(text);
            let (line, column) = (error.line(), error.column());
            // Only the position: the text may be personal data.
            tracing::warn!(kind = %K::kind(&()), %object, line, column, "an object can't be read");
        })
        .ok()
}
