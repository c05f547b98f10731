//! The operator, put together.

use std::{future::Future, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use kube::{
    Api, Client,
    runtime::{events::Reporter, reflector::ObjectRef},
};
use serde::Serialize;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{
    audit_period, checkpoint_publisher, control,
    cosigning::{self, Witnesses},
    events, exception, guard,
    host::{Command, Host, Outlets, QUEUE},
    kinds::{Guarded, KindRunner},
    notify::{Notifier, Webhook, alerts},
    person,
    record::ReconcileQueues,
    refusal::WithoutTexts,
    reports::{FindingsBoard, PolicyReports, ReportsMode},
    verdict_board::VerdictBoard,
    writer::Writer,
};
use crate::audit_stream::AuditStream;
use crate::outbound::Target;
use crate::source::{
    api_server, discovery, held::Held, listwatch::WatchContext, own_kinds::own_kind,
    rewinds::Rewinds, server_clock, watches::Watches,
};
use crate::telemetry::{Metrics, ReconcileKind};
use comptroller_core::api::{AuditPeriod, Control, ControlException, Person};
use comptroller_recorder::Evidence;

/// The name under which events and status fields are written.
pub const CONTROLLER: &str = "comptroller.dev/operator";

/// How long reconciles under way may take to finish after a stop.
const GRACE: Duration = Duration::from_secs(10);

/// What the operator is made of, and who it is.
#[derive(Clone)]
pub struct Parts {
    pub client: Client,
    pub metrics: Metrics,
    /// Where evidence is recorded, and whether this process may write at all.
    pub evidence: Evidence,
    /// The operator's own namespace.
    pub namespace: String,
    /// The name of this process, such as the pod's.
    pub instance: String,
    /// Who cosigns the log. None: nobody is asked.
    pub witnesses: Option<Witnesses>,
    /// Which policy reports are written.
    pub reports: ReportsMode,
    /// Who is told of changes. None: nobody is.
    pub webhook: Option<Webhook>,
    /// The Alertmanager that is told what is wrong. None: there is none.
    pub alertmanager: Option<Target>,
    /// Who used what, by the API server's audit events. None: nobody hears them.
    pub audit_stream: Option<AuditStream>,
}

/// What probes and pages look at.
#[derive(Clone)]
pub struct Handle {
    /// Whether the first evaluation is done.
    pub evaluated: watch::Receiver<bool>,
    /// What the engine waits for.
    pub board: Arc<VerdictBoard>,
    /// The objects of our own kinds, as their watches hold them.
    pub held: HeldKinds,
}

/// The kinds of ours that are held as they are.
#[derive(Clone)]
pub struct HeldKinds {
    pub controls: Held<Control>,
    pub exceptions: Held<ControlException>,
    pub periods: Held<AuditPeriod>,
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
    let board = Arc::new(VerdictBoard::default());
    let (control_queue, controls) = mpsc::unbounded_channel();
    let (exception_queue, exceptions) = mpsc::unbounded_channel();
    let (_, no_periods) = mpsc::unbounded_channel();
    let (person_queue, people) = mpsc::unbounded_channel();
    let (api_server_wanted, wanted) = watch::channel(false);
    let (evaluated, evaluated_receiver) = watch::channel(false);
    let findings = Arc::new(FindingsBoard::new(parts.reports != ReportsMode::None));
    let outlets = Outlets {
        board: Arc::clone(&board),
        findings: Arc::clone(&findings),
        queues: ReconcileQueues { controls: control_queue, exceptions: exception_queue },
        api_server_wanted,
        evaluated,
    };
    let rewinds = Rewinds::default();
    let watch = WatchContext::new(parts.client.clone(), parts.metrics.clone(), rewinds.clone());
    let watches = Watches::new(watch.clone(), commands.clone());
    let (metrics, evidence) = (parts.metrics.clone(), parts.evidence.clone());
    let host = Host::new(watches, outlets, metrics, evidence, &parts.namespace);

    let mut essential = JoinSet::new();
    let mut spawn = |name: &'static str, task: BoxFuture<'static, ()>| {
        essential.spawn(async move {
            task.await;
            name
        });
    };
    spawn("engine", host.run(inbox).boxed());
    spawn("discovery", discovery::run(watch.clone(), commands.clone()).boxed());
    spawn(
        "API server metrics",
        api_server::run(parts.client.clone(), wanted, commands.clone()).boxed(),
    );
    for (name, task) in outflow_tasks(parts, &findings) {
        spawn(name, task);
    }
    for (name, task) in log_tasks(parts) {
        spawn(name, task);
    }
    let runner = KindRunner {
        watch,
        commands: commands.clone(),
        metrics: parts.metrics.clone(),
        evidence: parts.evidence.clone(),
        rewinds: rewinds.clone(),
        stop: stop.clone(),
    };
    let (context, publishing) = control_context(parts, &board, &commands, &rewinds);
    let events = context.events.clone();
    let controls = runner.run_kind::<Control>(context, controls);
    let context = exception_context(parts, &board, &commands, &rewinds);
    let exceptions = runner.run_kind::<ControlException>(context, exceptions);
    let context = person_context(parts, person_queue, &rewinds);
    let people = runner.run_kind::<Person>(context, people);
    let context = period_context(parts, &commands, events, rewinds);
    let periods = runner.run_kind::<AuditPeriod>(context, no_periods);
    let held = HeldKinds {
        controls: controls.held.clone(),
        exceptions: exceptions.held.clone(),
        periods: periods.held.clone(),
    };
    for (name, task) in [
        ("watch of Controls", controls.watch),
        ("watch of ControlExceptions", exceptions.watch),
        ("watch of AuditPeriods", periods.watch),
        ("watch of People", people.watch),
    ] {
        spawn(name, task);
    }
    // They are recorded, and nothing else follows from them.
    if parts.evidence.has_log() {
        spawn("watch of DeviationResponses", runner.follow(own_kind(), Command::Response));
        for (name, watch) in guard::watches(&runner, &parts.namespace) {
            spawn(name, watch);
        }
    }
    let mut reconcilers = JoinSet::new();
    reconcilers.spawn(events::run_beside(controls.reconciler, publishing));
    reconcilers.spawn(exceptions.reconciler);
    reconcilers.spawn(periods.reconciler);
    reconcilers.spawn(people.reconciler);
    let (evidence, stream) = (parts.evidence.clone(), parts.audit_stream.clone());
    let (client, namespace) = (parts.client.clone(), parts.namespace.clone());

    let handle = Handle { evaluated: evaluated_receiver, board, held };
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
        finish(&mut reconcilers, &evidence, stream).await;
        // Whoever publishes meanwhile knows less.
        essential.shutdown().await;
        checkpoint_publisher::publish_last(client, &namespace, &evidence).await;
        Ok(())
    };
    (handle, run)
}

/// Lets reconciles under way finish, records what the audit stream came to, and closes the log.
async fn finish(reconcilers: &mut JoinSet<()>, evidence: &Evidence, stream: Option<AuditStream>) {
    let reconciled = async { while reconcilers.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, reconciled).await.is_err() {
        tracing::warn!("a reconcile did not finish in time and was cut");
    }
    if let Some(stream) = stream
        && tokio::time::timeout(GRACE, stream.finish()).await.is_err()
    {
        tracing::warn!("what the audit stream came to was not recorded in time: it is a gap of it");
    }
    if tokio::time::timeout(GRACE, evidence.stop()).await.is_err() {
        tracing::warn!("the evidence log was not closed in order: the next start records a gap");
    }
}

/// What tells other tools of what is recorded.
fn outflow_tasks(
    parts: &Parts,
    findings: &Arc<FindingsBoard>,
) -> Vec<(&'static str, BoxFuture<'static, ()>)> {
    let (client, evidence) = (parts.client.clone(), parts.evidence.clone());
    let metrics = parts.metrics.clone();
    let board = Arc::clone(findings);
    let reports = PolicyReports::new(
        parts.reports,
        client.clone(),
        board.clone(),
        evidence.clone(),
        metrics.clone(),
    );
    let mut tasks = vec![("policy reports", reports.run().boxed())];
    if let Some(webhook) = parts.webhook.clone() {
        let (evidence, metrics) = (evidence.clone(), metrics.clone());
        let notifier = Notifier::new(webhook, client, &parts.namespace, evidence, metrics);
        tasks.push(("webhook", notifier.run().boxed()));
    }
    if let Some(target) = parts.alertmanager.clone() {
        tasks.push(("alerts", alerts::run(target, board, evidence, metrics).boxed()));
    }
    tasks
}

/// What keeps the evidence log dated, published and vouched for.
fn log_tasks(parts: &Parts) -> Vec<(&'static str, BoxFuture<'static, ()>)> {
    let (client, evidence) = (parts.client.clone(), parts.evidence.clone());
    let clock = server_clock::run(client.clone(), evidence.clock().clone(), parts.metrics.clone());
    let (cosigner, cosignatures) = watch::channel(None);
    let publisher = checkpoint_publisher::publish(
        client,
        parts.namespace.clone(),
        evidence.clone(),
        cosignatures,
    );
    let mut tasks = vec![
        ("clock", clock.boxed()),
        ("checkpoint publisher", publisher.boxed()),
        // Without it the last thing that it said of the log would be believed for ever.
        ("evidence", evidence.clone().ended().boxed()),
    ];
    if let Some(stream) = parts.audit_stream.clone() {
        tasks.push(("audit stream", stream.run(parts.client.clone()).boxed()));
    }
    if let Some(witnesses) = parts.witnesses.clone() {
        let metrics = parts.metrics.evidence().clone();
        tasks
            .push(("witnesses", cosigning::cosign(witnesses, evidence, metrics, cosigner).boxed()));
    }
    tasks
}

/// The reconciler of controls with the task that publishes its events beside it.
fn control_context(
    parts: &Parts,
    board: &Arc<VerdictBoard>,
    commands: &mpsc::Sender<Command>,
    rewinds: &Rewinds,
) -> (control::ControlContext, impl Future<Output = ()> + Send + use<>) {
    let reporter =
        Reporter { controller: CONTROLLER.to_owned(), instance: Some(parts.instance.clone()) };
    let (events, publishing) =
        events::beside(parts.client.clone(), reporter, parts.metrics.clone());
    let context = control::ControlContext {
        api: Api::all(parts.client.clone()),
        board: Arc::clone(board),
        evidence: parts.evidence.clone(),
        commands: commands.clone(),
        events,
        writer: writer("comptroller/control", ReconcileKind::Control, parts, rewinds),
        metrics: parts.metrics.clone(),
        started: parts.evidence.clock().now(),
    };
    (context, publishing)
}

fn exception_context(
    parts: &Parts,
    board: &Arc<VerdictBoard>,
    commands: &mpsc::Sender<Command>,
    rewinds: &Rewinds,
) -> exception::ExceptionContext {
    exception::ExceptionContext {
        api: Api::all(parts.client.clone()),
        board: Arc::clone(board),
        evidence: parts.evidence.clone(),
        commands: commands.clone(),
        writer: writer("comptroller/exception", ReconcileKind::Exception, parts, rewinds),
    }
}

fn person_context(
    parts: &Parts,
    related: mpsc::UnboundedSender<ObjectRef<Guarded<Person>>>,
    rewinds: &Rewinds,
) -> person::PersonContext {
    person::PersonContext {
        api: Api::all(parts.client.clone()),
        evidence: parts.evidence.clone(),
        writer: writer("comptroller/person", ReconcileKind::Person, parts, rewinds),
        related,
        directory: person::Directory::default(),
    }
}

fn period_context(
    parts: &Parts,
    commands: &mpsc::Sender<Command>,
    events: events::Publisher,
    rewinds: Rewinds,
) -> audit_period::PeriodContext {
    audit_period::PeriodContext::new(
        Api::all(parts.client.clone()),
        parts.evidence.clone(),
        commands.clone(),
        events,
        parts.metrics.clone(),
        rewinds,
    )
}

fn writer<S: Clone + PartialEq + Serialize + WithoutTexts>(
    manager: &'static str,
    kind: ReconcileKind,
    parts: &Parts,
    rewinds: &Rewinds,
) -> Writer<S> {
    Writer::new(manager, kind, parts.metrics.clone(), rewinds.clone())
}
