//! The operator, put together.

use std::{future::Future, sync::Arc, time::Duration};

use futures::{FutureExt, Stream, StreamExt, future::BoxFuture};
use jiff::Timestamp;
use kube::{
    Api, Client, Resource,
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::{
        Controller,
        controller::{Action, Config},
        events::Reporter,
        reflector::{self, ObjectRef},
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
};

use super::{
    anchor, audit_period,
    board::Board,
    control, departed, events, exception,
    host::{Command, Host, Outlets, QUEUE},
    recording::Recording,
    writer::Writer,
};
use crate::source::{
    api_server, discovery,
    listwatch::{self, WatchContext},
    own_kinds::{EventFollower, ObjectEvent, WatchMessage, own_kind},
    rewinds::Rewinds,
    watches::Watches,
};
use crate::telemetry::{Metrics, ReconcileKind};
use comptroller_core::api::{AuditPeriod, Control, ControlException};
use comptroller_recorder::Evidence;

/// The name under which events and status fields are written.
pub const CONTROLLER: &str = "comptroller.dev/operator";

/// How many statuses are written at the same time.
const CONCURRENCY: u16 = 8;

/// How long reconciles under way may take to finish after a stop.
const GRACE: Duration = Duration::from_secs(10);

/// What the operator is made of, and who it is.
#[derive(Clone)]
pub struct Parts {
    /// The API server.
    pub client: Client,
    /// What is counted.
    pub metrics: Metrics,
    /// Where evidence is recorded, and whether this process may write at all.
    pub evidence: Evidence,
    /// The operator's own namespace.
    pub namespace: String,
    /// The name of this process, such as the pod's.
    pub instance: String,
}

/// What probes look at.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Whether the first evaluation is done.
    pub evaluated: watch::Receiver<bool>,
    /// What the engine waits for.
    pub board: Arc<Board>,
}

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// A part of it is gone, without which statuses would grow stale in silence.
    #[error("the {0} task ended; restart the operator")]
    TaskEnded(&'static str),
}

/// Starts the operator. The future runs until `stop` resolves, then lets reconciles under way finish.
pub fn start(
    parts: &Parts,
    stop: impl Future<Output = ()> + Send + 'static,
) -> (Handle, impl Future<Output = Result<(), OperatorError>>) {
    let stop = stop.boxed().shared();
    let (commands, inbox) = mpsc::channel(QUEUE);
    let board = Arc::new(Board::default());
    let (control_queue, controls) = mpsc::unbounded_channel();
    let (exception_queue, exceptions) = mpsc::unbounded_channel();
    let (api_server_wanted, wanted) = watch::channel(false);
    let (evaluated, evaluated_receiver) = watch::channel(false);
    let (adopted, adoptions) = watch::channel(0);
    let outlets = Outlets {
        board: Arc::clone(&board),
        controls: control_queue,
        exceptions: exception_queue,
        api_server_wanted,
        evaluated,
        adopted,
    };
    let rewinds = Rewinds::default();
    let context = WatchContext::new(parts.client.clone(), parts.metrics.clone(), rewinds.clone());
    let watches = Watches::new(context.clone(), commands.clone());
    let host = Host::new(watches, outlets, parts.metrics.clone(), parts.evidence.clone());

    let mut essential = JoinSet::new();
    let mut spawn = |name: &'static str, task: BoxFuture<'static, ()>| {
        essential.spawn(async move {
            task.await;
            name
        });
    };
    spawn("engine", host.run(inbox).boxed());
    spawn("discovery", discovery::run(context.clone(), commands.clone()).boxed());
    spawn(
        "API server metrics",
        api_server::run(parts.client.clone(), wanted, commands.clone()).boxed(),
    );
    let anchor =
        anchor::publish(parts.client.clone(), parts.namespace.clone(), parts.evidence.clone());
    spawn("anchor", anchor.boxed());
    // Without it the last thing that it said of the log would be believed for ever.
    spawn("evidence", parts.evidence.clone().ended().boxed());
    let mut reconcilers = JoinSet::new();
    let (controls_watch, controls_feed) = feed(&context, engine(&commands, Command::Control));
    let (exceptions_watch, exceptions_feed) = feed(&context, engine(&commands, Command::Exception));
    // The engine hears nothing of audit periods: they are about the log alone.
    let (periods_watch, periods_feed) = feed(&context, |_| futures::future::ready(()));
    for (name, task) in [
        ("watch of Controls", controls_watch),
        ("watch of ControlExceptions", exceptions_watch),
        ("watch of AuditPeriods", periods_watch),
        ("Control", departures(parts, "Control", &controls_feed)),
        ("ControlException", departures(parts, "ControlException", &exceptions_feed)),
    ] {
        spawn(name, task);
    }
    let recording = Recording::new(parts.evidence.clone(), commands);
    let triggers = Triggers { evidence: parts.evidence.clone(), adopted: adoptions, rewinds };
    reconcilers.spawn(control_loop(
        parts,
        &board,
        recording,
        triggers.clone(),
        controls_feed,
        controls,
        stop.clone(),
    ));
    reconcilers.spawn(audit_period_loop(parts, triggers.clone(), periods_feed, stop.clone()));
    reconcilers.spawn(exception_loop(
        parts,
        &board,
        triggers,
        exceptions_feed,
        exceptions,
        stop.clone(),
    ));
    let evidence = parts.evidence.clone();
    let (client, namespace) = (parts.client.clone(), parts.namespace.clone());

    let handle = Handle { evaluated: evaluated_receiver, board };
    let run = async move {
        tokio::select! {
            // The reconcilers end with the same signal, and that is no failure.
            biased;
            () = stop => {}
            Some(ended) = essential.join_next() => {
                return Err(OperatorError::TaskEnded(ended.unwrap_or("panicked")));
            }
            Some(_) = reconcilers.join_next() => return Err(OperatorError::TaskEnded("reconciler")),
        }
        let finish = async { while reconcilers.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, finish).await.is_err() {
            tracing::warn!("a reconcile did not finish in time and was cut");
        }
        if tokio::time::timeout(GRACE, evidence.stop()).await.is_err() {
            tracing::warn!(
                "the evidence log was not closed in order: the next start records a gap"
            );
        }
        // Whoever publishes meanwhile knows less.
        essential.shutdown().await;
        anchor::publish_last(client, &namespace, &evidence).await;
        Ok(())
    };
    (handle, run)
}

/// What makes every object be looked at again: that it may be written, or no longer, or that what
/// was written is there no longer.
#[derive(Clone)]
struct Triggers {
    evidence: Evidence,
    adopted: watch::Receiver<u64>,
    rewinds: Rewinds,
}

impl Triggers {
    fn stream(self) -> impl Stream<Item = ()> + Send + 'static {
        futures::stream::select_all([
            changes(self.evidence.subscribe()).boxed(),
            changes(self.adopted).boxed(),
            changes(self.rewinds.subscribe()).boxed(),
        ])
    }
}

fn changes<T: Send + Sync + 'static>(
    receiver: watch::Receiver<T>,
) -> impl Stream<Item = ()> + Send + 'static {
    futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.changed().await.ok()?;
        Some(((), receiver))
    })
}

fn departures<K>(
    parts: &Parts,
    kind: &'static str,
    feed: &Feed<K, impl Sized>,
) -> BoxFuture<'static, ()>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static,
{
    let Feed { reader, departures, .. } = feed;
    departed::follow(parts.evidence.clone(), kind, reader.clone(), Arc::clone(departures)).boxed()
}

fn control_loop(
    parts: &Parts,
    board: &Arc<Board>,
    recording: Recording,
    triggers: Triggers,
    feed: Feed<Control, impl Stream<Item = Watched<Control>> + Send + 'static>,
    queue: mpsc::UnboundedReceiver<ObjectRef<DeserializeGuard<Control>>>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let reporter =
        Reporter { controller: CONTROLLER.to_owned(), instance: Some(parts.instance.clone()) };
    let (events, publishing) =
        events::beside(parts.client.clone(), reporter, parts.metrics.clone());
    let context = Arc::new(control::Context {
        api: Api::all(parts.client.clone()),
        board: Arc::clone(board),
        recording,
        events,
        writer: Writer::new(
            "comptroller/control",
            ReconcileKind::Control,
            parts.metrics.clone(),
            triggers.rewinds.clone(),
        ),
        metrics: parts.metrics.clone(),
        started: Timestamp::now(),
        adopted: triggers.adopted.clone(),
        unrecorded: control::Unrecorded::default(),
    });
    let results = controller(feed, queue, triggers, stop).run(
        control::reconcile,
        control::error_policy,
        Arc::clone(&context),
    );
    let drained = drain("controls", results, move |name| context.writer.forget(name));
    events::run_beside(drained, publishing)
}

fn exception_loop(
    parts: &Parts,
    board: &Arc<Board>,
    triggers: Triggers,
    feed: Feed<ControlException, impl Stream<Item = Watched<ControlException>> + Send + 'static>,
    queue: mpsc::UnboundedReceiver<ObjectRef<DeserializeGuard<ControlException>>>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let context = Arc::new(exception::Context {
        api: Api::all(parts.client.clone()),
        board: Arc::clone(board),
        writer: Writer::new(
            "comptroller/exception",
            ReconcileKind::Exception,
            parts.metrics.clone(),
            triggers.rewinds.clone(),
        ),
        metrics: parts.metrics.clone(),
        evidence: parts.evidence.clone(),
    });
    let results = controller(feed, queue, triggers, stop).run(
        exception::reconcile,
        exception::error_policy,
        Arc::clone(&context),
    );
    drain("controlexceptions", results, move |name| context.writer.forget(name))
}

fn audit_period_loop(
    parts: &Parts,
    triggers: Triggers,
    feed: Feed<AuditPeriod, impl Stream<Item = Watched<AuditPeriod>> + Send + 'static>,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let context = Arc::new(audit_period::Context::new(
        Api::all(parts.client.clone()),
        parts.evidence.clone(),
        parts.metrics.clone(),
        triggers.rewinds.clone(),
    ));
    let (_, no_verdicts) = mpsc::unbounded_channel();
    let results = controller(feed, no_verdicts, triggers, stop).run(
        audit_period::reconcile,
        audit_period::error_policy,
        Arc::clone(&context),
    );
    drain("auditperiods", results, move |name| context.forget(name))
}

type Guarded<K> = DeserializeGuard<K>;

type Watched<K> = Result<Guarded<K>, watcher::Error>;

/// One watch of a kind of ours, for the reconciler's store and for the engine, which also needs
/// what the reconciler never sees: deletions.
struct Feed<K: Resource<DynamicType = ()> + Clone + 'static, S> {
    reader: reflector::Store<Guarded<K>>,
    stream: S,
    /// Notified when an object went, or when a list is complete and may lack some.
    departures: Arc<Notify>,
}

/// Tells the engine; `command` is what it calls this kind.
fn engine<K>(
    commands: &mpsc::Sender<Command>,
    command: fn(ObjectEvent<Result<Arc<K>, InvalidObject>>) -> Command,
) -> impl FnMut(ObjectEvent<Guarded<K>>) -> BoxFuture<'static, ()> + Send + use<K>
where
    K: Send + Sync + 'static,
{
    let commands = commands.clone();
    move |event| {
        let command = command(match event {
            ObjectEvent::Applied(DeserializeGuard(object)) => {
                ObjectEvent::Applied(object.map(Arc::new))
            }
            ObjectEvent::Deleted(name) => ObjectEvent::Deleted(name),
            ObjectEvent::Listed(names) => ObjectEvent::Listed(names),
            ObjectEvent::Confirmed => ObjectEvent::Confirmed,
            ObjectEvent::Failing(error) => ObjectEvent::Failing(error),
        });
        let commands = commands.clone();
        async move {
            // The engine is gone only while shutting down.
            let _ = commands.send(command).await;
        }
        .boxed()
    }
}

/// The watch of a kind of ours, to be run, and what it says: to the reconciler, and to `tell`.
fn feed<K, F, R>(
    context: &WatchContext,
    mut tell: F,
) -> (BoxFuture<'static, ()>, Feed<K, impl Stream<Item = Watched<K>> + Send + use<K, F, R>>)
where
    K: Resource<DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug
        + Send
        + Sync
        + 'static,
    F: FnMut(ObjectEvent<Guarded<K>>) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let (resource, sender, mut messages) = own_kind::<K>();
    let watch = listwatch::run(context.clone(), resource, sender).boxed();
    let (reader, mut writer) = reflector::store();
    let mut follower = EventFollower::default();
    let departures = Arc::new(Notify::new());
    let departed = Arc::clone(&departures);
    let stream = futures::stream::poll_fn(move |task| messages.poll_recv(task))
        .map(move |message| {
            let (change, event) = match message {
                WatchMessage::Event(event) => {
                    writer.apply_watcher_event(&event);
                    (follower.follow(&event), Some(event))
                }
                WatchMessage::Confirmed => (Some(ObjectEvent::Confirmed), None),
                WatchMessage::Failing(error) => (Some(ObjectEvent::Failing(error)), None),
            };
            if matches!(change, Some(ObjectEvent::Deleted(_) | ObjectEvent::Listed(_))) {
                departed.notify_one();
            }
            (change.map(&mut tell), event)
        })
        .filter_map(|(told, event)| async move {
            if let Some(told) = told {
                told.await;
            }
            match *event? {
                Event::Apply(object) | Event::InitApply(object) => Some(Ok(object)),
                _ => None,
            }
        });
    (watch, Feed { reader, stream, departures })
}

fn controller<K>(
    feed: Feed<K, impl Stream<Item = Watched<K>> + Send + 'static>,
    mut queue: mpsc::UnboundedReceiver<ObjectRef<Guarded<K>>>,
    triggers: Triggers,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) -> Controller<Guarded<K>>
where
    K: Resource<DynamicType = ()>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug
        + Send
        + Sync
        + 'static,
{
    let verdicts = futures::stream::poll_fn(move |context| queue.poll_recv(context));
    Controller::for_stream(feed.stream, feed.reader)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_on(verdicts)
        .reconcile_all_on(triggers.stream())
        .graceful_shutdown_on(stop)
}

/// Runs a controller; what goes wrong outside of a reconcile is logged.
async fn drain<K, E>(
    kind: &'static str,
    results: impl Stream<
        Item = Result<(ObjectRef<K>, Action), kube::runtime::controller::Error<E, watcher::Error>>,
    >,
    gone: impl Fn(&str),
) where
    K: Resource,
    E: std::error::Error + Send + 'static,
{
    futures::pin_mut!(results);
    while let Some(result) = results.next().await {
        match result {
            // A verdict may come a moment before the watch shows its control, or after it is gone.
            Err(kube::runtime::controller::Error::ObjectNotFound(object)) => gone(&object.name),
            Ok(_) | Err(kube::runtime::controller::Error::ReconcilerFailed(..)) => {}
            Err(error) => tracing::warn!(kind, %error, "a reconciler failed and goes on"),
        }
    }
}
