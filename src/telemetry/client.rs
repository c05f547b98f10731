//! Counts the requests of a Kubernetes client, as a layer around its service.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::http::{Method, Request, Response};
use prometheus::{HistogramVec, IntCounterVec, Opts, core::Collector};
use tower::{Layer, Service};

use super::{LATENCY_BUCKETS, Outages, histogram};

/// The metrics of a client.
#[derive(Clone, Debug)]
pub struct ClientMetrics {
    requests: IntCounterVec,
    duration: HistogramVec,
    outages: Outages,
}

impl ClientMetrics {
    pub(super) fn new(outages: Outages) -> Result<Self, prometheus::Error> {
        Ok(Self {
            requests: IntCounterVec::new(
                Opts::new(
                    "comptroller_client_requests_total",
                    "Requests to the API server by verb and HTTP status; the code is error if there was no response. Alert when 403, 429, 5xx or error rise for 15 minutes.",
                ),
                &["verb", "code"],
            )?,
            duration: HistogramVec::new(
                histogram(
                    "comptroller_client_request_duration_seconds",
                    "Time from a request to the head of its response.",
                    LATENCY_BUCKETS,
                ),
                &["verb"],
            )?,
            outages,
        })
    }

    pub(super) fn count(&self, verb: &str, code: &str, took: Duration) {
        self.requests.with_label_values(&[verb, code]).inc();
        self.duration.with_label_values(&[verb]).observe(took.as_secs_f64());
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 2] {
        [Box::new(self.requests.clone()), Box::new(self.duration.clone())]
    }
}

/// A layer that counts requests; see [`Metrics::client_layer`](super::Metrics::client_layer).
#[derive(Clone, Debug)]
pub struct CountRequests(ClientMetrics);

impl CountRequests {
    pub(super) fn new(metrics: ClientMetrics) -> Self {
        Self(metrics)
    }
}

impl<S> Layer<S> for CountRequests {
    type Service = CountedService<S>;

    fn layer(&self, inner: S) -> CountedService<S> {
        CountedService { inner, metrics: self.0.clone() }
    }
}

/// A service with a counter in front.
#[derive(Clone, Debug)]
pub struct CountedService<S> {
    inner: S,
    metrics: ClientMetrics,
}

impl<S, B, R> Service<Request<B>> for CountedService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let verb = verb(request.method(), request.uri().path(), request.uri().query());
        let started = Instant::now();
        let metrics = self.metrics.clone();
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await;
            if response.is_ok() {
                // Any response shows that the API server is reachable, even one with an error.
                metrics.outages.answered();
            }
            let code = response.as_ref().map(Response::status);
            let code = code.as_ref().map_or("error", |status| status.as_str());
            // Up to the head only: the body of a watch lasts for its whole period.
            metrics.count(verb, code, started.elapsed());
            response
        })
    }
}

/// The verb of the API, as far as method, path and query show it. A closed set, since it is a label.
fn verb(method: &Method, path: &str, query: Option<&str>) -> &'static str {
    let watches = || {
        let mut pairs = query.into_iter().flat_map(|query| query.split('&'));
        pairs.any(|pair| matches!(pair, "watch=true" | "watch=1"))
    };
    match *method {
        Method::GET if watches() => "watch",
        Method::GET if is_collection(path) => "list",
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    }
}

/// Whether a path is that of a collection: `/api/V/[namespaces/N/]PLURAL`, or the same below
/// `/apis/GROUP/V`. Fewer segments are discovery, more are a single object.
fn is_collection(path: &str) -> bool {
    let mut parts = path.trim_matches('/').split('/');
    let skipped = match parts.next() {
        Some("api") => 1,
        Some("apis") => 2,
        _ => return false,
    };
    let parts: Vec<&str> = parts.skip(skipped).collect();
    matches!(parts.as_slice(), [_] | ["namespaces", _, _])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_is_one_of_few() {
        const PODS: &str = "/api/v1/pods";
        for (method, path, query, expected) in [
            (Method::GET, "/apis/apps/v1", None, "get"),
            (Method::GET, "/metrics", None, "get"),
            (Method::GET, "/api/v1/namespaces/shop", None, "get"),
            (Method::GET, "/api/v1/namespaces/shop/pods/web", None, "get"),
            (Method::GET, "/api/v1/namespaces", None, "list"),
            (Method::GET, "/api/v1/namespaces/shop/pods", None, "list"),
            (Method::GET, "/apis/apps/v1/deployments", Some("limit=500&resourceVersion=0"), "list"),
            (Method::GET, PODS, Some("timeoutSeconds=290&watch=true"), "watch"),
            (Method::GET, PODS, Some("watch=false"), "list"),
            (Method::GET, PODS, Some("fieldSelector=watch%3Dtrue"), "list"),
            (Method::PATCH, "/api/v1/namespaces/shop/pods/web", Some("fieldManager=x"), "patch"),
            (Method::PUT, "/api/v1/namespaces/shop/pods/web", None, "update"),
            (Method::OPTIONS, PODS, None, "other"),
        ] {
            assert_eq!(verb(&method, path, query), expected, "{method} {path} {query:?}");
        }
    }
}
