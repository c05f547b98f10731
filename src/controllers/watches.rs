//! One watch for each kind that some control reads.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use jiff::Timestamp;
use kube::{
    Api, Client, Resource,
    api::WatchParams,
    core::{ApiResource, Status},
    runtime::{
        utils::Backoff as _,
        watcher::{self, DefaultBackoff, Event, watcher},
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
    inventory::{Availability, KindId, Projector, ResourceType, Symbol},
    telemetry::{Failure, Metrics},
};

/// How long changes may fail to arrive before verdicts on them are withdrawn. Shorter outages (an
/// API server that restarts) keep the last good verdict.
pub const STALE_AFTER: Duration = Duration::from_mins(2);

/// Errors further apart than this are separate troubles; the watcher retries at least every 30 s.
const SEPARATE: Duration = Duration::from_secs(75);

/// How often a refused watch is tried again.
const REGRANT: Duration = Duration::from_secs(10);

/// Pages keep the memory of a first list flat: 350 pods are some 14 MiB while they are projected.
const PAGE_SIZE: u32 = 350;

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
        let mut backoff = DefaultBackoff::default();
        loop {
            let config = watcher::Config::default().page_size(PAGE_SIZE);
            let mut events = watcher(self.api.clone(), config).boxed();
            let mut listed = false;
            // Held while a list is under way.
            let mut turn: Option<OwnedSemaphorePermit> = None;
            while let Some(event) = events.next().await {
                let event = match event {
                    Ok(event) => event,
                    Err(error) => {
                        drop(turn.take());
                        let stale = trouble.note(Instant::now(), listed);
                        let relist = self.complain(&error, stale, listed).await;
                        if self.facts.is_closed() {
                            return;
                        }
                        tokio::time::sleep(backoff.next().unwrap_or(STALE_AFTER)).await;
                        if relist {
                            break;
                        }
                        continue;
                    }
                };
                match event {
                    // The first page is asked for only after this event.
                    Event::Init => turn = self.turn().await,
                    Event::InitDone => {
                        drop(turn.take());
                        listed = true;
                    }
                    _ => {}
                }
                // A list that begins, and a page of it, prove nothing yet.
                if matches!(event, Event::InitDone | Event::Apply(_) | Event::Delete(_)) {
                    if trouble.first.is_some() {
                        self.metrics.outages().worked(&self.resource());
                    }
                    trouble = Trouble::default();
                    backoff.reset();
                }
                if let Some(fact) = self.fact(event)
                    && self.send(fact).await.is_err()
                {
                    return;
                }
                if self.plan.projector.has_programs() {
                    // A page of objects is at hand at once, and an expression may take its time.
                    tokio::task::yield_now().await;
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
            Event::Delete(object) => {
                let metadata = object.meta();
                let symbol = |text: Option<&str>| Symbol::from(text.unwrap_or_default());
                Some(Fact::Remove {
                    namespace: symbol(metadata.namespace.as_deref()),
                    name: symbol(metadata.name.as_deref()),
                })
            }
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

    /// The resource, as people name it.
    fn resource(&self) -> String {
        self.plan.projector.resource().to_string()
    }

    fn log(&self, error: &watcher::Error) {
        let what = self.resource();
        let Some(failure) = Failure::of_watch(error) else {
            tracing::debug!(what, %error, "a watch was too far behind, and lists anew");
            return;
        };
        let remedy = match answer(error).map(|status| status.code) {
            Some(403) => {
                "a kind can't be read, so controls that need it are Unknown: grant list and watch on it to the operator, by a ClusterRole with the label comptroller.dev/aggregate-to-reader: \"true\""
            }
            Some(404 | 405) => {
                "a kind is no longer served in this version: controls that need it say so until its CRD is back"
            }
            _ => {
                "a kind can't be read, so controls that need it turn Unknown in two minutes: see what the API server's own log says"
            }
        };
        self.metrics.outages().failed(&what, failure, &first_line(error), remedy);
    }

    /// Tells what an error means for what is known. True when the kind must be listed anew: a
    /// watch that resumes brings changes only, and no word that all is well again.
    async fn complain(
        &self,
        error: &watcher::Error,
        stale: Option<Duration>,
        listed: bool,
    ) -> bool {
        self.metrics.watch_failed(&self.resource());
        self.log(error);
        let availability = match answer(error).map(|status| status.code) {
            Some(403) => Availability::Forbidden(first_line(error)),
            // One replica of the API server may not know a definition yet: the next list decides.
            Some(404 | 405) if listed => return true,
            Some(404 | 405) => Availability::NotServed,
            _ => match stale {
                None => return false,
                Some(length) => Availability::Stale {
                    since: Timestamp::now()
                        - jiff::SignedDuration::try_from(length).unwrap_or_default(),
                    error: first_line(error),
                },
            },
        };
        let forbidden = matches!(availability, Availability::Forbidden(_));
        if self.send(Fact::Unavailable(availability)).await.is_ok() && listed && forbidden {
            self.granted().await;
        }
        listed
    }

    /// Waits until the watch is granted again. A list alone may be granted, and would claim for a
    /// moment that all is known.
    async fn granted(&self) {
        let params = WatchParams::default().timeout(1);
        while self.api.watch(&params, "0").await.is_err() {
            tokio::time::sleep(REGRANT).await;
        }
    }
}

/// How long a watch has been failing.
#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Trouble {
    /// Notes an error; the length of the trouble once it is too long. A watch that works is silent,
    /// so errors far apart are separate troubles; a list that works says so.
    fn note(&mut self, now: Instant, listed: bool) -> Option<Duration> {
        let far = self.last.is_none_or(|last| now.duration_since(last) > SEPARATE);
        let separate = listed && far;
        let first = if separate { now } else { self.first.unwrap_or(now) };
        self.first = Some(first);
        self.last = Some(now);
        let length = now.duration_since(first);
        (length >= STALE_AFTER).then_some(length)
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
            assert_eq!(trouble.note(at(seconds), true), None, "after {seconds} s");
        }
        assert_eq!(trouble.note(at(120), true), Some(STALE_AFTER));
        assert_eq!(trouble.note(at(400), true), None, "a new trouble begins");
    }

    #[test]
    fn a_list_that_fails_slowly_is_one_trouble() {
        let start = Instant::now();
        let mut trouble = Trouble::default();
        assert_eq!(trouble.note(start, false), None);
        let late = Duration::from_secs(200);
        assert_eq!(trouble.note(start + late, false), Some(late));
    }
}
