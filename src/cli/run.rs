//! `comptroller run`: the operator.

use std::{future::Future, io::IsTerminal, net::SocketAddr, path::PathBuf};

use futures::FutureExt;
use kube::{Client, client::ClientBuilder};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use super::cluster::{ClusterArgs, ClusterError};
use crate::{
    controllers::{
        leader::{ElectionConfig, LeaderElector},
        operator::{self, Parts},
    },
    server::{CertificateFiles, Probes, Server, ServerConfig},
    telemetry::{self, Metrics},
};

/// How to run the operator.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Which cluster.
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Where to serve metrics and probes.
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:8443")]
    listen: SocketAddr,
    /// Serve plain HTTP without authentication; only on a loopback address.
    #[arg(long)]
    insecure: bool,
    /// Run as one of several replicas, of which one writes at a time.
    #[arg(long)]
    leader_elect: bool,
    /// The namespace of the lease; otherwise the operator's own.
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "POD_NAMESPACE",
        default_value = "comptroller-system"
    )]
    leader_elect_namespace: String,
    /// The certificate to serve with, in PEM; one is made in memory without it.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl RunArgs {
    fn server(&self) -> ServerConfig {
        let certificate = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                Some(CertificateFiles { certificate: certificate.clone(), key: key.clone() })
            }
            _ => None,
        };
        ServerConfig { insecure: self.insecure, certificate, ..ServerConfig::new(self.listen) }
    }
}

/// The engine is one task: more threads only add stacks and allocator arenas, which on a node of
/// 64 cores would be 64 of each.
const THREADS: usize = 2;

/// Runs until SIGTERM or Ctrl-C.
pub fn run(args: &RunArgs) -> Result<(), Box<dyn std::error::Error>> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()?
        .block_on(serve(args))
}

async fn serve(args: &RunArgs) -> Result<(), Box<dyn std::error::Error>> {
    telemetry::init(!std::io::stderr().is_terminal())?;
    let metrics = Metrics::new()?;
    let client = client(&args.cluster, &metrics).await?;
    let stop = stopped().shared();

    let (let_go, released) = oneshot::channel::<()>();
    let (leading, election) = elect(args, &client, &metrics, released.map(drop))?;
    let parts =
        Parts { client: client.clone(), metrics: metrics.clone(), leading, instance: instance() };
    let (handle, operator) = operator::start(&parts, stop.clone());
    let board = handle.board;
    let probes = Probes::new(handle.evaluated, move || board.waiting());
    let server = Server::bind(args.server(), client, metrics, probes).await?;
    tracing::info!(address = %server.address(), "serving /metrics, /healthz and /readyz");

    // Probes answer until the last status is written.
    let (finished, wait) = oneshot::channel::<()>();
    let server = tokio::spawn(server.run(wait.map(drop)));
    let result = operator.await;
    // The last status is written: another replica may lead.
    drop(let_go);
    election.await?;
    drop(finished);
    server.await??;
    result?;
    Ok(())
}

/// Takes part in the election until `released`; without one this process leads.
fn elect(
    args: &RunArgs,
    client: &Client,
    metrics: &Metrics,
    released: impl Future<Output = ()> + Send + 'static,
) -> Result<(watch::Receiver<bool>, JoinHandle<()>), Box<dyn std::error::Error>> {
    if !args.leader_elect {
        let (sole, leading) = watch::channel(true);
        metrics.leads(true);
        let election = tokio::spawn(async move {
            released.await;
            drop(sole);
        });
        return Ok((leading, election));
    }
    let config = ElectionConfig::new(&args.leader_elect_namespace, instance());
    let elector = LeaderElector::new(client.clone(), config, metrics.clone())?;
    let leading = elector.leading();
    Ok((leading, tokio::spawn(elector.run(released))))
}

/// A client whose requests are counted.
async fn client(cluster: &ClusterArgs, metrics: &Metrics) -> Result<Client, ClusterError> {
    let mut config = cluster.config().await?;
    // Watches and reconcilers retry by themselves; the default could sit in one call for minutes.
    config.default_retry = false;
    Ok(ClientBuilder::try_from(config)?.with_layer(&metrics.client_layer()).build())
}

/// The pod's name, which Kubernetes also makes the host name.
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
                tracing::warn!(%error, "SIGTERM can't be handled; Ctrl-C still stops the operator");
                let _ = tokio::signal::ctrl_c().await;
            }
        }
        tracing::info!("stopping");
    }
}
