//! `comptroller run`: runs the operator.

use std::{
    future::Future, io::IsTerminal, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration,
};

use futures::FutureExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, Config, client::ClientBuilder};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use super::{
    audit_stream::AuditStreamArgs,
    cluster::{ClusterArgs, ClusterError},
};
use crate::{
    controllers::{
        cluster_knowledge,
        cosigning::{Witnesses, WitnessesError},
        leader::{ElectionConfig, LeaderElector},
        notify::Webhook,
        operator::{self, Parts},
        reports::ReportsMode,
    },
    outbound::{PlainHttp, Target, TargetError, secret},
    server::{CertificateFiles, ProbeState, Server, ServerConfig},
    source::{
        identity::{ProcessFacts, identity},
        server_clock::ReadDates,
    },
    telemetry::{self, LogFormat, Metrics},
    ui,
};
use comptroller_recorder::{Clock, Evidence, EvidenceConfig, Leadership, Recorder};

/// Run the operator.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// The address for metrics, pages and probes.
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:8443")]
    listen: SocketAddr,
    /// An additional address for probes, over plain HTTP and separate from metrics clients.
    #[arg(long, value_name = "ADDR")]
    probe_listen: Option<SocketAddr>,
    /// Serve plain HTTP without authentication; allowed on loopback addresses only.
    #[arg(long)]
    insecure: bool,
    /// Run as one of several replicas, of which only one writes at a time.
    #[arg(long)]
    leader_elect: bool,
    /// The namespace of the Lease. Default: the operator's own.
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "POD_NAMESPACE",
        default_value = "comptroller-system"
    )]
    leader_elect_namespace: String,
    /// The name of the cluster, which the pages show.
    #[arg(long, value_name = "NAME", env = "COMPTROLLER_CLUSTER_NAME", default_value = "")]
    cluster_name: String,
    /// The serving certificate, in PEM. Default: one is generated in memory.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Where to keep the evidence log: a directory, or the URL of a bucket (s3://, gs://, az://).
    #[arg(long, value_name = "URL|DIR", env = "COMPTROLLER_EVIDENCE")]
    evidence: Option<String>,
    /// The key that signs the log. For a log in a directory, the default is a file in the folder of
    /// `COMPTROLLER_KEY_DIR` or in `~/.local/share/comptroller/keys`, which is generated, or DIR.key where
    /// an older version has put it; for a bucket it is required.
    #[arg(long, value_name = "FILE", env = "COMPTROLLER_EVIDENCE_KEY", requires = "evidence")]
    evidence_key: Option<PathBuf>,
    /// A witness that cosigns the log (C2SP tlog-witness): its submission prefix. Give it once for each
    /// witness; without it, the witnesses whose URLs the policy has are asked.
    #[arg(long, value_name = "URL", requires = "evidence", requires = "witness_policy")]
    witness: Vec<String>,
    /// The keys of the witnesses, and how many of them it takes (C2SP tlog-policy). `evidence verify
    /// --policy` reads the same file.
    #[arg(long, value_name = "FILE", env = "COMPTROLLER_WITNESS_POLICY", requires = "evidence")]
    witness_policy: Option<PathBuf>,
    /// Write what controls come to as policy reports, which Policy Reporter and other dashboards read.
    /// The CRDs are those of another project, and the right to write reports is config/rbac/reports.
    #[arg(long, value_name = "API", value_enum, default_value_t, env = "COMPTROLLER_REPORTS")]
    reports: ReportsMode,
    /// Tell this webhook of what changes: states of controls, obligations and exceptions, as CloudEvents
    /// over HTTPS. Each entry of the evidence log is told once, also after the receiver was down.
    #[arg(long, value_name = "URL", env = "COMPTROLLER_NOTIFY", requires = "evidence")]
    notify: Option<String>,
    /// A file with a bearer token for the webhook.
    #[arg(long, value_name = "FILE", requires = "notify")]
    notify_token: Option<PathBuf>,
    /// A file with the key by which events are signed, as Standard Webhooks does (HMAC-SHA256).
    #[arg(long, value_name = "FILE", requires = "notify")]
    notify_key: Option<PathBuf>,
    /// Tell this Alertmanager which controls fail or are Unknown, and which obligations are overdue. For
    /// clusters without a Prometheus that evaluates config/monitoring: both would tell it twice.
    #[arg(long, value_name = "URL", env = "COMPTROLLER_ALERTMANAGER")]
    alertmanager: Option<String>,
    /// A file with a bearer token for Alertmanager.
    #[arg(long, value_name = "FILE", requires = "alertmanager")]
    alertmanager_token: Option<PathBuf>,
    #[command(flatten)]
    audit_stream: AuditStreamArgs,
}

impl RunArgs {
    fn server(&self) -> ServerConfig {
        let certificate = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                Some(CertificateFiles { certificate: certificate.clone(), key: key.clone() })
            }
            _ => None,
        };
        ServerConfig {
            probe_listen: self.probe_listen,
            insecure: self.insecure,
            certificate,
            client_authorities: self.audit_stream.client_authorities(),
            ..ServerConfig::new(self.listen)
        }
    }
}

/// The engine is a single task, so more threads would only add stacks and allocator arenas: 64 of each on a
/// node with 64 cores.
const THREADS: usize = 2;

/// Threads for file operations: as many as write the parts of one append in parallel.
const FILE_THREADS: usize = 4;

/// Runs until SIGTERM or Ctrl-C.
pub fn run(args: &RunArgs) -> Result<(), Box<dyn std::error::Error>> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .max_blocking_threads(FILE_THREADS)
        .enable_all()
        .build()?
        .block_on(serve(args))
}

async fn serve(args: &RunArgs) -> Result<(), Box<dyn std::error::Error>> {
    let format = if std::io::stderr().is_terminal() { LogFormat::Text } else { LogFormat::Json };
    telemetry::init(format)?;
    let metrics = Metrics::new()?;
    let clock = Clock::default();
    let mut config = args.cluster.config().await?;
    // Watches and reconcilers retry by themselves, while the client's own retries could block one call for
    // minutes.
    config.default_retry = false;
    let client = client(config.clone(), &metrics, &clock)?;
    let stop = stopped().shared();

    let (release, released) = oneshot::channel::<()>();
    let Election { leadership, task: election } =
        elect(args, &client, &metrics, &clock, released.map(drop))?;
    let evidence = evidence(args, &client, &metrics, leadership, clock);
    let audit_stream = args.audit_stream.stream(&evidence, &metrics)?;
    let parts = Parts {
        client: client.clone(),
        metrics: metrics.clone(),
        evidence,
        namespace: args.leader_elect_namespace.clone(),
        instance: instance(),
        witnesses: witnesses(args)?,
        reports: args.reports,
        webhook: webhook(args)?,
        alertmanager: alertmanager(args)?,
        audit_stream: audit_stream.clone(),
    };
    let (handle, operator) = operator::start(&parts, stop.clone());
    let pages = ui::operator::pages(
        &handle,
        &parts.evidence,
        config,
        instance(),
        args.cluster_name.clone(),
    )?;
    let board = handle.board;
    let displaced = parts.evidence.displaced();
    let ready = unless_displaced(handle.evaluated, displaced.clone());
    let probes = ProbeState::new(ready, move || match &displaced {
        Some(displaced) if *displaced.borrow() => DISPLACED.to_owned(),
        _ => board.waiting(),
    });
    let server = Server::bind(args.server(), client, metrics, probes)
        .await?
        .with_pages(pages)
        .with_audit_stream(audit_stream);
    tracing::info!(address = %server.address(), "serving /metrics, /ui/, /healthz and /readyz");
    if let Some(address) = server.probe_address() {
        tracing::info!(%address, "serving /healthz and /readyz");
    }

    // Probes must be answered until the last status is written, or the kubelet would kill the pod first.
    let (finished, wait) = oneshot::channel::<()>();
    let server = tokio::spawn(server.run(wait.map(drop)));
    // It ends when its last status is written, or one of its tasks is gone.
    let result = operator.await;
    // Only now that the last status is written may another replica lead.
    drop(release);
    election.await?;
    drop(finished);
    server.await??;
    result?;
    Ok(())
}

/// The readiness message of an operator that is not needed.
const DISPLACED: &str = "another operator writes the evidence log, so this one does nothing: stop one of them, or run both with --leader-elect";

/// Whether the first evaluation is done, and no other operator does the work of this one. The sender ends with
/// the task that evaluates, as [`ProbeState`] requires.
fn unless_displaced(
    mut evaluated: watch::Receiver<bool>,
    displaced: Option<watch::Receiver<bool>>,
) -> watch::Receiver<bool> {
    // Without a log there is nothing that a second operator could hold.
    let Some(mut displaced) = displaced else { return evaluated };
    let (sender, ready) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            let now = *evaluated.borrow_and_update() && !*displaced.borrow_and_update();
            sender.send_replace(now);
            tokio::select! {
                changed = evaluated.changed() => if changed.is_err() { return },
                changed = displaced.changed() => if changed.is_err() { return },
            }
        }
    });
    ready
}

/// Leadership of this process, and the task that stands for it.
struct Election {
    leadership: Leadership,
    task: JoinHandle<()>,
}

/// Takes part in the election until `released`; without an election this process leads.
fn elect(
    args: &RunArgs,
    client: &Client,
    metrics: &Metrics,
    clock: &Clock,
    released: impl Future<Output = ()> + Send + 'static,
) -> Result<Election, Box<dyn std::error::Error>> {
    if !args.leader_elect {
        let (sole, leading) = watch::channel(true);
        metrics.leads(true);
        let task = tokio::spawn(async move {
            released.await;
            drop(sole);
        });
        return Ok(Election { leadership: leading.into(), task });
    }
    let config = ElectionConfig::new(&args.leader_elect_namespace, instance());
    let elector = LeaderElector::new(client.clone(), config, metrics.clone(), clock.clone())?;
    let leadership = elector.leadership();
    Ok(Election { leadership, task: tokio::spawn(elector.run(released)) })
}

/// How long a receiver may take to answer.
const RECEIVER_TIMEOUT: Duration = Duration::from_secs(10);

/// Who is told of changes.
fn webhook(args: &RunArgs) -> Result<Option<Webhook>, TargetError> {
    let Some(url) = &args.notify else { return Ok(None) };
    let target = Target::new("--notify", url, PlainHttp::Loopback, RECEIVER_TIMEOUT)?;
    if let Some(path) = &args.notify_key {
        secret(path)?;
    }
    let target = target.with_token(args.notify_token.clone())?;
    Ok(Some(Webhook { target, key: args.notify_key.clone() }))
}

/// Who is told what is wrong. Within a cluster Alertmanager mostly speaks plain HTTP.
fn alertmanager(args: &RunArgs) -> Result<Option<Target>, TargetError> {
    let Some(url) = &args.alertmanager else { return Ok(None) };
    let target = Target::new("--alertmanager", url, PlainHttp::Anywhere, RECEIVER_TIMEOUT)?;
    target.with_token(args.alertmanager_token.clone()).map(Some)
}

/// Who cosigns the log.
fn witnesses(args: &RunArgs) -> Result<Option<Witnesses>, WitnessesError> {
    args.witness_policy.as_deref().map(|policy| Witnesses::new(&args.witness, policy)).transpose()
}

/// Starts the recorder of the evidence log; without a log nothing is recorded.
fn evidence(
    args: &RunArgs,
    client: &Client,
    metrics: &Metrics,
    leadership: Leadership,
    clock: Clock,
) -> Evidence {
    let Some(location) = args.evidence.clone() else {
        tracing::warn!(
            "no evidence is recorded: statuses show the current state, but nothing shows the past; give --evidence"
        );
        return Evidence::without_log(leadership, clock);
    };
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let config = EvidenceConfig {
        location,
        key: args.evidence_key.clone(),
        instance: instance(),
        clock,
        identity: {
            let client = client.clone();
            let facts = ProcessFacts::of_this_process(&args.leader_elect_namespace);
            Box::new(move || identity(client.clone(), facts.clone()).boxed())
        },
        cluster: Box::new(move || cluster_uid(namespaces.clone()).boxed()),
        knowledge: Box::new(cluster_knowledge::reader(
            client.clone(),
            args.leader_elect_namespace.clone(),
        )),
    };
    let (evidence, recorder) =
        Recorder::new(config, leadership, Arc::new(metrics.evidence().clone()));
    tokio::spawn(recorder.run());
    evidence
}

/// The identity of the cluster: the uid of the namespace `kube-system`, which is as old as the cluster.
async fn cluster_uid(namespaces: Api<Namespace>) -> Result<String, String> {
    const TIMEOUT: Duration = Duration::from_secs(10);
    let metadata = tokio::time::timeout(TIMEOUT, namespaces.get_metadata("kube-system")).await;
    let metadata = metadata.map_err(|_| "no response within 10 s".to_owned())?;
    let uid = metadata.map_err(|error| error.to_string())?.metadata.uid;
    uid.ok_or_else(|| "it has none".to_owned())
}

/// A client whose requests are counted, and whose answers tell the time.
fn client(config: Config, metrics: &Metrics, clock: &Clock) -> Result<Client, ClusterError> {
    let builder = ClientBuilder::try_from(config)?.with_layer(&ReadDates::to(clock.clone()));
    Ok(builder.with_layer(&metrics.client_layer()).build())
}

/// The name of this process: that of the pod, which is also its host name.
fn instance() -> String {
    ["POD_NAME", "HOSTNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .unwrap_or_else(|| "comptroller".to_owned())
}

/// Resolves at the first SIGTERM or Ctrl-C.
fn stopped() -> impl Future<Output = ()> + Send + 'static {
    use tokio::signal::unix::{SignalKind, signal};
    async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            },
            Err(error) => {
                tracing::warn!(%error, "SIGTERM can't be handled, but Ctrl-C still stops the operator");
                let _ = tokio::signal::ctrl_c().await;
            }
        }
        tracing::info!("stopping");
    }
}
