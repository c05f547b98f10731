//! A watch of one of our own kinds, as its objects' comings and goings.

use std::collections::BTreeSet;

use kube::{ResourceExt, runtime::watcher::Event};

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
