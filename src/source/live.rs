//! One look at a live cluster: the same inventory that watches keep, filled once.

use std::sync::Arc;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::{Api, Client, api::ListParams};

use crate::{controllers::watches::api_resource, source::watched::Watched};
use comptroller_core::{
    engine::{Engine, WatchSet},
    inventory::{Availability, Interner, ProjectedObject, Projector},
};

/// As many objects as a watch takes at once; see there.
const PAGE_SIZE: u32 = 250;

/// How many kinds are listed at the same time.
const CONCURRENCY: usize = 4;

/// A kind as it was read.
struct Listed {
    projector: Projector,
    objects: kube::Result<Vec<ProjectedObject>>,
}

/// Lists everything that is wanted into an engine. A kind that can't be read whole becomes
/// unavailable, so that no verdict comes from a part of it.
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
    while let Some(Listed { projector, objects }) = lists.next().await {
        listed(&projector.resource().plural);
        let kind = engine.kind(projector.resource());
        match objects {
            Ok(objects) => {
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

async fn list(client: &Client, projector: Projector) -> Listed {
    let api = Api::all_with(client.clone(), &api_resource(projector.resource()));
    let objects = pages(&api, &projector).await;
    Listed { projector, objects }
}

/// Every object of a list, page by page.
pub async fn pages(
    api: &Api<Watched>,
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
                Err(error) => tracing::warn!(%resource, %error, "an object can't be taken in"),
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(objects),
        }
    }
}
