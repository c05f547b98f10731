//! `comptroller run`: the operator.

use std::net::SocketAddr;

use tokio::sync::watch;

use super::cluster::ClusterArgs;
use crate::{
    controllers::operator::{self, Parts},
    telemetry::Metrics,
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
}

/// Runs until SIGTERM or Ctrl-C.
#[tokio::main]
pub async fn run(args: RunArgs) -> Result<(), Box<dyn std::error::Error>> {
    let client = args.cluster.client().await?;
    let metrics = Metrics::new()?;
    let (_leading, leading) = watch::channel(true);
    let parts = Parts { client, metrics, leading, instance: instance() };
    let (_handle, running) = operator::start(parts, stopped());
    running.await?;
    Ok(())
}

/// The pod's name, which Kubernetes also makes the host name.
fn instance() -> String {
    std::env::var("POD_NAME")
        .or_else(|_| std::env::var("HOSTNAME"))
        .unwrap_or_else(|_| "comptroller".to_owned())
}

async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("stopping");
}
