//! List and watch of one resource, with proof that nothing was missed.
//!
//! A silent watch proves nothing: its connection may be dead, its server frozen, its resource version
//! in the future. So each watch is opened for a short period, at whose end the server sends a
//! bookmark. If a watch stays quiet, a consistent list of one object, sent beside it, shows whether
//! anything happened. If a watch ends without having sent anything, everything is listed again.

mod deadlines;
pub(super) mod lines;
mod list;
mod rate_limit;
pub(super) mod request;
mod retry;
mod shared;
mod splitter;
mod versions;
mod watch;

#[cfg(test)]
mod tests;

use std::{
    future::Future,
    hash::{BuildHasher, Hasher, RandomState},
};

use axum::http::{HeaderValue, Request, header::ACCEPT};
use kube::api::WatchParams;
use tokio::{sync::watch::Receiver, time::Instant};

pub use self::{request::RequestError, shared::WatchContext};
use self::{
    request::{ResponseBody, send},
    retry::{NextRequest, Report, RequestKind, RetryState, RetryStep, WatchEnd},
    versions::ResourceVersions,
};
use super::PAGE_SIZE;

/// An event of a list-watch. Objects are the JSON that the API server sent, not parsed.
#[derive(Debug)]
pub enum WatchEvent<'a> {
    /// A list begins. What an unfinished list contained is void.
    ListStarted,
    /// An object of the list.
    ListItem(&'a [u8]),
    /// An object of the list that is too large to be passed on: the beginning of its JSON.
    TooLarge(&'a [u8]),
    /// The list of this resource version is complete. Everything up to now is known.
    ListComplete(&'a str),
    /// An object was created or changed. Everything up to now is known.
    Applied(&'a [u8]),
    /// An object was deleted; its last state. Everything up to now is known.
    Deleted(&'a [u8]),
    /// Nothing happened. Everything up to now is known.
    Confirmed,
    /// The list or watch failed with this error, one line, and is retried.
    Failing(String),
    /// The API server refuses to list or watch the resource, with this message. It is retried.
    Forbidden(String),
    /// The API server does not serve the resource. It is retried.
    NotServed,
}

/// The receiver of the events is gone, so the list-watch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// Receives the events of one list-watch.
///
/// Events come one at a time, in this order: `ListStarted`, any number of `ListItem` and `TooLarge`,
/// `ListComplete`, then any number of `Applied`, `Deleted` and `Confirmed`. A new `ListStarted` may come
/// at any time, and objects that are missing from the list that follows are gone. `Failing`,
/// `Forbidden` and `NotServed` may come between any two others, and repeatedly. The same state of an
/// object may be sent more than once.
pub trait EventHandler: Send {
    /// Takes an event. The list-watch reads nothing more until this resolves, so a slow handler
    /// slows the API server's response down rather than filling memory.
    ///
    /// # Errors
    /// [`Closed`] ends the list-watch.
    fn handle(
        &mut self,
        event: WatchEvent<'_>,
    ) -> impl Future<Output = Result<Flow, Closed>> + Send;

    /// What a person should do about an error: one line for the operator's log.
    fn remedy(&self, error: &RequestError) -> &'static str;
}

/// How a list-watch goes on after an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    #[default]
    Continue,
    /// With a new list, as when an object that was too large has changed.
    ListAgain,
}

/// The resource of a list-watch.
#[derive(Clone, Debug)]
pub struct WatchedResource {
    /// URL path of its collection, such as `/apis/apps/v1/deployments`.
    pub path: String,
    /// Its name in logs and metrics.
    pub name: String,
    /// Whether its lists queue behind those of other resources, since they may be large.
    pub queued: bool,
    /// Whether to request only the metadata of its objects.
    pub metadata_only: bool,
}

impl WatchedResource {
    fn request(&self) -> kube::core::Request {
        kube::core::Request::new(self.path.as_str())
    }

    fn accept(&self, mut request: Request<Vec<u8>>, list: &'static str) -> Request<Vec<u8>> {
        if self.metadata_only {
            let accept =
                format!("application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1");
            if let Ok(accept) = HeaderValue::try_from(accept) {
                request.headers_mut().insert(ACCEPT, accept);
            }
        }
        request
    }
}

/// The state of one list-watch.
struct ListWatch<H> {
    context: WatchContext,
    resource: WatchedResource,
    handler: H,
    retry: RetryState,
    versions: ResourceVersions,
    rewinds: Receiver<u64>,
    /// The number of rewinds that were known when the last list began.
    rewinds_seen: u64,
    /// The largest page to ask for.
    page_limit: u32,
    /// The last request failed for want of a healthy API server.
    unhealthy: bool,
    /// A failure was logged since the last complete list.
    failure_logged: bool,
}

/// Lists and watches until the handler is closed.
pub async fn run<H: EventHandler>(context: WatchContext, resource: WatchedResource, handler: H) {
    let watch = ListWatch {
        retry: RetryState::new(&context.deadlines),
        rewinds: context.rewinds.subscribe(),
        rewinds_seen: 0,
        context,
        resource,
        handler,
        versions: ResourceVersions::default(),
        page_limit: PAGE_SIZE,
        unhealthy: false,
        failure_logged: false,
    };
    let Closed = watch.run().await;
}

impl<H: EventHandler> ListWatch<H> {
    async fn run(mut self) -> Closed {
        let mut next = NextRequest::List;
        loop {
            let ended = match (next, self.versions.position().map(str::to_owned)) {
                (NextRequest::Watch, Some(version)) => self.watch(&version).await,
                (NextRequest::Probe, _) => Ok(self.probe().await),
                (NextRequest::List | NextRequest::Watch, _) => self.list().await,
            };
            match ended {
                Ok(ended) => match self.after(ended).await {
                    Ok(following) => next = following,
                    Err(closed) => return closed,
                },
                Err(closed) => return closed,
            }
        }
    }

    /// Reports how a request ended, pauses for as long as that requires, and returns what to ask
    /// for next.
    async fn after(&mut self, ended: WatchEnd) -> Result<NextRequest, Closed> {
        let now = Instant::now();
        if ended == WatchEnd::Listed && std::mem::take(&mut self.failure_logged) {
            self.context.metrics.outages().recovered(&self.resource.name);
        }
        let retry_after_given = matches!(
            &ended,
            WatchEnd::Failed { error: RequestError::Status { retry_after: Some(_), .. }, .. }
        );
        let outage = self.context.deadlines.after_outage;
        let outage = self.context.health().failed_within(outage, now);
        let RetryStep { next, pause, report } =
            self.retry.next_step(ended, now, outage, random_share());
        if next == NextRequest::List {
            self.versions.require_list();
        }
        if let Some(report) = report {
            self.report(report).await?;
        }
        if !pause.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // Others see the API server answer again, so waiting out the backoff only prolongs
                // the outage. A server that named a time itself is given that time.
                () = self.context.health().recovered(), if self.unhealthy && !retry_after_given => {}
            }
        }
        Ok(next)
    }

    async fn report(&mut self, report: Report) -> Result<(), Closed> {
        self.context.metrics.watch_failed(&self.resource.name);
        let (error, loud, event) = match report {
            Report::Failure { error, loud } => {
                let event = WatchEvent::Failing(error.to_string());
                (error, loud, event)
            }
            Report::Forbidden(error) => {
                let event = WatchEvent::Forbidden(error.to_string());
                (error, true, event)
            }
            Report::NotServed(error) => (error, true, WatchEvent::NotServed),
        };
        if loud {
            self.failure_logged = true;
            let remedy = self.handler.remedy(&error);
            let outages = self.context.metrics.outages();
            outages.failed(&self.resource.name, error.failure(), &error, remedy);
        } else {
            tracing::debug!(resource = self.resource.name, %error, "a list or watch is restarted");
        }
        self.handler.handle(event).await?;
        Ok(())
    }

    /// A request failed: notes what that says about the API server as a whole.
    fn failed(&mut self, request: RequestKind, error: RequestError, since: Instant) -> WatchEnd {
        let now = Instant::now();
        // A 403 or a malformed object is about one resource; these are about the whole server.
        self.unhealthy = match &error {
            RequestError::NoAnswer(_) => true,
            RequestError::Status { code, .. } => *code == 429 || *code >= 500,
            RequestError::Malformed(_) => false,
        };
        if self.unhealthy {
            self.context.health().note_failure(now);
        }
        WatchEnd::Failed { request, error, took: now - since }
    }

    fn succeeded(&mut self) {
        if std::mem::take(&mut self.unhealthy) {
            self.context.health().note_recovery();
        }
    }

    async fn open(
        &self,
        params: &WatchParams,
        version: &str,
    ) -> Result<ResponseBody, RequestError> {
        let request =
            self.resource.request().watch(params, version).map_err(RequestError::malformed)?;
        let request = self.resource.accept(request, "");
        send(&self.context.client, request, self.context.deadlines.response_head).await
    }

    /// Asks only whether a watch is allowed; the events of this one are not read.
    async fn probe(&mut self) -> WatchEnd {
        self.context.wait_for_turn().await;
        let since = Instant::now();
        match self.open(&WatchParams::default().timeout(1), "0").await {
            Ok(_) => WatchEnd::WatchAllowed,
            Err(error) => self.failed(RequestKind::Watch, error, since),
        }
    }
}

/// A random number from 0 to 1. It only spreads requests over time, so it need not be a good one,
/// and a hasher's keys save a dependency.
fn random_share() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    let bits = u32::try_from(random >> 32).unwrap_or_default();
    f64::from(bits) / f64::from(u32::MAX)
}
