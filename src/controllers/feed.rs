//! A watch of one of our own kinds: for its reconciler, and as its objects' comings and goings.

use std::{collections::BTreeSet, fmt::Debug};

use kube::{Resource, ResourceExt, core::DeserializeGuard, runtime::watcher::Event};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::source::{
    listwatch::{Closed, Heed, Sink, WatchProblem, What, Word},
    watched::Named,
};

/// What happened to an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Fed<K> {
    /// It is there, in this shape.
    Put(K),
    /// It went.
    Gone(String),
    /// A list is complete and named these: everything else is gone.
    Listed(BTreeSet<String>),
    /// The watch spoke: everything that happened until then is known.
    Heard,
    /// The list or watch fails with this error and is tried again.
    Trouble(String),
}

/// Follows the events of a watch.
#[derive(Debug, Default)]
pub struct Follower {
    listing: BTreeSet<String>,
}

impl Follower {
    /// What an event means. An object that vanished while the watch was cut is missing in the next list.
    pub fn follow<K: ResourceExt + Clone>(&mut self, event: &Event<K>) -> Option<Fed<K>> {
        match event {
            Event::Init => {
                self.listing.clear();
                None
            }
            Event::InitApply(object) => {
                self.listing.insert(object.name_any());
                Some(Fed::Put(object.clone()))
            }
            Event::InitDone => Some(Fed::Listed(std::mem::take(&mut self.listing))),
            Event::Apply(object) => Some(Fed::Put(object.clone())),
            Event::Delete(object) => Some(Fed::Gone(object.name_any())),
        }
    }
}

/// What the watch of a kind of ours says. An object whose spec can't be read is an event all the same.
#[derive(Debug)]
pub enum Told<K> {
    /// As kube's controllers take it.
    Event(Box<Event<DeserializeGuard<K>>>),
    /// Everything until now is known.
    Heard,
    /// It fails with this error and is tried again.
    Trouble(String),
}

/// Turns the words of a list-watch into [`Told`].
#[derive(Debug)]
pub struct Teller<K>(mpsc::Sender<Told<K>>);

/// The list-watch of a kind of ours, and where it tells.
pub fn watch_of<K>() -> (What, Teller<K>, mpsc::Receiver<Told<K>>)
where
    K: Resource<DynamicType = ()>,
{
    /// A list waits for its reader from there on.
    const WAITING: usize = 64;
    let (sender, receiver) = mpsc::channel(WAITING);
    let what = What {
        path: K::url_path(&(), None),
        name: K::plural(&()).into_owned(),
        // They say what is to be watched, and are few.
        waits: false,
        metadata_only: false,
    };
    (what, Teller(sender), receiver)
}

impl<K> Sink for Teller<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    async fn hear(&mut self, word: Word<'_>) -> Result<Heed, Closed> {
        let event = |event| Some(Told::Event(Box::new(event)));
        let told = match word {
            Word::Begin => event(Event::Init),
            Word::Item(text) => read(text).map(Event::InitApply).and_then(event),
            Word::Commit => event(Event::InitDone),
            Word::Put(text) => read(text).map(Event::Apply).and_then(event),
            Word::Gone(text) => read(text).map(Event::Delete).and_then(event),
            Word::Heard => Some(Told::Heard),
            Word::Trouble(error) | Word::Forbidden(error) => Some(Told::Trouble(error)),
            Word::NotServed => Some(Told::Trouble("its CRD is not installed".to_owned())),
            Word::TooLarge(head) => {
                let object = Named::of(head);
                tracing::warn!(kind = %K::kind(&()), %object, "an object is larger than 8 MiB and is not read: make it smaller");
                None
            }
        };
        if let Some(told) = told {
            self.0.send(told).await.map_err(|_| Closed)?;
        }
        Ok(Heed::GoOn)
    }

    fn remedy(&self, _: &WatchProblem) -> &'static str {
        "the operator's own kind can't be read: install its CRD and the roles in config/rbac"
    }
}

/// An object of a kind of ours. None when not even its metadata can be read, as no API server sends.
fn read<K: Resource<DynamicType = ()> + DeserializeOwned>(
    text: &[u8],
) -> Option<DeserializeGuard<K>> {
    serde_json::from_slice(text)
        .inspect_err(|error| {
            let object = Named::of(text);
            let (line, column) = (error.line(), error.column());
            tracing::warn!(kind = %K::kind(&()), %object, line, column, "an object can't be read");
        })
        .ok()
}
