//! One watch for each kind that some control reads.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{Resource, core::DynamicObject};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::{AbortHandle, JoinSet},
};

use super::{
    api_resource,
    event::{KindChange, KindEvent, SourceEvent},
    listwatch::{
        self, Closed, EventHandler, Flow, RequestError, WatchContext, WatchEvent, WatchedResource,
    },
    raw_object::{ObjectName, RawObject, TOO_COSTLY},
};
use comptroller_core::inventory::{
    Availability, IdentityError, KindId, ProjectedObject, Projector, Symbol,
};

/// How often a kind is listed again to see whether an object without a readable name can be read
/// now.
const RETRY_UNNAMED: Duration = Duration::from_mins(1);

/// How much memory the events that wait for the engine may take together, in KiB.
const PENDING_KIB: u32 = 8 * 1024;

/// A kind to watch.
#[derive(Clone, Debug)]
pub struct WatchPlan {
    /// Its id in the inventory.
    pub kind: KindId,
    /// A number that no other watch has, by which its events are told from those of an earlier one.
    pub watch: u64,
    /// Turns its objects into facts.
    pub projector: Projector,
}

/// The running watches. They send events of type `E`.
#[derive(Debug)]
pub struct Watches<E> {
    context: WatchContext,
    events: mpsc::Sender<E>,
    memory: Arc<Semaphore>,
    tasks: JoinSet<()>,
    running: HashMap<KindId, AbortHandle>,
}

impl<E: From<SourceEvent> + Send + 'static> Watches<E> {
    /// No watches, until [`start`](Self::start).
    pub fn new(context: WatchContext, events: mpsc::Sender<E>) -> Self {
        Self {
            context,
            events,
            memory: Arc::new(Semaphore::new(usize::try_from(PENDING_KIB).unwrap_or(usize::MAX))),
            tasks: JoinSet::new(),
            running: HashMap::new(),
        }
    }

    /// Starts a watch. If there is one of the same kind, it is stopped.
    pub fn start(&mut self, plan: WatchPlan) {
        self.stop(plan.kind);
        let kind = plan.kind;
        let resource = plan.projector.resource();
        let watched = WatchedResource {
            path: DynamicObject::url_path(&api_resource(resource), None),
            name: resource.to_string(),
            queued: true,
            metadata_only: false,
        };
        let (events, memory) = (self.events.clone(), Arc::clone(&self.memory));
        let handler = KindWatch { plan, events, memory, unread: None };
        let task = listwatch::run(self.context.clone(), watched, handler);
        self.running.insert(kind, self.tasks.spawn(task));
    }

    /// Stops the watch of a kind, if there is one.
    pub fn stop(&mut self, kind: KindId) {
        if let Some(task) = self.running.remove(&kind) {
            task.abort();
        }
        // Otherwise the set would keep every task that ever ended.
        while self.tasks.try_join_next().is_some() {}
    }
}

/// Turns the events of one watch into facts: each object is projected and dropped.
struct KindWatch<E> {
    plan: WatchPlan,
    events: mpsc::Sender<E>,
    memory: Arc<Semaphore>,
    /// An object that can't be read, without which the kind is not complete.
    unread: Option<UnreadObject>,
}

/// Why an object can't be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("{}", describe(.0))]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// An object that can't be read. Others may be like it: the list that follows finds the next.
struct UnreadObject {
    object: ObjectName,
    error: String,
    since: Instant,
}

impl UnreadObject {
    fn new(object: ObjectName, error: String) -> Self {
        Self { object, error, since: Instant::now() }
    }

    /// Whether the kind may be complete now that `changed` was changed or deleted.
    fn may_be_resolved_by(&self, changed: &ObjectName) -> bool {
        // Nobody knows which object it is, so any change may be the one; but not each change of a
        // busy kind can cause a list.
        if self.object.name.is_empty() {
            return self.since.elapsed() >= RETRY_UNNAMED;
        }
        self.object == *changed
    }

    fn change(&self) -> KindChange {
        KindChange::Unavailable(Availability::Untaken {
            object: self.object.to_string(),
            error: self.error.clone(),
        })
    }
}

impl<E: From<SourceEvent> + Send + 'static> EventHandler for KindWatch<E> {
    async fn handle(&mut self, event: WatchEvent<'_>) -> Result<Flow, Closed> {
        match event {
            WatchEvent::ListStarted => {
                self.unread = None;
                self.send(KindChange::ListStarted).await
            }
            WatchEvent::ListItem(text) => self.list_item(text).await,
            WatchEvent::TooLarge(head) => {
                self.skip(ObjectName::find(head), "it is larger than 8 MiB".to_owned());
                Ok(Flow::Continue)
            }
            WatchEvent::ListComplete(version) => self.list_complete(version).await,
            WatchEvent::Applied(text) => self.applied(text).await,
            WatchEvent::Deleted(text) => self.deleted(text).await,
            WatchEvent::Confirmed => match &self.unread {
                Some(unread) => self.send(unread.change()).await,
                None => self.send(KindChange::Confirmed).await,
            },
            WatchEvent::Failing(error) => self.send(KindChange::Failing(error)).await,
            WatchEvent::Forbidden(error) => {
                self.send(KindChange::Unavailable(Availability::Forbidden(error))).await
            }
            WatchEvent::NotServed => {
                self.send(KindChange::Unavailable(Availability::NotServed)).await
            }
        }
    }

    fn remedy(&self, error: &RequestError) -> &'static str {
        match error.code() {
            Some(403) => {
                "a kind can't be read, so controls that need it are Unknown: grant the operator list and watch on it, with a ClusterRole that has the label comptroller.dev/aggregate-to-reader: \"true\""
            }
            Some(404 | 405) => {
                "a kind is no longer served in this version: controls that need it are Unknown until its CRD is back"
            }
            _ => {
                "a kind can't be read, so controls that need it turn Unknown in a minute: check the logs of the API server"
            }
        }
    }
}

impl<E: From<SourceEvent>> KindWatch<E> {
    async fn send(&self, change: KindChange) -> Result<Flow, Closed> {
        let memory = self.reserve_memory(&change).await;
        let event = KindEvent {
            kind: self.plan.kind,
            watch: self.plan.watch,
            received: Instant::now(),
            change,
            memory,
        };
        self.events.send(SourceEvent::Kind(event).into()).await.map_err(|_| Closed)?;
        if self.plan.projector.has_programs() {
            // A list hands on its items without ever waiting, and expressions may take long: other
            // tasks of this thread must get their turn.
            tokio::task::yield_now().await;
        }
        Ok(Flow::Continue)
    }

    /// Waits while the events that wait for the engine take too much memory. None for small ones.
    async fn reserve_memory(&self, change: &KindChange) -> Option<OwnedSemaphorePermit> {
        let (KindChange::ListItem(object) | KindChange::Applied(object)) = change else {
            return None;
        };
        // An object above the whole budget takes all of it, or it would wait for ever.
        let kib = u32::try_from(object.weight / 1024).unwrap_or(PENDING_KIB).min(PENDING_KIB);
        if kib == 0 {
            return None;
        }
        Arc::clone(&self.memory).acquire_many_owned(kib).await.ok()
    }

    async fn list_item(&mut self, text: &[u8]) -> Result<Flow, Closed> {
        match self.project(text) {
            Ok(object) => self.send(KindChange::ListItem(object)).await,
            Err(error) => {
                self.skip(ObjectName::find(text), error.to_string());
                Ok(Flow::Continue)
            }
        }
    }

    async fn list_complete(&mut self, version: &str) -> Result<Flow, Closed> {
        match &self.unread {
            None => {
                self.send(KindChange::ListComplete {
                    programs: self.plan.projector.program_ids(),
                    version: version.to_owned(),
                })
                .await
            }
            // A list without one of its objects is not complete: what was staged is dropped.
            Some(unread) => {
                self.send(KindChange::ListStarted).await?;
                self.send(unread.change()).await
            }
        }
    }

    async fn applied(&mut self, text: &[u8]) -> Result<Flow, Closed> {
        let object = match self.project(text) {
            Ok(object) => object,
            Err(error) => {
                self.skip(ObjectName::find(text), error.to_string());
                return self.repeat_unread().await;
            }
        };
        if self.may_be_resolved_by(text) {
            return Ok(Flow::ListAgain);
        }
        self.repeat_unread().await?;
        self.send(KindChange::Applied(object)).await
    }

    async fn deleted(&mut self, text: &[u8]) -> Result<Flow, Closed> {
        if self.may_be_resolved_by(text) {
            return Ok(Flow::ListAgain);
        }
        self.repeat_unread().await?;
        let ObjectName { namespace, name } = ObjectName::find(text);
        self.send(KindChange::Deleted {
            namespace: Symbol::from(namespace.as_str()),
            name: Symbol::from(name.as_str()),
        })
        .await
    }

    fn may_be_resolved_by(&self, text: &[u8]) -> bool {
        let unread = self.unread.as_ref();
        unread.is_some_and(|unread| unread.may_be_resolved_by(&ObjectName::find(text)))
    }

    /// Any other event of a kind that was silent makes it complete again, which it is not while an
    /// object can't be read.
    async fn repeat_unread(&self) -> Result<Flow, Closed> {
        match &self.unread {
            Some(unread) => self.send(unread.change()).await,
            None => Ok(Flow::Continue),
        }
    }

    fn skip(&mut self, mut object: ObjectName, error: String) {
        // The first one is enough to make the kind incomplete, and is what the status names.
        if self.unread.is_some() {
            return;
        }
        let resource = self.plan.projector.resource();
        // The name of a Person is personal data, which no log holds.
        if resource.kind == "Person" {
            object = ObjectName::default();
        }
        tracing::warn!(%resource, %object, error, "an object can't be read, so controls that read its kind are Unknown: make it smaller, or delete it");
        self.unread = Some(UnreadObject::new(object, error));
    }

    fn project(&self, text: &[u8]) -> Result<ProjectedObject, ReadError> {
        let resource = self.plan.projector.resource();
        let object: RawObject = serde_json::from_slice(text)?;
        let object = object.with_type(&resource.api_version(), &resource.kind);
        Ok(self.plan.projector.project(&object)?)
    }
}

/// Why an object can't be read. Without the position, which changes with each change of the object and
/// would change the status with it, and without its text, which may be personal data.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    if error.is_data() && !text.starts_with(TOO_COSTLY) {
        return "it is not an object as the API server sends it".to_owned();
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use comptroller_core::inventory::{Interner, Inventory, ResourceType};

    struct World {
        watch: KindWatch<SourceEvent>,
        events: mpsc::Receiver<SourceEvent>,
    }

    impl World {
        fn new() -> Self {
            let resource = ResourceType {
                group: String::new(),
                version: "v1".to_owned(),
                kind: "ConfigMap".to_owned(),
                plural: "configmaps".to_owned(),
                namespaced: true,
            };
            let kind = Inventory::default().kind(&resource);
            let projector = Projector::new(resource, Vec::new(), Arc::new(Interner::default()));
            let (sender, events) = mpsc::channel(64);
            let plan = WatchPlan { kind, watch: 1, projector };
            Self {
                watch: KindWatch {
                    plan,
                    events: sender,
                    memory: Arc::new(Semaphore::new(8)),
                    unread: None,
                },
                events,
            }
        }

        async fn handle(&mut self, event: WatchEvent<'_>) -> (Flow, Vec<String>) {
            let flow = self.watch.handle(event).await.unwrap();
            let mut sent = Vec::new();
            while let Ok(SourceEvent::Kind(KindEvent { change, .. })) = self.events.try_recv() {
                sent.push(match change {
                    KindChange::ListStarted => "list".to_owned(),
                    KindChange::ListItem(object) => format!("item {}", object.name.as_str()),
                    KindChange::ListComplete { .. } => "complete".to_owned(),
                    KindChange::Applied(object) => format!("applied {}", object.name.as_str()),
                    KindChange::Deleted { name, .. } => format!("deleted {}", name.as_str()),
                    KindChange::Unavailable(Availability::Untaken { object, .. }) => {
                        format!("without {object}")
                    }
                    KindChange::Unavailable(_) => "unavailable".to_owned(),
                    KindChange::Confirmed => "confirmed".to_owned(),
                    KindChange::Failing(_) => "failing".to_owned(),
                });
            }
            (flow, sent)
        }

        async fn sends(&mut self, event: WatchEvent<'_>) -> Vec<String> {
            let (flow, sent) = self.handle(event).await;
            assert_eq!(flow, Flow::Continue);
            sent
        }
    }

    fn object(name: &str) -> Vec<u8> {
        json!({"metadata": {"name": name, "namespace": "shop"}}).to_string().into_bytes()
    }

    /// Some 2 MB of text that would be a tree of more than 100 MB.
    fn costly(name: &str) -> Vec<u8> {
        let data = vec![json!({"a": 1}); 250_000];
        json!({"metadata": {"name": name, "namespace": "shop"}, "data": data})
            .to_string()
            .into_bytes()
    }

    #[tokio::test]
    async fn a_kind_is_complete_only_with_each_of_its_objects() {
        let mut world = World::new();
        assert_eq!(world.sends(WatchEvent::ListStarted).await, ["list"]);
        assert_eq!(world.sends(WatchEvent::ListItem(&object("a"))).await, ["item a"]);
        assert_eq!(world.sends(WatchEvent::ListItem(&costly("big"))).await, [""; 0]);
        assert_eq!(world.sends(WatchEvent::ListComplete("7")).await, ["list", "without shop/big"]);
        assert_eq!(world.sends(WatchEvent::Confirmed).await, ["without shop/big"]);
        assert_eq!(
            world.sends(WatchEvent::Applied(&object("b"))).await,
            ["without shop/big", "applied b"]
        );
        assert_eq!(
            world.sends(WatchEvent::Deleted(&object("b"))).await,
            ["without shop/big", "deleted b"]
        );
        assert_eq!(world.sends(WatchEvent::Applied(&costly("big"))).await, ["without shop/big"]);
        for event in [WatchEvent::Applied(&object("big")), WatchEvent::Deleted(&object("big"))] {
            assert_eq!(world.handle(event).await, (Flow::ListAgain, Vec::new()));
        }
        world.sends(WatchEvent::ListStarted).await;
        assert_eq!(world.sends(WatchEvent::ListComplete("7")).await, ["complete"]);
        assert_eq!(world.sends(WatchEvent::Applied(&costly("new"))).await, ["without shop/new"]);
    }

    #[tokio::test]
    async fn an_object_without_a_name_is_missing_all_the_same() {
        for event in [
            WatchEvent::ListItem(b"{}"),
            WatchEvent::ListItem(b"[]"),
            WatchEvent::TooLarge(b"{\"spec\":\"xxxx"),
        ] {
            let mut world = World::new();
            world.sends(WatchEvent::ListStarted).await;
            world.sends(event).await;
            assert_eq!(world.sends(WatchEvent::ListComplete("7")).await, ["list", "without "]);
            assert_eq!(
                world.sends(WatchEvent::Applied(&object("b"))).await,
                ["without ", "applied b"]
            );
        }
    }

    #[test]
    fn errors_hold_nothing_of_the_object() {
        let error = serde_json::from_str::<RawObject>(r#"{"metadata":"jane@corp"}"#).unwrap_err();
        assert_eq!(describe(&error), "it is not an object as the API server sends it");
        let error = serde_json::from_slice::<RawObject>(&costly("a")).unwrap_err();
        assert_eq!(describe(&error), "it would take more than 16 MiB to read");
    }
}
