//! Every status that a control ever had, as a watch beside the proxies sees it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use comptroller_core::api::{Control, ControlStatus, State};
use futures::StreamExt as _;
use jiff::Timestamp;
use kube::{
    Api, Client, ResourceExt as _,
    api::{ListParams, WatchEvent, WatchParams},
};
use tokio::task::JoinHandle;

/// How long a watch lasts, in seconds, and what is between two that fail.
const TURN: u32 = 10;
const PAUSE: Duration = Duration::from_millis(200);

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
                loop {
                    if follow(&api, &seen).await.is_err() {
                        tokio::time::sleep(PAUSE).await;
                    }
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

/// Lists, and watches for a while from there. A watch alone would wait for ever for a revision that
/// a restored etcd has not reached yet.
async fn follow(api: &Api<Control>, seen: &Mutex<HashMap<String, Vec<Seen>>>) -> kube::Result<()> {
    let list = api.list(&ListParams::default()).await?;
    let from = list.metadata.resource_version.clone().unwrap_or_default();
    list.items.into_iter().for_each(|control| note(seen, control));
    let mut events = api.watch(&WatchParams::default().timeout(TURN), &from).await?.boxed();
    while let Some(event) = events.next().await {
        if let WatchEvent::Added(control) | WatchEvent::Modified(control) = event? {
            note(seen, control);
        }
    }
    Ok(())
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
