//! What the cluster serves, and when that changes.

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

use super::listwatch::{self, Closed, Heed, Shared, Sink, WatchProblem, What, Word};
use crate::controllers::host::Command;
use crate::telemetry::{Failure, Outages};
use comptroller_core::inventory::{Catalog, KubernetesVersion, ResourceType, ServedResource};

/// When to look again after a definition changed: the API server serves it a moment later.
const AFTER_CHANGE: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_secs(2), Duration::from_secs(6)];

/// The shortest time between two looks: somebody may change a definition all the time.
const APART: Duration = Duration::from_secs(1);

/// How often to look when nothing seems to change: aggregated APIs come and go without a definition.
const AT_REST: Duration = Duration::from_mins(10);

/// How often to look when definitions can't be watched: what was read counts for a minute.
const UNWATCHED: Duration = Duration::from_secs(20);

/// How soon to look again after a look that failed.
const AFTER_ERROR: Duration = Duration::from_secs(5);

/// How soon when nothing is known yet.
const AT_START: Duration = Duration::from_secs(1);

/// A discovery call that hangs would hide a new CRD for ever.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What the watch of definitions says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Definitions {
    /// One changed, or all were listed.
    Changed,
    /// None changed until now.
    Heard,
    /// They can't be watched for now.
    Unwatched,
}

struct Watcher(mpsc::Sender<Definitions>);

impl Sink for Watcher {
    async fn hear(&mut self, word: Word<'_>) -> Result<Heed, Closed> {
        let said = match word {
            Word::Begin | Word::Item(_) | Word::TooLarge(_) | Word::Trouble(_) => {
                return Ok(Heed::GoOn);
            }
            Word::Commit | Word::Put(_) | Word::Gone(_) => Definitions::Changed,
            Word::Heard => Definitions::Heard,
            Word::Forbidden(_) | Word::NotServed => Definitions::Unwatched,
        };
        self.0.send(said).await.map_err(|_| Closed)?;
        Ok(Heed::GoOn)
    }

    fn remedy(&self, _: &WatchProblem) -> &'static str {
        "definitions can't be watched, so new ones are found later: grant list and watch on customresourcedefinitions to the operator"
    }
}

/// Keeps the engine's catalog up to date.
pub async fn follow(shared: Shared, commands: mpsc::Sender<Command>) {
    let (sender, changes) = mpsc::channel(64);
    let client = shared.client.clone();
    let outages = shared.metrics.outages().clone();
    let what = What {
        path: CustomResourceDefinition::url_path(&(), None),
        name: "customresourcedefinitions".to_owned(),
        waits: false,
        metadata_only: true,
    };
    tokio::select! {
        () = listwatch::follow(shared, what, Watcher(sender)) => {}
        () = look(&client, &outages, changes, &commands) => {}
    }
}

async fn look(
    client: &Client,
    outages: &Outages,
    mut changes: mpsc::Receiver<Definitions>,
    commands: &mpsc::Sender<Command>,
) {
    let mut pending = AFTER_CHANGE.iter().copied();
    let mut known = None;
    let mut at_rest = AT_REST;
    loop {
        let began = Instant::now();
        // The catalog is of now once it was read after the last change.
        let current = match read(client, outages).await {
            Some(catalog) => {
                let command = if known.as_ref() == Some(&catalog) {
                    Command::Discovered
                } else {
                    known = Some(catalog.clone());
                    Command::Catalog(catalog)
                };
                if commands.send(command).await.is_err() {
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
                said = changes.recv() => match said {
                    None => return,
                    Some(Definitions::Heard) => {
                        at_rest = AT_REST;
                        if current && commands.send(Command::Discovered).await.is_err() {
                            return;
                        }
                    }
                    Some(Definitions::Unwatched) => {
                        if std::mem::replace(&mut at_rest, UNWATCHED) != UNWATCHED {
                            break;
                        }
                    }
                    Some(Definitions::Changed) => {
                        at_rest = AT_REST;
                        pending = AFTER_CHANGE.iter().copied();
                        // A chart installs many definitions at once; look when they have come.
                        let next = (began + APART).max(Instant::now() + AFTER_CHANGE[0]);
                        tokio::time::sleep_until(next.into()).await;
                        while let Some(Some(_)) = changes.recv().now_or_never() {}
                        break;
                    }
                }
            }
        }
    }
}

/// Looks once. None when it can't be read.
async fn read(client: &Client, outages: &Outages) -> Option<Catalog> {
    match tokio::time::timeout(TIMEOUT, catalog(client)).await {
        Ok(Ok(catalog)) => return Some(catalog),
        Ok(Err(error)) => {
            let remedy = "what the cluster serves can't be asked, so new CRDs are not found: bind system:discovery to the operator";
            outages.failed("discovery", Failure::of(&error), &Failure::told(&error), remedy);
        }
        Err(_) => {
            let error = format!("no answer within {} s", TIMEOUT.as_secs());
            outages.failed("discovery", Failure::NoAnswer, &error, "");
        }
    }
    None
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
