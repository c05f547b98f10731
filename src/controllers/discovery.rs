//! What the cluster serves, and when that changes.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    core::PartialObjectMeta,
    discovery::{Discovery, Scope, verbs},
    runtime::{
        WatchStreamExt,
        watcher::{self, watcher},
    },
};
use tokio::sync::mpsc;

use super::host::Command;
use crate::{
    inventory::{Catalog, KubernetesVersion, ResourceType, ServedResource},
    telemetry::{Failure, Metrics},
};

/// When to look again after a definition changed: the API server serves it a moment later.
const AFTER_CHANGE: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(2), Duration::from_secs(6)];

/// How often to look when nothing seems to change: aggregated APIs come and go without a definition.
const AT_REST: Duration = Duration::from_mins(10);

/// How soon to look again after the watch of definitions failed.
const AFTER_ERROR: Duration = Duration::from_secs(30);

/// A discovery call that hangs would hide a new CRD for ever.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Keeps the engine's catalog up to date.
pub async fn follow(client: Client, commands: mpsc::Sender<Command>, metrics: Metrics) {
    let outages = metrics.outages();
    let definitions: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(client.clone());
    let mut changes =
        watcher(definitions, watcher::Config::default()).default_backoff().map_ok(drop).boxed();
    let mut pending = AFTER_CHANGE.iter().copied();
    let mut known = None;
    loop {
        match tokio::time::timeout(TIMEOUT, catalog(&client)).await {
            Ok(Ok(catalog)) => {
                if known.as_ref() != Some(&catalog) {
                    known = Some(catalog.clone());
                    if commands.send(Command::Catalog(catalog)).await.is_err() {
                        return;
                    }
                }
            }
            Ok(Err(error)) => {
                let remedy = "what the cluster serves can't be asked, so new CRDs are not found: bind system:discovery to the operator";
                outages.failed("discovery", Failure::of(&error), &error, remedy);
            }
            Err(_) => outages.failed("discovery", Failure::NoAnswer, &"no answer within 30 s", ""),
        }
        let wait = match &known {
            None => Duration::from_secs(1),
            Some(_) => pending.next().unwrap_or(AT_REST),
        };
        let sleep = tokio::time::sleep(wait);
        tokio::pin!(sleep);
        tokio::select! {
            () = &mut sleep => {}
            change = changes.next() => match change {
                Some(Ok(())) => {
                    pending = AFTER_CHANGE.iter().copied();
                    // A chart installs many definitions at once; look when they have come.
                    tokio::time::sleep(AFTER_CHANGE[0]).await;
                    while let Some(Some(Ok(()))) = futures::FutureExt::now_or_never(changes.next()) {}
                }
                Some(Err(error)) => {
                    if let Some(failure) = Failure::of_watch(&error) {
                        let remedy = "definitions can't be watched, so new ones are found within ten minutes: grant list and watch on customresourcedefinitions to the operator";
                        outages.failed("customresourcedefinitions", failure, &error, remedy);
                    }
                    tokio::time::sleep(wait.min(AFTER_ERROR)).await;
                }
                None => return,
            }
        }
    }
}

/// Everything that can be listed and watched, the preferred version of each first.
pub async fn catalog(client: &Client) -> kube::Result<Catalog> {
    let discovery = Discovery::new(client.clone()).run_aggregated().await?;
    let mut rows: BTreeMap<(String, String), ServedResource> = BTreeMap::new();
    for group in discovery.groups() {
        let preferred = group.preferred_version_or_latest().to_owned();
        let mut versions: Vec<&str> = group.versions().collect();
        versions.sort_by_key(|version| *version != preferred);
        for version in versions {
            for (resource, capabilities) in group.versioned_resources(version) {
                if !capabilities.supports_operation(verbs::LIST)
                    || !capabilities.supports_operation(verbs::WATCH)
                {
                    continue;
                }
                let row = rows
                    .entry((resource.group.clone(), resource.kind.clone()))
                    .or_insert_with(|| ServedResource {
                        resource: ResourceType {
                            group: resource.group.clone(),
                            version: resource.version.clone(),
                            kind: resource.kind.clone(),
                            plural: resource.plural.clone(),
                            namespaced: capabilities.scope == Scope::Namespaced,
                        },
                        versions: Vec::new(),
                    });
                row.versions.push(resource.version);
            }
        }
    }
    let mut catalog = Catalog::new(rows.into_values().collect());
    catalog.unreachable_groups = unreachable_groups(client).await?;
    catalog.kubernetes = version(client).await?;
    Ok(catalog)
}

/// The API server's version; None where `/version` may not be read or says nothing that can be read.
async fn version(client: &Client) -> kube::Result<Option<KubernetesVersion>> {
    match client.apiserver_version().await {
        Ok(info) => Ok(format!("{}.{}", info.major, info.minor).parse().ok()),
        Err(kube::Error::Api(refused)) if refused.code == 401 || refused.code == 403 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Groups whose own API server does not answer (KEP-3352): the list of groups still names them,
/// with what they served before, or with nothing.
async fn unreachable_groups(client: &Client) -> kube::Result<Vec<String>> {
    let groups = client.list_api_groups_aggregated().await?.items;
    let stale = groups.into_iter().filter(|group| {
        group.versions.iter().any(|version| version.freshness.as_deref() == Some("Stale"))
    });
    Ok(stale.filter_map(|group| group.metadata?.name).collect())
}
