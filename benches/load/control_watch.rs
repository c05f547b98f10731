//! The statuses of the controls, as a client that watches them sees them, with the time of each arrival.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use comptroller_core::api::Control;
use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{Result, expect::Verdict};

/// A status of a control as it arrived, whether or not it differs from the one before.
#[derive(Clone, Debug)]
pub struct StatusUpdate {
    pub control: String,
    /// When the event arrived at this client.
    pub at: Instant,
    pub verdict: Verdict,
    /// Whether the verdict is about the current generation.
    pub complete: bool,
}

/// A watch over all controls.
pub struct ControlWatch {
    arrivals: mpsc::UnboundedReceiver<StatusUpdate>,
    last: BTreeMap<String, StatusUpdate>,
    task: JoinHandle<()>,
}

impl ControlWatch {
    /// Starts to watch, in a task that ends with this value.
    pub fn open(client: &Client) -> Self {
        let (sender, arrivals) = mpsc::unbounded_channel();
        let controls = Api::<Control>::all(client.clone());
        let mut events =
            watcher::watcher(controls, watcher::Config::default()).default_backoff().boxed();
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                // First of all: decoding the object is no part of the latency.
                let at = Instant::now();
                if let Ok(Event::Apply(control) | Event::InitApply(control)) = event
                    && sender.send(seen(&control, at)).is_err()
                {
                    return;
                }
            }
        });
        Self { arrivals, last: BTreeMap::new(), task }
    }

    /// Takes what arrived until now, without waiting.
    pub fn drain(&mut self) -> Vec<StatusUpdate> {
        let mut arrived = Vec::new();
        while let Ok(seen) = self.arrivals.try_recv() {
            self.last.insert(seen.control.clone(), seen.clone());
            arrived.push(seen);
        }
        arrived
    }

    /// How many items of a control failed by its last status; 0 before the first.
    pub fn failing(&self, control: &str) -> i64 {
        self.last.get(control).map_or(0, |seen| seen.verdict.failing)
    }

    /// The last verdict of every control, of those whose status is about their current generation.
    pub fn verdicts(&self) -> BTreeMap<String, Verdict> {
        let complete = self.last.iter().filter(|(_, seen)| seen.complete);
        complete.map(|(name, seen)| (name.clone(), seen.verdict.clone())).collect()
    }

    /// Waits for the arrival that makes `holds` true of the last statuses; None when the limit passes first.
    pub async fn until(
        &mut self,
        limit: Duration,
        holds: impl Fn(&BTreeMap<String, StatusUpdate>) -> bool,
    ) -> Result<Option<StatusUpdate>> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            match tokio::time::timeout_at(deadline, self.arrivals.recv()).await {
                Err(_) => return Ok(None),
                Ok(None) => return Err("the watch of controls has ended".into()),
                // Taken in whether or not it is the one: the caller asks about the state, not the event.
                Ok(Some(seen)) => {
                    self.last.insert(seen.control.clone(), seen.clone());
                    if holds(&self.last) {
                        return Ok(Some(seen));
                    }
                }
            }
        }
    }
}

impl Drop for ControlWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn seen(control: &Control, at: Instant) -> StatusUpdate {
    let status = control.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
    StatusUpdate {
        control: control.name_any(),
        at,
        complete: ready && Some(status.observed_generation) == control.metadata.generation,
        verdict: Verdict {
            state: status.state.as_str().to_owned(),
            population: status.population,
            failing: status.failing,
            unknown: status.unknown,
        },
    }
}
