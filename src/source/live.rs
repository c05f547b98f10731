//! Reads a live cluster once, into the same inventory that the operator's watches keep up to date.

use std::sync::Arc;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::{Api, Client, api::ListParams};

use super::{PAGE_SIZE, api_resource, raw_object::RawObject};
use comptroller_core::{
    engine::{Engine, WatchSet},
    inventory::{Availability, Interner, ProjectedObject, Projector},
};

/// How many kinds are listed at the same time.
const CONCURRENCY: usize = 4;

/// The result of listing one kind.
struct ListedKind {
    projector: Projector,
    objects: kube::Result<Vec<ProjectedObject>>,
}

/// Lists all kinds that an engine wants and puts them into it. A kind that can't be read completely
/// becomes unavailable, so that no verdict comes from a part of it. `listed` is called with the plural
/// name of each kind once it was listed, in any order.
pub async fn fill(
    engine: &mut Engine,
    client: &Client,
    wanted: WatchSet,
    now: Timestamp,
    mut listed: impl FnMut(&str),
) {
    let interner = Arc::new(Interner::default());
    let projectors = wanted
        .kinds
        .into_iter()
        .map(|(resource, programs)| Projector::new(resource, programs, Arc::clone(&interner)));
    let mut lists = stream::iter(projectors)
        .map(|projector| list(client, projector))
        .buffer_unordered(CONCURRENCY);
    while let Some(ListedKind { projector, objects }) = lists.next().await {
        listed(&projector.resource().plural);
        let kind = engine.kind(projector.resource());
        match objects {
            Ok(objects) => {
                // Begun and committed together, so that no verdict comes from a part of the list.
                engine.begin(kind);
                for object in objects {
                    engine.stage(kind, object);
                }
                engine.commit(kind, projector.program_ids(), now);
            }
            Err(error) => engine.set_availability(kind, availability(&error, now), now),
        }
    }
}

fn availability(error: &kube::Error, now: Timestamp) -> Availability {
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            Availability::Forbidden(status.message.clone())
        }
        kube::Error::Api(status) if status.code == 404 => Availability::NotServed,
        other => Availability::Stale { since: now, error: other.to_string() },
    }
}

async fn list(client: &Client, projector: Projector) -> ListedKind {
    let api = Api::all_with(client.clone(), &api_resource(projector.resource()));
    let objects = pages(&api, &projector).await;
    ListedKind { projector, objects }
}

/// Every object of a list, page by page, projected. An object that can't be projected is logged and
/// left out.
pub async fn pages(
    api: &Api<RawObject>,
    projector: &Projector,
) -> kube::Result<Vec<ProjectedObject>> {
    let resource = projector.resource();
    let mut params = ListParams::default().limit(PAGE_SIZE);
    let mut objects = Vec::new();
    loop {
        let page = api.list(&params).await?;
        for object in page.items {
            let object = object.with_type(&resource.api_version(), &resource.kind);
            match projector.project(&object) {
                Ok(projected) => objects.push(projected),
                Err(error) => tracing::warn!(%resource, %error, "an object can't be read"),
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(objects),
        }
    }
}
