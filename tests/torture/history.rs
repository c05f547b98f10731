//! Every status that a control ever had, as a watch beside the proxies sees it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use comptroller::api::{Control, ControlStatus, State};
use futures::StreamExt as _;
use jiff::Timestamp;
use kube::{
    Api, Client, ResourceExt as _,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event},
    },
};
use tokio::task::JoinHandle;

/// A status as it was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    pub time: Timestamp,
    pub generation: i64,
    /// None: it had none yet.
    pub status: Option<ControlStatus>,
}

impl Seen {
    pub fn state(&self) -> Option<State> {
        let status = self.status.as_ref()?;
        (!status.conditions.is_empty()).then_some(status.state)
    }
}

/// Watches all controls until it is dropped.
pub struct History {
    seen: Arc<Mutex<HashMap<String, Vec<Seen>>>>,
    task: JoinHandle<()>,
}

impl History {
    pub fn start(client: Client) -> Self {
        let seen: Arc<Mutex<HashMap<String, Vec<Seen>>>> = Arc::default();
        let task = tokio::spawn({
            let seen = Arc::clone(&seen);
            async move {
                let api: Api<Control> = Api::all(client);
                let events = watcher::watcher(api, watcher::Config::default()).default_backoff();
                let mut events = events.boxed();
                while let Some(event) = events.next().await {
                    let Ok(Event::Apply(control) | Event::InitApply(control)) = event else {
                        continue;
                    };
                    note(&seen, control);
                }
            }
        });
        Self { seen, task }
    }

    /// What a control was, in order, without repetitions.
    pub fn of(&self, control: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(control).cloned().unwrap_or_default()
    }

    pub fn last(&self, control: &str) -> Option<Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(control)?.last().cloned()
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn note(seen: &Mutex<HashMap<String, Vec<Seen>>>, control: Control) {
    let name = control.name_any();
    let generation = control.metadata.generation.unwrap_or_default();
    let status = control.status;
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let all = seen.entry(name).or_default();
    let same = |last: &Seen| last.generation == generation && last.status == status;
    if !all.last().is_some_and(same) {
        all.push(Seen { at: Instant::now(), time: Timestamp::now(), generation, status });
    }
}
