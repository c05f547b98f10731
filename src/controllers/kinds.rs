//! The kinds of ours that have a reconciler, each run the same way: one watch feeds the engine's
//! task and the reconciler's store, and statuses follow from what is recorded.
//!
//! A new kind implements [`Reconciled`] and is one line in [`operator::start`](super::operator::start).

use std::{
    fmt::Debug,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{
    FutureExt, Stream, StreamExt,
    future::{BoxFuture, Shared},
};
use kube::{
    Resource, ResourceExt,
    api::ObjectMeta,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::{
        Controller,
        controller::{Action, Config},
        reflector::{self, ObjectRef},
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};

use super::{audit_period, control, exception, host::Command, person, writer::WriteError};
use crate::{
    source::{
        held::Held,
        listwatch::{self, WatchContext, WatchedResource},
        own_kinds::{EventFollower, MessageSender, ObjectEvent, WatchMessage, own_kind},
        rewinds::Rewinds,
    },
    telemetry::{Metrics, ReconcileKind, ReconcileOutcome},
};
use comptroller_core::api::{AuditPeriod, Control, ControlException, Person};
use comptroller_recorder::{Evidence, ObjectKey};

/// How many statuses of a kind are written at the same time.
const CONCURRENCY: u16 = 8;

/// An object of ours, or what is wrong with it beside its metadata.
pub type Guarded<K> = DeserializeGuard<K>;

/// An object of ours as a controller takes it. The watch retries by itself, so it is never an error.
type WatchResult<K> = Result<Guarded<K>, watcher::Error>;

/// A kind that is followed without a reconciler: where it is, and its list-watch with what it says.
pub type FollowedKind<K> = (WatchedResource, MessageSender<K>, mpsc::Receiver<WatchMessage<K>>);

/// What happened to an object of ours, for the engine's task.
pub type EngineEvent<K> = ObjectEvent<Result<Arc<K>, InvalidObject>>;

/// The key of an object, readable or not.
pub fn key_of(metadata: &ObjectMeta) -> ObjectKey {
    ObjectKey { name: metadata.name.clone().unwrap_or_default(), uid: metadata.uid.clone() }
}

/// A kind of ours whose status a reconciler writes.
pub trait Reconciled:
    Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static
{
    /// What the reconciler needs. It is shared by all reconciles of the kind.
    type Context: Send + Sync + 'static;

    /// What its reconciles are counted as.
    const KIND: ReconcileKind;

    /// What the engine's task is told of an event. None when no verdict and no record depends on
    /// the kind. Events come in the order of the watch, and each is told before the reconciler sees
    /// its object.
    fn command(event: EngineEvent<Self>) -> Option<Command>;

    /// Takes in an event before the reconciler sees its object, for a kind whose statuses depend on
    /// other objects of the same kind.
    fn observe(context: &Self::Context, event: &ObjectEvent<Guarded<Self>>) {
        let _ = (context, event);
    }

    /// Brings the status of an object in line with what is recorded. It is called again whenever
    /// something may have changed and after each failure, so it must find out by itself whether
    /// anything is to be done, and must claim nothing but [`Recorded`](comptroller_recorder::Recorded) values.
    fn reconcile(
        object: &Guarded<Self>,
        context: &Self::Context,
    ) -> impl Future<Output = Result<(Action, ReconcileOutcome), WriteError>> + Send;

    /// How long to wait after a write that failed.
    fn retry_after(context: &Self::Context, name: &str, error: &WriteError) -> Duration;

    /// Forgets an object that is gone.
    fn forget(context: &Self::Context, name: &str);
}

impl Reconciled for Control {
    type Context = control::ControlContext;
    const KIND: ReconcileKind = ReconcileKind::Control;

    fn command(event: EngineEvent<Self>) -> Option<Command> {
        Some(Command::Control(event))
    }

    async fn reconcile(
        object: &Guarded<Self>,
        context: &Self::Context,
    ) -> Result<(Action, ReconcileOutcome), WriteError> {
        control::reconcile(object, context).await
    }

    fn retry_after(context: &Self::Context, name: &str, error: &WriteError) -> Duration {
        context.writer.failed(name, error)
    }

    fn forget(context: &Self::Context, name: &str) {
        context.writer.forget(name);
    }
}

impl Reconciled for ControlException {
    type Context = exception::ExceptionContext;
    const KIND: ReconcileKind = ReconcileKind::Exception;

    fn command(event: EngineEvent<Self>) -> Option<Command> {
        Some(Command::Exception(event))
    }

    async fn reconcile(
        object: &Guarded<Self>,
        context: &Self::Context,
    ) -> Result<(Action, ReconcileOutcome), WriteError> {
        exception::reconcile(object, context).await
    }

    fn retry_after(context: &Self::Context, name: &str, error: &WriteError) -> Duration {
        context.writer.failed(name, error)
    }

    fn forget(context: &Self::Context, name: &str) {
        context.writer.forget(name);
    }
}

impl Reconciled for AuditPeriod {
    type Context = audit_period::PeriodContext;
    const KIND: ReconcileKind = ReconcileKind::AuditPeriod;

    fn command(event: EngineEvent<Self>) -> Option<Command> {
        Some(Command::AuditPeriod(event))
    }

    async fn reconcile(
        object: &Guarded<Self>,
        context: &Self::Context,
    ) -> Result<(Action, ReconcileOutcome), WriteError> {
        audit_period::reconcile(object, context).await
    }

    fn retry_after(context: &Self::Context, name: &str, error: &WriteError) -> Duration {
        context.retry_after(name, error)
    }

    fn forget(context: &Self::Context, name: &str) {
        context.forget(name);
    }
}

impl Reconciled for Person {
    type Context = person::PersonContext;
    const KIND: ReconcileKind = ReconcileKind::Person;

    /// Verdicts depend on what the engine's own watch says of people.
    fn command(_: EngineEvent<Self>) -> Option<Command> {
        None
    }

    fn observe(context: &Self::Context, event: &ObjectEvent<Guarded<Self>>) {
        person::observe(context, event);
    }

    async fn reconcile(
        object: &Guarded<Self>,
        context: &Self::Context,
    ) -> Result<(Action, ReconcileOutcome), WriteError> {
        person::reconcile(object, context).await
    }

    fn retry_after(context: &Self::Context, name: &str, error: &WriteError) -> Duration {
        context.writer.failed(name, error)
    }

    fn forget(context: &Self::Context, name: &str) {
        context.writer.forget(name);
    }
}

/// What every kind is run with.
pub struct KindRunner {
    /// How our kinds are listed and watched.
    pub watch: WatchContext,
    /// Inbox of the engine's task.
    pub commands: mpsc::Sender<Command>,
    /// Every reconcile is counted in them.
    pub metrics: Metrics,
    /// Whether the log, and so statuses, may be written.
    pub evidence: Evidence,
    /// Whether the cluster was put back to an earlier state.
    pub rewinds: Rewinds,
    /// Resolves when reconcilers are to end.
    pub stop: Shared<BoxFuture<'static, ()>>,
}

/// The two tasks of a kind.
pub struct RunningKind<K: Reconciled> {
    /// The watch. Without it, statuses would grow stale in silence.
    pub watch: BoxFuture<'static, ()>,
    /// The reconciler, which ends with the signal to stop.
    pub reconciler: BoxFuture<'static, ()>,
    /// What the watch holds, for whoever shows it.
    pub held: Held<K>,
}

/// A context with the metrics that count its reconciles.
struct Counted<K: Reconciled> {
    context: K::Context,
    metrics: Metrics,
}

impl KindRunner {
    /// Runs a kind. `published` queues objects of which something new was published to claim.
    pub fn run_kind<K: Reconciled>(
        &self,
        context: K::Context,
        mut published: mpsc::UnboundedReceiver<ObjectRef<Guarded<K>>>,
    ) -> RunningKind<K> {
        let counted = Arc::new(Counted { context, metrics: self.metrics.clone() });
        let (watch, objects, reader, held) = self.feed::<K>(Arc::clone(&counted));
        let published = futures::stream::poll_fn(move |context| published.poll_recv(context));
        let results = Controller::for_stream(objects, reader)
            .with_config(Config::default().concurrency(CONCURRENCY))
            .reconcile_on(published)
            .reconcile_all_on(self.triggers())
            .graceful_shutdown_on(self.stop.clone())
            .run(reconcile::<K>, retry::<K>, Arc::clone(&counted));
        let reconciler = drain::<K>(results, counted).boxed();
        RunningKind { watch, reconciler, held }
    }

    /// The watch of a kind that has no status of ours: the engine's task is told of each event.
    pub fn follow<K>(
        &self,
        (resource, sender, mut messages): FollowedKind<K>,
        command: impl Fn(EngineEvent<K>) -> Command + Send + 'static,
    ) -> BoxFuture<'static, ()>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        let watch = listwatch::run(self.watch.clone(), resource, sender);
        let commands = self.commands.clone();
        let forward = async move {
            let mut follower = EventFollower::default();
            while let Some(message) = messages.recv().await {
                let happened = match message {
                    WatchMessage::Event(event) => follower.follow(&event),
                    WatchMessage::Confirmed => Some(ObjectEvent::Confirmed),
                    WatchMessage::Failing(error) => Some(ObjectEvent::Failing(error)),
                };
                if let Some(happened) = happened {
                    // The engine is gone only while shutting down.
                    let _ = commands.send(command(for_engine(happened))).await;
                }
            }
        };
        async move {
            tokio::select! {
                () = watch => {}
                () = forward => {}
            }
        }
        .boxed()
    }

    /// What makes every object be looked at again: that the log may be written, or no longer, that
    /// others contradict it, or that what was written is there no longer.
    fn triggers(&self) -> impl Stream<Item = ()> + Send + use<> {
        let contradicted = match self.evidence.discontinued() {
            Some(discontinued) => changes(discontinued).boxed(),
            None => futures::stream::pending().boxed(),
        };
        let recorded = futures::stream::select(changes(self.evidence.subscribe()), contradicted);
        futures::stream::select(recorded, changes(self.rewinds.subscribe()))
    }

    /// The watch of a kind, to be run, with what it says for the reconciler. The engine is told of
    /// each event first, also of what the reconciler never sees: deletions.
    fn feed<K: Reconciled>(
        &self,
        counted: Arc<Counted<K>>,
    ) -> (
        BoxFuture<'static, ()>,
        impl Stream<Item = WatchResult<K>> + Send + use<K>,
        reflector::Store<Guarded<K>>,
        Held<K>,
    ) {
        let (resource, sender, mut messages) = own_kind::<K>();
        let watch = listwatch::run(self.watch.clone(), resource, sender).boxed();
        let (reader, mut writer) = reflector::store();
        let mut follower = EventFollower::default();
        let commands = self.commands.clone();
        let held = Held::new(reader.clone());
        let (hearing, clock) = (held.clone(), self.evidence.clock().clone());
        let objects = futures::stream::poll_fn(move |context| messages.poll_recv(context))
            .inspect(move |message| hearing.hear(message, clock.now()))
            .map(move |message| match message {
                WatchMessage::Event(event) => {
                    writer.apply_watcher_event(&event);
                    (follower.follow(&event), Some(event))
                }
                WatchMessage::Confirmed => (Some(ObjectEvent::Confirmed), None),
                WatchMessage::Failing(error) => (Some(ObjectEvent::Failing(error)), None),
            })
            .filter_map(move |(happened, event)| {
                let commands = commands.clone();
                if let Some(happened) = &happened {
                    K::observe(&counted.context, happened);
                }
                let command = happened.and_then(|happened| K::command(for_engine(happened)));
                async move {
                    if let Some(command) = command {
                        // The engine is gone only while shutting down.
                        let _ = commands.send(command).await;
                    }
                    match *event? {
                        Event::Apply(object) | Event::InitApply(object) => Some(Ok(object)),
                        _ => None,
                    }
                }
            });
        (watch, objects, reader, held)
    }
}

fn for_engine<K>(happened: ObjectEvent<Guarded<K>>) -> EngineEvent<K> {
    match happened {
        ObjectEvent::Applied(DeserializeGuard(object)) => {
            ObjectEvent::Applied(object.map(Arc::new))
        }
        ObjectEvent::Deleted(name) => ObjectEvent::Deleted(name),
        ObjectEvent::Listed(names) => ObjectEvent::Listed(names),
        ObjectEvent::Confirmed => ObjectEvent::Confirmed,
        ObjectEvent::Failing(error) => ObjectEvent::Failing(error),
    }
}

fn changes<T: Send + Sync + 'static>(
    receiver: watch::Receiver<T>,
) -> impl Stream<Item = ()> + Send + 'static {
    futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.changed().await.ok()?;
        Some(((), receiver))
    })
    .boxed()
}

/// Runs a reconcile with metrics: how it ended, and how long it took.
async fn reconcile<K: Reconciled>(
    object: Arc<Guarded<K>>,
    counted: Arc<Counted<K>>,
) -> Result<Action, WriteError> {
    let started = Instant::now();
    let result = K::reconcile(&object, &counted.context).await;
    let outcome = result.as_ref().map_or(ReconcileOutcome::Failed, |(_, outcome)| *outcome);
    counted.metrics.reconciled(K::KIND, outcome, started.elapsed());
    result.map(|(action, _)| action)
}

/// Failures are retried, later each time.
#[allow(clippy::needless_pass_by_value, reason = "the signature is the controller's")]
fn retry<K: Reconciled>(
    object: Arc<Guarded<K>>,
    error: &WriteError,
    counted: Arc<Counted<K>>,
) -> Action {
    Action::requeue(K::retry_after(&counted.context, &object.name_any(), error))
}

/// Runs a controller; what goes wrong outside of a reconcile is logged.
async fn drain<K: Reconciled>(
    results: impl Stream<
        Item = Result<
            (ObjectRef<Guarded<K>>, Action),
            kube::runtime::controller::Error<WriteError, watcher::Error>,
        >,
    >,
    counted: Arc<Counted<K>>,
) {
    let kind = K::KIND.resource();
    futures::pin_mut!(results);
    while let Some(result) = results.next().await {
        match result {
            // A verdict may come a moment before the watch shows its control, or after it is gone.
            Err(kube::runtime::controller::Error::ObjectNotFound(object)) => {
                K::forget(&counted.context, &object.name);
            }
            Ok(_) | Err(kube::runtime::controller::Error::ReconcilerFailed(..)) => {}
            Err(error) => tracing::warn!(kind, %error, "a reconciler failed and goes on"),
        }
    }
}
