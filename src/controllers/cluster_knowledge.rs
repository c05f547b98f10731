//! What the cluster knows of the evidence log: the published checkpoint, and what statuses cite.

use std::time::Duration;

use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::Time};
use kube::{
    Api, Client, ResourceExt,
    api::ListParams,
    core::{ApiResource, NotUsed, Object},
};
use serde::Deserialize;

use super::checkpoint_publisher;
use comptroller_core::api::{Control, EvidenceRef};
use comptroller_recorder::{Citation, ClusterKnowledge};

/// Of all controls, so many at a time: a status may be long.
const PAGE: u32 = 50;

/// How long one call may take, so that a leader that can't ask says so.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why it can't be read.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the ConfigMap comptroller-evidence: {0}")]
    Published(kube::Error),
    #[error("the controls: {0}")]
    Controls(kube::Error),
    #[error("no answer within 10 s")]
    Late,
}

/// A status as far as it cites the log.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Citing {
    evidence: Option<EvidenceRef>,
    last_evaluated: Option<Time>,
}

/// Reads it, each time that it is called.
pub fn reader(
    client: Client,
    namespace: String,
) -> impl Fn() -> BoxFuture<'static, Result<ClusterKnowledge, String>> + Send + Sync {
    move || {
        let (client, namespace) = (client.clone(), namespace.clone());
        async move { read(client, &namespace).await.map_err(|error| error.to_string()) }.boxed()
    }
}

async fn read(client: Client, namespace: &str) -> Result<ClusterKnowledge, ReadError> {
    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let published = tokio::time::timeout(TIMEOUT, checkpoint_publisher::read(&config_maps)).await;
    let published = published.map_err(|_| ReadError::Late)?.map_err(ReadError::Published)?;
    let mut knowledge = ClusterKnowledge::of(published);
    let resource = ApiResource::erase::<Control>(&());
    let controls: Api<Object<NotUsed, Citing>> = Api::all_with(client, &resource);
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let listed = tokio::time::timeout(TIMEOUT, controls.list(&page)).await;
        let listed = match listed.map_err(|_| ReadError::Late)? {
            Ok(listed) => listed,
            // Without the kind there is no status.
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(knowledge),
            Err(error) => return Err(ReadError::Controls(error)),
        };
        for control in &listed.items {
            if let Some(citation) = citation(control) {
                knowledge.cite(citation);
            }
        }
        match listed.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(knowledge),
        }
    }
}

fn citation(control: &Object<NotUsed, Citing>) -> Option<Citation> {
    let status = control.status.as_ref()?;
    let log_size = u64::try_from(status.evidence?.log_size).ok()?;
    let at: Option<Timestamp> = status.last_evaluated.as_ref().map(|at| at.0);
    Some(Citation { log_size, at, by: format!("Control {}", control.name_any()) })
}
