//! One watch for each kind that some control reads.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use jiff::Timestamp;
use kube::{
    Api, Client,
    core::{ApiResource, Status},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::{AbortHandle, JoinSet},
};

use super::{
    host::{Command, Fact},
    watched::Watched,
};
use crate::{
    inventory::{Availability, KindId, Projector, ResourceType},
    telemetry::Metrics,
};

/// How long changes may fail to arrive before verdicts on them are withdrawn. Shorter outages (an
/// API server that restarts) keep the last good verdict.
pub const STALE_AFTER: Duration = Duration::from_mins(2);

/// Errors further apart than this are separate troubles; the watcher retries at least every 30 s.
const SEPARATE: Duration = Duration::from_secs(75);

/// Pages keep the memory of a first list flat: 250 pods are some 10 MiB while they are projected.
const PAGE_SIZE: u32 = 250;

/// How many kinds are listed at the same time. Each holds a page of objects; thirty of them at once
/// would be most of the operator's memory, and no sooner done.
const LISTS: usize = 2;

/// A list that takes longer than this, as of a slow aggregated API, does not hold up the others.
const TURN: Duration = Duration::from_secs(10);

/// A kind to watch. `epoch` tells its facts from those of an earlier watch of the same kind.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its id in the inventory.
    pub kind: KindId,
    /// Tells this watch from an earlier one.
    pub epoch: u64,
    /// Reads its objects.
    pub projector: Projector,
}

/// The running watches.
pub struct Watches {
    client: Client,
    facts: mpsc::Sender<Command>,
    metrics: Metrics,
    lists: Arc<Semaphore>,
    tasks: JoinSet<()>,
    running: HashMap<KindId, AbortHandle>,
}

impl Watches {
    /// No watches yet.
    pub fn new(client: Client, facts: mpsc::Sender<Command>, metrics: Metrics) -> Self {
        Self {
            client,
            facts,
            metrics,
            lists: Arc::new(Semaphore::new(LISTS)),
            tasks: JoinSet::new(),
            running: HashMap::new(),
        }
    }

    /// Starts a watch, ending the one of the same kind.
    pub fn start(&mut self, plan: Plan) {
        self.stop(plan.kind);
        let kind = plan.kind;
        let watch = Watch {
            api: Api::all_with(self.client.clone(), &api_resource(plan.projector.resource())),
            plan,
            facts: self.facts.clone(),
            metrics: self.metrics.clone(),
            lists: Arc::clone(&self.lists),
        };
        self.running.insert(kind, self.tasks.spawn(watch.run()));
    }

    /// Ends a watch.
    pub fn stop(&mut self, kind: KindId) {
        if let Some(task) = self.running.remove(&kind) {
            task.abort();
        }
        while self.tasks.try_join_next().is_some() {}
    }
}

struct Watch {
    api: Api<Watched>,
    plan: Plan,
    facts: mpsc::Sender<Command>,
    metrics: Metrics,
    lists: Arc<Semaphore>,
}

impl Watch {
    async fn run(self) {
        let mut trouble = Trouble::default();
        loop {
            let config = watcher::Config::default().page_size(PAGE_SIZE);
            let mut events = watcher(self.api.clone(), config).default_backoff().boxed();
            let mut listed = false;
            // Held while a list is under way.
            let mut turn: Option<OwnedSemaphorePermit> = None;
            loop {
                let fact = match events.next().await {
                    Some(Ok(event)) => {
                        trouble = Trouble::default();
                        match event {
                            // The first page is asked for only after this event.
                            Event::Init => turn = self.turn().await,
                            Event::InitDone => {
                                drop(turn.take());
                                listed = true;
                            }
                            _ => {}
                        }
                        self.fact(event)
                    }
                    Some(Err(error)) => {
                        drop(turn.take());
                        let stale = trouble.note(Instant::now());
                        self.complain(&error, stale)
                    }
                    None => break,
                };
                if let Some(fact) = fact
                    && self.send(fact).await.is_err()
                {
                    return;
                }
                // A watch resumes without a word; a new list says that all is well again.
                if listed && trouble.is_stale() {
                    break;
                }
            }
        }
    }

    /// Waits for the turn to list.
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let turn = Arc::clone(&self.lists).acquire_owned();
        tokio::time::timeout(TURN, turn).await.ok()?.ok()
    }

    async fn send(&self, fact: Fact) -> Result<(), mpsc::error::SendError<Command>> {
        self.facts
            .send(Command::Fact {
                kind: self.plan.kind,
                epoch: self.plan.epoch,
                received: Instant::now(),
                fact,
            })
            .await
    }

    fn fact(&self, event: Event<Watched>) -> Option<Fact> {
        match event {
            Event::Init => Some(Fact::Begin),
            Event::InitApply(object) => self.project(object).map(Fact::Stage),
            Event::InitDone => Some(Fact::Commit(self.plan.projector.program_ids())),
            Event::Apply(object) => self.project(object).map(Fact::Apply),
            Event::Delete(object) => self
                .project(object)
                .map(|gone| Fact::Remove { namespace: gone.namespace, name: gone.name }),
        }
    }

    fn project(&self, object: Watched) -> Option<crate::inventory::Projected> {
        let resource = self.plan.projector.resource();
        let object = object.with_type(&resource.api_version(), &resource.kind);
        self.plan
            .projector
            .project(&object)
            .inspect_err(|error| tracing::warn!(%resource, %error, "an object can't be taken in"))
            .ok()
    }

    fn complain(&self, error: &watcher::Error, stale: Option<Duration>) -> Option<Fact> {
        let resource = self.plan.projector.resource();
        self.metrics.watch_failed(&resource.to_string());
        tracing::warn!(%resource, %error, "a watch failed and is retried");
        match answer(error).map(|status| status.code) {
            Some(403) => Some(Fact::Unavailable(Availability::Forbidden(first_line(error)))),
            Some(404 | 405) => Some(Fact::Unavailable(Availability::NotServed)),
            _ => stale.map(|length| {
                let since =
                    Timestamp::now() - jiff::SignedDuration::try_from(length).unwrap_or_default();
                Fact::Unavailable(Availability::Stale { since, error: first_line(error) })
            }),
        }
    }
}

/// How long a watch has been failing.
#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    first: Option<Instant>,
    last: Option<Instant>,
    stale: bool,
}

impl Trouble {
    /// Notes an error; the length of the trouble once it is too long.
    fn note(&mut self, now: Instant) -> Option<Duration> {
        let separate = self.last.is_none_or(|last| now.duration_since(last) > SEPARATE);
        let first = if separate { now } else { self.first.unwrap_or(now) };
        self.first = Some(first);
        self.last = Some(now);
        let length = now.duration_since(first);
        self.stale = length >= STALE_AFTER;
        self.stale.then_some(length)
    }

    fn is_stale(&self) -> bool {
        self.stale
    }
}

/// What the API server said, when it is what failed.
fn answer(error: &watcher::Error) -> Option<&Status> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status),
        _ => None,
    }
}

fn first_line(error: &watcher::Error) -> String {
    let text = answer(error).map_or_else(|| error.to_string(), |status| status.message.clone());
    text.lines().next().unwrap_or_default().chars().take(512).collect()
}

/// The type as kube addresses it.
pub fn api_resource(resource: &ResourceType) -> ApiResource {
    ApiResource {
        group: resource.group.clone(),
        version: resource.version.clone(),
        api_version: resource.api_version(),
        kind: resource.kind.clone(),
        plural: resource.plural.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_stale_only_when_errors_keep_coming() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut trouble = Trouble::default();
        for seconds in [0, 30, 60, 90] {
            assert_eq!(trouble.note(at(seconds)), None, "after {seconds} s");
        }
        assert_eq!(trouble.note(at(120)), Some(STALE_AFTER));
        assert!(trouble.is_stale());
        assert_eq!(trouble.note(at(400)), None, "a new trouble begins");
        assert!(!trouble.is_stale());
    }
}
