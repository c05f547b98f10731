//! How a command finds its cluster.

use std::path::PathBuf;

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// Which cluster, as kubectl asks it.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClusterArgs {
    /// The kubeconfig file; otherwise KUBECONFIG, ~/.kube/config, or the pod's service account.
    #[arg(long, value_name = "FILE", global = true)]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig.
    #[arg(long, value_name = "NAME", global = true)]
    pub context: Option<String>,
}

/// Why there is no cluster to talk to.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig can't be used.
    #[error("the kubeconfig can't be used: {0}; check --kubeconfig, --context and KUBECONFIG")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// There is none, nor a service account.
    #[error(
        "no cluster is configured: {0}; give --kubeconfig, set KUBECONFIG, or run inside a pod"
    )]
    Infer(#[from] kube::config::InferConfigError),
    /// The client can't be made.
    #[error("can't connect: {0}")]
    Client(#[from] kube::Error),
}

/// What the API server says, without the rest of its answer.
pub fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => other.to_string(),
    }
}

impl ClusterArgs {
    /// The configuration of the cluster.
    pub async fn config(&self) -> Result<Config, ClusterError> {
        let config = if self.kubeconfig.is_some() || self.context.is_some() {
            let kubeconfig = match &self.kubeconfig {
                Some(path) => Kubeconfig::read_from(path)?,
                None => Kubeconfig::read()?,
            };
            let options =
                KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
            Config::from_custom_kubeconfig(kubeconfig, &options).await?
        } else {
            Config::infer().await?
        };
        Ok(config)
    }

    /// A client for one look. The API server is asked again where it says so (429, 503), at most
    /// 15 times in some minutes.
    pub async fn client(&self) -> Result<Client, ClusterError> {
        Ok(Client::try_from(self.config().await?)?)
    }
}
