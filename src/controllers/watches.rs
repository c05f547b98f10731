//! One watch for each kind that some control reads.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{
    Resource,
    core::{ApiResource, DynamicObject},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::{AbortHandle, JoinSet},
};

use super::host::{Command, Fact};
use crate::source::{
    listwatch::{self, Closed, Heed, Shared, Sink, WatchProblem, What, Word},
    watched::{Named, TOO_COSTLY, Watched},
};
use comptroller_core::inventory::{
    Availability, KindId, ProjectedObject, Projector, ResourceType, Symbol,
};

/// How often a kind is listed anew to see whether an object without a name can be taken in now.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// What facts that wait for the engine may weigh together, in KiB.
const ROOM: u32 = 8 * 1024;

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
#[derive(Debug)]
pub struct Watches {
    shared: Shared,
    facts: mpsc::Sender<Command>,
    room: Arc<Semaphore>,
    tasks: JoinSet<()>,
    running: HashMap<KindId, AbortHandle>,
}

impl Watches {
    /// No watches yet.
    pub fn new(shared: Shared, facts: mpsc::Sender<Command>) -> Self {
        Self {
            shared,
            facts,
            room: Arc::new(Semaphore::new(usize::try_from(ROOM).unwrap_or(usize::MAX))),
            tasks: JoinSet::new(),
            running: HashMap::new(),
        }
    }

    /// Starts a watch, ending the one of the same kind.
    pub fn start(&mut self, plan: Plan) {
        self.stop(plan.kind);
        let kind = plan.kind;
        let resource = plan.projector.resource();
        let what = What {
            path: DynamicObject::url_path(&api_resource(resource), None),
            name: resource.to_string(),
            waits: true,
            metadata_only: false,
        };
        let (facts, room) = (self.facts.clone(), Arc::clone(&self.room));
        let sink = Watch { plan, facts, room, untaken: None };
        let task = listwatch::follow(self.shared.clone(), what, sink);
        self.running.insert(kind, self.tasks.spawn(task));
    }

    /// Ends a watch.
    pub fn stop(&mut self, kind: KindId) {
        if let Some(task) = self.running.remove(&kind) {
            task.abort();
        }
        while self.tasks.try_join_next().is_some() {}
    }
}

/// What a watch says, as facts: each object is projected and dropped.
struct Watch {
    plan: Plan,
    facts: mpsc::Sender<Command>,
    room: Arc<Semaphore>,
    untaken: Option<Untaken>,
}

/// An object that can't be taken in. There may be more: a list finds the next.
struct Untaken {
    object: Named,
    error: String,
    since: Instant,
}

impl Untaken {
    fn new(object: Named, error: String) -> Self {
        Self { object, error, since: Instant::now() }
    }

    /// Whether it may be gone now that this object changed.
    fn may_end_with(&self, changed: &Named) -> bool {
        if self.object.name.is_empty() {
            return self.since.elapsed() >= LOOK_AGAIN;
        }
        self.object == *changed
    }

    fn fact(&self) -> Fact {
        Fact::Unavailable(Availability::Untaken {
            object: self.object.to_string(),
            error: self.error.clone(),
        })
    }
}

impl Sink for Watch {
    async fn hear(&mut self, word: Word<'_>) -> Result<Heed, Closed> {
        match word {
            Word::Begin => {
                self.untaken = None;
                self.send(Fact::Begin).await
            }
            Word::Item(text) => self.stage(text).await,
            Word::TooLarge(head) => {
                self.leave_out(Named::of(head), "it is larger than 8 MiB".to_owned());
                Ok(Heed::GoOn)
            }
            Word::Commit => self.commit().await,
            Word::Put(text) => self.put(text).await,
            Word::Gone(text) => self.gone(text).await,
            Word::Heard => match &self.untaken {
                Some(untaken) => self.send(untaken.fact()).await,
                None => self.send(Fact::Heard).await,
            },
            Word::Trouble(error) => self.send(Fact::Trouble(error)).await,
            Word::Forbidden(error) => {
                self.send(Fact::Unavailable(Availability::Forbidden(error))).await
            }
            Word::NotServed => self.send(Fact::Unavailable(Availability::NotServed)).await,
        }
    }

    fn remedy(&self, problem: &WatchProblem) -> &'static str {
        match problem.code() {
            Some(403) => {
                "a kind can't be read, so controls that need it are Unknown: grant list and watch on it to the operator, by a ClusterRole with the label comptroller.dev/aggregate-to-reader: \"true\""
            }
            Some(404 | 405) => {
                "a kind is no longer served in this version: controls that need it say so until its CRD is back"
            }
            _ => {
                "a kind can't be read, so controls that need it turn Unknown in a minute: see what the API server's own log says"
            }
        }
    }
}

impl Watch {
    async fn send(&self, fact: Fact) -> Result<Heed, Closed> {
        let room = self.room(&fact).await;
        let command = Command::Fact {
            room,
            kind: self.plan.kind,
            epoch: self.plan.epoch,
            received: Instant::now(),
            fact,
        };
        self.facts.send(command).await.map_err(|_| Closed)?;
        if self.plan.projector.has_programs() {
            // Objects of a list are at hand at once, and an expression may take its time.
            tokio::task::yield_now().await;
        }
        Ok(Heed::GoOn)
    }

    /// Waits while the facts that wait for the engine are many and large.
    async fn room(&self, fact: &Fact) -> Option<OwnedSemaphorePermit> {
        let (Fact::Stage(object) | Fact::Apply(object)) = fact else { return None };
        let size = u32::try_from(object.weight / 1024).unwrap_or(ROOM).min(ROOM);
        if size == 0 {
            return None;
        }
        Arc::clone(&self.room).acquire_many_owned(size).await.ok()
    }

    async fn stage(&mut self, text: &[u8]) -> Result<Heed, Closed> {
        match self.project(text) {
            Ok(object) => self.send(Fact::Stage(object)).await,
            Err(error) => {
                self.leave_out(Named::of(text), error);
                Ok(Heed::GoOn)
            }
        }
    }

    /// A list without one of its objects is not complete.
    async fn commit(&mut self) -> Result<Heed, Closed> {
        match &self.untaken {
            None => self.send(Fact::Commit(self.plan.projector.program_ids())).await,
            Some(untaken) => {
                // What was staged is dropped.
                self.send(Fact::Begin).await?;
                self.send(untaken.fact()).await
            }
        }
    }

    async fn put(&mut self, text: &[u8]) -> Result<Heed, Closed> {
        let object = match self.project(text) {
            Ok(object) => object,
            Err(error) => {
                self.leave_out(Named::of(text), error);
                return self.still_untaken().await;
            }
        };
        if self.may_end_with(text) {
            return Ok(Heed::ListAnew);
        }
        self.still_untaken().await?;
        self.send(Fact::Apply(object)).await
    }

    async fn gone(&mut self, text: &[u8]) -> Result<Heed, Closed> {
        if self.may_end_with(text) {
            return Ok(Heed::ListAnew);
        }
        self.still_untaken().await?;
        let Named { namespace, name } = Named::of(text);
        self.send(Fact::Remove {
            namespace: Symbol::from(namespace.as_str()),
            name: Symbol::from(name.as_str()),
        })
        .await
    }

    fn may_end_with(&self, text: &[u8]) -> bool {
        self.untaken.as_ref().is_some_and(|untaken| untaken.may_end_with(&Named::of(text)))
    }

    /// A word of the watch makes a kind complete again that was silent; not one with a gap.
    async fn still_untaken(&self) -> Result<Heed, Closed> {
        match &self.untaken {
            Some(untaken) => self.send(untaken.fact()).await,
            None => Ok(Heed::GoOn),
        }
    }

    fn leave_out(&mut self, object: Named, error: String) {
        if self.untaken.is_some() {
            return;
        }
        let resource = self.plan.projector.resource();
        tracing::warn!(%resource, %object, error, "an object can't be taken in, so controls that read its kind are Unknown: make it smaller, or delete it");
        self.untaken = Some(Untaken::new(object, error));
    }

    fn project(&self, text: &[u8]) -> Result<ProjectedObject, String> {
        let resource = self.plan.projector.resource();
        let object: Watched = serde_json::from_slice(text).map_err(|error| plain(&error))?;
        let object = object.with_type(&resource.api_version(), &resource.kind);
        self.plan.projector.project(&object).map_err(|error| error.to_string())
    }
}

/// Why an object can't be read, without where in its text, which changes with each change of it, and
/// without what is written there, which may be of a person.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    if error.is_data() && !text.starts_with(TOO_COSTLY) {
        return "it is no object as the API server sends it".to_owned();
    }
    text.to_owned()
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
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use comptroller_core::inventory::{Interner, Inventory};

    struct World {
        watch: Watch,
        facts: mpsc::Receiver<Command>,
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
            let (sender, facts) = mpsc::channel(64);
            let plan = Plan { kind, epoch: 1, projector };
            Self {
                watch: Watch {
                    plan,
                    facts: sender,
                    room: Arc::new(Semaphore::new(8)),
                    untaken: None,
                },
                facts,
            }
        }

        async fn hear(&mut self, word: Word<'_>) -> (Heed, Vec<String>) {
            let heed = self.watch.hear(word).await.unwrap();
            let mut said = Vec::new();
            while let Ok(Command::Fact { fact, .. }) = self.facts.try_recv() {
                said.push(match fact {
                    Fact::Begin => "begin".to_owned(),
                    Fact::Stage(object) => format!("stage {}", object.name.as_str()),
                    Fact::Commit(_) => "commit".to_owned(),
                    Fact::Apply(object) => format!("apply {}", object.name.as_str()),
                    Fact::Remove { name, .. } => format!("remove {}", name.as_str()),
                    Fact::Unavailable(Availability::Untaken { object, .. }) => {
                        format!("without {object}")
                    }
                    Fact::Unavailable(_) => "unavailable".to_owned(),
                    Fact::Heard => "heard".to_owned(),
                    Fact::Trouble(_) => "trouble".to_owned(),
                });
            }
            (heed, said)
        }

        async fn says(&mut self, word: Word<'_>) -> Vec<String> {
            let (heed, said) = self.hear(word).await;
            assert_eq!(heed, Heed::GoOn);
            said
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
        assert_eq!(world.says(Word::Begin).await, ["begin"]);
        assert_eq!(world.says(Word::Item(&object("a"))).await, ["stage a"]);
        assert_eq!(world.says(Word::Item(&costly("big"))).await, [""; 0]);
        assert_eq!(world.says(Word::Commit).await, ["begin", "without shop/big"]);
        assert_eq!(world.says(Word::Heard).await, ["without shop/big"]);
        assert_eq!(world.says(Word::Put(&object("b"))).await, ["without shop/big", "apply b"]);
        assert_eq!(world.says(Word::Gone(&object("b"))).await, ["without shop/big", "remove b"]);
        assert_eq!(world.says(Word::Put(&costly("big"))).await, ["without shop/big"]);
        for word in [Word::Put(&object("big")), Word::Gone(&object("big"))] {
            assert_eq!(world.hear(word).await, (Heed::ListAnew, Vec::new()));
        }
        world.says(Word::Begin).await;
        assert_eq!(world.says(Word::Commit).await, ["commit"]);
        assert_eq!(world.says(Word::Put(&costly("new"))).await, ["without shop/new"]);
    }

    #[tokio::test]
    async fn an_object_without_a_name_is_missing_all_the_same() {
        for word in [Word::Item(b"{}"), Word::Item(b"[]"), Word::TooLarge(b"{\"spec\":\"xxxx")] {
            let mut world = World::new();
            world.says(Word::Begin).await;
            world.says(word).await;
            assert_eq!(world.says(Word::Commit).await, ["begin", "without "]);
            assert_eq!(world.says(Word::Put(&object("b"))).await, ["without ", "apply b"]);
        }
    }

    #[test]
    fn errors_hold_nothing_of_the_object() {
        let error = serde_json::from_str::<Watched>(r#"{"metadata":"jane@corp"}"#).unwrap_err();
        assert_eq!(plain(&error), "it is no object as the API server sends it");
        let error = serde_json::from_slice::<Watched>(&costly("a")).unwrap_err();
        assert_eq!(plain(&error), "it would take more than 16 MiB to read");
    }
}
