//! What a user may read of a cluster, for the pages.

use futures::FutureExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, Config, config::Kubeconfig};

use super::UiArgs;
use crate::{
    cli::cluster::{ClusterArgs, ClusterError, whoami},
    controllers::checkpoint_publisher::{CHECKPOINT, CONFIG_MAP},
    ui::{
        Cached,
        log::LogSource,
        site::{Objects, SiteReader},
    },
};
use comptroller_evidence::{key::VerifierKey, witness::Policy};
use comptroller_pages::ServedBy;

/// A user, a cluster and perhaps a log.
pub struct UserFacts {
    config: Config,
    /// The name of the context. Empty in a pod.
    cluster: String,
    namespace: String,
    /// The user as the API server knows them. Empty if it does not say.
    pub user: String,
    log: Option<(String, Option<VerifierKey>, Option<Policy>)>,
}

impl UserFacts {
    /// Finds the cluster. That it does not answer is said on the pages.
    pub async fn find(
        args: &UiArgs,
        key: Option<VerifierKey>,
        policy: Option<Policy>,
    ) -> Result<Self, ClusterError> {
        let mut config = args.cluster.config().await?;
        // A page says soon that the API server does not answer.
        config.default_retry = false;
        let client = Client::try_from(config.clone())?;
        let user = whoami(&client).await.ok().flatten().unwrap_or_default();
        Ok(Self {
            config,
            cluster: context(&args.cluster),
            namespace: args.namespace.clone(),
            user,
            log: args.evidence.clone().map(|location| (location, key, policy)),
        })
    }

    /// What pages are made from. To be called where they are made: its clients belong there.
    pub fn reader(self) -> Result<SiteReader, ClusterError> {
        let client = Client::try_from(self.config)?;
        let person =
            ServedBy::Person { user: self.user, version: env!("CARGO_PKG_VERSION").to_owned() };
        let log = self.log.map(|(location, key, policy)| {
            LogSource::new(location, Box::new(move || key.clone()), policy)
        });
        let checkpoints: Api<ConfigMap> = Api::namespaced(client.clone(), &self.namespace);
        Ok(SiteReader {
            cluster: self.cluster,
            served_by: Box::new(move || person.clone()),
            controls: Objects::listed(&client),
            exceptions: Objects::listed(&client),
            attestations: Objects::listed(&client),
            responses: Objects::listed(&client),
            periods: Objects::listed(&client),
            inputs: Box::new(Vec::new),
            log,
            published_checkpoint: Cached::new(move || published(checkpoints.clone()).boxed()),
        })
    }
}

/// The checkpoint that the operator published. None: there is none, or the user may not read it.
async fn published(checkpoints: Api<ConfigMap>) -> Option<String> {
    let published = checkpoints.get_opt(CONFIG_MAP).await.ok()??;
    published.data?.remove(CHECKPOINT)
}

/// The name of the context in use. Empty without a kubeconfig.
fn context(args: &ClusterArgs) -> String {
    if let Some(context) = &args.context {
        return context.clone();
    }
    let kubeconfig = match &args.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    kubeconfig.ok().and_then(|kubeconfig| kubeconfig.current_context).unwrap_or_default()
}
