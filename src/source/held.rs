//! The objects of one of our kinds as the operator's watch holds them, for whoever shows them.

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use kube::{
    Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::{reflector, watcher::Event},
};

use super::own_kinds::WatchMessage;

/// The objects of a kind. Clones share them.
pub struct Held<K: Resource<DynamicType = ()> + Clone + Debug + 'static> {
    store: reflector::Store<DeserializeGuard<K>>,
    heard: Arc<Mutex<Heard>>,
    /// What was shown last, by name: an object that did not change is not copied again.
    shown: Arc<Mutex<HashMap<String, Shown<K>>>>,
}

impl<K: Resource<DynamicType = ()> + Clone + Debug + 'static> Clone for Held<K> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            heard: Arc::clone(&self.heard),
            shown: Arc::clone(&self.shown),
        }
    }
}

/// An object of the store, and the copy of it that is shown.
struct Shown<K> {
    stored: Arc<DeserializeGuard<K>>,
    copy: Arc<K>,
}

/// What the watch said last.
#[derive(Clone, Debug, Default)]
struct Heard {
    at: Option<Timestamp>,
    trouble: Option<String>,
}

/// What is known of a kind.
#[derive(Debug)]
pub struct HeldObjects<K> {
    pub objects: Vec<Arc<K>>,
    /// Objects whose spec can't be read.
    pub unreadable: Vec<String>,
    /// When the watch was last heard from. None: nothing is listed yet.
    pub heard: Option<Timestamp>,
    /// Why the list or watch fails. None if it does not.
    pub trouble: Option<String>,
}

impl<K: Resource<DynamicType = ()> + Clone + Debug + 'static> Held<K> {
    pub fn new(store: reflector::Store<DeserializeGuard<K>>) -> Self {
        Self { store, heard: Arc::default(), shown: Arc::default() }
    }

    /// Takes in that the watch said something.
    pub fn hear(&self, message: &WatchMessage<K>, now: Timestamp) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match message {
            WatchMessage::Failing(error) => heard.trouble = Some(error.clone()),
            // A list counts once it is complete.
            WatchMessage::Event(event) if matches!(**event, Event::Init | Event::InitApply(_)) => {}
            WatchMessage::Event(_) | WatchMessage::Confirmed => {
                *heard = Heard { at: Some(now), trouble: None };
            }
        }
    }

    /// The objects as of now.
    pub fn objects(&self) -> HeldObjects<K> {
        let Heard { at, trouble } =
            self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = std::mem::take(&mut *shown);
        let (mut objects, mut unreadable) = (Vec::new(), Vec::new());
        for stored in self.store.state() {
            let name = stored.name_any();
            let DeserializeGuard(Ok(object)) = &*stored else {
                unreadable.push(name);
                continue;
            };
            let copy = match known.remove(&name) {
                Some(before) if Arc::ptr_eq(&before.stored, &stored) => before.copy,
                _ => Arc::new(object.clone()),
            };
            objects.push(Arc::clone(&copy));
            shown.insert(name, Shown { stored, copy });
        }
        HeldObjects { objects, unreadable, heard: at, trouble }
    }
}
