//! What the cluster serves, kept up to date.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures::FutureExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Client, Resource,
    discovery::{Discovery, Scope, verbs},
};
use tokio::sync::mpsc;

use super::{
    event::SourceEvent,
    listwatch::{
        self, Closed, EventHandler, Flow, RequestError, WatchContext, WatchEvent, WatchedResource,
    },
};
use crate::telemetry::{Outages, RequestFailure};
use comptroller_core::inventory::{Catalog, KubernetesVersion, ResourceType, ServedResource};

/// When to discover again after a CRD changed: the API server serves it only a moment later.
const AFTER_CHANGE: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(2), Duration::from_secs(6)];

/// The shortest time between two discoveries, since some CRD may change all the time.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// How often to discover if no CRD changes: aggregated APIs come and go without one.
const AT_REST: Duration = Duration::from_mins(10);

/// How often to discover if CRDs can't be watched: a catalog counts as known for a minute.
const UNWATCHED: Duration = Duration::from_secs(20);

/// How soon to discover again after a failure.
const AFTER_ERROR: Duration = Duration::from_secs(5);

/// The same while there is no catalog yet.
const AT_START: Duration = Duration::from_secs(1);

/// The longest discovery: one that hangs would hide new CRDs for ever.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A message of the watch of CRDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CrdChange {
    /// One changed, or all were listed.
    Changed,
    /// None changed up to now.
    Confirmed,
    /// They can't be watched for now.
    Unwatched,
}

struct CrdHandler(mpsc::Sender<CrdChange>);

impl EventHandler for CrdHandler {
    async fn handle(&mut self, event: WatchEvent<'_>) -> Result<Flow, Closed> {
        let change = match event {
            WatchEvent::ListStarted
            | WatchEvent::ListItem(_)
            | WatchEvent::TooLarge(_)
            | WatchEvent::Failing(_) => return Ok(Flow::Continue),
            WatchEvent::ListComplete(_) | WatchEvent::Applied(_) | WatchEvent::Deleted(_) => {
                CrdChange::Changed
            }
            WatchEvent::Confirmed => CrdChange::Confirmed,
            WatchEvent::Forbidden(_) | WatchEvent::NotServed => CrdChange::Unwatched,
        };
        self.0.send(change).await.map_err(|_| Closed)?;
        Ok(Flow::Continue)
    }

    fn remedy(&self, _: &RequestError) -> &'static str {
        "CRDs can't be watched, so new ones are found later: grant the operator list and watch on customresourcedefinitions"
    }
}

/// Sends a catalog at first and whenever it changes, and confirms it in between.
pub async fn run<E: From<SourceEvent>>(context: WatchContext, events: mpsc::Sender<E>) {
    let (sender, changes) = mpsc::channel(64);
    let client = context.client.clone();
    let outages = context.metrics.outages().clone();
    let crds = WatchedResource {
        path: CustomResourceDefinition::url_path(&(), None),
        name: "customresourcedefinitions".to_owned(),
        queued: false,
        metadata_only: true,
    };
    tokio::select! {
        () = listwatch::run(context, crds, CrdHandler(sender)) => {}
        () = discover(&client, &outages, changes, &events) => {}
    }
}

async fn discover<E: From<SourceEvent>>(
    client: &Client,
    outages: &Outages,
    mut changes: mpsc::Receiver<CrdChange>,
    events: &mpsc::Sender<E>,
) {
    let mut pending = AFTER_CHANGE.iter().copied();
    let mut known = None;
    let mut at_rest = AT_REST;
    loop {
        let began = Instant::now();
        // Only a catalog that was read after the last change is current, so that is remembered
        // beside the catalog.
        let current = match read(client, outages).await {
            Some(catalog) => {
                let event = if known.as_ref() == Some(&catalog) {
                    SourceEvent::CatalogConfirmed
                } else {
                    known = Some(catalog.clone());
                    SourceEvent::Catalog(catalog)
                };
                if events.send(event.into()).await.is_err() {
                    return;
                }
                true
            }
            None => false,
        };
        let wait = match (&known, current) {
            (None, _) => AT_START,
            (Some(_), false) => AFTER_ERROR,
            (Some(_), true) => pending.next().unwrap_or(at_rest),
        };
        let sleep = tokio::time::sleep(wait);
        tokio::pin!(sleep);
        loop {
            tokio::select! {
                () = &mut sleep => break,
                change = changes.recv() => match change {
                    None => return,
                    Some(CrdChange::Confirmed) => {
                        at_rest = AT_REST;
                        let confirmed = SourceEvent::CatalogConfirmed;
                        if current && events.send(confirmed.into()).await.is_err() {
                            return;
                        }
                    }
                    Some(CrdChange::Unwatched) => {
                        // The first time at once: the last discovery may have been ten minutes ago.
                        if std::mem::replace(&mut at_rest, UNWATCHED) != UNWATCHED {
                            break;
                        }
                    }
                    Some(CrdChange::Changed) => {
                        at_rest = AT_REST;
                        pending = AFTER_CHANGE.iter().copied();
                        // A chart installs many CRDs at once: one discovery after all of them.
                        let next = (began + MIN_INTERVAL).max(Instant::now() + AFTER_CHANGE[0]);
                        tokio::time::sleep_until(next.into()).await;
                        // Changes that arrived meanwhile are covered by the discovery that follows.
                        while let Some(Some(_)) = changes.recv().now_or_never() {}
                        break;
                    }
                }
            }
        }
    }
}

/// Reads the catalog once. None, and a line in the log, if that fails.
async fn read(client: &Client, outages: &Outages) -> Option<Catalog> {
    match tokio::time::timeout(TIMEOUT, catalog(client)).await {
        Ok(Ok(catalog)) => return Some(catalog),
        Ok(Err(error)) => {
            let remedy =
                "discovery fails, so new CRDs are not found: bind system:discovery to the operator";
            outages.failed(
                "discovery",
                RequestFailure::of(&error),
                &RequestFailure::describe(&error),
                remedy,
            );
        }
        Err(_) => {
            let error = format!("no answer within {} s", TIMEOUT.as_secs());
            outages.failed("discovery", RequestFailure::NoAnswer, &error, "");
        }
    }
    None
}

/// Every kind that can be listed and watched, with its preferred version first.
pub async fn catalog(client: &Client) -> kube::Result<Catalog> {
    let discovery = Discovery::new(client.clone()).run_aggregated().await?;
    let mut rows: BTreeMap<(String, String), ServedResource> = BTreeMap::new();
    for group in discovery.groups() {
        let preferred = group.preferred_version_or_latest().to_owned();
        let mut versions: Vec<&str> = group.versions().collect();
        // The first version of a kind becomes the one to watch.
        versions.sort_by_key(|version| *version != preferred);
        for version in versions {
            for (resource, capabilities) in group.versioned_resources(version) {
                // A control can only judge what can be listed and watched.
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

/// The API server's version; None if `/version` may not be read, or can't be parsed.
async fn version(client: &Client) -> kube::Result<Option<KubernetesVersion>> {
    match client.apiserver_version().await {
        Ok(info) => Ok(format!("{}.{}", info.major, info.minor).parse().ok()),
        Err(kube::Error::Api(refused)) if refused.code == 401 || refused.code == 403 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Groups whose aggregated API server does not answer (KEP-3352): discovery still lists them, with
/// what they served before or with nothing.
async fn unreachable_groups(client: &Client) -> kube::Result<Vec<String>> {
    let groups = client.list_api_groups_aggregated().await?.items;
    let stale = groups.into_iter().filter(|group| {
        group.versions.iter().any(|version| version.freshness.as_deref() == Some("Stale"))
    });
    Ok(stale.filter_map(|group| group.metadata?.name).collect())
}
