//! How a command connects to a cluster, and what it learns there.

use std::path::PathBuf;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::{
    Api, Client, Config,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
};

/// The cluster, chosen with the same options as in kubectl.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClusterArgs {
    /// The kubeconfig file. Default: KUBECONFIG, ~/.kube/config, or the pod's service account.
    #[arg(long, value_name = "FILE", global = true)]
    pub kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig. Default: its current context.
    #[arg(long, value_name = "NAME", global = true)]
    pub context: Option<String>,
}

/// Why there is no connection to a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig can't be used.
    #[error("the kubeconfig can't be used: {0}; check --kubeconfig, --context and KUBECONFIG")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// There is neither a kubeconfig nor a service account.
    #[error(
        "no cluster is configured: {0}; give --kubeconfig, set KUBECONFIG, or run inside a pod"
    )]
    Infer(#[from] kube::config::InferConfigError),
    /// The client can't be created.
    #[error("the cluster can't be connected to: {0}")]
    Client(#[from] kube::Error),
}

/// The API server's own message, without the rest of its response; the client's error if there is none.
pub fn api_message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => other.to_string(),
    }
}

/// The user name under which the API server knows this client; None if it does not say.
///
/// # Errors
/// If the request fails.
pub async fn whoami(client: &Client) -> kube::Result<Option<String>> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = api.create(&PostParams::default(), &SelfSubjectReview::default()).await?;
    Ok(review.status.and_then(|status| status.user_info).and_then(|user| user.username))
}

impl ClusterArgs {
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

    /// The context that is used, for people to know which cluster it was. None inside a pod, and where the
    /// kubeconfig names none.
    pub fn context_name(&self) -> Option<String> {
        self.context.clone().or_else(|| {
            let kubeconfig = match &self.kubeconfig {
                Some(path) => Kubeconfig::read_from(path),
                None => Kubeconfig::read(),
            };
            kubeconfig.ok()?.current_context.filter(|name| !name.is_empty())
        })
    }

    /// A client for one command. It retries where the API server asks for that (429, 503), at most 15
    /// times within some minutes.
    pub async fn client(&self) -> Result<Client, ClusterError> {
        Ok(Client::try_from(self.config().await?)?)
    }
}
