//! The facts of a [`Site`]: from the watches that the operator has, or by lists with a user's rights.

use std::{fmt::Debug, sync::Arc, time::Duration};

use futures::FutureExt;
use jiff::Timestamp;
use kube::{Api, Client, Resource, api::ListParams, core::DeserializeGuard};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{cached::Cached, log::LogSource};
use crate::source::held::{Held, HeldObjects};
use comptroller_core::api::{
    Attestation, AuditPeriod, Control, ControlException, DeviationResponse,
};
use comptroller_pages::{Input, ServedBy, Site, Source, shown_control};

/// How long a list may take.
const LISTING: Duration = Duration::from_secs(10);

/// How many objects a page of a list asks for.
const PAGE: u32 = 500;

/// The most objects of a kind that are listed for pages.
const MOST: usize = 20_000;

/// How many unreadable objects are named.
const NAMED: usize = 5;

/// How long a page waits for the log. What is known of it is shown then.
const LOG_PATIENCE: Duration = Duration::from_millis(1500);

/// Where the objects of a kind come from.
pub enum Objects<K: Resource<DynamicType = ()> + Clone + Debug + 'static> {
    /// A watch of the operator.
    Held(Held<K>),
    /// A list, by whoever looks.
    Listed(Cached<Source<K>>),
}

/// What a page is made of, and where that comes from.
pub struct SiteReader {
    /// The name of the cluster; may be empty.
    pub cluster: String,
    pub served_by: Box<dyn Fn() -> ServedBy + Send + Sync>,
    pub controls: Objects<Control>,
    pub exceptions: Objects<ControlException>,
    pub attestations: Objects<Attestation>,
    pub responses: Objects<DeviationResponse>,
    pub periods: Objects<AuditPeriod>,
    pub inputs: Box<dyn Fn() -> Vec<Input> + Send + Sync>,
    /// None: there is no log, or none was given.
    pub log: Option<LogSource>,
    pub published_checkpoint: Cached<Option<String>>,
}

impl SiteReader {
    /// The facts for the page of a path.
    pub async fn site(&self, path: &str) -> Site {
        let control = shown_control(path);
        let log = async {
            let log = self.log.as_ref()?;
            let view = log.view(LOG_PATIENCE).await;
            let population = match &control {
                Some(control) => log.population(&view, control, LOG_PATIENCE).await,
                None => None,
            };
            Some((view, population))
        };
        let (controls, exceptions, attestations, responses, periods, log, published_checkpoint) = tokio::join!(
            self.controls.read(),
            self.exceptions.read(),
            self.attestations.read(),
            self.responses.read(),
            self.periods.read(),
            log,
            self.published_checkpoint.get(),
        );
        let (log, population) = log.unzip();
        Site {
            cluster: self.cluster.clone(),
            now: Timestamp::now(),
            served_by: (self.served_by)(),
            controls,
            exceptions,
            attestations,
            responses,
            periods,
            inputs: (self.inputs)(),
            log,
            population: population.flatten(),
            published_checkpoint,
        }
    }
}

impl<K> Objects<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    /// A list of the objects with the rights of a client.
    pub fn listed(client: &Client) -> Self {
        let client = client.clone();
        Self::Listed(Cached::new(move || list(client.clone()).boxed()))
    }

    /// The objects as of now.
    pub async fn read(&self) -> Source<K> {
        match self {
            Self::Held(held) => held_source(held.objects()),
            Self::Listed(listed) => listed.get().await,
        }
    }
}

fn held_source<K: Resource<DynamicType = ()>>(held: HeldObjects<K>) -> Source<K> {
    let HeldObjects { objects, unreadable, heard, trouble } = held;
    let trouble = match (heard, trouble) {
        (None, None) => {
            Some(format!("{} are not listed yet: reload this page in a moment", kind::<K>()))
        }
        (_, Some(error)) => Some(format!("the watch of {} fails: {error}", kind::<K>())),
        (_, None) => of_unreadable::<K>(&unreadable),
    };
    Source { items: objects, heard, trouble }
}

/// Lists a kind, page by page.
async fn list<K>(client: Client) -> Source<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let heard = Timestamp::now();
    let listed = timeout(LISTING, pages::<K>(client)).await;
    match listed {
        Ok(Ok(Listed { items, unreadable, cut })) => {
            let trouble = if cut {
                let most = format!(
                    "there are more than {MOST} {}: this page has the first of them",
                    kind::<K>()
                );
                Some(most)
            } else {
                of_unreadable::<K>(&unreadable)
            };
            Source { items, heard: Some(heard), trouble }
        }
        Ok(Err(error)) => Source::unreadable(refusal::<K>(&error)),
        Err(_) => Source::unreadable(format!(
            "the API server did not list {} within {} s: see that it answers, and reload this page",
            kind::<K>(),
            LISTING.as_secs()
        )),
    }
}

struct Listed<K> {
    items: Vec<Arc<K>>,
    unreadable: Vec<String>,
    /// Whether there are more.
    cut: bool,
}

async fn pages<K>(client: Client) -> kube::Result<Listed<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api: Api<DeserializeGuard<K>> = Api::all(client);
    let mut params = ListParams::default().limit(PAGE);
    let mut listed = Listed { items: Vec::new(), unreadable: Vec::new(), cut: false };
    loop {
        let page = api.list(&params).await?;
        for DeserializeGuard(object) in page.items {
            match object {
                Ok(object) => listed.items.push(Arc::new(object)),
                Err(invalid) => {
                    listed.unreadable.push(invalid.metadata.name.unwrap_or_default());
                }
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(_) if listed.items.len() >= MOST => {
                listed.cut = true;
                return Ok(listed);
            }
            Some(token) => params = params.continue_token(&token),
            None => return Ok(listed),
        }
    }
}

/// The resource as `kubectl` names it.
fn kind<K: Resource<DynamicType = ()>>() -> String {
    format!("{}.{}", K::plural(&()), K::group(&()))
}

/// Why a kind can't be listed, and what to do about it.
fn refusal<K: Resource<DynamicType = ()>>(error: &kube::Error) -> String {
    let kind = kind::<K>();
    match error {
        kube::Error::Api(status) if status.code == 403 => format!(
            "you may not list {kind}: have an administrator bind you to the ClusterRole comptroller-viewer with a ClusterRoleBinding"
        ),
        kube::Error::Api(status) if status.code == 404 => format!(
            "the cluster does not serve {kind}: install the CustomResourceDefinitions of Comptroller"
        ),
        kube::Error::Api(status) if status.code == 401 => {
            "the API server does not accept your credentials any more: sign in to the cluster again, and restart `comptroller ui`".to_owned()
        }
        other => format!("{kind} can't be listed: {}", crate::cli::api_message(other)),
    }
}

fn of_unreadable<K: Resource<DynamicType = ()>>(names: &[String]) -> Option<String> {
    let first = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| {
        format!(
            "some {} can't be read and are left out: {first}{more}; `kubectl describe` says what is wrong with them",
            kind::<K>()
        )
    })
}
