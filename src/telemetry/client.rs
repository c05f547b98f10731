//! Counts the requests of a Kubernetes client, as a layer around its service.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use axum::http::{Method, Request, Response};
use prometheus::{HistogramVec, IntCounterVec, Opts, core::Collector};
use tower::{Layer, Service};

use super::{LATENCY_BUCKETS, Outages, histogram};

/// What is counted of a client.
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
                    "Requests to the API server by verb and HTTP status; the code is error when no answer came. Alert when 403, 429, 5xx or error rise for 15 minutes.",
                ),
                &["verb", "code"],
            )?,
            duration: HistogramVec::new(
                histogram(
                    "comptroller_client_request_duration_seconds",
                    "From a request to the head of its answer.",
                    LATENCY_BUCKETS,
                ),
                &["verb"],
            )?,
            outages,
        })
    }

    pub(super) fn collectors(&self) -> [Box<dyn Collector>; 2] {
        [Box::new(self.requests.clone()), Box::new(self.duration.clone())]
    }
}

/// The layer; see [`Metrics::client_layer`](super::Metrics::client_layer).
#[derive(Clone, Debug)]
pub struct CountRequests(ClientMetrics);

impl CountRequests {
    pub(super) fn new(metrics: ClientMetrics) -> Self {
        Self(metrics)
    }
}

impl<S> Layer<S> for CountRequests {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, metrics: self.0.clone() }
    }
}

/// A service whose requests are counted.
#[derive(Clone, Debug)]
pub struct Counted<S> {
    inner: S,
    metrics: ClientMetrics,
}

impl<S, B, R> Service<Request<B>> for Counted<S>
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
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            if answer.is_ok() {
                metrics.outages.answered();
            }
            let code = answer.as_ref().map(Response::status);
            let code = code.as_ref().map_or("error", |status| status.as_str());
            metrics.requests.with_label_values(&[verb, code]).inc();
            metrics.duration.with_label_values(&[verb]).observe(started.elapsed().as_secs_f64());
            answer
        })
    }
}

/// A closed set: the verb of the API where method, path and query tell it.
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

/// Whether a path names all objects of a type: `/api/V/[namespaces/N/]PLURAL`, or the same below
/// `/apis/GROUP/V`. Fewer parts are discovery, more are one object.
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
